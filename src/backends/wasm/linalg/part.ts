/**
 * A part of a tridiagonal or bidiagonal matrix that does not fall apart, seen from either end: what steps
 * towards its diagonal form work on.
 */
import type { Routine } from './code.ts';
import type { I, Int, IntVar, Place } from './values.ts';

export class Part {
  /** The rows of its ends. What lies behind the last one is diagonal already. */
  readonly first: IntVar;
  readonly last: IntVar;
  /** 1 if it is seen from its first row, −1 if from its last; and how many numbers are beside its diagonal. */
  readonly direction: IntVar;
  readonly count: IntVar;
  readonly #r: Routine;
  readonly #diagonal: Int;
  readonly #beside: Int;
  readonly #step: IntVar;
  readonly #d: IntVar;
  readonly #e: IntVar;
  /** The ends that it had the last time. */
  readonly #before: readonly [IntVar, IntVar];

  constructor(r: Routine, n: Int, diagonal: Int, beside: Int) {
    this.#r = r;
    this.#diagonal = diagonal;
    this.#beside = beside;
    [this.first, this.last, this.direction, this.count] = [r.int(0), r.int(n.sub(1)), r.int(1), r.int(0)];
    [this.#step, this.#d, this.#e] = [r.int(0), r.int(0), r.int(0)];
    this.#before = [r.int(-1), r.int(-1)];
  }

  /** Number t of the diagonal, and the one between it and the next, from the end it is seen from. */
  readonly d = (t: I): Place => this.#r.at(this.#d.add(this.#step.mul(t)));
  readonly e = (t: I): Place => this.#r.at(this.#e.add(this.#step.mul(t)));

  /** Sets `first` to where the part begins that ends at `last`; numbers i beside the diagonal that are `negligible` become 0. */
  find(negligible: (i: Int) => Int): void {
    const r = this.#r;
    this.first.set(this.last);
    r.repeat((found) => {
      found(this.first.eq(0));
      const before = this.first.sub(1);
      const nothing = r.int(negligible(before));
      r.if(nothing, () => r.element(this.#beside, before).set(0));
      found(nothing);
      this.first.increase(-1);
    });
  }

  /** Looks at it from its first row or from its last, as it did at the part that it is left of, if there is one. */
  turn(fromFirst: Int): void {
    const r = this.#r;
    const [first, last] = this.#before;
    r.if(this.first.gt(last).or(this.last.lt(first)), () => {
      this.direction.set(-1);
      r.if(fromFirst, () => this.direction.set(1));
    });
    first.set(this.first);
    last.set(this.last);
    this.count.set(this.last.sub(this.first));
    this.#step.set(this.direction.mul(r.bytes));
    this.#d.set(r.element(this.#diagonal, this.first).address);
    this.#e.set(r.element(this.#beside, this.first).address);
    r.if(this.direction.lt(0), () => {
      this.#d.set(r.element(this.#diagonal, this.last).address);
      this.#e.set(r.element(this.#beside, this.last.sub(1)).address);
    });
  }
}
