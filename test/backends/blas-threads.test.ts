/** Products by the system's BLAS on several threads of this library. Where there is no BLAS, the generated kernels stand in for it. */
import { getNumThreads, linalg, randn, setNumThreads, type Tensor } from 'nabla';
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

describe('a library that workers cannot call', () => {
  afterEach(() => replaceBlas(null));

  it('uses threads of its own for large products', async () => {
    const told: number[] = [];
    const nothing = (): void => undefined;
    replaceBlas({
      library: 'stand-in',
      sgemm: nothing,
      dgemm: nothing,
      sgemv: nothing,
      dgemv: nothing,
      addressOf: () => 0,
      setThreads: (n) => void told.push(n),
    });
    await withThreads(3);
    const small: Tensor = randn([30, 30]);
    const large: Tensor = randn([400, 400]);
    for (const x of [small, large, small, large]) x.mm(x);
    // Small ones would be added up otherwise behind a large one.
    expect(told).toEqual([1, 3, 1, 3]);
    setNumThreads(1);
    for (const x of [small, large]) x.mm(x);
    expect(told).toEqual([1, 3, 1, 3, 1]);
  });
});

it('pieces cover a product without gaps, and begin at whole tiles', () => {
  setNumThreads(3);
  for (const [m, n, k] of [
    [100, 2000, 30],
    [33, 65, 1000],
    [31, 20, 5000],
    [4097, 4096, 4096],
  ] as const) {
    const pieces = piecesOf(m, n, k);
    expect(pieces.at(-1)?.[1]).toBe(Math.max(m, n));
    pieces.forEach(([from, to], i) => {
      expect(from).toBe(i === 0 ? 0 : pieces[i - 1]?.[1]);
      expect(from % 32).toBe(0);
      expect(to).toBeGreaterThan(from);
    });
  }
  expect([piecesOf(31, 20, 5000).length, piecesOf(100, 2000, 30).length, piecesOf(4097, 4096, 4096).length]).toEqual([
    1, 3, 6,
  ]);
});

it.skipIf(typeof blas === 'string')(
  'a factorisation by several threads has the room on the stack that it takes',
  async () => {
    introduce(blas as Blas);
    replaceBlas(blas as Blas);
    await withThreads(3);
    const a = double.slice(0, 0, 300);
    const { P, L, U } = linalg.lu(a);
    expect(+P.matmul(L).matmul(U).sub(a).abs().max()).toBeLessThan(1e-12);
  },
);
