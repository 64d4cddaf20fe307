import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../../src/core/errors.ts';
import { Scalar, ScalarMask, trace, where } from '../../src/kernels/build.ts';
import { deriveVjp } from '../../src/kernels/derive.ts';
import { arg, maskArg } from '../../src/kernels/expr.ts';
import { library } from './check.ts';
import { closed, pullback } from './compose.ts';
import { interpret } from './interpret.ts';

const value = (f: (...xs: readonly Scalar[]) => Scalar, ...at: readonly number[]): number =>
  interpret(trace(f, at.length, ''), at)[0];
const gradient = (f: (...xs: readonly Scalar[]) => Scalar, ...at: readonly number[]): number[] =>
  interpret(pullback(trace(f, at.length, '')), [...at, 1]);

describe('trace', () => {
  it('records what the function computes', () => {
    const fn = trace((x, y) => x.mul(y).add(x.sin()), 2, 'wave');
    expect(fn.name).toBe('wave');
    expect(fn.args).toEqual(['value', 'value']);
    expect(interpret(fn, [0.5, 3])[0]).toBeCloseTo(1.5 + Math.sin(0.5), 15);
    expect(trace((x) => x, 1, '').name).toBe('elementwise');
  });

  it('calls the function once', () => {
    let calls = 0;
    trace(
      (x) => {
        calls++;
        return x.exp();
      },
      1,
      '',
    );
    expect(calls).toBe(1);
  });

  it.each([
    ['an operator', (x: Scalar) => (x as unknown as number) * 2, /JavaScript operator.*x\.mul\(2\)/],
    [
      'a comparison operator',
      (x: Scalar) => (x > (1 as unknown as Scalar) ? x : x.neg()),
      /JavaScript operator.*where/,
    ],
    ['a template', (x: Scalar) => `${x}`, /JavaScript operator/],
    ['an operator on a comparison', (x: Scalar) => +(x.lt(1) as unknown as number), /JavaScript operator/],
    ['no result', () => undefined, /returned nothing; is a return missing\?/],
    ['null', () => null, /returned null/],
    ['NaN', () => Number.NaN, /returned the number NaN; use the methods/],
    ['a comparison as result', (x: Scalar) => x.lt(1), /returned a comparison; give it values with \.where\(1, 0\)/],
    ['a promise', async (x: Scalar) => x, /promise; the function must not be async/],
    [
      'a string argument',
      (x: Scalar) => x.add('1' as unknown as number),
      /\.add\(…\) takes Scalars and numbers, got 1/,
    ],
    ['a missing argument', (x: Scalar) => x.pow(undefined as unknown as number), /\.pow\(…\).*got undefined/],
    ['a tensor-like argument', (x: Scalar) => x.mul(new Float32Array(1) as never), /got a Float32Array; hand tensors/],
    ['where without a comparison', (x: Scalar) => where(true as never, x, 0), /comparison such as x\.gt\(0\)/],
    ['.where without a comparison', (x: Scalar) => x.where(1 as never, 0), /takes a comparison first/],
    [
      'and without a comparison',
      (x: Scalar) =>
        x
          .gt(0)
          .and(true as never)
          .where(1, 0),
      /takes another comparison/,
    ],
  ] as const)('refuses %s', (_, f, message) => {
    const run = (): unknown => trace(f as unknown as (x: Scalar) => Scalar, 1, '');
    expect(run).toThrow(ArgumentError);
    expect(run).toThrow(message);
  });

  it('refuses what is not a function, or has no parameters', () => {
    expect(() => trace(3 as never, 1, '')).toThrow(/expected a function of Scalars, got number/);
    expect(() => trace(() => new Scalar(arg(0)), 0, '')).toThrow(/at least one named parameter/);
  });
});

