/**
 * Folds of wide rows, some of them at once: every vector of columns goes from all of them into its state, so that
 * each row is read from its beginning to its end. Where rows are long that is how memory gives most.
 */
import { advance, whilst } from '../control.ts';
import type { FunctionBody, Local } from '../encoder.ts';
import type { FoldCode } from './fold.ts';
import type { Places, Reader } from './reader.ts';
import { loadStates, storeStates, wideLocals } from './state.ts';

/** Vectors of columns that go side by side. */
const SIDE_BY_SIDE = 4;

export class Together {
  readonly #b: FunctionBody;
  readonly #code: FoldCode;
  readonly #reader: Reader;
  readonly #rows: readonly Places[];
  readonly #wide: readonly Local[];
  /** Everything in one sum, where a fold has NaNs to look for. */
  readonly #sum: Local;
  readonly #state: Local;
  readonly #left: Local;

  constructor(b: FunctionBody, code: FoldCode, reader: Reader, rows: number) {
    this.#b = b;
    this.#code = code;
    this.#reader = reader;
    this.#rows = Array.from({ length: rows }, () => reader.copy(reader.start));
    this.#wide = wideLocals(b, code);
    this.#sum = b.local('v128');
    this.#state = b.local('i32');
    this.#left = b.local('i32');
  }

  /** The `rows` rows from `row` on, at most as many as there are at once. */
  fold(row: Places, rows: number, states: Local, outputs: Local): void {
    const b = this.#b;
    if (this.#code.marksNaN) b.i32x4(0).set(this.#sum);
    this.#pass(row, rows, states, outputs, (xs) => this.#take(xs));
    if (!this.#code.marksNaN) return;
    const nan = b.local('v128');
    b.i32x4(0).set(nan);
    this.#code.mark(b, nan, this.#sum);
    b.get(nan)
      .op('v128.any_true')
      .if(() =>
        this.#pass(row, rows, states, outputs, (xs) => {
          for (const x of xs) this.#code.absorb(b, this.#wide, x);
        }),
      );
    b.release(nan);
  }

  /** Neighbours join each other until one vector is left. */
  #take(xs: readonly Local[]): void {
    const code = this.#code;
    if (code.marksNaN) {
      const sum = this.#b.local('v128');
      this.#b.get(xs[0]).set(sum);
      // Vectors of columns wait for each other's sums, which fused are longer under way.
      for (const x of xs.slice(1)) code.watch(this.#b, sum, x, false);
      code.watch(this.#b, this.#sum, sum, false);
      this.#b.release(sum);
    }
    for (let apart = 1; apart < xs.length; apart *= 2) {
      for (let k = 0; k < xs.length; k += 2 * apart) code.step(this.#b, xs[k], xs[k + apart]);
    }
    // A state that is NaN stays so by steps as well.
    if (code.marksNaN) code.step(this.#b, this.#wide[0], xs[0]);
    else code.absorb(this.#b, this.#wide, xs[0]);
  }

  #pass(row: Places, count: number, states: Local, outputs: Local, take: (xs: readonly Local[]) => void): void {
    const b = this.#b;
    const { lanes, stateBytes } = this.#code;
    const rows = this.#rows.slice(0, count);
    rows.forEach((places, k) => {
      this.#reader.assign(places, rows[k - 1] ?? row);
      if (k > 0) this.#reader.step(places, 'inner');
    });
    b.get(states).set(this.#state).get(outputs).set(this.#left);
    for (const vectors of [SIDE_BY_SIDE, 1]) {
      // The last vector may reach past the outputs.
      const least = vectors === 1 ? 1 : vectors * lanes;
      whilst(
        b,
        () => b.get(this.#left).i32(least).op('i32.ge_s'),
        () => {
          for (let i = 0; i < vectors; i++) {
            const xs = rows.map((places) => this.#reader.element(places, i));
            loadStates(b, this.#code, this.#wide, this.#state, i * lanes);
            take(xs);
            storeStates(b, this.#code, this.#wide, this.#state, i * lanes);
            b.release(...xs);
          }
          for (const places of rows) this.#reader.stepVectors(places, vectors);
          advance(b, this.#state, vectors * lanes * stateBytes);
          advance(b, this.#left, -vectors * lanes);
        },
      );
    }
  }
}
