import { autograd, DTypeError, IndexError, jvp, linalg, type Tensor, tensor, vmap, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { f64, leaf64 } from '../../support/numbers.ts';

/* Gradients where a formula alone does not say what they are: as PyTorch has them. */

const places = (...values: number[]): Tensor => tensor(values, { dtype: 'int32' });

describe('the value that indexFill writes', () => {
  const fill = (v: Tensor, ...at: number[]): Tensor => f64([1, 2, 3], [3]).indexFill(0, places(...at), v);

  it('gets the gradient of each place once, however often that is named', () => {
    const v = f64([5], []).requiresGrad_();
    const weights = f64([1, 10, 100], [3]);
    expectValues(autograd.grad(fill(v, 0, 0, 2).mul(weights).sum(), v)[0], [], [101]);
    const x = leaf64(1, 2, 3);
    const y = x.mul(1).indexFill_(0, places(1, 1), v);
    expectValues(y.detach(), [3], [1, 5, 3]);
    const [gx, gv] = autograd.grad(y.mul(weights).sum(), [x, v]);
    expectValues(gx, [3], [1, 0, 100]);
    expectValues(gv, [], [10]);
    expect(autograd.gradcheck((a: Tensor, b: Tensor) => a.indexFill(0, places(2, 0, 2), b), [x, v])).toBe(true);
    expect(autograd.gradgradcheck((a: Tensor, b: Tensor) => a.indexFill(0, places(2, 2), b).sin(), [x, v])).toBe(true);
  });

  it('has its tangent there, and one of its own in a batch', () => {
    expectValues(jvp((v: Tensor) => fill(v, 0, 0), [f64([5], [])], [f64([2], [])])[1], [3], [2, 0, 0]);
    expectValues(vmap((v: Tensor) => fill(v, 1))(f64([7, 8], [2])), [2, 3], [1, 7, 3, 1, 8, 3]);
    expect(() => fill(leaf64(1, 2), 0)).toThrow('only supports a 0-dimensional value tensor');
  });
});

describe('takeAlongDim', () => {
  it('counts negative places from the end', () => {
    const x = f64([1, 2, 3, 4, 5, 6], [2, 3]).requiresGrad_();
    const at = tensor([[-1], [0]], { dtype: 'int32' });
    const y = x.takeAlongDim(at, 1);
    expectValues(y.detach(), [2, 1], [3, 4]);
    expectValues(autograd.grad(y.sum(), x)[0], [2, 3], [0, 0, 1, 1, 0, 0]);
    expectValues(x.detach().takeAlongDim(places(-6, -1)), [2], [1, 6]);
    expectError(() => x.takeAlongDim(at.sub(3), 1), IndexError, 'out of bounds');
    expectError(() => x.gather(1, at), IndexError, 'index -1 is out of bounds');
  });
});

describe('the variance', () => {
  it('of as many elements as are taken off has no gradient but NaN at the mean, and infinity elsewhere', () => {
    const one = leaf64(3);
    expectValues(autograd.grad(one.var(), one)[0], [1], [Number.NaN]);
    expectValues(autograd.grad(one.var(undefined, { correction: 0 }), one)[0], [1], [0]);
    const three = leaf64(1, 2, 3);
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    expectValues(autograd.grad(three.var(undefined, { correction: 3 }), three)[0], [3], [inf, nan, inf]);
  });
});

describe('the largest magnitude', () => {
  it('that is NaN gives no element a gradient', () => {
    const x = leaf64(Number.NaN, 1, -2);
    expectValues(autograd.grad(x.norm(Number.POSITIVE_INFINITY), x)[0], [3], [0, 0, 0]);
    expectValues(autograd.grad(linalg.vectorNorm(x, Number.NEGATIVE_INFINITY), x)[0], [3], [0, 0, 0]);
  });

  it('of nothing is not there, nor is a norm of negative order', () => {
    for (const order of [Number.POSITIVE_INFINITY, -1])
      expectError(
        () => linalg.vectorNorm(zeros([0]), order),
        IndexError,
        'because the operation does not have an identity',
      );
    expectValues(linalg.vectorNorm(zeros([0]), 3), [], [0]);
  });
});

describe('addcdiv', () => {
  it('does not divide integers', () => {
    const n = places(1, 2);
    expectError(() => n.addcdiv(n, n), DTypeError, 'Integer division with addcdiv is no longer supported');
    expectError(() => n.addcdiv_(n, n), DTypeError, 'Integer division with addcdiv is no longer supported');
    expectValues(n.addcdiv(n.float(), n), [2], [2, 3]);
  });
});
