/** Which kernels matrix products are made with. */
import { DTypeError } from '../../core/errors.ts';
import { type GemmKernels, gemmKernels } from './gemm-kernels.ts';
import type { GemmDType } from './gemm-tile.ts';
import { fusing } from './relaxed.ts';

/** All that were compiled, by dtype: without fused multiply-adds and with them. */
const compiled: Record<GemmDType, [GemmKernels | null, GemmKernels | null]> = {
  float32: [null, null],
  float64: [null, null],
  int32: [null, null],
};

/**
 * The kernels for a dtype. Fused multiply-adds are a quarter faster and round once instead of twice, as
 * PyTorch's kernels do: they are used where the host has them.
 *
 * @throws {DTypeError} if there are none, naming the operation.
 */
export function kernelsFor(op: string, dtype: string): GemmKernels {
  if (dtype !== 'float32' && dtype !== 'float64' && dtype !== 'int32') {
    throw new DTypeError(`${op}: not implemented for '${dtype}'; convert with .to('int32') or .to('float32')`);
  }
  const relaxed = dtype !== 'int32' && fusing();
  const which = relaxed ? 1 : 0;
  const known = compiled[dtype][which];
  if (known !== null) return known;
  const made = gemmKernels(dtype, relaxed);
  compiled[dtype][which] = made;
  return made;
}
