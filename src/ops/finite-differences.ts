import { ArgumentError, ShapeError } from '../core/errors.ts';
import { checkList, shapeText, wrapDims } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { toFloat } from './copy.ts';
import { diff } from './differences.ts';
import { add, div, mul, neg, sub } from './elementwise.ts';
import { cat } from './join.ts';
import { slice } from './slices.ts';
import { reshape } from './view.ts';

/* Derivatives of sampled functions: central differences inside, one-sided ones at both ends. */

/** How far samples are apart: everywhere, or for each dimension a distance or the places (a vector). */
export type Spacing = number | readonly (number | TensorBase)[];

/** Σ weight · sample, over neighbouring samples. */
function combination(terms: readonly (readonly [weight: TensorBase | number, sample: TensorBase])[]): TensorBase {
  return terms.map(([w, x]) => mul(x, w)).reduce((a, b) => add(a, b));
}

/** With samples `step` apart: error of the order of step² inside, and of `order` at the ends. */
function evenly(x: TensorBase, dim: number, step: number, order: 1 | 2): TensorBase {
  const at = (from: number, to?: number): TensorBase => slice(x, dim, from, to);
  const inside = mul(sub(at(2), at(0, -2)), 0.5);
  const [first, last] =
    order === 1
      ? [sub(at(1, 2), at(0, 1)), sub(at(-1), at(-2, -1))]
      : [
          combination([
            [-1.5, at(0, 1)],
            [2, at(1, 2)],
            [-0.5, at(2, 3)],
          ]),
          combination([
            [0.5, at(-3, -2)],
            [-2, at(-2, -1)],
            [1.5, at(-1)],
          ]),
        ];
  return div(cat([first, inside, last], dim), step);
}

/** With samples at the given places: the derivative of the parabola through three neighbours. */
function unevenly(x: TensorBase, dim: number, places: TensorBase, order: 1 | 2): TensorBase {
  const at = (from: number, to?: number): TensorBase => slice(x, dim, from, to);
  const steps = diff(places);
  const along = (w: TensorBase): TensorBase =>
    reshape(
      w,
      x.shape.map((_, d) => (d === dim ? w.count : 1)),
    );
  const of = (from: number, to?: number): TensorBase => along(slice(steps, 0, from, to));
  const [left, right] = [of(0, -1), of(1)];
  const inside = combination([
    [neg(div(right, mul(left, add(left, right)))), at(0, -2)],
    [div(sub(right, left), mul(left, right)), at(1, -1)],
    [div(left, mul(right, add(left, right))), at(2)],
  ]);
  if (order === 1)
    return cat([div(sub(at(1, 2), at(0, 1)), of(0, 1)), inside, div(sub(at(-1), at(-2, -1)), of(-1))], dim);
  const [p, q] = [of(0, 1), of(1, 2)];
  const first = combination([
    [neg(div(add(mul(p, 2), q), mul(p, add(p, q)))), at(0, 1)],
    [div(add(p, q), mul(p, q)), at(1, 2)],
    [neg(div(p, mul(q, add(p, q)))), at(2, 3)],
  ]);
  const [r, s] = [of(-2, -1), of(-1)];
  const last = combination([
    [div(s, mul(r, add(r, s))), at(-3, -2)],
    [neg(div(add(r, s), mul(r, s))), at(-2, -1)],
    [div(add(mul(s, 2), r), mul(s, add(r, s))), at(-1)],
  ]);
  return cat([first, inside, last], dim);
}

/** The derivatives of samples of a function along each of `dims` (all by default). */
export function finiteDifferences(
  x: TensorBase,
  spacing: Spacing = 1,
  dim?: number | readonly number[],
  order = 1,
): TensorBase[] {
  const rank = x.shape.length;
  const dims = wrapDims('gradient', typeof dim === 'number' ? [dim] : (dim ?? x.shape.map((_, d) => d)), rank);
  if (order !== 1 && order !== 2)
    throw new ArgumentError(
      `gradient: torch.gradient only supports edge_order=1 and edge_order=2. Got edgeOrder ${order}`,
    );
  if (typeof spacing !== 'number') checkList('gradient', 'spacing', spacing);
  if (typeof spacing !== 'number' && spacing.length !== dims.length)
    throw new ArgumentError(
      `gradient: torch.gradient expected spacing to be unspecified, a scalar or it's spacing and dim arguments to have the same length, but got a spacing argument of length ${spacing.length} and a dim argument of length ${dims.length}.`,
    );
  for (const d of dims) {
    if (!(x.shape[d] > order))
      throw new ShapeError(
        `gradient: torch.gradient expected each dimension size to be at least edge_order+1 = ${order + 1}, got shape ${shapeText(x.shape)}`,
      );
  }
  const samples = toFloat(x);
  return dims.map((d, i) => {
    const step = typeof spacing === 'number' ? spacing : spacing[i];
    if (typeof step !== 'number') checkTensors('gradient', step);
    if (typeof step === 'number') return evenly(samples, d, step, order);
    if (step.shape.length !== 1 || step.count !== x.shape[d])
      throw new ShapeError(
        `gradient: torch.gradient expected each element of spacing to have one place for each of the ${x.shape[d]} samples along dimension ${d}, got shape ${shapeText(step.shape)}`,
      );
    return unevenly(samples, d, step, order);
  });
}
