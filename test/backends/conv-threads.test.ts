import { autograd, functional as F, getNumThreads, manualSeed, randn, setNumThreads, type Tensor } from 'nabla';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withThreads } from '../support/worker.ts';

/** The bits of tensors, as text that is quick to compare. */
function bits(ts: readonly Tensor[]): string {
  return ts
    .map((t) => {
      const bytes = t.toTypedArray();
      return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
    })
    .join('|');
}

const threads = getNumThreads();
afterAll(() => setNumThreads(threads));

manualSeed(7);
type Options = F.ConvOptions & F.ConvTransposeOptions;

/** A result and its gradients. */
function withGradients(f: (...xs: Tensor[]) => Tensor, ...xs: Tensor[]): Tensor[] {
  const leaves = xs.map((x) => x.clone().requiresGrad_() as Tensor);
  const y = f(...leaves);
  return [y.detach() as Tensor, ...autograd.grad(y, leaves, { gradOutputs: y.detach() as Tensor })];
}

function convolution(input: number[], weight: number[], options: Options): () => Tensor[] {
  const [x, w, b] = [randn(input), randn(weight), randn([weight[0]])] as Tensor[];
  return () => withGradients((...xs) => F.conv2d(xs[0], xs[1], xs[2], options as never) as Tensor, x, w, b);
}

function volume(input: number[], weight: number[], options: Options): () => Tensor[] {
  const [x, w] = [randn(input), randn(weight)] as Tensor[];
  return () => withGradients((...xs) => F.conv3d(xs[0], xs[1], null, options as never) as Tensor, x, w);
}

function transposed(input: number[], weight: number[], options: Options): () => Tensor[] {
  const [x, w] = [randn(input), randn(weight)] as Tensor[];
  return () => withGradients((...xs) => F.convTranspose2d(xs[0], xs[1], null, options as never) as Tensor, x, w);
}

const image = randn([2, 24, 60, 61]) as Tensor;

