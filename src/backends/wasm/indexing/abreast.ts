/**
 * Lines walked side by side, a line in each lane: elements are read along the lines and become columns, a
 * vector of one element of every line, which become elements along the lines again.
 */
import { type Compute, type DType, dtypeInfo } from '../../../core/dtype.ts';
import { lanesOf, loadStrided, loadVector, storeFirst, storeStrided, storeVector } from '../emit.ts';
import type { FunctionBody, Local } from '../encoder.ts';
import { HIGH_HALVES, LOW_HALVES } from '../shuffles.ts';

const UNPACK_LOW = [0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23];
const UNPACK_HIGH = [8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31];
const LOW_DWORDS = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];

/** x, y ← two mixtures of both. */
function mix(b: FunctionBody, x: Local, y: Local, low: readonly number[], high: readonly number[]): void {
  b.get(x).get(y).shuffle(low);
  b.get(x).get(y).shuffle(high).set(y).set(x);
}

/** Rows, as many as vectors have lanes, become columns, and columns rows: gives back which vector has which. */
export function transpose(b: FunctionBody, v: readonly Local[]): readonly Local[] {
  if (v.length === 2) {
    mix(b, v[0], v[1], LOW_HALVES, HIGH_HALVES);
    return v;
  }
  mix(b, v[0], v[1], UNPACK_LOW, UNPACK_HIGH);
  mix(b, v[2], v[3], UNPACK_LOW, UNPACK_HIGH);
  mix(b, v[0], v[2], LOW_HALVES, HIGH_HALVES);
  mix(b, v[1], v[3], LOW_HALVES, HIGH_HALVES);
  return [v[0], v[2], v[1], v[3]];
}

/** The same elements of as many lines as there are lanes; the lines are at constant distances, in elements. */
export class Abreast {
  /** Elements of a line that are read at a time. */
  readonly length: number;
  readonly lanes: number;
  readonly #b: FunctionBody;
  readonly #compute: Compute;
  /** Whether elements lie side by side. */
  readonly #unit: boolean;
  readonly #distance: number;
  readonly #place: Local;
  readonly #count: Local;
  readonly #halves: readonly [Local, Local];

  /** Float32 is read by whole vectors also where it is computed with in float64: `narrow`. */
  constructor(b: FunctionBody, compute: Compute, unit: boolean, narrow: boolean, distance: number) {
    this.#b = b;
    this.#compute = compute;
    this.#unit = unit;
    this.#distance = distance;
    this.lanes = lanesOf(compute);
    this.length = this.#unit && narrow && compute === 'f64' ? 4 : this.lanes;
    this.#place = b.local('i32');
    this.#count = b.local('i32');
    this.#halves = [b.local('v128'), b.local('v128')];
  }

  /** Room for the columns. */
  columns(): readonly Local[] {
    return Array.from({ length: this.length }, () => this.#b.local('v128'));
  }

  /** Makes `#place` the address of a line's next elements, as far as it is not the constant given back beside it. */
  #reach(at: Local, step: Local, line: number, dtype: DType): number {
    const b = this.#b.get(at);
    const elements = this.#distance * line;
    if (!this.#unit) b.get(step).i32(elements).op('i32.mul', 'i32.add');
    b.set(this.#place);
    return this.#unit ? elements * dtypeInfo(dtype).bytes : 0;
  }

  /** The next elements of a line, in some of the vectors given. */
  readLine(dtype: DType, at: Local, step: Local, line: number, room: readonly Local[]): readonly Local[] {
    const b = this.#b;
    const offset = this.#reach(at, step, line, dtype);
    if (this.length > this.lanes) {
      const [low, high] = room;
      b.get(this.#place).mem('v128.load', offset).tee(high).op('f64x2.promote_low_f32x4').set(low);
      b.get(high).get(high).shuffle(HIGH_HALVES).op('f64x2.promote_low_f32x4').set(high);
      return [low, high];
    }
    if (this.#unit) loadVector(b, dtype, this.#compute, this.#place, offset);
    else loadStrided(b, dtype, this.#compute, this.#place, step);
    b.set(room[0]);
    return [room[0]];
  }

  /** The next elements of lines from number `first` on, as columns, in the room given. */
  read(dtype: DType, at: Local, step: Local, first: number, room: readonly Local[]): readonly Local[] {
    const b = this.#b;
    if (this.length === this.lanes) {
      for (const [l, row] of room.entries()) this.readLine(dtype, at, step, first + l, [row]);
      return transpose(b, room);
    }
    const halves = this.#halves;
    for (const [l, half] of halves.entries()) {
      const offset = this.#reach(at, step, first + l, dtype);
      b.get(this.#place).mem('v128.load', offset).set(half);
    }
    mix(b, ...halves, UNPACK_LOW, UNPACK_HIGH);
    for (const [k, column] of room.entries()) {
      const half = halves[k >> 1];
      b.get(half);
      if (k % 2 === 1) b.get(half).shuffle(HIGH_HALVES);
      b.op('f64x2.promote_low_f32x4').set(column);
    }
    return room;
  }

  /** Writes columns, which it uses up. */
  write(dtype: DType, at: Local, step: Local, first: number, columns: readonly Local[]): void {
    const b = this.#b;
    if (this.length > this.lanes) {
      const [x, y] = this.#halves;
      for (const [half, from] of [x, y].entries()) {
        for (const column of columns.slice(2 * half, 2 * half + 2)) b.get(column).op('f32x4.demote_f64x2_zero');
        b.shuffle(UNPACK_LOW).set(from);
      }
      mix(b, x, y, LOW_HALVES, HIGH_HALVES);
      for (const [l, row] of [x, y].entries()) {
        const offset = this.#reach(at, step, first + l, dtype);
        b.get(this.#place).get(row).mem('v128.store', offset);
      }
      return;
    }
    for (const [l, row] of transpose(b, columns).entries()) {
      const offset = this.#reach(at, step, first + l, dtype);
      if (this.#unit) storeVector(b, dtype, this.#compute, 'value', row, this.#place, offset);
      else storeStrided(b, dtype, this.#compute, 'value', row, this.#place, step);
    }
  }

  /** The same for columns of places, which are as wide as elements and are written as int32. */
  writePlaces(at: Local, step: Local, first: number, columns: readonly Local[]): void {
    const b = this.#b;
    b.i32(this.lanes).set(this.#count);
    for (const [l, row] of transpose(b, columns).entries()) {
      if (this.lanes === 2) b.get(row).get(row).shuffle(LOW_DWORDS).set(row);
      const offset = this.#reach(at, step, first + l, 'int32');
      if (!this.#unit) storeStrided(b, 'int32', 'i32', 'value', row, this.#place, step, this.#count);
      else storeFirst(b, 'int32', 'i32', 'value', row, this.#count, this.#place, offset);
    }
  }
}
