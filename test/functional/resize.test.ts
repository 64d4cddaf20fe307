import {
  ArgumentError,
  arange,
  autograd,
  DTypeError,
  functional as F,
  grad,
  NotImplementedError,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { gradcheck, gradgradcheck } from '../support/gradcheck.ts';
import { f64, spreadTensor } from '../support/numbers.ts';

const some = (shape: number[]): Tensor => zeros(shape);
const image = (...shape: number[]): Tensor => spreadTensor(shape, -1, 1, 3);

describe('interpolate', () => {
  it('repeats the nearest', () => {
    const x: Tensor = tensor([[[1, 2, 3]]]);
    expectValues(F.interpolate(x, { scaleFactor: 2 }), [1, 1, 6], [1, 1, 2, 2, 3, 3]);
    expectValues(F.interpolate(x, { size: 5 }), [1, 1, 5], [1, 1, 2, 2, 3]);
    expectValues(F.interpolate(x, { size: 5, mode: 'nearest-exact' }), [1, 1, 5], [1, 1, 2, 3, 3]);
    expectValues(F.upsampleNearest(x.to('uint8'), { scaleFactor: 2 }), [1, 1, 6], [1, 1, 2, 2, 3, 3]);
  });

  it('draws lines between elements', () => {
    const x: Tensor = tensor([[[0, 4]]]);
    expectValues(F.interpolate(x, { size: 4, mode: 'linear' }), [1, 1, 4], [0, 1, 3, 4]);
    expectValues(F.interpolate(x, { size: 5, mode: 'linear', alignCorners: true }), [1, 1, 5], [0, 1, 2, 3, 4]);
    expectValues(F.interpolate(x, { size: 1, mode: 'linear' }), [1, 1, 1], [2]);
  });

  it('spaces elements by a factor or by the sizes that came of it', () => {
    const x: Tensor = tensor([[[0, 1, 2]]]);
    const of = (recomputeScaleFactor: boolean): Tensor =>
      F.interpolate(x, { scaleFactor: 1.5, mode: 'linear', recomputeScaleFactor });
    expectValues(of(false), [1, 1, 4], [0, 0.5, 7 / 6, 11 / 6], { tol: 1e-6 });
    expectValues(of(true), [1, 1, 4], [0, 0.625, 1.375, 2]);
  });

  it('smooths what it shrinks, if asked', () => {
    const x = arange(8, { dtype: 'float64' }).reshape([1, 1, 1, 8]).expand([1, 1, 8, 8]);
    const y = F.interpolate(x as Tensor, { size: [8, 4], mode: 'bilinear', antialias: true }) as Tensor;
    // Triangles two elements wide: ¼ ½ ¼ around the middles 0.5, 2.5, 4.5, 6.5, cut off at the edges.
    const row = [5 / 7, 2.5, 4.5, 44 / 7];
    expectValues(y.select(2, 0), [1, 1, 4], row, { tol: 1e-12 });
    const whole = F.interpolate(image(1, 2, 5, 4), { size: [5, 4], mode: 'bicubic', antialias: true });
    expectClose(whole, image(1, 2, 5, 4), { tol: 1e-12 });
  });

  it('has derivatives of every order', () => {
    const modes = [
      { mode: 'nearest', size: 5 },
      { mode: 'bilinear', size: [2, 5] },
      { mode: 'bicubic', size: [5, 3], alignCorners: true },
      { mode: 'area', size: [2, 2] },
      { mode: 'bilinear', size: [2, 2], antialias: true },
      { mode: 'bicubic', scaleFactor: 0.7, antialias: true },
    ] as const;
    for (const options of modes) {
      const f = (x: Tensor): Tensor => F.interpolate(x, options as never);
      gradcheck(f, [image(1, 1, 3, 4)]);
      gradgradcheck(f, [image(1, 1, 3, 4)]);
    }
  });

  it('is named as in PyTorch', () => {
    const x = zeros([1, 1, 4, 4], { requiresGrad: true });
    const nodeOf = (options: F.InterpolateOptions): string | undefined =>
      (F.interpolate(x, { size: 3, ...options } as never) as Tensor).gradFn?.name;
    expect(nodeOf({})).toBe('UpsampleNearest2DBackward1');
    expect(nodeOf({ mode: 'bicubic' })).toBe('UpsampleBicubic2DBackward1');
    expect(nodeOf({ mode: 'area' })).toBe('AdaptiveAvgPool2DBackward0');
  });

  it('refuses mistakes', () => {
    const x = some([1, 1, 4, 4]);
    const cases: readonly (readonly [F.InterpolateOptions, typeof ArgumentError | typeof ShapeError, string])[] = [
      [{}, ArgumentError, 'either size or scale_factor (scaleFactor) should be defined'],
      [{ size: 2, scaleFactor: 2 }, ArgumentError, 'only one of size or scale_factor (scaleFactor) should be defined'],
      [{ size: [2, 2, 2] }, ShapeError, 'Input and output size must have the same number of spatial dimensions'],
      [{ size: 2, mode: 'linear' }, ShapeError, 'Got 4D input, but linear mode needs 3D input'],
      [{ size: 2, mode: 'cubic' as never }, ShapeError, 'Only 3D, 4D and 5D input Tensors supported (got 4D)'],
      [{ size: 2, alignCorners: true }, ArgumentError, 'option can only be set with the interpolating modes'],
      [{ size: 2, antialias: true }, ArgumentError, 'Anti-alias option is only supported for bilinear and bicubic'],
      [{ size: 2, recomputeScaleFactor: true }, ArgumentError, 'is not meaningful with an explicit size'],
      [{ size: 0 }, ShapeError, 'Input and output sizes should be greater than 0'],
      [{ sizes: 2 } as never, ArgumentError, "unexpected option 'sizes'"],
    ];
    for (const [options, type, message] of cases) expectError(() => F.interpolate(x, options as never), type, message);
    const whole = x.to('int32');
    expectError(() => F.interpolate(whole, { size: 2, mode: 'bilinear' }), DTypeError, "not implemented for 'int32'");
  });
});

describe('gridSample', () => {
  const identity = f64([1, 0, 0, 0, 1, 0], [1, 2, 3]);

  it('refuses images with more elements in a channel than it counts', () => {
    const large: Tensor = zeros([1, 1, 1, 1]).expand([1, 1, 27_000, 27_000]);
    expectError(() => F.gridSample(large, zeros([1, 1, 1, 2])), NotImplementedError, '729000000 in input with sizes');
  });

  it('at its own places is the image', () => {
    const x = image(1, 2, 4, 5);
    for (const alignCorners of [true, false]) {
      const grid = F.affineGrid(identity, [1, 2, 4, 5], { alignCorners });
      for (const mode of ['bilinear', 'nearest', 'bicubic'] as const)
        for (const paddingMode of ['zeros', 'border', 'reflection'] as const)
          expectClose(F.gridSample(x, grid, { mode, paddingMode, alignCorners }), x, { tol: 1e-12 });
    }
  });

  it('at the places of another size is interpolation', () => {
    const x = image(1, 2, 4, 5);
    for (const mode of ['bilinear', 'bicubic'] as const) {
      for (const alignCorners of [true, false]) {
        const grid = F.affineGrid(identity, [1, 2, 7, 3], { alignCorners });
        const sampled = F.gridSample(x, grid, { mode, paddingMode: 'border', alignCorners });
        expectClose(sampled, F.interpolate(x, { size: [7, 3], mode, alignCorners }), { tol: 1e-12 });
      }
    }
    const volume = image(1, 1, 3, 2, 4);
    const theta = f64([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0], [1, 3, 4]);
    const grid = F.affineGrid(theta, [1, 1, 2, 4, 3], { alignCorners: true });
    const sampled = F.gridSample(volume, grid, { alignCorners: true });
    expectClose(sampled, F.interpolate(volume, { size: [2, 4, 3], mode: 'trilinear', alignCorners: true }), {
      tol: 1e-12,
    });
  });

  it('knows what lies outside', () => {
    const x = f64([1, 2, 3], [1, 1, 1, 3]);
    // With aligned corners the places −2, −1 … 6 of elements 0 … 2.
    const places = [-2, -1, -0.5, 0, 2, 2.5, 3, 4, 6];
    const grid = f64(
      places.flatMap((p) => [p - 1, 0]),
      [1, 1, places.length, 2],
    );
    const of = (paddingMode: 'zeros' | 'border' | 'reflection'): number[] =>
      Array.from(F.gridSample(x, grid, { paddingMode, alignCorners: true }).toTypedArray());
    expect(of('zeros')).toEqual([0, 0, 0.5, 1, 3, 1.5, 0, 0, 0]);
    expect(of('border')).toEqual([1, 1, 1, 1, 3, 3, 3, 3, 3]);
    expect(of('reflection')).toEqual([3, 2, 1.5, 1, 3, 2.5, 2, 1, 3]);
  });

  it('reads nothing outside, however far and whatever lies inside', () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    for (const dtype of ['float32', 'float64'] as const) {
      const x: Tensor = tensor([[[[nan, 2, inf]]]], { dtype });
      // With aligned corners −1, 0 and 1 are the elements.
      const at = (places: readonly number[], options: F.GridSampleOptions): number[] => {
        const grid: Tensor = tensor(
          places.flatMap((p) => [p, 0]),
          { dtype },
        ).reshape([1, 1, places.length, 2]);
        return Array.from(F.gridSample(x, grid, { alignCorners: true, ...options }).toTypedArray());
      };
      for (const mode of ['bilinear', 'nearest', 'bicubic'] as const)
        expect(at([-4, 5, 2 ** 31, -(2 ** 31), 1e30, -1e30], { mode })).toEqual([0, 0, 0, 0, 0, 0]);
      expect(at([0, nan, inf, -inf, 0.9, 1.1], { mode: 'nearest' })).toEqual([2, 0, 0, 0, inf, inf]);
      expect(at([-9, 0, inf, 2 ** 31], { mode: 'nearest', paddingMode: 'border' })).toEqual([nan, 2, inf, inf]);
      expect(at([nan], {})).toEqual([nan]);
    }
  });

  it('gives nothing to the image where a place is no number', () => {
    const x = f64([1, 2, 3], [1, 1, 1, 3]);
    const grid = f64([Number.NaN, 0, 0, 0], [1, 1, 2, 2]);
    for (const mode of ['bilinear', 'nearest', 'bicubic'] as const) {
      const slope = grad((t: Tensor) => F.gridSample(t, grid, { mode, alignCorners: true }).sum())(x);
      expectValues(slope, [1, 1, 1, 3], [0, 1, 0], { tol: 1e-12 });
    }
  });

  it('has the same gradients by its kernels as by operations', () => {
    for (const dtype of ['float32', 'float64'] as const)
      for (const mode of ['bilinear', 'nearest', 'bicubic'] as const)
        for (const [channels, places] of [
          [1, 1],
          [3, 5],
          [17, 7],
          [2, 300],
        ]) {
          const x = spreadTensor([2, channels, 5, 7], -1, 1, 3).to(dtype).requiresGrad_();
          const grid = spreadTensor([2, 1, places, 2], -1.3, 1.3, 5).to(dtype).requiresGrad_();
          const weights = spreadTensor([2, channels, 1, places], -1, 1, 7).to(dtype);
          const y = F.gridSample(x, grid, { mode, alignCorners: false }).mul(weights).sum();
          const slow = autograd.grad(y, [x, grid], { createGraph: true });
          autograd.grad(y, [x, grid]).forEach((g, i) => {
            expectClose(g as Tensor, (slow[i] as Tensor).detach(), { tol: dtype === 'float32' ? 2e-5 : 1e-12 });
          });
        }
  });

  it('is the same for any number of places, planes and images', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const [x, grid] = [image(3, 4, 3, 5).to(dtype), spreadTensor([3, 1, 9, 2], -1.3, 1.3, 7).to(dtype)];
      const all = F.gridSample(x, grid);
      for (let n = 0; n <= 9; n++) {
        const some = F.gridSample(x, grid.slice(2, 9 - n, 9));
        expect(some.toArray()).toEqual(all.slice(3, 9 - n, 9).toArray());
      }
      const turned = F.gridSample(x.transpose(1, 3).contiguous().transpose(1, 3), grid.mT.contiguous().mT);
      expect(turned.toArray()).toEqual(all.toArray());
      for (const [from, to] of [
        [0, 0],
        [1, 2],
      ]) {
        const planes = F.gridSample(x.slice(1, from, to), grid);
        expect(planes.toArray()).toEqual(all.slice(1, from, to).toArray());
        const images = F.gridSample(x.slice(0, from, to), grid.slice(0, from, to));
        expect(images.toArray()).toEqual(all.slice(0, from, to).toArray());
      }
    }
  });

  it('has derivatives of every order by image and grid', () => {
    const grid = spreadTensor([1, 2, 2, 2], -1.2, 1.2, 5);
    for (const mode of ['bilinear', 'nearest', 'bicubic'] as const) {
      for (const paddingMode of ['zeros', 'border', 'reflection'] as const) {
        const f = (x: Tensor, g: Tensor): Tensor => F.gridSample(x, g, { mode, paddingMode });
        gradcheck(f, [image(1, 1, 3, 3), grid], { tol: 1e-6 });
        gradgradcheck(f, [image(1, 1, 3, 3), grid], { tol: 1e-5 });
      }
    }
  });

  it('curves at the places of elements as beside them', () => {
    const x = tensor([1, -2, 4, 0.5, 3, -1, 2], { dtype: 'float64' }).reshape([1, 1, 1, 7]);
    const y = (t: Tensor) =>
      F.gridSample(
        x,
        tensor([[1, 0]], { dtype: 'float64' })
          .mul(t)
          .reshape([1, 1, 1, 2]),
        {
          mode: 'bicubic',
          alignCorners: true,
        },
      ).sum();
    const curvature = grad(grad(y));
    for (const place of [-1, 0, 1])
      expectClose(
        curvature(tensor(place / 3, { dtype: 'float64' })),
        curvature(tensor(place / 3 + 1e-12, { dtype: 'float64' })),
        { tol: 1e-6 },
      );
  });

  it('finds elements that a float32 cannot count', () => {
    const width = 2 ** 23 + 8;
    const x = zeros([1, 1, 2, width]);
    x.narrow(3, width - 1, 1).copy_(tensor([5, 7]).reshape([1, 1, 2, 1]));
    const grid = tensor([1, -1, 1, 1]).reshape([1, 1, 2, 2]);
    expectValues(F.gridSample(x, grid, { mode: 'nearest', alignCorners: true }).flatten(), [2], [5, 7]);
  });

  it('holds still at the border', () => {
    const x = f64([1, 2, 3], [1, 1, 1, 3]);
    // At the outermost elements and beyond nothing moves.
    const grid = f64([-1, 0, 1, 0, 2, 0, 0.5, 0], [1, 1, 4, 2]);
    const slope = grad((g: Tensor) => F.gridSample(x, g, { paddingMode: 'border', alignCorners: true }).sum())(grid);
    expectValues(slope, [1, 1, 4, 2], [0, 0, 0, 0, 0, 0, 1, 0]);
  });

  it('refuses mistakes', () => {
    const x = some([1, 1, 4, 4]);
    const grid = some([1, 2, 2, 2]);
    expectError(() => F.gridSample(x, some([1, 2, 2])), ShapeError, 'grid with same number of dimensions');
    expectError(
      () => F.gridSample(x, some([2, 2, 2, 2])),
      ShapeError,
      'expected grid and input to have same batch size',
    );
    expectError(
      () => F.gridSample(x, some([1, 2, 2, 3])),
      ShapeError,
      'expected grid to have size 2 in last dimension',
    );
    expectError(() => F.gridSample(some([1, 1, 0, 4]), grid), ShapeError, 'with dimension 2 being empty');
    expectError(() => F.gridSample(x, grid.to('float64')), DTypeError, 'expected input and grid to have same dtype');
    expectError(
      () => F.gridSample(x, grid, { mode: 'linear' as never }),
      ArgumentError,
      "expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: 'linear'",
    );
    expectError(
      () => F.gridSample(some([1, 1, 2, 2, 2]), some([1, 2, 2, 2, 3]), { mode: 'bicubic' }),
      ArgumentError,
      'bicubic interpolation only supports 4D input',
    );
    expectError(
      () => F.affineGrid(some([1, 2, 2]), [1, 1, 2, 2]),
      ShapeError,
      'Expected a batch of 2D affine matrices',
    );
  });
});

