import * as fc from 'fast-check';
import {
  type DType,
  eye,
  getNumThreads,
  linalg,
  setBlas,
  setDeterministic,
  setNumThreads,
  type Tensor,
  zeros,
} from 'nabla';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Blas } from '../../src/backends/wasm/blas/library.ts';
import { replaceBlas } from '../../src/backends/wasm/blas/product.ts';
import { LinAlgError } from '../../src/core/errors.ts';
import { systemBlas } from '../support/blas.ts';
import { expectClose, expectError } from '../support/close.ts';
import { f64, spreadTensor, valuesOf } from '../support/numbers.ts';

/*
 * Factors against what they are factors of, for matrices of every sort, by the routines here and by the
 * system's LAPACK where there is one.
 */

const library = systemBlas();

const KINDS = ['any', 'graded', 'low rank', 'orthogonal', 'zero', 'holes'] as const;
type Kind = (typeof KINDS)[number];
type Float = Extract<DType, 'float64' | 'float32'>;

interface Case {
  readonly batch: readonly number[];
  readonly m: number;
  readonly n: number;
  readonly kind: Kind;
  readonly seed: number;
  readonly dtype: Float;
}

const cases = (most: number): fc.Arbitrary<Case> =>
  fc.record({
    batch: fc.constantFrom([], [2], [1, 2], [0]),
    m: fc.integer({ min: 1, max: most }),
    n: fc.integer({ min: 1, max: most }),
    kind: fc.constantFrom(...KINDS),
    seed: fc.integer({ min: 1, max: 1000 }),
    dtype: fc.constantFrom<Float>('float64', 'float32'),
  });

function matrixOf({ batch, m, n, kind, seed, dtype }: Case): Tensor {
  const any = (rows: number, columns: number, s = seed): Tensor => spreadTensor([...batch, rows, columns], -1, 1, s);
  const powers = (k: number): Tensor =>
    f64(
      Array.from({ length: k }, (_, i) => 10 ** ((-12 * i) / k)),
      [k],
    );
  const made = (): Tensor => {
    if (kind === 'graded') return any(m, n).mul(powers(n)).mul(powers(m).unsqueeze(-1));
    if (kind === 'low rank') return any(m, 2).matmul(any(2, n, seed + 1));
    if (kind === 'zero') return any(m, n).mul(0);
    if (kind === 'holes') return any(m, n).mul(spreadTensor([n], -1, 1, seed).gt(0));
    if (kind === 'orthogonal') {
      const { Q } = linalg.qr(any(Math.max(m, n), Math.min(m, n)));
      return m >= n ? Q : Q.mT;
    }
    return any(m, n);
  };
  return made().to(dtype);
}

const tolerance = (dtype: Float): number => (dtype === 'float64' ? 1e-12 : 2e-5);

/** The same to working precision, of the size of the numbers. */
function expectSame(actual: Tensor, expected: Tensor, dtype: Float, what: string): void {
  expect(actual.shape, what).toEqual(expected.shape);
  if (actual.numel() === 0) return;
  const size = Math.max(1e-30, +expected.abs().max());
  expect(+actual.sub(expected).abs().max() / size, what).toBeLessThan(tolerance(dtype));
}

function expectOrthonormal(columns: Tensor, dtype: Float, what: string): void {
  const n = columns.shape.at(-1) as number;
  const product = columns.mT.matmul(columns);
  expectSame(product, eye(n, { dtype }).expand(product.shape), dtype, what);
}

function checkSvd(c: Case): void {
  const [a, { dtype }] = [matrixOf(c), c];
  const what = JSON.stringify(c);
  const k = Math.min(c.m, c.n);
  for (const fullMatrices of [true, false]) {
    const { U, S, Vh } = linalg.svd(a, { fullMatrices });
    expect(U.shape.at(-1), what).toBe(fullMatrices ? c.m : k);
    expectOrthonormal(U, dtype, `Uᵀ U of ${what}`);
    expectOrthonormal(Vh.mT, dtype, `Vᵀ V of ${what}`);
    const product = U.slice(-1, 0, k)
      .mul(S.unsqueeze(-2))
      .matmul(Vh.slice(-2, 0, k));
    expectSame(product, a, dtype, `U S Vᵀ of ${what}`);
    expect(
      valuesOf(
        S.slice(-1, 1)
          .le(S.slice(-1, 0, k - 1))
          .all(),
      ),
    ).toEqual([1]);
    expect(valuesOf(S.ge(0).all())).toEqual([1]);
    expectSame(linalg.svdvals(a), S, dtype, `values alone of ${what}`);
  }
}

