import { ShapeError } from '../core/errors.ts';
import { broadcastShapes, type Shape, shapeText, wrapDim } from '../core/shape.ts';
import { checkTensors, type TensorBase } from '../core/tensor.ts';
import { add, lt, where } from './elementwise.ts';
import { amin } from './extrema.ts';
import { checkIndex, gather } from './indexing.ts';
import { elementOf } from './inspect.ts';
import { expand, flatten } from './view.ts';

/** Places counted from the end where they are negative. */
function fromEnd(index: TensorBase, n: number): TensorBase {
  const least = index.count === 0 ? 0 : elementOf(amin(index));
  return least !== null && least >= 0 ? index : where(lt(index, 0), add(index, n), index);
}

/** `gather` where all dimensions but `dim` broadcast; without `dim` both are one row. */
export function takeAlongDim(x: TensorBase, index: TensorBase, dim?: number): TensorBase {
  checkTensors('takeAlongDim', x, index);
  checkIndex('takeAlongDim', index);
  if (dim === undefined) return gather(flatten(x), 0, fromEnd(flatten(index), x.count));
  const rank = x.shape.length;
  if (index.shape.length !== rank)
    throw new ShapeError(
      `takeAlongDim: torch.take_along_dim(): input and indices should have the same number of dimensions, but got ${rank} dimensions for input, and ${index.shape.length} dimensions for indices (shapes ${shapeText(x.shape)} and ${shapeText(index.shape)})`,
    );
  const d = wrapDim('takeAlongDim', dim, rank);
  if (rank === 0) return gather(x, 0, fromEnd(index, 1));
  const one = (shape: Shape): Shape => shape.with(d, 1);
  const common = broadcastShapes('takeAlongDim', one(x.shape), one(index.shape));
  const [n, places] = [x.shape[d], expand(index, common.with(d, index.shape[d]))];
  return gather(expand(x, common.with(d, n)), d, fromEnd(places, n));
}
