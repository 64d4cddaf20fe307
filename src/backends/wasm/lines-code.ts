/**
 * The code of line kernels: several passes over one line after the other, while the line is in the
 * first-level cache. A pass maps elements and folds or stores what comes out; what was folded is a
 * value of the line, which later passes use.
 *
 * Folds go in blocks, as those of `reduce/rows.ts` do, and in an order that depends on nothing but
 * the length of the line.
 */
import type { Compute, DType } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import { topological } from '../../kernels/dag.ts';
import { type Expr, operands } from '../../kernels/expr.ts';
import { advance, copyOf, times, timesOrNever, whilst } from './control.ts';
import { emitAbreast, emitExprs, lanesOf, mathImports, mathProvided } from './emit.ts';
import { FunctionBody, type Local, type ValType } from './encoder.ts';
import { loadFirst, loadSplat, loadVector, storeFirst, storeLane, storeVector } from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { type FoldCode, foldCode } from './reduce/fold.ts';
import { keepFirst } from './reduce/reader.ts';
import { BLOCK_STEPS } from './reduce/rows.ts';
import { wideLocals } from './reduce/state.ts';

/** What an operand has for a line: an element for each of its places, one for all of them, or (an input) the same elements for every line. */
export type Extent = 'each' | 'line' | 'shared';

export interface LineOperand {
  readonly dtype: DType;
  readonly extent: Extent;
}

/**
 * One pass over a line, or, if it neither stores nor folds, a value of the line made of others. Arguments of expressions are the inputs, the scalars, the outputs as they are
 * by then, and the values of the line in the order in which passes gave them.
 */
export interface Pass {
  readonly map: Expr;
  /** The output that the mapped elements are stored in. */
  readonly store?: number;
  /** Gives a value of the line; `greatest` is the maximum of what is a number. */
  readonly fold?: 'sum' | 'greatest';
  /** Maps the folded value, which is the last argument. */
  readonly post?: Expr;
  /** The output, one element per line, that the value is stored in. */
  readonly keep?: number;
}

export interface LineProgram {
  readonly name: string;
  readonly compute: 'f32' | 'f64';
  readonly ins: readonly LineOperand[];
  /** How many numbers come after the inputs. */
  readonly scalars: number;
  readonly outs: readonly LineOperand[];
  readonly passes: readonly Pass[];
}

function argumentsOf(e: Expr): ReadonlySet<number> {
  return new Set(topological([e], operands).flatMap((node) => (node.op === 'arg' ? [node.index] : [])));
}

const foldOf = (fold: 'sum' | 'greatest', compute: Compute): FoldCode =>
  fold === 'sum' ? foldCode('sum', compute) : { ...foldCode('max', compute), marksNaN: false };

/** Vectors that go side by side. */
const WIDTH = 4;

/** Parameters: lines, the length of a line, addresses of the outputs and of the inputs, scalars. */
export function compileLines(program: LineProgram): WasmFunction {
  const { outs, ins, scalars } = program;
  const params: ValType[] = ['i32', 'i32', ...[...outs, ...ins].map((): ValType => 'i32')];
  for (let i = 0; i < scalars; i++) params.push('f64');
  const body = new FunctionBody('lines', params, []);
  new LineCode(body, program).emit();
  return instantiate([body], mathImports, mathProvided).lines;
}

interface Placed extends LineOperand {
  /** Where its part of the current line begins. */
  readonly start: Local;
  /** Where the current pass is. */
  readonly place: Local;
}

class LineCode {
  readonly #b: FunctionBody;
  readonly #program: LineProgram;
  readonly #compute: Compute;
  readonly #lanes: number;
  readonly #length: Local;
  readonly #outs: readonly Placed[];
  readonly #ins: readonly Placed[];
  readonly #scalars: readonly Local[];
  /** Inputs of one element per line, in every lane. */
  readonly #splats = new Map<Placed, Local>();
  readonly #values: Local[] = [];

