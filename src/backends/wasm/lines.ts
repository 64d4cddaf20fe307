/**
 * Line kernels: functions of one line of a tensor (its last dimensions) after the other that take
 * several passes, such as softmax and the normalisations. A line is read from memory once.
 */
import { dtypeInfo } from '../../core/dtype.ts';
import type { Strided } from '../../kernels/strided.ts';
import { address, beginLaunchBeside } from './heap.ts';
import { compileLines, type LineProgram } from './lines-code.ts';
import type { WasmFunction } from './module.ts';
import { fusing } from './relaxed.ts';
import { isLong } from './threads/alone.ts';
import { isBusy } from './threads/queue.ts';
import { inPieces, pieceOf } from './threads/share.ts';

export type { LineProgram } from './lines-code.ts';

/** What an element takes, in steps of `pieceOf`. */
const ELEMENT_STEPS = 8;

/** Lines longer than this do not stay in the cache, and are worth being shared between threads: they are not for these kernels. */
export const LONGEST_LINE = 2 ** 16;

export class LineKernel {
  readonly #program: LineProgram;
  /** What was compiled, without fused multiply-adds and with them. */
  readonly #compiled: [WasmFunction | null, WasmFunction | null] = [null, null];

  constructor(program: LineProgram) {
    this.#program = program;
  }

  /** Runs over `lines` lines of `length` elements. All operands are contiguous. */
  run(
    lines: number,
    length: number,
    outs: readonly Strided[],
    ins: readonly Strided[],
    scalars: readonly number[] = [],
  ): void {
    beginLaunchBeside();
    if (lines === 0 || length === 0) return;
    const which = fusing() ? 1 : 0;
    const kernel = this.#compiled[which] ?? compileLines(this.#program);
    this.#compiled[which] = kernel;
    const starts = [...outs, ...ins].map((t) => address(t.storage) + t.offset * dtypeInfo(t.dtype).bytes);
    const steps = ELEMENT_STEPS * length;
    const piece = pieceOf(lines, steps);
    if (piece === lines && !isLong(lines * steps) && !isBusy()) {
      kernel(lines, length, ...starts, ...scalars);
      return;
    }
    const { outs: outputs, ins: inputs } = this.#program;
    const moves = [...outputs, ...inputs].map(({ dtype, extent }) => {
      const { bytes } = dtypeInfo(dtype);
      return extent === 'each' ? length * bytes : extent === 'line' ? bytes : 0;
    });
    inPieces(lines, steps, piece, 1, (at, count) => ({
      kernel,
      args: [count, length, ...starts.map((s, i) => s + at * moves[i]), ...scalars],
    }));
  }
}
