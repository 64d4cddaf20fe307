/**
 * The code of map kernels: loops around an innermost one that computes whole vectors. The last few
 * elements go through the same vector code, of which only their lanes are stored, so that a result
 * depends neither on its place nor on the layout.
 */
import { type Compute, type DType, dtypeInfo } from '../../core/dtype.ts';
import { topological } from '../../kernels/dag.ts';
import { type Expr, operands as exprOperands, type ScalarFunction } from '../../kernels/expr.ts';
import { times } from './control.ts';
import { emitAbreast, emitExprs, mathImports, mathProvided } from './emit.ts';
import { FunctionBody, type Local, type ValType } from './encoder.ts';
import {
  fourFillOne,
  lanesOf,
  loadFirst,
  loadSplat,
  loadStrided,
  loadVector,
  storeFirst,
  storeFour,
  storeStrided,
  storeVector,
} from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { pairsVectors } from './pairs.ts';
import { fusing } from './relaxed.ts';
import { sideBySide } from './vector.ts';
import { depth, weight } from './weight.ts';

/** How an operand moves along the innermost loop: element by element, not at all, by a stride; or it is a number. */
export type Access = 'unit' | 'repeat' | 'stride' | 'scalar';

/** What a kernel is compiled for. */
export interface MapVariant {
  readonly fn: ScalarFunction;
  readonly compute: Compute;
  /** Element types, outputs first; of scalars it does not matter. */
  readonly dtypes: readonly DType[];
  readonly accesses: readonly Access[];
  /** Loops around the innermost one, or null for a function without a parameter block. */
  readonly depth: number | null;
}

/**
 * Parameters: elements of the innermost loop, an address (or number) per operand, and the block.
 * The block has a 32-bit word per operand that is not a scalar: its step in the innermost loop, in
 * bytes; then for every loop around, outermost first, the turns and as many words: what to add to the
 * operands' addresses after a turn.
 */
export function compileMap(variant: MapVariant): WasmFunction {
  const { accesses, compute, depth } = variant;
  const params: ValType[] = ['i32', ...accesses.map((a): ValType => (a === 'scalar' ? 'f64' : 'i32'))];
  if (depth !== null) params.push('i32');
  const body = new FunctionBody('map', params, []);
  const operands = variant.dtypes.map((dtype, i) => new Operand(body, dtype, accesses[i], body.params[i + 1]));
  const moving = operands.filter((o) => o.access !== 'scalar');
  for (const o of operands) if (o.access === 'scalar') o.splatScalar(body, compute);
  if (depth === null) {
    body.get(body.params[0]).if(() => emitInnermost(body, variant, operands));
  } else {
    const block = body.params[accesses.length + 1];
    moving.forEach((o, k) => {
      if (o.step !== null)
        body
          .get(block)
          .mem('i32.load', 4 * k)
          .set(o.step);
    });
    emitLoops(body, moving, block, depth, 0, () => emitInnermost(body, variant, operands));
  }
  return instantiate([body], mathImports, mathProvided).map;
}

/** An operand inside a kernel under construction. */
class Operand {
  readonly dtype: DType;
  readonly bytes: number;
  readonly access: Access;
  /** A byte address, or a number. */
  readonly param: Local;
  /** Where the innermost loop is. */
  readonly place: Local;
  /** Bytes per step, for strided access. */
  readonly step: Local | null;
  /** The value in every lane, if the innermost loop does not change it. */
  readonly splat: Local | null;

  constructor(body: FunctionBody, dtype: DType, access: Access, param: Local) {
    this.dtype = dtype;
    this.bytes = dtypeInfo(dtype).bytes;
    this.access = access;
    this.param = param;
    this.place = access === 'unit' || access === 'stride' ? body.local('i32') : param;
    this.step = access === 'stride' ? body.local('i32') : null;
    this.splat = access === 'scalar' || access === 'repeat' ? body.local('v128') : null;
  }

  /** Numbers come as float64 whatever the computing type; for i32 they truncate. */
  splatScalar(body: FunctionBody, compute: Compute): void {
    body.get(this.param);
    if (compute === 'f32') body.op('f32.demote_f64', 'f32x4.splat');
    else if (compute === 'f64') body.op('f64x2.splat');
    else body.op('f64x2.splat', 'i32x4.trunc_sat_f64x2_s_zero').lane('i32x4.extract_lane', 0).op('i32x4.splat');
    if (this.splat !== null) body.set(this.splat);
  }

  /** Goes to where the innermost loop begins. */
  enter(body: FunctionBody, compute: Compute): void {
    if (this.access === 'repeat' && this.splat !== null) {
      loadSplat(body, this.dtype, compute, this.param);
      body.set(this.splat);
    } else if (this.splat === null) body.get(this.param).set(this.place);
  }

