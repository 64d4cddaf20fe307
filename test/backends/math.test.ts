import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { MapKernel } from '../../src/backends/wasm/map.ts';
import { slowCos, slowSin, slowTan } from '../../src/backends/wasm/math-slow.ts';
import { setDeterministic } from '../../src/backends/wasm/relaxed.ts';
import { arg, type BinaryOp, binary, type UnaryOp, unary } from '../../src/kernels/expr.ts';
import { fill, room, values } from './strided.ts';

type Width = 'f32' | 'f64';
type Op = UnaryOp | BinaryOp;
const widths: readonly Width[] = ['f32', 'f64'];

const binaries: ReadonlySet<string> = new Set<BinaryOp>([
  'add',
  'sub',
  'mul',
  'div',
  'min',
  'max',
  'pow',
  'atan2',
  'rem',
]);

/** The function applied to columns of arguments. */
function evaluate(op: Op, width: Width, columns: readonly ArrayLike<number>[], exponent?: number): number[] {
  const dtype = width === 'f32' ? 'float32' : 'float64';
  const second = exponent ?? arg(1);
  const e = binaries.has(op) ? binary(op as BinaryOp, arg(0), second) : unary(op as UnaryOp, arg(0));
  const kernel = new MapKernel(
    { name: op, args: columns.map(() => 'value'), outs: [e] },
    width,
    columns.map(() => dtype),
    [dtype],
  );
  const n = columns[0].length;
  const ins = columns.map((c) => {
    const t = room(dtype, [n]);
    fill(t, width === 'f32' ? Float32Array.from(c) : Float64Array.from(c));
    return t;
  });
  const out = room(dtype, [n]);
  kernel.run([out], ins);
  return values(out);
}

/** The distance of a from b in units of b's last place. */
function ulps(a: number, b: number, width: Width): number {
  if (Object.is(a, b) || a === b) return 0;
  const [digits, least] = width === 'f32' ? [23, -126] : [52, -1022];
  const exponent = Math.max(least, Math.floor(Math.log2(Math.abs(b) || 2 ** -1074)));
  return Math.abs(a - b) / 2 ** Math.max(-1074, exponent - digits);
}

/** What each function promises, in units of the last place, at float32 and float64 (there from the rounded value). */
const bounds: Readonly<Record<string, readonly [number, number]>> = {
  exp: [1, 1],
  expm1: [1.2, 1],
  exp2: [1.1, 1.1],
  log: [1.1, 1],
  log1p: [1.4, 1],
  log2: [1, 1],
  log10: [1, 1],
  sin: [1.8, 1],
  cos: [1.8, 1],
  tan: [0.6, 2],
  asin: [1.6, 1],
  acos: [1.4, 1],
  atan: [1.8, 1.2],
  sinh: [1.5, 1.5],
  cosh: [1.5, 1.3],
  tanh: [2.2, 1.3],
  asinh: [1.7, 1.7],
  acosh: [2.2, 1.9],
  atanh: [1.7, 1.6],
  sigmoid: [2, 2],
  erf: [1.6, 1],
  erfc: [0.6, 3],
  pow: [0.6, 1],
  atan2: [2, 1.6],
  rem: [0, 0],
};

describe('functions against correctly rounded values', () => {
  const path = new URL('../fixtures/math-reference.json.gz', import.meta.url);
  const reference = JSON.parse(gunzipSync(readFileSync(path)).toString()) as Record<Width, Record<Op, string>>;
  afterEach(() => setDeterministic(false));
  const ways = [
    { width: 'f32', strict: false },
    { width: 'f32', strict: true },
    { width: 'f64', strict: false },
    { width: 'f64', strict: true },
  ] as const;
  for (const { width, strict } of ways) {
    for (const [name, data] of Object.entries(reference[width])) {
      const op = name as Op;
      it(`${op} at ${width}${strict ? ', without fused multiply-adds' : ''}`, () => {
        setDeterministic(strict);
        const bytes = Buffer.from(data, 'base64');
        const all = new Float64Array(new Uint8Array(bytes).buffer);
        const arity = binaries.has(op) ? 2 : 1;
        const n = all.length / (arity + 1);
        const columns = Array.from({ length: arity + 1 }, (_, i) => all.subarray(i * n, (i + 1) * n));
        const actual = evaluate(op, width, columns.slice(0, arity));
        const expected = columns[arity];
        const bound = bounds[op][width === 'f32' ? 0 : 1];
        const wrong = actual.flatMap((y, i) => {
          const error = ulps(y, expected[i], width);
          return error <= bound
            ? []
            : [{ at: columns.slice(0, arity).map((c) => c[i]), y, expected: expected[i], error }];
        });
        expect(wrong).toEqual([]);
      });
    }
  }
});