function checkEigh(c: Case): void {
  const [{ dtype, n }, what] = [c, JSON.stringify(c)];
  const x = matrixOf({ ...c, m: n });
  const a = x.add(x.mT);
  for (const uplo of ['L', 'U'] as const) {
    const { eigenvalues: l, eigenvectors: v } = linalg.eigh(uplo === 'L' ? a.tril() : a.triu(), { UPLO: uplo });
    expectOrthonormal(v, dtype, `Vᵀ V of ${what}`);
    expectSame(v.mul(l.unsqueeze(-2)).matmul(v.mT), a, dtype, `V Λ Vᵀ of ${what}`);
    expect(
      valuesOf(
        l
          .slice(-1, 1)
          .ge(l.slice(-1, 0, n - 1))
          .all(),
      ),
    ).toEqual([1]);
    expectSame(linalg.eigvalsh(a), l, dtype, `values alone of ${what}`);
  }
}

function checkOthers(c: Case): void {
  const [a, { dtype, n }, what] = [matrixOf(c), c, JSON.stringify(c)];
  for (const mode of ['reduced', 'complete'] as const) {
    const { Q, R } = linalg.qr(a, mode);
    expectOrthonormal(Q, dtype, `Qᵀ Q of ${what}`);
    expectSame(Q.matmul(R), a, dtype, `Q R of ${what}`);
    expectSame(R.tril(-1), R.mul(0), dtype, `R of ${what}`);
  }
  const { P, L, U } = linalg.lu(a);
  expectSame(P.matmul(L).matmul(U), a, dtype, `P L U of ${what}`);
  const x = matrixOf({ ...c, m: n });
  const positive = x.matmul(x.mT).add(eye(n, { dtype }));
  const factor = linalg.cholesky(positive);
  expectSame(factor.matmul(factor.mT), positive, dtype, `L Lᵀ of ${what}`);
  expectSame(factor.triu(1), factor.mul(0), dtype, `L of ${what}`);
  const dominant = x.div(2 * n).add(eye(n, { dtype }));
  const side = matrixOf({ ...c, m: n, n: 5, kind: 'any' });
  expectSame(dominant.matmul(linalg.solve(dominant, side)), side, dtype, `A X of ${what}`);
  expectSame(dominant.matmul(linalg.inv(dominant)), eye(n, { dtype }).expand(x.shape), dtype, `A A⁻¹ of ${what}`);
  for (const triangle of [dominant, dominant.mT, dominant.contiguous().mT.contiguous()]) {
    for (const upper of [false, true]) {
      for (const unitriangular of [false, true]) {
        const y = linalg.solveTriangular(triangle, side, { upper, unitriangular });
        const t = upper ? triangle.triu(unitriangular ? 1 : 0) : triangle.tril(unitriangular ? -1 : 0);
        const whole = unitriangular ? t.add(eye(n, { dtype })) : t;
        expectSame(whole.matmul(y), side, dtype, `${upper} ${unitriangular} triangle of ${what}`);
      }
    }
  }
}

function checkAll(most: number, numRuns: number): void {
  for (const check of [checkSvd, checkEigh, checkOthers]) fc.assert(fc.property(cases(most), check), { numRuns });
}

describe('by the routines here', () => {
  it('factors of small matrices', () => checkAll(9, 150));
  it('factors of larger ones', () => checkAll(60, 40));

  it('factors without fused multiply-adds', () => {
    setDeterministic(true);
    try {
      checkAll(40, 25);
    } finally {
      setDeterministic(false);
    }
  });

  it('small singular values of bidiagonal matrices, each to its own precision', () => {
    // Their product is that of the diagonal: none can be wrong alone.
    const [n, d] = [12, (i: number): number => 10 ** (-3 * i)];
    const at = (i: number, j: number): number => (i === j ? d(i) : j === i + 1 ? d(i) / 2 : 0);
    const a = f64(
      Array.from({ length: n * n }, (_, p) => at(Math.floor(p / n), p % n)),
      [n, n],
    );
    const s = valuesOf(linalg.svdvals(a));
    const determinant = s.reduce((p, x, i) => p * (x / d(i)), 1);
    expect(determinant).toBeCloseTo(1, 12);
  });
});

