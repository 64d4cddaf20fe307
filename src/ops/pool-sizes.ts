import { checkBytes } from '../backends/wasm/heap.ts';
import type { Reach } from '../backends/wasm/pool.ts';
import { Recent } from '../backends/wasm/recent.ts';
import { dtypeInfo } from '../core/dtype.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { numel, type Shape, shapeText } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { type PerDim, perDim } from './windows.ts';

/* Where the windows of poolings lie, and what PyTorch asks of them (aten/src/ATen/native/Pool.h). */

export interface PoolOptions {
  /** The size of the window by default. */
  readonly stride?: PerDim;
  readonly padding?: PerDim;
  readonly dilation?: PerDim;
  /** Also windows that begin inside and end outside. */
  readonly ceilMode?: boolean;
}

/** The windows over one of the last dimensions, and how many elements each counts that includes zeros at the sides. */
export interface Windows extends Reach {
  readonly withZeros: readonly number[];
}

/** To list windows takes longer than to pool a small tensor; lists for larger ones would only fill memory. */
const LONGEST = 512;
const recent = new Recent<readonly Windows[]>();

const listed = (shape: Shape, key: Shape, dims: number, list: () => readonly Windows[]): readonly Windows[] =>
  Math.max(...shape.slice(-dims)) > LONGEST ? list() : recent.get([], shape, key, list);

function positive(op: string, what: string, name: string, list: Shape): void {
  if (list.every((n) => n > 0)) return;
  throw new ArgumentError(`${op}: ${op}() ${what} should be greater than zero, but got ${name}=${shapeText(list)}`);
}

function outputSize(op: string, n: number, k: number, s: number, pad: number, dil: number, ceil: boolean): number {
  if (pad < 0) throw new ArgumentError(`${op}: pad must be non-negative, but got pad: ${pad}`);
  if (pad > Math.floor(k / 2))
    throw new ArgumentError(
      `${op}: pad should be at most half of kernel size, but got pad=${pad} and kernel_size=${k}`,
    );
  const room = n + 2 * pad - dil * (k - 1) - 1;
  const size = Math.floor((room + (ceil ? s - 1 : 0)) / s) + 1;
  // The last window must begin inside, or in the zeros in front.
  return ceil && (size - 1) * s >= n + pad ? size - 1 : size;
}

/** Checks the arguments of a pooling over the last `dims` dimensions of `shape`, and lists its windows. */
export function poolWindows(
  op: string,
  dims: number,
  shape: Shape,
  kernelSize: PerDim,
  options: PoolOptions,
): readonly Windows[] {
  const kernel = perDim(op, 'kernel_size (kernelSize)', kernelSize, dims);
  const { stride: given } = options;
  const none = given === undefined || (Array.isArray(given) && given.length === 0);
  const stride = none ? kernel : perDim(op, 'stride', given, dims);
  const padding = perDim(op, 'padding', options.padding ?? 0, dims);
  const dilation = perDim(op, 'dilation', options.dilation ?? 1, dims);
  const ceil = options.ceilMode ?? false;
  return listed(shape, [ceil ? 1 : 0, ...kernel, ...stride, ...padding, ...dilation], dims, () => {
    positive(op, 'kernel size', 'kernelSize', kernel);
    if (dims === 1 && stride[0] <= 0)
      throw new ArgumentError(`${op}: ${op}() stride must be greater than zero, but got ${stride[0]}`);
    if (stride.includes(0)) throw new ArgumentError(`${op}: stride should not be zero`);
    positive(op, 'stride', 'stride', stride);
    positive(op, 'dilation', 'dilation', dilation);
    const input = shape.slice(Math.max(0, shape.length - dims));
    const output = input.map((n, d) => outputSize(op, n, kernel[d], stride[d], padding[d], dilation[d], ceil));
    checkInput(op, dims, shape);
    if (output.some((n) => n < 1)) {
      const lead = shape[shape.length - dims - 1];
      const [from, to] = [input, output].map((sizes) => `(${[lead, ...(dims === 1 ? [1] : []), ...sizes].join('x')})`);
      throw new ShapeError(
        `${op}: ${dims === 1 ? `${op}() Invalid computed output size: ${output[0]}. ` : ''}Given input size: ${from}. Calculated output size: ${to}. Output size is too small`,
      );
    }
    return output.map((n, d) => {
      const [size, step] = [input[d], dilation[d]];
      const places = Array.from({ length: n }, (_, o) => o * stride[d] - padding[d]);
      const start = places.map((s) => (s >= 0 ? s : s + step * Math.ceil(-s / step)));
      const count = places.map((s, o) => {
        const end = Math.min(s + (kernel[d] - 1) * step + 1, size);
        return Math.max(0, Math.ceil((end - start[o]) / step));
      });
      if (count.includes(0))
        throw new ShapeError(
          `${op}: a window lies beside the input: kernelSize ${kernel[d]}, padding ${padding[d]} and dilation ${step} over ${size} elements`,
        );
      // What lies further out than the zeros does not count.
      const withZeros = places.map((s) => Math.min(s + kernel[d], size + padding[d]) - s);
      return { size, start, count, step, withZeros };
    });
  });
}

