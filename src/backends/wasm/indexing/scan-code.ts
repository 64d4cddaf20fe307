/**
 * What it means to scan: each scan is generated for one computing type, either within vectors, one
 * after the other, or lane by lane.
 */
import type { Compute, DType } from '../../../core/dtype.ts';
import { dtypeInfo } from '../../../core/dtype.ts';
import type { FunctionBody, Local, PlainOp } from '../encoder.ts';
import { identityOf, pushConstant } from '../reduce/fold.ts';
import { LOW_HALVES } from '../shuffles.ts';

export type Scan = 'sum' | 'prod' | 'max' | 'min' | 'linear';

/** The computing type of a scan: recurrences run in float64 throughout. */
export function computeOf(scan: Scan, out: DType): Compute {
  return scan === 'linear' ? 'f64' : dtypeInfo(out).compute;
}

/** What is carried along lanes: `wide` vectors hold as many elements as one of the computing type. */
export interface Carried {
  readonly wide: number;
  begin(b: FunctionBody, carry: readonly Local[]): void;
  /** carry ← carry ⊕ x, lane by lane. `turn` has the turns of the scan; `second` is the second input's vector. */
  join(b: FunctionBody, carry: readonly Local[], x: Local, turn: Local, second: Local): void;
}

/** How a scan goes for one computing type. */
export interface ScanCode extends Carried {
  /** Bytes of what is carried in one lane, of every kind of thing that is. */
  readonly laneBytes: 4 | 8;
  /** Whether the second vector of the carry tells where its elements stand. */
  readonly tellsPlaces?: boolean;
  /** Pushes whether a vector of elements leaves the state as it is, but for where they stand. */
  readonly leaves?: (b: FunctionBody, wide: readonly Local[], x: Local) => void;
  readonly takesSecond?: boolean;
  /** What a piece of a line amounts to, if that is not what its scan ends with. */
  readonly total?: Carried;
  /** carry ← carry, and then a piece that amounts to `total`; all lanes are the same. */
  after(b: FunctionBody, carry: readonly Local[], total: readonly Local[]): void;
  /**
   * Pushes a mask: whether a piece ended with something else than was foretold from what pieces amount to,
   * beyond what rounding explains. Left out where that cannot be.
   */
  differs?(b: FunctionBody, end: Local, foretold: Local): void;
  /** wide ← wide scanned within itself, continued from carry; carry ← what the next vector continues from. */
  within?(b: FunctionBody, wide: readonly Local[], carry: Local): void;
  /** Pushes a vector of the computing type. */
  narrow(b: FunctionBody, wide: readonly Local[]): void;
  /** wide ← a vector of the computing type. */
  widen?(b: FunctionBody, wide: readonly Local[], x: Local): void;
}

