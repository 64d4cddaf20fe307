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
import { loadSplat, loadVector, storeLane } from './lanes.ts';
import { Folding, foldOf } from './lines-fold.ts';
import { LineOperands } from './lines-operands.ts';
import { BLOCK_LINES, type LineProgram, type Pass } from './lines-program.ts';
import { instantiate, type WasmFunction } from './module.ts';
import type { FoldCode } from './reduce/fold.ts';
import { BLOCK_STEPS } from './reduce/rows.ts';
import { firstEverywhere } from './shuffles.ts';
import { hasFunctions } from './weight.ts';

/** Passes at once, each with the folds it has under way. */
interface Under {
  readonly pass: Pass;
  readonly foldings: readonly Folding[];
}

const mapsOf = (passes: readonly Under[]): Expr[] => passes.map(({ pass }) => pass.map);

function argumentsOf(maps: readonly Expr[]): ReadonlySet<number> {
  return new Set(topological(maps, operands).flatMap((node) => (node.op === 'arg' ? [node.index] : [])));
}

/** Vectors that go side by side; of folds at once half as many, since their sums would not fit the registers. */
const WIDTH = 4;
const widthOf = (folds: number): number => (folds > 1 ? WIDTH / 2 : WIDTH);

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

class LineCode {
  readonly #b: FunctionBody;
  readonly #compute: Compute;
  readonly #lanes: number;
  readonly #length: Local;
  readonly #passes: LineProgram['passes'];
  readonly #operands: LineOperands;
  /** How far apart elements of a line are, where every lane is another line. */
  readonly #apart: Local | null;
  /** How many lines go together at most. */
  readonly #most: number;
  /** Whether several do now: what they have one element of each stands in a lane for each, otherwise in every lane. */
  #together = false;

  constructor(b: FunctionBody, program: LineProgram, kind: LineKind) {
    const across = kind === 'across';
    this.#b = b;
    this.#passes = program.passes;
    this.#apart = across ? b.params[3] : null;
    this.#compute = program.compute;
    this.#lanes = lanesOf(program.compute);
    this.#most = kind === 'together' ? this.#lanes : 1;
    this.#length = b.params[1];
    this.#operands = new LineOperands(b, program, b.params.slice(across ? 4 : 2), across);
  }

