import { vanish } from '../backends/wasm/heap.ts';
import { topLevel } from '../core/apply.ts';
import { kindOf } from '../core/arguments.ts';
import { type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError } from '../core/errors.ts';
import { resultType } from '../core/promotion.ts';
import { broadcastShapes } from '../core/shape.ts';
import { checkTensors, isTensor, type Operand, type TensorBase } from '../core/tensor.ts';
import * as f from '../kernels/functions.ts';
import { toDType } from './copy.ts';
import type { ElementwiseOp } from './elementwise-op.ts';
import { onlyFloats, op, opWith } from './entry.ts';
import { hasZero } from './inspect.ts';

const noBool = (reason: string) => ({ refuse: (dtype: DType): string | null => (dtype === 'bool' ? reason : null) });

const isBool = (x: Operand): boolean => typeof x !== 'number' && x.dtype === 'bool';

function refuseQuotient([, a, b]: readonly Operand[]): void {
  if ([a, b].some((x) => typeof x === 'number' || isFloat(x.dtype))) return;
  throw new DTypeError(
    'addcdiv: Integer division with addcdiv is no longer supported; write x.add(a.div(b)), or trunc() that',
  );
}

function refuseBool(inputs: readonly Operand[]): void {
  if (!inputs.some(isBool)) return;
  throw new DTypeError(
    'sub: Subtraction, the `-` operator, with a bool tensor is not supported (with two bool tensors is not supported either). If you are trying to invert a mask, use the `~` or `logical_not()` operator instead (here logicalNot), or logicalXor.',
  );
}

export const IN_PYTORCH: Readonly<Record<DType, string>> = {
  float32: 'Float',
  float64: 'Double',
  int32: 'Int',
  uint8: 'Byte',
  bool: 'Bool',
};

/** Whole numbers have no value for x / 0; floats do. */
function refuseZeroDivisor(inputs: readonly Operand[]): void {
  const [a, b] = inputs;
  if (isFloat(resultType('div', inputs))) return;
  if (typeof b === 'number' ? b === 0 : typeof a !== 'number' && a.count === 0 ? false : hasZero(b)) {
    throw new ArgumentError(
      'div: ZeroDivisionError: integer division by zero. Convert to float32 first, where x / 0 is infinite.',
    );
  }
}

function refuseNegativePower(inputs: readonly Operand[]): void {
  const [a, b] = inputs;
  if (typeof b !== 'number' || b >= 0 || !Number.isInteger(b) || typeof a === 'number' || isFloat(a.dtype)) return;
  throw new DTypeError(
    `pow: Integers to negative integer powers are not allowed. Convert first: x.to('float32').pow(${b})`,
  );
}

/** Whether the target had only to give up its memory to be filled with zeros. */
function cleared(target: TensorBase, [x, value]: readonly Operand[]): boolean {
  const { flat, count, dtype, storage } = target;
  return (
    x === target && Object.is(value, 0) && flat && count * dtypeInfo(dtype).bytes === storage.nbytes && vanish(storage)
  );
}

