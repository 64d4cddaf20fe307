import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { emitExprs } from '../../src/backends/wasm/emit.ts';
import { FunctionBody } from '../../src/backends/wasm/encoder.ts';
import { readBytes } from '../../src/backends/wasm/heap.ts';
import { computeFor, MapKernel } from '../../src/backends/wasm/map.ts';
import { type DType, dtypeInfo, dtypes } from '../../src/core/dtype.ts';
import { numel } from '../../src/core/shape.ts';
import {
  arg,
  type BinaryOp,
  binary,
  type CompareOp,
  compare,
  constant,
  type Expr,
  type LogicOp,
  logic,
  maskArg,
  not,
  type ScalarFunction,
  select,
  type UnaryOp,
  unary,
} from '../../src/kernels/expr.ts';
import type { Strided } from '../../src/kernels/strided.ts';
import { interpret } from '../kernels/interpret.ts';
import { contiguous, forEachIndex, type Layout, lay, layoutOf, room, values } from './strided.ts';

const fn = (args: number, ...outs: Expr[]): ScalarFunction => ({
  name: 'test',
  args: new Array<'value'>(args).fill('value'),
  outs,
});
const range = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i);

/** What storing a number as a dtype leaves of it; uint8 wraps around. */
function stored(x: number, dtype: DType): number {
  switch (dtype) {
    case 'bool':
      return x !== 0 ? 1 : 0;
    case 'uint8':
      return Math.trunc(x) & 0xff;
    case 'int32':
      return Math.trunc(x);
    case 'float32':
      return Math.fround(x);
    case 'float64':
      return x;
  }
}

/** An element of `t` broadcast to a shape that ends in its own. */
function broadcastValues(t: Strided, shape: readonly number[]): number[] {
  const own = values(t);
  const out: number[] = [];
  forEachIndex(shape, (index) => {
    let k = 0;
    t.shape.forEach((n, d) => {
      k = k * n + (n === 1 ? 0 : index[shape.length - t.shape.length + d]);
    });
    out.push(own[k]);
  });
  return out;
}

/** The storage's bytes, and after a write to `t` whether only its elements have changed. */
function guard(t: Strided): () => boolean {
  const { nbytes } = t.storage;
  const before = readBytes(t.storage, 0, nbytes);
  return () => {
    const after = readBytes(t.storage, 0, nbytes);
    const { bytes } = dtypeInfo(t.dtype);
    const own = new Set<number>();
    forEachIndex(t.shape, (index) => {
      own.add(t.offset + index.reduce((at, i, d) => at + i * t.strides[d], 0));
    });
    return after.every((byte, i) => byte === before[i] || own.has(Math.floor(i / bytes)));
  };
}

