import { ArgumentError, DTypeError, functional as F, IndexError, ShapeError, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

const some = (shape: number[]): Tensor => zeros(shape);
const rows: Tensor = tensor([
  [
    [1, 5, 2, 3],
    [4, 0, 7, 6],
  ],
]);

it('tells windows apart that differ in one thing', () => {
  const x = tensor([[[0, 1, 2, 3, 4]]]).expand([1, 5, 5]);
  for (let turn = 0; turn < 2; turn++) {
    const lines = (y: Tensor): unknown => (y.toArray() as number[][][])[0].at(-1);
    expect(lines(F.avgPool2d(x, 2))).toEqual([0.5, 2.5]);
    expect(lines(F.avgPool2d(x, 2, { ceilMode: true }))).toEqual([0.5, 2.5, 4]);
    expect(lines(F.avgPool2d(x, [1, 2], { stride: [1, 3] }))).toEqual([0.5, 3.5]);
    expect(lines(F.avgPool2d(x, [1, 3], { stride: [1, 2], padding: [0, 1] }))).toEqual(
      [1 / 3, 2, 7 / 3].map(Math.fround),
    );
    expect(lines(F.maxPool2d(x, [1, 2], { stride: 1, dilation: [1, 3] }))).toEqual([3, 4]);
    expect(lines(F.adaptiveAvgPool2d(x, [1, 2]))).toEqual([1, 3]);
    expect(lines(F.adaptiveAvgPool2d(x.slice(2, 0, 4), [1, 2]))).toEqual([0.5, 2.5]);
    expect(F.avgPool1d(x, 2).shape).toEqual([1, 5, 2]);
    expectError(() => F.avgPool2d(x as Tensor, 6), ShapeError, 'avgPool2d: ');
  }
});

describe('max pooling', () => {
  it('takes the largest of each window', () => {
    expectValues(F.maxPool2d(rows, 2), [1, 1, 2], [5, 7]);
    expectValues(F.maxPool2d(rows, [1, 3], { stride: 1 }), [1, 2, 2], [5, 5, 7, 7]);
    expectValues(F.maxPool2d(rows, [2, 3]), [1, 1, 1], [7]);
    expectValues(F.maxPool2d(rows, [2, 3], { ceilMode: true }), [1, 1, 2], [7, 6]);
    expectValues(F.maxPool1d(rows, 2, { padding: 1 }), [1, 2, 3], [1, 5, 3, 4, 7, 6]);
    expectValues(F.maxPool1d(rows, 2, { dilation: 3, stride: 1 }), [1, 2, 1], [3, 6]);
  });

  it('says where they are', () => {
    const [values, indices] = F.maxPool2d(rows, 2, { returnIndices: true });
    expect(indices.dtype).toBe('int32');
    expectValues(indices, [1, 1, 2], [1, 6]);
    expectValues(F.maxUnpool2d(values, indices, 2), [1, 2, 4], [0, 5, 0, 0, 0, 0, 7, 0]);
  });

  it('sends the gradient to the first of equals', () => {
    const x = tensor([[2, 2, 2, 2, 1]]).requiresGrad_();
    F.maxPool1d(x as Tensor, 3, { stride: 1 })
      .sum()
      .backward();
    expectValues(x.grad, [1, 5], [1, 1, 1, 0, 0]);
  });

  it('lets NaN pass, and the gradient go there', () => {
    const x = tensor([[1, Number.NaN, 3, -Infinity]]).requiresGrad_();
    const y = F.maxPool1d(x as Tensor, 2);
    expectValues(y, [1, 2], [Number.NaN, 3]);
    y.sum().backward();
    expectValues(x.grad, [1, 4], [0, 1, 1, 0]);
  });

  it('is named as in PyTorch', () => {
    const x = zeros([1, 1, 4, 4], { requiresGrad: true });
    expect(F.maxPool2d(x, 2).gradFn?.name).toBe('MaxPool2DWithIndicesBackward0');
    expect(F.adaptiveMaxPool2d(x, 2).gradFn?.name).toBe('AdaptiveMaxPool2DBackward0');
    expect(F.avgPool2d(x, 2).gradFn?.name).toBe('AvgPool2DBackward0');
    expect(F.adaptiveAvgPool2d(x, 2).gradFn?.name).toBe('AdaptiveAvgPool2DBackward0');
    expect(F.adaptiveAvgPool2d(x, 1).gradFn?.name).toBe('MeanBackward1');
    expect(F.maxPool1d(zeros([1, 4], { requiresGrad: true }), 2).gradFn?.name).toBe('SqueezeBackward1');
  });
});

describe('average pooling', () => {
  it('counts zeros at the sides, unless told not to', () => {
    const x: Tensor = tensor([[3, 6, 9]]);
    expectValues(F.avgPool1d(x, 3, { padding: 1, stride: 1 }), [1, 3], [3, 6, 5]);
    expectValues(F.avgPool1d(x, 3, { padding: 1, stride: 1, countIncludePad: false }), [1, 3], [4.5, 6, 7.5]);
    // What lies beyond the padding does not count.
    expectValues(F.avgPool1d(x, 2, { ceilMode: true }), [1, 2], [4.5, 9]);
    expectValues(F.avgPool2d(rows, 2, { divisorOverride: 2 }), [1, 1, 2], [5, 9]);
  });

  it('of whole numbers is a whole number', () => {
    expectValues(F.avgPool1d(tensor([[-3, -4, 5, 6]], { dtype: 'int32' }) as Tensor, 2), [1, 2], [-3, 5]);
  });

  it('adapts windows to a size', () => {
    expectValues(F.adaptiveAvgPool1d(tensor([[1, 2, 3, 4, 5]]) as Tensor, 3), [1, 3], [1.5, 3, 4.5]);
    expectValues(F.adaptiveAvgPool2d(rows, [1, null]), [1, 1, 4], [2.5, 2.5, 4.5, 4.5]);
    expectValues(F.adaptiveMaxPool2d(rows, [2, 1]), [1, 2, 1], [5, 7]);
  });
});

describe('mistakes', () => {
  const x = some([1, 2, 4, 4]);
  const cases: readonly (readonly [
    () => unknown,
    typeof ShapeError | typeof ArgumentError | typeof IndexError,
    string,
  ])[] = [
    [
      () => F.maxPool2d(some([4, 4]), 2),
      ShapeError,
      'Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but got:[4, 4]',
    ],
    [
      () => F.maxPool2d(x, 5),
      ShapeError,
      'Given input size: (2x4x4). Calculated output size: (2x0x0). Output size is too small',
    ],
    [
      () => F.maxPool2d(x, 3, { padding: 2 }),
      ArgumentError,
      'pad should be at most half of kernel size, but got pad=2 and kernel_size=3',
    ],
    [() => F.maxPool2d(x, 2, { padding: -1 }), ArgumentError, 'pad must be non-negative, but got pad: -1'],
    [() => F.maxPool2d(x, 2, { stride: 0 }), ArgumentError, 'stride should not be zero'],
    [() => F.maxPool2d(x, 0), ArgumentError, 'kernel size should be greater than zero'],
    [() => F.maxPool2d(x, 2, { dilation: 0 }), ArgumentError, 'dilation should be greater than zero'],
    [() => F.maxPool2d(x, [1, 2, 3]), ArgumentError, 'a list of 2 values'],
    [() => F.maxPool2d(x, 2, { pad: 1 } as never), ArgumentError, "unexpected option 'pad'"],
    [
      () => F.maxPool1d(some([1, 2]), 2, { padding: 1, dilation: 3, stride: 1 }),
      ShapeError,
      'a window lies beside the input',
    ],
    [() => F.avgPool2d(x, 2, { divisorOverride: 0 }), ArgumentError, 'divisor must be not zero'],
    [
      () => F.avgPool1d(some([1, 4]), 2, { divisorOverride: 1 } as never),
      ArgumentError,
      "unexpected option 'divisorOverride'",
    ],
    [() => F.adaptiveAvgPool2d(some([4, 4]), 1), ShapeError, 'Expected 3D or 4D tensor, but got [4, 4]'],
    [
      () => F.adaptiveAvgPool2d(some([1, 2, 0, 4]), 1),
      ShapeError,
      'Expected input to have non-zero size for non-batch dimensions, but input has sizes [1, 2, 0, 4] with dimension 2 being empty',
    ],
    [
      () => F.adaptiveMaxPool2d(x, [-1, 2]),
      ArgumentError,
      'elements of output_size must be greater than or equal to 0 but received {-1, 2}',
    ],
    [
      () => F.maxUnpool2d(x, some([1, 2, 4, 3]).to('int32'), 2),
      ShapeError,
      'Shape of indices should match shape of input',
    ],
    [
      () => F.maxUnpool2d(x, x.to('int32'), 2, { outputSize: [4, 20] }),
      ArgumentError,
      'invalid output_size "[4, 20]" (dim 0 must be between 6 and 10)',
    ],
    [
      () => F.maxUnpool3d(x.unsqueeze(1), x.unsqueeze(1).to('int32'), 2, { stride: 0 }),
      ArgumentError,
      'strides should be greater than zero, but got stride: [0, 0, 0]',
    ],
    [() => F.maxUnpool1d(some([1, 1]), tensor([[7]], { dtype: 'int32' }), 2), IndexError, 'Found an invalid max index'],
  ];
  it.each(cases)('%s', (mistake, type, message) => expectError(mistake, type, message));

  it('of dtypes', () => {
    expectError(() => F.maxUnpool2d(x, x, 2), DTypeError, 'elements in indices should be type int32/int64');
    expectError(() => F.adaptiveAvgPool1d(some([1, 4]).to('int32'), 2), DTypeError, "not implemented for 'int32'");
  });
});
