import { describe, expect, it } from 'vitest';
import { type Derived, deriveVjp } from '../../src/kernels/derive.ts';
import { arg, unary } from '../../src/kernels/expr.ts';
import { check, library, uniform } from './check.ts';
import { closed, pullback } from './compose.ts';
import { interpret } from './interpret.ts';

type Range = readonly [number, number];
const any: Range = [-2.5, 2.5];
const above: Range = [0.2, 3];
const unit: Range = [-0.9, 0.9];
const share: Range = [0.1, 0.9];
const far: Range = [3.2, 5];

/** Where each function is smooth, per argument; a mask is tried both ways. */
const domains: Readonly<Record<string, readonly (Range | 'mask')[]>> = {
  identity: [any],
  neg: [any],
  absolute: [above],
  sign: [above],
  sgn: [above],
  exp: [any],
  exp2: [any],
  expm1: [any],
  log: [above],
  log2: [above],
  log10: [above],
  log1p: [unit],
  sqrt: [above],
  rsqrt: [above],
  square: [any],
  reciprocal: [above],
  sin: [any],
  cos: [any],
  tan: [unit],
  asin: [unit],
  acos: [unit],
  atan: [any],
  sinh: [any],
  cosh: [any],
  tanh: [any],
  asinh: [any],
  acosh: [[1.2, 4]],
  atanh: [unit],
  sigmoid: [any],
  erf: [any],
  erfc: [any],
  logit: [share],
  lgamma: [[0.6, 4]],
  digamma: [[0.6, 4]],
  erfinv: [unit],
  sinc: [any],
  entr: [above],
  ndtr: [any],
  ndtri: [share],
  deg2rad: [any],
  rad2deg: [any],
  floor: [share],
  ceil: [share],
  round: [[0.6, 0.9]],
  trunc: [share],
  frac: [share],
  add: [any, any],
  sub: [any, any],
  addScaled: [any, any, any],
  subScaled: [any, any, any],
  mul: [any, any],
  div: [any, above],
  pow: [above, any],
  addcmul: [any, any, any, any],
  addcdiv: [any, any, above, any],
  lerp: [any, any, [0.6, 0.9]],
  xlogy: [any, above],
  maximum: [above, far],
  minimum: [above, far],
  fmax: [above, far],
  fmin: [above, far],
  atan2: [above, above],
  hypot: [above, above],
  logaddexp: [any, any],
  logaddexp2: [any, any],
  copysign: [above, above],
  fmod: [
    [3.3, 3.7],
    [1.1, 1.5],
  ],
  remainder: [
    [3.3, 3.7],
    [-1.5, -1.1],
  ],
  floorDivide: [
    [3.3, 3.7],
    [1.2, 1.6],
  ],
  truncDivide: [
    [3.3, 3.7],
    [1.2, 1.6],
  ],
  roundDecimals: [
    [3.3, 3.7],
    [1.2, 1.6],
  ],
  roundTens: [
    [3.3, 3.7],
    [1.2, 1.6],
  ],
  clampMin: [above, far],
  clampMax: [above, far],
  clamp: [
    [0, 1],
    [-1, -0.5],
    [2, 3],
  ],
  where: ['mask', any, any],
  maskedFill: [any, 'mask', any],
  maskedFillTensor: [any, 'mask', any],
  nanToNum: [any, any, any, any],
  copy: [any, any],
  fill: [any, any],
  relu: [above],
  hardtanh: [
    [0, 1],
    [-1, -0.5],
    [2, 3],
  ],
  relu6: [above],
  leakyRelu: [[-3, -0.2], any],
  prelu: [[-3, -0.2], any],
  threshold: [far, above, any],
  hardshrink: [far, above],
  softshrink: [far, above],
  elu: [[-3, -0.2], any],
  selu: [[-3, -0.2]],
  celu: [[-3, -0.2], above],
  softplus: [any, above, [50, 60]],
  logSigmoid: [any],
  silu: [any],
  mish: [any],
  gelu: [any],
  geluTanh: [any],
  hardsigmoid: [any],
  hardswish: [any],
  softsign: [above],
  tanhshrink: [any],
  squaredError: [any, any],
  absoluteError: [above, far],
  smoothL1: [above, far, [0.4, 0.6]],
  huber: [above, far, [0.4, 0.6]],
  binaryCrossEntropy: [share, share],
  binaryCrossEntropyWithLogits: [any, share, above],
  softMargin: [any, any],
};

