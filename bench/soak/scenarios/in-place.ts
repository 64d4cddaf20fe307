/**
 * Every method that changes a tensor in place, on tensors of which results were made: what was made
 * stays as it was, what was changed is what it became, whatever is moved out of memory in between.
 */
import { inferenceMode, rand, randint, Tensor, type TypedArray, tensor, zeros } from 'nabla';
import { numbers } from '../reference.ts';
import type { Scenario, Soak } from '../scenario.ts';
import { kb } from '../world/program.ts';
import { press } from '../world/world.ts';

const [ROWS, COLUMNS] = [96, 112];

interface Call {
  readonly args: readonly unknown[];
  /** Of the target, [ROWS, COLUMNS] unless said otherwise. */
  readonly shape?: readonly number[];
  /** Only on a tensor that is all of its memory. */
  readonly whole?: true;
  /** The dtype of the target, float32 unless said otherwise. */
  readonly dtype?: 'int32' | 'float64';
  /** Out of place it gives a view, or is no method. */
  readonly view?: true;
}

/** What methods are called with. */
function calls(): Readonly<Record<string, Call>> {
  // Operands are results: they are moved out as well, and may be made again in the middle of a call.
  const result = (shape: readonly number[]): Tensor => (rand(shape) as Tensor).mul(0.5).add(0.25);
  const other = result([ROWS, COLUMNS]);
  const another = result([ROWS, COLUMNS]);
  const mask = other.gt(0.5);
  const rows: Tensor = randint(0, ROWS, [ROWS, COLUMNS]);
  const few = tensor([3, 50, 7, 91], { dtype: 'int32' });
  const bits = randint(0, 12, [ROWS, COLUMNS]).add(1) as Tensor;
  const four = result([4, COLUMNS]);
  const none: readonly string[] = [
    ...[
      't_',
      'detach_',
      'conjPhysical_',
      'zero_',
      'neg_',
      'abs_',
      'exp_',
      'expm1_',
      'log_',
      'log1p_',
      'sqrt_',
      'rsqrt_',
    ],
    ...['square_', 'reciprocal_', 'sin_', 'cos_', 'tan_', 'asin_', 'acos_', 'atan_', 'sinh_', 'cosh_', 'tanh_'],
    ...['sigmoid_', 'relu_', 'erf_', 'erfc_', 'floor_', 'ceil_', 'round_', 'trunc_', 'sign_', 'sgn_', 'exp2_', 'log2_'],
    ...['log10_', 'asinh_', 'acosh_', 'atanh_', 'frac_', 'logit_', 'nanToNum_'],
    ...['lgamma_', 'digamma_', 'erfinv_', 'sinc_', 'i0_', 'deg2rad_', 'rad2deg_'],
    'logicalNot_',
    ...['uniform_', 'normal_', 'bernoulli_', 'exponential_', 'logNormal_', 'cauchy_', 'random_', 'tril_', 'triu_'],
  ];
  const two = [
    ...['add_', 'sub_', 'mul_', 'div_', 'pow_', 'remainder_', 'fmod_', 'atan2_', 'xlogy_', 'hypot_', 'copysign_'],
    ...['heaviside_', 'copy_', 'clamp_', 'clip_', 'clampMin_', 'clampMax_', 'floorDivide_', 'ldexp_'],
    ...['multiply_', 'subtract_', 'divide_'],
    ...['eq_', 'ne_', 'lt_', 'le_', 'gt_', 'ge_', 'logicalAnd_', 'logicalOr_'],
    ...['logicalXor_'],
  ];
  const whole = ['And_', 'Or_', 'Xor_', 'LeftShift_', 'RightShift_'].map((name) => `bitwise${name}`);
  const views = ['t_', 'detach_', 'conjPhysical_', 'requiresGrad_'];
  return {
    ...Object.fromEntries(none.map((name) => [name, { args: [] }])),
    ...Object.fromEntries(two.map((name) => [name, { args: [other] }])),
    ...Object.fromEntries(views.map((name) => [name, { args: [], view: true as const, whole: true as const }])),
    ...Object.fromEntries([...whole, 'gcd_', 'lcm_'].map((name) => [name, { args: [bits], dtype: 'int32' as const }])),
    bitwiseNot_: { args: [], dtype: 'int32' },
    floatPower_: { args: [other], dtype: 'float64' },
    lerp_: { args: [other, another] },
    addcmul_: { args: [other, another] },
    addcdiv_: { args: [other, another] },
    polygamma_: { args: [2] },
    mvlgamma_: { args: [1] },
    fill_: { args: [0.75] },
    fillDiagonal_: { args: [0.75, true] },
    geometric_: { args: [0.25] },
    cumsum_: { args: [0] },
    cumprod_: { args: [1] },
    renorm_: { args: [2, 0, 0.5] },
    setAt_: { args: [[few], four] },
    indexPut_: { args: [[few], four, { accumulate: true }] },
    put_: { args: [tensor([5, 77, 3000], { dtype: 'int32' }), tensor([1, 2, 3])] },
    maskedFill_: { args: [mask, -3] },
    maskedScatter_: { args: [mask, another] },
    scatter_: { args: [0, rows.slice(0, 0, 1), another] },
    scatterAdd_: { args: [0, rows, another] },
    scatterReduce_: { args: [0, rows, another, 'amax'] },
    indexAdd_: { args: [0, few, four] },
    indexCopy_: { args: [0, few, four] },
    indexFill_: { args: [0, few, 9] },
    indexReduce_: { args: [0, few, four, 'prod'] },
    addmm_: { args: [other, result([COLUMNS, COLUMNS])] },
    addmv_: { args: [result([6000, 8]), rand([8])], shape: [6000] },
    addr_: { args: [rand([ROWS]), rand([COLUMNS])] },
    baddbmm_: { args: [result([4, 40, 8]), result([4, 8, 50])], shape: [4, 40, 50] },
    addbmm_: { args: [result([4, ROWS, 8]), result([4, 8, COLUMNS])] },
    transpose_: { args: [0, 1], view: true },
    squeeze_: { args: [], shape: [ROWS, 1, COLUMNS], view: true },
    unsqueeze_: { args: [1], view: true },
    resize_: { args: [[COLUMNS, ROWS]], whole: true },
    resizeAs_: { args: [rand([COLUMNS * 4, ROWS / 4])], whole: true },
    asStrided_: {
      args: [
        [COLUMNS, ROWS],
        [1, COLUMNS],
      ],
      whole: true,
    },
  };
}