describe('conversions', () => {
  const samples: Readonly<Record<DType, readonly number[]>> = {
    bool: [0, 1, 1, 0, 1, 0, 0],
    uint8: [0, 1, 2, 127, 128, 200, 255],
    int32: [0, 1, -1, 300, -70_000, 2 ** 31 - 1, -(2 ** 31), 16_777_217],
    float32: [0, 1.5, -1.5, 255.9, 1e-40, -200.25, 70_000.5],
    float64: [0, 1.5, -1.5, 255.9, 0.1, -200.25, 70_000.7, 1e-300],
  };
  for (const from of dtypes) {
    for (const to of dtypes) {
      it(`${from} to ${to}, in every layout and length`, () => {
        const kernel = new MapKernel(fn(1, arg(0)), computeFor(from, to), [from], [to]);
        const some = samples[from];
        for (let n = 0; n <= 19; n++) {
          const xs = range(n).map((i) => some[i % some.length]);
          const expected = xs.map((x) => stored(stored(x, from), to));
          for (const gaps of [1, 2]) {
            const layout: Layout = { order: [0], gaps: [gaps], offset: gaps };
            const x = lay(from, [n], xs, layout);
            for (const out of [lay(to, [n], range(n), layout), room(to, [n])]) {
              const untouched = guard(out);
              kernel.run([out], [x]);
              expect(values(out)).toEqual(expected);
              expect(untouched()).toBe(true);
            }
          }
        }
      });
    }
  }

  it('makes 1 and 0 of truth values, whatever computes them', () => {
    for (const compute of ['f32', 'f64', 'i32'] as const) {
      const from = compute === 'f32' ? 'float32' : compute === 'f64' ? 'float64' : 'int32';
      for (const to of dtypes) {
        const kernel = new MapKernel(fn(1, compare('gt', arg(0), 2)), compute, [from], [to]);
        const out = lay(to, [7], range(7), { order: [0], gaps: [1], offset: 3 });
        kernel.run([out], [lay(from, [7], [1, 2, 3, 4, -5, 6, 0])]);
        expect(values(out)).toEqual([0, 0, 1, 1, 0, 1, 0]);
      }
    }
  });

  it('compares and turns over truth values', () => {
    const [equal, unequal] = [compare('eq', arg(0), arg(1)), compare('ne', arg(0), arg(1))];
    for (const dtype of ['bool', 'uint8'] as const) {
      const kernels = [fn(2, equal), fn(2, unequal), fn(1, compare('eq', arg(0), 0))].map(
        (f) =>
          new MapKernel(
            f,
            'i32',
            f.args.map(() => dtype),
            ['bool'],
          ),
      );
      const some = dtype === 'bool' ? [0, 1, 1, 0, 1] : [0, 3, 1, 255, 2, 1];
      for (let n = 0; n <= 70; n++) {
        const [xs, ys] = [range(n).map((i) => some[i % some.length]), range(n).map((i) => some[(i * 3) % 4])];
        const expected = [
          xs.map((x, i) => Number(x === ys[i])),
          xs.map((x, i) => Number(x !== ys[i])),
          xs.map((x) => Number(x === 0)),
        ];
        kernels.forEach((kernel, k) => {
          const out = lay('bool', [n], range(n), { order: [0], gaps: [1], offset: 3 });
          const untouched = guard(out);
          kernel.run([out], k < 2 ? [lay(dtype, [n], xs), lay(dtype, [n], ys)] : [lay(dtype, [n], xs)]);
          expect(values(out)).toEqual(expected[k]);
          expect(untouched()).toBe(true);
        });
      }
    }
  });

  it('takes NaN for true', () => {
    for (const [dtype, compute] of [
      ['float32', 'f32'],
      ['float64', 'f64'],
    ] as const) {
      const x = lay(dtype, [3], [Number.NaN, 0, -0]);
      const bool = room('bool', [3]);
      new MapKernel(fn(1, arg(0)), compute, [dtype], ['bool']).run([bool], [x]);
      expect(values(bool)).toEqual([1, 0, 0]);
      const chosen = room(dtype, [3]);
      new MapKernel(fn(1, select(maskArg(0), 5, 6)), compute, [dtype], [dtype]).run([chosen], [x]);
      expect(values(chosen)).toEqual([5, 6, 6]);
    }
  });
});