describe('functions for a part of their arguments, or for sums', () => {
  afterEach(() => setDeterministic(false));
  const upTo = (least: number, n = 50_000): Float64Array =>
    Float64Array.from({ length: n }, (_, i) => Math.fround(least * (1 - ((i * 0.6180339887498949) % 1))));
  for (const strict of [false, true]) {
    it(`decay is exp up to 0${strict ? ', without fused multiply-adds' : ''}`, () => {
      setDeterministic(strict);
      const xs = upTo(-87);
      const ys = evaluate('decay', 'f32', [xs]);
      const units = ys.map((y, i) => ulps(y, Math.exp(xs[i]), 'f32'));
      expect(Math.max(...units)).toBeLessThan(strict ? 2.5 : 6);
      expect(Math.max(...units.filter((_, i) => xs[i] > -5))).toBeLessThan(2.5);
      const special = [0, -0, -88, -103, -1000, -Infinity, Number.NaN];
      expect(evaluate('decay', 'f32', [special])).toEqual([1, 1, 0, 0, 0, 0, Number.NaN]);
    });
  }

  it('the slope of gelu', () => {
    const xs = upTo(-9).map((x, i) => (i % 2 === 0 ? x : -x));
    for (const strict of [false, true]) {
      setDeterministic(strict);
      const exact = evaluate('geluSlope', 'f64', [xs]);
      const ys = evaluate('geluSlope', 'f32', [xs]);
      expect(Math.max(...ys.map((y, i) => Math.abs(y - exact[i])))).toBeLessThan(2 ** -22);
      // Where nothing is left of 1 − Φ it is exactly 1 or 0.
      const special = [6.3, -6.3, 1000, -1000, Infinity, -Infinity, 0, -0, Number.NaN];
      expect(evaluate('geluSlope', 'f32', [special])).toEqual([1, 0, 1, 0, 1, 0, 0.5, 0.5, Number.NaN]);
      expect(evaluate('geluSlope', 'f64', [special.slice(2)])).toEqual([1, 0, 1, 0, 0.5, 0.5, Number.NaN]);
    }
  });

  it('gelu', () => {
    const xs = upTo(-9).map((x, i) => (i % 2 === 0 ? x : -x));
    for (const strict of [false, true]) {
      setDeterministic(strict);
      const exact = evaluate('gelu', 'f64', [xs]);
      const ys = evaluate('gelu', 'f32', [xs]);
      const units = ys.map((y, i) => Math.abs(y - exact[i]) / 2 ** (Math.floor(Math.log2(Math.abs(xs[i]))) - 23));
      expect(Math.max(...units)).toBeLessThan(2.5);
      // Where nothing is left of 1 − Φ it is x, or −0.
      const special = [6, -6, 1000, -1000, Infinity, -Infinity, 0, -0, Number.NaN];
      expect(evaluate('gelu', 'f32', [special])).toEqual([6, -0, 1000, -0, Infinity, -0, 0, -0, Number.NaN]);
    }
  });

  it('both at float64', () => {
    const xs = upTo(-30);
    for (const strict of [false, true]) {
      setDeterministic(strict);
      const decays = evaluate('decay', 'f64', [xs]);
      expect(Math.max(...decays.map((y, i) => ulps(y, Math.exp(xs[i]), 'f64')))).toBeLessThan(2);
      expect(evaluate('decay', 'f64', [[0, -0, -709, -750, -1e308, -Infinity, Number.NaN]])).toEqual([
        1,
        1,
        0,
        0,
        0,
        0,
        Number.NaN,
      ]);
    }
    expect(evaluate('geluSlope', 'f64', [[1.25, -40]])).toEqual([1.1226615830694222, 0]);
  });

  it('terms of a sum at float64', () => {
    const xs = upTo(-30);
    for (const strict of [false, true]) {
      setDeterministic(strict);
      const terms = evaluate('summand', 'f64', [xs]);
      const units = terms.map((y, i) => ulps(y, Math.exp(xs[i]), 'f64'));
      expect(Math.max(...units)).toBeLessThan(6);
      expect(Math.max(...units.filter((_, i) => xs[i] > -2))).toBeLessThan(2);
      const [one, alsoOne, ...little] = evaluate('summand', 'f64', [[0, -0, -709, -1e308, -Infinity]]);
      expect([one, alsoOne]).toEqual([1, 1]);
      expect(Math.max(...little)).toBeLessThan(1e-307);
      expect(Math.min(...little)).toBeGreaterThanOrEqual(0);
      expect(evaluate('summand', 'f64', [[Number.NaN, -Number.NaN]])).toEqual([Number.NaN, Number.NaN]);
    }
  });
});

