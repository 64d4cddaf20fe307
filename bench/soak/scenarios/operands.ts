/**
 * Functions of every family whose operands are missing when they are called: results that must be brought
 * back, or made again, in the middle of a launch. They give what they gave with everything in place.
 */
import {
  autograd,
  cat,
  crossEntropy,
  einsum,
  functional as F,
  linalg,
  manualSeed,
  rand,
  setCacheLimit,
  stack,
  type Tensor,
  vmap,
  where,
} from 'nabla';
import type { Scenario, Soak } from '../scenario.ts';
import { MB } from '../verdict.ts';
import { kb } from '../world/program.ts';
import { press } from '../world/world.ts';

const N = 64;

type Operands = readonly [a: Tensor, b: Tensor, c: Tensor];

/** Of three matrices of 64 × 64 with elements between 0 and 1. */
const functions: Readonly<Record<string, (...operands: Operands) => Tensor>> = {
  cat: (a, b, c) => cat([a, b.T, c, a.narrow(0, 3, 9)], 0),
  stack: (a, b, c) => stack([a, b, c, a.T], 1),
  where: (a, b, c) => where(a.gt(0.5), b, c),
  addcdiv: (a, b, c) => a.addcdiv(b, c.add(1)),
  lerp: (a, b, c) => a.lerp(b, c),
  'add of a transposed': (a, b) => a.add(b.T).T.mul(b),
  matmul: (a, b, c) => a.matmul(b).matmul(c.T),
  bmm: (a, b) => a.reshape([4, 16, N]).bmm(b.reshape([4, 16, N]).transpose(1, 2)),
  baddbmm: (a, b) => a.reshape([4, 32, 32]).baddbmm(b.reshape([4, 32, 32]), b.T.reshape([4, 32, 32])),
  einsum: (a, b, c) => einsum('ij,kj,jk->ik', a, b, c),
  linear: (a, b, c) => F.linear(a, b, c.select(0, 0)) as Tensor,
  softmax: (a, b) => a.mul(b).softmax(0),
  logsumexp: (a) => a.mul(9).logsumexp(1),
  'layer norm': (a, b, c) => F.layerNorm(a, [N], { weight: b.select(0, 1), bias: c.select(0, 2) }) as Tensor,
  'cross entropy': (a, b) => crossEntropy(a, b.argmax(1), { reduction: 'none' }) as Tensor,
  attention: (a, b, c) =>
    F.scaledDotProductAttention(a.reshape([2, 32, N]), b.reshape([2, 32, N]), c.reshape([2, 32, N])) as Tensor,
  convolution: (a, b) =>
    F.conv2d(a.reshape([1, 4, 32, 32]), b.narrow(0, 0, 9).reshape([16, 4, 3, 3]), null, { padding: 1 }) as Tensor,
  'max pool': (a) => F.maxPool2d(a.reshape([1, 4, 32, 32]), 2) as Tensor,
  'average pool': (a) => F.avgPool2d(a.reshape([1, 4, 32, 32]), 3) as Tensor,
  interpolate: (a) => F.interpolate(a.reshape([1, 4, 32, 32]), { scaleFactor: 2, mode: 'bilinear' }) as Tensor,
  pad: (a) => F.pad(a, [3, 4, 5, 6]) as Tensor,
  embedding: (a, b) => F.embedding(b.mul(N - 1).to('int32'), a) as Tensor,
  gather: (a, b) => a.gather(0, b.mul(N - 1).to('int32')),
  index: (a, b, c) =>
    a.indexPut(
      [
        b
          .select(0, 0)
          .mul(N - 1)
          .to('int32'),
      ],
      c,
      { accumulate: true },
    ),
  brackets: (a, b) => a.at(b.select(0, 0).gt(0.5), null),
  'masked select': (a, b) => a.maskedSelect(b.gt(0.3)),
  'masked scatter': (a, b, c) => a.maskedScatter(b.gt(0.3), c),
  scatter: (a, b, c) => a.scatterAdd(0, b.mul(N - 1).to('int32'), c),
  sort: (a, b) => a.sub(b).sort(1, { descending: true }).values,
  topk: (a) => a.topk(9, 0).values,
  unique: (a) => a.mul(50).round().unique(),
  searchsorted: (a, b) => a.sort(1).values.searchsorted(b),
  cumsum: (a, b) => a.cumsum(0).mul(b.cumprod(1)),
  logcumsumexp: (a) => a.logcumsumexp(1),
  var: (a, b) => a.mul(b).var(0),
  median: (a, b) => a.sub(b).median(1).values,
  quantile: (a) => a.quantile(0.3, 0),
  norm: (a, b) => a.sub(b).norm(3, 1),
  cdist: (a, b) => a.cdist(b),
  kron: (a, b) => a.narrow(0, 0, 4).kron(b.narrow(0, 0, 4)),
  roll: (a) => a.roll([5, 9], [0, 1]).flip([1]),
  unfold: (a) => a.unfold(0, 5, 3).contiguous(),
  solve: (a, b) => linalg.solve(a.matmul(a.T).add(linalgShift), b) as Tensor,
  cholesky: (a) => linalg.cholesky(a.matmul(a.T).add(linalgShift)) as Tensor,
  qr: (a) => linalg.qr(a.matmul(a.T).add(linalgShift)).R as Tensor,
  inverse: (a) => linalg.inv(a.matmul(a.T).add(linalgShift)) as Tensor,
  vmap: (a, b) => vmap((x: Tensor, y: Tensor) => x.mul(y).cumsum(0))(a, b),
  gradient: (a, b, c) => {
    const x = a.detach().clone().requiresGrad_();
    return autograd.grad(F.layerNorm(x.matmul(b).tanh().mul(c), [N]).square().sum(), x)[0] as Tensor;
  },
};

/** What makes a matrix well conditioned. */
let linalgShift: Tensor;

function run(soak: Soak): void {
  manualSeed(3);
  const names = Object.keys(functions);
  for (let step = 0; step < soak.steps; step++) {
    const name = names[step % names.length] as string;
    const f = functions[name] as (...operands: Operands) => Tensor;
    const dtype = Math.floor(step / names.length) % 2 === 0 ? 'float32' : 'float64';
    linalgShift = (rand([N, N], { dtype }) as Tensor).mul(0.1).add(0.5).triu().tril().mul(40);
    const make = (): Tensor => (rand([N, N], { dtype }) as Tensor).mul(0.5).add(0.25);
    const operands = [make(), make(), make()] as const;
    const values = operands.map((t) => t.toTypedArray());
    setCacheLimit(4 * MB);
    const inPlace = f(...operands);
    const expected = inPlace.toTypedArray();
    // With room for nothing but the launch itself, then with some.
    for (const cache of [0, kb(256)]) {
      press(cache);
      const result = f(...operands);
      soak.equal(`${name} of ${dtype} under ${cache} bytes, step ${step}`, result.toTypedArray(), expected);
      press(cache);
      soak.equal(`${name} of ${dtype}, kept, step ${step}`, result.toTypedArray(), expected);
    }
    soak.equal(`${name} of ${dtype}, the first, step ${step}`, inPlace.toTypedArray(), expected);
    for (const [i, t] of operands.entries())
      soak.equal(`operand ${i} of ${name}, step ${step}`, t.toTypedArray(), values[i] as ArrayLike<number>);
    soak.after(step);
  }
}

export const operands: Scenario = {
  name: 'operands that are missing',
  steps: 15_000,
  // So that every function has been seen with both dtypes in the first quarter, in which code is generated.
  shortSteps: 8 * Object.keys(functions).length,
  limits: { linear: 8 },
  run,
};
