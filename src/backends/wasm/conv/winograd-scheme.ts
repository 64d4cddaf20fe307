/**
 * Tile schemes: bilinear algorithms for windows of 3 × 3 with fewer products than the definition has.
 *
 * y = Aᵀ [(G w Gᵀ) ∘ (Bᵀ x B)] A for a tile y of results, its inputs x and weights w, with a product for each place of
 * the matrix in the middle; A, B and G belong to one dimension, and the same ones serve both. Summed over channels,
 * each place is a product of matrices of its own. Transposing the form in one of its three operands gives the
 * gradients.
 *
 * Along a dimension F(m, r), m sums over windows of r taps, takes m + r − 1 products (Winograd, after Toom and Cook):
 * the matrices evaluate polynomials at m + r − 2 points and at ∞. A convolution of stride 2 is the sum of one over the
 * even places with taps 0 and 2, by F(4, 2), and one over the odd places with tap 1, which has nothing to save; so 81
 * products in the place of 144, where stride 1 takes 36 by F(4, 3). The four products with one tap have the same
 * weights.
 *
 * Points ±2/3, ±3/2 lose little more than sums in float32 lose anyway, unlike the usual ±1, ±2 (B. Barabasz et al.,
 * Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020, on their choice);
 * ±1/2, ±5/4 with two taps lose less.
 */
import { once } from '../../../core/once.ts';

export type Matrix = readonly (readonly number[])[];

/** A matrix to or from the places of a tile, and the number of the place in row i and column j. */
export interface Transform {
  readonly matrix: Matrix;
  readonly order: readonly (readonly number[])[];
}

/** Places that follow each other: each with weights of its own, or all of them with those of one group. */
interface Stretch {
  readonly place: number;
  readonly count: number;
  readonly group: number;
  readonly alike: boolean;
}

/** What makes tiles worth their transforms. */
export interface Worth {
  /** How many times the multiplications of a whole tile are what the definition takes. */
  readonly products: number;
  /** How much of all tiles may lie behind the ends of images. */
  readonly spared: number;
  /** Tiles for every channel of the source and of the result. */
  readonly perChannel: number;
  /** How much of all tiles must lie in images for the kernels made here to be quicker than a library without tiles. */
  readonly leaves: number;
}

export interface Scheme {
  /** Results of a tile along each dimension, and how far apart the inputs of tiles are that follow each other. */
  readonly outputs: number;
  readonly pitch: number;
  readonly worth: Worth;
  /** Bᵀ: inputs to places. */
  readonly inputs: Transform;
  /** A: results to places. */
  readonly results: Transform;
  /** G: weights to groups of places that have the same ones. */
  readonly weights: Transform;
  readonly places: number;
  readonly groups: number;
  readonly stretches: readonly Stretch[];
}

export const TAPS = 3;
/** Sums over windows that a tile stands for, in schemes of any stride: results of a convolution, or their cotangents. */
export const SUMS = 16;

export const transposed = (m: Matrix): Matrix => (m[0] ?? []).map((_, j) => m.map((row) => row[j]!));

/** Coefficients of ∏ (x − r), that of x⁰ first. */
function polynomial(roots: readonly number[]): number[] {
  let c = [1];
  for (const r of roots) c = Array.from({ length: c.length + 1 }, (_, i) => (c[i - 1] ?? 0) - r * (c[i] ?? 0));
  return c;
}

/** What a scheme does along one dimension; `times` says how many rows of places each row of weights serves. */
interface Line {
  readonly inputs: Matrix;
  readonly weights: Matrix;
  readonly results: Matrix;
  readonly times: readonly number[];
}

/** Σ over neighbouring taps by polynomials at some points and ∞. */
function atPoints(points: readonly number[], taps: number): Line {
  const others = (j: number): number[] => points.filter((_, k) => k !== j);
  const powers = (p: number, count: number): number[] => Array.from({ length: count }, (_, i) => p ** i);
  const last = (count: number): number[] => Array.from({ length: count }, (_, i) => Number(i === count - 1));
  const outputs = points.length + 2 - taps;
  return {
    // A row is the polynomial that vanishes at the other points.
    inputs: [...points.map((_, j) => [...polynomial(others(j)), 0]), polynomial(points)],
    weights: [
      ...points.map((p, j) => {
        const scale = others(j).reduce((s, q) => s * (p - q), 1);
        return powers(p, taps).map((c) => c / scale);
      }),
      last(taps),
    ],
    results: [...points.map((p) => powers(p, outputs)), last(outputs)],
    times: [...points, 0].map(() => 1),
  };
}

