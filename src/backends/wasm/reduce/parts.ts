/**
 * How long folds are cut: into parts of fixed length, so that neither the threads nor the layout change
 * the order in which elements are combined.
 */
import type { Walk } from '../loops.ts';
import type { ReductionPlan } from './plan.ts';

/** A run of the inner loop in one or more turns of the outer one. */
export interface Part {
  /** Where the loops around are. */
  readonly around: readonly number[];
  readonly outer: number;
  readonly outerTurns: number;
  readonly inner: number;
  readonly innerTurns: number;
  /** How many turns of the inner loop further on a second run lies that is folded beside this one; 0 for none. */
  readonly far: number;
}

/** Elements of a part, where vectors run along the fold, and rows of a part, where they run across. */
export const PART_ELEMENTS = 2 ** 17;
const PART_ROWS = 2 ** 12;

/** Runs side by side are of whole steps of their kernel, whatever the dtype. */
const STEP = 64;

/**
 * The parts of a fold, in order. With `abreast` a long run is walked from its beginning and from its
 * middle at once: memory gives one thread more where it is read at two places.
 */
export function eachPart(plan: ReductionPlan, walk: Walk, abreast: boolean, visit: (part: Part) => void): void {
  do {
    if (abreast) runsAbreast(plan, walk.places, visit);
    else runs(plan, walk.places, visit);
  } while (walk.next());
}

/** Parts are runs of the inner loop, the last one up to twice as long, or turns of the outer loop. */
function runs({ kind, outer, inner }: ReductionPlan, around: readonly number[], visit: (part: Part) => void): void {
  const limit = kind === 'rows' ? PART_ELEMENTS : PART_ROWS;
  if (inner.size >= 2 * limit) {
    for (let o = 0; o < outer.size; o++) {
      eachPiece(inner.size, limit, (from, innerTurns) => {
        visit({ around, outer: o, outerTurns: 1, inner: from, innerTurns, far: 0 });
      });
    }
    return;
  }
  const most = Math.max(1, Math.min(outer.size, Math.floor(limit / inner.size)));
  let o = 0;
  do {
    const outerTurns = Math.min(most, outer.size - o);
    visit({ around, outer: o, outerTurns, inner: 0, innerTurns: inner.size, far: 0 });
    o += most;
  } while (o < outer.size);
}

/** The same for the halves of runs, part by part beside each other, and what they leave over. */
function runsAbreast({ outer, inner }: ReductionPlan, around: readonly number[], visit: (part: Part) => void): void {
  const far = Math.floor(inner.size / (2 * STEP)) * STEP;
  const rest = inner.size - 2 * far;
  for (let o = 0; o < outer.size; o++) {
    eachPiece(far, PART_ELEMENTS / 2, (from, innerTurns) => {
      visit({ around, outer: o, outerTurns: 1, inner: from, innerTurns, far });
    });
    if (rest > 0) visit({ around, outer: o, outerTurns: 1, inner: 2 * far, innerTurns: rest, far: 0 });
  }
}

/** Pieces of `size` turns, the last one up to twice as long. */
function eachPiece(total: number, size: number, visit: (from: number, turns: number) => void): void {
  const last = Math.max(1, Math.floor(total / size)) - 1;
  for (let i = 0; i <= last; i++) visit(i * size, i === last ? total - i * size : size);
}
