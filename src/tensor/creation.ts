import { setRequiresGrad } from '../autograd/api.ts';
import { launching } from '../backends/wasm/threads/pending.ts';
import { checkTypes } from '../core/arguments.ts';
import { type DType, dtypeInfo, getDefaultDtype, isFloat, type TypedArray } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import type { Wrapped } from '../core/levels.ts';
import { within } from '../core/naming.ts';
import { makeFromNothing, ZEROS } from '../core/recipes.ts';
import { checkShape, numel, shapeText } from '../core/shape.ts';
import { checkTensors, fresh, TensorBase, wrap } from '../core/tensor.ts';
import { warn } from '../core/warnings.ts';
import { clone, toDType } from '../ops/copy.ts';
import { evenly, eyeMatrix, full as filled } from '../ops/create.ts';
import { detach } from '../ops/detach.ts';
import { pow } from '../ops/elementwise.ts';
import { storable } from '../ops/storable.ts';
import { expand } from '../ops/view.ts';
import { checkFits, flattenNested, fromHost, hostArray, inferDType, type NestedArray, nestedShape } from './data.ts';
import { checkOptions, type TensorOptions } from './options.ts';
import type { Shape } from './shapes.ts';
import type { ArangeOf, CreatedOf, Data, DataOf, EyeOf, FitData, LinspaceOf } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const CREATION = ['dtype', 'requiresGrad'] as const;
export const RANDOM = ['dtype', 'requiresGrad', 'generator'] as const;

export function checked(op: string, options: object | undefined, known: readonly string[] = CREATION): void {
  if (typeof options === 'number' && !op.endsWith('Like'))
    throw new ArgumentError(`${op}: several numbers are one array, such as ${op}([2, 3])`);
  checkOptions(op, options, known);
  launching.name = op;
}

/** Finishes a new leaf. */
export function leaf(t: TensorBase, options: TensorOptions | undefined): Tensor {
  if (options?.requiresGrad) setRequiresGrad(t, true);
  return t as Tensor;
}

/** A new tensor that can be made again; one that requires grad, a parameter, is going to be changed and cannot. */
function constant(make: () => TensorBase, options: TensorOptions | undefined, name?: string): Tensor {
  return options?.requiresGrad ? leaf(make(), options) : (makeFromNothing(make, name) as Tensor);
}

const dtypeOfArray = (a: TypedArray): DType =>
  a instanceof Float32Array
    ? 'float32'
    : a instanceof Float64Array
      ? 'float64'
      : a instanceof Int32Array
        ? 'int32'
        : 'uint8';

function isTypedArray(x: unknown): x is TypedArray {
  return x instanceof Float32Array || x instanceof Float64Array || x instanceof Int32Array || x instanceof Uint8Array;
}

/** Values converted to a dtype's array, refusing what does not fit. */
function convert(values: ArrayLike<number | boolean>, dtype: DType): TypedArray {
  const out = hostArray(dtype, values.length);
  if (dtypeInfo(dtype).kind === 'int') checkFits('tensor', Array.from(values, Number), dtype);
  for (let i = 0; i < values.length; i++) {
    const x = Number(values[i]);
    out[i] = dtype === 'bool' ? (x !== 0 ? 1 : 0) : x;
  }
  return out;
}

/**
 * A tensor of the given values: nested arrays of numbers or booleans (every row of one length), a
 * number, a typed array (which is copied), or another tensor (copied and detached). Numbers become
 * float32 (or what `setDefaultDtype` says) unless `dtype` says otherwise, booleans bool, typed arrays their own type.
 *
 * @throws {ShapeError} when rows differ in length.
 * @throws {DTypeError} when an element is neither number nor boolean.
 */
export function tensor<D extends Data, const R extends Shape | undefined = undefined>(
  source: FitData<D, R>,
  options?: TensorOptions & { readonly shape?: R },
): Tensor<DataOf<D, R>> {
  checked('tensor', options, ['dtype', 'requiresGrad', 'shape']);
  const data = source as NestedArray | TypedArray | TensorBase;
  if (data instanceof TensorBase) {
    warn(
      'copyConstruct',
      () =>
        'tensor: To copy construct from a tensor, it is recommended to use sourceTensor.clone().detach() or sourceTensor.clone().detach().requiresGrad_(true), rather than tensor(sourceTensor).',
    );
    return leaf(toDType(clone(detach(data)), options?.dtype ?? data.dtype), options);
  }
  if (isTypedArray(data)) {
    const shape = checkShape('tensor', options?.shape ?? [data.length]);
    if (numel(shape) !== data.length)
      throw new ShapeError(`tensor: shape ${shapeText(shape)} is invalid for input of size ${data.length}`);
    const dtype = options?.dtype ?? dtypeOfArray(data);
    return leaf(fromHost(dtype === dtypeOfArray(data) ? data : convert(data, dtype), shape, dtype), options);
  }
  if (ArrayBuffer.isView(data))
    throw new DTypeError(
      'tensor: this typed array has no dtype here; use Float32Array, Float64Array, Int32Array or Uint8Array',
    );
  const shape = nestedShape(data);
  const values = flattenNested(data, shape);
  const dtype = options?.dtype ?? inferDType(values);
  const t = fromHost(convert(values, dtype), shape, dtype);
  if (options?.shape !== undefined) {
    const own = checkShape('tensor', options.shape);
    if (numel(own) !== values.length)
      throw new ShapeError(`tensor: shape ${shapeText(own)} is invalid for input of size ${values.length}`);
    return leaf(fromHost(convert(values, dtype), own, dtype), options);
  }
  return leaf(t, options);
}

