/** Products by the system's BLAS on several threads of this library. Where there is no BLAS, the generated kernels stand in for it. */
import { eye, getNumThreads, linalg, ones, randn, setNumThreads, type Tensor } from 'nabla';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Blas } from '../../src/backends/wasm/blas/library.ts';
import { replaceBlas } from '../../src/backends/wasm/blas/product.ts';
import { introduce, piecesOf } from '../../src/backends/wasm/blas/threads.ts';
import { generated, systemBlas, workersHave } from '../support/blas.ts';
import { withThreads } from '../support/worker.ts';

const threads = getNumThreads();
afterAll(() => {
  setNumThreads(threads);
  replaceBlas(null);
});

const blas = systemBlas();

const bits = (t: Tensor): string => {
  const { buffer, byteOffset, byteLength } = t.toTypedArray();
  return Buffer.from(buffer, byteOffset, byteLength).toString('latin1');
};

const square: Tensor = randn([301, 310]);
const double: Tensor = randn([1030, 300], { dtype: 'float64' });
const wide: Tensor = randn([900, 1200]);
const many: Tensor = randn([70, 40, 50]);
const few: Tensor = randn([5000, 30, 30]);
const tall: Tensor = randn([3001, 500]);

const products: Readonly<Record<string, () => Tensor>> = {
  'of more columns than rows': () => square.mm(wide.slice(0, 0, 310)),
  'of more rows than columns': () => double.mm(double.T.slice(1, 0, 77)),
  'of transposed operands': () => square.T.mm(square),
  'of parts of larger matrices': () => wide.slice(1, 3, 1003).mm(wide.slice(0, 1, 800).slice(1, 5, 1005).T),
  'so large that there are more pieces than threads': () => wide.mm(wide.T),
  batched: () => many.bmm(many.mT),
  'of thousands of small matrices': () => few.bmm(few.mT),
  'with a vector': () => tall.mv(square.flatten().slice(0, 0, 500)),
};

describe.each([2, 3, 5])('%i threads', (n) => {
  beforeAll(async () => {
    if (typeof blas === 'string') return;
    introduce(blas);
    replaceBlas(blas);
    await withThreads(n);
  });

  it.each(Object.keys(products))('products %s', async (name) => {
    const f = products[name] as () => Tensor;
    // Workers may have the library by now or not: the pieces are the same.
    const first = f();
    if (typeof blas !== 'string') expect(await workersHave(blas)).toBe(true);
    expect(bits(f()) === bits(first)).toBe(true);
    const same = generated(f);
    const error = +first.sub(same).abs().max() / (1 + +same.abs().max());
    expect(error).toBeLessThan(same.dtype === 'float64' ? 1e-13 : 1e-5);
  });
});

const nothing = (): void => undefined;

describe('a library that decides about its threads itself', () => {
  afterEach(() => replaceBlas(null));

  it('makes products whole on any number of threads', async () => {
    const sizes: number[][] = [];
    const gemm: Blas['sgemm'] = (_order, _a, _b, m, n, k) => void sizes.push([m, n, k]);
    const gemv: Blas['sgemv'] = (_order, _a, m, n) => void sizes.push([m, n]);
    const [sgemm, dgemm, sgemv, dgemv] = [gemm, gemm, gemv, gemv];
    const [strsm, dtrsm] = [nothing, nothing];
    replaceBlas({ library: 'stand-in', sgemm, dgemm, sgemv, dgemv, strsm, dtrsm, addressOf: () => 0, alone: false });
    const [x, v]: Tensor[] = [randn([1500, 1500]), randn([1500])];
    for (const n of [1, 3]) {
      await withThreads(n);
      x.mm(x).sum();
      x.mv(v).sum();
    }
    expect(sizes).toEqual([
      [1500, 1500, 1500],
      [1500, 1500],
      [1500, 1500, 1500],
      [1500, 1500],
    ]);
  });
});

describe('pieces', () => {
  const counts = (list: readonly (readonly [number, number, number, boolean, number?])[]): number[] =>
    list.map(([m, n, k, byRows, fewest]) => piecesOf([m, n], 4, m * n * k, byRows, fewest).length);

  it('cover a product without gaps, and begin at whole tiles', () => {
    for (const [m, n, k] of [
      [100, 2000, 30],
      [33, 65, 1000],
      [31, 20, 5000],
      [513, 511, 300],
      [2050, 2100, 4096],
    ] as const) {
      for (const byRows of [false, true]) {
        const seen = new Uint8Array(m * n);
        for (const [row, rows, column, columns] of piecesOf([m, n], 4, m * n * k, byRows)) {
          expect([row % 16, column % 16]).toEqual([0, 0]);
          for (let i = row; i < row + rows; i++) {
            for (let j = column; j < column + columns; j++) (seen[i * n + j] as number)++;
          }
        }
        expect(seen.every((times) => times === 1)).toBe(true);
      }
    }
  });

  it('are more the larger a product is, and not smaller than they may be', () => {
    expect(
      counts([
        [128, 128, 127, true],
        [128, 128, 128, true],
        [512, 512, 512, false],
        [4096, 4096, 4096, true],
      ]),
    ).toEqual([1, 2, 4, 8]);
    expect(
      counts([
        [31, 1000, 1000, true],
        [32, 1000, 1000, true],
        [512, 511, 512, false, 128],
        [512, 255, 512, false, 128],
      ]),
    ).toEqual([1, 2, 2, 1]);
    expect([4, 8].map((bytes) => piecesOf([512, 512], bytes as 4 | 8, 2 ** 27, true).length)).toEqual([4, 2]);
  });

  it('are cut both ways where there are many rows and columns of both', () => {
    const sizes = (m: number, n: number): (readonly number[])[] =>
      piecesOf([m, n], 4, 2 ** 30, false).map(([, rows, , columns]) => [rows, columns]);
    expect(sizes(1024, 1024)).toEqual(new Array(4).fill([512, 512]));
    expect(sizes(512, 2048)).toEqual(new Array(4).fill([512, 512]));
    expect(sizes(1, 4096)).toEqual(new Array(4).fill([1, 1024]));
  });

  it.skipIf(typeof blas === 'string')('of a large triangular system are solved once each', () => {
    replaceBlas(blas as Blas);
    try {
      const sides: Tensor = ones([2600, 2600]);
      const x: Tensor = linalg.solveTriangular(eye(2600).mul(2), sides, { upper: false });
      expect([x.min().item(), x.max().item()]).toEqual([0.5, 0.5]);
    } finally {
      replaceBlas(null);
    }
  });

  it('are the same on any number of threads', async () => {
    const sizes: number[][] = [];
    const gemm: Blas['sgemm'] = (_order, _a, _b, m, n) => void sizes.push([m, n]);
    const [sgemm, dgemm, sgemv, dgemv] = [gemm, gemm, nothing, nothing];
    const [strsm, dtrsm] = [nothing, nothing];
    replaceBlas({ library: 'stand-in', sgemm, dgemm, sgemv, dgemv, strsm, dtrsm, addressOf: () => 0, alone: true });
    try {
      for (const n of [1, 3]) {
        await withThreads(n);
        square.mm(wide.slice(0, 0, 310)).sum();
      }
    } finally {
      replaceBlas(null);
    }
    expect(sizes.length).toBe(8);
    expect(sizes.slice(4)).toEqual(sizes.slice(0, 4));
  });
});
