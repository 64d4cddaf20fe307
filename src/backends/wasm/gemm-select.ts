/** Which kernels matrix products are made with. */
import { DTypeError } from '../../core/errors.ts';
import { type GemmKernels, gemmKernels, type InnerKernels, innerKernels } from './gemm-kernels.ts';
import type { GemmDType } from './gemm-tile.ts';
import { fusing } from './relaxed.ts';

/** All that were compiled: those of inner products, and the others without fused multiply-adds, with them, and with wide tiles. */
const inner: Partial<Record<GemmDType, InnerKernels>> = {};
const [PLAIN, FUSED, WIDE] = [0, 1, 2];
const compiled: readonly Partial<Record<string, GemmKernels>>[] = [{}, {}, {}];

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
 * PyTorch's kernels do: they are used where the host has them. With those, tiles may be `wide`.
 *
 * @throws {DTypeError} if there are none, naming the operation.
 */
export function kernelsFor(op: string, dtype: string, wide = false): GemmKernels {
  const relaxed = dtype !== 'int32' && fusing();
  const key = relaxed ? (wide ? WIDE : FUSED) : PLAIN;
  const known = compiled[key][dtype];
  if (known !== undefined) return known;
  const checked = checkDType(op, dtype);
  const made = gemmKernels(innerKernelsFor(op, checked), relaxed, wide);
  compiled[key][dtype] = made;
  return made;
}
