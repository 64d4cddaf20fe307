/**
 * Argmax and argmin. The state is the best element so far and its place in row-major order. Parts are
 * joined in that order, and only a strictly better element replaces one, so the first of equals
 * stays. NaN is better than any number, and nothing is better than NaN.
 */
import type { Compute } from '../../../core/dtype.ts';
import type { FunctionBody, Local } from '../encoder.ts';
import { type FoldCode, foldCode, identityOf, pushConstant, type StateCode } from './fold.ts';

export type ArgFold = 'argmax' | 'argmin';

export interface ArgCode extends StateCode {
  /** The fold of the values alone. */
  readonly extreme: FoldCode;
  /** Pushes the mask of lanes where x is better than best. */
  better(b: FunctionBody, x: Local, best: Local): void;
  /** Pushes the mask of lanes where x is what was found best, NaN included. */
  same(b: FunctionBody, x: Local, best: Local): void;
  /** Pushes an index in every lane. */
  splat(b: FunctionBody, index: Local): void;
  /** Pushes an i32 with a bit for every lane of the mask on the stack. */
  bits(b: FunctionBody): void;
}

/** Float64 values have 64-bit masks, so their indices take 64-bit lanes as well. */
const LOW_DWORDS = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];

export function argCode(fold: ArgFold, compute: Compute): ArgCode {
  const extreme = foldCode(fold === 'argmax' ? 'max' : 'min', compute);
  const shape = compute === 'f64' ? 'f64x2' : 'f32x4';
  const notBetter = fold === 'argmax' ? 'le' : 'ge';
  const better = (b: FunctionBody, x: Local, best: Local): void => {
    if (compute === 'i32')
      b.get(x)
        .get(best)
        .op(fold === 'argmax' ? 'i32x4.gt_s' : 'i32x4.lt_s');
    else b.get(best).get(best).op(`${shape}.eq`).get(x).get(best).op(`${shape}.${notBetter}`, 'v128.andnot');
  };
  return {
    lanes: extreme.lanes,
    stateBytes: extreme.stateBytes,
    planes: 2,
    wide: 2,
    extreme,
    better,
    same: (b, x, best) => {
      if (compute === 'i32') b.get(x).get(best).op('i32x4.eq');
      else {
        b.get(x).get(x).op(`${shape}.ne`).get(best).get(best).op(`${shape}.ne`, 'v128.and');
        b.get(x).get(best).op(`${shape}.eq`, 'v128.or');
      }
    },
    splat: (b, index) => {
      b.get(index);
      if (compute === 'f64') b.op('i64.extend_i32_u', 'i64x2.splat');
      else b.op('i32x4.splat');
    },
    bits: (b) => {
      b.op(compute === 'f64' ? 'i64x2.bitmask' : 'i32x4.bitmask');
    },
    begin: (b, [value, index]) => {
      pushConstant(b, compute, identityOf(fold, compute));
      b.set(value).i32x4(0).set(index);
    },
    merge: (b, [value, index], [otherValue, otherIndex]) => {
      const mask = b.local('v128');
      better(b, otherValue, value);
      b.set(mask);
      b.get(otherValue).get(value).get(mask).op('v128.bitselect').set(value);
      b.get(otherIndex).get(index).get(mask).op('v128.bitselect').set(index);
      b.release(mask);
    },
    result: (b, [, index]) => {
      b.get(index);
      if (compute === 'f64') b.get(index).shuffle(LOW_DWORDS);
    },
  };
}
