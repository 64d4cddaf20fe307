import { linalg, manualSeed, randn, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';

/*
 * Batches of small matrices go by vectors that hold one of each matrix in a lane. Every one must come out as it does
 * by itself, to the bit, whatever its neighbours are like.
 */

const numbers = (t: Tensor): number[] => t.flatten().toArray() as number[];

function expectAlike(all: readonly Tensor[], alone: (i: number) => readonly Tensor[], what: string): void {
  for (let i = 0; i < all[0].shape[0]; i++)
    alone(i).forEach((t, part) => {
      expect(numbers(all[part].select(0, i)), `${what}, part ${part} of matrix ${i}`).toEqual(numbers(t));
    });
}

/** Matrices of which some are singular, or hold ties, NaN or infinities. */
function mixed(count: number, n: number, dtype: 'float32' | 'float64'): Tensor {
  const a = randn([count, n, n], { dtype }).toArray() as number[][][];
  a[1] = a[1].map(() => new Array<number>(n).fill(0));
  a[2][n - 1] = [...a[2][0]];
  a[3][0][0] = Number.NaN;
  a[4][n - 1][0] = Number.POSITIVE_INFINITY;
  a[5] = a[5].map((row) => row.map(Math.sign));
  a[6] = a[6].map((row) => [0, ...row.slice(1)]);
  a[6][0][n - 1] = Number.NEGATIVE_INFINITY;
  return tensor(a, { dtype });
}

for (const dtype of ['float32', 'float64'] as const) {
  describe(dtype, () => {
    it.each([1, 2, 3, 4, 5, 6])('of %i rows', (n) => {
      manualSeed(n);
      for (const count of [8, 11]) {
        const a = mixed(count, n, dtype);
        const symmetric = a.matmul(a.mT);
        const one = (i: number): Tensor => a.select(0, i);
        expectAlike(Object.values(linalg.luFactorEx(a)), (i) => Object.values(linalg.luFactorEx(one(i))), 'LU');
        expectAlike(Object.values(linalg.lu(a)), (i) => Object.values(linalg.lu(one(i))), 'P, L and U');
        expectAlike(Object.values(linalg.invEx(a)), (i) => Object.values(linalg.invEx(one(i))), 'inverse');
        for (const upper of [false, true]) {
          const factor = (x: Tensor): Tensor[] => Object.values(linalg.choleskyEx(x, { upper }));
          expectAlike(factor(symmetric), (i) => factor(symmetric.select(0, i)), 'Cholesky');
          expectAlike(factor(a), (i) => factor(one(i)), 'Cholesky of what is not positive');
        }
        for (const columns of [1, 3, 8]) {
          const b = randn([count, n, columns], { dtype });
          const side = (i: number): Tensor => b.select(0, i);
          const solve = (x: Tensor, y: Tensor): Tensor[] => Object.values(linalg.solveEx(x, y));
          expectAlike(solve(a, b), (i) => solve(one(i), side(i)), 'solution');
          for (const of of [a, a.mT, a.select(0, 7).expand(a.shape)])
            for (const upper of [false, true])
              for (const unitriangular of [false, true]) {
                const triangular = (x: Tensor, y: Tensor): Tensor[] => [
                  linalg.solveTriangular(x, y, { upper, unitriangular }),
                ];
                expectAlike(triangular(of, b), (i) => triangular(of.select(0, i), side(i)), 'triangular system');
              }
        }
      }
    });
  });
}

it('products, of matrices in rows or in columns', () => {
  manualSeed(1);
  for (const dtype of ['float32', 'float64'] as const)
    for (const [m, k, n] of [
      [1, 3, 4],
      [3, 3, 3],
      [4, 2, 5],
      [6, 6, 1],
      [12, 8, 1],
      [1, 9, 12],
    ])
      for (const count of [8, 13, 17]) {
        const [a, b] = [randn([count, m, k], { dtype }), randn([count, k, n], { dtype })];
        const [turnedA, turnedB] = [a, b].map((t) => t.mT.contiguous().mT);
        for (const x of [a, turnedA, a.select(0, 2).expand(a.shape)])
          for (const y of [b, turnedB]) {
            const all = x.matmul(y);
            expectAlike([all], (i) => [x.select(0, i).matmul(y.select(0, i))], `${m} × ${k} × ${n}`);
            const sums = x.unsqueeze(-1).mul(y.unsqueeze(1)).sum(2);
            expect(all.sub(sums).abs().max().item()).toBeLessThan(dtype === 'float32' ? 1e-5 : 1e-14);
          }
      }
});

it('triangles', () => {
  manualSeed(2);
  const a = randn([300, 3, 5]);
  a.select(0, 1).fill_(Number.NaN);
  for (const x of [a, a.mT, a.gt(0), a.slice(2, 1, 4), a.to('float64')])
    for (const diagonal of [-1, 0, 2, 9]) {
      expectAlike([x.tril(diagonal)], (i) => [x.select(0, i).tril(diagonal)], `below ${diagonal}`);
      expectAlike([x.triu(diagonal)], (i) => [x.select(0, i).triu(diagonal)], `above ${diagonal}`);
      expect(x.triu(diagonal).dtype).toBe(x.dtype);
    }
});
