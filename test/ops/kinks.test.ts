import { full, functional, grad, hessian, jvp, onesLike, type Tensor, tensor, where } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

/*
 * Where a derivative does not exist or needs a limit, the value is PyTorch's. Reverse and forward
 * mode agree on it.
 */

const inf = Number.POSITIVE_INFINITY;

/** Checks the derivative of an elementwise function at each x, in both modes. */
function slopes(f: (x: Tensor) => Tensor, at: readonly number[], expected: readonly number[]): void {
  const x = f64(at, [at.length]);
  expectValues(grad((t: Tensor) => f(t).sum())(x), [at.length], expected, { what: 'reverse mode' });
  expectValues(
    jvp(
      f,
      [x],
      [
        f64(
          at.map(() => 1),
          [at.length],
        ),
      ],
    )[1],
    [at.length],
    expected,
    { what: 'forward mode' },
  );
}

function gradients(f: (x: Tensor) => Tensor, x: Tensor, expected: readonly number[]): void {
  expectValues(grad(f)(x), x.shape, expected, { what: 'reverse mode' });
  const forward = expected.map((_, i) => {
    const unit = f64(
      expected.map((_e, j) => (i === j ? 1 : 0)),
      x.shape,
    );
    return jvp(f, [x], [unit])[1].item();
  });
  expectValues(f64(forward, x.shape), x.shape, expected, { what: 'forward mode' });
}

