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
import { phasesOf, zerosAfter } from './conv/frame.ts';
import { nativeForParts, type Part, products, type Task } from './conv/products.ts';
import { gradientByStrips, gradientSuitsStrips } from './conv/strip-gradient.ts';
import { convolveStrips, suitsStrips } from './conv/strips.ts';
import { choicesOf, steps } from './conv/tables.ts';
import { nativeForGradient, weightProducts } from './conv/weights.ts';
import { convolveTiles, tilingOf } from './conv/winograd.ts';
import { gradientByTiles } from './conv/winograd-gradient.ts';
import { type Operand, type Plan, planFor } from './plan.ts';

/** How windows lie: stride s, zeros in front a, dilation d along each spatial dimension, and groups of channels. */
export interface Windows {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly groups: number;
}

/** What is added to the result of a convolution. */
export interface Bias {
  /** One for each channel. */
  readonly values: Strided;
  /** Writes it to every place of the result. */
  spread(): void;
}

/** The result, what it is made of, and what is added to it, if there is something. */
type Operands = readonly [Operand, Operand, Operand, Operand?];
/** Plans a convolution, by tiles only where everything is finite. */
type Make = (plan: Plan, operands: Operands, windows: Windows, finite: boolean) => void;

/** Plans a convolution if it is not known, and makes it. */
function launch(op: string, make: Make, operands: readonly Strided[], windows: Windows, bias: Bias | null): void {
  const { stride, padding, dilation, groups } = windows;
  const all = bias === null ? operands : [...operands, bias.values];
  for (const finite of [true, false]) {
    const key = [op, finite, stride, padding, dilation, groups].join(' ');
    const plan = planFor(key, all, (plan, [out, a, b, c]) => make(plan, [out!, a!, b!, c], windows, finite));
    if (plan.spreads) bias?.spread();
    if (plan.run(all)) return;
  }
}

/** `y[n, o, p] = b[o] + Σ x[n, c, s p − a + d k] w[o, c, k]`. y is contiguous. */
export function convolve(y: Strided, x: Strided, w: Strided, windows: Windows, bias: Bias | null): void {
  launch('conv', planWindows, [y, x, w], windows, bias);
}

function planWindows(plan: Plan, [y, x, w, bias]: Operands, windows: Windows, finite: boolean): void {
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
  choose(
    {
      plan,
      op: 'conv',
      out: y,
      source: x,
      weight: w,
      groups,
      before: padding,
      after: zerosAfter(x.shape.slice(2), places, taps, windows),
      phases: phasesOf(stride, taps),
      rowStep: w.strides[0],
      channelStep: w.strides[1],
      groupStep: (w.shape[0] / groups) * w.strides[0],
      accumulate: bias !== undefined,
    },
    [part],
    bias,
    finite,
  );
}

/**
 * `x[n, c, i] = b[c] + Σ y[n, o, p] w[o, c, k]` over all p and k with s p − a + d k = i. x is contiguous. Places
 * i that are alike modulo the stride meet the same taps: on each such lattice it is a convolution of y, of
 * stride 1.
 */
export function convolveInput(x: Strided, y: Strided, w: Strided, windows: Windows, bias: Bias | null): void {
  launch('convTranspose', planLattices, [x, y, w], windows, bias);
}

function planLattices(plan: Plan, [x, y, w, bias]: Operands, windows: Windows, finite: boolean): void {
  const { stride, groups } = windows;
  const lattices = x.shape.slice(2).map((size, d) => latticesOf(size, w.shape[d + 2], windows, d));
  const before = lattices.map((list) => Math.max(0, ...list.map((l) => -l.first)));
  const after = lattices.map((list, d) => Math.max(0, ...list.map((l) => l.last - (y.shape[d + 2] - 1))));
  const parts = choicesOf(lattices).map((lattice): Part => {
    return {
      sizes: lattice.map((l) => l.size),
      start: lattice.map((l) => l.start),
      step: stride,
      columns: lattice.map((l, d) => steps(l.size, 1, l.column + before[d])),
      taps: lattice.map((l) => l.taps),
      reach: lattice.map((l) => l.reach),
    };
  });
  choose(
    {
      plan,
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
      accumulate: bias !== undefined,
    },
    parts,
    bias,
    finite,
  );
}

/** By tiles or strips, if they are quicker, else as products of matrices. */
function choose(task: Task, parts: readonly Part[], bias: Operand | undefined, finite: boolean): void {
  const tiles = finite ? tilingOf(task, parts) : null;
  const strips = finite && tiles === null && suitsStrips(task, parts);
  if (strips && nativeForParts(task, parts, 1) === null) {
    convolveStrips(task, parts, bias ?? null);
    return;
  }
  task.plan.spreads = bias !== undefined;
  if (tiles !== null) convolveTiles(task, tiles);
  else products(task, parts);
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
  launch('convWeight', planWeight, [w, x, y], windows, null);
}

function planWeight(plan: Plan, [w, x, y]: Operands, windows: Windows, finite: boolean): void {
  const { stride, padding, dilation, groups } = windows;
  const after = zerosAfter(x.shape.slice(2), y.shape.slice(2), w.shape.slice(2), windows);
  const task = { plan, out: w, x, y, groups, before: padding, after, stride, dilation };
  if (finite && gradientSuitsStrips(task) && nativeForGradient(task) === null) gradientByStrips(task);
  else if (!finite || !gradientByTiles(task)) weightProducts(task);
}
