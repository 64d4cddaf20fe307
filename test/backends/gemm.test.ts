import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { dot, gemm } from '../../src/backends/wasm/gemm.ts';
import { addsUp } from '../../src/backends/wasm/gemm-product.ts';
import { kernelsFor } from '../../src/backends/wasm/gemm-select.ts';
import {
  allocate,
  beginLaunch,
  free,
  i32,
  readBytes,
  scratch,
  setCacheLimit,
  writeBytes,
} from '../../src/backends/wasm/heap.ts';
import { memoryStats } from '../../src/backends/wasm/memory-stats.ts';
import { setDeterministic } from '../../src/backends/wasm/relaxed.ts';
import { DTypeError } from '../../src/core/errors.ts';
import type { Strided } from '../../src/kernels/strided.ts';

type DType = 'float32' | 'float64' | 'int32';
type Layout = 'contiguous' | 'transposed' | 'spaced' | 'same rows' | 'same columns';
const DTYPES: readonly DType[] = ['float32', 'float64', 'int32'];
const LAYOUTS: readonly Layout[] = ['contiguous', 'transposed', 'spaced', 'same rows', 'same columns'];
const ARRAY = { float32: Float32Array, float64: Float64Array, int32: Int32Array };

afterEach(() => setDeterministic(false));

type Numbers = Float32Array | Float64Array | Int32Array;

/** Deterministic numbers: floats in [-1, 1), integers over the whole range. */
function numbers(dtype: DType, n: number, seed: number): Numbers {
  const data: Numbers = new ARRAY[dtype](n);
  let state = (seed * 2654435761 + 1) >>> 0;
  for (let i = 0; i < n; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    data[i] = dtype === 'int32' ? state | 0 : state / 2 ** 31 - 1;
  }
  return data;
}

interface Matrix extends Strided {
  readonly dtype: DType;
  /** All elements of the storage. */
  readonly data: ArrayLike<number>;
}

/** A tensor of some shape in some layout, with elements before and behind that do not belong to it. */
function matrix(
  dtype: DType,
  shape: readonly number[],
  layout: Layout,
  seed: number,
  batch: readonly boolean[] = [],
): Matrix {
  const rank = shape.length;
  const stored = shape.map((n, d) => {
    if (d < rank - 2) return batch[d] === false ? 1 : n;
    if (layout === 'spaced') return n * (d === rank - 1 ? 3 : 2);
    if ((layout === 'same rows' && d === rank - 2) || (layout === 'same columns' && d === rank - 1)) return 1;
    return n;
  });
  const order = shape.map((_, d) => d);
  if (layout === 'transposed') order.splice(rank - 2, 2, rank - 1, rank - 2);
  const strides = new Array<number>(rank).fill(0);
  let step = 1;
  for (const d of order.toReversed()) {
    strides[d] =
      stored[d] === 1 && shape[d] !== 1 ? 0 : step * (layout !== 'spaced' || d < rank - 2 ? 1 : d === rank - 1 ? 3 : 2);
    step *= stored[d];
  }
  const offset = seed % 5;
  const data = numbers(dtype, offset + step + 3, seed);
  const storage = allocate(data.byteLength);
  writeBytes(storage, 0, data);
  return { storage, shape, strides, offset, dtype, data };
}

function output(dtype: DType, shape: readonly number[]): Matrix {
  return matrix(dtype, shape, 'contiguous', 3);
}

function elements(t: Matrix): ArrayLike<number> {
  const bytes = readBytes(t.storage, 0, t.storage.nbytes);
  return new ARRAY[t.dtype](bytes.buffer);
}

/** One matrix of a batch, read by its strides. */
function dense(
  t: Matrix,
  base: number,
  rows: number,
  rowStride: number,
  columns: number,
  columnStride: number,
): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[i * columns + j] = t.data[base + i * rowStride + j * columnStride];
  }
  return out;
}

/**
 * The product in compensated float64 (Neumaier), int32 exactly modulo 2³², with the sum of magnitudes,
 * which bounds rounding.
 */