/**
 * `data` itself if it is a tensor of the dtype, the same in another dtype (gradients flow to it) if it is of another, else
 * what `tensor` makes of it.
 *
 * @throws {ShapeError} when rows differ in length.
 * @throws {DTypeError} when an element is neither number nor boolean.
 */
export function asTensor<D extends Data>(
  data: FitData<D, undefined>,
  options?: { readonly dtype?: DType },
): Tensor<DataOf<D, undefined>> {
  checked('asTensor', options, ['dtype']);
  const given: unknown = data;
  const t =
    given instanceof TensorBase
      ? toDType(given, options?.dtype ?? given.dtype)
      : within('asTensor', () => tensor(given as NestedArray, options));
  return t as Tensor as Tensor<DataOf<D, undefined>>;
}

/**
 * A tensor filled with one number, of the default dtype unless `dtype` says otherwise, or with a truth value.
 *
 * @throws {ShapeError} for sizes that are no whole numbers from 0 on.
 * @throws {ArgumentError} for a value that the dtype has no place for.
 */
export function full<const N extends Shape>(
  shape: N,
  value: number | boolean,
  options?: TensorOptions,
): Tensor<CreatedOf<N>> {
  checked('full', options);
  const sizes = checkShape('full', shape);
  if (typeof value !== 'number' && typeof value !== 'boolean')
    throw new ArgumentError(`full: the fill value must be a number or a truth value, got ${typeof value}`);
  const dtype = options?.dtype ?? (typeof value === 'boolean' ? 'bool' : getDefaultDtype());
  const stored = storable('full', Number(value), dtype);
  return constant(() => filled(sizes, stored, dtype), options);
}

/**
 * Zeros in a shape.
 *
 * @throws {ShapeError} for sizes that are no whole numbers from 0 on.
 */
export function zeros<const N extends Shape>(shape: N, options?: TensorOptions): Tensor<CreatedOf<N>> {
  checked('zeros', options);
  const sizes = checkShape('zeros', shape);
  const dtype = options?.dtype ?? getDefaultDtype();
  return constant(() => filled(sizes, 0, dtype), options, ZEROS);
}

/**
 * Ones in a shape.
 *
 * @throws {ShapeError} for sizes that are no whole numbers from 0 on.
 */
export function ones<const N extends Shape>(shape: N, options?: TensorOptions): Tensor<CreatedOf<N>> {
  checked('ones', options);
  const sizes = checkShape('ones', shape);
  const dtype = options?.dtype ?? getDefaultDtype();
  return constant(() => filled(sizes, 1, dtype), options);
}

/**
 * A tensor whose values are whatever its memory held.
 *
 * @throws {ShapeError} for sizes that are no whole numbers from 0 on.
 */
export function empty<const N extends Shape>(shape: N, options?: TensorOptions): Tensor<CreatedOf<N>> {
  checked('empty', options);
  return leaf(fresh(checkShape('empty', shape), options?.dtype ?? getDefaultDtype()), options);
}

/** The shape of `t`, and options with its dtype. */
export function like<S extends Shape, O extends TensorOptions>(
  op: string,
  t: Tensor<S>,
  options: O | undefined,
): readonly [shape: Shape, options: O] {
  checkTensors(op, t);
  checked(op, options, RANDOM);
  return [t.shape as Shape, { ...(options as O), dtype: options?.dtype ?? t.dtype }];
}

/**
 * What was made after the model of `t`: if that is inside a transform it is inside as well, so that what else is
 * there can be written to it.
 */
export function beside<T>({ wrapped }: TensorBase, made: T): T {
  const plain = made as TensorBase;
  if (wrapped === null || !wrapped.level.alive || plain.tracked) return made;
  const { kind, value } = wrapped;
  const inside = kind === 'batch' ? expand(plain, [value.shape[0], ...plain.shape]) : plain;
  return wrap({ ...wrapped, value: beside(value, inside), tangent: null } as Wrapped, plain.shape) as T;
}

/** Zeros in the shape and dtype of `t`. */
export function zerosLike<S extends Shape>(t: Tensor<S>, options?: TensorOptions): Tensor<S> {
  return beside(t, zeros(...like('zerosLike', t, options)));
}

/** Ones in the shape and dtype of `t`. */
export function onesLike<S extends Shape>(t: Tensor<S>, options?: TensorOptions): Tensor<S> {
  return beside(t, ones(...like('onesLike', t, options)));
}

/**
 * One number in the shape and dtype of `t`.
 *
 * @throws {ArgumentError} for a value that the dtype has no place for.
 */
