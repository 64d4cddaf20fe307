import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { writeBytes } from '../../src/backends/wasm/heap.ts';
import { type Fold, ReduceKernel } from '../../src/backends/wasm/reduce.ts';
import { type DType, dtypeInfo, dtypes, isFloat } from '../../src/core/dtype.ts';
import { numel } from '../../src/core/shape.ts';
import { arg, binary, compare, type Expr, unary } from '../../src/kernels/expr.ts';
import type { Strided } from '../../src/kernels/strided.ts';
import { contiguous, fill, forEachIndex, lay, layoutOf, room, values } from './strided.ts';

const folds: readonly Fold[] = ['sum', 'prod', 'max', 'min', 'any', 'all', 'argmax', 'argmin'];

function outDType(fold: Fold, dtype: DType): DType {
  if (fold === 'any' || fold === 'all') return 'bool';
  if (fold === 'argmax' || fold === 'argmin') return 'int32';
  return isFloat(dtype) ? dtype : 'int32';
}

const kernels = new Map<string, ReduceKernel>();
function kernelFor(fold: Fold, dtype: DType): ReduceKernel {
  const key = `${fold} ${dtype}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    const { compute } = dtypeInfo(dtype);
    kernel = new ReduceKernel({ name: key, fold, pre: arg(0), compute, ins: [dtype], out: outDType(fold, dtype) });
    kernels.set(key, kernel);
  }
  return kernel;
}

/** A sum whose rounding errors are carried along (Neumaier), so that it may judge others. */
function exactSum(xs: readonly number[]): number {
  let sum = 0;
  let lost = 0;
  for (const x of xs) {
    const next = sum + x;
    if (Number.isFinite(next)) lost += Math.abs(sum) >= Math.abs(x) ? sum - next + x : x - next + sum;
    sum = next;
  }
  return sum + lost;
}

/** The fold of numbers in order, in double precision. */
function reference(fold: Fold, xs: readonly number[]): number {
  const best = (better: (a: number, b: number) => boolean): number =>
    xs.reduce((at, x, i) => (Number.isNaN(xs[at]) ? at : Number.isNaN(x) || better(x, xs[at]) ? i : at), 0);
  const greatest = (): number => best((a, b) => a > b);
  const least = (): number => best((a, b) => a < b);
  switch (fold) {
    case 'sum':
      return exactSum(xs);
    case 'prod':
      return xs.reduce((a, b) => a * b, 1);
    case 'max':
      return xs[greatest()];
    case 'min':
      return xs[least()];
    case 'any':
      return Number(xs.some((x) => x !== 0));
    case 'all':
      return Number(xs.every((x) => x !== 0));
    case 'argmax':
      return greatest();
    case 'argmin':
      return least();
  }
}

const keptOf = (shape: readonly number[], axes: readonly number[]): number[] =>
  shape.filter((_, d) => !axes.includes(d));

/** Row-major elements of every output, in the order in which outputs lie. */
function groups(shape: readonly number[], axes: readonly number[], xs: readonly number[]): number[][] {
  const kept = keptOf(shape, axes);
  const out = Array.from({ length: numel(kept) }, (): number[] => []);
  forEachIndex(shape, (index, k) => {
    let at = 0;
    index.forEach((i, d) => {
      if (!axes.includes(d)) at = at * shape[d] + i;
    });
    out[at].push(xs[k]);
  });
  return out;
}

function reduce(fold: Fold, x: Strided, axes: readonly number[]): number[] {
  const out = room(outDType(fold, x.dtype), keptOf(x.shape, axes));
  kernelFor(fold, x.dtype).run(out, [x], x.shape, axes);
  return values(out);
}

/** The places that a fold finds, if what it says is there is there. */
function places(fold: 'argmax' | 'argmin', x: Strided, axes: readonly number[]): number[] {
  const kept = keptOf(x.shape, axes);
  const [out, there] = [room('int32', kept), room(x.dtype, kept)];
  kernelFor(fold, x.dtype).run(out, [x], x.shape, axes, [], there);
  const found = values(out);
  const parts = groups(x.shape, axes, values(x));
  expect(values(there).map((v) => v + 0)).toEqual(found.map((at, i) => parts[i][at] + 0));
  return found;
}

function near(a: number, b: number, tolerance: number): boolean {
  return Object.is(a, b) || a === b || Math.abs(a - b) <= tolerance * Math.max(1e-30, Math.abs(b));
}

function expectFolds(fold: Fold, x: Strided, axes: readonly number[]): void {
  const got = fold === 'argmax' || fold === 'argmin' ? places(fold, x, axes) : reduce(fold, x, axes);
  const parts = groups(x.shape, axes, values(x));
  expect(got.length).toBe(parts.length);
  got.forEach((value, i) => {
    const part = parts[i];
    const want = reference(fold, part);
    // Errors of a sum are relative to the sum of magnitudes.
    const scale = fold === 'sum' ? part.reduce((a, b) => a + Math.abs(b), 0) / (Math.abs(want) || 1) : part.length;
    const tolerance = 4 * dtypeInfo(x.dtype).eps * Math.max(1, Number.isFinite(scale) ? scale : 1);
    const ok = x.dtype === 'float32' ? near(value, Math.fround(want), tolerance) : near(value, want, tolerance);
    if (!ok && Object.is(value | 0, want | 0) && !isFloat(x.dtype)) return;
    expect(ok, `${fold} ${x.dtype} [${x.shape}] over [${axes}], output ${i}: got ${value}, want ${want}`).toBe(true);
  });
}

/** Numbers with ties and zeros that every dtype can hold. */
function plainNumbers(n: number, dtype: DType): number[] {
  const span = dtype === 'bool' ? 2 : dtype === 'uint8' ? 7 : 9;
  const low = dtype === 'int32' || isFloat(dtype) ? -4 : 0;
  let state = 12345 + n;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return low + ((state >>> 12) % span);
  });
}

const floatArray = (dtype: 'float32' | 'float64', x: number): Float32Array | Float64Array =>
  dtype === 'float32' ? Float32Array.of(x) : Float64Array.of(x);

const subsets = (rank: number): number[][] =>
  Array.from({ length: 2 ** rank }, (_, bits) => [...Array(rank).keys()].filter((d) => (bits >> d) & 1));

describe('every fold, dtype and set of axes', () => {
  for (const fold of folds) {
    it.each(dtypes)(`${fold} of %s`, (dtype) => {
      for (const shape of [
        [],
        [1],
        [3],
        [37],
        [4, 5],
        [7, 33],
        [33, 7],
        [3, 1, 5],
        [2, 9, 6],
        [3, 2, 4, 5],
        [2, 3, 2, 2, 3],
      ]) {
        const x = lay(dtype, shape, plainNumbers(numel(shape), dtype));
        for (const axes of subsets(shape.length)) expectFolds(fold, x, axes);
      }
    });
  }
});

describe('layouts', () => {
  const special = fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, -0, 1, -1, 2);
  const number = fc.oneof(
    { weight: 6, arbitrary: fc.float({ noNaN: true, min: -8, max: 8 }) },
    { weight: 1, arbitrary: special },
  );
  const cases = fc
    .array(fc.integer({ min: 1, max: 9 }), { maxLength: 5 })
    .filter((shape) => numel(shape) <= 1500)
    .chain((shape) =>
      fc.record({
        shape: fc.constant(shape),
        layout: layoutOf(shape.length),
        axes: fc.subarray(shape.map((_, d) => d)),
        numbers: fc.array(number, { minLength: 1, maxLength: 40 }),
        dtype: fc.constantFrom(...dtypes),
        fold: fc.constantFrom(...folds),
      }),
    );

  it('any layout gives the same folds', () => {
    fc.assert(
      fc.property(cases, ({ shape, layout, axes, numbers, dtype, fold }) => {
        const xs = Array.from({ length: numel(shape) }, (_, i) => numbers[(i * 7) % numbers.length]);
        const whole = (v: number): number =>
          Number.isFinite(v) ? Math.abs(Math.trunc(v)) % (dtype === 'bool' ? 2 : 3) : 1;
        // Long products stay within float32.
        const near1 = (v: number): number => (Number.isFinite(v) ? Math.sign(v) * (1 + v / 4096) : v);
        const fitting = !isFloat(dtype) ? xs.map(whole) : fold === 'prod' ? xs.map(near1) : xs;
        expectFolds(fold, lay(dtype, shape, fitting, layout), axes);
      }),
      { numRuns: 1500 },
    );
  });

  it('places of float64 extremes stay within their outputs, in whatever order those are walked', () => {
    const shape = [2, 6, 9, 5];
    const x = lay('float64', shape, plainNumbers(numel(shape), 'float64'), {
      order: [3, 1, 0, 2],
      gaps: [1, 1, 1, 1],
      offset: 0,
    });
    expectFolds('argmax', x, [3]);
    expectFolds('argmin', x, [3]);
  });

  it('broadcast inputs repeat', () => {
    const row = lay('float32', [5], [1, 2, 3, 4, 5]);
    for (const shape of [
      [3, 5],
      [40, 5],
      [2, 3, 5],
    ]) {
      const t = { ...row, shape, strides: [...shape.slice(1).map(() => 0), 1] };
      for (const axes of subsets(shape.length)) for (const fold of folds) expectFolds(fold, t, axes);
    }
    const column = { ...row, shape: [5, 70], strides: [1, 0] };
    for (const axes of subsets(2)) for (const fold of folds) expectFolds(fold, column, axes);
  });

  it('repeat along any dimensions, however short or wide rows are', () => {
    const shapes = [
      [1, 3, 4, 5],
      [7, 9],
      [4, 40],
      [5, 1100],
      [500, 5],
      [6, 2, 6],
      [4, 2, 1030],
    ];
    for (const dtype of ['float32', 'float64', 'int32'] as const)
      for (const shape of shapes)
        for (const repeated of subsets(shape.length)) {
          const own = shape.map((n, d) => (repeated.includes(d) ? 1 : n));
          const x = lay(
            dtype,
            own,
            Array.from({ length: numel(own) }, (_, i) => ((i * 7) % 5) - 2),
          );
          const strides = x.strides.map((s, d) => (repeated.includes(d) ? 0 : s));
          const seen: Strided = { ...x, shape, strides };
          for (const axes of subsets(shape.length).slice(1))
            for (const fold of ['sum', 'max', 'any'] as const) expectFolds(fold, seen, axes);
        }
  });

  it('long folds are cut into parts that join', () => {
    const cases: readonly (readonly [readonly number[], readonly number[]])[] = [
      [[300_001], [0]],
      [[3, 270_000], [1]],
      [[9_001, 5], [0]],
      [
        [5_000, 3, 30],
        [0, 2],
      ],
      [
        [70_000, 4],
        [0, 1],
      ],
      [[1_500, 3], [1]],
      [[2, 1_500], [0]],
    ];
    for (const [shape, axes] of cases) {
      const rank = shape.length;
      const layouts = [
        contiguous(rank),
        { ...contiguous(rank), gaps: shape.map((_, d) => 1 + (d % 2)) },
        { ...contiguous(rank), order: contiguous(rank).order.toReversed() },
      ];
      for (const [dtype, fold] of [
        ['float32', 'sum'],
        ['float64', 'sum'],
        ['float32', 'max'],
        ['float64', 'argmax'],
        ['int32', 'argmin'],
      ] as const) {
        const xs = plainNumbers(numel(shape), dtype);
        for (const layout of layouts) expectFolds(fold, lay(dtype, shape, xs, layout), axes);
      }
    }
  });
});

describe('outputs along dimensions that others lie between', () => {
  it('are folded in batches, whatever these have room for', () => {
    // Batches that fill a call's room exactly, nearly, or not at all; single ones; several loops around.
    const cases: readonly (readonly [readonly number[], readonly number[]])[] = [
      [[7, 2, 341], [1]],
      [[70, 2, 31], [1]],
      [[210, 2, 5], [1]],
      [[9, 5, 128], [1]],
      [[3, 2, 1023], [1]],
      [[3, 2, 1030], [1]],
      [
        [2, 20, 3, 7, 6],
        [1, 3],
      ],
      [[7, 3, 70, 4], [1]],
      [
        [5, 4, 6, 40],
        [0, 2],
      ],
      [[300, 6, 3], [1]],
    ];
    for (const [shape, axes] of cases) {
      const rank = shape.length;
      const layouts = [contiguous(rank), { ...contiguous(rank), order: [1, 0, ...contiguous(rank).order.slice(2)] }];
      for (const layout of layouts) {
        for (const dtype of ['float32', 'float64', 'int32'] as const) {
          const xs = plainNumbers(numel(shape), dtype);
          for (const fold of ['sum', 'argmin'] as const) expectFolds(fold, lay(dtype, shape, xs, layout), axes);
        }
      }
    }
  });
});

describe('wide rows folded some at a time', () => {
  it('leave out none, with NaNs and infinities in any of them', () => {
    for (const rows of [3, 8, 13, 15]) {
      for (const columns of [1024, 2050]) {
        for (const dtype of dtypes) {
          const xs = plainNumbers(rows * columns, dtype);
          for (const fold of ['sum', 'max', 'min', 'any'] as const) {
            expectFolds(fold, lay(dtype, [rows, columns], xs, { ...contiguous(2), offset: rows % 4 }), [0]);
          }
          if (!isFloat(dtype)) continue;
          for (let r = 0; r < rows; r++) {
            xs[r * columns + ((r * 97) % columns)] = r % 3 === 0 ? Number.NaN : r % 3 === 1 ? Infinity : -Infinity;
            xs[(r + 1) * columns - 1 - r] = r % 2 === 0 ? Infinity : Number.NaN;
          }
          for (const fold of ['max', 'min', 'sum'] as const) expectFolds(fold, lay(dtype, [rows, columns], xs), [0]);
        }
      }
    }
  });

  it('so do those of several operands, whose rows lie in the same places of a cache or not', () => {
    const centred = binary('sub', arg(0), arg(1));
    const pres = [binary('mul', centred, centred), binary('mul', arg(2), centred)];
    for (const fold of ['sum', 'max'] as const) {
      for (const [operands, pre] of [
        [2, pres[0]],
        [3, pres[1]],
      ] as const) {
        for (const dtype of ['float32', 'float64'] as const) {
          const { compute, eps } = dtypeInfo(dtype);
          const ins = new Array<DType>(operands).fill(dtype);
          const kernel = new ReduceKernel({ name: 'centred', fold, pre, compute, ins, out: dtype });
          for (const rows of [2, 7, 13]) {
            for (const columns of [1024, 1030, 2048]) {
              const shape = [rows, columns];
              const [xs, gs] = [0, 1].map((k) => plainNumbers(rows * columns + k, dtype));
              const means = plainNumbers(columns, dtype);
              xs[columns + 5] = Number.NaN;
              xs[columns + 6] = Infinity;
              const tensors = [lay(dtype, shape, xs), lay(dtype, [1, columns], means), lay(dtype, shape, gs)];
              const out = room(dtype, [columns]);
              kernel.run(out, tensors.slice(0, operands), shape, [0]);
              const terms = xs.map((x, i) => {
                const c = x - means[i % columns];
                return c * (operands === 2 ? c : gs[i]);
              });
              const want = groups(shape, [0], terms).map((g) => reference(fold, g));
              const bad = values(out).findIndex((v, i) => !near(v, want[i], 4 * eps * rows));
              expect(bad, `${fold} of ${operands} ${dtype} [${shape}]`).toBe(-1);
            }
          }
        }
      }
    }
  });
});

describe('short rows folded four at a time', () => {
  it('are those of their outputs, with NaNs and infinities at any place', () => {
    for (const length of [8, 9, 15, 16, 23, 33, 48, 64, 96]) {
      for (const rows of [4, 5, 6, 7, 9]) {
        for (const dtype of dtypes) {
          const xs = plainNumbers(rows * length, dtype);
          const lay2 = (): Strided => lay(dtype, [rows, length], xs, { ...contiguous(2), gaps: [1, 1 + (rows % 2)] });
          for (const fold of ['sum', 'max', 'min', 'all'] as const) expectFolds(fold, lay2(), [1]);
          if (!isFloat(dtype)) continue;
          for (let r = 0; r < rows; r += 2) {
            xs[r * length + ((r * 7 + 5) % length)] = r % 4 === 0 ? Number.NaN : Infinity;
            xs[(r + 1) * length - 1] = r % 4 === 0 ? Infinity : -Infinity;
          }
          for (const fold of ['max', 'min', 'sum'] as const) expectFolds(fold, lay(dtype, [rows, length], xs), [1]);
        }
      }
    }
  });

  it('also where outputs and folds have several loops', () => {
    const cases: readonly (readonly [readonly number[], readonly number[]])[] = [
      [
        [3, 5, 6, 20],
        [0, 3],
      ],
      [
        [30, 7, 2, 17],
        [2, 3],
      ],
      [
        [2, 1030, 12],
        [0, 2],
      ],
      [
        [300, 2, 5, 8],
        [1, 3],
      ],
    ];
    for (const [shape, axes] of cases) {
      const rank = shape.length;
      for (const order of [contiguous(rank).order, [1, 0, ...contiguous(rank).order.slice(2)]]) {
        for (const dtype of ['float32', 'float64'] as const) {
          const x = lay(dtype, shape, plainNumbers(numel(shape), dtype), { ...contiguous(rank), order });
          expectFolds('sum', x, axes);
          expectFolds('max', x, axes);
        }
      }
    }
  });
});

describe('folds of a few elements, made as maps', () => {
  const cases: readonly (readonly [readonly number[], readonly number[]])[] = [
    [[40, 2, 113], [1]],
    [[3, 2800], [0]],
    [[2100, 4], [1]],
    [
      [2, 2100, 2],
      [0, 2],
    ],
    [
      [7, 2, 301, 1, 2],
      [4, 1],
    ],
    [[5, 1, 1800], [1]],
    [[6, 5501], [0]],
    [[10, 8, 413], [1]],
    [[4200, 8], [1]],
    [[3, 13, 3100], [1]],
  ];
  it('are those of their outputs, whatever lies in them and wherever they lie', () => {
    for (const [shape, axes] of cases)
      for (const dtype of dtypes) {
        const xs = plainNumbers(numel(shape), dtype);
        const gaps = shape.map((_, d) => d % 2);
        for (const fold of folds) expectFolds(fold, lay(dtype, shape, xs, { ...contiguous(shape.length), gaps }), axes);
        if (!isFloat(dtype)) continue;
        for (let i = 0; i < xs.length; i += 5) xs[i] = [Number.NaN, Infinity, -Infinity, -0][i % 4];
        for (const fold of ['sum', 'prod', 'max', 'min'] as const) expectFolds(fold, lay(dtype, shape, xs), axes);
      }
  });

  it('take numbers, masks and operands that repeat', () => {
    const rows = 2100;
    const xs = plainNumbers(4 * rows, 'float32');
    const x = lay('float32', [rows, 4], xs);
    const spread = new ReduceKernel({
      name: 'spread',
      fold: 'sum',
      pre: binary('mul', binary('sub', arg(0), arg(1)), arg(2)),
      post: binary('div', arg(0), arg(1)),
      compute: 'f32',
      ins: ['float32', 'float32', 'scalar'],
      out: 'float32',
      postScalars: 1,
    });
    const out = room('float32', [rows]);
    spread.run(out, [x, lay('float32', [4], [1, 2, 3, 4]), 0.5], [rows, 4], [1], [8]);
    expect(values(out)).toEqual(groups([rows, 4], [1], xs).map((g) => (reference('sum', g) - 10) / 16));
    for (const [fold, dtype] of [
      ['sum', 'int32'],
      ['any', 'bool'],
      ['all', 'bool'],
    ] as const) {
      const pre = compare('gt', arg(0), arg(1));
      const kernel = new ReduceKernel({
        name: fold,
        fold,
        pre,
        compute: 'f32',
        ins: ['float32', 'scalar'],
        out: dtype,
      });
      const held = room(dtype, [rows]);
      kernel.run(held, [x, 1], [rows, 4], [1]);
      const truths = xs.map((v) => Number(v > 1));
      expect(values(held)).toEqual(groups([rows, 4], [1], truths).map((g) => reference(fold, g)));
    }
  });
});

describe('rows read at two places at once', () => {
  it('leave out no element and take none twice', () => {
    // Around the shortest, with every rest there is, and around the shortest of several parts and of equal ones.
    const sizes = [16_383, 16_384, 16_385, 16_447, 16_448, 16_511, 16_512, 100_001, 262_143, 262_144, 262_271, 524_417];
    for (const n of sizes) {
      for (const shape of [[n], [2, n]]) {
        for (const dtype of ['float32', 'int32'] as const) {
          // Powers of two in few places and their neighbours' sums are exact.
          const xs = Array.from({ length: numel(shape) }, (_, i) => (i % 3) - 1 + (i === n - 1 ? 1024 : 0));
          // Such sums are exact in every order.
          const sums = groups(shape, [shape.length - 1], xs).map((part) => part.reduce((a, b) => a + b, 0));
          expect([...reduce('sum', lay(dtype, shape, xs), [shape.length - 1])], `${dtype} [${shape}]`).toEqual(sums);
        }
      }
    }
  });

  it('find a NaN and the greatest at any place', () => {
    const n = 16_384 + 77;
    for (const at of [0, 63, 8191, 8192, 8255, 8256, 16_383, 16_384, n - 5, n - 1]) {
      for (const value of [Number.NaN, 3]) {
        const xs = new Array<number>(n).fill(-1);
        xs[at] = value;
        expectFolds('max', lay('float32', [n], xs), [0]);
      }
    }
  });
});

describe('special values', () => {
  it('max and min give NaN wherever it lies', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      for (const n of [1, 2, 3, 4, 5, 17, 64, 300, 1000]) {
        for (let at = 0; at < n; at += 1 + (n >> 4)) {
          const xs = plainNumbers(n, dtype);
          xs[at] = Number.NaN;
          const x = lay(dtype, [n], xs);
          const columns = lay(
            dtype,
            [n, 6],
            xs.flatMap((v) => [1, 2, v, 4, 5, v]),
          );
          for (const fold of ['max', 'min', 'argmax', 'argmin'] as const) {
            expectFolds(fold, x, [0]);
            expectFolds(fold, columns, [0]);
          }
        }
      }
    }
  });

  it('so they do in long rows, of which two runs are read side by side', () => {
    const n = 300_077;
    const xs = Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i)));
    xs[1234] = Number.POSITIVE_INFINITY;
    xs[1235] = Number.NEGATIVE_INFINITY;
    for (const dtype of ['float32', 'float64'] as const) {
      const x = lay(dtype, [n], xs, { ...contiguous(1), offset: 3 });
      expect([reduce('max', x, [0]), reduce('min', x, [0])]).toEqual([[Infinity], [-Infinity]]);
      for (const at of [0, 1234, 70_000, 149_999, 150_015, 150_016, 220_000, 300_031, 300_032, n - 1]) {
        writeBytes(x.storage, (3 + at) * dtypeInfo(dtype).bytes, floatArray(dtype, Number.NaN));
        expect([reduce('max', x, [0]), reduce('min', x, [0])]).toEqual([[Number.NaN], [Number.NaN]]);
        writeBytes(x.storage, (3 + at) * dtypeInfo(dtype).bytes, floatArray(dtype, xs[at]));
      }
    }
  });

  it('argmax and argmin give the first of equals, of infinities and of NaNs', () => {
    for (const dtype of ['float32', 'float64', 'int32'] as const) {
      const worst = dtype === 'int32' ? -(2 ** 31) : -Infinity;
      expect(places('argmax', lay(dtype, [700], new Array<number>(700).fill(worst)), [0])).toEqual([0]);
      expect(places('argmax', lay(dtype, [700, 5], new Array<number>(3500).fill(worst)), [0])).toEqual([0, 0, 0, 0, 0]);
      const xs = new Array<number>(2000).fill(1);
      for (const at of [1999, 1234, 600, 77, 3]) {
        xs[at] = 5;
        expect(places('argmax', lay(dtype, [2000], xs), [0])).toEqual([at]);
      }
    }
    const nans = new Array<number>(900).fill(0);
    nans[899] = Number.NaN;
    nans[450] = Number.NaN;
    expect(places('argmax', lay('float32', [900], nans), [0])).toEqual([450]);
    expect(places('argmin', lay('float64', [900], nans), [0])).toEqual([450]);
  });

  it('argmax and argmin of many short rows give the first as well, however short they are', () => {
    const rows = 37;
    for (const dtype of dtypes)
      for (const n of [1, 2, 7, 8, 9, 10, 16, 23, 24, 25, 31, 33, 64]) {
        const xs = plainNumbers(rows * n, dtype);
        // Rows that are all the worst there is, and rows with NaNs.
        if (isFloat(dtype)) {
          xs.fill(-Infinity, n, 2 * n)
            .fill(Infinity, 2 * n, 3 * n)
            .fill(Number.NaN, 3 * n, 4 * n);
          for (let k = 5 * n; k < xs.length; k += 11) xs[k] = Number.NaN;
        }
        for (const fold of ['argmax', 'argmin'] as const) {
          expectFolds(fold, lay(dtype, [rows, n], xs), [1]);
          expectFolds(fold, lay(dtype, [rows, n], xs, { order: [1, 0], gaps: [1, 2], offset: 1 }), [1]);
        }
      }
  });

  it('sums with infinities are infinite', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const xs = plainNumbers(1000, dtype);
      xs[500] = Infinity;
      expect(reduce('sum', lay(dtype, [1000], xs), [0])).toEqual([Infinity]);
      xs[700] = -Infinity;
      expect(reduce('sum', lay(dtype, [1000], xs), [0])).toEqual([Number.NaN]);
    }
  });

  it('empty folds are neutral elements, and no outputs are no work', () => {
    for (const dtype of dtypes) {
      const x = lay(dtype, [3, 0, 2], []);
      expect(reduce('sum', x, [1])).toEqual([0, 0, 0, 0, 0, 0]);
      expect(reduce('prod', x, [0, 1])).toEqual([1, 1]);
      expect(reduce('any', x, [0, 1, 2])).toEqual([0]);
      expect(reduce('all', x, [0, 1, 2])).toEqual([1]);
      expect(reduce('sum', x, [0])).toEqual([]);
      expect(reduce('max', x, [2])).toEqual([]);
    }
  });

  it('integer sums wrap around', () => {
    expect(reduce('sum', lay('int32', [3], [2 ** 31 - 1, 1, 1]), [0])).toEqual([-(2 ** 31) + 1]);
  });
});

describe('maps before and after', () => {
  it('maps several inputs, with scalars, and the result', () => {
    // sqrt(Σ (x − m)² · s) / c
    const difference = binary('sub', arg(0), arg(1));
    const kernel = new ReduceKernel({
      name: 'spread',
      fold: 'sum',
      pre: binary('mul', binary('mul', difference, difference), arg(2)),
      post: binary('div', unary('sqrt', arg(0)), arg(1)),
      compute: 'f64',
      ins: ['float64', 'float64', 'scalar'],
      out: 'float64',
      postScalars: 1,
    });
    const xs = Array.from({ length: 60 }, (_, i) => Math.sin(i));
    const ms = [1, 2, 3];
    for (const [mShape, mValues] of [
      [[3, 1], ms],
      [[1], [2]],
      [[], [2]],
    ] as const) {
      for (const axes of [[0], [1], [0, 1]]) {
        const out = room('float64', keptOf([3, 20], axes));
        kernel.run(out, [lay('float64', [3, 20], xs), lay('float64', mShape, mValues), 0.5], [3, 20], axes, [4]);
        const terms = xs.map((x, i) => (x - (mValues.length === 3 ? ms[Math.floor(i / 20)] : 2)) ** 2 * 0.5);
        const want = groups([3, 20], axes, terms).map((g) => Math.sqrt(reference('sum', g)) / 4);
        values(out).forEach((v, i) => {
          expect(v).toBeCloseTo(want[i], 12);
        });
      }
    }
  });

  it('counts what holds, and joins masks', () => {
    const xs = plainNumbers(1000, 'float32');
    const x = lay('float32', [10, 100], xs);
    const positive = compare('gt', arg(0), arg(1));
    const make = (fold: Fold, out: DType, pre: Expr): ReduceKernel =>
      new ReduceKernel({ name: 'positive', fold, pre, compute: 'f32', ins: ['float32', 'scalar'], out });
    for (const axes of [[0], [1], [0, 1]]) {
      const parts = groups([10, 100], axes, xs);
      const count = room('float32', keptOf([10, 100], axes));
      make('sum', 'float32', positive).run(count, [x, 2], [10, 100], axes);
      expect(values(count)).toEqual(parts.map((g) => g.filter((v) => v > 2).length));
      const any = room('bool', keptOf([10, 100], axes));
      make('any', 'bool', positive).run(any, [x, 3.5], [10, 100], axes);
      expect(values(any)).toEqual(parts.map((g) => Number(g.some((v) => v > 3.5))));
    }
  });

  it('computes in another type than it reads', () => {
    const bytes = lay('uint8', [3, 50], plainNumbers(150, 'uint8'));
    const mean = new ReduceKernel({
      name: 'mean',
      fold: 'sum',
      pre: arg(0),
      post: binary('div', arg(0), arg(1)),
      compute: 'f32',
      ins: ['uint8'],
      out: 'float32',
      postScalars: 1,
    });
    for (const axes of [[0], [1], [0, 1]]) {
      const parts = groups([3, 50], axes, values(bytes));
      const out = room('float32', keptOf([3, 50], axes));
      mean.run(out, [bytes], [3, 50], axes, [parts[0].length]);
      expect(values(out)).toEqual(parts.map((g) => Math.fround(reference('sum', g) / g.length)));
    }
  });

  it('maps with functions of many instructions', () => {
    const logsum = new ReduceKernel({
      name: 'sumExp',
      fold: 'sum',
      pre: unary('exp', binary('sub', arg(0), arg(1))),
      compute: 'f64',
      ins: ['float64', 'float64'],
      out: 'float64',
    });
    const xs = Array.from({ length: 35 * 41 }, (_, i) => Math.sin(i));
    for (const axes of [[0], [1]]) {
      const out = room('float64', keptOf([35, 41], axes));
      logsum.run(out, [lay('float64', [35, 41], xs), lay('float64', [35, 1], new Array(35).fill(0.5))], [35, 41], axes);
      const want = groups(
        [35, 41],
        axes,
        xs.map((x) => Math.exp(x - 0.5)),
      ).map((g) => reference('sum', g));
      values(out).forEach((v, i) => {
        expect(v).toBeCloseTo(want[i], 10);
      });
    }
  });
});

describe('accuracy', () => {
  /** Numbers in [0, 1) and their sum by Neumaier's method. */
  function randoms(n: number, round: (x: number) => number): { xs: Float64Array; sum: number } {
    const xs = new Float64Array(n);
    let state = 1;
    let sum = 0;
    let error = 0;
    for (let i = 0; i < n; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const x = round(state / 2 ** 32);
      xs[i] = x;
      const t = sum + x;
      error += Math.abs(sum) >= Math.abs(x) ? sum - t + x : x - t + sum;
      sum = t;
    }
    return { xs, sum: sum + error };
  }

  it('sums ten million float32 to the last bits', () => {
    const n = 10_000_000;
    const { xs, sum } = randoms(n, Math.fround);
    const x = room('float32', [n]);
    fill(x, Float32Array.from(xs));
    const [all] = reduce('sum', x, [0]);
    expect(Math.abs(all - sum) / sum).toBeLessThan(1e-7);
    for (const shape of [
      [1000, 10_000],
      [1_000_000, 10],
    ]) {
      const [byColumns] = [reduce('sum', { ...x, shape, strides: [shape[1], 1] }, [0])];
      const total = byColumns.reduce((a, b) => a + b, 0);
      expect(Math.abs(total - sum) / sum).toBeLessThan(1e-7);
    }
    // A constant that float32 does not hold well is the hard case: its errors all go the same way.
    fill(x, new Float32Array(n).fill(0.1));
    const [tenths] = reduce('sum', x, [0]);
    expect(Math.abs(tenths / (n * Math.fround(0.1)) - 1)).toBeLessThan(5e-7);
  });

  it('sums a million float64 to the last bit', () => {
    const n = 1_000_000;
    const { xs, sum } = randoms(n, (x) => x);
    const x = room('float64', [n]);
    fill(x, xs);
    expect(Math.abs(reduce('sum', x, [0])[0] - sum) / sum).toBeLessThan(4e-16);
  });
});