describe('functions against JavaScript over many arguments', () => {
  const sweeps: readonly (readonly [UnaryOp, (x: number) => number, number, number])[] = [
    ['exp', Math.exp, -745, 709],
    ['log', Math.log, 0, 100],
    ['sin', Math.sin, -1e6, 1e6],
    ['cos', Math.cos, -100, 100],
    ['tanh', Math.tanh, -20, 20],
    ['atan', Math.atan, -50, 50],
    ['expm1', Math.expm1, -5, 5],
    ['log1p', Math.log1p, -0.999, 10],
  ];
  const ways = [false, true].flatMap((strict) => sweeps.map(([op, ...rest]) => [op, strict, ...rest] as const));
  afterEach(() => setDeterministic(false));
  it.each(ways)('%s, deterministic: %s', (op, strict, reference, low, high) => {
    setDeterministic(strict);
    const xs = Float64Array.from({ length: 50_000 }, (_, i) => low + (high - low) * ((i * 0.6180339887498949) % 1));
    const ys = evaluate(op, 'f64', [xs]);
    let worst = 0;
    // JavaScript's own may be one unit off.
    for (let i = 0; i < xs.length; i++) worst = Math.max(worst, ulps(ys[i], reference(xs[i]), 'f64'));
    expect(worst).toBeLessThanOrEqual(bounds[op][1] + 1);
  });

  it('keeps its digits beside multiples of π/2', () => {
    const xs = Float64Array.from({ length: 20_000 }, (_, i) => ((1 + 25 * i) * Math.PI) / 2);
    for (const strict of [false, true]) {
      setDeterministic(strict);
      for (const [op, slow] of [
        ['sin', slowSin],
        ['cos', slowCos],
      ] as const) {
        const wrong = evaluate(op, 'f64', [xs]).filter((y, i) => ulps(y, slow(xs[i]), 'f64') > 2);
        expect(wrong).toEqual([]);
      }
    }
  });

  it('reduces huge angles exactly', () => {
    // Known to many digits: the double nearest to a multiple of π/2 (Muller, Elementary Functions, ch. 11), and 10²².
    const close = 6381956970095103 * 2 ** 797;
    expect(slowCos(close)).toBeCloseTo(-4.68716592425462761112e-19, 30);
    expect(Math.abs(slowSin(close))).toBe(1);
    expect(slowSin(1e22)).toBe(-0.8522008497671888);
    expect(slowTan(-1e22)).toBeCloseTo(1.628778225606898, 14);
    for (const [x] of [[Infinity], [-Infinity], [Number.NaN]]) expect(slowSin(x)).toBeNaN();
    const xs = [1e22, -1e22, 2 ** 1000, -3.3e5, 1e300, 12345678.9];
    expect(evaluate('sin', 'f64', [xs]).map((y, i) => ulps(y, Math.sin(xs[i]), 'f64') <= 2)).toEqual(
      xs.map(() => true),
    );
    expect(evaluate('cos', 'f64', [xs]).map((y, i) => ulps(y, Math.cos(xs[i]), 'f64') <= 2)).toEqual(
      xs.map(() => true),
    );
  });
});

