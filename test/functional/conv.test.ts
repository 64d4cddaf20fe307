import {
  ArgumentError,
  autograd,
  DTypeError,
  functional as F,
  manualSeed,
  ones,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

/** Shapes that only the run time knows. */
const some = (shape: number[]): Tensor => zeros(shape);
const image = some([2, 3, 8, 8]);
const weight = some([4, 3, 3, 3]);

describe('a convolution', () => {
  it('slides windows over an image', () => {
    const x = tensor([
      [
        [1, 2, 3],
        [4, 5, 6],
        [7, 8, 9],
      ],
    ]);
    const w = tensor([
      [
        [
          [1, 0],
          [0, 2],
        ],
      ],
    ]);
    expectValues(F.conv2d(x, w), [1, 2, 2], [11, 14, 20, 23]);
    expectValues(F.conv2d(x, w, tensor([0.5])), [1, 2, 2], [11.5, 14.5, 20.5, 23.5]);
    expectValues(F.conv2d(x, w, null, { stride: 2 }), [1, 1, 1], [11]);
    expectValues(F.conv2d(x, w, null, { dilation: 2 }), [1, 1, 1], [19]);
    // One zero too many is put behind.
    expectValues(F.conv2d(x, w, null, { padding: 'same' }), [1, 3, 3], [11, 14, 3, 20, 23, 6, 7, 8, 9]);
  });

  it('is named as in PyTorch', () => {
    const w = ones([1, 1, 2], { requiresGrad: true });
    const y = F.conv1d(ones([1, 1, 3]), w);
    expect(String(y)).toBe('tensor([[[2., 2.]]], grad_fn=<ConvolutionBackward0>)');
    expect(F.conv1d(ones([1, 3]), w).gradFn?.name).toBe('SqueezeBackward1');
    expect(F.convTranspose1d(ones([1, 1, 3]), w).gradFn?.name).toBe('ConvolutionBackward0');
  });

  it('gives gradients to input, weight and bias', () => {
    const x = ones([1, 1, 3], { requiresGrad: true });
    const w = tensor([[[1, 2]]]).requiresGrad_();
    const b = zeros([1], { requiresGrad: true });
    F.conv1d(x, w, b).sum().backward();
    expectValues(x.grad, [1, 1, 3], [1, 3, 2]);
    expectValues(w.grad, [1, 1, 2], [2, 2]);
    expectValues(b.grad, [1], [2]);
  });

  it('works on integers', () => {
    const x = tensor([[1, 2, 3]], { dtype: 'int32' });
    const y = F.conv1d(x, tensor([[[2, 1]]], { dtype: 'int32' }));
    expect(y.dtype).toBe('int32');
    expectValues(y, [1, 2], [4, 7]);
  });
});

describe('a transposed convolution', () => {
  it('spreads every element over a window', () => {
    const x = tensor([[[1, 2]]]);
    const w = tensor([[[1, 10, 100]]]);
    expectValues(F.convTranspose1d(x, w), [1, 1, 4], [1, 12, 120, 200]);
    expectValues(F.convTranspose1d(x, w, null, { stride: 2 }), [1, 1, 5], [1, 10, 102, 20, 200]);
    expectValues(F.convTranspose1d(x, w, null, { stride: 2, padding: 1 }), [1, 1, 3], [10, 102, 20]);
    expectValues(
      F.convTranspose1d(x, w, null, { stride: 3, outputPadding: 2 }),
      [1, 1, 8],
      [1, 10, 100, 2, 20, 200, 0, 0],
    );
  });
});

describe('a convolution in cells', () => {
  type Options = F.ConvOptions & F.ConvTransposeOptions;
  type Conv = (x: Tensor, w: Tensor, b: Tensor, options: Options) => Tensor;

  /** The result of a convolution, and its gradients. */
  function all(f: Conv, [x, w, b]: readonly Tensor[], options: Options): Tensor[] {
    const y = f(x, w, b, options);
    manualSeed(5);
    const gradOutputs = randn(y.shape as number[], { dtype: 'float64' }).to(y.dtype) as Tensor;
    return [
      y,
      ...autograd.grad(
        y,
        [x, w, b].filter((t) => t.requiresGrad),
        { gradOutputs },
      ),
    ];
  }
  function operands(input: number[], weight: number[], channels: number): Tensor[] {
    manualSeed(3);
    return [input, weight, [channels]].map((shape) => randn(shape, { dtype: 'float64' }).requiresGrad_() as Tensor);
  }
  const close = (a: readonly Tensor[], b: readonly Tensor[], error: number): void => {
    a.forEach((t, i) => {
      expect(t.shape).toEqual(b[i].shape);
      const difference = (t.to('float64') as Tensor).sub(b[i]).abs().max().item();
      expect(difference).toBeLessThanOrEqual(error * b[i].abs().max().item());
    });
  };

  it.each<[string, unknown, number[], number[], Options]>([
    ['patches', F.conv2d, [2, 3, 8, 12], [5, 3, 4, 4], { stride: 4 }],
    ['patches that leave places out', F.conv2d, [2, 3, 9, 11], [5, 3, 2, 3], { stride: [2, 3] }],
    ['lines', F.conv1d, [2, 3, 10], [4, 3, 5], { stride: 5 }],
    ['one patch', F.conv2d, [2, 3, 4, 4], [5, 3, 4, 4], { stride: 4 }],
    ['volumes', F.conv3d, [2, 3, 4, 5, 6], [4, 3, 2, 1, 3], { stride: [2, 1, 3] }],
    ['transposed', F.convTranspose2d, [2, 3, 4, 5], [3, 5, 2, 2], { stride: 2 }],
    ['transposed with more places', F.convTranspose2d, [2, 3, 4, 5], [3, 5, 2, 2], { stride: 2, outputPadding: 1 }],
  ])('of %s is one whose windows have one more tap, of zeros', (what, f, input, weight, options) => {
    const conv = f as Conv;
    const taps = weight.slice(2).flatMap(() => [0, 1]);
    const isTransposed = what.startsWith('transposed');
    const [x, w, b] = operands(input, weight, weight[isTransposed ? 1 : 0]);
    const wider: Conv = (x, w, b, options) => {
      const y = conv(isTransposed ? x : (F.pad(x, taps) as Tensor), F.pad(w, taps) as Tensor, b, options);
      return isTransposed
        ? (F.pad(
            y,
            taps.map((n) => -n),
          ) as Tensor)
        : y;
    };
    close(all(conv, [x, w, b], options), all(wider, [x, w, b], options), 1e-13);
    const laid = (x.detach().transpose(-1, 0).contiguous().transpose(-1, 0) as Tensor).requiresGrad_();
    close(all(conv, [laid, w, b], options), all(wider, [laid, w, b], options), 1e-13);
  });

  it.each<[number[], number[], F.ConvOptions]>([
    [[2, 32, 16, 32], [32, 32, 3, 3], { dilation: 2, padding: 2 }],
    [[1, 64, 20, 12], [64, 32, 3, 4], { dilation: [2, 3], padding: [2, 3], groups: 2 }],
    [[1, 33, 13, 12], [32, 33, 3, 3], { dilation: [1, 4], padding: [1, 4] }],
    [[1, 32, 16, 16], [32, 32, 3, 3], { dilation: 2, padding: 'same' }],
    [[2, 32, 13, 15], [32, 32, 3, 3], { dilation: [4, 2], padding: [5, 1] }],
    [[1, 32, 17, 18], [32, 32, 3, 3], { dilation: 2 }],
  ])('of dilated windows, %j by %j, is what float64 has without', (input, weight, options) => {
    const leaves = operands(input, weight, weight[0]);
    const half = leaves.map((t) => (t.detach().to('float32') as Tensor).requiresGrad_());
    close(all(F.conv2d as Conv, half, options as Options), all(F.conv2d as Conv, leaves, options as Options), 1e-5);
  });
});

describe('mistakes', () => {
  const cases: readonly (readonly [() => unknown, typeof ShapeError | typeof ArgumentError, string])[] = [
    [
      () => F.conv2d(some([2, 5, 8, 8]), weight),
      ShapeError,
      'Given groups=1, weight of size [4, 3, 3, 3], expected input[2, 5, 8, 8] to have 3 channels, but got 5 channels instead',
    ],
    [
      () => F.conv2d(some([2, 8]), weight),
      ShapeError,
      'Expected 3D (unbatched) or 4D (batched) input to conv2d, but got input of size: [2, 8]',
    ],
    [
      () => F.conv2d(some([3, 2, 2]), weight),
      ShapeError,
      "Calculated padded input size per channel: (2 x 2). Kernel size: (3 x 3). Kernel size can't be greater than actual input size",
    ],
    [
      () => F.conv2d(image, weight, some([3])),
      ShapeError,
      'Given weight of size [4, 3, 3, 3], expected bias to be 1-dimensional with 4 elements, but got bias of size [3] instead',
    ],
    [
      () => F.conv2d(image, some([5, 1, 3, 3]), null, { groups: 3 }),
      ShapeError,
      'Given groups=3, expected weight to be divisible by 3 at dimension 0, but got weight of size [5, 1, 3, 3] instead',
    ],
    [
      () => F.conv2d(image, some([2, 1, 3, 3]), null, { groups: 3 }),
      ShapeError,
      'Given groups=3, expected weight to be at least 3 at dimension 0, but got weight of size [2, 1, 3, 3] instead',
    ],
    [() => F.conv2d(image, weight, null, { groups: 0 }), ArgumentError, 'non-positive groups is not supported'],
    [() => F.conv2d(image, weight, null, { stride: 0 }), ArgumentError, 'non-positive stride is not supported'],
    [() => F.conv2d(image, weight, null, { padding: -1 }), ArgumentError, 'negative padding is not supported'],
    [() => F.conv2d(image, weight, null, { dilation: 0 }), ArgumentError, 'dilation should be greater than zero'],
    [
      () => F.conv2d(image, weight, null, { padding: 'same', stride: 2 }),
      ArgumentError,
      "padding='same' is not supported for strided convolutions",
    ],
    [
      () => F.conv2d(image, weight, null, { padding: 'full' as never }),
      ArgumentError,
      "Invalid padding string: 'full'",
    ],
    [
      () => F.conv2d(image, weight, null, { stride: [1, 2, 3] }),
      ArgumentError,
      'expected stride to be a single integer value or a list of 2 values to match the convolution dimensions, but got stride=[1, 2, 3]',
    ],
    [() => F.conv2d(image, weight, null, { strides: 2 } as never), ArgumentError, "unexpected option 'strides'"],
    [
      () => F.convTranspose2d(image, some([4, 3, 3, 3])),
      ShapeError,
      'Given transposed=1, weight of size [4, 3, 3, 3], expected input[2, 3, 8, 8] to have 4 channels, but got 3 channels instead',
    ],
    [
      () => F.convTranspose2d(image, some([3, 4, 3, 3]), null, { stride: 2, outputPadding: 2 }),
      ArgumentError,
      'output padding must be smaller than either stride or dilation',
    ],
    [
      () => F.convTranspose2d(some([1, 3, 1, 1]), some([3, 4, 1, 1]), null, { padding: 1 }),
      ShapeError,
      'Output size is too small',
    ],
  ];
  it.each(cases)('%s', (mistake, type, message) => expectError(mistake, type, message));

  it('of dtypes', () => {
    const words = 'Input type (float64) and weight type (float32) should be the same';
    expectError(() => F.conv2d(image.to('float64'), weight), DTypeError, words);
    const bias = 'Input type (float32) and bias type (int32) should be the same';
    expectError(() => F.conv2d(image, weight, some([4]).to('int32')), DTypeError, bias);
    expectError(() => F.conv2d(image.to('uint8'), weight.to('uint8')), DTypeError, "not implemented for 'uint8'");
  });
});
