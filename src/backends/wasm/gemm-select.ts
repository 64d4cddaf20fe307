/** Which kernels matrix products are made with. */
import { DTypeError } from '../../core/errors.ts';
import { type GemmKernels, gemmKernels, type InnerKernels, innerKernels } from './gemm-kernels.ts';
import type { GemmDType } from './gemm-tile.ts';
import { fusing } from './relaxed.ts';

/** All that were compiled: those of inner products, and the others without fused multiply-adds and with them. */
const inner: Partial<Record<GemmDType, InnerKernels>> = {};
const compiled: Record<GemmDType, [GemmKernels | null, GemmKernels | null]> = {
  float32: [null, null],
  float64: [null, null],
  int32: [null, null],
};

function checkDType(op: string, dtype: string): GemmDType {
  if (dtype === 'float32' || dtype === 'float64' || dtype === 'int32') return dtype;
  throw new DTypeError(`${op}: not implemented for '${dtype}'; convert with .to('int32') or .to('float32')`);
}

/**
 * The kernels of inner products for a dtype.
 *
 * @throws {DTypeError} if there are none, naming the operation.
 */
export function innerKernelsFor(op: string, dtype: string): InnerKernels {
  const checked = checkDType(op, dtype);
  inner[checked] ??= innerKernels(checked);
  return inner[checked];
}

/**
 * The kernels for a dtype. Fused multiply-adds are a quarter faster and round once instead of twice, as
 * PyTorch's kernels do: they are used where the host has them.
 *
 * @throws {DTypeError} if there are none, naming the operation.
 */
export function kernelsFor(op: string, dtype: string): GemmKernels {
  const checked = checkDType(op, dtype);
  const relaxed = checked !== 'int32' && fusing();
  const which = relaxed ? 1 : 0;
  const known = compiled[checked][which];
  if (known !== null) return known;
  const made = gemmKernels(innerKernelsFor(op, checked), relaxed);
  compiled[checked][which] = made;
  return made;
}