const [inf, nan] = [Infinity, Number.NaN];
/** Arguments, then the value. */
const special: Readonly<Partial<Record<Op, readonly (readonly number[])[]>>> = {
  neg: [
    [0, -0],
    [-0, 0],
    [inf, -inf],
  ],
  abs: [
    [-0, 0],
    [-inf, inf],
  ],
  sqrt: [
    [-0, -0],
    [-1, nan],
    [inf, inf],
    [4, 2],
  ],
  round: [
    [0.5, 0],
    [1.5, 2],
    [2.5, 2],
    [-0.5, -0],
    [-1.5, -2],
    [inf, inf],
  ],
  trunc: [
    [-0.5, -0],
    [1.9, 1],
    [-1.9, -1],
  ],
  floor: [
    [-0.5, -1],
    [1.9, 1],
    [-0, -0],
  ],
  ceil: [
    [-0.5, -0],
    [1.1, 2],
  ],
  exp: [
    [0, 1],
    [-0, 1],
    [inf, inf],
    [-inf, 0],
    [1000, inf],
    [-1000, 0],
  ],
  expm1: [
    [0, 0],
    [-0, -0],
    [inf, inf],
    [-inf, -1],
    [-1000, -1],
  ],
  exp2: [
    [0, 1],
    [10, 1024],
    [-3, 0.125],
    [inf, inf],
    [-inf, 0],
    [5000, inf],
    [-5000, 0],
  ],
  log: [
    [1, 0],
    [0, -inf],
    [-0, -inf],
    [-1, nan],
    [-inf, nan],
    [inf, inf],
  ],
  log1p: [
    [0, 0],
    [-0, -0],
    [-1, -inf],
    [-2, nan],
    [-inf, nan],
    [inf, inf],
  ],
  log2: [
    [1, 0],
    [8, 3],
    [2 ** -126, -126],
    [2 ** -140, -140],
    [0, -inf],
    [-1, nan],
    [inf, inf],
  ],
  log10: [
    [1, 0],
    [1000, 3],
    [1e10, 10],
    [0, -inf],
    [-1, nan],
    [inf, inf],
  ],
  sin: [
    [0, 0],
    [-0, -0],
    [inf, nan],
    [-inf, nan],
  ],
  cos: [
    [0, 1],
    [-0, 1],
    [inf, nan],
    [-inf, nan],
  ],
  tan: [
    [0, 0],
    [-0, -0],
    [inf, nan],
    [-inf, nan],
  ],
  asin: [
    [0, 0],
    [-0, -0],
    [1, Math.PI / 2],
    [-1, -Math.PI / 2],
    [1.5, nan],
    [-inf, nan],
  ],
  acos: [
    [1, 0],
    [-1, Math.PI],
    [0, Math.PI / 2],
    [1.5, nan],
    [-inf, nan],
  ],
  atan: [
    [0, 0],
    [-0, -0],
    [inf, Math.PI / 2],
    [-inf, -Math.PI / 2],
    [1, Math.PI / 4],
  ],
  sinh: [
    [0, 0],
    [-0, -0],
    [inf, inf],
    [-inf, -inf],
    [1000, inf],
  ],
  cosh: [
    [0, 1],
    [-0, 1],
    [inf, inf],
    [-inf, inf],
    [-1000, inf],
  ],
  tanh: [
    [0, 0],
    [-0, -0],
    [inf, 1],
    [-inf, -1],
    [100, 1],
    [-100, -1],
  ],
  asinh: [
    [0, 0],
    [-0, -0],
    [inf, inf],
    [-inf, -inf],
  ],
  acosh: [
    [1, 0],
    [0.5, nan],
    [-inf, nan],
    ...[-1, -1e3, -1e4, -1e5, -1e8, -1e10, -1e20, -1e30].map((x): readonly number[] => [x, nan]),
    [inf, inf],
  ],
  atanh: [
    [0, 0],
    [-0, -0],
    [1, inf],
    [-1, -inf],
    ...[1.001, 2, 1e3, 1e5, 1e8, 1e10, 1e20, 1e30].flatMap((x): readonly number[][] => [
      [x, nan],
      [-x, nan],
    ]),
    [-inf, nan],
  ],
  sigmoid: [
    [0, 0.5],
    [inf, 1],
    [-inf, 0],
    [100, 1],
    [-1000, 0],
  ],
  erf: [
    [0, 0],
    [-0, -0],
    [inf, 1],
    [-inf, -1],
    [10, 1],
    [-10, -1],
  ],
  erfc: [
    [0, 1],
    [inf, 0],
    [-inf, 2],
    [100, 0],
    [-10, 2],
  ],
  min: [
    [nan, 1, nan],
    [1, nan, nan],
    [inf, 1, 1],
    [-inf, 1, -inf],
  ],
  max: [
    [nan, 1, nan],
    [1, nan, nan],
    [inf, 1, inf],
    [-inf, 1, 1],
  ],
  atan2: [
    [0, 1, 0],
    [-0, 1, -0],
    [0, -1, Math.PI],
    [-0, -1, -Math.PI],
    [0, 0, 0],
    [-0, 0, -0],
    [0, -0, Math.PI],
    [-0, -0, -Math.PI],
    [1, 0, Math.PI / 2],
    [-1, -0, -Math.PI / 2],
    [inf, 1, Math.PI / 2],
    [1, inf, 0],
    [-1, inf, -0],
    [1, -inf, Math.PI],
    [inf, inf, Math.PI / 4],
    [inf, -inf, (3 * Math.PI) / 4],
    [-inf, -inf, (-3 * Math.PI) / 4],
    [nan, 1, nan],
    [1, nan, nan],
    [inf, nan, nan],
  ],
  rem: [
    [5, 3, 2],
    [-5, 3, -2],
    [5, -3, 2],
    [-6, 3, -0],
    [6, 3, 0],
    [1, 0, nan],
    [inf, 3, nan],
    [3, inf, 3],
    [-3, -inf, -3],
    [0, 3, 0],
    [-0, 3, -0],
    [nan, 3, nan],
    [3, nan, nan],
    [2 ** 100, 3, 1],
  ],
  pow: [
    [nan, 0, 1],
    [0, 0, 1],
    [inf, -0, 1],
    [1, nan, 1],
    [1, inf, 1],
    [-1, inf, 1],
    [-1, -inf, 1],
    [nan, 1, nan],
    [2, nan, nan],
    [0, -1, inf],
    [-0, -1, -inf],
    [-0, -2, inf],
    [0, -0.5, inf],
    [-0, 3, -0],
    [-0, 2, 0],
    [0, 0.5, 0],
    [-0, 0.5, 0],
    [inf, 2, inf],
    [inf, -2, 0],
    [-inf, 3, -inf],
    [-inf, 2, inf],
    [-inf, -3, -0],
    [-inf, -2, 0],
    [-inf, 0.5, inf],
    [0.5, inf, 0],
    [0.5, -inf, inf],
    [2, inf, inf],
    [2, -inf, 0],
    [-2, inf, inf],
    [-0.5, inf, 0],
    [0, inf, 0],
    [0, -inf, inf],
    [inf, inf, inf],
    [inf, -inf, 0],
    [-8, 1 / 3, nan],
    [-2, 3, -8],
    [-2, 2, 4],
    [2, 5000, inf],
    [2, -5000, 0],
    [-2, 5001, -inf],
    [2, -126, 2 ** -126],
    [2, -140, 2 ** -140],
    [3, 4, 81],
    [2 ** -140, 0.5, 2 ** -70],
    [1.5, 1e30, inf],
    [0.75, 1e30, 0],
  ],
};

