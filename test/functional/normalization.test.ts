import { autograd, functional as F, ones, randn, type Tensor } from 'nabla';
import { describe, expect, test } from 'vitest';

/*
 * Gradients of normalisations come from kernels where nobody differentiates them again, and from operations
 * where somebody may: both must be the same numbers.
 */

type Parameters = { readonly weight?: Tensor; readonly bias?: Tensor };

const functions: Readonly<Record<string, (x: Tensor, p: Parameters) => Tensor>> = {
  batchNorm: (x, p) => F.batchNorm(x, null, null, { ...p, training: true }),
  'groupNorm of pairs': (x, p) => F.groupNorm(x, 3, p),
  'groupNorm of all': (x, p) => F.groupNorm(x, 1, p),
  instanceNorm: (x, p) => F.instanceNorm(x, p),
};

const shapes = [
  [7, 6],
  [3, 6, 5],
  [2, 6, 17],
  [3, 6, 4, 5],
  [1, 6, 1, 70_000],
  [40, 6, 1, 1],
];

const f64 = { dtype: 'float64', requiresGrad: true } as const;

describe.each(Object.entries(functions))('%s', (name, f) => {
  test.each(shapes.filter((s) => name !== 'instanceNorm' || s.slice(2).some((n) => n > 1)))('of %j', (...shape) => {
    for (const transposed of [false, true]) {
      const whole = randn(transposed ? shape.toReversed() : shape, f64);
      const x = transposed ? (whole.permute(shape.map((_, d) => shape.length - 1 - d)) as Tensor) : whole;
      const weight = ones([6], { dtype: 'float64' })
        .add(randn([6], { dtype: 'float64' }))
        .requiresGrad_();
      const bias = randn([6], f64);
      for (const p of [{}, { weight, bias }, { weight }, { bias }]) {
        const leaves = [whole, ...Object.values(p)] as Tensor[];
        const y = f(x, p);
        const gradOutputs = randn([...y.shape], { dtype: 'float64' });
        const grads = (createGraph: boolean) => autograd.grad(f(x, p), leaves, { gradOutputs, createGraph });
        const made = grads(true);
        grads(false).forEach((g, i) => {
          expect(
            (g as Tensor)
              .sub(made[i] as Tensor)
              .abs()
              .max()
              .item(),
          ).toBeLessThan(1e-9);
        });
      }
    }
  });
});

test('groupNorm and batchNorm need more than one value', () => {
  for (const f of [() => F.groupNorm(ones([1, 2]), 2), () => F.batchNorm(ones([1, 2]), null, null, { training: true })])
    expect(f).toThrow('Expected more than 1 value per channel when training, got input size [1, 2]');
  expect(F.groupNorm(ones([2, 2]), 2).toArray()).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

test('layerNorm says how a shape is written, and keeps its own', () => {
  const x = randn([2, 3], f64);
  const wrong: unknown = 3;
  expect(() => F.layerNorm(x, wrong as number[])).toThrow('the number 3; write [3]');
  const shape = [3];
  const y = F.layerNorm(x, shape);
  shape[0] = 7;
  y.sum().backward();
  expect(x.grad?.shape).toEqual([2, 3]);
});
