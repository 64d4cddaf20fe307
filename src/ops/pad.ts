import { apply1 } from '../core/apply.ts';
import { ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { shapeText } from '../core/shape.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';
import { filled } from './filled.ts';

/** What is added before and after the elements of a dimension; what is negative is cut off. */
export type Pad = readonly [before: number, after: number];

interface PadAttrs {
  /** For every dimension. */
  readonly pads: readonly Pad[];
  readonly value: number;
}

const NO_PAD: Pad = [0, 0];
const negated = (pads: readonly Pad[]): Pad[] => pads.map(([before, after]) => [-before, -after]);

// y = x with `value` around it        x̄ = ȳ with the same cut off (and zeros where x was cut)
const constantPadOp: Op<PadAttrs> = defineOp({
  name: 'constantPad',
  cheap: true,
  node: 'ConstantPadNdBackward0',
  inputs: ['x'],
  forward: ([x], { pads, value }) => {
    const shape = x.shape.map((n, d) => n + pads[d][0] + pads[d][1]);
    const grows = pads.some(([before, after]) => before > 0 || after > 0);
    const y = grows ? filled(shape, value, x.dtype) : fresh(shape, x.dtype);
    const kept = x.shape.map((n, d) => n + Math.min(0, pads[d][0]) + Math.min(0, pads[d][1]));
    const start = (strides: readonly number[], skipped: (before: number) => number): number =>
      strides.reduce((at, step, d) => at + step * Math.max(0, skipped(pads[d][0])), 0);
    if (y.count === 0 || kept.includes(0)) return y;
    const to = alias(
      y,
      kept,
      y.strides,
      start(y.strides, (before) => before),
    );
    const from = alias(x, kept, x.strides, x.offset + start(x.strides, (before) => -before));
    copyKernel(x.dtype, x.dtype).run([to], [from]);
    return y;
  },
  vjp: { x: [[], (g, _, { attrs }) => apply1(constantPadOp, [g], { pads: negated(attrs.pads), value: 0 })] },
  jvp: ({ tangents: [t], attrs }) => (t === null ? null : apply1(constantPadOp, [t], { ...attrs, value: 0 })),
  vmap: ([x], _, { pads, value }) => apply1(constantPadOp, [x], { pads: [NO_PAD, ...pads], value }),
});

/** `x` with `value` around it: one pair for every dimension. */
export function constantPad(x: TensorBase, pads: readonly Pad[], value = 0): TensorBase {
  x.shape.forEach((n, d) => {
    const [before, after] = pads[d];
    const kept = n + Math.min(0, before) + Math.min(0, after);
    if (kept >= 0) return;
    throw new ShapeError(
      `pad: The input size ${n}, plus negative padding ${before} and ${after}, resulted in a negative output size, which is invalid. Check dimension ${d} of your input, which has shape ${shapeText(x.shape)}.`,
    );
  });
  return apply1(constantPadOp, [x], { pads, value });
}

/** `x` in the corner of zeros of a larger shape. */
export function padTo(x: TensorBase, shape: readonly number[]): TensorBase {
  return constantPad(
    x,
    x.shape.map((n, d) => [0, shape[d] - n]),
  );
}
