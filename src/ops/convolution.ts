import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { type Shape, shapeText } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { type ConvAttrs, conv, convInput } from './conv.ts';
import { squeeze, unsqueeze } from './view.ts';
import { type PerDim, perDim } from './windows.ts';

/*
 * conv1d, conv2d, conv3d and their transposes: what PyTorch asks of the arguments, around the one
 * convolution. Messages contain those of aten/src/ATen/native/Convolution.cpp.
 */

export interface ConvOptions {
  readonly stride?: PerDim;
  readonly padding?: PerDim | 'same' | 'valid';
  readonly dilation?: PerDim;
  readonly groups?: number;
}

export interface ConvTransposeOptions {
  readonly stride?: PerDim;
  readonly padding?: PerDim;
  readonly outputPadding?: PerDim;
  readonly groups?: number;
  readonly dilation?: PerDim;
}

const times = (sizes: readonly number[]): string => `(${sizes.join(' x ')})`;

function checkDTypes(op: string, x: TensorBase, w: TensorBase, b: TensorBase | null): void {
  for (const [what, t] of [['weight', w] as const, ...(b === null ? [] : [['bias', b] as const])]) {
    if (t.dtype !== x.dtype) {
      throw new DTypeError(
        `${op}: Input type (${x.dtype}) and ${what} type (${t.dtype}) should be the same; convert one with .to('${x.dtype}')`,
      );
    }
  }
  if (x.dtype === 'bool' || x.dtype === 'uint8')
    throw new DTypeError(`${op}: not implemented for '${x.dtype}'; convert with .to('int32') or .to('float32')`);
}

function checkWeight(op: string, w: TensorBase, groups: number, dims: number): void {
  if (!Number.isInteger(groups) || groups <= 0)
    throw new ArgumentError(`${op}: non-positive groups is not supported, got groups=${groups}`);
  if (w.shape.length !== dims + 2) {
    throw new ShapeError(
      `${op}: expected weight to have ${dims + 2} dimensions [out channels, in channels / groups, …], but got weight of size ${shapeText(w.shape)}`,
    );
  }
  const outputs = w.shape[0];
  if (outputs < groups) {
    throw new ShapeError(
      `${op}: Given groups=${groups}, expected weight to be at least ${groups} at dimension 0, but got weight of size ${shapeText(w.shape)} instead`,
    );
  }
  if (outputs % groups !== 0) {
    throw new ShapeError(
      `${op}: Given groups=${groups}, expected weight to be divisible by ${groups} at dimension 0, but got weight of size ${shapeText(w.shape)} instead`,
    );
  }
}

function checkBias(op: string, w: TensorBase, b: TensorBase | null, channels: number): void {
  if (b === null || (b.shape.length === 1 && b.shape[0] === channels)) return;
  throw new ShapeError(
    `${op}: Given weight of size ${shapeText(w.shape)}, expected bias to be 1-dimensional with ${channels} elements, but got bias of size ${shapeText(b.shape)} instead`,
  );
}

function checkWindows(op: string, stride: Shape, padding: Shape, dilation: Shape): void {
  if (padding.some((n) => n < 0)) throw new ArgumentError(`${op}: negative padding is not supported`);
  if (stride.some((n) => n <= 0)) throw new ArgumentError(`${op}: non-positive stride is not supported`);
  if (dilation.some((n) => n <= 0)) throw new ArgumentError(`${op}: dilation should be greater than zero`);
}

/** The input with a batch dimension, and whether it came without one. */
function batched(op: string, x: TensorBase, dims: number): readonly [TensorBase, boolean] {
  const rank = x.shape.length;
  if (rank === dims + 2) return [x, false];
  if (rank === dims + 1) return [unsqueeze(x, 0), true];
  throw new ShapeError(
    `${op}: Expected ${dims + 1}D (unbatched) or ${dims + 2}D (batched) input to ${op}, but got input of size: ${shapeText(x.shape)}`,
  );
}

