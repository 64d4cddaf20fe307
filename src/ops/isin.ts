import { integerRange, searchSorted, sort } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { resultType } from '../core/promotion.ts';
import { checkTensors, fresh, type Operand, type TensorBase } from '../core/tensor.ts';
import { contiguous, toDType } from './copy.ts';
import { full, zeros } from './create.ts';
import { clamp, eq, logicalNot, minimum, sub } from './elementwise.ts';
import { indexFill, indexSelect } from './index-slices.ts';
import { any } from './reduce.ts';
import { flatten, reshape, unsqueeze } from './view.ts';

/** Entries of a table that are never too many, and pairs that are sooner compared than values are sorted. */
const FEW = 256;

/** The same for whole numbers, if the values are of a short range: looked up in a table of it, with a place for others at either end. */
function byTable(x: TensorBase, values: TensorBase): TensorBase | null {
  const [least, most] = integerRange(contiguous(values));
  const [before, behind] = [least - 1, most + 1];
  if (behind - before > x.count + FEW || before < -(2 ** 31) || behind >= 2 ** 31) return null;
  const table = indexFill(zeros([behind - before + 1], 'bool'), 0, sub(values, before), 1);
  const places = sub(clamp(toDType(x, 'int32'), before, behind), before);
  return reshape(indexSelect(table, 0, flatten(places)), x.shape);
}

/** Whether each element of `x` is one of the vector `values`, of the same dtype: where it would stand among them stands its equal. */
const isinOp: Op<undefined> = defineOp({
  name: 'isin',
  cheap: () => 'at need',
  inputs: ['x', 'values'],
  forward: ([x, values]) =>
    internally(() => {
      const count = values.count;
      if (count === 0) return full(x.shape, 0, 'bool');
      if (count * x.count <= FEW) return any(eq(unsqueeze(x, -1), values), -1);
      const marked = isFloat(x.dtype) ? null : byTable(x, toDType(values, 'int32'));
      if (marked !== null) return marked;
      const sorted = fresh([count], values.dtype);
      sort(sorted, fresh([count], 'int32'), values, 0);
      const wanted = reshape(contiguous(x), [1, x.count]);
      const places = fresh([1, x.count], 'int32');
      searchSorted(places, sorted, wanted, null, false);
      const found = indexSelect(sorted, 0, minimum(reshape(places, [x.count]), count - 1));
      return eq(x, reshape(found, x.shape));
    }),
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: ([x, values], [inX, inValues], _, size) => {
    if (!inValues) return apply1(isinOp, [x, values], undefined);
    // Every example has values of its own: each element beside all of them.
    const rank = x.shape.length - (inX ? 1 : 0);
    const beside = reshape(values, [size, ...new Array<number>(rank).fill(1), values.shape[1]]);
    return any(eq(unsqueeze(x, -1), beside), -1);
  },
});

/** Whether each element of `x` is one of `values`; NaN is equal to nothing. */
export function isin(x: TensorBase, values: Operand, invert = false): TensorBase {
  checkTensors('isin', x);
  if (typeof values !== 'number') checkTensors('isin', values);
  const dtype = resultType('isin', [x, values]);
  const among = typeof values === 'number' ? full([1], values, dtype) : toDType(flatten(values), dtype);
  const found = apply1(isinOp, [toDType(x, dtype), among], undefined);
  return invert ? logicalNot(found) : found;
}