describe('special arguments', () => {
  for (const width of widths) {
    const round = width === 'f32' ? Math.fround : (x: number): number => x;
    for (const [name, rows] of Object.entries(special)) {
      it(`${name} at ${width}`, () => {
        const op = name as Op;
        const arity = rows[0].length - 1;
        const columns = Array.from({ length: arity }, (_, i) => rows.map((r) => r[i]));
        expect(evaluate(op, width, columns)).toEqual(rows.map((r) => round(r[arity])));
      });
    }

    it(`every function of NaN is NaN at ${width}, whatever its bits`, () => {
      const dtype = width === 'f32' ? 'float32' : 'float64';
      const patterns =
        width === 'f32'
          ? new Uint32Array([0x7fc00000, 0xffc00000, 0x7fc12345, 0xffffffff, 0x7fc00001])
          : new BigUint64Array([
              0x7ff8n << 48n,
              0xfff8n << 48n,
              0x7ff8123456789abcn,
              (1n << 64n) - 1n,
              (0x7ff8n << 48n) + 1n,
            ]);
      for (const name of Object.keys(special)) {
        if (binaries.has(name)) continue;
        const kernel = new MapKernel(
          { name, args: ['value'], outs: [unary(name as UnaryOp, arg(0))] },
          width,
          [dtype],
          [dtype],
        );
        const [x, out] = [room(dtype, [5]), room(dtype, [5])];
        fill(x, patterns);
        kernel.run([out], [x]);
        expect(values(out), name).toEqual([nan, nan, nan, nan, nan]);
      }
    });

    it(`powers with a fixed exponent at ${width}`, () => {
      const xs = [0, -0, 1, -1, 2, -3, 0.7, inf, -inf, nan, 1e-3];
      for (const exponent of [0, 1, 2, 3, 4, -1, -2, 2.5, -3, 7]) {
        const fixed = evaluate('pow', width, [xs], exponent);
        const general = evaluate('pow', width, [xs, xs.map(() => exponent)]);
        fixed.forEach((y, i) => {
          expect(Object.is(y, general[i]) || ulps(y, general[i], width) <= 2, `${xs[i]} ** ${exponent}`).toBe(true);
        });
      }
      // PyTorch's: √x and 1/√x on every input.
      expect(evaluate('pow', width, [[4, -0, -inf, inf]], 0.5)).toEqual([2, -0, nan, inf]);
      expect(evaluate('pow', width, [[4, 0, -0, inf]], -0.5)).toEqual([0.5, inf, -inf, 0]);
    });
  }
});