function reference(a: Matrix, b: Matrix, shape: readonly number[]): { value: number[]; size: number[] } {
  const rank = shape.length;
  const [m, n, k] = [shape[rank - 2], shape[rank - 1], a.shape[rank - 1]];
  const batches = shape.slice(0, -2).reduce((x, y) => x * y, 1);
  const value: number[] = [];
  const size: number[] = [];
  for (let batch = 0; batch < batches; batch++) {
    let rest = batch;
    let aBase = a.offset;
    let bBase = b.offset;
    for (let d = rank - 3; d >= 0; d--) {
      const i = rest % shape[d];
      rest = Math.floor(rest / shape[d]);
      aBase += i * a.strides[d];
      bBase += i * b.strides[d];
    }
    const rows = dense(a, aBase, m, a.strides[rank - 2], k, a.strides[rank - 1]);
    const columns = dense(b, bBase, n, b.strides[rank - 1], k, b.strides[rank - 2]);
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        let lost = 0;
        let total = 0;
        for (let p = 0; p < k; p++) {
          const x = rows[i * k + p];
          const y = columns[j * k + p];
          if (a.dtype === 'int32') sum = (sum + Math.imul(x, y)) | 0;
          else {
            const product = x * y;
            const next = sum + product;
            lost += Math.abs(sum) >= Math.abs(product) ? sum - next + product : product - next + sum;
            sum = next;
            total += Math.abs(product);
          }
        }
        value.push(sum + lost);
        size.push(total);
      }
    }
  }
  return { value, size };
}

const EPS = { float32: 2 ** -24, float64: 2 ** -53, int32: 0 };

/** Runs the kernel and compares: the result within rounding, the elements around it untouched. */
function check(a: Matrix, b: Matrix, shape: readonly number[]): void {
  const out = output(a.dtype, shape);
  gemm(out, a, b);
  const { value, size } = reference(a, b, shape);
  const got = elements(out);
  const k = a.shape.at(-1) ?? 0;
  // The sum over k is made in blocks: a rounding for each step of a block, and for each block.
  const steps = Math.min(k, 384) + Math.ceil(k / 256) + 1;
  for (let i = 0; i < got.length; i++) {
    const at = i - out.offset;
    if (at < 0 || at >= value.length) expect(got[i]).toBe(out.data[i]);
    else if (!(Math.abs(got[i] - value[at]) <= steps * EPS[a.dtype] * size[at])) {
      expect.fail(`element ${at} of ${shape} (k = ${k}, ${a.dtype}): ${got[i]} instead of ${value[at]}`);
    }
  }
  for (const t of [a, b, out]) free(t.storage);
}

function checkShape(
  dtype: DType,
  m: number,
  n: number,
  k: number,
  la: Layout = 'contiguous',
  lb: Layout = 'contiguous',
): void {
  beginLaunch();
  check(matrix(dtype, [m, k], la, m + k), matrix(dtype, [k, n], lb, n + k + 7), [m, n]);
}