/** One tap. */
function alone(count: number): Line {
  const identity = Array.from({ length: count }, (_, i) => Array.from({ length: count }, (_, j) => Number(i === j)));
  return { inputs: identity, weights: [[1]], results: identity, times: [count] };
}

/** The columns of a matrix as some of those of a wider one. */
const spread = (m: Matrix, width: number, place: (j: number) => number): Matrix =>
  m.map((row) => {
    const wide = new Array<number>(width).fill(0);
    row.forEach((c, j) => {
      wide[place(j)] = c;
    });
    return wide;
  });

const mirrored = (m: Matrix): Matrix => m.map((row) => row.toReversed());

function scheme({ inputs, weights, results, times }: Line, pitch: number, worth: Worth): Scheme {
  const n = weights.length;
  const groups = Array.from({ length: n * n }, (_, g) => g);
  const countOf = (g: number): number => times[Math.floor(g / n)]! * times[g % n]!;
  // Groups of one place come first, as they can be multiplied in one go.
  const sorted = groups.toSorted((a, b) => countOf(a) - countOf(b));
  const order = inputs.map(() => new Array<number>(inputs.length));
  const firsts = times.map((_, g) => times.slice(0, g).reduce((s, c) => s + c, 0));
  const stretches: Stretch[] = [];
  let place = 0;
  sorted.forEach((g, group) => {
    const count = countOf(g);
    const before = stretches.at(-1);
    if (count === 1 && before !== undefined) stretches.push({ ...stretches.pop()!, count: before.count + 1 });
    else stretches.push({ place, count, group, alike: count > 1 });
    const [i, j] = [Math.floor(g / n), g % n];
    for (let k = 0; k < count; k++) {
      order[firsts[i]! + Math.floor(k / times[j]!)]![firsts[j]! + (k % times[j]!)] = place++;
    }
  });
  const groupOrder = times.map((_, i) => times.map((_, j) => sorted.indexOf(n * i + j)));
  return {
    outputs: results[0]!.length,
    pitch,
    worth,
    inputs: { matrix: inputs, order },
    results: { matrix: results, order },
    weights: { matrix: weights, order: groupOrder },
    places: place,
    groups: n * n,
    stretches,
  };
}

/** Windows over neighbouring places. */
export const dense = once<Scheme>(() =>
  scheme(atPoints([0, 2 / 3, -2 / 3, 3 / 2, -3 / 2], TAPS), 4, {
    products: 2.4,
    spared: 1,
    perChannel: 0,
    leaves: 0,
  }),
);
/** The same with taps from last to first, for the transposed convolution. */
export const denseReversed = once<Scheme>(() => {
  const { weights, ...others } = dense();
  return { ...others, weights: { ...weights, matrix: mirrored(weights.matrix) } };
});

const FEWER: Worth = { products: 1.7, spared: 0.25, perChannel: 1, leaves: 0.9 };
const even = (): Line => atPoints([1 / 2, -1 / 2, 5 / 4, -5 / 4], 2);
const odd = (): Line => alone(4);

/** Windows two places apart. */
export const strided = once<Scheme>(() => {
  const [e, o] = [even(), odd()];
  return scheme(
    {
      inputs: [...spread(e.inputs, 9, (j) => 2 * j), ...spread(o.inputs, 9, (j) => 2 * j + 1)],
      weights: [...spread(e.weights, TAPS, (j) => 2 * j), ...spread(o.weights, TAPS, () => 1)],
      results: [...e.results, ...o.results],
      times: [...e.times, ...o.times],
    },
    8,
    { ...FEWER, leaves: Number.POSITIVE_INFINITY },
  );
});

/**
 * The transposed convolution of stride 2: of each two results one is the sum over two taps, x[2 p] = w₀ y[p] + w₂ y[p − 1],
 * and the next x[2 p + 1] = w₁ y[p]. Tiles begin with one of the latter.
 */
function latticed(): Line {
  const [e, o] = [even(), odd()];
  return {
    inputs: [...e.inputs, ...spread(o.inputs, 5, (j) => j)],
    weights: [...spread(e.weights, TAPS, (j) => 2 - 2 * j), ...spread(o.weights, TAPS, () => 1)],
    results: [...spread(e.results, 8, (j) => 2 * j + 1), ...spread(o.results, 8, (j) => 2 * j)],
    times: [...e.times, ...o.times],
  };
}
export const transposedFromOdd = once<Scheme>(() => scheme(latticed(), 4, FEWER));
/** The same seen from the other end, which begins with one of the former. */
export const transposedFromEven = once<Scheme>(() => {
  const { inputs, weights, results, times } = latticed();
  return scheme({ inputs: mirrored(inputs), weights: mirrored(weights), results: mirrored(results), times }, 4, FEWER);
});
