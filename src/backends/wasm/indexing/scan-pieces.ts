/**
 * Scans of long lines in pieces of fixed length, so that threads can share a line and no bit depends on
 * how many there are. First every piece is summed up; then it is known what each begins with; then all are
 * scanned. Four pieces go abreast, every lane in one of its own: that is what makes up for reading twice.
 */
import type { Compute, DType } from '../../../core/dtype.ts';
import { advance, copyOf, loadWord, times, timesOrNever } from '../control.ts';
import { lanesOf } from '../emit.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { i32, scratch } from '../heap.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { inTasks, shareOf, tasksFor } from '../threads/share.ts';
import { Abreast, transpose } from './abreast.ts';
import { beginTurns, type Carried, codeOf, computeOf, nextTurn, type Scan, type ScanCode } from './scan-code.ts';

export interface ScanSpec {
  readonly scan: Scan;
  readonly from: DType;
  readonly out: DType;
}

/** Elements of a piece: not a power of two, so that pieces that go abreast do not meet in the same sets of the cache. */
const PIECE = 8192 + 16;
const ABREAST = 4;
/** Elements of pieces that go abreast: shorter lines have no pieces. */
export const BUNDLE: number = ABREAST * PIECE;
/** Bundles that are summed up before they are scanned, so that they are still in a cache. */
const BUNDLES_AT_ONCE = 64;
/** What an element takes, in steps of `tasksFor`. */
const STEPS = 12;

const PARAM = { bundles: 0, first: 1, begin: 2, totals: 3, starts: 4, ends: 5, out: 6, words: 14 } as const;

/** How what is carried lies in memory, a bundle after the other: planes of one kind of thing for all lanes. */
interface Layout {
  readonly planes: number;
  readonly bytes: number;
  /** Where piece `l` has its part of a plane. */
  at(l: number, plane: number): number;
}

function layoutOf({ wide }: Carried, laneBytes: number, lanes: number): Layout {
  const planes = (16 * wide) / (laneBytes * lanes);
  return {
    planes,
    bytes: ABREAST * planes * laneBytes,
    at: (l, plane) => laneBytes * ((l - (l % lanes)) * planes + plane * lanes + (l % lanes)),
  };
}

/** Loads what is carried by a piece to all lanes. */
function loadState(
  b: FunctionBody,
  laneBytes: number,
  place: Local,
  carry: readonly Local[],
  at: Layout['at'],
  l = 0,
): void {
  for (const [plane, c] of carry.entries()) {
    b.get(place)
      .mem(laneBytes === 8 ? 'v128.load64_splat' : 'v128.load32_splat', at(l, plane))
      .set(c);
  }
}

/** carry ← what lies at an address, or what a scan begins with if that is 0; in all lanes. */
export function beginOr(
  b: FunctionBody,
  code: ScanCode,
  compute: Compute,
  place: Local,
  carry: readonly Local[],
): void {
  const { at } = layoutOf(code, code.laneBytes, lanesOf(compute));
  b.get(place).if(
    () => loadState(b, code.laneBytes, place, carry, at),
    () => code.begin(b, carry),
  );
}

/** Sums of float32 run in float64, and are no other than those of float64 then. */
const computeOfPieces = ({ scan, out }: ScanSpec): Compute => {
  const compute = computeOf(scan, out);
  return compute === 'f32' && !codeOf(scan, compute).tellsPlaces ? 'f64' : compute;
};

