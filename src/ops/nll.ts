import { type Classes, countClasses, pickClasses, spreadClasses } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import type { DType } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { numel, type Shape } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { div, ne } from './elementwise.ts';
import { batch } from './indexing.ts';
import { inOrder } from './lines.ts';
import { reduce, sum } from './reduce.ts';
import { expand, flatten, reshape } from './view.ts';
import { linearBut } from './writing.ts';

/*
 * −x[c] at the target classes c: all of them, their sum, or the sum over their number. That is the
 * negative log likelihood where classes have no weights. x is [C], [N, C] or [N, C, d…], the targets
 * (int32) are [], [N] or [N, d…]; those equal to `ignoreIndex` count nothing.
 */

export type Reduction = 'none' | 'mean' | 'sum';

interface PickAttrs {
  readonly ignoreIndex: number;
  readonly reduction: Reduction;
  /** Whether there is a target for every place of an image, which PyTorch has another name for. */
  readonly spatial: boolean;
}

interface SpreadAttrs extends PickAttrs {
  /** That of x. */
  readonly shape: Shape;
}

function classesOf(shape: Shape, ignored: number): Classes {
  const dim = shape.length === 1 ? 0 : 1;
  return { outer: numel(shape.slice(0, dim)), classes: shape[dim], inner: numel(shape.slice(dim + 1)), ignored };
}

/** The sum of losses, or with `counted` their mean over so many. */
function total(losses: TensorBase, counted: number | null): TensorBase {
  const attrs = { dims: losses.shape.map((_, d) => d), keepdim: false, all: true };
  const { dtype } = losses;
  if (counted === null) return reduce({ name: 'sum', fold: 'sum' }, losses, dtype, dtype, attrs);
  const share = binary('div', arg(0), arg(1));
  return reduce({ name: 'nllMean', fold: 'sum', post: share, postScalars: 1 }, losses, dtype, dtype, attrs, [counted]);
}

// y[n] = −x[n, t[n]], or Σₙ y[n], or Σₙ y[n] / |n|        x̄ = spread(ȳ)
const pickOp: Op<PickAttrs> = defineOp({
  name: 'nllLoss',
  node: ({ spatial }) => (spatial ? 'NllLoss2DBackward0' : 'NllLossBackward0'),
  inputs: ['x', 'target'],
  forward: ([x, target], { ignoreIndex, reduction }) =>
    internally(() => {
      const [targets, classes] = [inOrder(target), classesOf(x.shape, ignoreIndex)];
      const counted = countClasses(targets, classes);
      const losses = fresh(target.shape, x.dtype);
      pickClasses(losses, inOrder(x), targets, classes);
      return reduction === 'none' ? losses : total(losses, reduction === 'mean' ? counted : null);
    }),
  vjp: { x: [['target'], (g, [t], c) => apply1(spreadOp, [g, t], { ...c.attrs, shape: c.shape(0) })] },
  jvp: linearBut(() => pickOp, 1),
  vmap: ([x, target], [inX, inT], attrs, size) => {
    const { ignoreIndex, reduction } = attrs;
    const [xs, ts] = [batch(x, inX, size), batch(target, inT, size)];
    const each = { ...attrs, reduction: 'none' } as const;
    const losses = reshape(apply1(pickOp, [merged(xs, ts.shape), merged(ts, ts.shape)], each), ts.shape);
    if (reduction === 'none') return losses;
    return reduction === 'sum' ? perExample(losses) : div(perExample(losses), counts(ts, ignoreIndex, x.dtype));
  },
});

// x[n, c] = −ȳ[n] for c = t[n], else 0, where ȳ is one number for all n, and for a mean each one's share of it
const spreadOp: Op<SpreadAttrs> = defineOp({
  name: 'nllLossBackward',
  cheap: true,
  inputs: ['g', 'target'],
  forward: ([g, target], { shape, ignoreIndex, reduction }) =>
    internally(() => {
      const x = fresh(shape, g.dtype);
      spreadClasses(x, inOrder(g), inOrder(target), classesOf(shape, ignoreIndex), reduction === 'mean');
      return x;
    }),
  vjp: { g: [['target'], (h, [t], { attrs }) => apply1(pickOp, [h, t], attrs)] },
  jvp: linearBut(() => spreadOp, 1),
  vmap: ([g, target], [inG, inT], attrs, size) => {
    const { shape, ignoreIndex, reduction } = attrs;
    const [gs, ts] = [batch(g, inG, size), batch(target, inT, size)];
    const share = reduction === 'mean' ? div(gs, counts(ts, ignoreIndex, g.dtype)) : gs;
    const ones = ts.shape.map((n, d) => (d === 0 ? n : 1));
    const each = reduction === 'none' ? gs : expand(reshape(share, ones), ts.shape);
    const all = ts.shape.length === 1 ? [size, ...shape] : [size * shape[0], ...shape.slice(1)];
    const xs = apply1(spreadOp, [merged(each, ts.shape), merged(ts, ts.shape)], {
      ...attrs,
      shape: all,
      reduction: 'none',
    });
    return reshape(xs, [size, ...shape]);
  },
});

// ── batches ──

/** Examples of several targets each are one longer list. */
const merged = (t: TensorBase, targets: Shape): TensorBase => (targets.length === 1 ? t : flatten(t, 0, 1));

/** The sum for every example. */
function perExample(t: TensorBase): TensorBase {
  const dims = t.shape.map((_, d) => d).slice(1);
  return dims.length === 0 ? t : sum(t, dims);
}

/** How many targets of every example count. */
const counts = (targets: TensorBase, ignoreIndex: number, dtype: DType): TensorBase =>
  perExample(toDType(ne(targets, ignoreIndex), dtype));

/** −x[c] at the target classes, of checked shapes; the targets are int32. */
export function pickLoss(x: TensorBase, target: TensorBase, ignoreIndex: number, reduction: Reduction): TensorBase {
  return apply1(pickOp, [x, target], { ignoreIndex, reduction, spatial: x.shape.length > 2 });
}
