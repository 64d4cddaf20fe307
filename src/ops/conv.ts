import { type Bias, convolve, convolveInput, convolveWeight, type Windows } from '../backends/wasm/conv.ts';
import { apply1 } from '../core/apply.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type JvpRule, type Op } from '../core/op.ts';
import type { Shape } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { apart, type Form, formOf, together } from './conv-cells.ts';
import { copyKernel } from './copy.ts';
import { add, sum } from './engine-ops.ts';
import { cheapSums, mm } from './matmul.ts';
import { expand, movedim, reshape, t } from './view.ts';

/*
 * One convolution for all numbers of dimensions. It is one of three operations that belong to one
 * trilinear form, for windows of stride s, a zeros in front and dilation d, in each group of channels:
 *
 *     T(x, w, y) = Σ x[n, c, s p − a + d k] w[o, c, k] y[n, o, p]
 *
 *     convolution         y = ∂T/∂y        of x and w
 *     convolutionInput    x = ∂T/∂x        of y and w: the transposed convolution
 *     convolutionWeight   w = ∂T/∂w        of x and y
 *
 * Each is linear in both of its operands, and the gradients of each are the other two.
 */

/** Windows, and the sizes of the spatial dimensions of x, w and y. */
export interface ConvAttrs extends Windows {
  readonly input: Shape;
  readonly kernel: Shape;
  readonly output: Shape;
}

/** The sum over everything but channels. */
const overChannels = (g: TensorBase): TensorBase =>
  sum(
    g,
    g.shape.map((_, d) => d).filter((d) => d !== 1),
  );

/** The bias of a fresh result, if there is one. */
function biasOf(y: TensorBase, bias: TensorBase | undefined): Bias | null {
  if (bias === undefined) return null;
  const { storage, offset, dtype } = bias;
  const strides = y.shape.map((_, d) => (d === 1 ? bias.strides[0] : 0));
  return {
    values: bias,
    spread: () => copyKernel(dtype, y.dtype).run([y], [{ storage, offset, dtype, shape: y.shape, strides }]),
  };
}

/** Whether x is one window: then each of the three is a product of matrices. */
const isOneWindow = ({ padding, groups, input, kernel, output }: ConvAttrs): boolean =>
  groups === 1 && output.every((n, d) => n === 1 && padding[d] === 0 && kernel[d] === input[d]);

/** [A, B, …] as a matrix of A rows. */
const rowsOf = (x: TensorBase): TensorBase => reshape(x, [x.shape[0], x.shape.slice(1).reduce((p, n) => p * n, 1)]);

/** The product of two matrices in another shape, and a bias of channels added to it. */
const productAs = (shape: Shape, matrices: () => readonly [TensorBase, TensorBase], b?: TensorBase): TensorBase =>
  internally(() => {
    const y = reshape(mm(...matrices()), shape);
    return b === undefined ? y : add(y, reshape(b, [b.shape[0], ...shape.slice(2).map(() => 1)]));
  });

/** The same weights for a convolution in cells. */
const weightIn = ({ attrs }: Form, w: TensorBase): TensorBase => reshape(w, [w.shape[0], -1, ...attrs.kernel]);

/** A bias of what is to be put together again. */
function biasIn({ x: { into, sizes } }: Form, b: TensorBase | undefined): TensorBase | null {
  if (b === undefined || into === 0) return b ?? null;
  return reshape(expand(reshape(b, [-1, ...sizes.map(() => 1)]), [b.shape[0], ...sizes]), [-1]);
}

/** ẏ = ẋ ∗ w + x ∗ ẇ + ḃ */
const tangentOf =
  (op: () => Op<ConvAttrs>): JvpRule<ConvAttrs> =>
  ({ inputs, tangents: [tx, tw, tb], outputs: [y], attrs }) => {
    const [x, w] = inputs as readonly TensorBase[];
    const terms = [
      tx === null ? null : apply1(op(), [tx, w], attrs),
      tw === null ? null : apply1(op(), [x, tw], attrs),
      tb ? expand(reshape(tb, [...tb.shape, ...attrs.input.map(() => 1)]), y.shape) : null,
    ];
    return terms.filter((t) => t !== null).reduce<TensorBase | null>((a, t) => (a === null ? t : add(a, t)), null);
  };

/** Each result is a sum over channels and taps. */
const cheapConv = (channels: number, { kernel, groups }: ConvAttrs): true | 'at need' =>
  cheapSums((channels / groups) * kernel.reduce((p, n) => p * n, 1));