  constructor(b: FunctionBody, program: LineProgram) {
    const { compute, outs, ins, scalars } = program;
    this.#b = b;
    this.#program = program;
    this.#compute = compute;
    this.#lanes = lanesOf(compute);
    this.#length = b.params[1];
    const placed = (o: LineOperand, i: number): Placed => ({ ...o, start: b.params[2 + i], place: b.local('i32') });
    this.#outs = outs.map(placed);
    this.#ins = ins.map((o, i) => placed(o, outs.length + i));
    this.#scalars = Array.from({ length: scalars }, (_, i) => {
      const l = b.local('v128');
      b.get(b.params[2 + outs.length + ins.length + i]);
      if (compute === 'f32') b.op('f32.demote_f64', 'f32x4.splat');
      else b.op('f64x2.splat');
      b.set(l);
      return l;
    });
  }

  emit(): void {
    const b = this.#b;
    timesOrNever(b, b.params[0], () => {
      for (const o of this.#ins) {
        if (o.extent !== 'line') continue;
        const l = this.#splats.get(o) ?? b.local('v128');
        this.#splats.set(o, l);
        loadSplat(b, o.dtype, this.#compute, o.start);
        b.set(l);
      }
      for (const pass of this.#program.passes) this.#pass(pass);
      for (const { dtype, extent, start } of [...this.#outs, ...this.#ins]) {
        const { bytes } = dtypeInfo(dtype);
        if (extent === 'line') advance(b, start, bytes);
        else if (extent === 'each') b.get(start).get(this.#length).i32(bytes).op('i32.mul', 'i32.add').set(start);
      }
    });
  }

  #pass(pass: Pass): void {
    if (pass.store === undefined && pass.fold === undefined) {
      this.#keep(pass, emitExprs(this.#b, this.#compute, [pass.map], this.#fixed())[0]);
      return;
    }
    const b = this.#b;
    const code = pass.fold === undefined ? null : foldOf(pass.fold, this.#compute);
    const folding = code === null ? null : new Folding(b, code, this.#compute);
    const left = copyOf(b, this.#length);
    const steps = b.local('i32');
    const moving = [...this.#outs, ...this.#ins].filter((o) => o.extent !== 'line');
    for (const o of moving) b.get(o.start).set(o.place);
    const step = (vectors: number): void => {
      for (const o of moving) advance(b, o.place, vectors * this.#lanes * dtypeInfo(o.dtype).bytes);
    };
    const group = WIDTH * this.#lanes;
    folding?.begin();
    whilst(
      b,
      () => b.get(left).i32(group).op('i32.ge_s'),
      () => {
        folding?.open(WIDTH);
        b.get(left).i32(group).op('i32.div_u').tee(steps).i32(BLOCK_STEPS).get(steps).i32(BLOCK_STEPS);
        b.op('i32.lt_u', 'select').set(steps);
        b.get(left).get(steps).i32(group).op('i32.mul', 'i32.sub').set(left);
        times(b, steps, () => {
          this.#vectors(pass, folding);
          step(WIDTH);
        });
        folding?.close(WIDTH);
      },
    );
    b.get(left).if(() => {
      folding?.open(1);
      whilst(
        b,
        () => b.get(left).i32(this.#lanes).op('i32.ge_s'),
        () => {
          this.#vector(pass, folding, 0, 0);
          step(1);
          advance(b, left, -this.#lanes);
        },
      );
      b.get(left).if(() => this.#vector(pass, folding, 0, 0, left));
      folding?.close(1);
    });
    b.release(left, steps);
    if (folding === null) return;
    const folded = folding.result();
    const value =
      pass.post === undefined ? folded : emitExprs(b, this.#compute, [pass.post], [...this.#fixed(), folded])[0];
    this.#keep(pass, value);
  }

  #keep({ keep }: Pass, value: Local): void {
    this.#values.push(value);
    if (keep === undefined) return;
    const { dtype, start } = this.#outs[keep];
    storeLane(this.#b, dtype, this.#compute, 'value', value, 0, start);
  }

  /** Arguments that are elements have no meaning for the line; their places are taken by anything. */
  #fixed(): Local[] {
    return this.#args((o) => this.#splats.get(o) ?? o.start);
  }

  #args(element: (o: Placed) => Local): Local[] {
    return [...this.#ins.map(element), ...this.#scalars, ...this.#outs.map(element), ...this.#values];
  }

  /** The arguments of a vector, number `ahead` from the places on; what was loaded for them is pushed to `loaded`. */
  #load(used: ReadonlySet<number>, ahead: number, loaded: Local[], count?: Local): Local[] {
    const b = this.#b;
    const number = new Map<Placed, number>();
    this.#ins.forEach((o, i) => {
      number.set(o, i);
    });
    this.#outs.forEach((o, i) => {
      number.set(o, this.#ins.length + this.#scalars.length + i);
    });
    return this.#args((o) => {
      const splat = this.#splats.get(o);
      if (splat !== undefined) return splat;
      if (!used.has(number.get(o) as number)) return o.start;
      if (count === undefined)
        loadVector(b, o.dtype, this.#compute, o.place, ahead * this.#lanes * dtypeInfo(o.dtype).bytes);
      else loadFirst(b, o.dtype, this.#compute, count, o.place);
      const l = b.local('v128');
      b.set(l);
      loaded.push(l);
      return l;
    });
  }

  /** `WIDTH` whole vectors side by side. */
  #vectors(pass: Pass, folding: Folding | null): void {
    const loaded: Local[] = [];
    const used = argumentsOf(pass.map);
    const rows = Array.from({ length: WIDTH }, (_, v) => this.#load(used, v, loaded));
    emitAbreast(
      this.#b,
      this.#compute,
      [pass.map],
      rows,
      (results) => {
        for (const [v, [x]] of results.entries()) this.#take(pass, folding, x, v, v);
      },
      () => {
        for (let v = 0; v < WIDTH; v++) this.#vector(pass, folding, v, v);
      },
    );
    this.#b.release(...loaded);
  }

  /** One vector, number `ahead` from the places on; with `count` only its first lanes. */
  #vector(pass: Pass, folding: Folding | null, ahead: number, acc: number, count?: Local): void {
    const b = this.#b;
    const loaded: Local[] = [];
    const args = this.#load(argumentsOf(pass.map), ahead, loaded, count);
    const [x] = emitExprs(b, this.#compute, [pass.map], args);
    this.#take(pass, folding, x, ahead, acc, count);
    b.release(x, ...loaded);
  }

  #take(pass: Pass, folding: Folding | null, x: Local, ahead: number, acc: number, count?: Local): void {
    const b = this.#b;
    if (pass.store !== undefined) {
      const { dtype, place } = this.#outs[pass.store];
      const offset = ahead * this.#lanes * dtypeInfo(dtype).bytes;
      if (count === undefined) storeVector(b, dtype, this.#compute, 'value', x, place, offset);
      else storeFirst(b, dtype, this.#compute, 'value', x, count, place);
    }
    folding?.take(acc, x, count);
  }
}

/** The fold of a line under construction: accumulators side by side, and the wide one that takes up their blocks. */
class Folding {
  readonly #b: FunctionBody;
  readonly #code: FoldCode;
  readonly #compute: Compute;
  readonly #accs: readonly Local[];
  readonly #nan: Local;
  readonly #wide: readonly Local[];

  constructor(b: FunctionBody, code: FoldCode, compute: Compute) {
    this.#b = b;
    this.#code = code;
    this.#compute = compute;
    this.#accs = Array.from({ length: WIDTH }, () => b.local('v128'));
    this.#nan = b.local('v128');
    this.#wide = wideLocals(b, code);
  }

  begin(): void {
    this.#code.begin(this.#b, this.#wide);
  }

  open(count: number): void {
    for (const acc of this.#accs.slice(0, count)) {
      this.#code.identity(this.#b);
      this.#b.set(acc);
    }
    if (this.#code.marksNaN) this.#b.i32x4(0).set(this.#nan);
  }

  take(acc: number, x: Local, count?: Local): void {
    const code = this.#code;
    if (count !== undefined) keepFirst(this.#b, this.#compute, x, count, () => code.identity(this.#b));
    if (code.marksNaN) code.mark(this.#b, this.#nan, x);
    code.step(this.#b, this.#accs[acc], x);
  }

  close(count: number): void {
    for (let half = count >> 1; half > 0; half >>= 1) {
      for (let i = 0; i < half; i++) this.#code.step(this.#b, this.#accs[i], this.#accs[i + half]);
    }
    // All ones are a NaN.
    if (this.#code.marksNaN) this.#b.get(this.#accs[0]).get(this.#nan).op('v128.or').set(this.#accs[0]);
    this.#code.absorb(this.#b, this.#wide, this.#accs[0]);
  }

  /** The folded value in every lane; the local is the caller's, and all others are released. */
  result(): Local {
    const b = this.#b;
    this.#code.collapse(b, this.#wide);
    this.#code.result(b, this.#wide);
    const value = b.local('v128');
    b.tee(value).get(value);
    const { bytes } = dtypeInfo(this.#compute === 'f32' ? 'float32' : 'float64');
    b.shuffle(Array.from({ length: 16 }, (_, i) => i % bytes)).set(value);
    b.release(...this.#accs, this.#nan, ...this.#wide);
    return value;
  }
}