/** Numbers to begin with. */
const VALUES: Readonly<Record<'float32' | 'float64' | 'int32', (n: number, next: () => number) => TypedArray>> = {
  float32: (length, next) => Float32Array.from({ length }, () => 0.5 + 0.4 * next()),
  float64: (length, next) => Float64Array.from({ length }, () => 0.5 + 0.4 * next()),
  int32: (length, next) => Int32Array.from({ length }, () => Math.round(500 + 400 * next())),
};

type Method = (...args: readonly unknown[]) => unknown;

function methodOf(name: string): Method | undefined {
  return (Tensor.prototype as unknown as Readonly<Record<string, Method | undefined>>)[name];
}

/** Names of all methods that end in an underscore. */
function inPlaceMethods(): string[] {
  const names = new Set<string>();
  for (let p: object | null = Tensor.prototype; p !== null && p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    for (const name of Object.getOwnPropertyNames(p)) if (name.endsWith('_')) names.add(name);
  }
  return [...names].sort();
}

const product = (shape: readonly number[]): number => shape.reduce((p, n) => p * n, 1);

/** Tensors of the same values that lie differently in memory. */
const targets: readonly ((values: TypedArray, shape: readonly number[]) => Tensor)[] = [
  (values, shape) => tensor(values, { shape }),
  // A result.
  (values, shape) => tensor(values, { shape }).mul(1) as Tensor,
  // The middle of something larger.
  (values, shape) => {
    const n = shape[0] as number;
    const room = zeros([3 * n, ...shape.slice(1)], { dtype: tensor(values).dtype }) as Tensor;
    return room.narrow(0, n, n).copy_(tensor(values, { shape }));
  },
  (values, shape) => tensor(values, { shape }).transpose(0, -1).clone().contiguous().transpose(0, -1),
];

function run(soak: Soak): void {
  const all = calls();
  const names = inPlaceMethods();
  soak.holds('every method has its arguments', JSON.stringify(Object.keys(all).sort()) === JSON.stringify(names));
  const next = numbers(21);
  for (let step = 0; step < soak.steps; step++) {
    const name = names[step % names.length] as string;
    const { args, shape = [ROWS, COLUMNS], whole = false, view = false, dtype = 'float32' } = all[name] as Call;
    const inPlace = methodOf(name) as Method;
    const outOfPlace = view ? undefined : methodOf(name.slice(0, -1));
    const round = Math.floor(step / names.length);
    const values = VALUES[dtype](product(shape), next);
    const [factor, less] = dtype === 'int32' ? [2, 1] : [1.5, 0.25];
    const make = (whole ? targets[0] : targets[round % targets.length]) as (typeof targets)[number];
    const x = make(values, shape);
    press(kb(64));
    const call = (t: Tensor): Tensor => {
      const f = (): unknown => Reflect.apply(inPlace, t, args);
      if (round % 5 === 3) inferenceMode(f);
      else f();
      return t;
    };
    const what = (part: string): string => `${name} at step ${step}: ${part}`;

    const y = x.mul(factor) as Tensor;
    const z = y.sub(less) as Tensor;
    const pure = outOfPlace === undefined ? x.abs() : (Reflect.apply(outOfPlace, x, args) as Tensor);
    const pureValues = pure.toTypedArray();
    const scaled = values.map((v) => v * factor);
    press(kb(64));

    // The result is changed: it is so afterwards, and neither what it was made of nor what was made of it is.
    const changedY = call(y).toTypedArray();
    press(kb(64));
    soak.equal(what('the result that was changed'), y.toTypedArray(), changedY);
    soak.equal(
      what('what was made of it'),
      z.toTypedArray(),
      scaled.map((v) => v - less),
    );
    soak.equal(what('what it was made of'), x.toTypedArray(), values);

    // What it was made of is changed.
    const w = x.mul(factor) as Tensor;
    press(kb(64));
    const changedX = call(x).toTypedArray();
    press(kb(64));
    soak.equal(what('the input that was changed'), x.toTypedArray(), changedX);
    soak.equal(what('a result of what was changed'), w.toTypedArray(), scaled);
    soak.equal(what('the result that had been changed'), y.toTypedArray(), changedY);
    soak.equal(what('the result of the method out of place'), pure.toTypedArray(), pureValues);
    soak.after(step);
  }
}

export const inPlace: Scenario = {
  name: 'every change in place',
  steps: 6000,
  shortSteps: 400,
  limits: { linear: 8 },
  run,
};
