import { describe, expect, it } from 'vitest';
import { cholesky } from '../../src/backends/wasm/linalg/cholesky.ts';
import { eigh } from '../../src/backends/wasm/linalg/eigh.ts';
import { factorLdl, solveLdl } from '../../src/backends/wasm/linalg/ldl.ts';
import { lu, rowOrder, signOfExchanges } from '../../src/backends/wasm/linalg/lu.ts';
import { factorQr, multiplyByQ } from '../../src/backends/wasm/linalg/qr.ts';
import { svd } from '../../src/backends/wasm/linalg/svd.ts';
import { solveTriangular } from '../../src/backends/wasm/linalg/triangular.ts';
import type { Strided } from '../../src/kernels/strided.ts';
import { expectNear } from '../support/close.ts';
import { numel, type Shape, spread } from '../support/numbers.ts';
import { contiguous, lay, room, values } from './strided.ts';

/*
 * Routines against what defines them, on matrices smaller and larger than their blocks. The reference
 * arithmetic is plain JavaScript.
 */

type Width = 'float64' | 'float32';
type Matrix = readonly (readonly number[])[];

const tolerance: Readonly<Record<Width, number>> = { float64: 1e-11, float32: 3e-4 };
const BATCH = 2;

const matrix = (rows: number, columns: number, at: (i: number, j: number) => number): Matrix =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_x, j) => at(i, j)));
const rowsOf = (a: Matrix): number => a.length;
const transposed = (a: Matrix): Matrix => matrix(a[0]?.length ?? 0, a.length, (i, j) => a[j][i]);
const product = (a: Matrix, b: Matrix): Matrix =>
  matrix(a.length, b[0]?.length ?? 0, (i, j) => a[i].reduce((s, x, k) => s + x * b[k][j], 0));
const identity = (n: number): Matrix => matrix(n, n, (i, j) => Number(i === j));

/** The matrices that a batch of them holds. */
function matrices(t: Strided): Matrix[] {
  const [m, n] = t.shape.slice(-2);
  const all = values(t);
  return Array.from({ length: numel(t.shape.slice(0, -2)) }, (_, b) =>
    matrix(m, n, (i, j) => all[(b * m + i) * n + j]),
  );
}

const random = (width: Width, shape: Shape, seed = 1): Strided =>
  lay(width, shape, spread(numel(shape), -1, 1, seed).map(width === 'float32' ? Math.fround : Number));

const copyOf = (t: Strided): Strided => lay(t.dtype, t.shape, values(t));

function expectMatrix(actual: Matrix, expected: Matrix, tol: number, what: string): void {
  const size = Math.max(1, ...expected.flat().map(Math.abs));
  expectNear(
    actual.flat().map((x) => x / size),
    expected.flat().map((x) => x / size),
    { tol, what },
  );
}

/** Sizes around those of the blocks (16 and 32) and of vectors. */
const SHAPES: readonly Shape[] = [
  [1, 1],
  [2, 2],
  [3, 5],
  [5, 3],
  [16, 16],
  [17, 33],
  [33, 17],
  [70, 70],
  [70, 41],
  [41, 70],
];
const SIZES = [1, 2, 3, 7, 16, 31, 32, 33, 75];