export function fullLike<S extends Shape>(t: Tensor<S>, value: number | boolean, options?: TensorOptions): Tensor<S> {
  const [shape, settings] = like('fullLike', t, options);
  return beside(
    t,
    within('fullLike', () => full(shape, value, settings)),
  );
}

/** Undefined values in the shape and dtype of `t`. */
export function emptyLike<S extends Shape>(t: Tensor<S>, options?: TensorOptions): Tensor<S> {
  return beside(t, empty(...like('emptyLike', t, options)));
}

/**
 * start, start + step, … up to but not including end; `arange(end)` starts at 0. Element i is
 * start + i·step, computed in float64 and rounded once. For a dtype of integers the fractions of the
 * three numbers are cut first.
 *
 * @throws {ArgumentError} when the step is 0 or leads away from the end, or a number is not finite.
 */
export function arange<
  A extends number,
  B extends number | TensorOptions | undefined = undefined,
  C extends number | TensorOptions | undefined = undefined,
>(first: A, second?: B, third?: C, fourth?: TensorOptions): Tensor<ArangeOf<A, B, C>> {
  const numbers = [first, ...[second, third].filter((x) => x !== undefined && typeof x !== 'object')] as number[];
  const options = [second, third].find((x): x is B & C & TensorOptions => typeof x === 'object') ?? fourth;
  checked('arange', options);
  const dtype = options?.dtype ?? getDefaultDtype();
  const given = numbers.length === 1 ? [0, numbers[0], 1] : [numbers[0], numbers[1], numbers[2] ?? 1];
  const [start, end, step] = isFloat(dtype) ? given : given.map(Math.trunc);
  if (step === 0) throw new ArgumentError('arange: step must be nonzero');
  if (!given.every(Number.isFinite))
    throw new ArgumentError(`arange: unsupported range: ${given[0]} -> ${given[1]} by ${given[2]}`);
  if ((end - start) / step < 0)
    throw new ArgumentError(
      `arange: upper bound and larger bound inconsistent with step sign: ${start} to ${end} by ${step}`,
    );
  const n = Math.ceil((end - start) / step);
  return constant(() => evenly(n, start, step, dtype), options);
}

function checkSteps(op: string, steps: number): void {
  if (!Number.isInteger(steps) || steps < 0)
    throw new ArgumentError(`${op}: number of steps must be non-negative, got ${steps}`);
}

/**
 * `steps` numbers evenly spaced from start to end, both included.
 *
 * @throws {ArgumentError} when `steps` is no whole number from 0 on.
 */
export function linspace<N extends number>(
  start: number,
  end: number,
  steps: N,
  options?: TensorOptions,
): Tensor<LinspaceOf<N>> {
  checked('linspace', options);
  checkTypes('linspace', 'number', { start, end });
  checkSteps('linspace', steps);
  const dtype = options?.dtype ?? getDefaultDtype();
  const round = dtype === 'float32' ? Math.fround : (x: number): number => x;
  const step = steps === 1 ? 0 : round(round(round(end) - round(start)) / (steps - 1));
  // As PyTorch does, from both ends, so that the result is symmetric.
  const half = steps === 1 ? 1 : Math.floor(steps / 2);
  return constant(() => evenly(steps, start, step, dtype, Math.min(half, steps), end), options);
}

/**
 * `steps` powers of `base` (10 unless said otherwise), from that of `start` to that of `end`, evenly spaced exponents.
 *
 * @throws {ArgumentError} when `steps` is no whole number from 0 on.
 */
export function logspace<N extends number>(
  start: number,
  end: number,
  steps: N,
  options?: TensorOptions & { readonly base?: number },
): Tensor<LinspaceOf<N>> {
  checked('logspace', options, [...CREATION, 'base']);
  checkTypes('logspace', 'number', { start, end });
  checkSteps('logspace', steps);
  const { base = 10, dtype = getDefaultDtype(), requiresGrad = false } = options ?? {};
  const between = { dtype: isFloat(dtype) ? dtype : 'float64' };
  const exponents = within('logspace', () => linspace(start, end, steps, between)) as Tensor;
  // In float64, as PyTorch does, so that whole powers are exact.
  return leaf(toDType(pow(base, toDType(exponents, 'float64')), dtype), { requiresGrad }) as Tensor<LinspaceOf<N>>;
}

/**
 * Ones on the diagonal of an n × m matrix.
 *
 * @throws {ArgumentError} for sizes that are no whole numbers from 0 on.
 */
export function eye<N extends number, M extends number | TensorOptions | undefined = undefined>(
  n: N,
  m?: M,
  options?: TensorOptions,
): Tensor<EyeOf<N, M>> {
  const opts = typeof m === 'object' ? m : options;
  const columns = ((typeof m === 'object' ? undefined : m) ?? n) as number;
  checked('eye', opts);
  for (const [k, v] of [
    ['n', n],
    ['m', columns],
  ] as const)
    if (!Number.isInteger(v) || v < 0) throw new ArgumentError(`eye: ${k} must be greater or equal to 0, got ${v}`);
  const dtype = opts?.dtype ?? getDefaultDtype();
  return constant(() => eyeMatrix(n, columns, dtype), opts);
}