describe.each(DTYPES)('gemm %s', (dtype) => {
  test('small shapes, all of them', () => {
    for (let m = 1; m <= 9; m++) {
      for (let n = 1; n <= 18; n++) for (const k of [1, 2, 5]) checkShape(dtype, m, n, k);
    }
  });

  test('every width of up to two panels, and every number of steps of up to two turns', () => {
    for (let n = 1; n <= 42; n++) for (const m of [3, 70]) checkShape(dtype, m, n, 65, 'contiguous', 'transposed');
    for (let k = 1; k <= 18; k++) for (const lb of LAYOUTS.slice(0, 2)) checkShape(dtype, 7, 31, k, 'contiguous', lb);
  });

  test('empty shapes; a sum over nothing is zero', () => {
    for (const [m, n, k] of [
      [0, 3, 4],
      [3, 0, 4],
      [3, 4, 0],
      [0, 0, 0],
      [1, 1, 0],
      [1, 5, 0],
      [5, 1, 0],
    ] as const) {
      checkShape(dtype, m, n, k);
    }
    beginLaunch();
    check(matrix(dtype, [2, 3, 0], 'contiguous', 1), matrix(dtype, [2, 0, 2], 'contiguous', 2), [2, 3, 2]);
    check(matrix(dtype, [0, 3, 2], 'contiguous', 1), matrix(dtype, [0, 2, 2], 'contiguous', 2), [0, 3, 2]);
  });

  test.each([
    [64, 64, 64],
    [33, 47, 65],
    [130, 70, 129],
    [17, 520, 160],
    [129, 9, 400],
    [3, 1030, 70],
    [260, 1025, 7],
    [20, 1029, 300],
    [1, 70, 2000],
    [1, 5000, 20],
    [5000, 1, 20],
    [70, 1, 2000],
    [1, 1, 9001],
    [2, 3, 9001],
    [200, 200, 1],
    [9, 5000, 3],
    [70, 130, 4],
    [5, 67, 2],
    [300, 10, 200],
    [40, 21, 500],
  ])('%i × %i over %i in many layouts', (m, n, k) => {
    const big = m * n * k > 500_000;
    for (const la of LAYOUTS) {
      for (const lb of big ? LAYOUTS.slice(0, 2) : LAYOUTS) checkShape(dtype, m, n, k, la, lb);
    }
  });

  test('any shapes, layouts and batches', () => {
    const dim = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 70 }));
    const layout = fc.constantFrom(...LAYOUTS);
    const batch = fc.array(fc.record({ size: fc.integer({ min: 1, max: 3 }), a: fc.boolean(), b: fc.boolean() }), {
      maxLength: 3,
    });
    fc.assert(
      fc.property(dim, dim, dim, layout, layout, batch, fc.nat(100), (m, n, k, la, lb, dims, seed) => {
        beginLaunch();
        const sizes = dims.map((d) => d.size);
        const a = matrix(
          dtype,
          [...sizes, m, k],
          la,
          seed,
          dims.map((d) => d.a),
        );
        const b = matrix(
          dtype,
          [...sizes, k, n],
          lb,
          seed + 1,
          dims.map((d) => d.b),
        );
        check(a, b, [...sizes, m, n]);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    [37, 29, 421],
    [37, 130, 3],
    [45, 9, 421],
    [45, 3, 50],
    [45, 5, 390],
  ])('an element of %i × %i over %i depends on its row and its column alone', (m, n, k) => {
    for (const relaxed of [false, true]) {
      setDeterministic(!relaxed);
      const whole = output(dtype, [m, n]);
      const a = matrix(dtype, [m, k], 'contiguous', 5);
      const b = matrix(dtype, [k, n], 'contiguous', 6);
      gemm(whole, a, b);
      const expected = Array.from(elements(whole)).slice(whole.offset, whole.offset + m * n);
      // The same numbers, b stored by columns.
      const turned = matrix(dtype, [k, n], 'transposed', 0);
      const columns: Numbers = new ARRAY[dtype](k * n);
      for (let i = 0; i < k * n; i++) columns[i] = b.data[b.offset + (i % k) * n + Math.floor(i / k)];
      writeBytes(turned.storage, turned.offset * columns.BYTES_PER_ELEMENT, columns);
      const other = output(dtype, [m, n]);
      gemm(other, a, turned);
      expect(Array.from(elements(other)).slice(other.offset, other.offset + m * n)).toEqual(expected);
      for (const rows of [1, 2, 3, 5, 16]) {
        const part = output(dtype, [rows, n]);
        for (const right of [b, turned]) {
          gemm(part, { ...a, shape: [rows, k], offset: a.offset + 7 * k }, right);
          const got = Array.from(elements(part)).slice(part.offset, part.offset + rows * n);
          expect(got).toEqual(expected.slice(7 * n, (7 + rows) * n));
        }
      }
      const column = output(dtype, [m, 1]);
      for (const right of [b, turned]) {
        gemm(column, a, { ...right, shape: [k, 1], offset: right.offset + 2 * right.strides[1] });
        const got = Array.from(elements(column)).slice(column.offset, column.offset + m);
        expect(got).toEqual(expected.filter((_, i) => i % n === 2));
      }
    }
  });

  test.each([
    [5, 2, 1],
    [7, 13, 5],
    [33, 47, 65],
    [130, 70, 129],
    [17, 520, 384],
    [129, 9, 401],
    [5, 63, 2],
    [20, 1029, 300],
  ])('%i × %i over %i added to what is there', (m, n, k) => {
    expect(addsUp(m, n, k)).toBe(true);
    for (const la of LAYOUTS) {
      for (const lb of LAYOUTS) {
        beginLaunch();
        const [a, b] = [matrix(dtype, [m, k], la, m), matrix(dtype, [k, n], lb, n)];
        const [alone, sum] = [output(dtype, [m, n]), output(dtype, [m, n])];
        gemm(alone, a, b);
        gemm(sum, a, b, 1);
        const [product, got] = [elements(alone), elements(sum)];
        const before = (i: number): number => (dtype === 'float32' ? Math.fround(sum.data[i]) : sum.data[i]);
        for (let i = 0; i < got.length; i++) {
          if (i < sum.offset || i >= sum.offset + m * n) {
            expect(got[i]).toBe(sum.data[i]);
            continue;
          }
          const exact = before(i) + product[i];
          // A block of k is added up by itself; several are added one after the other.
          if (dtype === 'int32') expect(got[i]).toBe(exact | 0);
          else if (k <= 384) expect(got[i]).toBe(dtype === 'float32' ? Math.fround(exact) : exact);
          else expect(Math.abs(got[i] - exact)).toBeLessThanOrEqual(4 * EPS[dtype] * (Math.abs(exact) + 2 * k));
        }
        for (const t of [a, b, alone, sum]) free(t.storage);
      }
    }
  });

  test('rows and matrices that are apart: the same bits, and nothing between them', () => {
    const dim = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 140 }));
    const layout = fc.constantFrom<Layout>('contiguous', 'transposed');
    fc.assert(
      fc.property(
        dim,
        dim,
        dim,
        layout,
        layout,
        fc.nat(5),
        fc.integer({ min: 1, max: 3 }),
        (m, n, k, la, lb, gap, c) => {
          beginLaunch();
          const [a, b] = [matrix(dtype, [c, m, k], la, m), matrix(dtype, [c, k, n], lb, n)];
          const [alone, wide] = [output(dtype, [c, m, n]), output(dtype, [c, m + 1, n + gap])];
          gemm(alone, a, b);
          // Products with a vector only where they lie together.
          const apart = gemm({ ...wide, shape: alone.shape }, a, b);
          if (!apart) expect(n).toBe(1);
          const [expected, got] = [elements(alone), elements(wide)];
          for (let i = 0; i < got.length; i++) {
            const at = i - wide.offset;
            const [column, row] = [at % (n + gap), Math.floor(at / (n + gap)) % (m + 1)];
            const batch = Math.floor(at / ((n + gap) * (m + 1)));
            const written = apart && at >= 0 && batch < c && row < m && column < n;
            const from = alone.offset + (batch * m + row) * n + column;
            if (got[i] !== (written ? expected[from] : wide.data[i]))
              expect.fail(`${[c, m, n, k, gap]}: element ${at}`);
          }
          for (const t of [a, b, alone, wide]) free(t.storage);
        },
      ),
      { numRuns: 200 },
    );
  });

  test('a batch added to what is there; nothing added to it', () => {
    beginLaunch();
    const [a, b] = [matrix(dtype, [3, 9, 6], 'contiguous', 1), matrix(dtype, [3, 6, 11], 'transposed', 2)];
    const [alone, sum] = [output(dtype, [3, 9, 11]), output(dtype, [3, 9, 11])];
    gemm(alone, a, b);
    gemm(sum, a, b, 1);
    const wrapped = (x: number): number => (dtype === 'int32' ? x | 0 : dtype === 'float32' ? Math.fround(x) : x);
    const [product, got] = [elements(alone), elements(sum)];
    for (let i = sum.offset; i < sum.offset + 297; i++) expect(got[i]).toBe(wrapped(sum.data[i] + product[i]));
    const empty = [matrix(dtype, [9, 0], 'contiguous', 1), matrix(dtype, [0, 11], 'contiguous', 1)] as const;
    const same = output(dtype, [9, 11]);
    gemm(same, ...empty, 1);
    expect(Array.from(elements(same))).toEqual(Array.from(same.data));
  });

  test.each([0, 1, 15, 16, 17, 1000, 4096, 4097, 30_011])('dot of %i elements', (k) => {
    for (const [sa, sb] of [
      [1, 1],
      [2, 1],
      [1, 3],
      [0, 2],
    ] as const) {
      beginLaunch();
      const a = matrix(dtype, [1, Math.max(1, k * sa)], 'contiguous', 2);
      const b = matrix(dtype, [1, Math.max(1, k * sb)], 'contiguous', 4);
      const out = output(dtype, [1, 1]);
      const [left, right] = [
        { ...a, shape: [k], strides: [sa] },
        { ...b, shape: [k], strides: [sb] },
      ];
      dot({ ...out, shape: [], strides: [] }, left, right);
      const { value, size } = reference(
        { ...a, shape: [1, k], strides: [0, sa] },
        { ...b, shape: [k, 1], strides: [sb, 0] },
        [1, 1],
      );
      const error = Math.abs(elements(out)[out.offset] - value[0]);
      // Lanes add up few products each: far below the bound for adding one after the other.
      expect(error).toBeLessThanOrEqual((dtype === 'float64' ? k : Math.min(k, 300)) * EPS[dtype] * size[0]);
      for (const t of [a, b, out]) free(t.storage);
    }
  });
});