describe('blocks', () => {
  it('are a convolution in two steps', () => {
    const [x, w] = [image(2, 3, 5, 6), image(4, 3, 2, 3)];
    const y = F.conv2d(x, w, null, { stride: [2, 1], padding: 1 }) as Tensor;
    const columns = F.unfold(x, [2, 3], { stride: [2, 1], padding: 1 });
    expectClose(
      w
        .reshape([4, 18])
        .matmul(columns)
        .reshape(y.shape as number[]),
      y,
      { tol: 1e-12 },
    );
  });

  it('add up again to as many times the image as blocks hold an element', () => {
    const x = image(1, 2, 4, 4);
    const counted = F.fold(F.unfold(x, 2), 4, 2).div(x).select(0, 0).select(0, 0) as Tensor;
    expectValues(counted, [4, 4], [1, 2, 2, 1, 2, 4, 4, 2, 2, 4, 4, 2, 1, 2, 2, 1], { tol: 1e-12 });
  });

  it('refuse mistakes', () => {
    expectError(() => F.unfold(some([4, 4]), 2), ShapeError, 'Expected 3D or 4D (batch mode) tensor');
    expectError(
      () => F.unfold(some([1, 4, 4]), 5),
      ShapeError,
      'calculated shape of the array of sliding blocks as (0, 0), but its components must be at least one.',
    );
    expectError(
      () => F.fold(some([1, 5, 4]), 3, 2),
      ShapeError,
      "Expected size of input's dimension 1 to be divisible by the product of kernel_size",
    );
    expectError(
      () => F.fold(some([1, 4, 5]), 3, 2),
      ShapeError,
      'to match the calculated number of sliding blocks 2 * 2 = 4, but got input.size(2)=5.',
    );
    expectError(() => F.unfold(some([1, 4, 4]), 0), ArgumentError, 'kernel size should be greater than zero');
  });
});

describe('localResponseNorm', () => {
  it('divides by what neighbouring channels hold', () => {
    const x: Tensor = tensor([[[1], [2], [3]]], { dtype: 'float64' });
    const y = F.localResponseNorm(x, 2, { alpha: 2, beta: 1, k: 1 });
    expectValues(y, [1, 3, 1], [1 / 2, 2 / 6, 3 / 14], { tol: 1e-12 });
    expectError(() => F.localResponseNorm(some([2, 3]), 2), ShapeError, 'Expected 3D or higher dimensionality input');
  });
});
