import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countNonzero, type Join, maskedScatter, put, scatterJoin, take } from '../../src/backends/wasm/indexing.ts';
import { dtypes, isFloat } from '../../src/core/dtype.ts';
import { numel } from '../../src/core/shape.ts';
import { contiguous, forEachIndex, lay, layoutOf, values } from './strided.ts';

const at = (shape: readonly number[], index: readonly number[]): number =>
  index.reduce((place, i, d) => place * shape[d] + i, 0);

/** Whole numbers that every dtype holds. */
const numbers = (n: number, seed: number, span: number): number[] =>
  Array.from({ length: n }, (_, k) => (Math.imul(k + 1, 2654435761) >>> (7 + (seed % 9))) % span);

/** A tensor, some of its dimensions, and the shape and layout of an index of them. */
const cases = fc
  .record({ rank: fc.integer({ min: 1, max: 4 }), indexRank: fc.integer({ min: 0, max: 2 }) })
  .chain(({ rank, indexRank }) =>
    fc.record({
      shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: rank, maxLength: rank }),
      dims: fc.subarray([...new Array(rank).keys()], { minLength: 1 }),
      indexShape: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: indexRank, maxLength: indexRank }),
      indexLayout: layoutOf(indexRank + 1),
      layouts: fc.tuple(layoutOf(rank), fc.nat(9)),
      dtype: fc.constantFrom(...dtypes),
      seed: fc.nat(100),
      inFront: fc.boolean(),
    }),
  );

describe('moves along several dimensions at once', () => {
  it('takes and puts, with negative indices', () => {
    fc.assert(
      fc.property(cases, fc.constantFrom('take', 'put', 'add'), (c, kind) => {
        const { shape, dims, indexShape, dtype, seed } = c;
        const rest = shape.map((_, d) => d).filter((d) => !dims.includes(d));
        const place = c.inFront ? 0 : rest.filter((d) => d < dims[0]).length;
        const span = dtype === 'bool' ? 2 : 50;
        // Each row of the index runs over the sizes of its dimension, from both ends.
        const rows = dims.map((d, k) => numbers(numel(indexShape), seed + k, 2 * shape[d]).map((i) => i - shape[d]));
        const index = lay('int32', [dims.length, ...indexShape], rows.flat(), c.indexLayout);
        const outer = rest.map((d) => shape[d]);
        const result = [...outer.slice(0, place), ...indexShape, ...outer.slice(place)];
        const data = numbers(numel(shape), seed, span);
        const src = numbers(numel(result), seed + 3, span);
        const x = lay(dtype, shape, data, c.layouts[0]);
        const y = lay(dtype, result, src);
        const indexed = { dims, at: place };
        if (kind === 'take') take(y, x, index, indexed);
        else put(x, index, y, indexed, kind === 'add');
        const want = kind === 'take' ? src.slice() : data.slice();
        const written = new Map<number, number[]>();
        forEachIndex(result, (i, k) => {
          const chosen = at(indexShape, i.slice(place, place + indexShape.length));
          const others = [...i.slice(0, place), ...i.slice(place + indexShape.length)];
          const full = shape.map((n, d) => {
            const row = dims.indexOf(d);
            return row < 0 ? others[rest.indexOf(d)] : (rows[row][chosen] + n) % n;
          });
          const from = at(shape, full);
          if (kind === 'take') want[k] = data[from];
          else if (kind === 'put') written.set(from, [...(written.get(from) ?? []), src[k]]);
          else {
            const sum = want[from] + src[k];
            want[from] = dtype === 'bool' ? Number(sum !== 0) : dtype === 'uint8' ? sum & 255 : sum;
          }
        });
        const got = values(kind === 'take' ? y : x);
        // Of several values for one place any may stay.
        for (const [from, of] of written) {
          expect(of).toContain(got[from]);
          want[from] = got[from];
        }
        expect(got).toEqual(want);
      }),
      { numRuns: 600 },
    );
  });

  it('says which index is out of range, and of which dimension', () => {
    const x = lay('float32', [3, 4], numbers(12, 1, 9));
    const out = lay('float32', [2], [0, 0]);
    const bad = (rows: number[]) => () => take(out, x, lay('int32', [2, 2], rows), { dims: [0, 1], at: 0 });
    expect(bad([0, 3, 0, 0])).toThrow('index 3 is out of bounds for dimension 0 with size 3');
    expect(bad([0, -4, 0, 0])).toThrow('index -4 is out of bounds for dimension 0 with size 3');
    expect(bad([0, 1, 0, 4])).toThrow('index 4 is out of bounds for dimension 1 with size 4');
    expect(bad([0, 1, 0, -5])).toThrow('index -5 is out of bounds for dimension 1 with size 4');
    expect(bad([0, 1, 0, -(2 ** 31)])).toThrow('out of bounds for dimension 1 with size 4');
    bad([-3, 2, -4, 3])();
    expect(values(out)).toEqual([values(x)[0], values(x)[11]]);
  });
});