/** Walks pieces abreast: sums them up, or with `scans` writes what they come to, turn by turn, from what they start with. */
function abreastFunction(spec: ScanSpec, unit: boolean, scans: boolean): FunctionBody {
  const { scan, from, out } = spec;
  const b = new FunctionBody(scans ? 'scan' : 'sumUp', ['i32'], []);
  const compute = computeOfPieces(spec);
  const code = codeOf(scan, compute);
  const carried: Carried = scans ? code : (code.total ?? code);
  // Sums and products need no order: the elements of a piece are taken up as they come.
  const mingled = !scans && code.within !== undefined;
  const walk = new Abreast(b, compute, unit, from === 'float32' && out === 'float32', PIECE);
  const { lanes, length } = walk;
  const { bytes } = layoutOf(carried, code.laneBytes, lanes);
  const bundles = loadWord(b, PARAM.bundles);
  const first = loadWord(b, PARAM.first);
  const state = loadWord(b, scans ? PARAM.starts : PARAM.totals);
  const ends = scans ? loadWord(b, PARAM.ends) : state;
  const places = [0, 1, 2, 3].map((k) => loadWord(b, PARAM.out + 2 * k));
  const steps = [0, 1, 2, 3].map((k) => loadWord(b, PARAM.out + 2 * k + 1));
  const sets = Array.from({ length: ABREAST / lanes }, (_, set) => ({
    piece: set * lanes,
    carry: Array.from({ length: mingled ? lanes : carried.wide }, () => b.local('v128')),
    turn: b.local('v128'),
  }));
  const [x, y, found] = [walk.columns(), walk.columns(), walk.columns()];
  const left = b.local('i32');
  const onward = (elements: number): void => {
    places.forEach((p, k) => {
      b.get(p).get(steps[k]).i32(elements).op('i32.mul', 'i32.add').set(p);
    });
  };

  times(b, bundles, () => {
    for (const { piece, carry, turn } of sets) {
      for (const [i, c] of carry.entries()) {
        if (scans)
          b.get(state)
            .mem('v128.load', 16 * (carried.wide * (piece / lanes) + i))
            .set(c);
        else if (mingled) carried.begin(b, [c]);
      }
      if (!scans && !mingled) carried.begin(b, carry);
      if (code.tellsPlaces) {
        const begin = copyOf(b, first);
        advance(b, begin, PIECE * piece);
        beginTurns(b, compute, turn, begin, PIECE);
        b.release(begin);
      }
    }
    b.i32(PIECE / length).set(left);
    times(b, left, () => {
      for (const { piece, carry, turn } of sets) {
        if (mingled) {
          for (const [l, c] of carry.entries())
            for (const v of walk.readLine(from, places[1], steps[1], piece + l, x)) carried.join(b, [c], v, turn, v);
          continue;
        }
        const columns = walk.read(from, places[1], steps[1], piece, x);
        const others = code.takesSecond ? walk.read(from, places[3], steps[3], piece, y) : columns;
        for (const [k, column] of columns.entries()) {
          carried.join(b, carry, column, turn, others[k]);
          if (scans) {
            code.narrow(b, carry);
            b.set(column);
            if (code.tellsPlaces) b.get(carry[1]).set(found[k]);
          }
          if (code.tellsPlaces) nextTurn(b, compute, turn);
        }
        if (scans) walk.write(out, places[0], steps[0], piece, columns);
        if (scans && code.tellsPlaces) walk.writePlaces(places[2], steps[2], piece, found);
      }
      onward(length);
    });
    for (const { piece, carry, turn } of sets) {
      let result: readonly Local[] = carry;
      if (mingled) {
        const [sum, ...others] = transpose(b, carry);
        for (const other of others) carried.join(b, [sum], other, turn, other);
        result = [sum];
      }
      for (const [i, c] of result.entries())
        b.get(ends)
          .get(c)
          .mem('v128.store', 16 * (carried.wide * (piece / lanes) + i));
    }
    advance(b, state, bytes);
    if (scans) advance(b, ends, bytes);
    advance(b, first, BUNDLE);
    onward(BUNDLE - PIECE);
  });
  return b;
}

/** From what pieces amount to, what each starts with, and what the one behind the last would. */
function foretellFunction(spec: ScanSpec): FunctionBody {
  const b = new FunctionBody('foretell', ['i32'], []);
  const compute = computeOfPieces(spec);
  const code = codeOf(spec.scan, compute);
  const { laneBytes } = code;
  const own = layoutOf(code, laneBytes, lanesOf(compute));
  const amount = layoutOf(code.total ?? code, laneBytes, lanesOf(compute));
  const bundles = loadWord(b, PARAM.bundles);
  const begin = loadWord(b, PARAM.begin);
  const totals = loadWord(b, PARAM.totals);
  const starts = loadWord(b, PARAM.starts);
  const carry = Array.from({ length: own.planes }, () => b.local('v128'));
  const total = Array.from({ length: amount.planes }, () => b.local('v128'));
  const store = (l: number): void => {
    for (const [plane, c] of carry.entries()) {
      b.get(starts)
        .get(c)
        .laneMem(laneBytes === 8 ? 'v128.store64_lane' : 'v128.store32_lane', 0, own.at(l, plane));
    }
  };
  beginOr(b, code, compute, begin, carry);
  times(b, bundles, () => {
    for (let l = 0; l < ABREAST; l++) {
      store(l);
      loadState(b, laneBytes, totals, total, amount.at, l);
      code.after(b, carry, total);
    }
    advance(b, totals, amount.bytes);
    advance(b, starts, own.bytes);
  });
  store(0);
  return b;
}