// y = x ∗ w + b        x̄ = ȳ ∗ᵀ w,  w̄ = ∂⟨ȳ, x ∗ w⟩/∂w,  b̄ = Σ ȳ
const convOp: Op<ConvAttrs> = defineOp({
  name: 'convolution',
  cheap: ([x], attrs) => cheapConv(x.shape[1], attrs),
  node: 'ConvolutionBackward0',
  inputs: ['x', 'w', 'b'],
  forward: ([x, w, b], attrs) => {
    const shape = [x.shape[0], w.shape[0], ...attrs.output];
    if (isOneWindow(attrs)) return productAs(shape, () => [rowsOf(x), t(rowsOf(w))], b);
    const form = formOf(w, attrs, 'y');
    if (form !== null) {
      return internally(() => {
        const y = conv(apart(x, form.x), weightIn(form, w), form.attrs, b);
        return form.y === null ? y : together(y, form.y);
      });
    }
    const y = fresh(shape, x.dtype);
    convolve(y, x, w, attrs, biasOf(y, b));
    return y;
  },
  vjp: {
    x: [['w'], (g, [w], { attrs }) => convInput(g, w, attrs)],
    w: [['x'], (g, [x], { attrs }) => convWeight(x, g, attrs)],
    b: [[], (g) => overChannels(g)],
  },
  jvp: tangentOf(() => convOp),
  vmap: (inputs, batched, attrs, size) => onBatch(convOp, inputs, batched, attrs, size),
});

// x = y ∗ᵀ w + b        ȳ = x̄ ∗ w,  w̄ = ∂⟨y, x̄ ∗ w⟩/∂w,  b̄ = Σ x̄
const convInputOp: Op<ConvAttrs> = defineOp({
  name: 'convolutionInput',
  cheap: ([y], attrs) => cheapConv(y.shape[1], attrs),
  node: 'ConvolutionBackward0',
  inputs: ['y', 'w', 'b'],
  forward: ([y, w, b], attrs) => {
    const shape = [y.shape[0], w.shape[1] * attrs.groups, ...attrs.input];
    if (isOneWindow(attrs)) return productAs(shape, () => [rowsOf(y), rowsOf(w)], b);
    const form = formOf(w, attrs, 'x', b !== undefined);
    if (form !== null) {
      return internally(() => {
        const inner = form.y === null ? y : apart(y, form.y);
        return together(convInput(inner, weightIn(form, w), form.attrs, biasIn(form, b)), form.x);
      });
    }
    const x = fresh(shape, y.dtype);
    convolveInput(x, y, w, attrs, biasOf(x, b));
    return x;
  },
  vjp: {
    y: [['w'], (g, [w], { attrs }) => conv(g, w, attrs)],
    w: [['y'], (g, [y], { attrs }) => convWeight(g, y, attrs)],
    b: [[], (g) => overChannels(g)],
  },
  jvp: tangentOf(() => convInputOp),
  vmap: (inputs, batched, attrs, size) => onBatch(convInputOp, inputs, batched, attrs, size),
});

// w = ∂⟨y, x ∗ w⟩/∂w        x̄ = y ∗ᵀ w̄,  ȳ = x ∗ w̄
const convWeightOp: Op<ConvAttrs> = defineOp({
  name: 'convolutionWeight',
  node: 'ConvolutionBackward0',
  inputs: ['x', 'y'],
  forward: ([x, y], attrs) => {
    const shape = [y.shape[1], x.shape[1] / attrs.groups, ...attrs.kernel];
    if (isOneWindow(attrs)) return productAs(shape, () => [t(rowsOf(y)), rowsOf(x)]);
    const w = fresh(shape, x.dtype);
    const form = formOf(w, attrs, 'w');
    if (form === null) convolveWeight(w, x, y, attrs);
    else
      internally(() => {
        const inner = form.y === null ? y : apart(y, form.y);
        convolveWeight(weightIn(form, w), apart(x, form.x), inner, form.attrs);
        return w;
      });
    return w;
  },
  vjp: {
    x: [['y'], (g, [y], { attrs }) => convInput(y, g, attrs)],
    y: [['x'], (g, [x], { attrs }) => conv(x, g, attrs)],
  },
  jvp: 'multilinear',
  vmap: ([x, y], [inX, inY], attrs, size) => {
    const groups = inX && inY ? attrs.groups * size : attrs.groups;
    const channels = (t: TensorBase, batched: boolean): TensorBase => (batched ? joinChannels(t, attrs.groups) : t);
    const w = convWeight(channels(x, inX), channels(y, inY), { ...attrs, groups });
    return inY ? splitOutputs(w, attrs.groups, size) : splitInputs(w, size);
  },
});