describe('functions of one number', () => {
  it('abs, sign and relu are flat at 0', () => {
    slopes((x) => x.abs(), [0, -0, 2, -2], [0, 0, 1, -1]);
    slopes((x) => x.sign(), [0, 2], [0, 0]);
    slopes((x) => x.relu(), [0, -1, 1], [0, 0, 1]);
  });

  it('activations that are pieced together have at NaN the slope of their last piece', () => {
    const { elu, celu, hardswish, relu6, hardtanh, hardshrink, softshrink, hardsigmoid, silu } = functional;
    for (const f of [elu, celu, hardswish, relu6, hardtanh, hardshrink, softshrink])
      slopes((x) => f(x), [Number.NaN], [1]);
    slopes(hardsigmoid, [Number.NaN], [0]);
    slopes(silu, [Number.NaN], [Number.NaN]);
  });

  it('slopes of activations do not change where they change over', () => {
    const curvature = (f: (x: Tensor) => Tensor, at: readonly number[], expected: readonly number[]): void =>
      slopes((x) => grad((t: Tensor) => f(t).sum())(x), at, expected);
    slopes(functional.hardswish, [-3, 3], [-0.5, 1]);
    curvature(functional.hardswish, [-3, -2.9, 3], [0, 1 / 3, 0]);
    curvature((x) => functional.softplus(x, { beta: 2, threshold: 5 }), [2.5, 2.6], [0, 0]);
    curvature((x) => functional.elu(x, { alpha: 2 }), [0, -0, 1], [0, 0, 0]);
  });

  it('the soft margin loss is straight where it is large', () => {
    const loss = (x: Tensor): Tensor => functional.softMarginLoss(x, onesLike(x), { reduction: 'none' });
    for (const at of [-50, -600, -1000]) {
      slopes(loss, [at, at], [-1, -1]);
      slopes(
        (x) => grad((t: Tensor) => loss(t).sum())(x),
        [at, at],
        at === -50 ? [Math.exp(-50), Math.exp(-50)] : [0, 0],
      );
    }
  });

  it('steps are flat everywhere', () => {
    for (const f of [
      (x: Tensor) => x.floor(),
      (x: Tensor) => x.ceil(),
      (x: Tensor) => x.round(),
      (x: Tensor) => x.round({ decimals: 1 }),
      (x: Tensor) => x.round({ decimals: -1 }),
      (x: Tensor) => x.trunc(),
    ])
      slopes(f, [0, 1, 0.5, -2], [0, 0, 0, 0]);
    slopes((x) => x.frac(), [0, 1.5], [1, 1]);
  });

  it('rounding to decimals, as PyTorch rounds', () => {
    const nan = Number.NaN;
    const xs = [123.456, -2.5, 0.125, inf, nan, -0.04];
    const rounded: readonly (readonly [number, readonly number[]])[] = [
      [0, [123, -2, 0, inf, nan, -0]],
      [1, [123.5, -2.5, 0.1, inf, nan, -0]],
      [2, [123.46, -2.5, 0.12, inf, nan, -0.04]],
      [-1, [120, -0, 0, inf, nan, -0]],
      [-2, [100, -0, 0, inf, nan, -0]],
      [310, xs.map(() => nan)],
      [-310, xs.map(() => nan)],
    ];
    for (const [decimals, expected] of rounded) {
      const x = f64(xs, [6]);
      expect(x.round({ decimals }).toArray()).toEqual(expected);
      expect(x.round_({ decimals }).toArray()).toEqual(expected);
    }
    // Powers of ten that float32 has no room for.
    expect(tensor([1.5, 0]).round({ decimals: 40 }).toArray()).toEqual([nan, nan]);
    expect(tensor([5, 25], { dtype: 'int32' }).round({ decimals: 0 }).toArray()).toEqual([5, 25]);
    for (const [dtype, name] of [
      ['int32', 'Int'],
      ['uint8', 'Byte'],
      ['bool', 'Bool'],
    ] as const)
      expect(() => tensor([1, 0], { dtype }).round({ decimals: -1 })).toThrow(
        `"round_cpu" not implemented for '${name}'`,
      );
    expect(() => tensor([1.5]).round({ decimals: 0.5 })).toThrow('round: decimals must be a whole number, got 0.5');
    const y: Tensor = tensor([1.26, 2.5], { requiresGrad: true }).round({ decimals: 1 });
    expect(`${y}`).toBe('tensor([1.3000, 2.5000], grad_fn=<RoundBackward1>)');
  });

  it('sqrt and log have infinite slope at 0', () => {
    slopes((x) => x.sqrt(), [0, 4], [inf, 0.25]);
    slopes((x) => x.log(), [0, 2], [inf, 0.5]);
  });

  it('powers at 0', () => {
    slopes((x) => x.pow(3), [0], [0]);
    slopes((x) => x.pow(2), [0], [0]);
    slopes((x) => x.pow(1), [0], [1]);
    slopes((x) => x.pow(0), [0, 3], [0, 0]);
    slopes((x) => x.pow(0.5), [0], [inf]);
    slopes((x) => f64([0, 0, 0], [3]).pow(x), [-1, 0, 1], [-inf, 0, 0]);
    slopes((x) => x.square(), [0], [0]);
    expectValues(grad((x: Tensor) => grad((y: Tensor) => y.pow(2))(x))(f64([0], [])), [], [2]);
  });

  it('clamp has slope 1 at its bounds', () => {
    slopes((x) => x.clamp(-1, 1), [-2, -1, 0, 1, 2], [0, 1, 1, 1, 0]);
    slopes((x) => x.clamp(0), [-1, 0, 1], [0, 1, 1]);
    slopes((x) => x.clamp(null, 0), [-1, 0, 1], [1, 1, 0]);
  });

  it('asin, acos and atanh at the ends', () => {
    slopes((x) => x.asin(), [1, 0], [inf, 1]);
    slopes((x) => x.acos(), [1, 0], [-inf, -1]);
    slopes((x) => x.atanh(), [1, 0], [inf, 1]);
  });
});

