/**
 * How long folds are cut: into parts of fixed length, so that neither the threads nor the layout change
 * the order in which elements are combined.
 */
import type { Walk } from '../loops.ts';
import type { ReductionPlan } from './plan.ts';

/** Where the elements of a part lie along the inner loop: a run, or two runs of one length and a rest. */
export interface Runs {
  /** The turns of a run. */
  readonly innerTurns: number;
  /** How many turns further on a second run lies that is folded beside the first; 0 for none. */
  readonly far: number;
  /** The turns after the second run, which are folded last. */
  readonly rest: number;
}

/** Runs of the inner loop in one or more turns of the outer one. */
export interface Part extends Runs {
  /** Where the loops around are. */
  readonly around: readonly number[];
  readonly outer: number;
  readonly outerTurns: number;
  readonly inner: number;
  /** How many parts of this length follow each other, this one included. */
  readonly equal: number;
}

/** Elements of a part, where vectors run along the fold, and rows of a part, where they run across. */
export const PART_ELEMENTS = 2 ** 17;
const PART_ROWS = 2 ** 12;

/** Runs side by side are of whole steps of their kernel, whatever the dtype. */
const STEP = 64;

/** From so many elements on a row is read at two places at once: the caches and memory give one thread more then. */
export const ABREAST_ELEMENTS = 2 ** 14;

/** All turns of a loop, as two runs beside each other if `abreast`. */
export function wholeRow(turns: number, abreast: boolean): Runs {
  if (!abreast) return { innerTurns: turns, far: 0, rest: 0 };
  const far = Math.floor(turns / (2 * STEP)) * STEP;
  return { innerTurns: far, far, rest: turns - 2 * far };
}

/**
 * The parts of a fold, in order: pieces of the inner loop, the last one up to twice as long, or turns of
 * the outer loop. With `abreast` a row is walked from its beginning and from its middle at once, and up to
 * `together` equal pieces come as one.
 */
export function eachPart(
  plan: ReductionPlan,
  walk: Walk,
  abreast: boolean,
  together: number,
  visit: (part: Part) => void,
): void {
  const { kind, outer, inner } = plan;
  const limit = kind === 'rows' ? PART_ELEMENTS : PART_ROWS;
  const row = wholeRow(inner.size, abreast);
  const { innerTurns, far, rest } = row;
  do {
    const around = walk.places;
    if (inner.size >= 2 * limit) {
      for (let o = 0; o < outer.size; o++) {
        const size = abreast ? limit / 2 : limit;
        const last = (Math.floor(innerTurns / size) - 1) * size;
        const most = abreast ? together : 1;
        for (let from = 0; from < last; from += most * size) {
          const equal = Math.min(most, (last - from) / size);
          visit({ around, outer: o, outerTurns: 1, inner: from, equal, innerTurns: size, far, rest: 0 });
        }
        visit({ around, outer: o, outerTurns: 1, inner: last, equal: 1, innerTurns: innerTurns - last, far, rest });
      }
      continue;
    }
    const most = Math.max(1, Math.min(outer.size, Math.floor(limit / inner.size)));
    let o = 0;
    do {
      visit({ around, outer: o, outerTurns: Math.min(most, outer.size - o), inner: 0, equal: 1, ...row });
      o += most;
    } while (o < outer.size);
  } while (walk.next());
}