describe.skipIf(typeof library === 'string')("by the system's LAPACK", () => {
  beforeAll(() => replaceBlas(library as Blas));
  afterAll(() => replaceBlas(null));

  it('factors of matrices of every sort', () => checkAll(110, 40));

  it('have the same bits on any number of threads, and leave products theirs', () => {
    const threads = getNumThreads();
    const [a, rows, v] = [spreadTensor([100, 100], -1, 1), spreadTensor([33, 129], -1, 1), spreadTensor([100], -1, 1)];
    const found = (): number[][] => {
      const before = [rows.matmul(rows.t()), rows.t().matmul(rows), a.matmul(a), a.matmul(v)].map(valuesOf);
      const { eigenvalues, eigenvectors } = linalg.eigh(a);
      const factors = [linalg.inv(a), linalg.cholesky(a.matmul(a.t())), linalg.qr(a).R, linalg.svdvals(a)];
      const after = [rows.matmul(rows.t()), rows.t().matmul(rows), a.matmul(a), a.matmul(v)].map(valuesOf);
      expect(after).toEqual(before);
      return [...before, ...[...factors, eigenvalues, eigenvectors].map(valuesOf)];
    };
    try {
      setNumThreads(1);
      const alone = found();
      for (const several of [2, 3, 5]) {
        setNumThreads(several);
        expect(found()).toEqual(alone);
      }
    } finally {
      setNumThreads(threads);
    }
  });

  it('and by the routines here they are the same', () => {
    const a = spreadTensor([70, 80], -1, 1);
    const both = (f: () => Tensor): void => {
      const native = f();
      setBlas(false);
      try {
        expectClose(native, f(), { tol: 1e-10 });
      } finally {
        setBlas(true);
      }
    };
    both(() => linalg.svdvals(a));
    both(() => linalg.svdvals(a.narrow(1, 0, 12)));
    both(() => linalg.qr(a).R);
    both(() => linalg.qr(a.mT, 'complete').Q);
    both(() => linalg.luFactor(a).LU);
    both(() => linalg.luFactor(a.mT).pivots.to('float64'));
    both(() => linalg.eigvalsh(a.matmul(a.mT)));
    both(() => linalg.cholesky(a.matmul(a.mT)));
    both(() => linalg.lstsq(a.mT, a.slice(-2, 0, 5).mT).solution);
  });

  it.each([1, 2, 3, 5])('and triangular systems with %i right sides', (sides) => {
    const a = spreadTensor([2, 70, 70], -1, 1).add(eye(70, { dtype: 'float64' }).mul(4));
    const b = spreadTensor([2, 70, sides], -1, 1, 3);
    for (const upper of [false, true]) {
      for (const unitriangular of [false, true]) {
        const scaled = unitriangular ? a.div(40) : a;
        for (const t of [scaled, scaled.mT.contiguous().mT, scaled.mT]) {
          const x: Tensor = linalg.solveTriangular(t, b, { upper, unitriangular });
          const half: Tensor = upper ? t.triu(Number(unitriangular)) : t.tril(-Number(unitriangular));
          const whole: Tensor = unitriangular ? half.add(eye(70, { dtype: 'float64' })) : half;
          expectClose(whole.matmul(x), b, { tol: 1e-12 });
        }
      }
    }
  });

  it('what fails, in the same words', () => {
    const [nan, nothing] = [spreadTensor([80, 80], -1, 1).mul(Number.NaN), zeros([80, 80], { dtype: 'float64' })];
    expectError(() => linalg.svd(nan), LinAlgError, 'contained non-finite values');
    expectError(() => linalg.svdvals(nan.narrow(1, 0, 9)), LinAlgError, 'contained non-finite values');
    expect(
      linalg
        .svdvals(nothing.narrow(1, 0, 9).sub(Number.POSITIVE_INFINITY))
        .isnan()
        .all()
        .item(),
    ).toBe(1);
    expectError(() => linalg.eigh(nan), LinAlgError, 'error code: 80');
    expectError(() => linalg.cholesky(nan), LinAlgError, 'the leading minor of order 1 is not positive-definite');
    expectError(() => linalg.cholesky(nothing), LinAlgError, 'the leading minor of order 1 is not positive-definite');
    expectError(() => linalg.inv(nothing), LinAlgError, 'The diagonal element 1 is zero');
    const late = eye(80, { dtype: 'float64' });
    expectError(
      () =>
        linalg.cholesky(
          late.sub(
            late.mul(2).mul(
              f64(
                Array.from({ length: 80 }, (_, i) => Number(i === 70)),
                [80],
              ),
            ),
          ),
        ),
      LinAlgError,
      'order 71',
    );
  });

  it.each(['float64', 'float32'] as const)('a NaN is no positive number, wherever it is, %s', (dtype) => {
    const told = Array.from({ length: 80 }, (_, i) => {
      const a = eye(80, { dtype });
      for (const dim of [0, 1]) a.select(dim, i).fill_(Number.NaN);
      return linalg.choleskyEx(a).info.item();
    });
    expect(told).toEqual(told.map((_, i) => i + 1));
  });
});

