import { autograd, functional as F, getNumThreads, linalg, manualSeed, randn, setNumThreads, type Tensor } from 'nabla';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Blas } from '../../src/backends/wasm/blas/library.ts';
import { useBlas, workersHave } from './blas.ts';
import { withThreads } from './worker.ts';

type Float = 'float32' | 'float64';
type Work = (dtype: Float) => readonly Tensor[];

const bits = (ts: readonly Tensor[]): string =>
  ts
    .map((t) => {
      const { buffer, byteOffset, byteLength } = t.toTypedArray();
      return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
    })
    .join('|');

const filled = (shape: readonly number[], dtype: Float): Tensor => randn([...shape], { dtype }) as Tensor;

/** A matrix, or one that lies as its transpose does. */
const matrix = (m: number, n: number, transposed: boolean, dtype: Float): Tensor =>
  transposed ? (filled([n, m], dtype).t() as Tensor) : filled([m, n], dtype);

/** Products of sizes without order, most of which were rounded otherwise when they were cut for each number of threads. */
const SIZES = [
  [700, 300, 333],
  [97, 801, 411],
  [411, 97, 801],
  [64, 788, 158],
  [144, 1102, 349],
  [65, 100, 1037],
  [682, 871, 149],
] as const;

function products(dtype: Float): Tensor[] {
  return SIZES.flatMap(([m, k, n]) =>
    [false, true].flatMap((a) =>
      [false, true].map((b) => matrix(m, k, a, dtype).matmul(matrix(k, n, b, dtype)) as Tensor),
    ),
  );
}

function gradients(dtype: Float, shapes: readonly (readonly number[])[], f: (...x: Tensor[]) => Tensor): Tensor[] {
  const leaves = shapes.map((shape) => filled(shape, dtype).requiresGrad_() as Tensor);
  const y = f(...leaves);
  return [y.detach() as Tensor, ...autograd.grad(y, leaves, { gradOutputs: y.detach() as Tensor })];
}

function factors(dtype: Float): Tensor[] {
  const a = filled([333, 333], dtype);
  const positive = a.matmul(a.t()).add(1) as Tensor;
  const { L, U } = linalg.lu(a) as { L: Tensor; U: Tensor };
  const { Q, R } = linalg.qr(filled([500, 290], dtype)) as { Q: Tensor; R: Tensor };
  const { eigenvalues } = linalg.eigh(positive) as { eigenvalues: Tensor };
  const sides = filled([333, 270], dtype);
  const triangles = [false, true].flatMap((upper) =>
    [a, a.t()].map((t) => linalg.solveTriangular(t.mul(0.05), sides, { upper, unitriangular: true })),
  );
  const solved = [linalg.solve(a, sides), linalg.inv(a), linalg.cholesky(positive), ...triangles] as Tensor[];
  return [...solved, L, U, Q, R, eigenvalues, linalg.svdvals(a) as Tensor];
}

/** Factors of matrices of several blocks and pieces. */
function largeFactors(dtype: Float): Tensor[] {
  const n = dtype === 'float64' ? 1010 : 530;
  const a = filled([n + 300, n], dtype);
  const lus = [a, a.t()].flatMap((x) => {
    const { LU, pivots } = linalg.luFactor(x as Tensor);
    return [LU, pivots];
  });
  return [...lus, linalg.cholesky(a.t().matmul(a) as Tensor), linalg.inv(a.narrow(0, 0, n) as Tensor)] as Tensor[];
}

const work: Readonly<Record<string, Work>> = {
  products,
  'products with a vector': (dtype) => {
    const [a, x] = [filled([2111, 1033], dtype), filled([1033], dtype)];
    return [a.mv(x), a.narrow(0, 3, 1055).mv(x)] as Tensor[];
  },
  'products of a batch': (dtype) =>
    [3, 40].map((count) => filled([count, 130, 171], dtype).matmul(filled([count, 171, 97], dtype)) as Tensor),
  'a convolution with its gradients': (dtype) =>
    [{ padding: 1 }, { stride: 2 }].flatMap((options) =>
      gradients(
        dtype,
        [
          [5, 48, 29, 30],
          [72, 48, 3, 3],
        ],
        (x, w) => F.conv2d(x, w, null, options) as Tensor,
      ),
    ),
  'attention with its gradients': (dtype) =>
    gradients(
      dtype,
      [
        [8, 4, 96, 48],
        [8, 4, 96, 48],
        [8, 4, 96, 48],
      ],
      (q, k, v) => F.scaledDotProductAttention(q, k, v) as Tensor,
    ),
  'factors and solutions': factors,
  'large factors': largeFactors,
};

/** Whether what a library makes has the same bits on any number of threads. */
export function testSameBits(blas: Blas | string): void {
  useBlas(blas);
  describe.skipIf(typeof blas === 'string')('the same bits on 1, 2, 3 and 5 threads', () => {
    const alone = new Map<string, string>();
    const made = (name: string, dtype: Float): string => {
      manualSeed(11);
      return bits((work[name] as Work)(dtype));
    };
    const all = Object.keys(work).flatMap((name) =>
      (['float32', 'float64'] as const).map((dtype) => [name, dtype] as const),
    );

    it('on one', () => {
      setNumThreads(1);
      for (const [name, dtype] of all) alone.set(`${name} ${dtype}`, made(name, dtype));
    });

    describe.each([2, 3, 5])('on %i', (threads) => {
      beforeAll(async () => {
        await withThreads(threads);
        expect(await workersHave(blas as Blas)).toBe(true);
      });

      it.each(all)('%s, %s', (name, dtype) => {
        expect(getNumThreads()).toBe(threads);
        expect(made(name, dtype) === alone.get(`${name} ${dtype}`)).toBe(true);
      });
    });
    afterAll(() => setNumThreads(1));
  });
}
