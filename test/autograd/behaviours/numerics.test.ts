import { autograd, cat, linalg, noGrad, ShapeError, slice, stack, type Tensor, tensor, where } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';
import { gradgradcheck } from '../../support/gradcheck.ts';
import { spreadTensor, valuesOf } from '../../support/numbers.ts';

/* Values of gradients at ties, kinks, zeros and NaN. The number in a title is the behaviour's in the list of what PyTorch's engine does. */

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const f64 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor(Float64Array.from(values), { shape });
const leaf = (values: readonly number[], shape?: readonly number[]): Tensor => f64(values, shape).requiresGrad_();
const int = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' });

/** The gradient of the sum of a function, checked. */
function gradient(
  f: (x: Tensor) => Tensor,
  at: readonly number[],
  expected: readonly number[],
  shape = [at.length],
): void {
  const x = leaf(at, shape);
  const [g] = autograd.grad(f(x).sum(), x);
  expectValues(g, shape, expected);
}

describe('ties', () => {
  const whole: Readonly<Record<string, (x: Tensor) => Tensor>> = {
    max: (x) => x.max(),
    min: (x) => x.neg().min().neg(),
    median: (x) => x.median(),
    amax: (x) => x.amax(),
    amin: (x) => x.neg().amin().neg(),
  };

  it('AG302 of max, min and median over everything share evenly', () => {
    for (const [name, f] of Object.entries(whole)) {
      if (name === 'median') gradient(f, [1, 2, 2, 5], [0, 0.5, 0.5, 0]);
      else gradient(f, [1, 5, 2, 5, 5], [0, 1 / 3, 0, 1 / 3, 1 / 3]);
      gradient(f, [3, 3, 3, 3], [0.25, 0.25, 0.25, 0.25], [2, 2]);
    }
  });

  it('AG303 … all of them, when all are NaN', () => {
    for (const name of ['max', 'min', 'median'] as const)
      gradient(whole[name], [nan, nan, nan, nan], [0.25, 0.25, 0.25, 0.25], [2, 2]);
    gradient((x) => x.max(), [1, nan, 2, nan], [0, 0.5, 0, 0.5]);
    gradient((x) => x.nanmedian(), [1, nan, 2, 2], [0, 0, 0.5, 0.5]);
  });

  it('AG304 along a dim the gradient goes to the index that was selected, alone', () => {
    gradient((x) => x.max(1).values, [1, 3, 3, 2, 2, 0], [0, 1, 0, 1, 0, 0], [2, 3]);
    gradient((x) => x.min(1).values, [1, 1, 3, 2, 0, 0], [1, 0, 0, 0, 1, 0], [2, 3]);
    const x = leaf([2, 2, 1, 0, 3, 3], [2, 3]);
    const { values, indices } = x.median(1);
    const [g] = autograd.grad(values.sum(), x);
    const expected = [0, 0, 0, 0, 0, 0];
    valuesOf(indices).forEach((k, row) => {
      expected[3 * row + k] = 1;
    });
    expectValues(g, [2, 3], expected);
  });

  it('AG305 amax and amin along dims share evenly', () => {
    gradient((x) => x.amax(1), [1, 3, 3, 2, 2, 2], [0, 0.5, 0.5, 1 / 3, 1 / 3, 1 / 3], [2, 3]);
    gradient((x) => x.amin([0, 1]), [1, 3, 1, 2], [0.5, 0, 0.5, 0], [2, 2]);
  });

  it('AG306 maximum and minimum give half to each operand', () => {
    for (const name of ['maximum', 'minimum'] as const) {
      const [a, b] = [leaf([1, 2, 3]), leaf([2, 2, 2])];
      a[name](b).sum().backward();
      const first = name === 'maximum' ? [0, 0.5, 1] : [1, 0.5, 0];
      expectValues(a.grad, [3], first);
      expectValues(
        b.grad,
        [3],
        first.map((g) => 1 - g),
      );
    }
  });
});