/** The first operand alone batched: more examples. The weight alone: more channels. Both: as many more groups. */
function onBatch(
  op: typeof convOp,
  inputs: readonly TensorBase[],
  [inX, inW, inB = false]: readonly boolean[],
  attrs: ConvAttrs,
  size: number,
): TensorBase {
  const [x, w, b] = inputs as readonly [TensorBase, TensorBase, TensorBase | undefined];
  const { groups } = attrs;
  const examples = inX && !inW ? reshape(x, [size * x.shape[1], ...x.shape.slice(2)]) : x;
  if (!inW && !inB) return splitExamples(apply1(op, inputs.with(0, examples), attrs), size);
  let y: TensorBase;
  if (inW) {
    const weight = inX || op === convOp ? joinOutputs(w, groups) : joinInputs(w);
    const channels = inX ? joinChannels(x, groups) : x;
    y = splitChannels(apply1(op, [channels, weight], { ...attrs, groups: inX ? groups * size : groups }), groups, size);
  } else {
    y = apply1(op, [examples, w], attrs);
    if (inX) y = splitExamples(y, size);
  }
  if (b === undefined) return y;
  const ones = attrs.input.map(() => 1);
  return add(y, inB ? reshape(b, [size, 1, b.shape[1], ...ones]) : reshape(b, [b.shape[0], ...ones]));
}

// A batch's channels stay within their group: [B, N, g·C, …] as [N, g·B·C, …], and weights likewise.

const splitExamples = (y: TensorBase, size: number): TensorBase =>
  reshape(y, [size, y.shape[0] / size, ...y.shape.slice(1)]);

function joinChannels(x: TensorBase, groups: number): TensorBase {
  const [size, n, channels, ...rest] = x.shape;
  const apart = reshape(x, [size, n, groups, channels / groups, ...rest]);
  return reshape(movedim(apart, 0, 2), [n, size * channels, ...rest]);
}

function splitChannels(y: TensorBase, groups: number, size: number): TensorBase {
  const [n, channels, ...rest] = y.shape;
  const apart = reshape(y, [n, groups, size, channels / groups / size, ...rest]);
  return reshape(movedim(apart, 2, 0), [size, n, channels / size, ...rest]);
}

function joinOutputs(w: TensorBase, groups: number): TensorBase {
  const [size, outputs, ...rest] = w.shape;
  return reshape(movedim(reshape(w, [size, groups, outputs / groups, ...rest]), 0, 1), [size * outputs, ...rest]);
}

function splitOutputs(w: TensorBase, groups: number, size: number): TensorBase {
  const [outputs, ...rest] = w.shape;
  const apart = reshape(w, [groups, size, outputs / groups / size, ...rest]);
  return reshape(movedim(apart, 1, 0), [size, outputs / size, ...rest]);
}

function joinInputs(w: TensorBase): TensorBase {
  const [size, outputs, channels, ...rest] = w.shape;
  return reshape(movedim(w, 0, 1), [outputs, size * channels, ...rest]);
}

function splitInputs(w: TensorBase, size: number): TensorBase {
  const [outputs, channels, ...rest] = w.shape;
  return movedim(reshape(w, [outputs, size, channels / size, ...rest]), 1, 0);
}

const operands = (x: TensorBase, w: TensorBase, b: TensorBase | null): TensorBase[] =>
  b === null ? [x, w] : [x, w, b];

/** x [N, C, …] ∗ w [O, C / groups, …] + b [O] */
export const conv = (x: TensorBase, w: TensorBase, attrs: ConvAttrs, b: TensorBase | null = null): TensorBase =>
  apply1(convOp, operands(x, w, b), attrs);

/** y [N, O, …] ∗ᵀ w [O, C / groups, …] + b [C] */
export const convInput = (y: TensorBase, w: TensorBase, attrs: ConvAttrs, b: TensorBase | null = null): TensorBase =>
  apply1(convInputOp, operands(y, w, b), attrs);

const convWeight = (x: TensorBase, y: TensorBase, attrs: ConvAttrs): TensorBase => apply1(convWeightOp, [x, y], attrs);