describe.skipIf(typeof library === 'string').each(['float64', 'float32'] as const)(
  'large ones by blocks, %s',
  (dtype) => {
    beforeAll(() => replaceBlas(library as Blas));
    afterAll(() => replaceBlas(null));
    const n = dtype === 'float64' ? 1010 : 520;
    const tol = dtype === 'float64' ? 1e-12 : 1e-4;
    const any = (...shape: number[]): Tensor => spreadTensor(shape, -1, 1, shape[shape.length - 1]).to(dtype);
    /** One where it is said, else zero. */
    const only = (n: number, ...places: number[]): Tensor =>
      f64(
        Array.from({ length: n }, (_, i) => Number(places.includes(i))),
        [n],
      ).to(dtype);
    const here = <R>(f: () => R): R => {
      setBlas(false);
      try {
        return f();
      } finally {
        setBlas(true);
      }
    };

    it.each([
      [0, 0],
      [3, 380],
      [380, 3],
    ])('P A = L U, %i and %i more rows and columns', (rows, columns) => {
      const a = any(2, n + rows, n + columns);
      const { P, L, U } = linalg.lu(a);
      expectClose(P.matmul(L).matmul(U), a, { tol });
      expect(L.abs().max().item()).toBe(1);
      expect(valuesOf(linalg.luFactor(a).pivots)).toEqual(here(() => valuesOf(linalg.luFactor(a).pivots)));
    });

    it('zeros on the diagonal of U, of which the first is told', () => {
      const a = any(n, n).mul(only(n, 200, 280).neg().add(1)) as Tensor;
      expect(linalg.luFactorEx(a).info.item()).toBe(201);
      expectError(() => linalg.inv(a), LinAlgError, 'The diagonal element 201 is zero');
      expect(linalg.luFactorEx(a.mul(0)).info.item()).toBe(1);
    });

    it('numbers that are not finite', () => {
      for (const x of [Number.NaN, Number.POSITIVE_INFINITY]) {
        const a = any(n, n);
        a.select(0, 150).select(0, 170).fill_(x);
        const { LU, pivots } = linalg.luFactor(a);
        expect(LU.isfinite().all().item()).toBe(0);
        expect(valuesOf(pivots).every((p, i) => p > i && p <= n)).toBe(true);
      }
    });

    it('A = L Lᵀ, of which the lower half is read', () => {
      const a = any(2, n, n);
      const positive = a.matmul(a.mT).add(eye(n, { dtype })) as Tensor;
      const l = linalg.cholesky(positive.tril().add(any(n, n).triu(1)) as Tensor);
      expectClose(l.matmul(l.mT), positive, { tol });
      expect(l.triu(1).abs().max().item()).toBe(0);
    });

    it.each([0, 63, 64, 300, 511, n - 9, n - 1])('row %i is the first that is not positive', (i) => {
      const a = eye(n, { dtype });
      const before = a.sub(
        only(n, i, n - 1)
          .diag()
          .mul(2),
      ) as Tensor;
      expect(linalg.choleskyEx(before).info.item()).toBe(i + 1);
      const nan = a.clone() as Tensor;
      nan.select(0, i).fill_(Number.NaN);
      nan.select(1, i).fill_(Number.NaN);
      expect(linalg.choleskyEx(nan).info.item()).toBe(i + 1);
      expect(
        linalg
          .choleskyEx(
            nan.sub(
              only(n, n - 1)
                .diag()
                .mul(2),
            ) as Tensor,
          )
          .info.item(),
      ).toBe(i + 1);
    });
  },
);

describe('spectra of what a power of two multiplies', () => {
  it.each([1, 2, 3, 5, 9])('%i rows', (n) => {
    const a = spreadTensor([n, n], -1, 1, n);
    const symmetric = a.add(a.t());
    const parts = (by: number): Tensor[] => {
      const { eigenvalues, eigenvectors } = linalg.eigh(symmetric.mul(by));
      const { U, S, Vh } = linalg.svd(a.mul(by));
      return [eigenvalues.div(by), eigenvectors, S.div(by), U, Vh];
    };
    const expected = parts(1);
    for (const exponent of [-1000, -300, -100, 30, 99, 101, 300, 1000])
      parts(2 ** exponent).forEach((part, i) => {
        expectClose(part, expected[i], { tol: 1e-13 });
      });
  });
});
