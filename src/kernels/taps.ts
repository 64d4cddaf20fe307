/**
 * A sparse matrix by rows: row o takes input `index[t]` with weight `weight[t]`, for `start[o]` ≤ t <
 * `start[o + 1]`; the sum of floats is divided by `divisor`, or by the o-th of them. What poolings and
 * interpolations do along one dimension.
 */
export class Taps {
  /** How many inputs there are. */
  readonly inputs: number;
  readonly start: Int32Array;
  readonly index: Int32Array;
  readonly weight: Float64Array;
  readonly divisor: number | readonly number[];
  #transposed: Taps | null = null;

  constructor(
    inputs: number,
    start: Int32Array,
    index: Int32Array,
    weight: Float64Array,
    divisor: number | readonly number[] = 1,
  ) {
    this.inputs = inputs;
    this.divisor = divisor;
    this.start = start;
    this.index = index;
    this.weight = weight;
  }

  /** A row for each output: pairs of an input and its weight. */
  static of(inputs: number, rows: readonly (readonly (readonly [index: number, weight: number])[])[]): Taps {
    const start = new Int32Array(rows.length + 1);
    rows.forEach((row, o) => {
      start[o + 1] = start[o] + row.length;
    });
    const all = rows.flat();
    return new Taps(
      inputs,
      start,
      Int32Array.from(all, ([i]) => i),
      Float64Array.from(all, ([, w]) => w),
    );
  }

  /** The sums of windows: of `count` inputs side by side from `first` on, for each output. */
  static ofWindows(
    inputs: number,
    first: readonly number[],
    count: readonly number[],
    divisor: number | readonly number[] = 1,
  ): Taps {
    const start = new Int32Array(first.length + 1);
    for (let o = 0; o < first.length; o++) start[o + 1] = start[o] + count[o];
    const taps = start[first.length];
    const index = new Int32Array(taps);
    for (let o = 0, t = 0; o < first.length; o++) for (let i = 0; i < count[o]; i++) index[t++] = first[o] + i;
    return new Taps(inputs, start, index, new Float64Array(taps).fill(1), divisor);
  }

  get outputs(): number {
    return this.start.length - 1;
  }

  /** The same weights from outputs to inputs, those of an input in the order of the outputs. */
  get transposed(): Taps {
    if (this.#transposed === null) {
      this.#transposed = this.#transpose();
      this.#transposed.#transposed = this;
    }
    return this.#transposed;
  }

  #transpose(): Taps {
    const { divisor } = this;
    const alike = typeof divisor === 'number';
    const start = new Int32Array(this.inputs + 1);
    for (const i of this.index) start[i + 1]++;
    for (let i = 0; i < this.inputs; i++) start[i + 1] += start[i];
    const next = start.slice();
    const index = new Int32Array(this.index.length);
    const weight = new Float64Array(this.index.length);
    for (let o = 0; o < this.outputs; o++) {
      for (let t = this.start[o]; t < this.start[o + 1]; t++) {
        const at = next[this.index[t]]++;
        index[at] = o;
        weight[at] = this.weight[t] / (alike ? 1 : divisor[o]);
      }
    }
    return new Taps(this.outputs, start, index, weight, alike ? divisor : 1);
  }
}
