/**
 * Line kernels: functions of one line of a tensor (its last dimensions) after the other that take
 * several passes, such as softmax and the normalisations. A line is read from memory once.
 */
import { dtypeInfo } from '../../core/dtype.ts';
import type { Strided } from '../../kernels/strided.ts';
import { address, beginLaunchBeside } from './heap.ts';
import { compileLines, type LineKind } from './lines-code.ts';
import { BLOCK_LINES, type LineProgram } from './lines-program.ts';
import type { WasmFunction } from './module.ts';
import { fusing } from './relaxed.ts';
import { isLong } from './threads/alone.ts';
import { isBusy } from './threads/queue.ts';
import { inPieces, pieceOf } from './threads/share.ts';

export { BLOCK_LINES, type LineProgram, type Pass } from './lines-program.ts';

/** What an element takes, in steps of `pieceOf`. */
const ELEMENT_STEPS = 8;

/** Lines side by side that go together: vectors next to each other, whole lines of the cache. */
const BESIDE = 16;

/** Lines longer than this do not stay in the cache, and are worth being shared between threads: they are not for these kernels. */
export const LONGEST_LINE = 2 ** 16;

/** Lines that go together, in code of their own: elements of one at most, and how many there must be. */
const SHORT_LINE = 2 ** 8;
const MANY_LINES = 2 ** 7;
const TOGETHER = 4;

export class LineKernel {
  readonly #program: LineProgram;
  /** What was compiled, without fused multiply-adds and with them. */
  readonly #compiled: readonly Partial<Record<LineKind, WasmFunction>>[] = [{}, {}];

  constructor(program: LineProgram) {
    this.#program = program;
  }

  /**
   * Runs over `lines` lines of `length` elements; or over as many groups of lines that stand `beside` each other, an
   * element of each before the next ones, where inputs have an element for each place. All operands are contiguous.
   */
  run(
    lines: number,
    length: number,
    outs: readonly Strided[],
    ins: readonly Strided[],
    scalars: readonly number[] = [],
    beside = 1,
  ): void {
    beginLaunchBeside();
    const all = lines * beside;
    if (all === 0 || length === 0) return;
    const across = beside > 1;
    const kind = across ? 'across' : length <= SHORT_LINE && lines >= MANY_LINES ? 'together' : 'alone';
    const compiled = this.#compiled[fusing() ? 1 : 0];
    compiled[kind] ??= compileLines(this.#program, kind);
    const kernel = compiled[kind];
    const starts = [...outs, ...ins].map((t) => address(t.storage) + t.offset * dtypeInfo(t.dtype).bytes);
    // Few groups are cut between lines, all of them alike.
    const between = lines < beside / BESIDE;
    const units = between ? beside : lines;
    const { outs: outputs, ins: inputs } = this.#program;
    const sums = outputs.some((o) => o.extent === 'block');
    const multiple = between ? BESIDE : sums ? BLOCK_LINES : kind === 'together' ? TOGETHER : 1;
    const steps = (ELEMENT_STEPS * length * all) / units;
    const piece = pieceOf(units, steps, multiple);
    const counts = (count: number): number[] =>
      across ? [between ? lines : count, length, between ? count : beside, beside] : [count, length];
    if (piece === units && !isLong(units * steps) && !isBusy()) {
      kernel(...counts(units), ...starts, ...scalars);
      return;
    }
    const moves = [...outputs, ...inputs].map(({ dtype, extent }) => {
      const elements = { shared: 0, line: beside, each: length * beside, block: length / BLOCK_LINES }[extent];
      return (between && extent !== 'shared' ? 1 : elements) * dtypeInfo(dtype).bytes;
    });
    inPieces(units, steps, piece, multiple, (at, count) => ({
      kernel,
      args: [...counts(count), ...starts.map((s, i) => s + at * moves[i]), ...scalars],
    }));
  }
}