test('without fused multiply-adds float32 rounds as written: products, sums of a block, sums of blocks', () => {
  setDeterministic(true);
  const [m, n, k] = [9, 11, 700];
  const a = matrix('float32', [m, k], 'contiguous', 8);
  const b = matrix('float32', [k, n], 'contiguous', 9);
  const out = output('float32', [m, n]);
  gemm(out, a, b);
  const got = elements(out);
  const block = 240; // 700 in three blocks, rounded up to a multiple of 8
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let total = 0;
      for (let at = 0; at < k; at += block) {
        let sum = 0;
        for (let p = at; p < Math.min(k, at + block); p++) {
          sum = Math.fround(sum + Math.fround(a.data[a.offset + i * k + p] * b.data[b.offset + p * n + j]));
        }
        total = at === 0 ? sum : Math.fround(total + sum);
      }
      expect(got[out.offset + i * n + j]).toBe(total);
    }
  }
});

test('operands that were evicted come back, under a cache smaller than they are', () => {
  beginLaunch();
  const a = matrix('float32', [300, 400], 'contiguous', 1);
  const b = matrix('float32', [400, 200], 'contiguous', 2);
  beginLaunch();
  setCacheLimit(0);
  check(a, b, [300, 200]);
  setCacheLimit(64 * 2 ** 20, 3072 * 2 ** 20);
});