/** Every elementwise operation, for the in-place forms and for whoever walks the registry. */
export const ops = {
  neg: op(
    f.neg,
    'same',
    noBool(
      'Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use the `~` or `logical_not()` operator instead: logicalNot().',
    ),
  ),
  abs: op(f.absolute, 'same'),
  sign: op(f.sign, 'same'),
  sgn: op(f.sgn, 'same'),
  exp: op(f.exp, 'float'),
  exp2: op(f.exp2, 'float'),
  expm1: op(f.expm1, 'float'),
  log: op(f.log, 'float'),
  log2: op(f.log2, 'float'),
  log10: op(f.log10, 'float'),
  log1p: op(f.log1p, 'float'),
  sqrt: op(f.sqrt, 'float'),
  rsqrt: op(f.rsqrt, 'float'),
  square: op(f.square, 'same', {
    node: 'PowBackward0',
    // Elsewhere truth values are made integers first.
    ...noBool("result type int32 can't be cast to the desired output type bool"),
  }),
  reciprocal: op(f.reciprocal, 'float'),
  sin: op(f.sin, 'float'),
  cos: op(f.cos, 'float'),
  tan: op(f.tan, 'float'),
  asin: op(f.asin, 'float'),
  acos: op(f.acos, 'float'),
  atan: op(f.atan, 'float'),
  sinh: op(f.sinh, 'float'),
  cosh: op(f.cosh, 'float'),
  tanh: op(f.tanh, 'float'),
  asinh: op(f.asinh, 'float'),
  acosh: op(f.acosh, 'float'),
  atanh: op(f.atanh, 'float'),
  sigmoid: op(f.sigmoid, 'float'),
  erf: op(f.erf, 'float'),
  erfc: op(f.erfc, 'float'),
  relu: op(f.relu, 'same', noBool('Boolean inputs not supported for relu')),
  floor: op(f.floor, 'same'),
  ceil: op(f.ceil, 'same'),
  round: op(f.round, 'same'),
  roundDecimals: op(f.roundDecimals, 'same', { node: 'RoundBackward1' }),
  roundTens: op(f.roundTens, 'same', { node: 'RoundBackward1' }),
  trunc: op(f.trunc, 'same'),
  frac: op(f.frac, 'same'),
  add: op(f.add, 'same'),
  addScaled: op(f.addScaled, 'same', { node: 'AddBackward0', setting: 2 }),
  sub: op(f.sub, 'same', { guard: refuseBool }),
  subScaled: op(f.subScaled, 'same', { node: 'SubBackward0', guard: refuseBool, setting: 2 }),
  mul: op(f.mul, 'same'),
  div: op(f.div, 'float', { reuse: false }),
  floorDivide: op(f.floorDivide, 'same', { node: 'DivBackward1', guard: refuseZeroDivisor }),
  truncDivide: op(f.truncDivide, 'same', { node: 'DivBackward1', guard: refuseZeroDivisor }),
  pow: op(f.pow, 'same', { guard: refuseNegativePower }),
  maximum: op(f.maximum, 'same'),
  minimum: op(f.minimum, 'same'),
  atan2: op(f.atan2, 'float'),
  fmod: op(f.fmod, 'same', { guard: refuseZeroDivisor }),
  remainder: op(f.remainder, 'same', { guard: refuseZeroDivisor }),
  clampMin: op(f.clampMin, 'same', { node: 'ClampMinBackward0' }),
  clampMax: op(f.clampMax, 'same', { node: 'ClampMaxBackward0' }),
  clamp: op(f.clamp, 'same', { node: 'ClampBackward1' }),
  where: op(f.where, 'same'),
  maskedFill: op(f.maskedFill, 'first', { node: 'MaskedFillBackward0' }),
  maskedFillTensor: op(f.maskedFillTensor, 'first', { node: 'MaskedFillBackward1' }),
  copy: op(f.copy, 'first', { node: 'CopyBackwards' }),
  fill: op(f.fill, 'first', { shortcut: cleared }),
  eq: op(f.eq, 'bool'),
  ne: op(f.ne, 'bool'),
  lt: op(f.lt, 'bool'),
  le: op(f.le, 'bool'),
  gt: op(f.gt, 'bool'),
  ge: op(f.ge, 'bool'),
  logicalNot: op(f.logicalNot, 'bool'),
  logicalAnd: op(f.logicalAnd, 'bool'),
  logicalOr: op(f.logicalOr, 'bool'),
  logicalXor: op(f.logicalXor, 'bool'),
  isnan: op(f.isnan, 'bool'),
  isinf: op(f.isinf, 'bool'),
  isfinite: op(f.isfinite, 'bool'),
  isposinf: op(f.isposinf, 'bool'),
  isneginf: op(f.isneginf, 'bool'),
  signbit: op(f.signbit, 'bool'),
  logit: op(f.logit, 'float'),
  lgamma: op(f.lgamma, 'float'),
  digamma: op(f.digamma, 'float'),
  erfinv: op(f.erfinv, 'float'),
  sinc: op(f.sinc, 'float'),
  entr: op(f.entr, 'float', { node: 'SpecialEntrBackward0' }),
  ndtr: op(f.ndtr, 'float', { node: 'SpecialNdtrBackward0' }),
  ndtri: op(f.ndtri, 'float', { node: 'SpecialNdtriBackward0' }),
  deg2rad: op(f.deg2rad, 'float', { node: 'Deg2RadBackward0' }),
  rad2deg: op(f.rad2deg, 'float', { node: 'Rad2DegBackward0' }),
  xlogy: op(f.xlogy, 'float'),
  hypot: op(f.hypot, 'same', onlyFloats('hypot_cpu')),
  logaddexp: op(f.logaddexp, 'same', onlyFloats('logaddexp_cpu')),
  logaddexp2: op(f.logaddexp2, 'same', onlyFloats('logaddexp2_cpu')),
  copysign: op(f.copysign, 'float'),
  fmax: op(f.fmax, 'same'),
  fmin: op(f.fmin, 'same'),
  heaviside: op(f.heaviside, 'same'),
  nanToNum: op(f.nanToNum, 'first'),
  lerp: op(f.lerp, 'same', { setting: 2 }),
  addcmul: op(f.addcmul, 'same'),
  addcdiv: op(f.addcdiv, 'same', { guard: refuseQuotient }),
} as const;

type Unary = (x: TensorBase) => TensorBase;
type Binary = (a: Operand, b: Operand) => TensorBase;
const unary =
  (o: ElementwiseOp): Unary =>
  (x) =>
    o.call1(x);
