import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { maxPool, type Reach } from '../../src/backends/wasm/pool.ts';
import { resample } from '../../src/backends/wasm/resample.ts';
import { unpoolAdding } from '../../src/backends/wasm/unpool.ts';
import { DTypeError, IndexError } from '../../src/core/errors.ts';
import { contiguousStrides, numel } from '../../src/core/shape.ts';
import { Taps } from '../../src/kernels/taps.ts';
import { forEachIndex, lay, room, values } from './strided.ts';

const flat = (index: readonly number[], shape: readonly number[]): number =>
  index.reduce((at, i, d) => at * shape[d] + i, 0);

// ─── maxima ──────────────────────────────────────────────────────────────────────────────────────

const reachFor: fc.Arbitrary<Reach> = fc
  .record({ size: fc.integer({ min: 1, max: 9 }), step: fc.integer({ min: 1, max: 2 }) })
  .chain(({ size, step }) =>
    fc
      .array(
        fc
          .integer({ min: 0, max: size - 1 })
          .chain((s) => fc.tuple(fc.constant(s), fc.integer({ min: 1, max: Math.ceil((size - s) / step) }))),
        { minLength: 1, maxLength: 6 },
      )
      .map((windows) => ({ size, step, start: windows.map(([s]) => s), count: windows.map(([, n]) => n) })),
  );

/** PyTorch's loop: a larger element or a NaN takes the place of what was found. */
function maximaOf(numbers: readonly number[], planes: number, reach: readonly Reach[]) {
  const sizes = reach.map((r) => r.size);
  const outputs = reach.map((r) => r.start.length);
  const found: { value: number; index: number }[] = [];
  for (let p = 0; p < planes; p++) {
    const plane = numbers.slice(p * numel(sizes), (p + 1) * numel(sizes));
    forEachIndex(outputs, (o) => {
      const first = flat(
        reach.map((r, d) => r.start[o[d]]),
        sizes,
      );
      const best = { value: plane[first], index: first };
      forEachIndex(
        reach.map((r, d) => r.count[o[d]]),
        (i) => {
          const at = flat(
            reach.map((r, d) => r.start[o[d]] + i[d] * r.step),
            sizes,
          );
          if (!(plane[at] > best.value) && !Number.isNaN(plane[at])) return;
          best.value = plane[at];
          best.index = at;
        },
      );
      found.push(best);
    });
  }
  return found;
}

