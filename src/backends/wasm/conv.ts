/**
 * Convolutions, in any number of dimensions, as matrix products without the matrix of windows.
 *
 * Three products belong to the form Σ x[n, c, s p − a + d k] · w[o, c, k] · y[n, o, p] (in each group
 * of channels): each leaves one of the three tensors free. The elements of their operands are at sums
 * of table entries (`conv/tables.ts`); they are packed from there, a block at a time, straight into the
 * panels that the tiles of `gemm` read. So every element of a result is summed in one order, whatever
 * its place: over channels, then taps; or over images, then places.
 */
import type { Strided } from '../../kernels/strided.ts';
import { phasesOf } from './conv/frame.ts';
import { nativeForParts, type Part, products, type Task } from './conv/products.ts';
import { gradientByStrips, gradientSuitsStrips } from './conv/strip-gradient.ts';
import { convolveStrips, suitsStrips } from './conv/strips.ts';
import { steps } from './conv/tables.ts';
import { nativeForGradient, weightProducts } from './conv/weights.ts';
import { convolveTiles, tilingOf } from './conv/winograd.ts';
import { gradientByTiles } from './conv/winograd-gradient.ts';

/** How windows lie: stride s, zeros in front a, dilation d along each spatial dimension, and groups of channels. */
export interface Windows {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** How many zeros windows reach behind the last element, along each dimension. */
function zerosAfter(x: Strided, places: readonly number[], taps: readonly number[], windows: Windows): number[] {
  const { stride, padding, dilation } = windows;
  return places.map((n, d) => {
    const end = (n - 1) * stride[d] + (taps[d] - 1) * dilation[d] + 1;
    return Math.max(0, end - padding[d] - x.shape[d + 2]);
  });
}

/** What is added to the result of a convolution. */
export interface Bias {
  /** One for each channel. */
  readonly values: Strided;
  /** Writes it to every place of the result. */
  spread(): void;
}

/** `y[n, o, p] = b[o] + Σ x[n, c, s p − a + d k] w[o, c, k]`. y is contiguous. */
export function convolve(y: Strided, x: Strided, w: Strided, windows: Windows, bias: Bias | null): void {
  const { stride, padding, dilation, groups } = windows;
  const places = y.shape.slice(2);
  const taps = w.shape.slice(2);
  const part: Part = {
    sizes: places,
    start: places.map(() => 0),
    step: places.map(() => 1),
    columns: places.map((n, d) => steps(n, stride[d])),
    taps: taps.map((n) => steps(n, 1)),
    reach: taps.map((n, d) => steps(n, dilation[d])),
  };
  run(
    {
      op: 'conv',
      out: y,
      source: x,
      weight: w,
      groups,
      before: padding,
      after: zerosAfter(x, places, taps, windows),
      phases: phasesOf(stride, taps),
      rowStep: w.strides[0],
      channelStep: w.strides[1],
      groupStep: (w.shape[0] / groups) * w.strides[0],
      accumulate: bias !== null,
    },
    [part],
    bias,
  );
}

/**
 * `x[n, c, i] = b[c] + Σ y[n, o, p] w[o, c, k]` over all p and k with s p − a + d k = i. x is contiguous. Places
 * i that are alike modulo the stride meet the same taps: on each such lattice it is a convolution of y, of
 * stride 1.
 */
export function convolveInput(x: Strided, y: Strided, w: Strided, windows: Windows, bias: Bias | null): void {
  const { stride, groups } = windows;
  const lattices = x.shape.slice(2).map((size, d) => latticesOf(size, w.shape[d + 2], windows, d));
  const before = lattices.map((list) => Math.max(0, ...list.map((l) => -l.first)));
  const after = lattices.map((list, d) => Math.max(0, ...list.map((l) => l.last - (y.shape[d + 2] - 1))));
  const choices = lattices.reduce<Lattice[][]>((all, list) => all.flatMap((c) => list.map((l) => [...c, l])), [[]]);
  const parts = choices.map((lattice): Part => {
    return {
      sizes: lattice.map((l) => l.size),
      start: lattice.map((l) => l.start),
      step: stride,
      columns: lattice.map((l, d) => steps(l.size, 1, l.column + before[d])),
      taps: lattice.map((l) => l.taps),
      reach: lattice.map((l) => l.reach),
    };
  });
  run(
    {
      op: 'convTranspose',
      out: x,
      source: y,
      weight: w,
      groups,
      before,
      after,
      phases: 1,
      rowStep: w.strides[1],
      channelStep: w.strides[0],
      groupStep: (w.shape[0] / groups) * w.strides[0],
      accumulate: bias !== null,
    },
    parts,
    bias,
  );
}

/** By tiles or strips, if they are quicker, else as products of matrices. */
function run(task: Task, parts: readonly Part[], bias: Bias | null): void {
  const tiles = tilingOf(task, parts);
  const [part] = parts;
  const whole = tiles === null && parts.length === 1 && part !== undefined;
  if (whole && suitsStrips(task, part) && nativeForParts(task, parts, 1) === null) {
    convolveStrips(task, part, bias?.values ?? null);
    return;
  }
  bias?.spread();
  if (tiles !== null) {
    if (convolveTiles(task, tiles)) return;
    bias?.spread();
  }
  products(task, parts);
}

/** Along one dimension, places of x that are alike modulo the stride, and what they are summed from. */
interface Lattice {
  /** `x[start + s i] = Σ y[column + i + reach] w[tap]`, for i below `size`. */
  readonly start: number;
  readonly size: number;
  readonly column: number;
  readonly taps: readonly number[];
  readonly reach: readonly number[];
  /** The first and the last place of y that is asked for. */
  readonly first: number;
  readonly last: number;
}

function latticesOf(size: number, kernel: number, windows: Windows, dim: number): Lattice[] {
  const [s, a, d] = [windows.stride[dim], windows.padding[dim], windows.dilation[dim]];
  return steps(s, 1).map((r) => {
    // Of i + a = s t + r and d k = s e + r follows p = t − e.
    const start = (((r - a) % s) + s) % s;
    const length = Math.max(0, Math.ceil((size - start) / s));
    const taps = steps(kernel, 1).filter((k) => (k * d) % s === r);
    const reach = taps.map((k) => (r - k * d) / s);
    const column = (start + a - r) / s;
    const [nearest, farthest] = [Math.min(...reach), Math.max(...reach)];
    const asked = length > 0 && taps.length > 0;
    return {
      start,
      size: length,
      column,
      taps,
      reach,
      first: asked ? column + nearest : 0,
      last: asked ? column + length - 1 + farthest : -1,
    };
  });
}

/** `w[o, c, k] = Σ x[n, c, s p − a + d k] y[n, o, p]` over images n and places p. w is contiguous. */
export function convolveWeight(w: Strided, x: Strided, y: Strided, windows: Windows): void {
  const { stride, padding, dilation, groups } = windows;
  const after = zerosAfter(x, y.shape.slice(2), w.shape.slice(2), windows);
  const task = { out: w, x, y, groups, before: padding, after, stride, dilation };
  if (gradientSuitsStrips(task) && nativeForGradient(task) === null) gradientByStrips(task);
  else if (!gradientByTiles(task)) weightProducts(task);
}