/** A batch may be empty, nothing else. */
function checkInput(op: string, dims: number, shape: Shape): void {
  const batch = shape.length === dims + 2;
  if ((batch || shape.length === dims + 1) && !shape.slice(batch ? 1 : 0).includes(0)) return;
  throw new ShapeError(
    `${op}: Expected ${dims + 1}D or ${dims + 2}D (batch mode) tensor with optional 0 dim batch size for input, but got:${shapeText(shape)}`,
  );
}

/** Windows of about equal size that cover everything: from ⌊o n / m⌋ to ⌈(o + 1) n / m⌉. */
export function adaptiveWindows(input: Shape, output: Shape): readonly Windows[] {
  return listed([...input, ...output], output, 0, () =>
    output.map((m, d) => {
      const size = input[d];
      const start = Array.from({ length: m }, (_, o) => Math.floor((o * size) / m));
      const count = start.map((s, o) => Math.ceil(((o + 1) * size) / m) - s);
      return { size, start, count, step: 1, withZeros: count };
    }),
  );
}

/** Checks the arguments of an adaptive pooling and gives the sizes of its result; null keeps a size. */
export function adaptiveSizes(
  op: string,
  dims: number,
  { shape, dtype }: TensorBase,
  size: number | null | readonly (number | null)[],
): Shape {
  const list: readonly (number | null)[] = Array.isArray(size) ? size : [size as number | null];
  if (list.length !== 1 && list.length !== dims)
    throw new ArgumentError(
      `${op}: output_size (outputSize) must be a number or a list of ${dims}, got [${list.join(', ')}]`,
    );
  if (shape.length !== dims + 1 && shape.length !== dims + 2)
    throw new ShapeError(`${op}: ${op}(): Expected ${dims + 1}D or ${dims + 2}D tensor, but got ${shapeText(shape)}`);
  const spatial = shape.length - dims;
  const empty = shape.findIndex((n, d) => d >= Math.max(1, spatial - 1) && n === 0);
  if (empty >= 0) {
    throw new ShapeError(
      `${op}: ${op}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes ${shapeText(shape)} with dimension ${empty} being empty`,
    );
  }
  const sizes = Array.from({ length: dims }, (_, d) => (list.length === 1 ? list[0] : list[d]) ?? shape[spatial + d]);
  if (!sizes.every((n) => Number.isInteger(n) && n >= 0))
    throw new ArgumentError(
      `${op}: ${op}(): elements of output_size must be greater than or equal to 0 but received {${sizes.join(', ')}}`,
    );
  checkBytes(numel(sizes) * dtypeInfo(dtype).bytes, op);
  return sizes;
}
