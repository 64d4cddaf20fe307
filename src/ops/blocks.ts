import { addBlocks, type Blocks, collectBlocks } from '../backends/wasm/conv/blocks.ts';
import { apply1 } from '../core/apply.ts';
import { ArgumentError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { numel, type Shape, shapeText } from '../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { contiguous } from './copy.ts';
import { reshape, squeeze, unsqueeze } from './view.ts';
import { type PerDim, perDim } from './windows.ts';

// y[n, (c, k), p] = x[n, c, s p − a + d k]        x̄ = the sum of ȳ over the blocks that hold a place
const im2colOp: Op<Blocks> = defineOp({
  name: 'im2col',
  cheap: true,
  node: 'Im2ColBackward0',
  inputs: ['x'],
  forward: ([x], blocks) => {
    const y = fresh([x.shape[0], x.shape[1] * numel(blocks.kernel), numel(blocks.output)], x.dtype);
    collectBlocks(y, x, blocks);
    return y;
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(col2imOp, [g], attrs)] },
  jvp: 'linear',
  vmap: ([x], _, attrs, size) => onExamples(im2colOp, x, attrs, size),
});

// x[n, c, i] = Σ y[n, (c, k), p] over s p − a + d k = i        ȳ = the blocks of x̄
const col2imOp: Op<Blocks> = defineOp({
  name: 'col2im',
  cheap: true,
  node: 'Col2ImBackward0',
  inputs: ['y'],
  forward: ([y], blocks) =>
    internally(() => {
      const x = fresh([y.shape[0], y.shape[1] / numel(blocks.kernel), ...blocks.input], y.dtype);
      addBlocks(x, contiguous(y), blocks);
      return x;
    }),
  vjp: { y: [[], (g, _, { attrs }) => apply1(im2colOp, [g], attrs)] },
  jvp: 'linear',
  vmap: ([y], _, attrs, size) => onExamples(col2imOp, y, attrs, size),
});

/** A batch is more examples. */
function onExamples(op: Op<Blocks>, x: TensorBase, attrs: Blocks, size: number): TensorBase {
  const y = apply1(op, [reshape(x, [size * x.shape[1], ...x.shape.slice(2)])], attrs);
  return reshape(y, [size, x.shape[1], ...y.shape.slice(1)]);
}

export interface BlockOptions {
  readonly dilation?: PerDim;
  readonly padding?: PerDim;
  readonly stride?: PerDim;
}

const DIMS = 2;
const round = (sizes: Shape): string => `(${sizes.join(', ')})`;

function blocksOf(op: string, input: Shape, kernelSize: PerDim, options: BlockOptions): Blocks {
  const kernel = perDim(op, 'kernel_size (kernelSize)', kernelSize, DIMS);
  const dilation = perDim(op, 'dilation', options.dilation ?? 1, DIMS);
  const padding = perDim(op, 'padding', options.padding ?? 0, DIMS);
  const stride = perDim(op, 'stride', options.stride ?? 1, DIMS);
  for (const [what, list] of [['kernel size', kernel] as const, ['dilation', dilation], ['stride', stride]] as const) {
    if (list.some((n) => n <= 0))
      throw new ArgumentError(`${op}: ${what} should be greater than zero, but got ${shapeText(list)}`);
  }
  if (padding.some((n) => n < 0))
    throw new ArgumentError(`${op}: padding should be non-negative, but got ${shapeText(padding)}`);
  const output = input.map(
    (n, d) => Math.floor((n + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d]) + 1,
  );
  if (output.some((n) => n < 1))
    throw new ShapeError(
      `${op}: Given input with spatial size ${round(input)}, kernel_size=${round(kernel)}, dilation=${round(dilation)}, padding=${round(padding)}, calculated shape of the array of sliding blocks as ${round(output)}, but its components must be at least one.`,
    );
  return { kernel, dilation, padding, stride, input, output };
}

/** The blocks of an image [N, C, h, w] or [C, h, w] that windows see, as columns: [N, C kh kw, blocks]. */
export function unfold(x: TensorBase, kernelSize: PerDim, options: BlockOptions = {}): TensorBase {
  checkTensors('unfold', x);
  const rank = x.shape.length;
  if ((rank !== 3 && rank !== 4) || x.shape.slice(rank - 3).includes(0)) {
    throw new ShapeError(
      `unfold: Expected 3D or 4D (batch mode) tensor for input with possibly 0 batch size and other non-zero dimensions for input, but got: ${shapeText(x.shape)}`,
    );
  }
  const blocks = blocksOf('unfold', x.shape.slice(-DIMS), kernelSize, options);
  return rank === 4 ? apply1(im2colOp, [x], blocks) : squeeze(apply1(im2colOp, [unsqueeze(x, 0)], blocks), 0);
}

/** Columns [N, C kh kw, blocks] or [C kh kw, blocks] added up into an image of size `outputSize`. */
export function fold(x: TensorBase, outputSize: PerDim, kernelSize: PerDim, options: BlockOptions = {}): TensorBase {
  checkTensors('fold', x);
  const rank = x.shape.length;
  if ((rank !== 2 && rank !== 3) || x.shape.slice(rank - 2).includes(0)) {
    throw new ShapeError(
      `fold: Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for input, but got: ${shapeText(x.shape)}. Input Error: Only unbatched (2D) or batched (3D) input Tensors are supported`,
    );
  }
  const input = perDim('fold', 'output_size (outputSize)', outputSize, DIMS);
  if (input.some((n) => n <= 0))
    throw new ArgumentError(`fold: output_size (outputSize) should be greater than zero, but got ${shapeText(input)}`);
  const blocks = blocksOf('fold', input, kernelSize, options);
  const [rows, columns] = x.shape.slice(-2);
  if (rows % numel(blocks.kernel) !== 0) {
    throw new ShapeError(
      `fold: Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got input.size(1)=${rows} and kernel_size=${round(blocks.kernel)}.`,
    );
  }
  const [h, w] = blocks.output;
  if (columns !== h * w) {
    throw new ShapeError(
      `fold: Given output_size=${round(input)}, kernel_size=${round(blocks.kernel)}, dilation=${round(blocks.dilation)}, padding=${round(blocks.padding)}, stride=${round(blocks.stride)}, expected size of input's dimension 2 to match the calculated number of sliding blocks ${h} * ${w} = ${h * w}, but got input.size(2)=${columns}.`,
    );
  }
  return rank === 3 ? apply1(col2imOp, [x], blocks) : squeeze(apply1(col2imOp, [unsqueeze(x, 0)], blocks), 0);
}
