import { autograd, functional as F, grad, jvp, ones, randn, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, test } from 'vitest';
import { gradcheck, gradgradcheck } from '../support/gradcheck.ts';

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

/** Of some of x, weight and bias, by kernels and by operations. */
function gradients(
  f: (x: Tensor, weight: Tensor, bias: Tensor) => Tensor,
  leaves: readonly Tensor[],
  some: number,
): void {
  const [x, weight, bias] = leaves.map((t, i) => (some & (1 << i) ? t.requiresGrad_() : t.detach()));
  const wanted = [x, weight, bias].filter((t) => t.requiresGrad);
  const gradOutputs = randn([...x.shape].toReversed(), { dtype: x.dtype }).mT as Tensor;
  const grads = (createGraph: boolean) =>
    autograd.grad(f(x, weight, bias), wanted, { gradOutputs, createGraph }) as Tensor[];
  const made = grads(true);
  grads(false).forEach((g, i) => {
    const error = g.sub(made[i]).abs();
    const allowed = made[i]
      .abs()
      .add(x.shape[0])
      .mul(x.dtype === 'float64' ? 1e-14 : 1e-6);
    expect(error.le(allowed).all().item()).toBe(1);
  });
}

/* Lines one after the other and several at a time, one block of them, several and a part of one, and none. */
test.each([
  [3, 5],
  [16, 7],
  [33, 300],
  [150, 1],
  [161, 6],
  [131, 67],
  [2, 70_000],
  [0, 4],
])('gradients of lines, %i × %i', (lines, length) => {
  for (const dtype of ['float64', 'float32'] as const) {
    for (let some = 1; some < 8; some++) {
      const leaves = () => [
        randn([length, lines], { dtype }).mT,
        randn([length], { dtype }),
        randn([length], { dtype }),
      ];
      gradients((x, weight, bias) => F.layerNorm(x, [length], { weight, bias }), leaves() as Tensor[], some);
      gradients((x, weight, bias) => F.rmsNorm(x, [length], { weight }).add(bias), leaves() as Tensor[], some);
    }
  }
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

/* Values are PyTorch 2.15's, of F.rms_norm. */
describe('rmsNorm', () => {
  const six = () => tensor([-2, -1, 0, 1, 2, 3], { dtype: 'float64' }).reshape([2, 3]);

  test('is x over its root mean square, times a weight', () => {
    const x = six().requiresGrad_();
    const weight = tensor([1, -2, 0.5], { dtype: 'float64', requiresGrad: true });
    const y = F.rmsNorm(x, [3], { weight });
    expect(y.toString()).toMatch('[[-1.5492,  1.5492,  0.0000],\n        [ 0.4629, -1.8516,  0.6944]]');
    y.mul(tensor([1, 2, 3, 4, 5, 6], { dtype: 'float64' }).reshape([2, 3]))
      .sum()
      .backward();
    expect(String(x.grad)).toMatch('[[ 1.3943, -2.7885,  1.1619],\n        [ 2.0831, -4.1662,  2.0831]]');
    expect(String(weight.grad)).toMatch('[0.3024, 3.0799, 8.3324]');
    gradcheck((a, w) => F.rmsNorm(a, [3], { weight: w }), [x, weight]);
    gradgradcheck((a) => F.rmsNorm(a, [2, 3]), [x]);
    gradgradcheck((a, w) => F.rmsNorm(a, [3], { weight: w }), [x, weight]);
  });

  test('forward and under vmap as its formula', () => {
    const x: Tensor = six();
    const w: Tensor = ones([3]).double().add(0.5);
    const formula = (a: Tensor, b: Tensor): Tensor =>
      a.mul(a.square().mean(-1, { keepdim: true }).add(0.1).rsqrt()).mul(b);
    const norm = (a: Tensor, b: Tensor): Tensor => F.rmsNorm(a, [3], { weight: b, eps: 0.1 });
    const close = (a: Tensor, b: Tensor) => expect(a.sub(b).abs().max().item()).toBeLessThan(1e-12);
    const tangent = (f: typeof formula) => jvp(f, [x, w], [six().sin(), w.cos()])[1];
    close(tangent(norm), tangent(formula));
    for (const inDims of [
      [0, null],
      [null, 0],
      [0, 0],
    ]) {
      const args = [inDims[0] === 0 ? x : x.select(0, 0), inDims[1] === 0 ? x.cos() : w] as const;
      close(vmap(norm, { inDims })(...args), vmap(formula, { inDims })(...args));
      for (const argnums of [0, 1]) {
        const gradient = (f: typeof formula) =>
          vmap(
            (a: Tensor, b: Tensor) => grad((c: Tensor, d: Tensor) => f(c, d).sin().sum(), { argnums })(a, b) as Tensor,
            {
              inDims,
            },
          )(...args);
        close(gradient(norm), gradient(formula));
      }
    }
  });

  test('over several dimensions, and with ε', () => {
    expect(F.rmsNorm(six(), [2, 3], { eps: 0.5 }).toString()).toMatch(
      '[[-1.0445, -0.5222,  0.0000],\n        [ 0.5222,  1.0445,  1.5667]]',
    );
    expect(F.rmsNorm(ones([2, 2]).mul(1e-4), [2]).toString()).toMatch('[[0.2782, 0.2782]');
    expect(F.rmsNorm(ones([2, 0]), [0]).shape).toEqual([2, 0]);
  });

  test('refuses other shapes and whole numbers', () => {
    expect(() => F.rmsNorm(six(), [2])).toThrow('Given normalized_shape=[2], expected input with shape [*, 2]');
    expect(() => F.rmsNorm(six(), [])).toThrow(
      'Expected normalized_shape (normalizedShape) to be at least 1-dimensional',
    );
    expect(() => F.rmsNorm(six(), [3], { weight: ones([2]) })).toThrow('Expected weight to be of same shape');
    expect(() => F.rmsNorm(ones([2], { dtype: 'int32' }), [2])).toThrow('floating point');
  });
});