describe('joins along an index', () => {
  const joins: Readonly<Record<Exclude<Join, 'scaled'>, (a: number, b: number) => number>> = {
    add: (a, b) => a + b,
    mul: (a, b) => a * b,
    max: Math.max,
    min: Math.min,
  };

  it('adds, multiplies and compares', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...(Object.keys(joins) as Exclude<Join, 'scaled'>[])),
        fc.constantFrom(...dtypes),
        fc.integer({ min: 1, max: 40 }),
        layoutOf(2),
        fc.boolean(),
        fc.nat(50),
        (join, dtype, columns, layout, slices, seed) => {
          const span = dtype === 'bool' ? 2 : 4;
          const low = dtype === 'bool' || dtype === 'uint8' ? 0 : -2;
          const some = (n: number, s: number): number[] => numbers(n, s, span).map((v) => v + low);
          const data = some(3 * columns, seed);
          const src = some(4 * columns, seed + 1);
          const index = numbers(slices ? 4 : 4 * columns, seed + 2, 3);
          const x = lay(dtype, [3, columns], data, layout);
          const laid = lay('int32', [4, slices ? 1 : columns], index);
          const spread = slices ? { ...laid, shape: [4, columns], strides: [1, 0] } : laid;
          scatterJoin(join, x, 0, spread, lay(dtype, [4, columns], src));
          src.forEach((v, k) => {
            const to = index[slices ? Math.floor(k / columns) : k] * columns + (k % columns);
            const joined = joins[join](data[to], v);
            data[to] = dtype === 'bool' ? Number(joined !== 0) : dtype === 'uint8' ? joined & 255 : joined;
          });
          expect(values(x).map((v) => v + 0)).toEqual(data.map((v) => v + 0));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('carries NaN on', () => {
    for (const dtype of dtypes.filter(isFloat)) {
      for (const join of ['max', 'min'] as const) {
        const x = lay(dtype, [4], [1, Number.NaN, 3, 0]);
        scatterJoin(join, x, 0, lay('int32', [4], [0, 1, 2, 3]), lay(dtype, [4], [Number.NaN, 1, 2, -1]));
        expect(values(x)).toEqual([Number.NaN, Number.NaN, join === 'max' ? 3 : 2, join === 'max' ? 0 : -1]);
      }
    }
  });
});

describe('filling in by condition', () => {
  it('writes one after the other where the mask holds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 3 }).chain((shape) =>
          fc.record({
            shape: fc.constant(shape),
            layout: layoutOf(shape.length),
            maskLayout: layoutOf(shape.length),
            dtype: fc.constantFrom(...dtypes),
            maskDType: fc.constantFrom(...dtypes),
            seed: fc.nat(50),
          }),
        ),
        ({ shape, layout, maskLayout, dtype, maskDType, seed }) => {
          const mask = numbers(numel(shape), seed, 2);
          const data = numbers(numel(shape), seed + 1, dtype === 'bool' ? 2 : 50);
          const out = lay(dtype, shape, data, layout);
          const m = lay(maskDType, shape, mask, maskLayout);
          const count = countNonzero(m);
          const src = numbers(count + 1, seed + 2, dtype === 'bool' ? 2 : 50);
          maskedScatter(out, m, lay(dtype, [count + 1], src, contiguous(1)));
          let next = 0;
          expect(values(out)).toEqual(data.map((v, k) => (mask[k] === 0 ? v : src[next++])));
        },
      ),
      { numRuns: 300 },
    );
  });
});