const binary =
  (o: ElementwiseOp): Binary =>
  (a, b) =>
    o.call2(a, b);

export const neg: Unary = unary(ops.neg);
export const abs: Unary = unary(ops.abs);
export const sign: Unary = unary(ops.sign);
export const sgn: Unary = unary(ops.sgn);
export const exp: Unary = unary(ops.exp);
export const exp2: Unary = unary(ops.exp2);
export const expm1: Unary = unary(ops.expm1);
export const log: Unary = unary(ops.log);
export const log2: Unary = unary(ops.log2);
export const log10: Unary = unary(ops.log10);
export const log1p: Unary = unary(ops.log1p);
export const sqrt: Unary = unary(ops.sqrt);
export const rsqrt: Unary = unary(ops.rsqrt);
/** As a power it counts truth values as whole numbers. */
export const square: Unary = (x) => ops.square.call1(x.dtype === 'bool' ? toDType(x, 'int32') : x);
export const reciprocal: Unary = unary(ops.reciprocal);
export const sin: Unary = unary(ops.sin);
export const cos: Unary = unary(ops.cos);
export const tan: Unary = unary(ops.tan);
export const asin: Unary = unary(ops.asin);
export const acos: Unary = unary(ops.acos);
export const atan: Unary = unary(ops.atan);
export const sinh: Unary = unary(ops.sinh);
export const cosh: Unary = unary(ops.cosh);
export const tanh: Unary = unary(ops.tanh);
export const asinh: Unary = unary(ops.asinh);
export const acosh: Unary = unary(ops.acosh);
export const atanh: Unary = unary(ops.atanh);
export const sigmoid: Unary = unary(ops.sigmoid);
export const erf: Unary = unary(ops.erf);
export const erfc: Unary = unary(ops.erfc);
export const relu: Unary = unary(ops.relu);
export const floor: Unary = unary(ops.floor);
export const ceil: Unary = unary(ops.ceil);

/** The operation and inputs of rounding to so many decimals; negative ones are places before the point. */
export function roundCall(
  x: TensorBase,
  decimals: number,
): readonly [ElementwiseOp, readonly [TensorBase, ...Operand[]]] {
  if (!Number.isInteger(decimals))
    throw new ArgumentError(`round: decimals must be a whole number, got ${String(decimals)}`);
  if (decimals === 0) return [ops.round, [x]];
  if (!isFloat(x.dtype))
    throw new DTypeError(
      `round: "round_cpu" not implemented for '${IN_PYTORCH[x.dtype]}' with decimals, this tensor is ${x.dtype}; convert with x.to('float32') first`,
    );
  // A literal is rounded correctly, which a power of 10 need not be.
  const unit = Number(`1e${Math.abs(decimals)}`);
  return [decimals > 0 ? ops.roundDecimals : ops.roundTens, [x, unit]];
}

export function round(x: TensorBase, decimals = 0): TensorBase {
  const [o, inputs] = roundCall(x, decimals);
  return o.call(...inputs);
}

export const trunc: Unary = unary(ops.trunc);
export const frac: Unary = unary(ops.frac);
export const logicalNot: Unary = unary(ops.logicalNot);
export const isnan: Unary = unary(ops.isnan);
export const isinf: Unary = unary(ops.isinf);
export const isfinite: Unary = unary(ops.isfinite);

export const mul: Binary = binary(ops.mul);
export const maximum: Binary = binary(ops.maximum);
export const minimum: Binary = binary(ops.minimum);
export const atan2: Binary = binary(ops.atan2);
export const xlogy: Binary = binary(ops.xlogy);
export const fmod: Binary = binary(ops.fmod);
export const remainder: Binary = binary(ops.remainder);
export const eq: Binary = binary(ops.eq);
export const ne: Binary = binary(ops.ne);
export const lt: Binary = binary(ops.lt);
export const le: Binary = binary(ops.le);
export const gt: Binary = binary(ops.gt);
export const ge: Binary = binary(ops.ge);
export const logicalAnd: Binary = binary(ops.logicalAnd);
export const logicalOr: Binary = binary(ops.logicalOr);
export const logicalXor: Binary = binary(ops.logicalXor);

/** Powers that are cheaper, and whose derivatives are simpler, than powers at large. */
const fixedPowers = new Map<number, ElementwiseOp>();

function fixedPower(n: number): ElementwiseOp {
  let found = fixedPowers.get(n);
  if (found === undefined) {
    found = opWith(f.powerOf(n), 'same', { node: 'PowBackward0' });
    fixedPowers.set(n, found);
  }
  return found;
}

const FIXED: ReadonlySet<number> = new Set([-2, -1, -0.5, 0.5, 2, 3, 4]);

