import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  argsort,
  countNonzero,
  cummax,
  cummin,
  cumprod,
  cumsum,
  flip,
  gather,
  indexAdd,
  indexCopy,
  indexFill,
  indexSelect,
  maskedSelect,
  nonzero,
  recurrence,
  scatter,
  scatterAdd,
  selectRank,
  sort,
  topk,
  tril,
  triu,
} from '../../src/backends/wasm/indexing.ts';
import { type DType, dtypes, isFloat } from '../../src/core/dtype.ts';
import { IndexError } from '../../src/core/errors.ts';
import { numel } from '../../src/core/shape.ts';
import type { Strided } from '../../src/kernels/strided.ts';
import { fill, forEachIndex, type Layout, lay, layoutOf, room, values } from './strided.ts';

/** A tensor as plain numbers, with a reader by index. */
interface Plain {
  readonly shape: readonly number[];
  readonly data: number[];
}

const at = (shape: readonly number[], index: readonly number[]): number =>
  index.reduce((place, i, d) => place * shape[d] + i, 0);

/** A shape, layouts for several tensors of its rank, a dimension of it, and a dtype. */
const cases = (minRank: number) =>
  fc
    .array(fc.integer({ min: 1, max: 7 }), { minLength: minRank, maxLength: 4 })
    .filter((shape) => numel(shape) <= 600)
    .chain((shape) =>
      fc.record({
        shape: fc.constant(shape as readonly number[]),
        layouts: fc.tuple(layoutOf(shape.length), layoutOf(shape.length), layoutOf(shape.length)),
        dim: fc.nat({ max: Math.max(0, shape.length - 1) }),
        dtype: fc.constantFrom(...dtypes),
        seed: fc.nat(1000),
      }),
    );

/** Whole numbers that every dtype holds, with many ties. */
function numbers(n: number, dtype: DType, seed: number, span = 7): number[] {
  let state = seed * 7919 + 17;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const x = (state >>> 12) % (dtype === 'bool' ? 2 : span);
    return isFloat(dtype) || dtype === 'int32' ? x - 3 : x;
  });
}

const indexNumbers = (n: number, below: number, seed: number): number[] =>
  numbers(n, 'uint8', seed + 5, 1000).map((x) => x % below);

const plus = (dtype: DType, a: number, b: number): number =>
  dtype === 'bool' ? Number(a !== 0 || b !== 0) : dtype === 'uint8' ? (a + b) & 0xff : a + b;

/** A tensor over the same memory that starts with these values and can be written to. */
const target = (dtype: DType, shape: readonly number[], data: readonly number[], layout: Layout): Strided =>
  lay(dtype, shape, data, layout);

