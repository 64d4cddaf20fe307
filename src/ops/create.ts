import { address, beginLaunchBeside, writeBytes } from '../backends/wasm/heap.ts';
import { type RampDType, ramp } from '../backends/wasm/ramp.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import { checkShape, NO_SIZES, type Shape } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { toDType } from './copy.ts';
import { filled, fillKernel } from './filled.ts';
import { expand } from './view.ts';

/** Plain tensors made from nothing. They are constants to every transform. */
export function full(shape: Shape, value: number, dtype: DType): TensorBase {
  return filled(checkShape('full', shape), value, dtype);
}

export const zeros = (shape: Shape, dtype: DType): TensorBase => full(shape, 0, dtype);

/** Zeros in the shape of `t`, as one element expanded: for gradients that nothing writes to. */
export const zerosLike = (t: TensorBase): TensorBase => repeated(0, t);
export const onesLike = (t: TensorBase): TensorBase => repeated(1, t);

function repeated(value: number, like: TensorBase): TensorBase {
  const one = filled(NO_SIZES, value, like.dtype);
  return like.shape.length === 0 ? one : expand(one, like.shape);
}

/** A vector of numbers. */
export function vectorOf(values: ArrayLike<number>, dtype: DType): TensorBase {
  const y = fresh([values.length], 'float64');
  writeBytes(y.storage, 0, Float64Array.from(values));
  return toDType(y, dtype);
}

/** The identity matrix, of n rows and m columns. */
export function eyeMatrix(n: number, m: number, dtype: DType): TensorBase {
  const y = zeros([n, m], dtype);
  fillKernel(dtype).run([{ storage: y.storage, shape: [Math.min(n, m)], strides: [m + 1], offset: 0, dtype }], [1]);
  return y;
}

/** An int32 tensor of these numbers. */
export function integers(values: Int32Array, shape: Shape = [values.length]): TensorBase {
  const t = fresh(shape, 'int32');
  writeBytes(t.storage, 0, values);
  return t;
}

/**
 * `n` numbers at equal distances, computed in float64 and rounded once: start + i·step, and from number `half` on
 * end − (n − 1 − i)·step.
 */
export function evenly(
  n: number,
  start: number,
  step: number,
  dtype: DType,
  half: number = n,
  end: number = start,
): TensorBase {
  const wide: RampDType = dtype === 'uint8' || dtype === 'bool' ? 'float64' : dtype;
  const y = fresh([n], wide);
  beginLaunchBeside();
  const at = address(y.storage);
  ramp(wide, at, half, start, step, 0);
  if (half < n) ramp(wide, at + half * dtypeInfo(wide).bytes, n - half, end, step, half - n + 1);
  return toDType(y, dtype);
}

/** 0, 1, … n − 1 as int32. */
export const counting = (n: number): TensorBase => evenly(n, 0, 1, 'int32');