for (const width of ['float64', 'float32'] as const) {
  const tol = tolerance[width];
  describe(width, () => {
    it('P A = L U', () => {
      for (const [m, n] of SHAPES) {
        const k = Math.min(m, n);
        const a = random(width, [BATCH, m, n]);
        const f = copyOf(a);
        const [pivots, info] = [room('int32', [BATCH, k]), room('int32', [BATCH])];
        lu(f, pivots, info);
        expect(values(info)).toEqual([0, 0]);
        const order = room('int32', [BATCH, m]);
        expect(rowOrder(order, pivots, false)).toBe(true);
        matrices(f).forEach((both, b) => {
          const l = matrix(m, k, (i, j) => (i === j ? 1 : i > j ? both[i][j] : 0));
          const u = matrix(k, n, (i, j) => (i <= j ? both[i][j] : 0));
          expect(Math.max(0, ...l.flat().map(Math.abs)), 'multipliers').toBeLessThanOrEqual(1);
          const given = matrices(a)[b];
          const exchanged = values(order)
            .slice(b * m, (b + 1) * m)
            .map((i) => given[i]);
          expectMatrix(product(l, u), exchanged, tol, `L U of ${m} × ${n}`);
        });
      }
    });

    it('A = Uᵀ U', () => {
      for (const n of SIZES) {
        const x = matrices(random(width, [BATCH, n, n]));
        const as = x.map((m) => {
          const square = product(m, transposed(m));
          return matrix(n, n, (i, j) => square[i][j] + Number(i === j));
        });
        // What is below the diagonal must not be read.
        const f = lay(
          width,
          [BATCH, n, n],
          as.flatMap((a) => a.flatMap((row, i) => row.map((v, j) => (j < i ? NaN : v)))),
        );
        const info = room('int32', [BATCH]);
        cholesky(f, info);
        expect(values(info)).toEqual([0, 0]);
        matrices(f).forEach((u, b) => {
          expectMatrix(product(transposed(u), u), as[b], 10 * tol, `Uᵀ U of ${n} × ${n}`);
        });
      }
    });

    it('triangular systems of every triangle, with matrices of every layout', () => {
      for (const n of SIZES) {
        for (const columns of [1, 3, 8]) {
          const full = matrices(random(width, [BATCH, n, n])).map((a) =>
            matrix(n, n, (i, j) => (i === j ? 2 + a[i][j] : a[i][j] / n)),
          );
          const layouts = [
            contiguous(3),
            { ...contiguous(3), order: [0, 2, 1] },
            { order: [1, 2, 0], gaps: [1, 1, 2], offset: 3 },
          ];
          layouts.forEach((layout, which) => {
            for (const upper of [false, true]) {
              for (const unitriangular of [false, true]) {
                const a = lay(width, [BATCH, n, n], full.flat(2), layout);
                const b = random(width, [BATCH, n, columns], 3);
                const solved = copyOf(b);
                solveTriangular(a, solved, { upper, unitriangular });
                full.forEach((f, k) => {
                  const t = matrix(n, n, (i, j) =>
                    i === j && unitriangular ? 1 : i === j || i < j === upper ? f[i][j] : 0,
                  );
                  const what = `A X of ${n} × ${n}, ${columns} columns, layout ${which}, upper ${upper}, unit ${unitriangular}`;
                  expectMatrix(product(t, matrices(solved)[k]), matrices(b)[k], 10 * tol, what);
                });
              }
            }
          });
        }
      }
    });

    it('A = Q R, and products with Q', () => {
      for (const [m, n] of SHAPES) {
        const k = Math.min(m, n);
        const a = random(width, [BATCH, m, n]);
        const f = copyOf(a);
        const tau = room(width, [BATCH, k]);
        factorQr(f, tau);
        const q = lay(width, [BATCH, m, m], [identity(m), identity(m)].flat(2));
        multiplyByQ(q, f, tau, false, true);
        const [some, other] = [random(width, [BATCH, m, 3], 5), random(width, [BATCH, m, 3], 5)];
        multiplyByQ(some, f, tau, false);
        multiplyByQ(other, f, tau, true);
        const given = matrices(random(width, [BATCH, m, 3], 5));
        const [fs, as, somes, others] = [f, a, some, other].map(matrices);
        matrices(q).forEach((qb, b) => {
          const r = matrix(m, n, (i, j) => (i <= j ? fs[b][i][j] : 0));
          expectMatrix(product(qb, r), as[b], tol, `Q R of ${m} × ${n}`);
          expectMatrix(product(transposed(qb), qb), identity(m), tol, `Qᵀ Q of ${m} × ${n}`);
          expectMatrix(somes[b], product(qb, given[b]), tol, 'Q C');
          expectMatrix(others[b], product(transposed(qb), given[b]), tol, 'Qᵀ C');
        });
      }
    });

    it('A = L D Lᵀ, with blocks of one and two', () => {
      for (const n of SIZES) {
        const x = matrices(random(width, [BATCH, n, n]));
        // Small diagonals make blocks of two.
        const as = x.map((m) => matrix(n, n, (i, j) => (i === j ? 0.1 * m[i][i] : m[i][j] + m[j][i])));
        const f = lay(width, [BATCH, n, n], as.flat(2));
        const [pivots, info] = [room('int32', [BATCH, n]), room('int32', [BATCH])];
        factorLdl(f, pivots, info);
        if (n > 1) expect(values(pivots).some((p) => p < 0)).toBe(true);
        const b = random(width, [BATCH, n, 2], 3);
        const solved = copyOf(b);
        solveLdl(f, pivots, solved);
        as.forEach((a, k) => {
          expectMatrix(product(a, matrices(solved)[k]), matrices(b)[k], 100 * tol, `A X of ${n} × ${n}`);
        });
      }
    });
  });
}