const HIGH_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];
/** Lanes moved up by one or two dwords or one qword, filled from the low end of the second vector. */
const UP_1 = [16, 17, 18, 19, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const UP_2 = [16, 17, 18, 19, 20, 21, 22, 23, 0, 1, 2, 3, 4, 5, 6, 7];
const LAST_DWORD = [12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15];

function accumulating(scan: 'sum' | 'prod', compute: Compute): ScanCode {
  const name = scan === 'sum' ? 'add' : 'mul';
  const identity = identityOf(scan, compute);
  const wideType = compute === 'i32' ? 'i32' : 'f64';
  const op: PlainOp = compute === 'i32' ? `i32x4.${name}` : `f64x2.${name}`;
  const combine = (b: FunctionBody, x: Local, by: Local): void => {
    b.get(x).get(by).op(op).set(x);
  };
  const widen = (b: FunctionBody, wide: readonly Local[], x: Local): void => {
    if (compute !== 'f32') {
      b.get(x).set(wide[0]);
      return;
    }
    b.get(x).op('f64x2.promote_low_f32x4').set(wide[0]);
    b.get(x).get(x).shuffle(HIGH_HALF).op('f64x2.promote_low_f32x4').set(wide[1]);
  };
  return {
    wide: compute === 'f32' ? 2 : 1,
    laneBytes: compute === 'i32' ? 4 : 8,
    widen,
    within: compute === 'f64' ? stepwise(combine) : doubling(combine, wideType, identity),
    join: (b, carry, x) => {
      const wide = carry.map(() => b.local('v128'));
      widen(b, wide, x);
      for (const [i, c] of carry.entries()) combine(b, c, wide[i]);
      b.release(...wide);
    },
    after: (b, [carry], [total]) => combine(b, carry, total),
    ...(compute === 'i32'
      ? {}
      : scan === 'prod'
        ? { differs: strays }
        : compute === 'f64'
          ? { differs: overflows }
          : {}),
    begin: (b, carry) => {
      for (const c of carry) {
        pushConstant(b, wideType, identity);
        b.set(c);
      }
    },
    narrow: (b, wide) => {
      b.get(wide[0]);
      if (compute !== 'f32') return;
      b.op('f32x4.demote_f64x2_zero').get(wide[1]).op('f32x4.demote_f64x2_zero').shuffle(LOW_HALVES);
    },
  };
}

/** One of two numbers is finite. Sums of float32 in float64 always are, or never. */
function overflows(b: FunctionBody, x: Local, y: Local): void {
  for (const v of [x, y]) b.get(v).get(v).op('f64x2.sub').f64x2(0).op('f64x2.eq');
  b.op('v128.xor');
}

/** How far products of a piece may be apart by rounding, and more. */
const APART = 2 ** -30;

/** Two products are far apart: one of them has left the range of numbers on its way. */
function strays(b: FunctionBody, x: Local, y: Local): void {
  b.get(x).get(y).op('f64x2.sub', 'f64x2.abs').get(x).op('f64x2.abs').f64x2(APART).op('f64x2.mul', 'f64x2.lt');
  b.get(x).get(y).op('f64x2.eq', 'v128.or');
  for (const v of [x, y]) b.get(v).get(v).op('f64x2.ne');
  b.op('v128.and', 'v128.or', 'v128.not');
}

type Combine = (b: FunctionBody, x: Local, by: Local) => void;

/**
 * Scans a vector on its own, by doubling, and then joins the carry to it: one operation per vector
 * waits for the one before. The carry is the same in every lane. Neither integers nor numbers that came
 * from float32 can overflow on the way where they would not one by one.
 */
function doubling(combine: Combine, wideType: Compute, identity: number): ScanCode['within'] {
  return (b, wide, carry) => {
    const t = b.local('v128');
    for (const w of wide) {
      for (const up of wideType === 'i32' ? [UP_1, UP_2] : [UP_2]) {
        b.get(w);
        pushConstant(b, wideType, identity);
        b.shuffle(up).set(t);
        combine(b, w, t);
      }
    }
    if (wide.length === 2) {
      b.get(wide[0]).get(wide[0]).shuffle(HIGH_HALF).set(t);
      combine(b, wide[1], t);
    }
    const end = wide[wide.length - 1];
    b.get(end).get(end);
    b.shuffle(wideType === 'i32' ? LAST_DWORD : HIGH_HALF).set(t);
    for (const w of wide) combine(b, w, carry);
    combine(b, carry, t);
    b.release(t);
  };
}

/** Scans the two elements of a float64 vector one by one; the carry is in lane 0. */
function stepwise(combine: Combine): ScanCode['within'] {
  return (b, [w], carry) => {
    const first = copyVector(b, carry);
    combine(b, first, w);
    b.get(w).get(w).shuffle(HIGH_HALF).set(carry);
    combine(b, carry, first);
    b.get(first).get(carry).shuffle(LOW_HALVES).set(w);
    b.release(first);
  };
}

function copyVector(b: FunctionBody, x: Local): Local {
  const l = b.local('v128');
  b.get(x).set(l);
  return l;
}

/** The running extreme and where it was found: of equals the latest, NaN before all, as in PyTorch. */
function extreme(scan: 'max' | 'min', compute: Compute): ScanCode {
  const shape = compute === 'i32' ? 'i32x4' : compute === 'f32' ? 'f32x4' : 'f64x2';
  const take = (b: FunctionBody, [best, index]: readonly Local[], x: Local, place: Local): void => {
    const mask = b.local('v128');
    pushTakes(b, best, x);
    b.set(mask);
    b.get(x).get(best).get(mask).op('v128.bitselect').set(best);
    b.get(place).get(index).get(mask).op('v128.bitselect').set(index);
    b.release(mask);
  };
  const pushTakes = (b: FunctionBody, best: Local, x: Local): void => {
    b.get(x).get(best);
    if (shape === 'i32x4') b.op(scan === 'max' ? 'i32x4.ge_s' : 'i32x4.le_s');
    else {
      b.op(`${shape}.${scan === 'max' ? 'ge' : 'le'}`);
      b.get(x).get(x).op(`${shape}.ne`, 'v128.or');
    }
  };
  return {
    wide: 2,
    laneBytes: compute === 'f64' ? 8 : 4,
    tellsPlaces: true,
    leaves: (b, [best], x) => {
      pushTakes(b, best, x);
      b.op('v128.any_true', 'i32.eqz');
    },
    join: take,
    after: (b, carry, [x, place]) => take(b, carry, x, place),
    begin: (b, [best, index]) => {
      pushConstant(b, compute, identityOf(scan, compute));
      b.set(best).i32x4(0).set(index);
    },
    narrow: (b, [best]) => {
      b.get(best);
    },
  };
}

/** sum ← a sum + x */
const linear: ScanCode = {
  wide: 1,
  laneBytes: 8,
  takesSecond: true,
  join: (b, [sum], x, _, a) => {
    b.get(sum).get(a).op('f64x2.mul').get(x).op('f64x2.add').set(sum);
  },
  begin: (b, [sum]) => {
    b.f64x2(0).set(sum);
  },
  // A piece is a linear function: of what came before it makes factor · before + sum.
  total: {
    wide: 2,
    join: (b, [factor, sum], x, turn, a) => {
      b.get(factor).get(a).op('f64x2.mul').set(factor);
      linear.join(b, [sum], x, turn, a);
    },
    begin: (b, [factor, sum]) => {
      b.f64x2(1).set(factor).f64x2(0).set(sum);
    },
  },
  after: (b, [sum], [factor, more]) => {
    b.get(sum).get(factor).op('f64x2.mul').get(more).op('f64x2.add').set(sum);
  },
  differs: overflows,
  narrow: (b, [sum]) => {
    b.get(sum);
  },
};

/** turn ← the turns that a scan begins with: `from` and, lane by lane, `apart` more. */
export function beginTurns(b: FunctionBody, compute: Compute, turn: Local, from?: Local, apart = 0): void {
  const lanes = Array.from({ length: compute === 'f64' ? 2 : 4 }, (_, l) => l * apart);
  if (compute === 'f64') b.v128(new Uint8Array(new BigInt64Array(lanes.map(BigInt)).buffer));
  else b.v128(new Uint8Array(new Int32Array(lanes).buffer));
  if (from !== undefined) {
    b.get(from);
    if (compute === 'f64') b.op('i64.extend_i32_u', 'i64x2.splat', 'i64x2.add');
    else b.op('i32x4.splat', 'i32x4.add');
  }
  b.set(turn);
}

/** turn ← so many turns later. */
export function nextTurn(b: FunctionBody, compute: Compute, turn: Local, turns = 1): void {
  b.get(turn);
  if (compute === 'f64') b.i64x2(BigInt(turns)).op('i64x2.add').set(turn);
  else b.i32x4(turns).op('i32x4.add').set(turn);
}

export function codeOf(scan: Scan, compute: Compute): ScanCode {
  switch (scan) {
    case 'sum':
    case 'prod':
      return accumulating(scan, compute);
    case 'linear':
      return linear;
    default:
      return extreme(scan, compute);
  }
}
