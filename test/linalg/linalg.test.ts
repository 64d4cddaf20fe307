import {
  ArgumentError,
  AutogradError,
  autograd,
  DTypeError,
  eye,
  forwardAd,
  grad,
  jvp,
  LinAlgError,
  linalg,
  NotImplementedError,
  noGrad,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  tensordot,
  vmap,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { gradcheck, gradgradcheck } from '../support/gradcheck.ts';
import { f64, spreadTensor, valuesOf } from '../support/numbers.ts';

const x = (shape: readonly number[], seed = 1): Tensor => spreadTensor(shape, -1, 1, seed);
const regular = (n: number, seed = 1): Tensor => x([n, n], seed).add(eye(n, n, { dtype: 'float64' }).mul(2));
const wrong = (a: unknown): never => a as never;

describe('singular matrices', () => {
  const none = f64([1, 2, 2, 4], [2, 2]);
  const batch = f64([1, 0, 0, 1, 1, 2, 2, 4], [2, 2, 2]);

  it('are errors in PyTorch’s words, which name the batch element', () => {
    const inverse =
      'The diagonal element 2 is zero, the inversion could not be completed because the input matrix is singular.';
    expectError(() => linalg.inv(none), LinAlgError, `linalg.inv: ${inverse}`);
    expectError(() => linalg.inv(batch), LinAlgError, `linalg.inv: (Batch element 1): ${inverse}`);
    expectError(() => none.inverse(), LinAlgError, `linalg.inv: ${inverse}`);
    expectError(() => none.matrixPower(-1), LinAlgError, 'singular');
    expectError(
      () => linalg.solve(none, f64([1, 2], [2])),
      LinAlgError,
      'linalg.solve: The solver failed because the input matrix is singular.',
    );
    expectError(
      () => linalg.solve(batch, f64([1, 2], [2, 1])),
      LinAlgError,
      'linalg.solve: (Batch element 1): The solver failed',
    );
    expectError(
      () => linalg.luFactor(none),
      LinAlgError,
      'linalg.lu_factor: U[2,2] is zero and using it on lu_solve would result in a division by zero.',
    );
    expectError(() => linalg.invEx(none, { checkErrors: true }), LinAlgError, 'linalg.inv_ex');
    expectError(() => vmap((a: Tensor) => linalg.inv(a))(batch), LinAlgError, '(Batch element 1)');
    expectError(
      () => linalg.cholesky(f64([1, 2, 2, 1], [2, 2])),
      LinAlgError,
      'linalg.cholesky: The factorization could not be completed because the input is not positive-definite (the leading minor of order 2 is not positive-definite).',
    );
    expectError(() => linalg.ldlFactor(zeros([2, 2])), LinAlgError, 'linalg.ldl_factor');
  });

  it('are said by info where errors are not wanted', () => {
    expectValues(linalg.invEx(batch).info, [2], [0, 2]);
    expectValues(linalg.solveEx(batch, batch).info, [2], [0, 2]);
    expectValues(linalg.luFactorEx(batch).info, [2], [0, 2]);
    expectValues(linalg.choleskyEx(batch).info, [2], [0, 2]);
    expectValues(linalg.ldlFactorEx(batch).info, [2], [0, 2]);
    expect(linalg.solveTriangular(f64([0], [1, 1]), f64([1], [1, 1]), { upper: true }).item()).toBe(
      Number.POSITIVE_INFINITY,
    );
  });

  it('have determinants, ranks and condition numbers', () => {
    expectValues(linalg.det(none), [], [0]);
    expect(linalg.slogdet(none).logabsdet.item()).toBe(Number.NEGATIVE_INFINITY);
    expectValues(linalg.slogdet(none).sign, [], [0]);
    expect(none.logdet().item()).toBe(Number.NEGATIVE_INFINITY);
    expect(linalg.cond(none, 1).item()).toBe(Number.POSITIVE_INFINITY);
    expect(linalg.matrixRank(none).item()).toBe(1);
    expect(linalg.matrixRank(none).dtype).toBe('int32');
    expect(linalg.matrixRank(none, { atol: 10 }).item()).toBe(0);
    expect(linalg.matrixRank(none, { hermitian: true }).item()).toBe(1);
  });
});

describe('determinants', () => {
  it('of triangles are those of their diagonals', () => {
    const a = x([2, 3, 3]).tril();
    expectClose(linalg.det(a), linalg.diagonal(a).prod(-1));
    expectClose(linalg.diagonal(a.permute([1, 2, 0]), { offset: -1, dim1: 0, dim2: 1 }), a.diagonal(-1, 1, 2));
  });

  it('have the sign of the exchanges', () => {
    expectClose(linalg.det(f64([0, 1, 1, 0], [2, 2])), f64([-1], []));
    expectClose(linalg.slogdet(f64([0, 1, 2, 0], [2, 2])).sign, f64([-1], []));
    expect(f64([0, 1, 1, 0], [2, 2]).logdet().item()).toBeNaN();
    expectClose(linalg.det(zeros([0, 0], { dtype: 'float64' })), f64([1], []));
  });

  it('have gradients at singular matrices, once and twice', () => {
    const rank2 = x([3, 2]).mm(x([2, 3], 2));
    gradcheck(linalg.det, [rank2]);
    gradgradcheck(linalg.det, [rank2], { tol: 1e-6 });
    for (const a of [
      zeros([2, 2], { dtype: 'float64' }),
      zeros([3, 3], { dtype: 'float64' }),
      f64([1, 0, 0, 0, 1, 0, 0, 0, 0], [3, 3]),
      x([4, 2]).mm(x([2, 4], 2)),
      x([4, 1]).mm(x([1, 4], 2)),
    ]) {
      gradcheck(linalg.det, [a]);
      gradgradcheck(linalg.det, [a]);
    }
    // Matrices of a batch go their own ways.
    const batch = stack([regular(3), x([3, 2]).mm(x([2, 3], 2)), zeros([3, 3], { dtype: 'float64' })]);
    gradgradcheck(linalg.det, [batch]);
    const each = (t: Tensor): Tensor => grad((a: Tensor) => linalg.det(a))(t);
    expectClose(vmap(each)(batch), stack([0, 1, 2].map((i) => each(batch.select(0, i)))));
    // Whoever asks, and however far outside.
    const total = (a: Tensor): Tensor => vmap(linalg.det)(a).sum();
    const expected = stack([0, 1, 2].map((i) => each(batch.select(0, i))));
    expectClose(grad(total)(batch), expected);
    const leaf = batch.clone().requiresGrad_();
    total(leaf).backward();
    expectClose(leaf.grad as Tensor, expected);
    const direction = x([3, 3, 3], 7);
    const tangents = expected.mul(direction).sum([1, 2]);
    expectClose(jvp(vmap(linalg.det), [batch], [direction])[1], tangents);
    expectClose(vmap((a: Tensor, t: Tensor) => jvp(linalg.det, [a], [t])[1])(batch, direction), tangents);
    forwardAd.dualLevel(() => {
      const y = linalg.det(forwardAd.makeDual(batch, direction));
      expectClose(forwardAd.unpackDual(y).tangent as Tensor, tangents);
    });
    expectValues(vmap(linalg.det)(batch), [3], Array.from(linalg.det(batch).toTypedArray()));
    // One row twice: the cofactors of the others are zero.
    expectValues(grad((a: Tensor) => linalg.det(a))(f64([1, 2, 1, 2], [2, 2])), [2, 2], [2, -1, -2, 1]);
  });
});

describe('factorisations', () => {
  it('of large matrices, in both widths', () => {
    for (const dtype of ['float64', 'float32'] as const) {
      const a = x([90, 90])
        .to(dtype)
        .add(eye(90, 90, { dtype }).mul(4));
      const near = (y: Tensor, expected: Tensor): void =>
        expectClose(y, expected, { tol: dtype === 'float64' ? 1e-10 : 1e-3 });
      const one = eye(90, 90, { dtype });
      near(linalg.inv(a).mm(a), one);
      near(a.mm(linalg.solve(a, one)), one);
      const { P, L, U } = linalg.lu(a);
      near(P.mm(L).mm(U), a);
      const { Q, R } = linalg.qr(a);
      near(Q.mm(R), a);
      near(Q.mT.mm(Q), one);
      const { U: u, S, Vh } = linalg.svd(a);
      near(u.mul(S).mm(Vh), a);
      const symmetric = a.add(a.mT);
      const { eigenvalues, eigenvectors: v } = linalg.eigh(symmetric);
      near(v.mul(eigenvalues).mm(v.mT), symmetric);
      const positive = a.mm(a.mT);
      const l = linalg.cholesky(positive);
      near(l.mm(l.mT).div(10), positive.div(10));
      expect(valuesOf(l.select(0, 0)).slice(1)).toEqual(new Array(89).fill(0));
    }
  });

  it('of the whole, of nothing, and of more than there is', () => {
    const { Q, R } = linalg.qr(x([4, 2]), 'complete');
    expectClose(Q.mm(R), x([4, 2]));
    expect(linalg.qr(x([4, 2]), 'r').Q.shape).toEqual([0]);
    const { U, S, Vh } = linalg.svd(x([2, 4]));
    expectClose(U.mul(S).mm(Vh.slice(0, 0, 2)), x([2, 4]));
    expectClose(Vh.mm(Vh.mT), eye(4, 4, { dtype: 'float64' }));
    for (const shape of [
      [0, 0],
      [0, 3],
      [3, 0],
      [0, 2, 2],
    ]) {
      const e = zeros(shape);
      const k = Math.min(...shape.slice(-2));
      expect(linalg.svdvals(e).shape).toEqual([...shape.slice(0, -2), k]);
      expect(linalg.svd(e).U.shape).toEqual([...shape.slice(0, -1), shape.at(-2)]);
      expect(linalg.qr(e).R.shape).toEqual([...shape.slice(0, -2), k, shape.at(-1)]);
      expect(linalg.pinv(e).shape).toEqual(e.mT.shape);
      expect(linalg.lu(e).L.shape).toEqual([...shape.slice(0, -1), k]);
    }
  });

  it('refuse derivatives that do not exist', () => {
    const a = x([4, 2]).requiresGrad_();
    expectError(
      () => linalg.qr(a, 'complete').Q.sum().backward(),
      AutogradError,
      "The QR decomposition is not differentiable when mode='complete' and nrows > ncols",
    );
    expectError(
      () => linalg.qr(a, 'r').R.sum().backward(),
      AutogradError,
      "The derivative of linalg.qr depends on Q, which is not computed when mode='r'",
    );
    expectError(() => a.geqrf(), NotImplementedError, "the derivative for 'geqrf' is not implemented");
    expectError(() => jvp((t: Tensor) => t.geqrf().a, [x([2, 2])], [x([2, 2])]), NotImplementedError, 'geqrf');
    expect(noGrad(() => a.geqrf().a).shape).toEqual([4, 2]);
    expect(a.detach().geqrf().tau.shape).toEqual([2]);
    expect(vmap((t: Tensor) => t.geqrf().a)(x([3, 2, 2])).shape).toEqual([3, 2, 2]);
  });

  it('of NaN say so or keep it', () => {
    const nan = f64([1, Number.NaN, 0, 1], [2, 2]);
    expectError(
      () => linalg.svd(nan),
      LinAlgError,
      'The algorithm failed to converge because the input matrix contained non-finite values.',
    );
    expectError(() => linalg.eigh(nan.mT), LinAlgError, 'The algorithm failed to converge');
    expect(linalg.det(nan).item()).toBeNaN();
    expect(valuesOf(linalg.inv(nan)).some(Number.isNaN)).toBe(true);
  });

  it('may be changed in place while gradients are recorded', () => {
    const a = regular(3).requiresGrad_();
    const symmetric = a.matmul(a.mT).add(eye(3, 3, { dtype: 'float64' }));
    for (const factor of [linalg.cholesky(symmetric), linalg.eigh(symmetric).eigenvectors, linalg.svd(a).Vh]) {
      expect(factor.isView()).toBe(false);
      const changed = factor.clone().mul(2);
      expectClose(factor.mul_(2), changed, { what: 'in place' });
    }
  });

  it('of reflections multiply in any order', () => {
    const { a, tau } = x([4, 3]).geqrf();
    const { Q, R } = linalg.qr(x([4, 3]));
    expectClose(linalg.householderProduct(a, tau), Q);
    expectClose(a.orgqr(tau), Q);
    const full = linalg.qr(x([4, 3]), 'complete').Q;
    const c = x([4, 4], 5);
    expectClose(a.ormqr(tau, c), full.mm(c));
    expectClose(a.ormqr(tau, c, { transpose: true }), full.mT.mm(c));
    expectClose(a.ormqr(tau, c, { left: false }), c.mm(full));
    expectClose(a.ormqr(tau, c, { left: false, transpose: true }), c.mm(full.mT));
    expectClose(a.ormqr(tau, x([4, 3]), { transpose: true }).slice(0, 0, 3), R);
    gradcheck((v, t) => linalg.householderProduct(v, t), [x([4, 3]), x([3], 2)]);
    gradgradcheck((v, t, y) => v.ormqr(t, y, { transpose: true }), [x([3, 2]), x([2], 2), x([3, 2], 3)], { tol: 1e-6 });
  });
});

describe('systems', () => {
  it('large enough for their factors to be kept have the gradients of a pass that is recorded', () => {
    const functions: readonly ((a: Tensor, b: Tensor) => Tensor)[] = [
      (a, b) => linalg.solve(a, b).mul(b).sum(),
      (a, b) => linalg.solve(a, b.mT, { left: false }).sin().sum(),
      (a) => linalg.slogdet(a).logabsdet.sum(),
      (a) => linalg.det(a.div(3)).sin().sum(),
    ];
    for (const shape of [
      [33, 33],
      [2, 40, 40],
    ]) {
      const a = x(shape)
        .div(4)
        .add(eye(shape.at(-1) as number, { dtype: 'float64' }).mul(3))
        .requiresGrad_();
      const b = x([...shape.slice(0, -1), 3], 5).requiresGrad_();
      for (const f of functions) {
        const gradients = (createGraph: boolean): (Tensor | null)[] =>
          autograd.grad(f(a, b), [a, b], { createGraph, allowUnused: true });
        const recorded = gradients(true);
        for (const [i, g] of gradients(false).entries()) {
          if (g !== null) expectClose(g, (recorded[i] as Tensor).detach(), { tol: 1e-12 });
        }
      }
    }
  });

  it('of vectors, of batches of vectors, on either side', () => {
    const a = regular(3);
    const v = x([3], 2);
    expectClose(a.mv(linalg.solve(a, v)), v);
    const many = a.expand([2, 3, 3]);
    const vs = x([2, 3], 2);
    expectClose(linalg.solve(many, vs), linalg.solve(many, vs.unsqueeze(-1)).squeeze(-1));
    const b = x([2, 3], 3);
    expectClose(linalg.solve(a, b, { left: false }).mm(a), b);
    expectError(
      () => linalg.solve(a, v, { left: false }),
      ArgumentError,
      'Vector broadcasting of the left hand side is not supported for left=False',
    );
    const { LU, pivots } = linalg.luFactor(a);
    expectClose(a.mT.mm(linalg.luSolve(LU, pivots, x([3, 2]), { adjoint: true })), x([3, 2]));
    expectClose(linalg.luSolve(LU, pivots, b, { left: false }).mm(a), b);
    expectClose(x([3, 2]).luSolve(LU, pivots), linalg.solve(a, x([3, 2])));
    expectError(
      () => linalg.luSolve(LU, tensor(Int32Array.from([1, 2, 9])), b.mT),
      ArgumentError,
      'pivots passed to lu_unpack must be between 1 and LU.size(-2)',
    );
  });

  it('of too many equations, and of too few', () => {
    const [a, b] = [x([5, 2]), x([5, 3], 2)];
    const normal = linalg.solve(a.mT.mm(a), a.mT.mm(b));
    for (const driver of ['gels', 'gelsy', 'gelsd', 'gelss'] as const) {
      const { solution, residuals, rank, singularValues } = linalg.lstsq(a, b, { driver });
      expectClose(solution, normal, { what: driver });
      expectClose(linalg.lstsq(a.mT, x([2, 1]), { driver }).solution, linalg.pinv(a.mT).mm(x([2, 1])), {
        what: driver,
      });
      if (driver === 'gelsy') expect(residuals.shape).toEqual([0]);
      else expectClose(residuals, a.mm(solution).sub(b).square().sum(0), { what: driver });
      expect(rank.shape).toEqual(driver === 'gels' ? [0] : []);
      expect(singularValues.shape).toEqual(driver === 'gelsd' || driver === 'gelss' ? [2] : [0]);
      gradcheck((s, t) => linalg.lstsq(s, t, { driver }).solution, [a, b], { tol: 1e-6 });
    }
    const low = x([4, 1]).mm(x([1, 3]));
    expect(linalg.lstsq(low, x([4, 1]), { driver: 'gelsd' }).residuals.shape).toEqual([0]);
    expect(linalg.lstsq(low, x([4, 1]), { driver: 'gelsd' }).rank.item()).toBe(1);
    expectError(
      () => linalg.lstsq(a, b, { driver: wrong('gel') }),
      ArgumentError,
      'parameter `driver` should be one of (gels, gelsy, gelsd, gelss)',
    );
    expectError(() => linalg.lstsq(a, x([4, 3])), ShapeError, 'input.size(-2) should match other.size(-2)');
  });

  it('of tensors', () => {
    const a = x([2, 3, 6]).add(eye(6, 6, { dtype: 'float64' }).mul(3).reshape([2, 3, 6]));
    const solution = linalg.tensorsolve(a, x([2, 3], 2));
    expectClose(tensordot(a, solution, 1), x([2, 3], 2));
    const inverse = linalg.tensorinv(a);
    expect(inverse.shape).toEqual([6, 2, 3]);
    expectClose(tensordot(inverse, a, 2), eye(6, 6, { dtype: 'float64' }));
    expectError(() => linalg.tensorinv(a, { ind: 0 }), ArgumentError, "Expected a strictly positive integer for 'ind'");
    expectError(() => linalg.tensorinv(a, { ind: 1 }), ShapeError, 'prod(self.shape[ind:]) == prod(self.shape[:ind])');
  });
});

describe('norms', () => {
  it('have the nodes that PyTorch 1.13 prints', () => {
    const a = spreadTensor([3, 3], 0.5, 2, 0).requiresGrad_();
    for (const y of [a.norm(), a.norm(1, 0), a.norm('fro', 1)]) expect(y.gradFn?.name).toBe('NormBackward1');
    for (const y of [linalg.norm(a), linalg.vectorNorm(a), linalg.matrixNorm(a)])
      expect(y.gradFn?.name).toBe('LinalgVectorNormBackward0');
  });

  const a = f64([1, -2, 3, 4, 5, -6], [2, 3]);

  it('of matrices, of every order', () => {
    const s = valuesOf(linalg.svdvals(a));
    const orders = { fro: Math.sqrt(91), nuc: s[0] + s[1], 1: 9, [-1]: 5, 2: s[0], [-2]: s[1] };
    for (const [order, expected] of Object.entries(orders)) {
      const ord = order === 'fro' || order === 'nuc' ? order : Number(order);
      expectValues(linalg.matrixNorm(a, ord), [], [expected], { what: order });
      expectValues(linalg.norm(a, ord), [], [expected], { what: order });
      expectValues(linalg.matrixNorm(a.T, ord, [1, 0], { keepdim: true }), [1, 1], [expected], { what: order });
      const deep = a.unsqueeze(1).expand([2, 4, 3]);
      expectValues(linalg.matrixNorm(deep, ord, [0, 2]), [4], new Array(4).fill(expected), { what: order });
      expectValues(linalg.matrixNorm(deep, ord, [0, -1], { keepdim: true }), [1, 4, 1], new Array(4).fill(expected));
    }
    expectValues(linalg.matrixNorm(a, Number.POSITIVE_INFINITY), [], [15]);
    expectValues(linalg.matrixNorm(a, Number.NEGATIVE_INFINITY), [], [6]);
    expectError(() => linalg.matrixNorm(a, 3), ArgumentError, 'linalg.matrix_norm: Order 3 not supported');
    expectError(() => linalg.matrixNorm(a, 'fro', [0]), ArgumentError, 'dim must be a 2-tuple');
    expectError(() => linalg.matrixNorm(a, 'fro', [1, -1]), ArgumentError, 'dims must be different');
    expectError(() => linalg.matrixNorm(f64([1], [1])), ShapeError, 'must have at least 2 dimensions');
  });

  it('of vectors or matrices, as the dimensions say', () => {
    expectValues(linalg.norm(a), [], [Math.sqrt(91)]);
    expectValues(linalg.norm(a, 1, 0), [3], [5, 7, 9]);
    expectValues(linalg.norm(a, null, [0, 1], { keepdim: true }), [1, 1], [Math.sqrt(91)]);
    expectValues(linalg.norm(f64([3, -4], [2]), 2), [], [5]);
    expectError(
      () => linalg.norm(x([2, 2, 2]), 2),
      ShapeError,
      'If dim is not specified but ord is, the input must be 1D or 2D',
    );
    expectError(() => linalg.norm(a, 'nuc', 1), ArgumentError, 'nuc');
    expectError(
      () => linalg.norm(tensor(Int32Array.from([1, 2]))),
      DTypeError,
      'Expected a floating point or complex tensor as input',
    );
    expectValues(a.norm('nuc'), [], [valuesOf(linalg.svdvals(a)).reduce((p, q) => p + q)]);
    expectError(
      () => x([2, 2, 2]).norm('nuc'),
      ShapeError,
      'Expected a tensor with 2 dimensions, but got a tensor with 3 dimensions instead.',
    );
  });

  it('make condition numbers', () => {
    const d = f64([4, 0, 0, 0.5], [2, 2]);
    for (const p of [null, 2, 1, Number.POSITIVE_INFINITY] as const) expectValues(linalg.cond(d, p), [], [8]);
    expectValues(linalg.cond(d, -2), [], [0.125]);
    expectValues(linalg.cond(d, -1), [], [0.5 * 0.25]);
    expectValues(linalg.cond(d, 'fro'), [], [Math.hypot(4, 0.5) * Math.hypot(0.25, 2)]);
    expectValues(linalg.cond(d, 'nuc'), [], [4.5 * 2.25]);
    expect(linalg.cond(x([4, 2])).shape).toEqual([]);
    expectError(() => linalg.cond(d, 5), ArgumentError, 'linalg.cond got an invalid norm type: 5');
  });
});

describe('functions of matrices', () => {
  it.each([0.1, 1, 20])('an exponential has the gradient of a pass that is recorded, for norms about %d', (norm) => {
    const a = x([2, 9, 9])
      .mul(norm / 2)
      .requiresGrad_();
    const loss = (): Tensor =>
      linalg
        .matrixExp(a)
        .mul(x([2, 9, 9], 7))
        .sum();
    const [g] = autograd.grad(loss(), [a]);
    const [recorded] = autograd.grad(loss(), [a], { createGraph: true });
    const largest = (recorded as Tensor).detach().abs().max();
    expectClose((g as Tensor).div(largest), (recorded as Tensor).detach().div(largest), { tol: 1e-13 });
  });

  it('e^A of what is known', () => {
    const turn = (t: number): Tensor => f64([0, -t, t, 0], [2, 2]);
    expectClose(linalg.matrixExp(turn(1)), f64([Math.cos(1), -Math.sin(1), Math.sin(1), Math.cos(1)], [2, 2]));
    expectClose(
      linalg.matrixExp(turn(100)),
      f64([Math.cos(100), -Math.sin(100), Math.sin(100), Math.cos(100)], [2, 2]),
    );
    expectClose(linalg.matrixExp(f64([0, 1, 0, 0], [2, 2])), f64([1, 1, 0, 1], [2, 2]));
    // Each matrix of a batch is scaled for itself.
    const mixed = linalg.matrixExp(f64([1e-9, 0, 0, 1e-9, 30, 0, 0, -30], [2, 2, 2]));
    expectValues(mixed.select(0, 1).diagonal(), [2], [Math.exp(30), Math.exp(-30)], { tol: 1e-12 });
    expectValues(mixed.select(0, 0).diagonal(), [2], [Math.exp(1e-9), Math.exp(1e-9)], { tol: 1e-15 });
    expect(valuesOf(linalg.matrixExp(f64([Number.NaN], [1, 1])))).toEqual([Number.NaN]);
  });

  it('powers', () => {
    const a = regular(3);
    expectClose(a.matrixPower(0), eye(3, 3, { dtype: 'float64' }));
    expectClose(a.matrixPower(1), a);
    expectClose(a.matrixPower(5), a.mm(a).mm(a).mm(a).mm(a), { tol: 1e-12 });
    expectClose(a.matrixPower(-2).mm(a).mm(a), eye(3, 3, { dtype: 'float64' }));
    expectValues(grad((t: Tensor) => t.matrixPower(0).sum())(a), [3, 3], new Array(9).fill(0));
    expectError(() => a.matrixPower(0.5), ArgumentError, 'the exponent must be an integer');
  });

  it('products in the cheapest order', () => {
    const [a, b, c, d] = [x([2, 30]), x([30, 3], 2), x([3, 20], 3), x([20, 4], 4)];
    expectClose(linalg.multiDot([a, b, c, d]), a.mm(b).mm(c).mm(d), { tol: 1e-12 });
    const v = x([2], 5);
    expectClose(linalg.multiDot([v, a, b]), v.matmul(a).matmul(b), { tol: 1e-12 });
    expectClose(linalg.multiDot([v, a, x([30], 6)]), v.matmul(a).dot(x([30], 6)), { tol: 1e-12 });
    expectError(() => linalg.multiDot([a]), ArgumentError, 'multi_dot(): expected at least 2 tensors but got 1');
    expectError(() => linalg.multiDot([a, v, b]), ShapeError, 'multi_dot(): tensor 1 must be 2D but got 1D');
    expectError(
      () => linalg.multiDot([a, c]),
      ShapeError,
      'multi_dot(): tensors 0 and 1 with shapes [2, 30] and [3, 20] cannot be multiplied',
    );
  });

  it('vector products', () => {
    const [a, b] = [f64([1, 0, 0], [3]), f64([0, 1, 0], [3])];
    expectValues(linalg.cross(a, b), [3], [0, 0, 1]);
    expectClose(x([3, 4]).cross(x([3, 4], 2)), linalg.cross(x([3, 4]), x([3, 4], 2), { dim: 0 }));
    expectError(() => linalg.cross(x([2, 3]), x([3])), ShapeError, 'inputs must have the same number of dimensions');
    expectError(
      () => linalg.cross(x([2, 3]), x([2, 1])),
      ShapeError,
      'inputs dimension -1 must have length 3. Got 3 and 1',
    );
    expectError(() => x([2, 2]).cross(x([2, 2])), ShapeError, 'no dimension of size 3 in input');
    expectValues(linalg.vecdot(f64([1, 2, 3, 4], [2, 2]), f64([5, 6], [2])), [2], [17, 39]);
    expectValues(linalg.vander(f64([2, 3], [2]), { N: 4 }), [2, 4], [1, 2, 4, 8, 1, 3, 9, 27]);
    expectError(() => linalg.vander(a, { N: 1 }), ArgumentError, 'N must be greater than 1');
  });
});

describe('products with something added', () => {
  it('ignore what β = 0 leaves out, NaN included', () => {
    const nan = f64([Number.NaN, Number.NaN], [2]);
    const [a, b] = [x([2, 3]), x([3, 2], 2)];
    expectClose(nan.addmm(a, b, { beta: 0, alpha: 2 }), a.mm(b).mul(2));
    expectClose(f64([1, 2], [2]).addmm(a, b, { beta: 3 }), a.mm(b).add(f64([3, 6], [2])));
  });

  it.each([
    [5, 9],
    [9, 5],
  ])('subtracted, %i × %i: the same as the negative of a factor added', (m, n) => {
    const [a, b] = [x([m, 6]), x([6, n], 2)];
    for (const start of [x([m, n], 3), x([n], 3), x([m, 1], 3), x([], 3)]) {
      expectClose(start.addmm(a, b, { alpha: -1 }), start.sub(a.mm(b)));
      gradcheck((s, l, r) => s.addmm(l, r, { alpha: -1 }), [start, a, b]);
    }
    const whole = (t: Tensor): Tensor => t.mul(10).round().to('int32');
    const start = whole(x([m, n], 3));
    expect(start.addmm(whole(a), whole(b), { alpha: -1 }).toArray()).toEqual(
      start.sub(whole(a).mm(whole(b))).toArray(),
    );
    expect(start.addmm_(whole(a), whole(b), { alpha: -1 })).toBe(start);
  });

  it('in place, also with the tensor among the factors', () => {
    const a = x([3, 3]);
    const y = a.clone();
    expect(y.addmm_(y, y, { alpha: 0.5 })).toBe(y);
    expectClose(y, a.add(a.mm(a).mul(0.5)));
    gradcheck((t) => t.clone().addmm_(t, t), [a]);
    expectError(
      () => f64([1], [1]).addmm_(a, a),
      ShapeError,
      'Bad in-place call: input tensor size [1] and output tensor size [3, 3] should match',
    );
    expectError(() => zeros([3, 3]).addmm(a, a), DTypeError, 'expected m1 and m2 to have the same dtype');
    expectError(
      () => x([2]).addmm(a, a),
      ShapeError,
      'The expanded size of the tensor (3) must match the existing size (2) at non-singleton dimension 1',
    );
    expect(a.clone().requiresGrad_().addmm(a, a).gradFn?.name).toBe('AddmmBackward0');
  });

  it('of truth values are "or" and "and"', () => {
    const [p, q] = [tensor([true, false]), tensor([true, true])];
    expectValues(tensor([false, true]).addr(p, q), [2, 2], [1, 1, 0, 1]);
    expectValues(p.outer(q), [2, 2], [1, 1, 0, 0]);
  });
});
