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
import { Folding, foldOf } from './lines-fold.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { BLOCK_STEPS } from './reduce/rows.ts';
import { firstEverywhere } from './shuffles.ts';

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

/** Vectors that go side by side. */
const WIDTH = 4;

/** How lines go: one after the other, short ones several at a time, or side by side where their elements stand so. */
export type LineKind = 'alone' | 'together' | 'across';

/** A shuffle: all lanes of so many bytes one on, with the first of another vector at the end. */
const turn = (bytes: number): number[] => Array.from({ length: 16 }, (_, i) => i + bytes);

/** Moves an address by as many elements as are pushed. */
function move(b: FunctionBody, address: Local, dtype: DType, push: () => void): void {
  push();
  b.i32(dtypeInfo(dtype).bytes).op('i32.mul').get(address).op('i32.add').set(address);
}

/**
 * Parameters: lines, the length of a line, addresses of the outputs and of the inputs, scalars. Where lines stand side
 * by side (`across`) the first is how many groups of them there are, and before the addresses come the lines of a group
 * and how far apart elements of one are.
 */
export function compileLines(program: LineProgram, kind: LineKind): WasmFunction {
  const { outs, ins, scalars } = program;
  const across = kind === 'across';
  const params = new Array<ValType>((across ? 4 : 2) + outs.length + ins.length).fill('i32');
  for (let i = 0; i < scalars; i++) params.push('f64');
  const body = new FunctionBody('lines', params, []);
  new LineCode(body, program, kind).emit();
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
  /** How far apart elements of a line are, where every lane is another line. */
  readonly #apart: Local | null;
  /** How many lines go together at most. */
  readonly #most: number;
  /** Whether several do now: what they have one element of each stands in a lane for each, otherwise in every lane. */
  #together = false;
  /** Inputs of one element per line. */
  readonly #ofLine = new Map<Placed, Local>();
  /** The values of a line or of those that go together; or of several vectors of lines. */
  #values: Local[][] = [];

  constructor(b: FunctionBody, program: LineProgram, kind: LineKind) {
    const { compute, outs, ins, scalars } = program;
    const across = kind === 'across';
    this.#b = b;
    this.#program = program;
    this.#apart = across ? b.params[3] : null;
    this.#compute = compute;
    this.#lanes = lanesOf(compute);
    this.#most = kind === 'together' ? this.#lanes : 1;
    this.#length = b.params[1];
    const addresses = b.params.slice(across ? 4 : 2);
    const placed = (o: LineOperand, i: number): Placed => ({ ...o, start: addresses[i], place: b.local('i32') });
    this.#outs = outs.map(placed);
    this.#ins = ins.map((o, i) => placed(o, outs.length + i));
    this.#scalars = Array.from({ length: scalars }, (_, i) => {
      const l = b.local('v128');
      b.get(addresses[outs.length + ins.length + i]);
      if (compute === 'f32') b.op('f32.demote_f64', 'f32x4.splat');
      else b.op('f64x2.splat');
      b.set(l);
      return l;
    });
  }

  emit(): void {
    const b = this.#b;
    const [lines] = b.params;
    const apart = this.#apart;
    if (apart !== null) {
      timesOrNever(b, lines, () => this.#sideBySide(b.params[2], apart));
      return;
    }
    for (const o of this.#ins) if (o.extent === 'line') this.#ofLine.set(o, b.local('v128'));
    for (const some of new Set([this.#most, 1]))
      whilst(
        b,
        () => void b.get(lines).i32(some).op('i32.ge_s'),
        () => {
          this.#some(some);
          advance(b, lines, -some);
        },
      );
  }

  /** So many lines, pass by pass. */
  #some(lines: number): void {
    const b = this.#b;
    this.#together = lines > 1;
    this.#values = [[]];
    for (const [o, x] of this.#ofLine) {
      const load = this.#together ? loadVector : loadSplat;
      load(b, o.dtype, this.#compute, o.start, 0);
      b.set(x);
    }
    for (const pass of this.#program.passes) this.#pass(pass, 1);
    b.release(...this.#values.flat());
    for (const { dtype, extent, start } of [...this.#outs, ...this.#ins]) {
      if (extent === 'line') advance(b, start, lines * dtypeInfo(dtype).bytes);
      else if (extent === 'each') move(b, start, dtype, () => b.get(this.#length).i32(lines).op('i32.mul'));
    }
  }

  /** A group of lines, some vectors of them at a time. */
  #sideBySide(lines: Local, apart: Local): void {
    const b = this.#b;
    const operands = [...this.#outs, ...this.#ins];
    const left = copyOf(b, lines);
    const some = (vectors: number, count?: Local): void => {
      this.#values = Array.from({ length: vectors }, () => []);
      for (const pass of this.#program.passes) this.#pass(pass, vectors, count);
      b.release(...this.#values.flat());
      for (const o of operands) advance(b, o.start, vectors * this.#vectorBytes(o));
      advance(b, left, -vectors * this.#lanes);
    };
    const whole = (vectors: number): void =>
      whilst(
        b,
        () =>
          void b
            .get(left)
            .i32(vectors * this.#lanes)
            .op('i32.ge_s'),
        () => some(vectors),
      );
    whole(WIDTH);
    whole(1);
    b.get(left).if(() => {
      b.get(lines).i32(this.#lanes).op('i32.ge_s');
      b.if(
        () => {
          // The last vector makes some lines once more, and the same of them.
          for (const o of operands) move(b, o.start, o.dtype, () => b.get(left).i32(this.#lanes).op('i32.sub'));
          b.i32(this.#lanes).set(left);
          some(1);
        },
        () => some(1, left),
      );
    });
    for (const o of operands)
      move(b, o.start, o.dtype, () => {
        // What is left is less than nothing where a vector was not whole.
        b.get(left).get(lines).op('i32.sub').get(apart);
        if (o.extent === 'each') b.get(this.#length).op('i32.mul');
        b.op('i32.add');
      });
    b.release(left);
  }

  /** Of the lines that go together, or of so many vectors of lines side by side, with `count` of only so many lines. */
  #pass(pass: Pass, vectors: number, count?: Local): void {
    const { map, store, fold, post } = pass;
    if (store === undefined && fold === undefined) {
      this.#give(pass, map, [], count);
      return;
    }
    const code = fold === undefined ? null : foldOf(fold, this.#compute);
    const width = this.#apart === null ? WIDTH : 1;
    const foldings = code === null ? [] : this.#values.map(() => new Folding(this.#b, code, this.#compute, width));
    let folded: readonly Local[];
    if (this.#together) folded = this.#inTurn(pass, foldings);
    else {
      this.#run(pass, foldings, vectors, count);
      folded = foldings.map((f) => f.result(this.#apart === null));
    }
    if (code !== null) this.#give(pass, post, folded, count);
  }

  /** The lines that go together, one after the other. The lanes turn, so that the first one is that of the line at work. */
  #inTurn(pass: Pass, foldings: readonly Folding[]): Local[] {
    const b = this.#b;
    const bytes = 16 / this.#lanes;
    const used = argumentsOf(pass.map);
    /** What stands for the line at work in place of what has all. */
    const turning = new Map<Local, Local>();
    const oneOf = (all: Local, number: number): Local => {
      if (!used.has(number)) return all;
      const one = turning.get(all) ?? b.local('v128');
      turning.set(all, one);
      return one;
    };
    const [values] = this.#values;
    const ofLine = [...this.#ofLine];
    for (const [o, all] of ofLine) this.#ofLine.set(o, oneOf(all, this.#ins.indexOf(o)));
    const first = this.#ins.length + this.#scalars.length + this.#outs.length;
    this.#values = [values.map((all, i) => oneOf(all, first + i))];
    for (const o of this.#moving) if (o.extent === 'each') b.get(o.start).set(o.place);
    const folded = foldings.map(() => b.local('v128'));
    const left = b.local('i32');
    b.i32(this.#lanes).set(left);
    times(b, left, () => {
      for (const [all, one] of turning) {
        b.get(all).get(all).shuffle(firstEverywhere(bytes)).set(one);
        b.get(all).get(all).shuffle(turn(bytes)).set(all);
      }
      this.#run(pass, foldings, 1);
      for (const [i, f] of foldings.entries()) {
        const result = f.result(true);
        b.get(folded[i]).get(result).shuffle(turn(bytes)).set(folded[i]);
        b.release(result);
      }
    });
    b.release(left, ...turning.values());
    this.#values = [values];
    for (const [o, all] of ofLine) this.#ofLine.set(o, all);
    return folded;
  }

  /** The elements of a line, or of vectors of lines side by side. */
  #run(pass: Pass, foldings: readonly Folding[], vectors: number, count?: Local): void {
    const b = this.#b;
    const apart = this.#apart;
    const left = copyOf(b, this.#length);
    const steps = b.local('i32');
    const moving = this.#moving;
    for (const o of moving) if (!this.#together || o.extent === 'shared') b.get(o.start).set(o.place);
    const step = (ahead: number): void => {
      for (const o of moving) {
        if (apart === null) advance(b, o.place, ahead * this.#vectorBytes(o));
        else move(b, o.place, o.dtype, () => b.get(apart));
      }
    };
    const blocks = (elements: number, accumulators: number, body: () => void): void =>
      whilst(
        b,
        () => void b.get(left).i32(elements).op('i32.ge_s'),
        () => {
          for (const f of foldings) f.open(accumulators);
          b.get(left).i32(elements).op('i32.div_u').tee(steps).i32(BLOCK_STEPS).get(steps).i32(BLOCK_STEPS);
          b.op('i32.lt_u', 'select').set(steps);
          b.get(left).get(steps).i32(elements).op('i32.mul', 'i32.sub').set(left);
          times(b, steps, () => {
            body();
            step(accumulators);
          });
          for (const f of foldings) f.close(accumulators);
        },
      );
    for (const f of foldings) f.begin();
    if (apart !== null)
      blocks(1, 1, () => {
        if (vectors > 1) this.#vectors(pass, foldings);
        else this.#vector(pass, foldings, 0, 0, count);
      });
    else {
      blocks(WIDTH * this.#lanes, WIDTH, () => this.#vectors(pass, foldings));
      b.get(left).if(() => {
        for (const f of foldings) f.open(1);
        whilst(
          b,
          () => void b.get(left).i32(this.#lanes).op('i32.ge_s'),
          () => {
            this.#vector(pass, foldings, 0, 0);
            step(1);
            advance(b, left, -this.#lanes);
          },
        );
        b.get(left).if(() => {
          this.#vector(pass, foldings, 0, 0, left);
          // The next line begins here.
          if (this.#together) for (const o of moving) move(b, o.place, o.dtype, () => b.get(left));
        });
        for (const f of foldings) f.close(1);
      });
    }
    b.release(left, steps);
  }

  /** A pass gives every line a value: what was folded, or what an expression makes of it and of the others. */
  #give({ keep }: Pass, e: Expr | undefined, folded: readonly Local[], count?: Local): void {
    const b = this.#b;
    for (const [v, values] of this.#values.entries()) {
      const own = folded.slice(v, v + 1);
      const args = [...this.#args((o) => this.#ofLine.get(o) ?? o.start, v), ...own];
      const value = e === undefined ? folded[v] : emitExprs(b, this.#compute, [e], args)[0];
      if (keep !== undefined) {
        const out = this.#outs[keep];
        if (this.#together || this.#apart !== null) this.#store(out, value, out.start, v, count);
        else storeLane(b, out.dtype, this.#compute, 'value', value, 0, out.start);
      }
      values.push(value);
      if (e !== undefined) b.release(...own);
    }
  }

  #vectorBytes({ dtype }: LineOperand): number {
    return this.#lanes * dtypeInfo(dtype).bytes;
  }

  #store(o: LineOperand, x: Local, place: Local, ahead: number, count?: Local): void {
    if (count !== undefined) storeFirst(this.#b, o.dtype, this.#compute, 'value', x, count, place);
    else storeVector(this.#b, o.dtype, this.#compute, 'value', x, place, ahead * this.#vectorBytes(o));
  }

  #args(element: (o: Placed) => Local, v: number): Local[] {
    const values = this.#values[this.#apart === null ? 0 : v];
    return [...this.#ins.map(element), ...this.#scalars, ...this.#outs.map(element), ...values];
  }

  get #moving(): Placed[] {
    return [...this.#outs, ...this.#ins].filter((o) => o.extent !== 'line');
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
      const ofLine = this.#ofLine.get(o);
      if (ofLine !== undefined) return ofLine;
      if (!used.has(number.get(o) as number)) return o.start;
      if (count === undefined) loadVector(b, o.dtype, this.#compute, o.place, ahead * this.#vectorBytes(o));
      else loadFirst(b, o.dtype, this.#compute, count, o.place);
      const l = b.local('v128');
      b.set(l);
      loaded.push(l);
      return l;
    }, ahead);
  }

  /** `WIDTH` whole vectors side by side. */
  #vectors(pass: Pass, foldings: readonly Folding[]): void {
    const loaded: Local[] = [];
    const used = argumentsOf(pass.map);
    const rows = Array.from({ length: WIDTH }, (_, v) => this.#load(used, v, loaded));
    emitAbreast(
      this.#b,
      this.#compute,
      [pass.map],
      rows,
      (results) => {
        for (const [v, [x]] of results.entries()) this.#take(pass, foldings, x, v, v);
      },
      () => {
        for (let v = 0; v < WIDTH; v++) this.#vector(pass, foldings, v, v);
      },
    );
    this.#b.release(...loaded);
  }

  /** One vector, number `ahead` from the places on; with `count` only its first lanes. */
  #vector(pass: Pass, foldings: readonly Folding[], ahead: number, acc: number, count?: Local): void {
    const b = this.#b;
    const loaded: Local[] = [];
    const args = this.#load(argumentsOf(pass.map), ahead, loaded, count);
    const [x] = emitExprs(b, this.#compute, [pass.map], args);
    this.#take(pass, foldings, x, ahead, acc, count);
    b.release(x, ...loaded);
  }

  #take(pass: Pass, foldings: readonly Folding[], x: Local, ahead: number, acc: number, count?: Local): void {
    if (pass.store !== undefined) {
      const out = this.#outs[pass.store];
      this.#store(out, x, out.place, ahead, count);
    }
    if (this.#apart === null) foldings.at(0)?.take(acc, x, count);
    else foldings.at(acc)?.take(0, x);
  }
}
