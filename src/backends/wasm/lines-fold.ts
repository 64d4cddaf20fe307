/** Folds of lines: of one in all lanes of its vectors, or of as many lines as there are lanes. */
import type { Compute } from '../../core/dtype.ts';
import { dtypeInfo } from '../../core/dtype.ts';
import type { FunctionBody, Local } from './encoder.ts';
import { type FoldCode, foldCode } from './reduce/fold.ts';
import { keepFirst } from './reduce/reader.ts';
import { wideLocals } from './reduce/state.ts';
import { firstEverywhere } from './shuffles.ts';

/** NaNs of a maximum are marked beside it, which is left out here. */
export const foldOf = (fold: 'sum' | 'greatest', compute: Compute): FoldCode =>
  foldCode(fold === 'sum' ? 'sum' : 'max', compute);

/** The fold of a line under construction: accumulators side by side, and the wide one that takes up their blocks. */
export class Folding {
  readonly #b: FunctionBody;
  readonly #code: FoldCode;
  readonly #compute: Compute;
  readonly #accs: readonly Local[];
  readonly #wide: readonly Local[];

  constructor(b: FunctionBody, code: FoldCode, compute: Compute, width: number) {
    this.#b = b;
    this.#code = code;
    this.#compute = compute;
    this.#accs = Array.from({ length: width }, () => b.local('v128'));
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
  }

  take(acc: number, x: Local, count?: Local): void {
    const code = this.#code;
    if (count !== undefined) keepFirst(this.#b, this.#compute, x, count, () => code.identity(this.#b));
    code.step(this.#b, this.#accs[acc], x);
  }

  close(count: number): void {
    for (let half = count >> 1; half > 0; half >>= 1) {
      for (let i = 0; i < half; i++) this.#code.step(this.#b, this.#accs[i], this.#accs[i + half]);
    }
    this.#code.absorb(this.#b, this.#wide, this.#accs[0]);
  }

  /** The folded values, or that of all lanes in every lane; the local is the caller's, and all others are released. */
  result(ofAllLanes: boolean): Local {
    const b = this.#b;
    if (ofAllLanes) this.#code.collapse(b, this.#wide);
    this.#code.result(b, this.#wide);
    const value = b.local('v128');
    b.set(value);
    if (ofAllLanes) {
      const { bytes } = dtypeInfo(this.#compute === 'f32' ? 'float32' : 'float64');
      b.get(value).get(value).shuffle(firstEverywhere(bytes)).set(value);
    }
    b.release(...this.#accs, ...this.#wide);
    return value;
  }
}