describe('kinks, zeros and infinities', () => {
  it('AG307 x ** 0 has gradient 0 at 0', () => {
    gradient((x) => x.pow(0), [0, 0], [0, 0]);
    gradient((x) => x.pow(f64([0, 0])), [0, 0], [0, 0]);
    gradient((x) => x.pow(f64([0, 2, 1])), [0, 0, 0], [0, 0, 1]);
  });

  it('AG308 0 ** b has gradient −∞, 0, 0 by b = −1, 0, 1', () => {
    gradient((b) => f64([0, 0, 0]).pow(b), [-1, 0, 1], [-inf, 0, 0]);
    gradient((b) => f64([0], []).pow(b), [-1, 0, 1], [-inf, 0, 0]);
  });

  it('AG309 abs, sign and relu are flat at 0', () => {
    gradient((x) => x.abs(), [0, -2, 2], [0, -1, 1]);
    gradient((x) => x.sign(), [0, -2, 2], [0, 0, 0]);
    gradient((x) => x.relu(), [0, -2, 2], [0, 0, 1]);
  });

  it('AG310 sqrt has slope ∞ at 0; norms are flat there', () => {
    gradient((x) => x.sqrt(), [0, 4], [inf, 0.25]);
    for (const p of [1, 2, 3, 0.5, 'fro'] as const) gradient((x) => x.norm(p), [0, 0], [0, 0]);
    gradient((x) => x.norm(2, 1), [0, 0, 3, 4], [0, 0, 0.6, 0.8], [2, 2]);
    gradient((x) => linalg.vectorNorm(x, 2), [0, 0], [0, 0]);
  });

  it('AG311 clamp passes the gradient at its bounds', () => {
    gradient((x) => x.clamp(-1, 1), [-2, -1, 0, 1, 2], [0, 1, 1, 1, 0]);
    gradient((x) => x.clamp(0), [-1, 0, 1], [0, 1, 1]);
    gradient((x) => x.clamp(null, 0), [-1, 0, 1], [1, 1, 0]);
  });

  it('AG312 where gives the branch not taken exactly zero, which before it still becomes NaN', () => {
    gradient((x) => where(x.gt(0), x.mul(2), x.mul(3)), [-1, 1], [3, 2]);
    const [a, b] = [leaf([1, 1]), leaf([inf, nan])];
    where(tensor([true, true]), a, b)
      .sum()
      .backward();
    expectValues(b.grad, [2], [0, 0]);
    gradient((x) => where(x.gt(0), x.sqrt(), x), [0, 4], [nan, 0.25]);
    gradient((x) => where(x.ne(0), x.reciprocal(), x), [0, 2], [nan, -0.25]);
  });

  it('AG313 prod with zeros is exact', () => {
    gradient((x) => x.prod(), [2, 3, 4], [12, 8, 6]);
    gradient((x) => x.prod(), [2, 0, 4], [0, 8, 0]);
    gradient((x) => x.prod(), [0, 0, 4], [0, 0, 0]);
    gradient((x) => x.prod(1), [2, 0, 3, 0, 0, 5], [0, 6, 0, 0, 0, 0], [2, 3]);
    gradgradcheck((x) => x.prod(), [f64([2, 0, 4])]);
    gradgradcheck((x) => x.prod(), [f64([0, 0, 4])]);
    gradient((x) => x.cumprod(0), [2, 0, 4], [1, 10, 0]);
  });

  it('AG314 atan2 is flat at the origin', () => {
    const [y, x] = [leaf([0, 1]), leaf([0, 0])];
    y.atan2(x).sum().backward();
    expectValues(y.grad, [2], [0, 0]);
    expectValues(x.grad, [2], [0, -1]);
  });
});