describe('layouts', () => {
  const dims = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 0, maxLength: 4 });
  /** A shape that broadcasts to `shape`: some leading dimensions left out, some sizes 1. */
  const broadcastable = (shape: readonly number[]): fc.Arbitrary<number[]> =>
    fc
      .tuple(fc.integer({ min: 0, max: shape.length }), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }))
      .map(([lead, ones]) => shape.slice(lead).map((n, d) => (ones[d] ? 1 : n)));
  const problem = dims.chain((shape) =>
    fc.record({
      shape: fc.constant(shape),
      out: layoutOf(shape.length),
      ins: fc.tuple(
        ...[0, 1].map(() =>
          broadcastable(shape).chain((own) => fc.record({ shape: fc.constant(own), layout: layoutOf(own.length) })),
        ),
      ),
      dtype: fc.constantFrom<DType>('float32', 'float64', 'int32'),
      first: fc.constantFrom<DType>(...dtypes),
    }),
  );

  it('gives every element its value and touches nothing else', () => {
    const kernels = new Map<string, MapKernel>();
    fc.assert(
      fc.property(problem, ({ shape, out, ins, dtype, first }) => {
        const key = `${dtype} ${first}`;
        const { compute } = dtypeInfo(dtype);
        if (first === 'float64' && compute !== 'f64') return;
        let kernel = kernels.get(key);
        if (kernel === undefined) {
          kernel = new MapKernel(
            fn(2, binary('sub', binary('mul', arg(0), 3), arg(1))),
            compute,
            [first, dtype],
            [dtype],
          );
          kernels.set(key, kernel);
        }
        const a = lay(
          first,
          ins[0].shape,
          range(numel(ins[0].shape), 1).map((x) => stored(x, first)),
          ins[0].layout,
        );
        const b = lay(dtype, ins[1].shape, range(numel(ins[1].shape), 1000), ins[1].layout);
        const o = lay(
          dtype,
          shape,
          range(numel(shape)).map(() => 0),
          out,
        );
        const untouched = guard(o);
        kernel.run([o], [a, b]);
        const [as, bs] = [broadcastValues(a, shape), broadcastValues(b, shape)];
        expect(values(o)).toEqual(as.map((x, i) => 3 * x - bs[i]));
        expect(untouched()).toBe(true);
      }),
      { numRuns: 600 },
    );
  });

  it('handles every length', () => {
    for (const dtype of dtypes) {
      const { compute } = dtypeInfo(dtype);
      const kernel = new MapKernel(fn(2, binary('max', arg(0), arg(1))), compute, [dtype, dtype], [dtype]);
      for (let n = 0; n <= 70; n++) {
        const xs = range(n).map((i) => stored((i * 37) % 101, dtype));
        const ys = range(n).map((i) => stored((i * 53) % 97, dtype));
        const out = lay(dtype, [n], range(n), { order: [0], gaps: [1], offset: 2 });
        const untouched = guard(out);
        kernel.run([out], [lay(dtype, [n], xs), lay(dtype, [n], ys)]);
        expect(values(out)).toEqual(xs.map((x, i) => Math.max(x, ys[i])));
        expect(untouched()).toBe(true);
      }
    }
  });

  it('computes the same bits wherever an element lies', () => {
    const n = 41;
    const xs = range(n).map((i) => Math.fround(Math.sin(i) * 3));
    for (const [dtype, compute] of [
      ['float32', 'f32'],
      ['float64', 'f64'],
    ] as const) {
      const e = unary('tanh', binary('mul', unary('sin', arg(0)), unary('exp', arg(0))));
      const kernel = new MapKernel(fn(1, e), compute, [dtype], [dtype]);
      const flat = room(dtype, [n]);
      kernel.run([flat], [lay(dtype, [n], xs)]);
      const all = values(flat);
      for (const gap of [2, 3]) {
        const out = lay(dtype, [n], xs, { order: [0], gaps: [gap], offset: 1 });
        kernel.run([out], [lay(dtype, [n], xs, { order: [0], gaps: [gap], offset: 1 })]);
        expect(values(out)).toEqual(all);
      }
      for (let i = 0; i < n; i++) {
        const one = room(dtype, []);
        kernel.run([one], [lay(dtype, [], [xs[i]])]);
        expect(values(one)).toEqual([all[i]]);
      }
    }
  });

  it('works in place', () => {
    for (const layout of [contiguous(2), { order: [1, 0], gaps: [2, 1], offset: 1 }]) {
      const x = lay('float32', [5, 7], range(35), layout);
      new MapKernel(fn(1, binary('mul', arg(0), 2)), 'f32', ['float32'], ['float32']).run([x], [x]);
      expect(values(x)).toEqual(range(35).map((v) => 2 * v));
    }
  });

  it('does nothing to an empty tensor', () => {
    const kernel = new MapKernel(fn(2, binary('add', arg(0), arg(1))), 'f32', ['float32', 'float32'], ['float32']);
    kernel.run([room('float32', [3, 0])], [room('float32', [3, 0]), room('float32', [3, 1])]);
  });
});

