import { type Tensor, tensor } from 'nabla';
import { numel, type Shape } from './numbers.ts';

/** The same elements, moved on by `by` places: another example from the same domain. */
function rolled(t: Tensor, by: number): Tensor {
  const values = t.toTypedArray();
  const n = values.length;
  const moved = values.map((_, i) => values[(i + by) % n]);
  return tensor(moved, { dtype: t.dtype, shape: t.shape });
}

/** `size` examples of each tensor: the tensors themselves first. */
export function examplesOf(xs: readonly Tensor[], size: number): Tensor[][] {
  return Array.from({ length: size }, (_, b) => xs.map((x) => rolled(x, b)));
}

/** Tensors of one shape stacked along `dim` by copying elements: nothing that is under test takes part. */
export function stacked(ts: readonly Tensor[], dim = 0): Tensor {
  const [first] = ts;
  const outer = numel(first.shape.slice(0, dim));
  const inner = numel(first.shape.slice(dim));
  const values = ts.map((t) => t.toTypedArray());
  const all = first.toTypedArray().slice(0, 0).constructor as new (n: number) => Float64Array;
  const out = new all(ts.length * first.numel());
  for (let o = 0; o < outer; o++)
    for (let b = 0; b < ts.length; b++)
      out.set(values[b].subarray(o * inner, (o + 1) * inner) as Float64Array, (o * ts.length + b) * inner);
  const shape: Shape = [...first.shape.slice(0, dim), ts.length, ...first.shape.slice(dim)];
  return tensor(out, { dtype: first.dtype, shape });
}
