/**
 * What it means to fold: each fold is a monoid, generated for one computing type at two widths.
 *
 * Inside a block of elements a fold runs in narrow accumulators, plain vectors of the computing type.
 * Block results go into a wide accumulator, which is what lies in memory between kernels (the
 * "state"): float32 sums are continued in float64 and float64 sums carry their rounding errors along,
 * so that long sums are as exact as short ones. All other folds are as wide as they are narrow.
 */
import type { Compute, DType } from '../../../core/dtype.ts';
import type { FunctionBody, Local, PlainOp } from '../encoder.ts';
import { lanesOf } from '../lanes.ts';
import { fusing } from '../relaxed.ts';
import { LOW_HALVES } from '../shuffles.ts';

export type Fold = 'sum' | 'prod' | 'max' | 'min' | 'any' | 'all' | 'argmax' | 'argmin';

/** Bytes of the states of all outputs that one kernel call folds: they stay in the first-level cache. */
export const TILE_BYTES = 2 ** 14;

/** What lies in memory between kernels, and how it is joined and read. */
export interface StateCode {
  readonly lanes: 2 | 4;
  /** Bytes of one output's state in one plane. */
  readonly stateBytes: 4 | 8;
  readonly planes: 1 | 2;
  /** Vectors of a wide accumulator for `lanes` outputs. */
  readonly wide: 1 | 2;
  /** wide ← neutral element. */
  begin(b: FunctionBody, wide: readonly Local[]): void;
  /** a ← a ⊕ c for wide accumulators; c comes later in the order of elements. */
  merge(b: FunctionBody, a: readonly Local[], c: readonly Local[]): void;
  /** Pushes the folded values in the computing type. */
  result(b: FunctionBody, wide: readonly Local[]): void;
}

export interface FoldCode extends StateCode {
  /** Whether a block also collects where NaNs were, in a vector of its own. */
  readonly marksNaN: boolean;
  /** Pushes the neutral element in every lane. */
  identity(b: FunctionBody): void;
  /** acc ← acc ⊕ x for narrow vectors; NaNs may be left to `mark`. */
  step(b: FunctionBody, acc: Local, x: Local): void;
  /** nan ← nan or "x is NaN". */
  mark(b: FunctionBody, nan: Local, x: Local): void;
  /**
   * Of folds that mark NaNs: sum ← sum + x, which is NaN if a NaN was among its terms, and hardly ever otherwise.
   * `fused` where the host can.
   */
  watch(b: FunctionBody, sum: Local, x: Local, fused?: boolean): void;
  /** wide ← wide ⊕ acc. */
  absorb(b: FunctionBody, wide: readonly Local[], acc: Local): void;
  /** Folds the lanes of a wide accumulator; lane 0 then holds the state of one output. */
  collapse(b: FunctionBody, wide: readonly Local[]): void;
}

/** The dtype that a computing type is stored as without conversion. */
export const STORED: Readonly<Record<Compute, DType>> = { f32: 'float32', f64: 'float64', i32: 'int32' };

const SHAPE = { f32: 'f32x4', f64: 'f64x2', i32: 'i32x4' } as const;

export const SWAP_HALVES = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
export const SWAP_PAIRS = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];

/** Pushes a constant in every lane. */
export function pushConstant(b: FunctionBody, compute: Compute, value: number): void {
  if (compute === 'f32') b.f32x4(value);
  else if (compute === 'f64') b.f64x2(value);
  else b.i32x4(value);
}

/** x ← x ⊕ (x with its lanes exchanged), until every lane holds the fold of all. */
export function foldLanes(b: FunctionBody, compute: Compute, x: Local, combine: (x: Local, y: Local) => void): void {
  const y = b.local('v128');
  for (const lanes of compute === 'f64' ? [SWAP_HALVES] : [SWAP_HALVES, SWAP_PAIRS]) {
    b.get(x).get(x).shuffle(lanes).set(y);
    combine(x, y);
  }
  b.release(y);
}

/** The neutral element of a fold over numbers; of the extremes, the least and the greatest number there is. */
export function identityOf(fold: Fold, compute: Compute): number {
  switch (fold) {
    case 'sum':
    case 'any':
      return 0;
    case 'prod':
      return 1;
    case 'all':
      return -1;
    case 'max':
    case 'argmax':
      return compute === 'i32' ? -(2 ** 31) : -Infinity;
    default:
      return compute === 'i32' ? 2 ** 31 - 1 : Infinity;
  }
}

export function foldCode(fold: Exclude<Fold, 'argmax' | 'argmin'>, compute: Compute): FoldCode {
  if (fold === 'sum' && compute === 'f32') return sumF32;
  if (fold === 'sum' && compute === 'f64') return sumF64;
  const x = SHAPE[compute];
  switch (fold) {
    case 'sum':
      return plain(compute, 0, 'i32x4.add');
    case 'prod':
      return plain(compute, 1, `${x}.mul`);
    case 'any':
    case 'all':
      // Masks are all ones or all zeros whatever the lane width.
      return {
        ...plain('i32', identityOf(fold, 'i32'), fold === 'any' ? 'v128.or' : 'v128.and'),
        ...laneShape(compute),
      };
    default:
      return extreme(fold, compute);
  }
}

function laneShape(compute: Compute): Pick<FoldCode, 'lanes' | 'stateBytes'> {
  return { lanes: lanesOf(compute), stateBytes: compute === 'f64' ? 8 : 4 };
}