describe('copies of several operands', () => {
  const dims = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 3 });
  const some = fc.array(
    dims.chain((shape) =>
      fc.record({ shape: fc.constant(shape), out: layoutOf(shape.length), x: layoutOf(shape.length) }),
    ),
    { minLength: 1, maxLength: 4 },
  );
  const copy = new MapKernel(fn(1, arg(0)), 'f32', ['float32'], ['float32']);

  it('arrive at their places and touch nothing else, those that lie like the one before, too', () => {
    fc.assert(
      fc.property(some, (parts) => {
        const all = parts.flatMap((part) => [part, part]);
        const ins = all.map(({ shape, x }, i) => lay('float32', shape, range(numel(shape), 100_000 * i), x));
        const outs = all.map(({ shape, out }) => lay('float32', shape, range(numel(shape)), out));
        const untouched = outs.map(guard);
        copy.runEach(outs, ins);
        outs.forEach((out, i) => {
          expect(values(out)).toEqual(values(ins[i]));
          expect(untouched[i]()).toBe(true);
        });
      }),
    );
  });
});

describe('operands', () => {
  it('takes numbers for scalars', () => {
    for (const [dtype, compute, c] of [
      ['float32', 'f32', 0.1],
      ['float64', 'f64', 0.1],
      ['int32', 'i32', 7],
    ] as const) {
      const kernel = new MapKernel(fn(2, binary('mul', arg(0), arg(1))), compute, [dtype, 'scalar'], [dtype]);
      for (const layout of [contiguous(1), { order: [0], gaps: [2], offset: 0 }]) {
        const out = room(dtype, [6]);
        kernel.run([out], [lay(dtype, [6], range(6), layout), c]);
        expect(values(out)).toEqual(range(6).map((x) => stored(x * stored(c, dtype), dtype)));
      }
    }
  });

  it('gives several outputs of different types', () => {
    const outs = [binary('add', arg(0), arg(1)), compare('lt', arg(0), arg(1)), arg(0)];
    const kernel = new MapKernel(fn(2, ...outs), 'f32', ['float32', 'int32'], ['float32', 'bool', 'float32']);
    const [sum, less, same] = [room('float32', [9]), room('bool', [9]), room('float32', [9])];
    kernel.run(
      [sum, less, same],
      [
        lay('float32', [9], range(9)),
        lay(
          'int32',
          [9],
          range(9).map(() => 4),
        ),
      ],
    );
    expect(values(sum)).toEqual(range(9, 4));
    expect(values(less)).toEqual([1, 1, 1, 1, 0, 0, 0, 0, 0]);
    expect(values(same)).toEqual(range(9));
  });

  it('takes many inputs', () => {
    const count = 40;
    const total = range(count).reduce<Expr>((sum, i) => binary('add', sum, arg(i)), constant(0));
    const kernel = new MapKernel(fn(count, total), 'f64', new Array<DType>(count).fill('float64'), ['float64']);
    const ins = range(count).map((i) => lay('float64', i === 35 ? [] : [3], i === 35 ? [100] : [i, 0, 1]));
    const out = room('float64', [3]);
    kernel.run([out], ins);
    expect(values(out)).toEqual([780 - 35 + 100, 100, 139]);
  });

  it('shows its compiled function for flat operands', () => {
    const kernel = new MapKernel(fn(2, binary('sub', arg(0), arg(1))), 'f32', ['float32', 'float32'], ['float32']);
    expect(kernel.flat(0)).toBe(kernel.flat(0));
    expect(kernel.flat(2)).toBe(kernel.flat(2));
    const out = room('float32', [5]);
    kernel.run([out], [lay('float32', [5], range(5)), lay('float32', [1], [2])]);
    expect(values(out)).toEqual([-2, -1, 0, 1, 2]);
  });
});