/** Zeros in front of the windows, and how many places there are. */
function placed(
  op: string,
  sizes: Shape,
  kernel: Shape,
  stride: Shape,
  dilation: Shape,
  padding: ConvOptions['padding'] = 0,
): { readonly padding: Shape; readonly output: Shape } {
  const dims = sizes.length;
  const spans = kernel.map((k, d) => dilation[d] * (k - 1));
  if (padding === 'same') {
    if (stride.some((s) => s !== 1))
      throw new ArgumentError(`${op}: padding='same' is not supported for strided convolutions`);
    // An odd zero too many goes behind.
    return { padding: spans.map((n) => Math.floor(n / 2)), output: sizes };
  }
  if (typeof padding === 'string' && padding !== 'valid')
    throw new ArgumentError(`${op}: Invalid padding string: '${String(padding)}'; it is 'same' or 'valid'`);
  const zeros = perDim(op, 'padding', padding === 'valid' ? 0 : padding, dims);
  checkWindows(op, stride, zeros, dilation);
  const padded = sizes.map((n, d) => n + 2 * zeros[d]);
  if (padded.some((n, d) => n < spans[d] + 1)) {
    throw new ShapeError(
      `${op}: Calculated padded input size per channel: ${times(padded)}. Kernel size: ${times(spans.map((n) => n + 1))}. Kernel size can't be greater than actual input size`,
    );
  }
  return { padding: zeros, output: padded.map((n, d) => Math.floor((n - spans[d] - 1) / stride[d]) + 1) };
}

/** A convolution over `dims` dimensions; `op` is its name in messages. */
export function convolution(
  op: string,
  dims: number,
  x: TensorBase,
  w: TensorBase,
  b: TensorBase | null,
  options: ConvOptions = {},
): TensorBase {
  checkTensors(op, x, w, ...(b === null ? [] : [b]));
  const { groups = 1 } = options;
  const [input, alone] = batched(op, x, dims);
  checkWeight(op, w, groups, dims);
  checkDTypes(op, x, w, b);
  const stride = perDim(op, 'stride', options.stride ?? 1, dims);
  const dilation = perDim(op, 'dilation', options.dilation ?? 1, dims);
  checkWindows(op, stride, [], dilation);
  const channels = w.shape[1] * groups;
  if (input.shape[1] !== channels) {
    throw new ShapeError(
      `${op}: Given groups=${groups}, weight of size ${shapeText(w.shape)}, expected input${shapeText(input.shape)} to have ${channels} channels, but got ${input.shape[1]} channels instead`,
    );
  }
  checkBias(op, w, b, w.shape[0]);
  const [sizes, kernel] = [input.shape.slice(2), w.shape.slice(2)];
  const { padding, output } = placed(op, sizes, kernel, stride, dilation, options.padding);
  const attrs: ConvAttrs = { stride, padding, dilation, groups, input: sizes, kernel, output };
  const y = conv(input, w, attrs, b);
  return alone ? squeeze(y, 0) : y;
}

/** A transposed convolution over `dims` dimensions: the adjoint of a convolution, as an operation of its own. */
export function transposedConvolution(
  op: string,
  dims: number,
  x: TensorBase,
  w: TensorBase,
  b: TensorBase | null,
  options: ConvTransposeOptions = {},
): TensorBase {
  checkTensors(op, x, w, ...(b === null ? [] : [b]));
  const { groups = 1 } = options;
  const [input, alone] = batched(op, x, dims);
  checkWeight(op, w, groups, dims);
  checkDTypes(op, x, w, b);
  const stride = perDim(op, 'stride', options.stride ?? 1, dims);
  const padding = perDim(op, 'padding', options.padding ?? 0, dims);
  const extra = perDim(op, 'output_padding (outputPadding)', options.outputPadding ?? 0, dims);
  const dilation = perDim(op, 'dilation', options.dilation ?? 1, dims);
  checkWindows(op, stride, padding, dilation);
  if (extra.some((n) => n < 0)) throw new ArgumentError(`${op}: negative output_padding is not supported`);
  if (extra.some((n, d) => n >= stride[d] && n >= dilation[d])) {
    throw new ArgumentError(
      `${op}: output padding must be smaller than either stride or dilation, but got outputPadding ${shapeText(extra)}, stride ${shapeText(stride)}, dilation ${shapeText(dilation)}`,
    );
  }
  if (input.shape[1] !== w.shape[0]) {
    throw new ShapeError(
      `${op}: Given transposed=1, weight of size ${shapeText(w.shape)}, expected input${shapeText(input.shape)} to have ${w.shape[0]} channels, but got ${input.shape[1]} channels instead`,
    );
  }
  checkBias(op, w, b, w.shape[1] * groups);
  const [output, kernel] = [input.shape.slice(2), w.shape.slice(2)];
  const sizes = output.map(
    (n, d) => (n - 1) * stride[d] - 2 * padding[d] + dilation[d] * (kernel[d] - 1) + extra[d] + 1,
  );
  if (sizes.some((n) => n <= 0)) {
    throw new ShapeError(
      `${op}: Given input size per channel: ${times(output)}. Calculated output size per channel: ${times(sizes)}. Output size is too small`,
    );
  }
  const attrs: ConvAttrs = { stride, padding, dilation, groups, input: sizes, kernel, output };
  const y = convInput(input, w, attrs, b);
  return alone ? squeeze(y, 0) : y;
}