describe('Scalar', () => {
  const ofOne = [
    'neg',
    'sign',
    'exp',
    'exp2',
    'expm1',
    'log',
    'log2',
    'log10',
    'log1p',
    'sqrt',
    'rsqrt',
    'square',
    'reciprocal',
    'sin',
    'cos',
    'tan',
    'asin',
    'acos',
    'atan',
    'sinh',
    'cosh',
    'tanh',
    'asinh',
    'acosh',
    'atanh',
    'erf',
    'erfc',
    'floor',
    'ceil',
    'round',
    'trunc',
    'frac',
    'sigmoid',
    'logSigmoid',
    'relu',
    'relu6',
    'silu',
    'mish',
    'gelu',
    'geluTanh',
    'selu',
    'softsign',
    'tanhshrink',
    'hardsigmoid',
    'hardswish',
  ] as const;
  const ofTwo = [
    'add',
    'sub',
    'mul',
    'div',
    'pow',
    'atan2',
    'hypot',
    'fmod',
    'remainder',
    'logaddexp',
    'xlogy',
    'copysign',
    'leakyRelu',
    'elu',
    'celu',
  ] as const;

  it.each(ofOne)('.%s is the function of the library, with its derivative', (name) => {
    for (const at of [0, 0.7, -0.7, 1.5]) {
      expect(value((x) => x[name](), at)).toEqual(interpret(library[name].fn, [at])[0]);
      expect(gradient((x) => x[name](), at)).toEqual(interpret(pullback(closed(library[name])), [at, 1]));
    }
  });

  it.each(ofTwo)('.%s is the function of the library, with its derivative', (name) => {
    for (const at of [
      [0, 0],
      [1.5, 0.7],
      [-1.5, 2],
    ]) {
      expect(value((x, y) => x[name](y), ...at)).toEqual(interpret(library[name].fn, at)[0]);
      expect(gradient((x, y) => x[name](y), ...at)).toEqual(interpret(pullback(closed(library[name])), [...at, 1]));
    }
  });

  it('has the rest under their names', () => {
    expect(value((x) => x.abs().max(2).min(5), -9)).toBe(5);
    expect(value((x, y, z) => x.lerp(y, z), 1, 3, 0.25)).toBe(1.5);
    expect(value((x) => x.clamp(-1, 1), 7)).toBe(1);
    expect(value((x) => x.hardtanh(), -7)).toBe(-1);
    expect(value((x) => x.softplus(2), 0)).toBeCloseTo(Math.LN2 / 2, 15);
    expect(value((x) => x.leakyRelu(), -1)).toBe(-0.01);
    expect(value((x) => x.isnan().where(1, 2), Number.NaN)).toBe(1);
    expect(value((x) => x.isfinite().where(1, 2), Number.NEGATIVE_INFINITY)).toBe(2);
  });

  it('keeps conventions at kinks inside larger functions', () => {
    expect(gradient((x) => x.relu().mul(3), 0)).toEqual([0]);
    expect(gradient((x) => x.clamp(0, 1).mul(3), 0)).toEqual([3]);
    expect(gradient((x) => x.max(0).mul(3), 0)).toEqual([1.5]);
    expect(gradient((x) => x.mul(2).logSigmoid(), 0)).toEqual([1]);
    expect(gradient((x, y) => x.sub(y).xlogy(0), 1, 1)).toEqual([0, 0]);
  });

  it('chooses with where', () => {
    const f = (x: Scalar): Scalar => x.gt(0).and(x.lt(2).not()).or(x.eq(-1)).xor(x.ge(9)).where(1, 0);
    expect([-1, 0, 1, 2, 9].map((at) => value(f, at))).toEqual([1, 0, 0, 1, 0]);
    expect(value((x, y) => x.where(x.ge(y), y), 2, 3)).toBe(3);
    expect(value((x, y) => where(x.le(y), x.ne(y).where(10, 20), 30), 2, 3)).toBe(10);
  });

  it('reads a truth value as an argument', () => {
    expect(new ScalarMask(maskArg(0)).where(1, 0).expr).toMatchObject({ op: 'select', mask: { sort: 'mask' } });
  });

  it('needs only what the composed derivative uses', () => {
    const fn = trace((x, y) => x.mul(y).relu(), 2, 'gate');
    expect(deriveVjp(fn, [true, false]).sources.map((s) => `${s.kind} ${s.index}`)).toEqual([
      'primal 1',
      'output 0',
      'cotangent 0',
    ]);
  });
});