describe('what fails', () => {
  it('a zero on the diagonal of U, and where', () => {
    const a = lay('float64', [2, 3, 3], [1, 2, 3, 2, 4, 6, 1, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1]);
    const [pivots, info] = [room('int32', [2, 3]), room('int32', [2])];
    lu(a, pivots, info);
    expect(values(info)).toEqual([3, 0]);
    const none = lay('float64', [2, 2], [0, 0, 0, 0]);
    lu(none, room('int32', [2]), info);
    expect(values(info)[0]).toBe(1);
  });

  it('a minor that is not positive, and which', () => {
    const a = lay('float64', [3, 2, 2], [1, 0, 0, 1, 1, 2, 2, 1, -1, 0, 0, 1]);
    const info = room('int32', [3]);
    cholesky(a, info);
    expect(values(info)).toEqual([0, 2, 1]);
    const far = lay(
      'float64',
      [1, 40, 40],
      identity(40)
        .flat()
        .map((x, i) => (i === 35 * 41 ? -x : x)),
    );
    cholesky(far, info);
    expect(values(info)[0]).toBe(36);
  });

  it('pivots that are no rows', () => {
    const order = room('int32', [2]);
    expect(rowOrder(order, lay('int32', [2], [1, 3]), false)).toBe(false);
    expect(rowOrder(order, lay('int32', [2], [0, 2]), true)).toBe(false);
  });

  it.each([2, 40])('numbers that are not finite, in matrices of %i rows', (n) => {
    const wrong = (x: number): number[] => identity(n).flatMap((row, i) => (i === 0 ? [1, x, ...row.slice(2)] : row));
    const info = room('int32', [2]);
    const a = lay('float64', [2, n, n], [...wrong(NaN), ...wrong(Infinity)]);
    const [s, u, v] = [
      [2, n],
      [2, n, n],
      [2, n, n],
    ].map((shape) => room('float64', shape));
    svd(copyOf(a), { s, vectors: { u, v } }, info);
    expect(values(info)).toEqual([-4, 0]);
    for (const t of [s, u, v])
      expect(
        values(t)
          .slice(numel(t.shape) / 2)
          .every(Number.isNaN),
      ).toBe(true);
    svd(copyOf(a), { s, vectors: null }, info);
    expect(values(info)).toEqual([-4, 0]);
    eigh(a, s, null, info);
    expect(values(info)).toEqual([n, n]);
  });

  it('nothing', () => {
    const u = lay('float64', [3, 3], new Array<number>(9).fill(7));
    svd(
      room('float64', [3, 0]),
      { s: room('float64', [0]), vectors: { u, v: room('float64', [0, 0]) } },
      room('int32', []),
    );
    expect(matrices(u)).toEqual([identity(3)]);
  });
});

it('the sign of exchanges', () => {
  const sign = room('float64', [3]);
  signOfExchanges(sign, lay('int32', [3, 2], [1, 2, 2, 2, 2, 2].with(4, 1)));
  expect(values(sign)).toEqual([1, -1, 1]);
});