  advance(body: FunctionBody, elements: number): void {
    if (this.splat !== null) return;
    body.get(this.place);
    if (this.step === null) body.i32(elements * this.bytes);
    else body.get(this.step).i32(elements).op('i32.mul');
    body.op('i32.add').set(this.place);
  }
}

/** The loops from `d` on, around `innermost`; addresses move on by what the block says. */
function emitLoops(
  body: FunctionBody,
  moving: readonly Operand[],
  block: Local,
  depth: number,
  d: number,
  innermost: () => void,
): void {
  if (d === depth) {
    innermost();
    return;
  }
  const at = 4 * (moving.length + d * (1 + moving.length));
  const left = body.local('i32');
  body.get(block).mem('i32.load', at).set(left);
  body.loop(() => {
    emitLoops(body, moving, block, depth, d + 1, innermost);
    moving.forEach((o, k) => {
      body.get(o.param).get(block);
      body
        .mem('i32.load', at + 4 * (k + 1))
        .op('i32.add')
        .set(o.param);
    });
    body.get(left).i32(1).op('i32.sub').tee(left).brIf(0);
  });
}

/** The loop over all (at least one) elements from the operands' parameters on. */
function emitInnermost(body: FunctionBody, variant: MapVariant, operands: readonly Operand[]): void {
  const { compute, fn } = variant;
  const lanes = lanesOf(compute);
  const left = body.local('i32');
  body.get(body.params[0]).set(left);
  for (const o of operands) o.enter(body, compute);
  const cost = weight(fn.outs);
  const few =
    cost <= Math.max(sideBySide() ? CHEAP : SHORT, CHEAP_EACH * operands.filter((o) => o.splat === null).length);
  // A chain of few and many constants, which stay in registers then.
  const inOrder = few || (fn.outs[0].op === 'gelu' && fusing());
  const alone = variant.accesses.includes('stride') || cost > 2 * LONG || !(inOrder || sideBySide());
  const most = alone ? 1 : cost <= CHEAP ? 8 : inOrder || compute !== 'f64' ? 4 : leastAbreast(fn.outs);
  const turns = cost <= LONG ? most : cost < BROAD * depth(fn.outs) ? Math.min(2, most) : 1;
  if (turns > 1) {
    const elements = turns * lanes;
    body.block(() => {
      body.get(left).i32(elements).op('i32.lt_s').brIf(0);
      body.loop(() => {
        if (inOrder) emitVectors(body, variant, operands, turns);
        else emitVectorsAbreast(body, variant, operands, turns);
        for (const o of operands) o.advance(body, elements);
        body.get(left).i32(elements).op('i32.sub').tee(left).i32(elements).op('i32.ge_s').brIf(0);
      });
    });
  }
  body.block(() => {
    body.get(left).op('i32.eqz').brIf(0);
    body.loop(() => {
      emitVector(body, variant, operands, 0, left);
      for (const o of operands) o.advance(body, lanes);
      body.get(left).i32(lanes).op('i32.sub').tee(left).i32(0).op('i32.gt_s').brIf(0);
    });
  });
  body.release(left);
}

/**
 * Weight up to which a processor finds enough to do by itself in vectors that come one after the other: in all, and
 * for every operand, as many of which side by side would not fit the registers.
 */
const CHEAP = 4;
const CHEAP_EACH = 2;
/** The same where nothing is side by side: all that has no function like exp. */
const SHORT = 11;
/** Weight beyond which code four times side by side would be too much code. */
const LONG = 60;
/** Twice, up to as much, helps where functions wait for each other; a vector that has so many at a time needs no company. */
const BROAD = 3;

/**
 * Functions of float64 of which fewer than four vectors go side by side: those of an angle need too many registers,
 * and both cases of an error function are frequent.
 */
const ABREAST: Readonly<Record<string, number | undefined>> = { sin: 2, cos: 2, tan: 2, erf: 1, erfc: 1 };

const leastAbreast = (outs: readonly Expr[]): number =>
  Math.min(4, ...topological(outs, exprOperands).map(({ op }) => ABREAST[op] ?? 4));

/** What an operand has in vector number `v` after its place: a local of its own, but for what is the same in all of them. */
function loadWhole(body: FunctionBody, compute: Compute, o: Operand, v: number): Local {
  if (o.splat !== null) return o.splat;
  const value = body.local('v128');
  loadVector(body, o.dtype, compute, o.place, v * lanesOf(compute) * o.bytes);
  body.set(value);
  return value;
}

/** Gives back the locals of what was loaded so. */
function release(body: FunctionBody, inputs: readonly Operand[], args: readonly Local[]): void {
  body.release(...args.filter((_, i) => inputs[i].splat === null));
}

/**
 * Some whole vectors from the operands' places on, one after the other; bytes are stored four vectors at a time. Two that
 * the compiler may make one of are both read before either is written.
 */