/** The operation of aᵇ if b is a number that has one of its own, null if not. */
function fixedPowerOf({ dtype }: TensorBase, b: Operand): ElementwiseOp | null {
  if (typeof b !== 'number' || !FIXED.has(b)) return null;
  return isFloat(dtype) || (b > 1 && dtype !== 'bool') ? fixedPower(b) : null;
}

/** aᵇ */
export function pow(a: Operand, b: Operand): TensorBase {
  return (typeof a === 'number' ? null : fixedPowerOf(a, b)?.call1(a)) ?? ops.pow.call2(a, b);
}

/** The operation and inputs of a power in the place of `a`. */
export function powCall(a: TensorBase, b: Operand): readonly [ElementwiseOp, readonly [TensorBase, ...Operand[]]] {
  const fixed = fixedPowerOf(a, b);
  return fixed === null ? [ops.pow, [a, b]] : [fixed, [a]];
}

/** a + alpha b */
export function add(a: Operand, b: Operand, alpha = 1): TensorBase {
  return alpha === 1 ? ops.add.call2(a, b) : ops.addScaled.call(a, b, checkAlpha('add', a, b, alpha));
}

/** a − alpha b */
export function sub(a: Operand, b: Operand, alpha = 1): TensorBase {
  return alpha === 1 ? ops.sub.call2(a, b) : ops.subScaled.call(a, b, checkAlpha('sub', a, b, alpha));
}

function checkAlpha(name: string, a: Operand, b: Operand, alpha: number): number {
  topLevel(name, [a, b]);
  const dtype = resultType(name, [a, b]);
  if (!isFloat(dtype) && !Number.isInteger(alpha))
    throw new DTypeError(`${name}: For integral input tensors, argument alpha must not be a floating point number.`);
  return alpha;
}

/** The operation and inputs of an in-place addition or subtraction. */
export const addCall = (a: TensorBase, b: Operand, alpha = 1) =>
  alpha === 1 ? ([ops.add, [a, b]] as const) : ([ops.addScaled, [a, b, checkAlpha('add_', a, b, alpha)]] as const);
export const subCall = (a: TensorBase, b: Operand, alpha = 1) =>
  alpha === 1 ? ([ops.sub, [a, b]] as const) : ([ops.subScaled, [a, b, checkAlpha('sub_', a, b, alpha)]] as const);

export type RoundingMode = 'floor' | 'trunc' | null;

/** a / b, true division; or rounded down, or toward zero. */
export function div(a: Operand, b: Operand, roundingMode: RoundingMode = null): TensorBase {
  return divOp(roundingMode).call2(a, b);
}

export function divOp(roundingMode: RoundingMode = null): ElementwiseOp {
  switch (roundingMode) {
    case null:
      return ops.div;
    case 'floor':
      return ops.floorDivide;
    case 'trunc':
      return ops.truncDivide;
    default:
      throw new ArgumentError(
        `div: div expected rounding_mode (roundingMode) to be one of null, 'trunc', or 'floor' but found '${String(roundingMode)}'`,
      );
  }
}

/** The operation and inputs of a clamp: either bound may be null. */
export function clampCall(
  x: TensorBase,
  min: Operand | null,
  max: Operand | null,
): readonly [ElementwiseOp, readonly [TensorBase, ...Operand[]]] {
  if (min === null && max === null) throw new ArgumentError("clamp: At least one of 'min' or 'max' must not be null");
  // As in `clamp(min=0)`, of which the compiler has been told nothing.
  if (Object(min) === min && !isTensor(min))
    throw new ArgumentError(
      `clamp: bounds are arguments, got ${kindOf(min)}: write x.clamp(min, max), or null for the one that there is not`,
    );
  if (isTensor(min)) broadcastShapes('clamp', x.shape, min.shape);
  if (isTensor(max)) broadcastShapes('clamp', x.shape, max.shape);
  if (max === null) return [ops.clampMin, [x, min as Operand]];
  return min === null ? [ops.clampMax, [x, max]] : [ops.clamp, [x, min, max]];
}

export function clamp(x: TensorBase, min: Operand | null, max: Operand | null): TensorBase {
  const [o, inputs] = clampCall(x, min, max);
  return o.call(...inputs);
}

/** a where the condition holds, else b. */
export function where(condition: TensorBase, a: Operand, b: Operand): TensorBase {
  checkTensors('where', condition);
  if (condition.dtype !== 'bool' && condition.dtype !== 'uint8')
    throw new DTypeError(
      `where: where expected condition to be a boolean tensor, but got a tensor with dtype ${condition.dtype}; compare first: x.ne(0)`,
    );
  return ops.where.call(condition, a, b);
}

/** `target += g` for the engine's own buffers: outside any graph. */
export function addInto(target: TensorBase, g: TensorBase): void {
  ops.add.writeInto(target, [target, g]);
}
