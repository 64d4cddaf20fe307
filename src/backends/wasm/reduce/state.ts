/**
 * The states of a tile of outputs between kernels: one or two planes, a row of numbers each. Also
 * the two kernels that need nothing else: `merge` joins the states of two parts of a fold, `finish`
 * turns states into results.
 */
import type { Compute, DType } from '../../../core/dtype.ts';
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Expr } from '../../../kernels/expr.ts';
import { advance, copyOf, loadWord, times, whilst } from '../control.ts';
import { emitExprs, lanesOf, loadSplat, storeStrided, storeVector } from '../emit.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { STORED, type StateCode, TILE_BYTES } from './fold.ts';

/** The most outputs that one kernel call folds. */
export function tileOf(code: StateCode): number {
  return TILE_BYTES / (code.planes * code.stateBytes);
}

function planeOffset(code: StateCode, i: number): number {
  return code.planes === 2 ? (i * TILE_BYTES) / 2 : 16 * i;
}

export function wideLocals(b: FunctionBody, code: StateCode): Local[] {
  return Array.from({ length: code.wide }, () => b.local('v128'));
}

/** Loads the states of `lanes` outputs; `ahead` counts outputs from the address. */
export function loadStates(b: FunctionBody, code: StateCode, wide: readonly Local[], address: Local, ahead = 0): void {
  wide.forEach((w, i) => {
    b.get(address)
      .mem('v128.load', planeOffset(code, i) + ahead * code.stateBytes)
      .set(w);
  });
}

export function storeStates(b: FunctionBody, code: StateCode, wide: readonly Local[], address: Local, ahead = 0): void {
  wide.forEach((w, i) => {
    b.get(address)
      .get(w)
      .mem('v128.store', planeOffset(code, i) + ahead * code.stateBytes);
  });
}

/** Stores the state of the one output that lane 0 holds. */
export function storeState(b: FunctionBody, code: StateCode, wide: readonly Local[], address: Local): void {
  const store = code.stateBytes === 4 ? 'v128.store32_lane' : 'v128.store64_lane';
  for (let i = 0; i < code.planes; i++) b.get(address).get(wide[i]).laneMem(store, 0, planeOffset(code, i));
}

/** Parameter words of `merge`. */
export const MERGE = { into: 0, from: 1, outputs: 2, turns: 3 } as const;

/** into ← into ⊕ from, for a number of outputs; or, for one output, with as many states as there are turns. */
export function mergeFunction(code: StateCode): FunctionBody {
  const b = new FunctionBody('merge', ['i32'], []);
  const into = loadWord(b, MERGE.into);
  const from = loadWord(b, MERGE.from);
  const left = loadWord(b, MERGE.outputs);
  const a = wideLocals(b, code);
  const c = wideLocals(b, code);
  whilst(
    b,
    () => b.get(left).i32(0).op('i32.gt_s'),
    () => {
      const next = copyOf(b, from);
      const turns = loadWord(b, MERGE.turns);
      loadStates(b, code, a, into);
      times(b, turns, () => {
        loadStates(b, code, c, next);
        code.merge(b, a, c);
        advance(b, next, code.stateBytes);
      });
      storeStates(b, code, a, into);
      advance(b, into, code.lanes * code.stateBytes);
      advance(b, from, code.lanes * code.stateBytes);
      advance(b, left, -code.lanes);
    },
  );
  return b;
}

/** Parameter words of `finish`; scalars follow, two words each. */
export const FINISH = { state: 0, batches: 1, outputs: 2, out: 3, batchStep: 4, outStep: 5, words: 6 } as const;

export interface FinishSpec {
  readonly code: StateCode;
  readonly compute: Compute;
  /** What the folded lanes are: numbers, or a mask. */
  readonly sort: 'value' | 'mask';
  readonly post: Expr | undefined;
  readonly postScalars: number;
  readonly out: DType;
}

/** out ← post(states), for batches of outputs whose states follow each other. */
export function finishFunction({ code, compute, sort, post, postScalars, out }: FinishSpec): FunctionBody {
  const b = new FunctionBody('finish', ['i32'], []);
  const { bytes } = dtypeInfo(out);
  const states = loadWord(b, FINISH.state);
  const batches = loadWord(b, FINISH.batches);
  const outputs = loadWord(b, FINISH.outputs);
  const places = loadWord(b, FINISH.out);
  const batchStep = loadWord(b, FINISH.batchStep);
  const step = loadWord(b, FINISH.outStep);
  const scalars = Array.from({ length: postScalars }, (_, i) => {
    const l = b.local('v128');
    loadSplat(b, STORED[compute], compute, b.params[0], 4 * FINISH.words + 8 * i);
    b.set(l);
    return l;
  });
  const wide = wideLocals(b, code);
  const folded = b.local('v128');
  times(b, batches, () => {
    const state = copyOf(b, states);
    const left = copyOf(b, outputs);
    const place = copyOf(b, places);
    /** Stores the next vectors while there are so many results left. */
    const whileLeft = (least: number, store: (value: Local) => void): void =>
      whilst(
        b,
        () => b.get(left).i32(least).op('i32.ge_s'),
        () => {
          loadStates(b, code, wide, state);
          code.result(b, wide);
          b.set(folded);
          if (post === undefined) store(folded);
          else {
            const [value] = emitExprs(b, compute, [post], [folded, ...scalars]);
            store(value);
            b.release(value);
          }
          advance(b, state, code.lanes * code.stateBytes);
          advance(b, left, -code.lanes);
        },
      );
    // Results may have more lanes than states (places of float64 extremes are int32): a full store needs room for all.
    b.get(step)
      .i32(bytes)
      .op('i32.eq')
      .if(() =>
        whileLeft(lanesOf(compute), (value) => {
          storeVector(b, out, compute, sort, value, place);
          advance(b, place, code.lanes * bytes);
        }),
      );
    whileLeft(1, (value) => {
      storeStrided(b, out, compute, sort, value, place, step, left);
      b.get(place).get(step).i32(code.lanes).op('i32.mul', 'i32.add').set(place);
    });
    b.get(states).get(outputs).i32(code.stateBytes).op('i32.mul', 'i32.add').set(states);
    advance(b, places, batchStep);
    b.release(state, left, place);
  });
  return b;
}