/** A fold by one instruction, the same at both widths. */
function plain(compute: Compute, identity: number, op: PlainOp): FoldCode {
  const step = (b: FunctionBody, acc: Local, x: Local): void => {
    b.get(acc).get(x).op(op).set(acc);
  };
  return {
    ...laneShape(compute),
    planes: 1,
    wide: 1,
    marksNaN: false,
    identity: (b) => pushConstant(b, compute, identity),
    step,
    mark: nothing,
    watch: nothing,
    begin: (b, [w]) => {
      pushConstant(b, compute, identity);
      b.set(w);
    },
    absorb: (b, [w], acc) => step(b, w, acc),
    merge: (b, [w], [v]) => step(b, w, v),
    collapse: (b, [w]) => foldLanes(b, compute, w, (x, y) => step(b, x, y)),
    result: (b, [w]) => {
      b.get(w);
    },
  };
}

const nothing = (): void => undefined;

/**
 * The maximum or minimum. WebAssembly's own `max` gives NaN for NaN, but takes eight instructions on
 * x86 where `pmax`, which forgets NaNs, takes one: blocks use that and mark NaNs beside it, or watch for
 * them by a sum, which takes an instruction less, and look again.
 */
function extreme(fold: 'max' | 'min', compute: Compute): FoldCode {
  const identity = identityOf(fold, compute);
  if (compute === 'i32') return plain(compute, identity, `i32x4.${fold}_s`);
  const x = SHAPE[compute];
  return {
    ...plain(compute, identity, `${x}.${fold}`),
    marksNaN: true,
    step: (b, acc, v) => {
      b.get(acc).get(v).op(`${x}.p${fold}`).set(acc);
    },
    mark: (b, nan, v) => {
      b.get(v).get(v).op(`${x}.ne`).get(nan).op('v128.or').set(nan);
    },
    watch: (b, sum, v, fused = fusing()) => {
      if (fused) {
        b.get(v);
        pushConstant(b, compute, 1);
        b.get(sum).op(`${x}.relaxed_madd`).set(sum);
      } else b.get(sum).get(v).op(`${x}.add`).set(sum);
    },
  };
}

/** Σ in float32, continued in float64 after every block. The state is one float64; two vectors hold four of them. */
const sumF32: FoldCode = {
  lanes: 4,
  stateBytes: 8,
  planes: 1,
  wide: 2,
  marksNaN: false,
  identity: (b) => b.f32x4(0),
  step: (b, acc, x) => {
    b.get(acc).get(x).op('f32x4.add').set(acc);
  },
  mark: nothing,
  watch: nothing,
  begin: (b, wide) => {
    for (const w of wide) b.f64x2(0).set(w);
  },
  absorb: (b, [low, high], acc) => {
    b.get(low).get(acc).op('f64x2.promote_low_f32x4', 'f64x2.add').set(low);
    b.get(high).get(acc).get(acc).shuffle(SWAP_HALVES).op('f64x2.promote_low_f32x4', 'f64x2.add').set(high);
  },
  merge: (b, wide, other) => {
    wide.forEach((w, i) => {
      b.get(w).get(other[i]).op('f64x2.add').set(w);
    });
  },
  collapse: (b, [low, high]) => {
    b.get(low).get(high).op('f64x2.add').tee(low);
    b.get(low).get(low).shuffle(SWAP_HALVES).op('f64x2.add').set(low);
  },
  result: (b, [low, high]) => {
    b.get(low).op('f32x4.demote_f64x2_zero').get(high).op('f32x4.demote_f64x2_zero');
    b.shuffle(LOW_HALVES);
  },
};

/**
 * (s, e) ← s + x with the rounding error added to e: Knuth's two-sum (The Art of Computer Programming,
 * volume 2, 4.2.2, theorem B), which needs no order of magnitudes.
 */
function twoSum(b: FunctionBody, s: Local, e: Local, x: Local): void {
  const t = b.local('v128');
  const z = b.local('v128');
  b.get(s).get(x).op('f64x2.add').tee(t).get(s).op('f64x2.sub').set(z);
  b.get(s).get(t).get(z).op('f64x2.sub', 'f64x2.sub').get(x).get(z).op('f64x2.sub', 'f64x2.add');
  b.get(e).op('f64x2.add').set(e);
  b.get(t).set(s);
  b.release(t, z);
}

/** Σ in float64; block results are summed with their rounding errors, kept in the second plane. */
const sumF64: FoldCode = {
  lanes: 2,
  stateBytes: 8,
  planes: 2,
  wide: 2,
  marksNaN: false,
  identity: (b) => b.f64x2(0),
  step: (b, acc, x) => {
    b.get(acc).get(x).op('f64x2.add').set(acc);
  },
  mark: nothing,
  watch: nothing,
  begin: (b, wide) => {
    for (const w of wide) b.f64x2(0).set(w);
  },
  absorb: (b, [s, e], acc) => twoSum(b, s, e, acc),
  merge: (b, [s, e], [t, f]) => {
    twoSum(b, s, e, t);
    b.get(e).get(f).op('f64x2.add').set(e);
  },
  collapse: (b, [s, e]) => {
    const t = b.local('v128');
    b.get(s).get(s).shuffle(SWAP_HALVES).set(t);
    b.get(e).get(e).get(e).shuffle(SWAP_HALVES).op('f64x2.add').set(e);
    twoSum(b, s, e, t);
    b.release(t);
  },
  result: (b, [s, e]) => {
    // An infinite sum has no rounding error but ∞ − ∞ = NaN.
    b.get(s).get(e).get(e).get(e).op('f64x2.eq', 'v128.and', 'f64x2.add');
  },
};