/** Gives back whether all pieces ended with what was foretold. */
function holdsFunction(spec: ScanSpec): FunctionBody {
  const b = new FunctionBody('holds', ['i32'], ['i32']);
  const compute = computeOfPieces(spec);
  const code = codeOf(spec.scan, compute);
  const { at, bytes } = layoutOf(code, code.laneBytes, lanesOf(compute));
  const bundles = loadWord(b, PARAM.bundles);
  const starts = loadWord(b, PARAM.starts);
  const ends = loadWord(b, PARAM.ends);
  const [end, foretold] = [b.local('v128'), b.local('v128')];
  timesOrNever(b, bundles, () => {
    for (let l = 0; l < ABREAST; l++) {
      loadState(b, code.laneBytes, ends, [end], at, l);
      if (l === ABREAST - 1) advance(b, starts, bytes);
      loadState(b, code.laneBytes, starts, [foretold], at, (l + 1) % ABREAST);
      code.differs?.(b, end, foretold);
      b.op('v128.any_true').if(() => b.i32(0).op('return'));
    }
    advance(b, ends, bytes);
  });
  b.i32(1);
  return b;
}

interface Kernels {
  readonly sumUp: WasmFunction;
  readonly foretell: WasmFunction;
  readonly scan: WasmFunction;
  /** Null where there is no doubt. */
  readonly holds: WasmFunction | null;
  /** Bytes of a bundle. */
  readonly totalBytes: number;
  readonly startBytes: number;
}

const kernels = new Map<string, Kernels>();

function kernelsFor(spec: ScanSpec, unit: boolean): Kernels {
  const key = `${spec.scan} ${spec.from} ${spec.out} ${unit}`;
  let made = kernels.get(key);
  if (made === undefined) {
    const compute = computeOfPieces(spec);
    const code = codeOf(spec.scan, compute);
    const doubtful = code.differs !== undefined;
    const { sumUp, foretell, scan, holds } = instantiate([
      abreastFunction(spec, unit, false),
      foretellFunction(spec),
      abreastFunction(spec, unit, true),
      ...(doubtful ? [holdsFunction(spec)] : []),
    ]);
    made = {
      sumUp,
      foretell,
      scan,
      holds: doubtful ? holds : null,
      totalBytes: layoutOf(code.total ?? code, code.laneBytes, lanesOf(compute)).bytes,
      startBytes: layoutOf(code, code.laneBytes, lanesOf(compute)).bytes,
    };
    kernels.set(key, made);
  }
  return made;
}

/** Where the next elements of the output, the input, the indices and the second input are, and their steps, in bytes. */
export interface Line {
  readonly turns: number;
  readonly places: readonly number[];
  readonly steps: readonly number[];
  /** Whether elements lie side by side in all of them. */
  readonly unit: boolean;
}

/**
 * Scans the beginning of a line, in whole bundles of pieces. Gives back how many turns that were, and the address of what
 * the rest begins with. It stops where the range of numbers does not allow to foretell what pieces begin with.
 */
export function scanPieces(
  spec: ScanSpec,
  { turns, places, steps, unit }: Line,
): readonly [done: number, state: number] {
  const all = Math.floor(turns / BUNDLE);
  const { sumUp, foretell, scan, holds, totalBytes, startBytes } = kernelsFor(spec, unit);
  const room = Math.min(all, BUNDLES_AT_ONCE);
  const totals = scratch(totalBytes * room);
  const ends = scratch(startBytes * room);
  // What a group of bundles starts with lies where the one before did not.
  const starts = [0, 1].map(() => scratch(startBytes * (room + 1)));
  let begin = 0;
  for (let first = 0, group = 0; first < all; first += BUNDLES_AT_ONCE, group++) {
    const bundles = Math.min(BUNDLES_AT_ONCE, all - first);
    const start = starts[group % 2];
    const tasks = tasksFor(STEPS * BUNDLE * bundles, bundles);
    const block = (from: number, end: number, at = scratch(4 * PARAM.words)): number => {
      const words = i32();
      const w = at >>> 2;
      words[w + PARAM.bundles] = end - from;
      words[w + PARAM.first] = (first + from) * BUNDLE;
      words[w + PARAM.begin] = begin;
      words[w + PARAM.totals] = totals + totalBytes * from;
      words[w + PARAM.starts] = start + startBytes * from;
      words[w + PARAM.ends] = ends + startBytes * from;
      for (let k = 0; k < 4; k++) {
        words[w + PARAM.out + 2 * k] = places[k] + (first + from) * BUNDLE * steps[k];
        words[w + PARAM.out + 2 * k + 1] = steps[k];
      }
      return at;
    };
    const blocks = Array.from({ length: tasks }, (_, task) => block(...shareOf(task, tasks, bundles)));
    const whole = block(0, bundles);
    inTasks(tasks, (task, run) => run(sumUp, blocks[task]));
    foretell(whole);
    inTasks(tasks, (task, run) => run(scan, blocks[task]));
    if (holds !== null && holds(whole) === 0) return [first * BUNDLE, begin];
    begin = start + startBytes * bundles;
  }
  return [all * BUNDLE, begin];
}