describe('expressions', () => {
  const unaries: UnaryOp[] = [
    'neg',
    'abs',
    'sqrt',
    'floor',
    'ceil',
    'trunc',
    'round',
    'exp',
    'tanh',
    'sin',
    'sigmoid',
    'atan',
  ];
  const binaries: BinaryOp[] = ['add', 'sub', 'mul', 'div', 'min', 'max', 'rem', 'atan2'];
  const compares: CompareOp[] = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'];
  const logics: LogicOp[] = ['and', 'or', 'xor'];
  const { value } = fc.letrec<{ value: Expr; mask: Expr }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      fc.nat(2).map(arg),
      fc.constantFrom(0, -0, 1, -1, 0.5, 3, Infinity, Number.NaN).map(constant),
      fc.tuple(fc.constantFrom(...unaries), tie('value')).map(([op, a]) => unary(op, a)),
      fc.tuple(fc.constantFrom(...binaries), tie('value'), tie('value')).map(([op, a, b]) => binary(op, a, b)),
      fc.tuple(tie('mask'), tie('value'), tie('value')).map(([m, a, b]) => select(m, a, b)),
    ),
    mask: fc.oneof(
      { maxDepth: 5, depthSize: 'small' },
      fc.nat(2).map(maskArg),
      fc.tuple(fc.constantFrom(...compares), tie('value'), tie('value')).map(([op, a, b]) => compare(op, a, b)),
      fc.tuple(fc.constantFrom(...logics), tie('mask'), tie('mask')).map(([op, a, b]) => logic(op, a, b)),
      tie('mask').map(not),
    ),
  }));

  /** Rows of three arguments. */
  const rows = [
    [0, -0, 1],
    [1.5, -2.5, 3],
    [-1, 0.5, 0],
    [Number.NaN, 2, -3],
    [Infinity, 1, -4],
    [0.25, 7, 7],
  ];

  /** Comparisons and roundings may fall either way where a function is a last place off: then the values jump. */
  const close = (a: number, b: number): boolean =>
    Object.is(a, b) || a === b || Math.abs(a - b) <= 1e-12 * Math.max(1, Math.abs(a), Math.abs(b));

  it('agrees with the interpreter at float64', () => {
    let differing = 0;
    fc.assert(
      fc.property(value, (e) => {
        const f = fn(3, e, compare('le', e, arg(0)));
        const kernel = new MapKernel(f, 'f64', ['float64', 'float64', 'float64'], ['float64', 'bool']);
        const ins = [0, 1, 2].map((k) =>
          lay(
            'float64',
            [rows.length],
            rows.map((r) => r[k]),
          ),
        );
        const [out, mask] = [room('float64', [rows.length]), room('bool', [rows.length])];
        kernel.run([out, mask], ins);
        const actual = values(out);
        if (!rows.every((r, i) => close(actual[i], interpret(f, r)[0]))) differing++;
        expect(values(mask)).toEqual(actual.map((y, i) => (y <= rows[i][0] ? 1 : 0)));
      }),
      { numRuns: 400 },
    );
    expect(differing).toBeLessThanOrEqual(4);
  });

  it('agrees with the interpreter exactly where nothing is approximated', () => {
    const exact: ReadonlySet<string> = new Set(['exp', 'tanh', 'sin', 'sigmoid', 'atan', 'atan2']);
    const isExact = (e: Expr): boolean => {
      if (exact.has(e.op)) return false;
      if (e.op === 'select' && !isExact(e.mask)) return false;
      return (!('a' in e) || isExact(e.a)) && (!('b' in e) || isExact(e.b));
    };
    fc.assert(
      fc.property(value.filter(isExact), (e) => {
        const f = fn(3, e);
        const kernel = new MapKernel(f, 'f64', ['float64', 'float64', 'float64'], ['float64']);
        const out = room('float64', [rows.length]);
        kernel.run(
          [out],
          [0, 1, 2].map((k) =>
            lay(
              'float64',
              [rows.length],
              rows.map((r) => r[k]),
            ),
          ),
        );
        // Of two zeros either may be the smaller or the greater.
        const plain = (ys: number[]): number[] => ys.map((y) => (y === 0 ? 0 : y));
        const divides =
          JSON.stringify(e, (_, v) => (typeof v === 'number' ? String(v) : v)).match(/"(div|min|max)"/g) ?? [];
        if (divides.length > 1) return;
        expect(plain(values(out))).toEqual(plain(rows.map((r) => interpret(f, r)[0])));
      }),
      { numRuns: 300 },
    );
  });

  it('computes integers with wrap-around and truncating division', () => {
    const pairs = [
      [7, 2],
      [-7, 2],
      [7, -2],
      [5, 0],
      [-(2 ** 31), 3],
      [2 ** 31 - 1, 2 ** 31 - 1],
      [123_456_789, 1000],
      [3, 20],
      [-1, -3],
      [2, -1],
      [0, 0],
    ];
    const run = (e: Expr): number[] => {
      const out = room('int32', [pairs.length]);
      const kernel = new MapKernel(fn(2, e), 'i32', ['int32', 'int32'], ['int32']);
      kernel.run(
        [out],
        [0, 1].map((k) =>
          lay(
            'int32',
            [pairs.length],
            pairs.map((p) => p[k]),
          ),
        ),
      );
      return values(out);
    };
    const each = (f: (a: number, b: number) => number): number[] => pairs.map(([a, b]) => f(a, b) | 0);
    expect(run(binary('add', arg(0), arg(1)))).toEqual(each((a, b) => a + b));
    expect(run(binary('sub', arg(0), arg(1)))).toEqual(each((a, b) => a - b));
    expect(run(binary('mul', arg(0), arg(1)))).toEqual(each(Math.imul));
    expect(run(binary('div', arg(0), arg(1)))).toEqual(each((a, b) => (b === 0 ? 0 : Math.trunc(a / b))));
    expect(run(binary('rem', arg(0), arg(1)))).toEqual(each((a, b) => (b === 0 ? a : a % b)));
    expect(run(binary('min', arg(0), arg(1)))).toEqual(each(Math.min));
    const power = (a: number, b: number): number => {
      if (b < 0) return a === 1 ? 1 : a === -1 ? (b % 2 === 0 ? 1 : -1) : 0;
      let y = 1;
      for (let e = b, s = a; e > 0; e = Math.floor(e / 2), s = Math.imul(s, s)) if (e % 2 === 1) y = Math.imul(y, s);
      return y;
    };
    expect(run(binary('pow', arg(0), arg(1)))).toEqual(each(power));
    for (const c of [0, 1, 2, 3, 5, -1]) expect(run(binary('pow', arg(0), c))).toEqual(each((a) => power(a, c)));
    expect(run(select(compare('lt', arg(0), arg(1)), unary('neg', arg(0)), unary('abs', arg(1))))).toEqual(
      each((a, b) => (a < b ? -a : Math.abs(b))),
    );
    expect(() => run(unary('exp', arg(0)))).toThrow('exp has no integer form');
  });

  it('goes through expressions deeper than the call stack is used to', () => {
    let e: Expr = arg(0);
    for (let i = 0; i < 3000; i++) e = binary('add', binary('mul', e, 0.5), 1);
    const out = room('float64', [3]);
    const kernel = new MapKernel(fn(1, e), 'f64', ['float64'], ['float64']);
    kernel.run([out], [lay('float64', [3], [0, 1, 2])]);
    expect(values(out)).toEqual([2, 2, 2]);
  });

  it('computes a shared subexpression once', () => {
    const size = (...outs: Expr[]): number => {
      const body = new FunctionBody('test', ['v128'], []);
      emitExprs(body, 'f32', outs, body.params);
      return body.encode().flat().length;
    };
    const angle = (): Expr => unary('sin', binary('mul', arg(0), 2));
    expect(size(angle(), binary('add', angle(), 1))).toBeLessThan(1.2 * size(angle()));
    expect(size(angle(), unary('sin', arg(0)))).toBeGreaterThan(1.8 * size(angle()));
  });
});