describe('maxima of windows', () => {
  for (const dtype of ['float32', 'float64', 'int32', 'uint8'] as const) {
    it(`${dtype}, with ties and NaN`, () => {
      const special = dtype.startsWith('float') ? [Number.NaN, Infinity, -Infinity, -0] : [];
      const number = fc.oneof(
        fc.integer({ min: 0, max: 4 }),
        ...(special.length > 0 ? [fc.constantFrom(...special)] : []),
      );
      const task = fc.record({
        planes: fc.integer({ min: 0, max: 3 }),
        reach: fc.array(reachFor, { minLength: 1, maxLength: 3 }),
      });
      fc.assert(
        fc.property(
          task.chain(({ planes, reach }) => {
            const n = planes * numel(reach.map((r) => r.size));
            return fc.record({
              planes: fc.constant(planes),
              reach: fc.constant(reach),
              numbers: fc.array(number, { minLength: n, maxLength: n }),
            });
          }),
          ({ planes, reach, numbers }) => {
            const shape = [planes, ...reach.map((r) => r.start.length)];
            const [y, k] = [room(dtype, shape), room('int32', shape)];
            maxPool('max', y, k, lay(dtype, [planes, ...reach.map((r) => r.size)], numbers), reach);
            const expected = maximaOf(numbers, planes, reach);
            expect(values(y)).toEqual(expected.map((f) => f.value));
            expect(values(k)).toEqual(expected.map((f) => f.index));
          },
        ),
        { numRuns: 60 },
      );
    });
  }

  it('are the same for windows taken together', () => {
    // As in most poolings: windows alike, but for those at the ends.
    const regular = fc
      .record({
        size: fc.integer({ min: 1, max: 40 }),
        kernel: fc.integer({ min: 1, max: 5 }),
        stride: fc.integer({ min: 1, max: 4 }),
        step: fc.integer({ min: 1, max: 3 }),
        offset: fc.integer({ min: 0, max: 2 }),
      })
      .map(({ size, kernel, stride, step, offset }): Reach => {
        const n = Math.max(1, Math.floor((size - 1 + offset) / stride));
        const places = Array.from({ length: n }, (_, o) => o * stride - offset);
        const start = places.map((s) => Math.min(size - 1, s < 0 ? 0 : s));
        const count = start.map((s) => Math.min(kernel, Math.ceil((size - s) / step)));
        return { size, start, count, step };
      });
    const odd = [Number.NaN, 3, 3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    fc.assert(
      fc.property(regular, fc.integer({ min: 1, max: 3 }), fc.nat(), (last, height, seed) => {
        const rows: Reach = { size: height, start: [height - 1, 0], count: [1, height], step: 1 };
        const numbers = Array.from({ length: 2 * height * last.size }, (_, i) => {
          const n = (Math.imul(i + seed, 2654435761) >>> 8) % 50;
          return odd[n] ?? n;
        });
        const shape = [2, 2, last.start.length];
        const [y, k] = [room('float32', shape), room('int32', shape)];
        maxPool('max', y, k, lay('float32', [2, height, last.size], numbers), [rows, last]);
        const expected = maximaOf(numbers, 2, [rows, last]);
        expect(values(y)).toEqual(expected.map((f) => f.value));
        expect(values(k)).toEqual(expected.map((f) => f.index));
      }),
      { numRuns: 200 },
    );
  });

  it('are not there for truth values', () => {
    const reach = [{ size: 1, start: [0], count: [1], step: 1 }];
    const x = lay('bool', [1], [1]);
    expect(() => maxPool('max', room('bool', [1]), room('int32', [1]), x, reach)).toThrow(DTypeError);
  });
});

// ─── picked elements brought back ────────────────────────────────────────────────────────────────

describe('elements added to the places that indices name', () => {
  const cases = [
    { lead: [3, 2], places: [5, 7], elements: [2, 3] },
    { lead: [4], places: [1], elements: [9] },
    { lead: [1], places: [3, 1, 5], elements: [4, 4, 2] },
    { lead: [2], places: [2, 8], elements: [1, 1] },
    { lead: [0], places: [2, 3], elements: [1, 2] },
  ];
  for (const dtype of ['float32', 'float64'] as const) {
    it(dtype, () => {
      for (const { lead, places, elements } of cases) {
        const [inY, inX] = [numel(places), numel(elements)];
        const planes = numel(lead);
        const numbers = Array.from({ length: planes * inX }, (_, i) => (i % 11) - 5);
        const at = numbers.map((_, i) => (i * i + 3 * i) % inY);
        const expected = new Array<number>(planes * inY).fill(0);
        numbers.forEach((n, i) => {
          expected[Math.floor(i / inX) * inY + at[i]] += n;
        });
        const shape = [...lead, ...elements];
        const y = room(dtype, [...lead, ...places]);
        unpoolAdding(y, lay(dtype, shape, numbers), lay('int32', shape, at), places.length);
        expect(values(y)).toEqual(expected);
      }
    });
  }

  it('are refused where there is no such place, and for whole numbers', () => {
    for (const index of [-1, 6]) {
      const put = () => unpoolAdding(room('float32', [2, 6]), lay('float32', [2, 1], [1, 2]), at, 1);
      const at = lay('int32', [2, 1], [0, index]);
      expect(put).toThrow(IndexError);
    }
    const none = lay('int32', [1, 1], [0]);
    expect(() => unpoolAdding(room('int32', [1, 1]), none, none, 1)).toThrow(DTypeError);
  });
});

// ─── weighted sums ───────────────────────────────────────────────────────────────────────────────

const tapsFor: fc.Arbitrary<Taps> = fc.integer({ min: 1, max: 6 }).chain((inputs) => {
  const tap = fc.tuple(fc.integer({ min: 0, max: inputs - 1 }), fc.integer({ min: -3, max: 3 }));
  return fc.array(fc.array(tap, { maxLength: 5 }), { maxLength: 7 }).map((rows) => Taps.of(inputs, rows));
});

function summed(numbers: readonly number[], rows: number, inner: number, taps: Taps): number[] {
  const y = new Array<number>(rows * taps.outputs * inner).fill(0);
  for (let r = 0; r < rows; r++) {
    for (let o = 0; o < taps.outputs; o++) {
      for (let t = taps.start[o]; t < taps.start[o + 1]; t++) {
        for (let i = 0; i < inner; i++)
          y[(r * taps.outputs + o) * inner + i] +=
            taps.weight[t] * numbers[(r * taps.inputs + taps.index[t]) * inner + i];
      }
    }
  }
  return y;
}

describe('weighted sums along a dimension', () => {
  for (const dtype of ['float32', 'float64', 'int32'] as const) {
    it(dtype, () => {
      // Along the last dimension, rows go in groups and what is left of them alone.
      const inner = fc.oneof(fc.constant(1), fc.integer({ min: 0, max: 40 }));
      const sizes = { rows: fc.integer({ min: 0, max: 11 }), inner, taps: tapsFor };
      fc.assert(
        fc.property(fc.record(sizes), ({ rows, inner, taps }) => {
          const numbers = Array.from({ length: rows * taps.inputs * inner }, (_, i) => ((i * 7) % 11) - 5);
          const x = lay(dtype, [rows, taps.inputs, inner], numbers);
          const y = room(dtype, [rows, taps.outputs, inner]);
          resample('resample', y, x, 1, taps);
          expect(values(y).map((n) => n + 0)).toEqual(summed(numbers, rows, inner, taps).map((n) => n + 0));
        }),
        { numRuns: 200 },
      );
    });
  }

  it('of windows', () => {
    const taps = Taps.ofWindows(5, [0, 1, 4, 2], [2, 3, 1, 0]);
    expect(taps).toEqual(
      Taps.of(5, [
        [
          [0, 1],
          [1, 1],
        ],
        [
          [1, 1],
          [2, 1],
          [3, 1],
        ],
        [[4, 1]],
        [],
      ]),
    );
  });

  it('are those of few and of many elements behind the dimension', () => {
    for (const dtype of ['float32', 'float64', 'int32'] as const) {
      for (const counts of ['111111111', '22221333303', '4444422222222', '1', '00001']) {
        const row = (count: number, o: number) =>
          Array.from({ length: count }, (_, k) => [(3 * o + 2 * k) % 7, k + 1] as const);
        const taps = Taps.of(
          7,
          [...counts].map((c, o) => row(Number(c), o)),
        );
        for (const inner of [1, 16, 19]) {
          const numbers = Array.from({ length: 3 * 7 * inner }, (_, i) => ((i * 7) % 11) - 5);
          const y = room(dtype, [3, taps.outputs, inner]);
          resample('resample', y, lay(dtype, [3, 7, inner], numbers), 1, taps);
          expect(values(y).map((n) => n + 0)).toEqual(summed(numbers, 3, inner, taps).map((n) => n + 0));
        }
      }
    }
  });

  it('transpose twice into themselves', () => {
    fc.assert(
      fc.property(tapsFor, (taps) => {
        const rows = Array.from({ length: taps.outputs }, () => new Array<number>(taps.inputs).fill(0));
        const columns = Array.from({ length: taps.inputs }, () => new Array<number>(taps.outputs).fill(0));
        const add = (m: number[][], t: Taps): void => {
          for (let o = 0; o < t.outputs; o++)
            for (let k = t.start[o]; k < t.start[o + 1]; k++) m[o][t.index[k]] += t.weight[k];
        };
        add(rows, taps);
        add(columns, taps.transposed);
        expect(columns).toEqual(columns.map((c, i) => c.map((_, o) => rows[o][i])));
        expect(taps.transposed.transposed).toBe(taps);
      }),
    );
  });

  it('are not there for bytes', () => {
    const taps = Taps.of(1, [[[0, 1]]]);
    const x = lay('uint8', [1], [1]);
    expect(x.strides).toEqual(contiguousStrides([1]));
    expect(() => resample('avgPool1d', room('uint8', [1]), x, 0, taps)).toThrow(
      "avgPool1d: not implemented for 'uint8'",
    );
  });
});