/** Work large enough to be shared. */
const work: Readonly<Record<string, () => readonly Tensor[]>> = {
  'by tiles': convolution([2, 32, 45, 38], [40, 32, 3, 3], { padding: 1 }),
  'strips in lattices': convolution([6, 40, 61, 58], [40, 1, 3, 3], { padding: 1, stride: 2, groups: 40 }),
  'by tiles, dilated': convolution([2, 32, 48, 40], [40, 32, 3, 3], { padding: 2, dilation: 2 }),
  patches: convolution([3, 12, 48, 40], [40, 12, 4, 4], { stride: 4 }),
  'patches, transposed': transposed([2, 32, 40, 41], [32, 24, 2, 2], { stride: 2 }),
  'by tiles, many blocks of several images': convolution([41, 20, 13, 9], [28, 20, 3, 3], { padding: 1 }),
  'by tiles, images in several waves': convolution([5, 64, 120, 66], [36, 64, 3, 3], { padding: [0, 2] }),
  'by tiles, weights in pieces': convolution([4, 300, 9, 10], [320, 300, 3, 3], { padding: 1 }),
  'by tiles, groups': convolution([3, 64, 30, 31], [96, 32, 3, 3], { padding: 1, groups: 2 }),
  'by tiles, one block': convolution([1, 200, 14, 14], [204, 200, 3, 3], { padding: 1 }),
  'by tiles, larger windows': convolution([3, 24, 40, 41], [20, 24, 5, 6], { padding: 2 }),
  'by tiles, larger windows, groups': convolution([2, 64, 30, 31], [64, 16, 3, 5], { padding: 2, groups: 4 }),
  'by tiles, small images': convolution([90, 24, 5, 5], [20, 24, 3, 2], { padding: 1 }),
  'by tiles, stride 2': convolution([3, 32, 75, 68], [40, 32, 3, 3], { stride: 2, padding: 1 }),
  'by tiles, stride 2, one block': convolution([1, 20, 57, 57], [24, 20, 3, 3], { stride: 2 }),
  'by tiles, stride 2, groups': convolution([41, 40, 26, 23], [36, 20, 3, 3], { stride: 2, padding: 1, groups: 2 }),
  'by tiles, stride 2, transposed': transposed([2, 32, 40, 41], [32, 24, 3, 3], { stride: 2, padding: 1 }),
  'by tiles, three dimensions': volume([2, 16, 6, 25, 26], [20, 16, 3, 3, 3], { padding: 1 }),
  'by tiles, many images': convolution([12, 32, 26, 23], [24, 32, 3, 3], { padding: 1 }),
  'by tiles, many images, groups': convolution([23, 40, 26, 23], [36, 20, 3, 3], { padding: 1, groups: 2 }),
  'by tiles, many images, larger windows': convolution([12, 24, 40, 41], [20, 24, 5, 6], { padding: 2 }),
  'by tiles, many images, stride 2, transposed': transposed([11, 32, 40, 41], [32, 24, 3, 3], {
    stride: 2,
    padding: 1,
  }),
  'by tiles, many images, three dimensions': volume([10, 16, 6, 25, 26], [20, 16, 3, 3, 3], { padding: 1 }),
  'many images of one channel': convolution([70, 1, 28, 27], [16, 1, 3, 3], { padding: 1 }),
  'strips, images in several waves': convolution([9, 3, 150, 151], [10, 3, 3, 3], { padding: 1 }),
  'strips, groups': convolution([6, 32, 50, 51], [40, 8, 3, 2], { padding: 1, groups: 4 }),
  'parts of images of one place': convolution([41, 20, 40, 30], [24, 20, 1, 1], {}),
  'packed windows': convolution([2, 20, 40, 41], [24, 20, 5, 3], { padding: 2, dilation: 2 }),
  'packed windows, stride 2': convolution([2, 32, 50, 51], [36, 32, 3, 3], { stride: 2, padding: 1 }),
  'larger windows, images in several waves': convolution([9, 3, 200, 200], [16, 3, 7, 7], { padding: 3, stride: 2 }),
  'many places': convolution([1, 3, 160, 150], [16, 3, 4, 4], {}),
  'small images': convolution([90, 24, 5, 5], [20, 24, 2, 2], { padding: 1 }),
  'strips, long sums of few rows': convolution([5, 40, 33, 35], [6, 40, 3, 3], { padding: 1 }),
  'strips, strided, few rows': convolution([5, 40, 33, 35], [14, 40, 3, 3], { padding: 1, stride: 2 }),
  'depthwise, strided': convolution([3, 96, 51, 52], [96, 1, 3, 3], { padding: 1, stride: 2, groups: 96 }),
  depthwise: convolution([2, 96, 50, 52], [96, 1, 3, 3], { padding: 1, groups: 96 }),
  'depthwise, images in several lots': convolution([6, 40, 130, 131], [40, 1, 3, 3], { padding: 1, groups: 40 }),
  'depthwise, larger windows': convolution([3, 70, 41, 43], [70, 1, 5, 7], { padding: 2, stride: [1, 2], groups: 70 }),
  'depthwise, few lines': convolution([5, 300, 9, 12], [300, 1, 3, 4], { padding: 1, groups: 300 }),
  'depthwise, windows of one column': convolution([4, 70, 41, 43], [70, 1, 5, 1], { padding: [2, 0], groups: 70 }),
  groups: convolution([2, 64, 30, 31], [64, 16, 4, 4], { padding: 2, groups: 4 }),
  'transposed, stride 2': transposed([2, 32, 30, 31], [32, 24, 4, 4], { stride: 2, padding: 1 }),
  'max pooling': () => withGradients((x) => F.maxPool2d(x, 3, { stride: 2, padding: 1 }) as Tensor, image),
  'average pooling': () => withGradients((x) => F.avgPool2d(x, 3, { stride: 1, padding: 1 }) as Tensor, image),
  resizing: () => withGradients((x) => F.interpolate(x, { size: [100, 90], mode: 'bilinear' }) as Tensor, image),
};

describe('the bits of a convolution do not depend on the number of threads', () => {
  const alone = new Map<string, string>();
  beforeAll(() => {
    setNumThreads(1);
    for (const [name, f] of Object.entries(work)) alone.set(name, bits(f()));
  });

  for (const n of [2, 3, 5]) {
    describe(`${n} threads`, () => {
      beforeAll(() => withThreads(n));
      for (const [name, f] of Object.entries(work)) it(name, () => expect(bits(f()) === alone.get(name)).toBe(true));
    });
  }
});