function emitVectors(body: FunctionBody, variant: MapVariant, operands: readonly Operand[], vectors: number): void {
  const { compute, fn } = variant;
  const [outs, inputs] = [operands.slice(0, fn.outs.length), operands.slice(fn.outs.length)];
  const fours = outs.length === 1 && fourFillOne(outs[0].dtype, compute);
  const group = fours ? 4 : pairsVectors() ? 2 : 1;
  const load = (v: number): readonly Local[] => inputs.map((o) => loadWhole(body, compute, o, v));
  for (let first = 0; first < vectors; first += group) {
    const each = Array.from({ length: group }, (_, k) => first + k);
    const loaded = fours ? [] : each.map(load);
    const rows = each.map((v, k) => {
      const args = loaded[k] ?? load(v);
      const values = emitExprs(body, compute, fn.outs, args);
      release(body, inputs, args);
      return values;
    });
    outs.forEach((o, i) => {
      const values = rows.map((row) => row[i]);
      const { sort } = fn.outs[i];
      const ahead = (v: number): number => v * lanesOf(compute) * o.bytes;
      if (fours) storeFour(body, o.dtype, compute, sort, values, o.place, ahead(first));
      else values.forEach((x, k) => void storeVector(body, o.dtype, compute, sort, x, o.place, ahead(first + k)));
    });
    body.release(...rows.flat());
  }
}

/** The same, side by side. */
function emitVectorsAbreast(
  body: FunctionBody,
  variant: MapVariant,
  operands: readonly Operand[],
  vectors: number,
): void {
  const { compute, fn } = variant;
  const outs = fn.outs.length;
  const inputs = operands.slice(outs);
  const ahead = (o: Operand, vector: number): number => vector * lanesOf(compute) * o.bytes;
  const args = Array.from({ length: vectors }, (_, v) => inputs.map((o) => loadWhole(body, compute, o, v)));
  const store = (rows: readonly (readonly Local[])[]): void => {
    if (outs === 1 && rows.length === 4 && fourFillOne(operands[0].dtype, compute)) {
      const values = rows.map(([value]) => value);
      storeFour(body, operands[0].dtype, compute, fn.outs[0].sort, values, operands[0].place);
      return;
    }
    for (const [v, values] of rows.entries()) {
      for (const [i, value] of values.entries()) {
        const o = operands[i];
        storeVector(body, o.dtype, compute, fn.outs[i].sort, value, o.place, ahead(o, v));
      }
    }
  };
  // A loop of its own: what is rare must not take the room of what is frequent.
  const oneByOne = (): void => {
    const count = body.local('i32');
    body.i32(vectors).set(count);
    times(body, count, () => {
      emitVector(body, variant, operands, 0, null);
      for (const o of operands) o.advance(body, lanesOf(compute));
    });
    for (const o of operands) o.advance(body, -vectors * lanesOf(compute));
    body.release(count);
  };
  emitAbreast(body, compute, fn.outs, args, store, oneByOne);
  for (const row of args) release(body, inputs, row);
}

/** One vector, number `ahead` after the operands' places; with `left`, no more elements than that are read or written. */
function emitVector(
  body: FunctionBody,
  variant: MapVariant,
  operands: readonly Operand[],
  ahead: number,
  left: Local | null,
): void {
  const { compute, fn } = variant;
  const from = ahead * lanesOf(compute);
  const whole = (yes: () => void, no: () => void): void => {
    if (left === null) yes();
    else body.get(left).i32(lanesOf(compute)).op('i32.ge_s').if(yes, no);
  };
  const outs = fn.outs.length;
  const loaded: Local[] = [];
  const args = operands.slice(outs).map((o): Local => {
    if (o.splat !== null) return o.splat;
    const value = body.local('v128');
    loaded.push(value);
    const { step } = o;
    if (step !== null) {
      whole(
        () => {
          loadStrided(body, o.dtype, compute, o.place, step);
          body.set(value);
        },
        () => {
          loadStrided(body, o.dtype, compute, o.place, step, left ?? undefined);
          body.set(value);
        },
      );
    } else {
      if (left === null) loadVector(body, o.dtype, compute, o.place, from * o.bytes);
      else loadFirst(body, o.dtype, compute, left, o.place);
      body.set(value);
    }
    return value;
  });
  const results = emitExprs(body, compute, fn.outs, args);
  results.forEach((value, i) => {
    const { dtype, place, bytes, step } = operands[i];
    const { sort } = fn.outs[i];
    whole(
      () => {
        if (step !== null) storeStrided(body, dtype, compute, sort, value, place, step);
        else storeVector(body, dtype, compute, sort, value, place, from * bytes);
      },
      () => {
        if (left === null) return;
        if (step !== null) storeStrided(body, dtype, compute, sort, value, place, step, left);
        else storeFirst(body, dtype, compute, sort, value, left, place);
      },
    );
  });
  body.release(...results, ...loaded);
}