describe('operands that walk across the lines of the cache', () => {
  const sum = new MapKernel(fn(2, binary('add', arg(0), arg(1))), 'f64', ['float64', 'float64'], ['float64']);

  it.each([
    [2, 2 * 2048 + 256],
    [3, 5000],
    [17, 2049],
    [8, 2304],
    [12, 2 * 2048 + 256 + 3],
    [15, 2049],
  ])('are met in tiles, or transposed where there are many rows: %i × %i', (rows, columns) => {
    const shape = [rows, columns];
    const down = lay('float64', shape, range(rows * columns), { ...contiguous(2), order: [1, 0] });
    const over = lay(
      'float64',
      [columns],
      range(columns).map((j) => 1e6 * j),
    );
    const out = room('float64', shape);
    sum.run([out], [down, over]);
    const expected = range(rows * columns).map((k) => k + 1e6 * (k % columns));
    expect(values(out)).toEqual(expected);
    sum.run([down], [down, over]);
    expect(values(down)).toEqual(expected);
  });

  it.each(['bool', 'uint8', 'float32'] as const)('are met in tiles where nothing is transposed: %s', (dtype) => {
    const compute = computeFor(dtype, dtype);
    const copy = new MapKernel(fn(1, arg(0)), compute, [dtype], [dtype]);
    const shape = [70, 2304 + 5];
    const xs = range(numel(shape)).map((i) => (dtype === 'bool' ? (i % 3) & 1 : i % 251));
    const x = lay(dtype, shape, xs, { order: [1, 0], gaps: [2, 1], offset: 1 });
    const out = room(dtype, shape);
    copy.run([out], [x]);
    expect(values(out)).toEqual(xs);
  });
});