  emit(): void {
    const b = this.#b;
    const [lines] = b.params;
    const apart = this.#apart;
    if (apart !== null) {
      timesOrNever(b, lines, () => this.#sideBySide(b.params[2], apart));
      return;
    }
    for (const o of this.#operands.ins) if (o.extent === 'line') this.#operands.ofLine.set(o, b.local('v128'));
    const sums = this.#operands.outs.filter((o) => o.extent === 'block');
    if (sums.length === 0) {
      this.#all(lines);
      return;
    }
    const block = b.local('i32');
    whilst(
      b,
      () => b.get(lines),
      () => {
        b.get(lines).i32(BLOCK_LINES).get(lines).i32(BLOCK_LINES).op('i32.lt_u', 'select').set(block);
        b.get(lines).get(block).op('i32.sub').set(lines);
        for (const { start, dtype } of sums)
          b.get(start).i32(0).get(this.#length).i32(dtypeInfo(dtype).bytes).op('i32.mul').memoryFill();
        this.#all(block);
        for (const { start, dtype } of sums) move(b, start, dtype, () => b.get(this.#length));
      },
    );
    b.release(block);
  }

  /** So many lines, as many at a time as go together; counts the local down to zero. */
  #all(lines: Local): void {
    const b = this.#b;
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
    this.#operands.values = [[]];
    for (const [o, x] of this.#operands.ofLine) {
      const load = this.#together ? loadVector : loadSplat;
      load(b, o.dtype, this.#compute, o.start, 0);
      b.set(x);
    }
    for (const pass of this.#passes) this.#pass([pass].flat(), 1);
    b.release(...this.#operands.values.flat());
    for (const { dtype, extent, start } of [...this.#operands.outs, ...this.#operands.ins]) {
      if (extent === 'line') advance(b, start, lines * dtypeInfo(dtype).bytes);
      else if (extent === 'each') move(b, start, dtype, () => b.get(this.#length).i32(lines).op('i32.mul'));
    }
  }

  /** A group of lines, some vectors of them at a time. */
  #sideBySide(lines: Local, apart: Local): void {
    const b = this.#b;
    const operands = [...this.#operands.outs, ...this.#operands.ins];
    const left = copyOf(b, lines);
    const some = (vectors: number, count?: Local): void => {
      this.#operands.values = Array.from({ length: vectors }, () => []);
      for (const pass of this.#passes) this.#pass([pass].flat(), vectors, count);
      b.release(...this.#operands.values.flat());
      for (const o of operands) advance(b, o.start, vectors * this.#operands.vectorBytes(o));
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
  #pass(passes: readonly Pass[], vectors: number, count?: Local): void {
    const [{ map, store, fold }] = passes;
    if (store === undefined && fold === undefined) {
      this.#give(passes[0], map, [], count);
      return;
    }
    const folded = this.#together ? this.#inTurn(passes) : this.#folded(passes, vectors, count);
    for (const [i, pass] of passes.entries())
      if (pass.fold !== undefined) this.#give(pass, pass.post, folded[i], count);
  }

  /** What passes fold of one line, or of vectors of lines side by side. */
  #folded(passes: readonly Pass[], vectors: number, count?: Local): readonly (readonly Local[])[] {
    const b = this.#b;
    const width = this.#apart === null ? widthOf(passes.filter((p) => p.fold !== undefined).length) : 1;
    const under = passes.map((pass): Under => {
      const code = pass.fold === undefined ? null : foldOf(pass.fold, this.#compute);
      const folding = (c: FoldCode): Folding => new Folding(b, c, this.#compute, width);
      return { pass, foldings: code === null ? [] : this.#operands.values.map(() => folding(code)) };
    });
    this.#run(under, vectors, count);
    const folded = under.map(({ foldings }) => foldings.map((f) => f.result(this.#apart === null)));
    const { instead } = passes[0];
    if (instead === undefined) return folded;
    for (const [i, x] of folded[0].entries()) {
      b.get(x).get(x);
      b.op(this.#compute === 'f32' ? 'f32x4.ne' : 'f64x2.ne');
      if (i > 0) b.op('v128.or');
    }
    b.op('v128.any_true').if(() => {
      // Lines that go together have moved on.
      if (this.#together)
        for (const { extent, place, dtype } of this.#operands.moving)
          if (extent === 'each') move(b, place, dtype, () => b.i32(0).get(this.#length).op('i32.sub'));
      const [others] = this.#folded([{ map: instead, fold: 'sum' }], vectors, count);
      for (const [i, x] of others.entries()) b.get(x).set(folded[0][i]);
      b.release(...others);
    });
    return folded;
  }

  /** The lines that go together, one after the other. The lanes turn, so that the first one is that of the line at work. */
  #inTurn(passes: readonly Pass[]): readonly (readonly Local[])[] {
    const b = this.#b;
    const bytes = 16 / this.#lanes;
    const used = argumentsOf(passes.map((p) => p.map));
    /** What stands for the line at work in place of what has all. */
    const turning = new Map<Local, Local>();
    const oneOf = (all: Local, number: number): Local => {
      if (!used.has(number)) return all;
      const one = turning.get(all) ?? b.local('v128');
      turning.set(all, one);
      return one;
    };
    const [values] = this.#operands.values;
    const ofLine = [...this.#operands.ofLine];
    for (const [o, all] of ofLine) this.#operands.ofLine.set(o, oneOf(all, this.#operands.ins.indexOf(o)));
    const first = this.#operands.ins.length + this.#operands.scalars.length + this.#operands.outs.length;
    this.#operands.values = [values.map((all, i) => oneOf(all, first + i))];
    for (const o of this.#operands.moving) if (o.extent === 'each') b.get(o.start).set(o.place);
    const folded = passes.map(({ fold }) => (fold === undefined ? [] : [b.local('v128')]));
    const left = b.local('i32');
    b.i32(this.#lanes).set(left);
    times(b, left, () => {
      for (const [all, one] of turning) {
        b.get(all).get(all).shuffle(firstEverywhere(bytes)).set(one);
        b.get(all).get(all).shuffle(turn(bytes)).set(all);
      }
      for (const [p, [one]] of this.#folded(passes, 1).entries()) {
        if (one === undefined) continue;
        b.get(folded[p][0]).get(one).shuffle(turn(bytes)).set(folded[p][0]);
        b.release(one);
      }
    });
    b.release(left, ...turning.values());
    this.#operands.values = [values];
    for (const [o, all] of ofLine) this.#operands.ofLine.set(o, all);
    return folded;
  }

  /** The elements of a line, or of vectors of lines side by side. */
  #run(passes: readonly Under[], vectors: number, count?: Local): void {
    const b = this.#b;
    const foldings = passes.flatMap((p) => p.foldings);
    const apart = this.#apart;
    const left = copyOf(b, this.#length);
    const steps = b.local('i32');
    const moving = this.#operands.moving;
    for (const o of moving) if (!this.#together || o.extent !== 'each') b.get(o.start).set(o.place);
    const step = (ahead: number): void => {
      for (const o of moving) {
        if (apart === null) advance(b, o.place, ahead * this.#operands.vectorBytes(o));
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
        if (vectors > 1) this.#vectors(passes, WIDTH);
        else this.#vector(passes, 0, 0, count);
      });
    else {
      const width = widthOf(foldings.length);
      blocks(width * this.#lanes, width, () => this.#vectors(passes, width));
      b.get(left).if(() => {
        for (const f of foldings) f.open(1);
        whilst(
          b,
          () => void b.get(left).i32(this.#lanes).op('i32.ge_s'),
          () => {
            this.#vector(passes, 0, 0);
            step(1);
            advance(b, left, -this.#lanes);
          },
        );
        b.get(left).if(() => {
          this.#vector(passes, 0, 0, left);
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
    for (const [v, values] of this.#operands.values.entries()) {
      const own = folded.slice(v, v + 1);
      const args = [...this.#operands.args((o) => this.#operands.ofLine.get(o) ?? o.start, v), ...own];
      const value = e === undefined ? folded[v] : emitExprs(b, this.#compute, [e], args)[0];
      if (keep !== undefined) {
        const out = this.#operands.outs[keep];
        if (this.#together || this.#apart !== null) this.#operands.store(out, value, out.start, v, count);
        else storeLane(b, out.dtype, this.#compute, 'value', value, 0, out.start);
      }
      values.push(value);
      if (e !== undefined) b.release(...own);
    }
  }

  /** So many whole vectors side by side. */
  #vectors(passes: readonly Under[], vectors: number): void {
    const oneByOne = (): void => {
      for (let v = 0; v < vectors; v++) this.#vector(passes, v, v);
    };
    // What does not wait for itself would only leave no registers to the sums.
    if (!hasFunctions(mapsOf(passes))) {
      oneByOne();
      return;
    }
    const loaded: Local[] = [];
    const used = argumentsOf(mapsOf(passes));
    const rows = Array.from({ length: vectors }, (_, v) => this.#operands.load(used, v, loaded));
    emitAbreast(
      this.#b,
      this.#compute,
      mapsOf(passes),
      rows,
      (results) => {
        for (const [v, xs] of results.entries()) this.#take(passes, xs, v, v);
      },
      oneByOne,
    );
    this.#b.release(...loaded);
  }

  /** One vector, number `ahead` from the places on; with `count` only its first lanes. */
  #vector(passes: readonly Under[], ahead: number, acc: number, count?: Local): void {
    const b = this.#b;
    const loaded: Local[] = [];
    const args = this.#operands.load(argumentsOf(mapsOf(passes)), ahead, loaded, count);
    const xs = emitExprs(b, this.#compute, mapsOf(passes), args);
    this.#take(passes, xs, ahead, acc, count);
    b.release(...xs, ...loaded);
  }

  #take(passes: readonly Under[], xs: readonly Local[], ahead: number, acc: number, count?: Local): void {
    for (const [i, { pass, foldings }] of passes.entries()) {
      if (pass.store !== undefined) {
        const out = this.#operands.outs[pass.store];
        if (out.extent === 'block') this.#operands.add(out, xs[i], ahead, count);
        else this.#operands.store(out, xs[i], out.place, ahead, count);
      }
      if (this.#apart === null) foldings.at(0)?.take(acc, xs[i], count);
      else foldings.at(acc)?.take(0, xs[i]);
    }
  }
}