test('products of a batch share their packing room', () => {
  beginLaunch();
  const a = matrix('float32', [300, 20, 30], 'contiguous', 1);
  const b = matrix('float32', [300, 30, 160], 'contiguous', 2);
  check(a, b, [300, 20, 160]);
  expect(memoryStats().scratchBytes).toBeLessThan(4 * 2 ** 20);
});

test('NaN and infinity pass through, also beside empty places of a tile', () => {
  beginLaunch();
  const a = matrix('float32', [5, 3], 'contiguous', 1);
  const b = matrix('float32', [3, 20], 'contiguous', 2);
  writeBytes(a.storage, a.offset * 4, new Float32Array([Number.POSITIVE_INFINITY, 0, 0]));
  writeBytes(b.storage, b.offset * 4, new Float32Array([2, 0, Number.NaN]));
  const out = output('float32', [5, 20]);
  gemm(out, a, b);
  const got = Array.from(elements(out)).slice(out.offset);
  expect(got.slice(0, 3)).toEqual([Number.POSITIVE_INFINITY, Number.NaN, Number.NaN]);
  expect(got.slice(20, 100).filter(Number.isNaN)).toHaveLength(4);
});

test('other element types are refused', () => {
  beginLaunch();
  const bytes: Strided = { storage: allocate(16), shape: [2, 2], strides: [2, 1], offset: 0, dtype: 'uint8' };
  expect(() => gemm(bytes, bytes, bytes)).toThrow(DTypeError);
  expect(() => dot(bytes, bytes, bytes)).toThrow(/dot: not implemented for 'uint8'/);
});

describe('what is packed', () => {
  // It is multiplied along with the rest, and takes a hundred times as long where it is denormal, as small integers are.
  test.each(['float32', 'float64'] as const)('has nothing of what lay behind it before, %s', (dtype) => {
    const { packB, columns, bytes } = kernelsFor('matmul', dtype);
    const [k, xs] = [5, columns + 3];
    beginLaunch();
    const [from, to] = [scratch(xs * k * bytes), scratch(2 * columns * k * bytes)];
    const at = (byte: number, words: number) => i32().subarray(byte >>> 2, (byte >>> 2) + words);
    at(from, (xs * k * bytes) / 4).fill(7);
    at(to, (2 * columns * k * bytes) / 4).fill(1);
    packB(from, bytes, k * bytes, to, k, xs);
    const perRow = (columns * bytes) / 4;
    for (let row = 0; row < 2 * k; row++) {
      const held = row < k ? perRow : (3 * bytes) / 4;
      const expected = Array.from({ length: perRow }, (_, i) => (i < held ? 7 : 0));
      expect([...at(to + 4 * row * perRow, perRow)]).toEqual(expected);
    }
  });
});