describe('functions of two numbers', () => {
  it('maximum and minimum share evenly at ties', () => {
    const y = f64([1, 1, 1], [3]);
    slopes((x) => x.maximum(y), [0, 1, 2], [0, 0.5, 1]);
    slopes((x) => y.maximum(x), [0, 1, 2], [0, 0.5, 1]);
    slopes((x) => x.minimum(y), [0, 1, 2], [1, 0.5, 0]);
  });

  it('atan2 is flat at the origin', () => {
    slopes((x) => x.atan2(f64([0], [1])), [0], [0]);
    slopes((x) => f64([0], [1]).atan2(x), [0], [0]);
  });

  it('where gives the branch not taken exactly nothing', () => {
    slopes((x) => where(x.gt(0), x.mul(2), x.mul(3)), [-1, 1], [3, 2]);
    slopes((x) => where(x.ge(0), x, f64([5, 5], [2])), [-1, 1], [0, 1]);
  });

  it('an infinite slope before the branch not taken still becomes NaN, as 0 · ∞ does', () => {
    const f = (x: Tensor): Tensor => where(x.gt(0), x.sqrt(), x).sum();
    expectValues(grad(f)(f64([0, 4], [2])), [2], [Number.NaN, 0.25]);
  });

  it('fmod and remainder', () => {
    slopes((x) => x.fmod(2), [-5, 5], [1, 1]);
    slopes((x) => f64([5, -5], [2]).fmod(x), [3, 3], [-1, 1]);
    slopes((x) => f64([5, -5], [2]).remainder(x), [3, 3], [-1, 2]);
  });
});

