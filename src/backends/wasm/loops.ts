/**
 * The loops of a kernel: tensor dimensions reduced to what has to be walked. Dimensions of size 1
 * vanish, neighbours that every operand walks in one stride become one loop, and loops are put in
 * the order of memory, so that kernels see one or two long loops where users see many dimensions.
 */
import type { Strided } from '../../kernels/strided.ts';

/** One loop: its length, and how far each operand moves per turn, in elements. */
export interface Loop {
  size: number;
  readonly steps: readonly number[];
}

/** The strides of `t` broadcast to `shape`: 0 along dimensions that it repeats. */
export function stridesOver(t: Strided, shape: readonly number[]): number[] {
  const lead = shape.length - t.shape.length;
  return shape.map((n, d) => (d < lead || (t.shape[d - lead] === 1 && n !== 1) ? 0 : t.strides[d - lead]));
}

/** The loops over some dimensions of `shape`, outermost first; `strides` has one row for each operand. */
export function loopsOver(
  shape: readonly number[],
  dims: readonly number[],
  strides: readonly (readonly number[])[],
): Loop[] {
  const loops: Loop[] = [];
  for (const d of dims) if (shape[d] !== 1) loops.push({ size: shape[d], steps: strides.map((s) => s[d]) });
  return loops;
}

/** Whether `a` should be outside of `b`: positive if so, by the first operand that moves in both; 0 if none does. */
function outside(a: Loop, b: Loop): number {
  for (let i = 0; i < a.steps.length; i++) {
    const difference = Math.abs(a.steps[i]) - Math.abs(b.steps[i]);
    if (difference !== 0 && a.steps[i] !== 0 && b.steps[i] !== 0) return difference;
  }
  return 0;
}

/** Orders loops so that memory is walked forward: longest steps outermost. Undecided loops keep their order. */
export function memoryOrder(loops: Loop[]): Loop[] {
  for (let i = 1; i < loops.length; i++) {
    const loop = loops[i];
    let place = i;
    for (let j = i - 1; j >= 0; j--) {
      const order = outside(loop, loops[j]);
      if (order > 0) place = j;
      else if (order < 0) break;
    }
    loops.splice(i, 1);
    loops.splice(place, 0, loop);
  }
  return loops;
}

/** Joins neighbouring loops that every operand walks as one. */
export function joinLoops(loops: Loop[]): Loop[] {
  let last = 0;
  for (let i = 1; i < loops.length; i++) {
    const outer = loops[last];
    const inner = loops[i];
    if (outer.steps.every((step, k) => step === inner.steps[k] * inner.size)) {
      loops[last] = { size: outer.size * inner.size, steps: inner.steps };
    } else {
      loops[++last] = inner;
    }
  }
  loops.length = Math.min(loops.length, last + 1);
  return loops;
}

/** Walks several loops, first one outermost, and keeps every operand's place, in elements from the start. */
export class Walk {
  readonly places: number[];
  readonly #loops: readonly Loop[];
  readonly #turns: number[];

  constructor(loops: readonly Loop[], operands: number) {
    this.#loops = loops;
    this.#turns = loops.map(() => 0);
    this.places = new Array<number>(operands).fill(0);
  }

  /** Steps on; false once all turns are done, when the walk is back at its start. */
  next(): boolean {
    const { places } = this;
    for (let d = this.#loops.length - 1; d >= 0; d--) {
      const { size, steps } = this.#loops[d];
      const wraps = ++this.#turns[d] === size;
      const turns = wraps ? 1 - size : 1;
      for (let i = 0; i < places.length; i++) places[i] += turns * steps[i];
      if (!wraps) return true;
      this.#turns[d] = 0;
    }
    return false;
  }
}
