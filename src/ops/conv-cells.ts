import { isWide } from '../backends/wasm/blas/product.ts';
import type { Shape } from '../core/shape.ts';
import { contiguousStrides } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import type { ConvAttrs } from './conv.ts';
import { copyKernel } from './copy.ts';
import { constantPad, type Pad } from './pad.ts';

/*
 * Convolutions as others that are quicker, of operands cut into cells along each spatial dimension.
 *
 * Windows that neither overlap nor leave anything out, as of patches, are cells: with the elements of a cell as
 * channels they have one element each, and what is left is a product of matrices. Windows dilated by d meet what is
 * alike modulo d only: with the places in cells of d as images of their own they are dense, and may go by tiles.
 */

/** How a tensor [N, C, d…] is cut, after zeros were added to it or places cut off. */
export interface Cells {
  readonly pads: readonly Pad[];
  readonly sizes: Shape;
  /** The dimension that places within a cell become a part of. */
  readonly into: 0 | 1;
}

/** A convolution in cells: those of x, and of y if it has any. */
export interface Form {
  readonly attrs: ConvAttrs;
  readonly x: Cells;
  readonly y: Cells | null;
}

const product = (sizes: Shape): number => sizes.reduce((p, n) => p * n, 1);
const isPadded = ({ pads }: Cells): boolean => pads.some((pair) => pair.some((n) => n !== 0));

/** Fewest channels, on both sides, for which dense windows are worth two copies. */
const FEWEST_CHANNELS = 32;
/** Places of a tile along each dimension, and how much of all tiles must lie in images: more beside a library with wide vectors. */
const TILE = 4;
const LEAST_USED = 0.4;
const LEAST_BESIDE = 0.5;

/** The convolution, its adjoint, or its gradient by the weights. */
type Wanted = 'y' | 'x' | 'w';

/**
 * The form of a convolution of weights [O, C / groups, …], if it has one that serves what is wanted. With a bias
 * added to the adjoint no place of x may lie outside of cells.
 */
export function formOf(w: TensorBase, attrs: ConvAttrs, wanted: Wanted, biased = false): Form | null {
  const { stride, padding, dilation, groups, input, kernel, output } = attrs;
  const plain = (): ConvAttrs => {
    const ones = kernel.map(() => 1);
    return { ...attrs, stride: ones, padding: kernel.map(() => 0), dilation: ones };
  };
  const isPatch = (n: number, d: number): boolean =>
    n === stride[d] && padding[d] === 0 && (n === 1 || dilation[d] === 1) && (!biased || n * output[d] === input[d]);
  if (groups === 1 && kernel.every(isPatch) && kernel.some((n) => n > 1)) {
    const pads = output.map((n, d): Pad => [0, n * kernel[d] - input[d]]);
    const dense = plain();
    return { attrs: { ...dense, input: output, kernel: dense.stride }, x: { pads, sizes: kernel, into: 1 }, y: null };
  }
  const cells = output.map((n, d) => Math.ceil(n / dilation[d]));
  const before = padding.map((n, d) => n % dilation[d]);
  const sizes = input.map((n, d) => Math.ceil((before[d] + n) / dilation[d]));
  const [places, tiled] = wanted === 'x' ? [input, sizes] : [output, cells];
  const used = product(tiled.map((n, d) => places[d] / (dilation[d] * TILE * Math.ceil(n / TILE))));
  const isSparse =
    dilation.some((n) => n > 1) &&
    kernel.length === 2 &&
    w.dtype === 'float32' &&
    kernel.every((n, d) => n >= 3 && stride[d] === 1) &&
    Math.min(w.shape[0] / groups, w.shape[1]) >= FEWEST_CHANNELS &&
    used >= (isWide() ? LEAST_BESIDE : LEAST_USED);
  if (!isSparse) return null;
  // Zeros in front are as many cells as they fill, and what is left of them.
  const inner = { ...plain(), padding: padding.map((n, d) => Math.floor(n / dilation[d])) };
  const upTo = (list: Shape, from: Shape, to: Shape): Pad[] =>
    list.map((n, d): Pad => [from[d], to[d] * dilation[d] - from[d] - n]);
  return {
    attrs: { ...inner, input: sizes, output: cells },
    x: { pads: upTo(input, before, sizes), sizes: dilation, into: 0 },
    y: {
      pads: upTo(
        output,
        output.map(() => 0),
        cells,
      ),
      sizes: dilation,
      into: 0,
    },
  };
}

/** `x` seen as [N, within…, C, cell…] or [N, C, within…, cell…], where places within a cell become a part of N or C. */
function seen(x: TensorBase, { sizes, into }: Cells): TensorBase {
  const dims = [0, 1, ...sizes.map((_, d) => d + 2)];
  const within = dims.slice(2);
  const order = dims.toSpliced(into + 1, 0, ...within);
  const isWithin = (i: number): boolean => i > into && i <= into + within.length;
  const shape = order.map((d, i) => (d < 2 ? x.shape[d] : isWithin(i) ? sizes[d - 2] : x.shape[d] / sizes[d - 2]));
  const strides = order.map((d, i) => (d < 2 || isWithin(i) ? x.strides[d] : x.strides[d] * sizes[d - 2]));
  return alias(x, shape, strides);
}

/** Two dimensions, then those of space. */
const every = <T>(lead: T, pads: readonly T[]): readonly T[] => [lead, lead, ...pads];
const NO_PAD: Pad = [0, 0];

/** `x` in cells. */
export function apart(x: TensorBase, cells: Cells): TensorBase {
  const { pads, sizes, into } = cells;
  const from = seen(isPadded(cells) ? constantPad(x, every(NO_PAD, pads)) : x, cells);
  const y = fresh(
    x.shape.map((n, d) =>
      d >= 2 ? (n + pads[d - 2][0] + pads[d - 2][1]) / sizes[d - 2] : d === into ? n * product(sizes) : n,
    ),
    x.dtype,
  );
  copyKernel(x.dtype, x.dtype).run([alias(y, from.shape, contiguousStrides(from.shape))], [from]);
  return y;
}

/** The tensor that `y` is in cells. */
export function together(y: TensorBase, cells: Cells): TensorBase {
  const { pads, sizes, into } = cells;
  const x = fresh(
    y.shape.map((n, d) => (d >= 2 ? n * sizes[d - 2] : d === into ? n / product(sizes) : n)),
    y.dtype,
  );
  const to = seen(x, cells);
  copyKernel(y.dtype, y.dtype).run([to], [alias(y, to.shape, contiguousStrides(to.shape))]);
  return isPadded(cells)
    ? constantPad(
        x,
        every(
          NO_PAD,
          pads.map(([before, after]): Pad => [-before, -after]),
        ),
      )
    : x;
}