describe('symmetric eigenvalues', () => {
  const check = (as: readonly Matrix[], what: string): number[] => {
    const n = rowsOf(as[0]);
    const shape = [as.length, n, n];
    const [d, z, info] = [room('float64', shape.slice(0, 2)), room('float64', shape), room('int32', [as.length])];
    eigh(lay('float64', shape, as.flat(2)), d, z, info);
    expect(values(info).every((i) => i === 0)).toBe(true);
    const alone = room('float64', shape.slice(0, 2));
    eigh(lay('float64', shape, as.flat(2)), alone, null, info);
    expectNear(values(alone), values(d), { tol: 1e-12, what: `${what}: values alone` });
    as.forEach((a, b) => {
      const [vectors, list] = [matrices(z)[b], values(d).slice(b * n, (b + 1) * n)];
      expect(list, what).toEqual(list.toSorted((x, y) => x - y));
      const scaled = vectors.map((row, i) => row.map((x) => x * list[i]));
      expectMatrix(product(transposed(vectors), scaled), a, 1e-12, `${what}: Zᵀ d Z`);
      expectMatrix(product(vectors, transposed(vectors)), identity(n), 1e-12, `${what}: Z Zᵀ`);
    });
    return values(d);
  };

  it('of matrices in general', () => {
    for (const n of SIZES) {
      const x = matrices(random('float64', [BATCH, n, n]));
      check(
        x.map((m) => matrix(n, n, (i, j) => m[i][j] + m[j][i])),
        `${n} × ${n}`,
      );
    }
  });

  it('of special ones', () => {
    check([identity(5)], 'the identity');
    check([matrix(4, 4, () => 0)], 'zero');
    check([matrix(4, 4, () => 1)], 'rank 1');
    check([matrix(5, 5, (i, j) => (i === j ? 10 ** (4 * i - 8) : 0))], 'a diagonal one');
    check([matrix(6, 6, (i, j) => 1e200 / (i + j + 1))], 'a large one');
    const huge = check([matrix(3, 3, (i, j) => (i === j ? 0 : 1e-160))], 'a small one');
    expectNear(
      huge.map((x) => x * 1e160),
      [-1, -1, 2],
      { tol: 1e-12 },
    );
  });
});

describe('singular values', () => {
  const check = (a: Matrix, what: string, tol = 1e-12): number[] => {
    const [m, n] = [a.length, a[0].length];
    for (const columns of new Set([n, m])) {
      const [s, v, u] = [[n], [n, n], [m, columns]].map((shape) => room('float64', shape));
      const info = room('int32', []);
      svd(lay('float64', [m, n], a.flat()), { s, vectors: { u, v } }, info);
      expect(values(info)).toEqual([0]);
      const list = values(s);
      expect(list, what).toEqual(list.toSorted((x, y) => y - x));
      const [vh, full] = [v, u].map((t) => matrices(t)[0]);
      const first = full.map((row) => row.slice(0, n));
      const scaled = vh.map((row, i) => row.map((x) => x * list[i]));
      expectMatrix(product(first, scaled), a, tol, `${what}: U s Vᵀ`);
      expectMatrix(product(vh, transposed(vh)), identity(n), tol, `${what}: Vᵀ V`);
      expectMatrix(product(transposed(full), full), identity(columns), tol, `${what}: Uᵀ U`);
    }
    const alone = room('float64', [n]);
    svd(lay('float64', [m, n], a.flat()), { s: alone, vectors: null }, room('int32', []));
    return values(alone);
  };

  it('of matrices in general', () => {
    for (const [m, n] of SHAPES) {
      const [a] = matrices(random('float64', [m, n]));
      check(m >= n ? a : transposed(a), `${m} × ${n}`);
    }
  });

  it('of special ones', () => {
    check(identity(5), 'the identity');
    check(
      matrix(5, 3, () => 0),
      'zero',
    );
    check(
      matrix(5, 3, () => 1),
      'rank 1',
    );
    const [x, y] = [matrices(random('float64', [40, 7]))[0], matrices(random('float64', [7, 20], 2))[0]];
    const low = check(product(x, y), 'rank 7');
    expect(low[6]).toBeGreaterThan(1e-3);
    expect(low[7]).toBeLessThan(1e-14);
    // One-sided rotations find small values to their own precision.
    const graded = matrix(4, 4, (i, j) => (i === j ? 10 ** (-8 * i) : 0));
    expectNear(
      check(graded, 'a graded one').map((s, i) => s * 10 ** (8 * i)),
      [1, 1, 1, 1],
      { tol: 1e-14 },
    );
    check(
      matrix(6, 6, (i, j) => 1e200 / (i + j + 1)),
      'a large one',
    );
    check(
      matrix(6, 6, (i, j) => 1e-200 / (i + j + 1)),
      'a small one',
    );
  });
});