describe('reductions', () => {
  const tied = f64([3, 1, 3, 2], [4]);

  it('max, min, amax and amin share evenly at ties', () => {
    gradients((x) => x.max(), tied, [0.5, 0, 0.5, 0]);
    gradients((x) => x.amax(), tied, [0.5, 0, 0.5, 0]);
    gradients((x) => x.neg().min(), tied, [-0.5, 0, -0.5, 0]);
    gradients((x) => x.neg().amin(0), tied, [-0.5, 0, -0.5, 0]);
    gradients((x) => x.amax(1).sum(), f64([2, 2, 1, 4], [2, 2]), [0.5, 0.5, 0, 1]);
  });

  it('max along a dimension goes to the first place alone', () => {
    gradients((x) => x.max(0).values, tied, [1, 0, 0, 0]);
    gradients((x) => x.neg().min(0).values, tied, [-1, 0, 0, 0]);
  });

  it('prod is exact with zeros, to every order', () => {
    gradients((x) => x.prod(), f64([2, 0, 3], [3]), [0, 6, 0]);
    gradients((x) => x.prod(), f64([0, 0, 3], [3]), [0, 0, 0]);
    expectValues(hessian((x: Tensor) => x.prod())(f64([0, 0, 3], [3])), [3, 3], [0, 3, 0, 3, 0, 0, 0, 0, 0]);
    const third = grad((x: Tensor) =>
      hessian((y: Tensor) => y.prod())(x)
        .select(0, 0)
        .select(0, 1),
    );
    expectValues(third(f64([0, 0, 0], [3])), [3], [0, 0, 1]);
  });

  it('norms are flat at 0', () => {
    const zero = f64([0, 0], [2]);
    for (const p of [0, 0.5, 1, 1.5, 2, 3]) gradients((x) => x.norm(p), zero, [0, 0]);
    gradients((x) => x.norm(), f64([3, -4], [2]), [0.6, -0.8]);
    gradients((x) => x.norm(inf), f64([2, -2, 1], [3]), [0.5, -0.5, 0]);
    gradients((x) => x.norm(1), f64([2, 0, -1], [3]), [1, 0, -1]);
  });

  it('softmax of infinities and NaN', () => {
    const [inf, nan] = [Infinity, Number.NaN];
    for (const dtype of ['float32', 'float64'] as const) {
      for (const [row, shares, logs] of [
        [
          [inf, 1],
          [nan, nan],
          [nan, nan],
        ],
        [
          [-inf, -inf],
          [nan, nan],
          [nan, nan],
        ],
        [
          [-inf, 1],
          [0, 1],
          [-inf, 0],
        ],
        [
          [nan, 1],
          [nan, nan],
          [nan, nan],
        ],
      ]) {
        const x: Tensor = tensor(row, { dtype });
        const column = x.reshape([2, 1]).expand([2, 3]);
        expect(x.softmax(0).toArray()).toEqual(shares);
        expect(x.logSoftmax(0).toArray()).toEqual(logs);
        expect(column.softmax(0).select(1, 0).toArray()).toEqual(shares);
        expect(column.logSoftmax(0).select(1, 2).toArray()).toEqual(logs);
      }
    }
  });

  it('logsumexp of infinities and NaN, in rows, columns and long lines', () => {
    const nan = Number.NaN;
    for (const dtype of ['float32', 'float64'] as const) {
      for (const [row, value, slope] of [
        [[inf, 1], inf, [nan, 0]],
        [[inf, inf], inf, [nan, nan]],
        [[inf, -inf], inf, [nan, 0]],
        [[-inf, -inf], -inf, [nan, nan]],
        [[-inf, 1], 1, [0, 1]],
        [[nan, 1], nan, [nan, nan]],
        [[nan, inf], nan, [nan, nan]],
        [[nan, nan], nan, [nan, nan]],
        [[3e38, inf], inf, [0, nan]],
      ] as const) {
        const x: Tensor = tensor([...row], { dtype });
        expect(x.logsumexp(0).item()).toBe(value);
        expect(grad((t: Tensor) => t.logsumexp(0))(x).toArray()).toEqual(slope);
        const column = x.reshape([2, 1]).expand([2, 3]);
        expect(column.logsumexp(0).toArray()).toEqual([value, value, value]);
        // Padding that counts for nothing, before and behind.
        const long = full([20_000], -inf, { dtype });
        for (const at of [0, 4095, 9000, 19_998]) {
          const padded = long.clone();
          padded.slice(0, at, at + 2).copy_(x);
          expect(padded.logsumexp().item()).toBe(value);
        }
      }
    }
  });

  it('logsumexp of lines of every length', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      for (const n of [1, 2, 7, 64, 1001, 4096, 8192, 8193, 12_288, 12_289, 70_001]) {
        const xs = Float64Array.from({ length: 2 * n }, (_, i) =>
          Math.fround(Math.sin((i + 1) * 12.9898) * 30 + (i >= n ? 500 : 0)),
        );
        const x = tensor(xs, { dtype }).reshape([2, n]);
        const exact = [0, 1].map((r) => {
          const row = xs.subarray(r * n, (r + 1) * n);
          const top = row.reduce((a, b) => Math.max(a, b));
          return top + Math.log(row.reduce((sum, v) => sum + Math.exp(v - top), 0));
        });
        const digits = dtype === 'float32' ? 6 : 14;
        for (const y of [x.logsumexp(1), x.T.contiguous().T.logsumexp(1), x.T.logsumexp(0)])
          (y.toArray() as number[]).forEach((v, r) => {
            expect(v / exact[r]).toBeCloseTo(1, digits);
          });
      }
    }
  });

  it('logsumexp and softmax stay finite', () => {
    gradients((x) => x.logsumexp(0), f64([1000, 1000], [2]), [0.5, 0.5]);
    gradients((x) => x.logsumexp(0), f64([-inf, 0], [2]), [0, 1]);
    gradients((x) => x.softmax(0).select(0, 0), f64([1000, -1000], [2]), [0, 0]);
    gradients((x) => x.logSoftmax(0).select(0, 1), f64([1000, -1000], [2]), [-1, 1]);
  });
});

describe('in float32', () => {
  it('keeps the same choices', () => {
    const x = tensor([0, 1, -1]);
    expectValues(grad((t: Tensor) => t.abs().sum())(x), [3], [0, 1, -1]);
    expectValues(grad((t: Tensor) => t.pow(3).sum())(x), [3], [0, 3, 3]);
    expectValues(grad((t: Tensor) => t.clamp(0, 1).sum())(x), [3], [1, 1, 0]);
    expectValues(grad((t: Tensor) => t.maximum(0).sum())(x), [3], [0.5, 1, 0]);
  });
});
