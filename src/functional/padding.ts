import { checkTensors } from '../core/tensor.ts';
import { type PadMode, pad as padOp } from '../ops/pad-modes.ts';
import * as pixels from '../ops/pixels.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Shape } from '../tensor/shapes.ts';
import type { FitPad, FitShuffle, FitUnshuffle, PadOf, ShuffleOf, UnshuffleOf } from '../tensor/signatures.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What stands around the tensor. */
export interface PadOptions {
  /**
   * `constant` puts `value` around; `reflect` mirrors at the first and last element, which are not
   * repeated; `replicate` repeats these; `circular` goes round.
   */
  readonly mode?: PadMode;
  /** For `constant`; 0 by default. */
  readonly value?: number;
}

/**
 * `x` with its last dimensions padded. `pad` has two numbers (before, after) for the last dimension,
 * then two for the one before it, and so on; negative ones cut off. All modes but `constant` are for one
 * to three dimensions behind channels, with or without a batch: [N, C, …] or [C, …].
 *
 * @throws {ShapeError} when more is cut off, mirrored or repeated than there is.
 */
export function pad<T extends Tensor, const P extends Shape>(
  x: T,
  numbers: FitPad<T, P>,
  options?: PadOptions,
): Tensor<PadOf<T, P>> {
  checkTensors('pad', x);
  checkOptions('pad', options, ['mode', 'value']);
  return padOp(x, numbers as Shape, options?.mode, options?.value) as Tensor;
}

/** [… C r², H, W] → [… C, H r, W r]: each group of r² channels becomes one image, r times finer. */
export function pixelShuffle<T extends Tensor, R extends number>(
  x: T,
  upscaleFactor: FitShuffle<T, R>,
): Tensor<ShuffleOf<T, R>> {
  return pixels.pixelShuffle(x, upscaleFactor as number) as Tensor;
}

/** [… C, H r, W r] → [… C r², H, W]: undoes `pixelShuffle`. */
export function pixelUnshuffle<T extends Tensor, R extends number>(
  x: T,
  downscaleFactor: FitUnshuffle<T, R>,
): Tensor<UnshuffleOf<T, R>> {
  return pixels.pixelUnshuffle(x, downscaleFactor as number) as Tensor;
}
