import { DTypeError } from './errors.ts';

/**
 * The table of element types. Everything that depends on a dtype asks this table, so that a new
 * dtype is one more row and nothing may count on there being five.
 */
export type DType = 'float32' | 'float64' | 'int32' | 'uint8' | 'bool';

/** What arithmetic a dtype belongs to; promotion goes bool → int → float. */
export type DTypeKind = 'bool' | 'int' | 'float';

/** What `data()` and `toTypedArray()` give: a Float32Array for float32, and so on; a Uint8Array of 0 and 1 for bool. */
export type TypedArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** The type a kernel computes in: storage types narrower than a lane widen on load and narrow on store. */
export type Compute = 'f32' | 'f64' | 'i32';

export interface DTypeInfo {
  readonly name: DType;
  /** Position in per-dtype tables. */
  readonly index: number;
  readonly bytes: number;
  readonly kind: DTypeKind;
  /** Position in the promotion order. */
  readonly rank: number;
  readonly compute: Compute;
  /** Machine epsilon, 0 for integers. */
  readonly eps: number;
}

const table: Readonly<Record<DType, DTypeInfo>> = {
  bool: { name: 'bool', index: 0, bytes: 1, kind: 'bool', rank: 0, compute: 'i32', eps: 0 },
  uint8: { name: 'uint8', index: 1, bytes: 1, kind: 'int', rank: 1, compute: 'i32', eps: 0 },
  int32: { name: 'int32', index: 2, bytes: 4, kind: 'int', rank: 2, compute: 'i32', eps: 0 },
  float32: { name: 'float32', index: 3, bytes: 4, kind: 'float', rank: 3, compute: 'f32', eps: 2 ** -23 },
  float64: { name: 'float64', index: 4, bytes: 8, kind: 'float', rank: 4, compute: 'f64', eps: 2 ** -52 },
};

export const dtypes: readonly DType[] = Object.freeze(Object.keys(table) as DType[]);

const { float32 } = table;

/** The row of a dtype. Looking up by name takes ten nanoseconds, of which an operation has not many: the usual one is known. */
export function dtypeInfo(dtype: DType): DTypeInfo {
  return dtype === 'float32' ? float32 : table[dtype];
}

export function isDType(x: unknown): x is DType {
  return typeof x === 'string' && Object.hasOwn(table, x);
}

export function isFloat(dtype: DType): boolean {
  return dtypeInfo(dtype).kind === 'float';
}

/** The dtype of an operation over two tensors: the higher in bool → uint8 → int32 → float32 → float64. */
export function promote(a: DType, b: DType): DType {
  return a === b || table[a].rank >= table[b].rank ? a : b;
}

/** What is made once for each dtype, when it is first asked for. */
export function byDType<T>(make: (dtype: DType) => T): (dtype: DType) => T {
  const made = new Map<DType, T>();
  return (dtype) => {
    let one = made.get(dtype);
    if (one === undefined) {
      one = make(dtype);
      made.set(dtype, one);
    }
    return one;
  };
}

/** What floats are where nobody says. */
let standard: DType = 'float32';

/** The dtype that fractions, and new tensors without a `dtype`, have: float32 unless `setDefaultDtype` said otherwise. */
export function getDefaultDtype(): DType {
  return standard;
}

/**
 * Makes float64 (or float32 again) the dtype of new tensors without a `dtype`, of numbers with a fraction, and of what
 * is computed from integers by functions that give floats. Tensors that are there keep theirs; a typed array has its own.
 *
 * @throws {DTypeError} when it is no dtype of floats.
 */
export function setDefaultDtype(dtype: DType): void {
  if (!isDType(dtype) || !isFloat(dtype))
    throw new DTypeError(
      `setDefaultDtype: only floating-point types are supported as the default type, got ${String(dtype)}; choose 'float32' or 'float64'`,
    );
  standard = dtype;
}