describe('indexing', () => {
  it('AG315 places that are read several times add up', () => {
    gradient((x) => x.at(int(1, 1, 0, 1)), [1, 2, 3], [1, 3, 0]);
    gradient((x) => x.at([0, 0, 1], [1, 1, 0]), [1, 2, 3, 4], [0, 2, 1, 0], [2, 2]);
    gradient(
      (x) =>
        x
          .at([
            [0, 0],
            [1, 1],
          ])
          .mul(f64([1, 2, 3, 4], [2, 2])),
      [1, 2],
      [3, 7],
    );
    gradient((x) => x.at(':', [2, 0, 2]), [1, 2, 3, 4, 5, 6], [1, 0, 2, 1, 0, 2], [2, 3]);
  });

  it('AG316 every form of index has gradient 1 where it reads, and nothing elsewhere', () => {
    const values = Array.from({ length: 24 }, (_, k) => k);
    const forms: readonly ((x: Tensor) => Tensor)[] = [
      (x) => x.at(1),
      (x) => x.at(-1, 2),
      (x) => x.at(1, 0, 3),
      (x) => x.at(slice(1)),
      (x) => x.at(':', slice(0, 3, 2)),
      (x) => x.at('...', 1),
      (x) => x.at(0, '...', slice(1, 3)),
      (x) => x.at(null, 1, null),
      (x) => x.at([1]),
      (x) => x.at([0, 1], [2, 0]),
      (x) => x.at(':', int(2, 0)),
      (x) => x.at(int(1), ':', int(3)),
      (x) => x.at(x.detach().remainder(5).eq(0)),
      (x) => x.at(tensor([false, true])),
      (x) => x.at(':', tensor([true, false, true]), 2),
      (x) => x.at([0, 1], slice(1), [3, 0]),
      (x) => x.at('...', null, tensor([true, false, false, true])),
      (x) => x.at(true, 0),
      (x) => x.at(int(0, 1).unsqueeze(1), int(0, 2)),
    ];
    forms.forEach((read, k) => {
      const x = leaf(values, [2, 3, 4]);
      const y = read(x);
      const [g] = autograd.grad(y.sum(), x);
      // Every value is its own place.
      const seen = new Set(valuesOf(y.detach()));
      expect(seen.size, `form ${k}`).toBe(y.numel());
      expectValues(
        g,
        [2, 3, 4],
        values.map((v) => (seen.has(v) ? 1 : 0)),
        { what: `form ${k}` },
      );
    });
  });

  it('AG317 gather, indexSelect, scatterAdd and indexAdd follow duplicates', () => {
    gradient((x) => x.gather(0, int(0, 0, 2)), [1, 2, 3], [2, 0, 1]);
    gradient((x) => x.indexSelect(0, int(2, 2)), [1, 2, 3], [0, 0, 2]);
    const [x, src] = [leaf([1, 2, 3]), leaf([4, 5])];
    const weights = f64([1, 10, 100]);
    x.scatterAdd(0, int(2, 2), src).mul(weights).sum().backward();
    expectValues(x.grad, [3], [1, 10, 100]);
    expectValues(src.grad, [2], [100, 100]);
    const [y, add] = [leaf([1, 2, 3]), leaf([4, 5])];
    y.indexAdd(0, int(1, 1), add, { alpha: 2 }).mul(weights).sum().backward();
    expectValues(y.grad, [3], [1, 10, 100]);
    expectValues(add.grad, [2], [20, 20]);
  });

  it('AG322 the second derivative of scatterReduce by product with several zeros is exact; PyTorch refuses it', () => {
    const index = int(0, 0, 0, 1);
    gradgradcheck((x, src) => x.scatterReduce(0, index, src, 'prod'), [f64([2, 3]), f64([0, 0, 5, 7])]);
    gradgradcheck(
      (x, src) => x.scatterReduce(0, index, src, 'prod', { includeSelf: false }),
      [f64([0, 3]), f64([0, 0, 0, 7])],
    );
  });
});

describe('what comes with values', () => {
  it('AG318 varMean has the gradients of var and mean', () => {
    const x = spreadTensor([3, 4], -1, 1);
    for (const options of [{}, { keepdim: true }]) {
      const of = (f: (t: Tensor) => Tensor): Tensor => {
        const t = x.clone().requiresGrad_();
        return autograd.grad(f(t).sum(), t)[0];
      };
      const both = of((t) => {
        const { var: v, mean } = t.varMean(1, options);
        return v.mul(2).add(mean.mul(3));
      });
      expectClose(
        both,
        of((t) => t.var(1, options).mul(2).add(t.mean(1, options).mul(3))),
      );
    }
  });

  it('AG319 truth values and indices never require grad', () => {
    const x = leaf([3, 1, 2]);
    const results: readonly Tensor[] = [
      x.argmax(),
      x.argmin(0),
      x.argsort(),
      x.gt(0),
      x.eq(x),
      x.isnan(),
      x.isinf(),
      x.isfinite(),
      x.signbit(),
      f64([1, 2, 3]).searchsorted(x),
      x.bucketize(f64([1, 2])),
      x.any(),
      x.all(),
      x.countNonzero(),
      x.logicalNot(),
      x.nonzero() as Tensor,
    ];
    for (const r of results) expect([r.requiresGrad, r.isLeaf]).toEqual([false, true]);
  });

  it('AG320 the values of sort, topk, kthvalue and mode require grad, their indices do not', () => {
    const x = leaf([3, 1, 2]);
    for (const { values, indices } of [
      x.sort(),
      x.topk(2),
      x.kthvalue(2),
      x.mode(),
      x.max(0),
      x.min(0),
      x.median(0),
      x.cummax(0),
    ]) {
      expect([values.requiresGrad, indices.requiresGrad, indices.gradFn]).toEqual([true, false, null]);
    }
    gradient((t) => t.sort(0, { descending: true }).values.mul(f64([1, 10, 100])), [3, 1, 2], [1, 100, 10]);
    gradient((t) => t.topk(2).values, [3, 1, 2], [1, 0, 1]);
    gradient((t) => t.kthvalue(2).values, [3, 1, 2], [0, 0, 1]);
  });
});

