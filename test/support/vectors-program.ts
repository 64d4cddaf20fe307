/**
 * Prints the width of the vectors it computes with, and a hash of the bits of results of many kernels, by name: for
 * `test/backends/pairs.test.ts`, which runs it in several ways.
 */
import * as F from '../../src/functional/index.ts';
import { backendInfo, cat, noGrad, setBlas, setNumThreads, type Tensor, tensor } from '../../src/index.ts';

setBlas(false);
setNumThreads(1);

/** FNV-1a of the bytes of some tensors. */
function hash(values: readonly Tensor[]): string {
  let h = 0x811c9dc5;
  for (const value of values) {
    const data = value.contiguous().toTypedArray();
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    for (const byte of bytes) h = Math.imul(h ^ byte, 0x01000193);
  }
  return (h >>> 0).toString(16);
}

/** What kernels treat as rare stands here and there among ordinary numbers. */
const rare = [0, -0, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-40, 89, -104, 700, 1e6, 1e30];

/** Pseudorandom numbers of a fixed sequence, which no random generator of a host makes. */
function numbers(shape: readonly number[], dtype: 'float32' | 'float64', withRare: boolean): Tensor {
  const count = shape.reduce((n, s) => n * s, 1);
  let state = 12345;
  const values = Array.from({ length: count }, (_, i) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return withRare && i % 97 === 96 ? (rare[((i / 97) % rare.length) | 0] as number) : (state / 2 ** 32) * 6 - 3;
  });
  return tensor(values, { dtype }).view([...shape]);
}

const maps: Record<string, (x: Tensor) => Tensor> = {
  exp: (x) => x.exp(),
  expm1: (x) => x.expm1(),
  log: (x) => x.log(),
  log1p: (x) => x.log1p(),
  sin: (x) => x.sin(),
  cos: (x) => x.cos(),
  tan: (x) => x.tan(),
  tanh: (x) => x.tanh(),
  atan: (x) => x.atan(),
  sinh: (x) => x.sinh(),
  erf: (x) => x.erf(),
  sigmoid: (x) => x.sigmoid(),
  gelu: (x) => F.gelu(x),
  silu: (x) => F.silu(x),
  softplus: (x) => F.softplus(x),
  sqrt: (x) => x.sqrt(),
  pow: (x) => x.abs().pow(1.7),
  add: (x) => x.add(x.flip([0])),
  div: (x) => x.div(x.add(1)),
  where: (x) => x.where(x.gt(0), x.mul(2)),
  compare: (x) => x.gt(0.5),
  whole: (x) => x.clamp(-3, 3).to('int32').mul(7),
  bytes: (x) => x.clamp(0, 3).nanToNum().to('uint8'),
  clamp: (x) => x.clamp(-1, 1),
  transposed: (x) => x.view([-1, 5]).t().exp(),
  rows: (x) =>
    x
      .view([-1, 5])
      .add(x.narrow(0, 0, 5))
      .tanh(),
  inPlace: (x) => x.clone().mul_(0.5).sigmoid_(),
};

const others: Record<string, (x: Tensor) => Tensor> = {
  sum: (x) => cat([x.sum().view([1]), x.view([-1, 29]).sum(0), x.view([-1, 29]).sum(1)]),
  max: (x) => cat([x.max().view([1]), x.view([-1, 29]).amax(0), x.view([-1, 29]).amax(1)]),
  softmax: (x) => x.view([-1, 29]).softmax(1),
  logSoftmax: (x) => x.view([29, -1]).logSoftmax(0),
  layerNorm: (x) => F.layerNorm(x.view([-1, 29]), [29]),
  variance: (x) => x.view([-1, 29]).var(1),
  cumsum: (x) => x.cumsum(0),
  sort: (x) => x.view([29, -1]).sort(1).values,
  product: (x) =>
    x
      .narrow(0, 0, 40 * 29)
      .view([40, 29])
      .matmul(x.narrow(0, 0, 29 * 37).view([29, 37])),
  wide: (x) =>
    x
      .narrow(0, 0, 29 * 47)
      .view([47, 29])
      .matmul(x.narrow(0, 0, 29 * 95).view([29, 95])),
  narrow: (x) =>
    x
      .narrow(0, 0, 29 * 47)
      .view([47, 29])
      .matmul(x.narrow(0, 0, 29 * 3).view([29, 3])),
  few: (x) =>
    x
      .narrow(0, 0, 29 * 2)
      .view([2, 29])
      .matmul(x.narrow(0, 0, 29 * 95).view([29, 95])),
  transposedProduct: (x) =>
    x
      .narrow(0, 0, 29 * 61)
      .view([61, 29])
      .matmul(
        x
          .narrow(0, 0, 29 * 61)
          .view([61, 29])
          .t(),
      ),
  conv: (x) => F.conv2d(x.narrow(0, 0, 8 * 11 * 13).view([1, 8, 11, 13]), x.narrow(0, 0, 9 * 72).view([9, 8, 3, 3])),
  pool: (x) => F.maxPool2d(x.narrow(0, 0, 4 * 12 * 14).view([1, 4, 12, 14]), 2),
};

const found: Record<string, string> = {};
for (const dtype of ['float32', 'float64'] as const) {
  for (const [name, f] of Object.entries(maps)) {
    const x = numbers([29 * 105], dtype, true);
    found[`${name} ${dtype}`] = hash([noGrad(() => f(x))]);
  }
  for (const [name, f] of [...Object.entries(maps), ...Object.entries(others)]) {
    const x = numbers([29 * 105], dtype, false).requiresGrad_();
    const y = f(x);
    if (y.requiresGrad) y.mul(y.detach()).sum().backward();
    found[`${name} and gradient ${dtype}`] = hash(x.grad === null ? [y.detach()] : [y.detach(), x.grad]);
  }
}
process.stdout.write(JSON.stringify({ vectorBits: backendInfo().vectorBits, found }));
