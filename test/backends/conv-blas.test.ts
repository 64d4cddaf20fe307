/** Convolutions by the system's BLAS. Where there is none, the generated kernels stand in for it. */
import { autograd, functional as F, manualSeed, randn, setDeterministic, setNumThreads, type Tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { generated, systemBlas, useBlas, workersHave } from '../support/blas.ts';
import { withThreads } from '../support/worker.ts';

const blas = systemBlas();
useBlas(blas);

type Options = F.ConvOptions & F.ConvTransposeOptions;
type Run = (dtype: 'float32' | 'float64') => Tensor[];

/** A transposed convolution with a bias, of some of its weights. */
const biased = ((x: Tensor, w: Tensor, _: null, options: Options) =>
  F.convTranspose2d(x, w, w.select(0, 0).sum([1, 2]) as Tensor, options)) as unknown as typeof F.convTranspose2d;

/** A result and its gradients, of operands that are laid out in reverse if they are to be. */
function operation(
  f: typeof F.conv2d | typeof F.convTranspose2d,
  input: number[],
  weight: number[],
  more: Options,
  lay: (x: Tensor) => Tensor = (x) => x,
): Run {
  manualSeed(3);
  const [x, w] = [lay(randn(input) as Tensor), randn(weight)] as Tensor[];
  const call = f as unknown as (x: Tensor, w: Tensor, b: Tensor | null, options: Options) => Tensor;
  return (dtype) => {
    const leaves = [x, w].map((t) => t.to(dtype).detach().requiresGrad_() as Tensor);
    const y = call(leaves[0], leaves[1], null, more);
    return [y.detach() as Tensor, ...autograd.grad(y, leaves, { gradOutputs: y.detach() as Tensor })];
  };
}

const work: Readonly<Record<string, Run>> = {
  '1 × 1': operation(F.conv2d, [5, 64, 14, 15], [72, 64, 1, 1], {}),
  '1 × 1 of many places': operation(F.conv2d, [2, 40, 60, 60], [48, 40, 1, 1], {}),
  '1 × 1, stride 2': operation(F.conv2d, [3, 48, 29, 30], [64, 48, 1, 1], { stride: 2 }),
  'stride 2': operation(F.conv2d, [3, 32, 33, 30], [40, 32, 3, 3], { stride: 2, padding: 1 }),
  'stride 3 and dilation': operation(F.conv2d, [2, 24, 40, 41], [32, 24, 3, 2], { stride: 3, dilation: 2, padding: 2 }),
  'large windows of few channels': operation(F.conv2d, [5, 3, 64, 66], [32, 3, 7, 7], { stride: 2, padding: 3 }),
  'groups of small images': operation(F.conv2d, [37, 64, 5, 4], [96, 32, 3, 3], { padding: 1, groups: 2 }),
  'windows over the ends of lines': operation(F.conv2d, [9, 6, 14, 13], [16, 6, 5, 5], {}),
  'lines shorter than a vector': operation(F.conv2d, [9, 40, 5, 3], [24, 40, 3, 3], { padding: [1, 0] }),
  'groups of twelve channels': operation(F.conv2d, [3, 60, 28, 27], [60, 12, 3, 3], { padding: 1, groups: 5 }),
  'groups of eight channels': operation(F.conv2d, [2, 64, 29, 30], [64, 8, 3, 3], { padding: 1, groups: 8, stride: 2 }),
  'lattices of groups': operation(F.conv2d, [3, 48, 29, 30], [48, 16, 3, 3], { padding: 1, groups: 3, stride: 2 }),
  'nine lattices': operation(F.conv2d, [3, 20, 40, 38], [30, 20, 5, 4], { stride: 3, dilation: 2, padding: 3 }),
  'lattices without taps': operation(F.conv2d, [2, 16, 21, 40], [40, 16, 2, 1], { stride: [2, 3] }),
  'lattices along one dimension': operation(F.conv1d as typeof F.conv2d, [3, 24, 301], [32, 24, 4], {
    stride: 2,
    padding: 1,
  }),
  'lattices with a bias': operation(biased, [3, 32, 13, 14], [32, 20, 3, 3], { stride: 2, padding: 1 }),
  'nine lattices with a bias': operation(biased, [3, 32, 9, 10], [32, 20, 4, 5], { stride: 3 }),
  'half as many channels': operation(F.conv2d, [4, 8, 14, 17], [16, 8, 3, 3], { padding: 1 }),
  'one channel': operation(F.conv2d, [4, 1, 28, 27], [32, 1, 3, 3], { padding: 1 }),
  'few taps of one channel, many rows': operation(F.conv2d, [3, 1, 28, 27], [136, 1, 3, 3], { padding: 1 }),
  'one image of six places': operation(F.conv2d, [1, 160, 2, 3], [168, 160, 3, 3], { padding: 1 }),
  'one image of nine places': operation(F.conv2d, [1, 96, 3, 3], [104, 96, 3, 3], { padding: 1 }),
  'taps far apart': operation(F.conv2d, [2, 32, 32, 31], [40, 32, 3, 3], { padding: 6, dilation: 6 }),
  'eight rows': operation(F.conv2d, [4, 12, 28, 27], [8, 12, 3, 3], { padding: 1 }),
  'images in several waves': operation(F.conv2d, [41, 32, 28, 28], [24, 32, 3, 3], { stride: 2, padding: 1 }),
  '1 × 1, channels last': operation(
    F.conv2d,
    [3, 17, 18, 40],
    [48, 40, 1, 1],
    {},
    (x) => x.permute([0, 3, 1, 2]) as Tensor,
  ),
  'small images of many channels': operation(F.conv2d, [9, 96, 7, 7], [136, 96, 1, 1], {}),
  'small images of many channels, stride 2': operation(F.conv2d, [7, 80, 14, 13], [136, 80, 3, 3], {
    stride: 2,
    padding: 1,
  }),
  'one image': operation(F.conv2d, [1, 130, 14, 14], [200, 130, 1, 1], {}),
  'one image, transposed': operation(F.convTranspose2d, [1, 96, 9, 11], [96, 150, 3, 3], { stride: 2, padding: 1 }),
  'lines without padding, stride 2': operation(F.conv2d, [1, 64, 1, 99], [64, 64, 1, 3], { stride: [1, 2] }),
  transposed: operation(F.convTranspose2d, [2, 40, 20, 21], [40, 32, 4, 4], { stride: 2, padding: 1 }),
  // The cotangents of its input are summed window by window, which by tiles are sums of other numbers.
  'transposed, 3 × 3': operation(F.convTranspose2d, [4, 32, 32, 31], [32, 40, 3, 3], { stride: 2, padding: 1 }),
};

/** By Winograd's transforms, whose products are a library's. */
const tiles: Readonly<Record<string, Run>> = {
  'by tiles': operation(F.conv2d, [5, 64, 30, 29], [72, 64, 3, 3], { padding: 1 }),
  'by tiles, one image': operation(F.conv2d, [1, 68, 58, 55], [66, 68, 3, 3], {}),
  'by tiles, groups': operation(F.conv2d, [4, 128, 27, 28], [136, 64, 3, 3], { padding: 1, groups: 2 }),
  'by tiles, larger windows': operation(F.conv2d, [3, 32, 28, 27], [40, 32, 5, 5], { padding: 2 }),
  'by tiles, weights in pieces': operation(F.conv2d, [4, 300, 21, 20], [322, 300, 3, 3], { padding: 1 }),
  'by tiles, stride 2': operation(F.conv2d, [3, 64, 71, 59], [72, 64, 3, 3], { stride: 2, padding: 1 }),
  'by tiles, stride 2, no padding': operation(F.conv2d, [3, 64, 57, 58], [72, 64, 3, 3], { stride: 2 }),
  'by tiles, stride 2, groups': operation(F.conv2d, [4, 128, 54, 45], [136, 64, 3, 3], {
    padding: 1,
    stride: 2,
    groups: 2,
  }),
  'by tiles, stride 2, transposed': operation(F.convTranspose2d, [4, 64, 31, 30], [64, 70, 3, 3], {
    stride: 2,
    padding: 1,
  }),
  'by tiles, stride 2, few channels': operation(F.conv2d, [4, 32, 32, 31], [40, 32, 3, 3], {
    stride: 2,
    padding: 1,
  }),
  'by tiles, transposed': operation(F.convTranspose2d, [2, 64, 29, 30], [64, 70, 3, 3], { padding: 1 }),
};

const bits = (ts: readonly Tensor[]): string =>
  ts
    .map((t) => {
      const { buffer, byteOffset, byteLength } = t.toTypedArray();
      return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    })
    .join('|');

function hasSameBits(f: Run): void {
  it('has bits that do not depend on the number of threads', async () => {
    setNumThreads(1);
    const alone = bits(f('float32'));
    for (const n of [2, 3, 5]) {
      await withThreads(n);
      // Workers may have the library by now or not.
      expect(bits(f('float32')) === alone).toBe(true);
      if (typeof blas !== 'string') expect(await workersHave(blas)).toBe(true);
      expect(bits(f('float32')) === alone).toBe(true);
    }
  });
}

describe.each(Object.keys(work))('%s', (name) => {
  const f = work[name] as Run;

  it('is what the generated kernels give', () => {
    setNumThreads(1);
    const same = generated(() => f('float64'));
    for (const dtype of ['float32', 'float64'] as const) {
      f(dtype).forEach((t, i) => {
        const error =
          +t
            .to('float64')
            .sub(same[i] as Tensor)
            .abs()
            .max() /
          (1 + +(same[i] as Tensor).abs().max());
        expect(error).toBeLessThan(dtype === 'float64' ? 1e-13 : 2e-6);
      });
    }
  });

  it('is left to the generated kernels where results are to be the same on every host', () => {
    setNumThreads(1);
    setDeterministic(true);
    try {
      expect(bits(f('float32')) === generated(() => bits(f('float32')))).toBe(true);
    } finally {
      setDeterministic(false);
    }
  });

  hasSameBits(f);
});

describe.each(Object.keys(tiles))('%s', (name) => {
  const f = tiles[name] as Run;

  it('is as exact as by the generated kernels', () => {
    setNumThreads(1);
    const [exact, own] = generated(() => [f('float64'), f('float32')]);
    const errors = (list: readonly Tensor[]): number[] =>
      list.map(
        (t, i) =>
          +(t
            .to('float64')
            .sub(exact[i] as Tensor)
            .abs()
            .max() as Tensor),
      );
    const bounds = errors(own);
    errors(f('float32')).forEach((error, i) => {
      expect(error).toBeLessThan(1.25 * bounds[i]);
    });
  });

  hasSameBits(f);
});