const differentiable = Object.entries(library).filter(([, e]) => e.derivative !== 'none');

describe('derivatives of the library against finite differences', () => {
  it('covers every differentiable function', () => {
    expect(Object.keys(domains).sort()).toEqual(differentiable.map(([name]) => name).sort());
  });

  it.each(differentiable.map(([name]) => name))('%s, first to third order', (name) => {
    const entry = library[name];
    const rand = uniform(name.length * 7919 + name.charCodeAt(0));
    let fn = closed(entry);
    let domain = domains[name];
    for (let order = 1; order <= 3; order++) {
      for (let trial = 0; trial < 8; trial++) {
        const point = domain.map((d) => (d === 'mask' ? trial % 2 : d[0] + (d[1] - d[0]) * rand()));
        check(fn, point, rand, 1e-7);
      }
      fn = pullback(fn);
      domain = [...domain, ...new Array<Range>(fn.args.length - domain.length).fill([-1, 1])];
    }
  });
});

describe('what a derivative keeps', () => {
  const saved = (d: Derived): string[] =>
    d.sources.filter((s) => s.kind === 'primal' || s.kind === 'output').map((s) => `${s.kind[0]}${s.index}`);
  const keeps = (name: string, wanted: readonly boolean[], expected: readonly string[]): void => {
    const { fn, derivative } = library[name];
    expect(saved(deriveVjp(fn, wanted, typeof derivative === 'function' ? derivative : undefined))).toEqual(expected);
  };

  it.each([
    ['exp', ['o0']],
    ['expm1', ['o0']],
    ['exp2', ['o0']],
    ['tanh', ['o0']],
    ['sigmoid', ['o0']],
    ['sqrt', ['o0']],
    ['rsqrt', ['o0']],
    ['reciprocal', ['o0']],
    ['relu', ['o0']],
    ['tan', ['o0']],
    ['sin', ['p0']],
    ['log', ['p0']],
    ['square', ['p0']],
    ['gelu', ['p0']],
    ['silu', ['p0']],
    ['neg', []],
    ['identity', []],
    ['floor', []],
    ['frac', []],
  ] as const)('%s keeps %j', (name, expected) => keeps(name, [true], expected));

  it('keeps of two arguments only what the wanted gradients need', () => {
    keeps('add', [true, true], []);
    keeps('sub', [true, true], []);
    keeps('mul', [true, false], ['p1']);
    keeps('mul', [false, true], ['p0']);
    keeps('mul', [true, true], ['p0', 'p1']);
    keeps('div', [true, false], ['p1']);
    keeps('div', [true, true], ['p1', 'o0']);
    keeps('pow', [true, false], ['p0', 'p1']);
    keeps('fmod', [true, false], []);
    keeps('copy', [true, true], []);
  });

  it('keeps only the condition of where', () => {
    expect(saved(deriveVjp(library.where.fn, [false, true, true]))).toEqual(['p0']);
  });

  it('does not repeat what the function computed: no exp in the derivative of exp', () => {
    const { fn, sources } = deriveVjp({ name: 'f', args: ['value'], outs: [unary('exp', unary('sin', arg(0)))] }, [
      true,
    ]);
    expect(sources.map((s) => s.kind)).toEqual(['primal', 'output', 'cotangent']);
    expect(JSON.stringify(fn.outs)).not.toContain('exp');
  });
});

