/**
 * How generated fold kernels get their elements: reads one vector from every input, wherever it lies,
 * and applies the map that precedes the fold. Parameters come in a block of memory, since the number
 * of inputs varies and JavaScript passes one address faster than twenty numbers.
 */
import type { Compute, DType } from '../../../core/dtype.ts';
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Expr } from '../../../kernels/expr.ts';
import { advance, copyOf, loadWord } from '../control.ts';
import { emitExprs, lanesOf, loadSplat, loadStrided, loadVector } from '../emit.ts';
import type { FunctionBody, Local } from '../encoder.ts';
import { STORED } from './fold.ts';

/** How an input runs along the vectorised loop: one element after the other, the same one, or in strides. */
export type Access = 'unit' | 'repeat' | 'strided';

/** A tensor alone, contiguous along the vectors. */
export const UNIT: readonly Access[] = ['unit'];

/** What a fold kernel maps over. A scalar input has the dtype 'scalar' and no access. */
export interface MapSpec {
  readonly compute: Compute;
  readonly pre: Expr;
  readonly ins: readonly (DType | 'scalar')[];
}

/** The parameter block, in 32-bit words: a head of an even number, two words for every scalar, five for every tensor. */
export const HEAD = {
  state: 0,
  batches: 1,
  outputs: 2,
  outer: 3,
  inner: 4,
  base: 5,
  baseStep: 6,
  far: 7,
  rest: 8,
  words: 10,
} as const;
export const SCALAR_WORDS = 2;
export const INPUT_WORDS = 5;

/** The loops of a fold kernel, outermost first. */
type FoldLoop = 'batch' | 'output' | 'outer' | 'inner';

interface Input {
  readonly dtype: DType;
  readonly access: Access;
  /** Byte steps along every loop. */
  readonly steps: Readonly<Record<FoldLoop, Local>>;
  readonly start: Local;
  /** The element of an input that repeats. */
  readonly repeated: Local | null;
}

/** A set of places, one for each tensor input. */
export type Places = readonly Local[];

export class Reader {
  readonly #b: FunctionBody;
  readonly #spec: MapSpec;
  readonly #vectorised: 'inner' | 'output';
  readonly #inputs: Input[] = [];
  /** Per input of the map: the scalar's vector, or null for a tensor. */
  readonly #scalars: (Local | null)[];

  /** `vectorised` names the loop that vectors run along; `access` has an entry per tensor. */
  constructor(b: FunctionBody, spec: MapSpec, access: readonly Access[], vectorised: 'inner' | 'output') {
    this.#b = b;
    this.#spec = spec;
    this.#vectorised = vectorised;
    let scalarWord: number = HEAD.words;
    const inputWord = HEAD.words + SCALAR_WORDS * spec.ins.filter((t) => t === 'scalar').length;
    this.#scalars = spec.ins.map((dtype) => {
      if (dtype === 'scalar') {
        const l = b.local('v128');
        loadSplat(b, STORED[spec.compute], spec.compute, b.params[0], 4 * scalarWord);
        b.set(l);
        scalarWord += SCALAR_WORDS;
        return l;
      }
      const index = this.#inputs.length;
      const word = inputWord + INPUT_WORDS * index;
      this.#inputs.push({
        dtype,
        access: access[index],
        start: loadWord(b, word),
        steps: {
          batch: loadWord(b, word + 1),
          output: loadWord(b, word + 2),
          outer: loadWord(b, word + 3),
          inner: loadWord(b, word + 4),
        },
        repeated: access[index] === 'repeat' ? b.local('v128') : null,
      });
      return null;
    });
  }

  /** The places of the first element of all; `step` moves them. */
  get start(): Places {
    return this.#inputs.map((input) => input.start);
  }

  copy(places: Places): Places {
    return places.map((place) => copyOf(this.#b, place));
  }

  assign(to: Places, from: Places): void {
    to.forEach((place, i) => {
      this.#b.get(from[i]).set(place);
    });
  }

  /** Moves one turn along a loop. */
  step(places: Places, loop: FoldLoop): void {
    places.forEach((place, i) => {
      advance(this.#b, place, this.#inputs[i].steps[loop]);
    });
  }

  /** Moves some turns along a loop. */
  stepBy(places: Places, loop: FoldLoop, turns: Local): void {
    places.forEach((place, i) => {
      this.#b.get(place).get(this.#inputs[i].steps[loop]).get(turns).op('i32.mul', 'i32.add').set(place);
    });
  }

  /** Moves `vectors` vectors along the vectorised loop. */
  stepVectors(places: Places, vectors: number): void {
    const elements = vectors * lanesOf(this.#spec.compute);
    places.forEach((place, i) => {
      const { access, dtype, steps } = this.#inputs[i];
      if (access === 'unit') advance(this.#b, place, elements * dtypeInfo(dtype).bytes);
      else if (access === 'strided') {
        this.#b.get(place).get(steps[this.#vectorised]).i32(elements).op('i32.mul', 'i32.add').set(place);
      }
    });
  }

  /** Loads what repeats along the vectorised loop; to be done before `element` at new places. */
  loadRepeated(places: Places): void {
    this.#inputs.forEach((input, i) => {
      if (input.repeated === null) return;
      loadSplat(this.#b, input.dtype, this.#spec.compute, places[i]);
      this.#b.set(input.repeated);
    });
  }

  /**
   * The mapped elements, one vector of them, `vectors` after the places (strided access: 0 only).
   * With `count` only so many lanes are asked for; what the others hold is arbitrary. The local is the caller's.
   */
  element(places: Places, vectors: number, count?: Local): Local {
    const b = this.#b;
    const { compute, pre, ins } = this.#spec;
    const loaded: Local[] = [];
    let tensor = 0;
    const args = ins.map((_, i) => {
      const scalar = this.#scalars[i];
      if (scalar !== null) return scalar;
      const { dtype, access, steps, repeated } = this.#inputs[tensor];
      const place = places[tensor++];
      if (repeated !== null) return repeated;
      if (access === 'unit') loadVector(b, dtype, compute, place, vectors * lanesOf(compute) * dtypeInfo(dtype).bytes);
      else loadStrided(b, dtype, compute, place, steps[this.#vectorised], count);
      const l = b.local('v128');
      b.set(l);
      loaded.push(l);
      return l;
    });
    if (pre.op === 'arg' && pre.sort === 'value' && loaded[0] === args[pre.index]) return loaded[0];
    const [mapped] = emitExprs(b, compute, [pre], args);
    b.release(...loaded);
    return mapped;
  }
}

/** Puts the neutral element in the lanes from `count` on: they lie past the end of a loop. */
export function keepFirst(b: FunctionBody, compute: Compute, x: Local, count: Local, pushNeutral: () => void): void {
  b.get(x);
  pushNeutral();
  const lane = compute === 'f64' ? [0, 0, 1, 1] : [0, 1, 2, 3];
  b.v128(new Uint8Array(new Int32Array(lane).buffer))
    .get(count)
    .op('i32x4.splat', 'i32x4.lt_s');
  b.op('v128.bitselect').set(x);
}
