/**
 * Elements selected from rows that are sorted first: short ones by a network, and rows of any length whose
 * most frequent element is wanted.
 */
import { type DType, dtypeInfo, isFloat } from '../../../core/dtype.ts';
import { advance, loadWord, times } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { LOAD } from './compact.ts';
import { MOVE } from './nest.ts';
import { emitPairs, pushElementAt, pushPlaceAt, RECORD_STEP } from './network.ts';

/**
 * Which element: that of a rank; or the lower median, where a row with NaNs gives the first of them; or
 * the lower median of what is a number; or the most frequent one, the least of several, at its last place.
 */
export type Choice = 'rank' | 'median' | 'nanmedian' | 'mode';

/** Words of the parameter block. Steps: from row to row, and in the input also from element to element. */
export const PARAM = {
  rows: 0,
  n: 1,
  rank: 2,
  keys: 3,
  places: 4,
  spareKeys: 5,
  sparePlaces: 6,
  counters: 7,
  input: 8,
  inputRow: 9,
  inputStep: 10,
  values: 11,
  valuesRow: 12,
  indices: 13,
  indicesRow: 14,
  size: 15,
  words: 16,
} as const;

/** Words of the block as locals. */
export function parameters(b: FunctionBody): (name: keyof typeof PARAM) => Local {
  return (name) => loadWord(b, PARAM[name]);
}

/** The row that is looked at. */
export interface Row {
  readonly dtype: DType;
  readonly input: Local;
  readonly inputStep: Local;
  readonly n: Local;
}

/** Finds the end of the first of the longest runs of equals. `next` makes `place` that of the next in order. */
export function emitMostFrequent(
  b: FunctionBody,
  { dtype, input, inputStep, n }: Row,
  place: Local,
  next: () => void,
): void {
  const type = dtypeInfo(dtype).compute;
  const value = b.local(type);
  const before = b.local(type);
  const left = b.local('i32');
  const run = b.local('i32');
  const longest = b.local('i32');
  const end = b.local('i32');
  b.i32(0).set(run).i32(0).set(longest).get(n).set(left);
  times(b, left, () => {
    next();
    pushElementAt(b, input, place, inputStep);
    b.mem(LOAD[dtype]).set(value);
    // The first one's run is of one whatever was before: of none.
    b.get(run).i32(0).get(value).get(before).op(`${type}.eq`, 'select').i32(1).op('i32.add').set(run);
    b.get(value).set(before);
    b.get(place).get(end).get(run).get(longest).op('i32.gt_u').op('select').set(end);
    b.get(run).get(longest).get(run).get(longest).op('i32.gt_u', 'select').set(longest);
  });
  b.get(end).set(place);
  b.release(value, before, left, run, longest, end);
}

/** short(parameters): the elements selected from short rows. Calls function 0, the network. */
export function shortFunction(dtype: DType, choice: Choice): FunctionBody {
  const b = new FunctionBody('select', ['i32'], []);
  const { bytes } = dtypeInfo(dtype);
  const [load, store] = MOVE[bytes];
  const word = parameters(b);
  const [rows, n, rank, records, size] = [word('rows'), word('n'), word('rank'), word('keys'), word('size')];
  const [input, inputRow, inputStep] = [word('input'), word('inputRow'), word('inputStep')];
  const [values, valuesRow, indices, indicesRow] = [
    word('values'),
    word('valuesRow'),
    word('indices'),
    word('indicesRow'),
  ];
  const place = b.local('i32');
  const which = b.local('i32');
  const numbers = b.local('i32');
  /** Makes `place` that of record number `which`. */
  const find = (first: Local): void => {
    const at = b.local('i32');
    b.get(first).get(which).i32(RECORD_STEP).op('i32.mul', 'i32.add').set(at);
    pushPlaceAt(b, at);
    b.set(place);
    b.release(at);
  };
  /** NaNs come after all numbers. */
  const countNumbers = (first: Local): void => {
    const type = bytes === 8 ? 'f64' : 'f32';
    const value = b.local(type);
    b.get(n).set(numbers);
    b.block(() => {
      b.loop(() => {
        b.get(numbers).op('i32.eqz').brIf(1);
        b.get(numbers).i32(1).op('i32.sub').set(which);
        find(first);
        pushElementAt(b, input, place, inputStep);
        b.mem(`${type}.load`).tee(value).get(value).op(`${type}.eq`).brIf(1);
        advance(b, numbers, -1);
        b.br(0);
      });
    });
    b.release(value);
  };
  const choose = (first: Local): void => {
    if (choice === 'rank') {
      b.get(rank).set(which);
      return;
    }
    if (isFloat(dtype)) countNumbers(first);
    else b.get(n).set(numbers);
    b.get(numbers).i32(1).op('i32.sub').i32(1).op('i32.shr_s').set(which);
    if (choice === 'median') b.get(which).get(numbers).get(numbers).get(n).op('i32.eq', 'select').set(which);
    // Where nothing is a number, the first NaN.
    else b.i32(0).get(which).get(which).i32(0).op('i32.lt_s', 'select').set(which);
  };
  emitPairs(b, size, { dtype, records, input, inputRow, inputStep, rows, n, flip: null }, (first) => {
    if (choice === 'mode') {
      b.i32(0).set(which);
      emitMostFrequent(b, { dtype, input, inputStep, n }, place, () => {
        find(first);
        advance(b, which, 1);
      });
    } else {
      choose(first);
      find(first);
    }
    b.get(indices).get(place).mem('i32.store');
    b.get(values);
    pushElementAt(b, input, place, inputStep);
    b.mem(load).mem(store);
    advance(b, values, valuesRow);
    advance(b, indices, indicesRow);
  });
  return b;
}