describe('passes over what a cache nearly holds', () => {
  it.each(['float32', 'float64', 'uint8'] as const)('give the same from either end, %s', (dtype) => {
    const compute = computeFor(dtype, dtype);
    const sum = new MapKernel(fn(2, binary('add', arg(0), arg(1))), compute, [dtype, dtype], [dtype]);
    const halves = new MapKernel(
      fn(2, binary('mul', arg(0), arg(1)), binary('sub', arg(0), arg(1))),
      compute,
      [dtype, 'scalar'],
      [dtype, dtype],
    );
    // One piece and little more, whole pieces, and a last one that ends within a vector.
    for (const n of [2 ** 17, 2 ** 18 - 3, 3 * 2 ** 16 + 1]) {
      const xs = range(n).map((i) => i % 97);
      const ys = range(n).map((i) => (i * 7) % 89);
      const [x, y] = [lay(dtype, [n], xs), lay(dtype, [n], ys)];
      const [z, twice, less] = [room(dtype, [n]), room(dtype, [n]), room(dtype, [n])];
      for (let turn = 1; turn <= 3; turn++) {
        sum.run([z], [x, y]);
        expect(values(z)).toEqual(xs.map((v, i) => v + ys[i]));
        halves.run([twice, less], [x, 2]);
        expect(values(twice)).toEqual(xs.map((v) => 2 * v));
        expect(values(less)).toEqual(xs.map((v) => stored(v - 2, dtype)));
      }
      sum.run([x], [x, y]);
      sum.run([x], [x, y]);
      expect(values(x)).toEqual(xs.map((v, i) => stored(v + 2 * ys[i], dtype)));
    }
  });
});

describe('rare cases', () => {
  it('between others, wherever they lie, in place too', () => {
    const kernel = new MapKernel(
      fn(2, binary('mul', unary('log', arg(0)), arg(1)), unary('sin', arg(0))),
      'f32',
      ['float32', 'float32'],
      ['float32', 'float32'],
    );
    for (let at = 0; at < 70; at++) {
      const xs = range(70).map((i) => (i === at ? 0 : i === 69 - at ? 1e6 : 1 + i / 8));
      const [x, y] = [lay('float32', [70], xs), lay('float32', [70], range(70))];
      const sines = room('float32', [70]);
      kernel.run([x, sines], [x, y]);
      xs.forEach((v, i) => {
        if (v === 0) expect(values(x)[i]).toBe(i === 0 ? Number.NaN : -Infinity);
        else expect(values(x)[i] - i * Math.log(v)).toBeCloseTo(0, 3);
        expect(values(sines)[i]).toBeCloseTo(Math.sin(v), 6);
      });
    }
  });
});