describe('kinks, ties and special values follow PyTorch', () => {
  const NaN_ = Number.NaN;
  const INF = Number.POSITIVE_INFINITY;
  const grads = (name: string, ...at: readonly number[]): number[] =>
    interpret(pullback(closed(library[name])), [...at, 1]);

  it.each([
    ['relu', [0], [0]],
    ['relu', [-0], [0]],
    ['relu', [NaN_], [1]],
    ['absolute', [0], [0]],
    ['absolute', [-0], [0]],
    ['absolute', [NaN_], [0]],
    ['sign', [0], [0]],
    ['sqrt', [0], [INF]],
    ['log', [0], [INF]],
    ['asin', [1], [INF]],
    ['atanh', [1], [INF]],
    ['acosh', [1], [INF]],
    ['maximum', [1, 1], [0.5, 0.5]],
    ['minimum', [0, -0], [0.5, 0.5]],
    ['maximum', [NaN_, 1], [1, 1]],
    ['fmax', [1, NaN_], [1, 0]],
    ['fmax', [NaN_, 1], [0, 1]],
    ['fmin', [2, 2], [1, 0]],
    ['clamp', [0, 0, 1], [1, 0, 0]],
    ['clamp', [1, 0, 1], [1, 0, 0]],
    ['clamp', [2, 0, 1], [0, 0, 1]],
    ['clamp', [NaN_, 0, 1], [0, 0, 0]],
    ['clamp', [0, 2, 1], [0, 0, 1]],
    ['hardtanh', [1, -1, 1], [0, 0, 1]],
    ['relu6', [0], [0]],
    ['relu6', [6], [0]],
    ['pow', [0, 0], [0, 0]],
    ['pow', [0, 3], [0, 0]],
    ['pow', [0, 1], [1, 0]],
    ['pow', [-2, 3], [12, NaN_]],
    ['pow', [0, -1], [-INF, -INF]],
    ['atan2', [0, 0], [0, 0]],
    ['xlogy', [0, 0], [0, NaN_]],
    ['xlogy', [0, 2], [Math.LN2, 0]],
    ['hypot', [0, 0], [NaN_, NaN_]],
    ['copysign', [0, 1], [0, 0]],
    ['fmod', [6, 3], [1, -2]],
    ['remainder', [-5, 3], [1, 2]],
    ['elu', [0, 2], [2, 0]],
    ['selu', [0], [1.7580993408473766]],
    ['leakyRelu', [0, 0.1], [0.1, 0]],
    ['hardshrink', [0.5, 0.5], [0, 0]],
    ['softshrink', [-0.5, 0.5], [0, 0]],
    ['threshold', [1, 1, 7], [0, 0, 1]],
    ['hardsigmoid', [3], [0]],
    ['logSigmoid', [0], [0.5]],
    ['logSigmoid', [-INF], [1]],
    ['softplus', [800, 1, 20], [1, 0, 0]],
    ['logaddexp', [1, 1], [0.5, 0.5]],
    ['logaddexp', [-800, 0], [0, 1]],
    ['nanToNum', [NaN_, 3, 4, 5], [0, 1, 0, 0]],
    ['nanToNum', [INF, 3, 4, 5], [0, 0, 1, 0]],
  ] as const)('%s at %j has gradients %j', (name, at, expected) => {
    grads(name, ...at).forEach((g, i) => {
      if (Number.isNaN(expected[i])) expect(g).toBeNaN();
      else expect(g).toBeCloseTo(expected[i] as number, 14);
    });
  });

  it.each([
    ['logSigmoid', [0], -0.25],
    ['softplus', [0, 1, 20], 0.25],
    ['mish', [0], 0.64],
    ['logaddexp', [1, 1], 0.25],
    ['gelu', [0], Math.sqrt(2 / Math.PI)],
    ['relu', [0], 0],
    ['square', [0], 2],
    ['pow', [0, 2], 2],
    ['pow', [0, 3], 0],
  ] as const)('the second derivative of %s by its first argument at %j is %d', (name, at, expected) => {
    const first = pullback(closed(library[name]));
    const seeds = first.outs.map((_, i) => (i === 0 ? 1 : 0));
    expect(interpret(pullback(first), [...at, 1, ...seeds])[0]).toBeCloseTo(expected, 14);
  });
});
