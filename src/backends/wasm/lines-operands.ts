/** The operands of line kernels: where they are, and how their elements and those of the line's values are read and stored. */
import { type Compute, dtypeInfo } from '../../core/dtype.ts';
import { lanesOf } from './emit.ts';
import type { FunctionBody, Local } from './encoder.ts';
import { loadFirst, loadVector, storeFirst, storeVector } from './lanes.ts';
import type { LineOperand, LineProgram } from './lines-program.ts';

export interface Placed extends LineOperand {
  /** Where its part of the current line begins. */
  readonly start: Local;
  /** Where the current pass is. */
  readonly place: Local;
}

export class LineOperands {
  readonly outs: readonly Placed[];
  readonly ins: readonly Placed[];
  readonly scalars: readonly Local[];
  /** Inputs of one element per line. */
  readonly ofLine = new Map<Placed, Local>();
  /** The values of a line or of those that go together; or, `across`, of several vectors of lines. */
  values: Local[][] = [];
  readonly #b: FunctionBody;
  readonly #compute: Compute;
  readonly #lanes: number;
  readonly #across: boolean;

  constructor(
    b: FunctionBody,
    { compute, outs, ins, scalars }: LineProgram,
    addresses: readonly Local[],
    across: boolean,
  ) {
    this.#b = b;
    this.#compute = compute;
    this.#lanes = lanesOf(compute);
    this.#across = across;
    const placed = (o: LineOperand, i: number): Placed => ({ ...o, start: addresses[i], place: b.local('i32') });
    this.outs = outs.map(placed);
    this.ins = ins.map((o, i) => placed(o, outs.length + i));
    this.scalars = Array.from({ length: scalars }, (_, i) => {
      const l = b.local('v128');
      b.get(addresses[outs.length + ins.length + i]);
      if (compute === 'f32') b.op('f32.demote_f64', 'f32x4.splat');
      else b.op('f64x2.splat');
      b.set(l);
      return l;
    });
  }

  /** What a vector of elements takes in memory. */
  vectorBytes({ dtype }: LineOperand): number {
    return this.#lanes * dtypeInfo(dtype).bytes;
  }

  /** A vector, number `ahead` from a place on, is stored; with `count` only its first lanes. */
  store(o: LineOperand, x: Local, place: Local, ahead: number, count?: Local): void {
    if (count !== undefined) storeFirst(this.#b, o.dtype, this.#compute, 'value', x, count, place);
    else storeVector(this.#b, o.dtype, this.#compute, 'value', x, place, ahead * this.vectorBytes(o));
  }

  /** All arguments of expressions, with what stands for operands; values are those of vector `v` of lines, if there are several. */
  args(element: (o: Placed) => Local, v: number): Local[] {
    const values = this.values[this.#across ? v : 0];
    return [...this.ins.map(element), ...this.scalars, ...this.outs.map(element), ...values];
  }

  /** Operands of which a pass sees one element after the other. */
  get moving(): Placed[] {
    return [...this.outs, ...this.ins].filter((o) => o.extent !== 'line');
  }

  /** The arguments of a vector, number `ahead` from the places on; what was loaded for them is pushed to `loaded`. */
  load(used: ReadonlySet<number>, ahead: number, loaded: Local[], count?: Local): Local[] {
    const b = this.#b;
    const number = new Map<Placed, number>();
    this.ins.forEach((o, i) => {
      number.set(o, i);
    });
    this.outs.forEach((o, i) => {
      number.set(o, this.ins.length + this.scalars.length + i);
    });
    return this.args((o) => {
      const ofLine = this.ofLine.get(o);
      if (ofLine !== undefined) return ofLine;
      if (!used.has(number.get(o) as number)) return o.start;
      this.#loadPlace(o, ahead, count);
      const l = b.local('v128');
      b.set(l);
      loaded.push(l);
      return l;
    }, ahead);
  }

  #loadPlace(o: Placed, ahead: number, count?: Local): void {
    if (count === undefined) loadVector(this.#b, o.dtype, this.#compute, o.place, ahead * this.vectorBytes(o));
    else loadFirst(this.#b, o.dtype, this.#compute, count, o.place);
  }

  /** A vector is added to what the lines of a block before have left. */
  add(o: Placed, x: Local, ahead: number, count?: Local): void {
    const b = this.#b;
    const sum = b.local('v128');
    this.#loadPlace(o, ahead, count);
    b.get(x)
      .op(this.#compute === 'f32' ? 'f32x4.add' : 'f64x2.add')
      .set(sum);
    this.store(o, sum, o.place, ahead, count);
    b.release(sum);
  }
}