describe('moves along an index', () => {
  it('gathers', () => {
    fc.assert(
      fc.property(cases(1), fc.integer({ min: 1, max: 5 }), ({ shape, layouts, dim, dtype, seed }, n) => {
        const indexShape = shape.with(dim, n);
        const x: Plain = { shape, data: numbers(numel(shape), dtype, seed) };
        const index = indexNumbers(numel(indexShape), shape[dim], seed);
        const out = target(dtype, indexShape, numbers(numel(indexShape), dtype, 1), layouts[0]);
        gather(out, lay(dtype, shape, x.data, layouts[1]), lay('int32', indexShape, index, layouts[2]), dim);
        const want: number[] = [];
        forEachIndex(indexShape, (i, k) => want.push(x.data[at(shape, i.with(dim, index[k]))]));
        expect(values(out)).toEqual(want);
      }),
      { numRuns: 300 },
    );
  });

  it('scatters tensors and numbers, and adds', () => {
    const kinds = ['tensor', 'number', 'add'] as const;
    fc.assert(
      fc.property(
        cases(1),
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom(...kinds),
        ({ shape, layouts, dim, dtype, seed }, n, kind) => {
          const indexShape = shape.with(dim, n);
          const index = indexNumbers(numel(indexShape), shape[dim], seed);
          const src = numbers(numel(indexShape), dtype, seed + 1);
          const want = numbers(numel(shape), dtype, seed);
          const out = target(dtype, shape, want, layouts[0]);
          const source = lay(dtype, indexShape, src, layouts[1]);
          const indices = lay('int32', indexShape, index, layouts[2]);
          if (kind === 'add') scatterAdd(out, dim, indices, source);
          else scatter(out, dim, indices, kind === 'number' ? 1 : source);
          const touched = new Map<number, number[]>();
          forEachIndex(indexShape, (i, k) => {
            const place = at(shape, i.with(dim, index[k]));
            touched.set(place, [...(touched.get(place) ?? []), src[k]]);
          });
          const got = values(out);
          for (const [place, from] of touched) {
            if (kind === 'add') want[place] = from.reduce((a, b) => plus(dtype, a, b), want[place]);
            else if (kind === 'number') want[place] = 1;
            else {
              // Any of several that name the same place may stay.
              expect(from).toContain(got[place]);
              want[place] = got[place];
            }
          }
          expect(got).toEqual(want);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('selects, adds, copies and fills slices', () => {
    const kinds = ['select', 'add', 'scaled', 'copy', 'fill'] as const;
    fc.assert(
      fc.property(
        cases(1),
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(...kinds),
        fc.boolean(),
        ({ shape, layouts, dim, dtype, seed }, n, kind, wide) => {
          // A long last dimension makes slices move as vectors.
          const whole = wide && dim < shape.length - 1 ? shape.with(-1, 21) : shape;
          const sliced = whole.with(dim, n);
          const distinct = kind === 'copy';
          const picks = distinct
            ? indexNumbers(n, whole[dim], seed).filter((v, i, all) => all.indexOf(v) === i)
            : indexNumbers(n, whole[dim], seed);
          const picked = sliced.with(dim, picks.length);
          const index = lay('int32', [picks.length], picks, { order: [0], gaps: [1 + (seed % 2)], offset: seed % 3 });
          const data = numbers(numel(whole), dtype, seed);
          const src = numbers(numel(picked), dtype, seed + 1);
          const tensor = target(dtype, whole, data, layouts[0]);
          const slices = lay(dtype, picked, src, layouts[1]);
          if (kind === 'select') {
            const out = target(dtype, picked, src, layouts[1]);
            indexSelect(out, tensor, dim, index);
            const want: number[] = [];
            forEachIndex(picked, (i) => want.push(data[at(whole, i.with(dim, picks[i[dim]]))]));
            expect(values(out)).toEqual(want);
            return;
          }
          if (kind === 'add') indexAdd(tensor, dim, index, slices);
          else if (kind === 'scaled') indexAdd(tensor, dim, index, slices, dtype === 'bool' ? 1 : 2);
          else if (kind === 'copy') indexCopy(tensor, dim, index, slices);
          else indexFill(tensor, dim, index, 1);
          forEachIndex(picked, (i, k) => {
            const place = at(whole, i.with(dim, picks[i[dim]]));
            if (kind === 'add') data[place] = plus(dtype, data[place], src[k]);
            else if (kind === 'scaled') data[place] = plus(dtype, data[place], dtype === 'bool' ? src[k] : 2 * src[k]);
            else data[place] = kind === 'copy' ? src[k] : 1;
          });
          expect(values(tensor)).toEqual(data);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('refuses indices out of range, negative ones too', () => {
    const x = lay('float32', [3, 4], numbers(12, 'float32', 1));
    const bad = (index: number): Strided => lay('int32', [2, 4], [0, 1, 2, 0, 1, 2, 0, index]);
    const out = room('float32', [2, 4]);
    expect(() => gather(out, x, bad(5), 0)).toThrow(IndexError);
    expect(() => gather(out, x, bad(5), 0)).toThrow('index 5 is out of bounds for dimension 0 with size 3');
    expect(() => gather(out, x, bad(-1), 0)).toThrow('index -1 is out of bounds for dimension 0 with size 3');
    expect(() => scatterAdd(x, 0, bad(3), out)).toThrow('index 3 is out of bounds for dimension 0 with size 3');
    const rows = lay('int32', [2], [0, 4]);
    expect(() => indexSelect(room('float32', [3, 2]), x, 1, rows)).toThrow('index out of range in self');
    expect(() => indexAdd(x, 1, rows, room('float32', [3, 2]))).toThrow(IndexError);
    expect(() => indexSelect(room('float32', [2, 4]), x, 0, rows)).toThrow('index 4 is out of bounds for dimension 0');
  });

  it('nothing to move is no work', () => {
    const x = lay('float32', [3, 4], numbers(12, 'float32', 1));
    indexSelect(room('float32', [0, 4]), x, 0, lay('int32', [0], []));
    gather(room('float32', [0, 4]), x, lay('int32', [0, 4], []), 0);
    indexAdd(x, 0, lay('int32', [0], []), room('float32', [0, 4]));
    expect(values(x)).toEqual(numbers(12, 'float32', 1));
  });
});

describe('selections by condition', () => {
  it('counts, compacts and finds what is not zero', () => {
    fc.assert(
      fc.property(cases(0), fc.constantFrom(...dtypes), ({ shape, layouts, dtype, seed }, maskDType) => {
        const mask = numbers(numel(shape), maskDType, seed, 4).map((v) => (v === -3 ? 0 : v));
        if (isFloat(maskDType) && mask.length > 2) mask[2] = Number.NaN;
        const data = numbers(numel(shape), dtype, seed + 1);
        const m = lay(maskDType, shape, mask, layouts[0]);
        const count = mask.filter((v) => v !== 0).length;
        expect(countNonzero(m)).toBe(count);
        const out = room(dtype, [count]);
        maskedSelect(out, lay(dtype, shape, data, layouts[1]), m, shape);
        expect(values(out)).toEqual(data.filter((_, k) => mask[k] !== 0));
        const places = room('int32', [count, shape.length]);
        nonzero(places, m);
        const want: number[] = [];
        forEachIndex(shape, (i, k) => {
          if (mask[k] !== 0) want.push(...i);
        });
        expect(values(places)).toEqual(want);
      }),
      { numRuns: 300 },
    );
  });

  it('broadcasts mask and input, and leaves what lies behind the output', () => {
    const x = lay('float32', [3, 1], [1, 2, 3]);
    const mask = lay('bool', [2], [1, 0]);
    expect(countNonzero(mask, [3, 2])).toBe(3);
    const memory = room('float32', [8]);
    fill(memory, new Float32Array(8).fill(9));
    maskedSelect({ ...memory, shape: [3] }, x, mask, [3, 2]);
    expect(values(memory)).toEqual([1, 2, 3, 9, 9, 9, 9, 9]);
  });
});

/** The lines along `dim`, as lists of row-major places. */
function lines(shape: readonly number[], dim: number): number[][] {
  const out = new Map<number, number[]>();
  forEachIndex(shape, (i, k) => {
    const line = shape.length === 0 ? 0 : at(shape, i.with(dim, 0));
    out.set(line, [...(out.get(line) ?? []), k]);
  });
  return [...out.values()];
}

describe('selection', () => {
  it('finds what a stable sort puts at a rank, NaN last', () => {
    const choices = ['rank', 'median', 'nanmedian'] as const;
    fc.assert(
      fc.property(
        cases(0),
        fc.constantFrom(...choices),
        fc.constantFrom(1, 40, 300),
        fc.nat(1000),
        ({ shape, layouts, dim, dtype, seed }, choice, length, pick) => {
          const whole = shape.length === 1 ? [length] : shape;
          const wide = seed % 2 === 1 && (isFloat(dtype) || dtype === 'int32');
          const data = numbers(numel(whole), dtype, seed, wide ? 100_000 : 7);
          if (isFloat(dtype) && seed % 3 === 0) for (let k = seed % 7; k < data.length; k += 5) data[k] = Number.NaN;
          const kept = whole.length === 0 ? whole : whole.with(dim, 1);
          const rank = pick % (whole[dim] ?? 1);
          const out = target(dtype, kept, numbers(numel(kept), dtype, 1), layouts[0]);
          const places = target('int32', kept, new Array<number>(numel(kept)).fill(-1), layouts[2]);
          selectRank(out, places, lay(dtype, whole, data, layouts[1]), dim, choice, rank);
          const want: number[] = [];
          const order = (a: number, b: number): number =>
            Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b;
          for (const line of lines(whole, dim)) {
            const sorted = line.map((k, i) => ({ x: data[k], i })).sort((a, b) => order(a.x, b.x));
            const n = line.length;
            const numbersIn = sorted.filter((e) => !Number.isNaN(e.x)).length;
            let at = rank;
            if (choice === 'median') at = numbersIn < n ? numbersIn : (n - 1) >> 1;
            if (choice === 'nanmedian') at = Math.max(0, (numbersIn - 1) >> 1);
            want.push(sorted[at].i);
          }
          // Lines come in the order of their first elements: that of the outputs.
          expect(values(places)).toEqual(want);
          const all = lines(whole, dim).map((line, k) => data[line[want[k]]]);
          expect(values(out)).toEqual(all);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('scans', () => {
  const scans = { cumsum, cumprod } as const;
  const runningOf = {
    cummax: [cummax, (a: number, b: number) => a >= b],
    cummin: [cummin, (a: number, b: number) => a <= b],
  } as const;

  it('sums and products run on', () => {
    fc.assert(
      fc.property(
        cases(0),
        fc.constantFrom('cumsum', 'cumprod'),
        fc.boolean(),
        ({ shape, layouts, dim, dtype, seed }, name, wide) => {
          const whole = wide && shape.length > 0 ? shape.with(-1, 19) : shape;
          const outDType = isFloat(dtype) ? dtype : 'int32';
          const data = numbers(numel(whole), dtype, seed, 3).map((v) => (name === 'cumprod' && v < 0 ? v + 1 : v));
          const out = target(outDType, whole, numbers(numel(whole), outDType, 1), layouts[0]);
          scans[name](out, lay(dtype, whole, data, layouts[1]), dim);
          const want = new Array<number>(data.length);
          for (const line of lines(whole, dim)) {
            let run = name === 'cumsum' ? 0 : 1;
            for (const k of line) {
              run = name === 'cumsum' ? run + data[k] : run * data[k];
              want[k] = outDType === 'int32' ? run | 0 : outDType === 'float32' ? Math.fround(run) : run;
            }
          }
          expect(values(out).map((v) => v + 0)).toEqual(want.map((v) => v + 0));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('extremes run on and tell where they stand', () => {
    fc.assert(
      fc.property(
        cases(0),
        fc.constantFrom('cummax', 'cummin'),
        fc.boolean(),
        ({ shape, layouts, dim, dtype, seed }, name, wide) => {
          const whole = wide && shape.length > 0 ? shape.with(-1, 19) : shape;
          const data = numbers(numel(whole), dtype, seed);
          if (isFloat(dtype) && data.length > 9 && seed % 3 === 0) data.fill(Number.NaN, 7, 9);
          const out = target(dtype, whole, numbers(numel(whole), dtype, 1), layouts[0]);
          const places = target('int32', whole, new Array(data.length).fill(0), layouts[2]);
          const [scan, holds] = runningOf[name];
          scan(out, places, lay(dtype, whole, data, layouts[1]), dim);
          const want = new Array<number>(data.length);
          const wantPlaces = new Array<number>(data.length);
          for (const line of lines(whole, dim)) {
            let best = 0;
            line.forEach((k, i) => {
              const x = data[k];
              const y = data[line[best]];
              if (Number.isNaN(x) || (!Number.isNaN(y) && holds(x, y))) best = i;
              want[k] = data[line[best]];
              wantPlaces[k] = best;
            });
          }
          expect(values(out)).toEqual(want);
          expect(values(places)).toEqual(wantPlaces);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('recurrences and sums run on, from either end', () => {
    const reversed = (t: Strided, dim: number): Strided =>
      t.shape.length === 0
        ? t
        : {
            ...t,
            strides: t.strides.with(dim, -t.strides[dim]),
            offset: t.offset + (t.shape[dim] - 1) * t.strides[dim],
          };
    fc.assert(
      fc.property(
        cases(0),
        fc.constantFrom('float32', 'float64'),
        fc.constantFrom('recurrence', 'cumsum'),
        fc.boolean(),
        ({ shape, layouts, dim, seed }, dtype, name, back) => {
          const data = numbers(numel(shape), dtype, seed, 5);
          const factors = numbers(numel(shape), dtype, seed + 1, 5);
          const out = target(dtype, shape, numbers(numel(shape), dtype, 1), layouts[0]);
          const turn = (t: Strided): Strided => (back ? reversed(t, dim) : t);
          const input = turn(lay(dtype, shape, data, layouts[1]));
          if (name === 'recurrence') recurrence(turn(out), turn(lay(dtype, shape, factors, layouts[2])), input, dim);
          else cumsum(turn(out), input, dim);
          const want = new Array<number>(data.length);
          for (const line of lines(shape, dim)) {
            let run = 0;
            for (const k of back ? line.toReversed() : line) {
              run = name === 'recurrence' ? factors[k] * run + data[k] : run + data[k];
              want[k] = dtype === 'float32' ? Math.fround(run) : run;
            }
          }
          values(out).forEach((v, k) => {
            if (!(Math.abs(v - want[k]) <= 2e-7 * Math.max(1, Math.abs(want[k]))))
              expect.fail(`at ${k}: ${v}, not ${want[k]}`);
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('long float32 sums stay exact to the last bit, infinities and NaN go on', () => {
    const n = 100_000;
    const xs = Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i) + 0.5));
    const x = lay('float32', [n], xs);
    const out = room('float32', [n]);
    cumsum(out, x, 0);
    let sum = 0;
    values(out).forEach((v, i) => {
      sum += xs[i];
      if (Math.abs(v - sum) > 6e-8 * Math.abs(sum) + 1e-10) expect.fail(`at ${i}: ${v} instead of ${sum}`);
    });
    for (const dtype of ['float32', 'float64'] as const) {
      const special = lay(dtype, [7], [1, Infinity, 2, -Infinity, 3, Number.NaN, 1]);
      const run = room(dtype, [7]);
      cumsum(run, special, 0);
      expect(values(run)).toEqual([1, Infinity, Infinity, Number.NaN, Number.NaN, Number.NaN, Number.NaN]);
    }
    // One by one there is no overflow.
    const large = room('float64', [4]);
    cumprod(large, lay('float64', [4], [0.5, 1e-300, 1e200, 1e200]), 0);
    expect(values(large)).toEqual([0.5, 0.5 * 1e-300, 0.5 * 1e-300 * 1e200, 0.5 * 1e-300 * 1e200 * 1e200]);
  });

  describe('of long lines, in pieces', () => {
    /** Lines that end with a piece, and before or behind one. */
    const lengths = [65_663, 65_664, 65_665, 131_329, 2_200_003];
    const far = (n: number): number[] => [0, 1, 8207, 8208, 32_831, 32_832, n - 1].filter((k) => k < n);

    it.each(lengths)('%s elements: integers are exact, forwards, backwards and with a stride', (n) => {
      for (const dtype of ['int32', 'float32', 'float64'] as const) {
        const data = numbers(n, dtype, n, 5).map((v) => Math.round(v));
        const want = new Array<number>(n);
        let run = 0;
        data.forEach((v, k) => {
          run += v;
          want[k] = run;
        });
        const out = room(dtype, [n]);
        const same = (): boolean => values(out).every((v, k) => v === want[k]);
        cumsum(out, lay(dtype, [n], data), 0);
        expect(same()).toBe(true);
        const turned = lay(dtype, [n], data.toReversed());
        const back = { ...turned, strides: [-1], offset: turned.offset + n - 1 };
        cumsum(out, back, 0);
        expect(same()).toBe(true);
        const pairs = lay(
          dtype,
          [n, 2],
          data.flatMap((v) => [v, -v]),
        );
        const both = room(dtype, [2, n]);
        cumsum(both, { ...pairs, shape: [2, n], strides: [1, 2] }, 1);
        const found = values(both);
        for (const k of far(n)) expect([found[k] + 0, 0 - found[n + k]]).toEqual([want[k] + 0, want[k] + 0]);
      }
    });

    it('extremes and where they stand, ties and NaN', () => {
      const n = 100_001;
      for (const dtype of ['uint8', 'int32', 'float32', 'float64'] as const) {
        for (const [name, [scan, holds]] of Object.entries(runningOf)) {
          const data = numbers(n, dtype, 7, 100).map((v, k) => (k > 40_000 && k < 90_000 ? 1 : v));
          if (isFloat(dtype)) data.fill(Number.NaN, 95_000, 95_010);
          const [out, places] = [room(dtype, [n]), room('int32', [n])];
          scan(out, places, lay(dtype, [n], data), 0);
          let best = 0;
          const where = data.map((x, k) => {
            const y = data[best];
            if (Number.isNaN(x) || (!Number.isNaN(y) && holds(x, y))) best = k;
            return best;
          });
          expect(values(places), `${name} of ${dtype}`).toEqual(where);
          expect(values(out)).toEqual(where.map((k) => data[k]));
        }
      }
    });

    it('recurrences, also with factors that grow beyond all numbers', () => {
      const n = 70_003;
      for (const dtype of ['float32', 'float64'] as const) {
        for (const factor of [(k: number) => Math.sin(k), (k: number) => (k < 50_000 ? 1e9 : -0.5)]) {
          const a = Array.from({ length: n }, (_, k) => Math.fround(factor(k)));
          const x = Array.from({ length: n }, (_, k) => (a[k] > 1 ? 0 : Math.fround(Math.cos(3 * k))));
          const out = room(dtype, [n]);
          recurrence(out, lay(dtype, [n], a), lay(dtype, [n], x), 0);
          let run = 0;
          values(out).forEach((v, k) => {
            run = a[k] * run + x[k];
            const want = dtype === 'float32' ? Math.fround(run) : run;
            if (v !== want && !(Math.abs(v - want) <= 2e-7 * Math.abs(want) + 1e-12))
              expect.fail(`at ${k}: ${v}, not ${want}`);
          });
        }
      }
    });

    it('what leaves the range of numbers does so where it would one by one', () => {
      const n = 200_000;
      const special: Record<string, readonly [typeof cumsum, (k: number) => number]> = {
        'sums that overflow in pieces': [
          cumsum,
          (k) => (k === 10 ? -1.5e308 : k > 40_000 && k % 30_000 === 7 ? 3e307 : 0),
        ],
        'a sum that overflows and would come back': [
          cumsum,
          (k) => ({ 9000: 1.7e308, 9001: 1.7e308, 9003: -1.7e308, 9005: -1.7e308 })[k] ?? 1,
        ],
        infinities: [cumsum, (k) => ({ 70000: Infinity, 150000: -Infinity })[k] ?? 1],
        NaN: [cumsum, (k) => (k === 123_456 ? Number.NaN : 1)],
        'products near one': [cumprod, (k) => 1 + Math.sin(k) / 1000],
        'products that vanish': [cumprod, (k) => Math.sin(k)],
        'products that grow, and then a zero': [cumprod, (k) => (k === 100_000 ? 0 : 1.5)],
        'products that vanish and would come back': [
          cumprod,
          (k) => (k < 3000 ? 0.5 : k < 150_000 ? 1 : k < 153_000 ? 2 : 1),
        ],
        'a piece that leaves the range from one on': [
          cumprod,
          (k) => (k < 1000 ? 2 : k > 9000 && k <= 10_050 ? 0.5 : k > 11_000 && k <= 12_050 ? 2 : 1),
        ],
      };
      for (const [name, [scan, f]] of Object.entries(special)) {
        for (const dtype of ['float32', 'float64'] as const) {
          const data = Array.from({ length: n }, (_, k) => (dtype === 'float32' ? Math.fround(f(k)) : f(k)));
          const out = room(dtype, [n]);
          scan(out, lay(dtype, [n], data), 0);
          let run = scan === cumsum ? 0 : 1;
          values(out).forEach((v, k) => {
            run = scan === cumsum ? run + data[k] : run * data[k];
            const want = dtype === 'float32' ? Math.fround(run) : run;
            if (
              !Object.is(v + 0, want + 0) &&
              !(Math.abs(v - want) <= 1e-9 * Math.abs(want)) &&
              !(dtype === 'float32' && Math.abs(v - want) <= 6e-8 * Math.abs(want))
            )
              expect.fail(`${name}, ${dtype}, at ${k}: ${v}, not ${want}`);
          });
        }
      }
    });
  });

  it('many columns are scanned in tiles', () => {
    const shape = [3, 2_500];
    for (const dtype of ['float32', 'float64', 'int32'] as const) {
      const data = numbers(numel(shape), dtype, 3);
      const out = room(dtype, shape);
      cumsum(out, lay(dtype, shape, data), 0);
      expect(values(out)).toEqual(
        data.map((v, k) => v + (k >= 2500 ? data[k - 2500] : 0) + (k >= 5000 ? data[k - 5000] : 0)),
      );
      const best = room(dtype, shape);
      const where = room('int32', shape);
      cummax(best, where, lay(dtype, shape, data), 0);
      expect(values(best).slice(5000)).toEqual(data.slice(5000).map((v, k) => Math.max(v, data[k], data[k + 2500])));
    }
  });
});

describe('sorting', () => {
  /** NaN after everything, and equal elements as they came. */
  function order(xs: readonly number[], descending: boolean): number[] {
    const rank = (v: number): number => (Number.isNaN(v) ? Infinity : v);
    const before = (a: number, b: number): number => {
      const nan = Number(Number.isNaN(xs[a])) - Number(Number.isNaN(xs[b]));
      const difference = nan !== 0 ? nan : rank(xs[a]) === rank(xs[b]) ? 0 : rank(xs[a]) - rank(xs[b]);
      return descending ? -difference : difference;
    };
    return xs.map((_, i) => i).sort(before);
  }

  it('sorts along any dimension of any layout', () => {
    fc.assert(
      fc.property(cases(0), fc.boolean(), ({ shape, layouts, dim, dtype, seed }, descending) => {
        const data = numbers(numel(shape), dtype, seed);
        if (isFloat(dtype) && data.length > 3) data.splice(0, 4, Number.NaN, -Infinity, -0, Infinity);
        const x = lay(dtype, shape, data, layouts[0]);
        const out = target(dtype, shape, data, layouts[1]);
        const places = target('int32', shape, new Array(data.length).fill(0), layouts[2]);
        sort(out, places, x, dim, descending);
        const only = target('int32', shape, new Array(data.length).fill(0), layouts[2]);
        argsort(only, x, dim, descending);
        const got = values(out);
        const gotPlaces = values(places);
        expect(values(only)).toEqual(gotPlaces);
        const seen = new Set<number>();
        forEachIndex(shape, (i) => {
          const line = shape.length === 0 ? 0 : at(shape, i.with(dim, 0));
          if (seen.has(line)) return;
          seen.add(line);
          const size = shape[dim] ?? 1;
          const ks = Array.from({ length: size }, (_, j) => (shape.length === 0 ? 0 : at(shape, i.with(dim, j))));
          const xs = ks.map((k) => data[k]);
          const want = order(xs, descending);
          expect(ks.map((k) => gotPlaces[k])).toEqual(want);
          expect(ks.map((k) => got[k])).toEqual(want.map((p) => xs[p]));
        });
      }),
      { numRuns: 300 },
    );
  });

  it.each(dtypes)('sorts long rows of %s', (dtype) => {
    for (const n of [48, 49, 100, 1000, 20_000]) {
      const xs = isFloat(dtype)
        ? Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * i) * 10 ** ((i % 60) - 30)))
        : dtype === 'int32'
          ? Array.from({ length: n }, (_, i) => Math.imul(i, 2654435761) | 0)
          : numbers(n, dtype, n, 200);
      if (isFloat(dtype)) xs.splice(10, 3, Number.NaN, -0, 0);
      for (const descending of [false, true]) {
        const out = room(dtype, [n]);
        const places = room('int32', [n]);
        sort(out, places, lay(dtype, [n], xs), 0, descending);
        const want = order(xs, descending);
        expect(values(places)).toEqual(want);
        expect(values(out)).toEqual(want.map((p) => xs[p]));
      }
    }
  });

  it('finds the k largest and smallest', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...dtypes),
        fc.integer({ min: 1, max: 3000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.boolean(),
        fc.constantFrom('mixed', 'rising', 'falling'),
        (dtype, n, share, largest, kind) => {
          const k = Math.max(1, Math.round(n * share ** 4));
          const xs = numbers(2 * n, dtype, n, 200);
          if (kind === 'rising') xs.sort((a, b) => a - b);
          if (kind === 'falling') xs.sort((a, b) => b - a);
          if (isFloat(dtype)) xs[n >> 1] = Number.NaN;
          const out = room(dtype, [2, k]);
          const places = room('int32', [2, k]);
          topk(out, places, lay(dtype, [2, n], xs), 1, k, largest);
          const rows = [xs.slice(0, n), xs.slice(n)].map((row) => ({ row, want: order(row, largest).slice(0, k) }));
          expect(values(places)).toEqual(rows.flatMap(({ want }) => want));
          expect(values(out)).toEqual(rows.flatMap(({ row, want }) => want.map((p) => row[p])));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('takes rows of every length in vectors and what is left of them', () => {
    const extremes: Partial<Record<DType, readonly number[]>> = {
      float32: [Number.NaN, -0, 0, Infinity, -Infinity, 2 ** -149, -(2 ** -149)],
      float64: [Number.NaN, -0, 0, Infinity, -Infinity, 5e-324, -5e-324],
      int32: [-(2 ** 31), 2 ** 31 - 1, -1, 0],
    };
    for (const dtype of dtypes) {
      const special = extremes[dtype] ?? [0, 1];
      for (let n = 1; n <= 70; n += n < 20 ? 1 : 9) {
        const xs = numbers(3 * n, dtype, n, 200).map((x, i) => ((i * 7) % 5 < 2 ? special[i % special.length] : x));
        const rows = [0, n, 2 * n].map((from) => xs.slice(from, from + n));
        for (const layout of [undefined, { order: [1, 0], gaps: [1, 1], offset: 1 }]) {
          for (const k of [Math.min(n, 3), Math.min(n, 8), n]) {
            const out = room(dtype, [3, k]);
            const places = room('int32', [3, k]);
            topk(out, places, lay(dtype, [3, n], xs, layout), 1, k, n % 2 === 0);
            const wants = rows.map((row) => order(row, n % 2 === 0).slice(0, k));
            expect(values(places)).toEqual(wants.flat());
            expect(values(out)).toEqual(rows.flatMap((row, r) => wants[r].map((p) => row[p])));
          }
        }
      }
    }
  });

  it('keeps the first of equals and orders NaN, for lists on either side of what is kept in order', () => {
    for (const dtype of dtypes) {
      for (const k of [1, 2, 8, 9, 10, 23, 24, 25, 26, 64]) {
        for (const largest of [true, false]) {
          for (const shift of [0, 50]) {
            const xs = Array.from({ length: 100 }, (_, i) => {
              const x = dtype === 'bool' ? i % 2 : Math.floor((((i + shift) % 100) * (shift > 0 ? 1 : 37)) / 3) % 30;
              return isFloat(dtype) && i % 17 === 5 ? Number.NaN : x;
            });
            const out = room(dtype, [1, k]);
            const places = room('int32', [1, k]);
            topk(out, places, lay(dtype, [1, 100], xs), 1, k, largest);
            const key = (i: number): number => (Number.isNaN(xs[i]) ? Number.POSITIVE_INFINITY : xs[i]);
            const all = xs
              .map((_, i) => i)
              .sort((i, j) => {
                const order = key(i) === key(j) ? 0 : key(i) < key(j) ? -1 : 1;
                return (largest ? -order : order) || i - j;
              });
            expect(values(places)).toEqual(all.slice(0, k));
            expect(values(out)).toEqual(all.slice(0, k).map((i) => xs[i]));
          }
        }
      }
    }
  });
});

describe('rearranging', () => {
  it('flips lines of every length, of every width of element', () => {
    for (const dtype of dtypes) {
      for (let n = 1; n <= 40; n++) {
        const xs = numbers(3 * n, dtype, n);
        const rows = [xs.slice(0, n), xs.slice(n, 2 * n), xs.slice(2 * n)];
        const x = lay(dtype, [3, n], xs);
        const flipped = (dims: readonly number[]): number[] => {
          const out = room(dtype, [3, n]);
          flip(out, x, dims);
          return values(out);
        };
        expect(flipped([0])).toEqual(rows.toReversed().flat());
        expect(flipped([1])).toEqual(rows.flatMap((row) => row.toReversed()));
        expect(flipped([0, 1])).toEqual(xs.toReversed());
      }
    }
  });

  it('takes triangles', () => {
    fc.assert(
      fc.property(cases(2), fc.integer({ min: -9, max: 9 }), fc.boolean(), ({ shape, dtype, seed }, k, lower) => {
        const data = numbers(numel(shape), dtype, seed);
        const out = room(dtype, shape);
        (lower ? tril : triu)(out, lay(dtype, shape, data), k);
        const want: number[] = [];
        forEachIndex(shape, (i, place) => {
          const diagonal = i[shape.length - 1] - i[shape.length - 2];
          want.push((lower ? diagonal <= k : diagonal >= k) ? data[place] : 0);
        });
        expect(values(out)).toEqual(want);
      }),
      { numRuns: 300 },
    );
    const wide = numbers(40 * 50, 'float32', 1);
    const out = room('float32', [40, 50]);
    tril(out, lay('float32', [40, 50], wide), 3);
    expect(values(out)).toEqual(wide.map((v, p) => ((p % 50) - Math.floor(p / 50) <= 3 ? v : 0)));
  });

  it('flips', () => {
    fc.assert(
      fc.property(cases(1), fc.nat(15), ({ shape, layouts, dtype, seed }, bits) => {
        const dims = shape.map((_, d) => d).filter((d) => (bits >> d) & 1);
        const data = numbers(numel(shape), dtype, seed);
        const out = target(dtype, shape, data, layouts[0]);
        flip(out, lay(dtype, shape, data, layouts[1]), dims);
        const want: number[] = [];
        forEachIndex(shape, (i) =>
          want.push(
            data[
              at(
                shape,
                i.map((v, d) => (dims.includes(d) ? shape[d] - 1 - v : v)),
              )
            ],
          ),
        );
        expect(values(out)).toEqual(want);
      }),
      { numRuns: 200 },
    );
  });
});