describe('matrices', () => {
  it('AG323 the gradient of the trace is the rectangular identity', () => {
    gradient((x) => x.trace(), [1, 2, 3, 4, 5, 6], [1, 0, 0, 0, 1, 0], [2, 3]);
    gradient((x) => x.trace(), [1, 2, 3, 4, 5, 6], [1, 0, 0, 1, 0, 0], [3, 2]);
  });

  it('AG325 slogdet: the logarithm has the inverse, transposed, for its gradient; the sign gives none', () => {
    const at = [2, 1, -1, -3, 0.5, 4, 1, 2, -2];
    const [a, b, c] = [leaf(at, [3, 3]), leaf(at, [3, 3]), leaf(at, [3, 3])];
    const inverse = linalg.inv(f64(at, [3, 3])).mT;
    linalg.slogdet(a).logabsdet.backward();
    expectClose(a.grad as Tensor, inverse.contiguous());
    const { sign, logabsdet } = linalg.slogdet(b);
    sign.mul(3).add(logabsdet.mul(2)).backward();
    expectClose(b.grad as Tensor, inverse.mul(2));
    expect([
      sign.item(),
      Math.abs(linalg.det(f64(at, [3, 3])).item() - sign.item() * Math.exp(logabsdet.item())) < 1e-12,
    ]).toEqual([-1, true]);
    const only = linalg.slogdet(c).sign;
    expect(only.requiresGrad).toBe(true);
    expectValues(autograd.grad(only, c, { materializeGrads: true })[0], [3, 3], new Array(9).fill(0));
  });

  it('AG324 an operand that is broadcast in a product has its gradient summed', () => {
    const mat = spreadTensor([3, 4], -1, 1);
    const v = leaf([2], [1]);
    mat
      .mv(v.expand([4]))
      .sum()
      .backward();
    expectValues(v.grad, [1], [mat.sum().item()]);
    const one = leaf([1, 2, 3, 4, 5, 6], [1, 2, 3]);
    const many = spreadTensor([5, 3, 2], -1, 1);
    one.matmul(many).sum().backward();
    const expected = many.sum([0, 2]);
    expectClose(one.grad as Tensor, stack([expected, expected]).unsqueeze(0));
    const w = leaf([1, 2, 3], [3]);
    many.mT.matmul(w).sum().backward();
    expectClose(w.grad as Tensor, many.mT.sum([0, 1]));
  });
});

describe('conversions', () => {
  it('AG326 a tensor of one element is a number', () => {
    for (const t of [leaf([2.5]), leaf([2.5], []), leaf([2.5], [1, 1])]) {
      expect([+t, Number(t), t.item(), Math.trunc(+t)]).toEqual([2.5, 2.5, 2.5, 2]);
      expect([t.isNonzero(), t.requiresGrad]).toEqual([true, true]);
    }
    expect([tensor(true).item(), +int(7), tensor(false).isNonzero(), leaf([0]).isNonzero()]).toEqual([
      1,
      7,
      false,
      false,
    ]);
    expect(leaf([3]).gt(2).isNonzero()).toBe(true);
    expect(noGrad(() => +leaf([1]).mul(4))).toBe(4);
  });

  it('AG327 several elements are neither true nor false', () => {
    expectError(
      () => leaf([1, 0]).isNonzero(),
      ShapeError,
      'Boolean value of Tensor with more than one value is ambiguous',
    );
    expectError(() => leaf([]).isNonzero(), ShapeError, 'Boolean value of Tensor with no values is ambiguous');
  });

  it('AG328 nor are they a number', () => {
    const message = 'only one element tensors can be converted to Python scalars';
    for (const t of [leaf([1, 2]), leaf([]), cat([leaf([1]), leaf([2])])]) {
      expectError(() => t.item(), ShapeError, message);
      expectError(() => +t, ShapeError, message);
    }
  });
});
