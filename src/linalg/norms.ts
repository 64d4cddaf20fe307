import type { DType } from '../core/dtype.ts';
import type { Tensor } from '../tensor/tensor.ts';

/**
 * (Σ |x|^ord)^(1/ord) over `dim` (all by default); `ord` 0 counts non-zeros, ±∞ gives the largest or
 * smallest magnitude.
 */
export function vectorNorm(
  x: Tensor,
  ord = 2,
  dim?: number | readonly number[],
  options?: { readonly keepdim?: boolean; readonly dtype?: DType },
): Tensor {
  return x.norm(ord, dim, options);
}