describe('transposed operands', () => {
  const turned = (rank: number): Layout => ({
    order: range(rank).reverse(),
    gaps: new Array<number>(rank).fill(1),
    offset: 3,
  });
  const shapes = [
    [16, 64],
    [32, 32],
    [37, 91],
    [129, 17],
    [5, 33, 40],
    [2, 18, 3, 70],
    [260, 300],
  ] as const;
  for (const dtype of ['uint8', 'int32', 'float32', 'float64'] as const) {
    it(`are copied and computed with like any others: ${dtype}`, () => {
      const { compute } = dtypeInfo(dtype);
      const copy = new MapKernel(fn(1, arg(0)), compute, [dtype], [dtype]);
      const difference = new MapKernel(
        fn(3, binary('sub', arg(0), arg(1))),
        compute,
        [dtype, 'scalar', dtype],
        [dtype],
      );
      for (const shape of shapes) {
        const xs = range(numel(shape)).map((i) => (i * 7) % 201);
        const x = lay(dtype, shape, xs, turned(shape.length));
        for (const gap of [1, 2]) {
          const out = lay(dtype, shape, xs, { order: range(shape.length), gaps: shape.map(() => gap), offset: 2 });
          const untouched = guard(out);
          copy.run([out], [x]);
          expect(values(out)).toEqual(xs);
          if (numel(shape) < 5000) expect(untouched()).toBe(true);
          difference.run([out], [x, 3, lay(dtype, shape, xs)]);
          expect(values(out)).toEqual(xs.map((v) => stored(v - 3, dtype)));
        }
      }
    });
  }

  it('are turned in every direction', () => {
    const shape = [18, 33, 20];
    const xs = range(numel(shape));
    const copy = new MapKernel(fn(1, arg(0)), 'f32', ['float32'], ['float32']);
    for (const order of [
      [0, 1, 2],
      [0, 2, 1],
      [1, 0, 2],
      [1, 2, 0],
      [2, 0, 1],
      [2, 1, 0],
    ]) {
      for (const to of [
        [0, 1, 2],
        [2, 0, 1],
        [2, 1, 0],
      ]) {
        const out = lay('float32', shape, range(numel(shape), 5), { order: to, gaps: [1, 1, 1], offset: 1 });
        copy.run([out], [lay('float32', shape, xs, { order, gaps: [1, 1, 1], offset: 2 })]);
        expect(values(out)).toEqual(xs);
      }
    }
  });
});

it('carries a NaN through max and min on whichever side it stands', () => {
  for (const dtype of ['float32', 'float64'] as const) {
    const compute = dtype === 'float32' ? 'f32' : 'f64';
    const some = [1, Number.NaN, -2, 3, Number.NEGATIVE_INFINITY, 5, Number.NaN];
    const clamp = fn(3, binary('min', binary('max', arg(0), arg(1)), arg(2)));
    const kernel = new MapKernel(clamp, compute, [dtype, 'scalar', 'scalar'], [dtype]);
    const out = room(dtype, [7]);
    const x = lay(dtype, [7], some);
    kernel.run([out], [x, -1, 2]);
    expect(values(out)).toEqual([1, Number.NaN, -1, 2, -1, 2, Number.NaN]);
    for (const bounds of [
      [Number.NaN, 2],
      [0, Number.NaN],
    ]) {
      kernel.run([out], [x, ...bounds]);
      expect(values(out)).toEqual(some.map(() => Number.NaN));
    }
    const larger = new MapKernel(fn(2, binary('max', arg(0), arg(1))), compute, [dtype, dtype], [dtype]);
    larger.run([out], [x, lay(dtype, [7], [Number.NaN, 1, Number.NaN, 2, 3, 6, Number.NaN])]);
    expect(values(out)).toEqual([Number.NaN, Number.NaN, Number.NaN, 3, 3, 6, Number.NaN]);
  }
});
