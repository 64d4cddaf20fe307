import { isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { withLevel } from '../core/levels.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { mapTree, resultLeaves, treeLeaves } from '../core/tree.ts';
import { zerosLike } from '../ops/create.ts';
import { DualLevel } from './levels.ts';

/** Value of `f` at `primals` and its directional derivative along `tangents`, leaf by leaf. */
export function pushforward(
  transform: string,
  f: (...args: readonly unknown[]) => unknown,
  primals: readonly unknown[],
  tangents: readonly unknown[],
): { result: unknown; tangent: unknown } {
  if (primals.length !== tangents.length) {
    throw new ArgumentError(
      `${transform}: Expected primals and tangents to have the same structure, got ${primals.length} primals and ${tangents.length} tangents`,
    );
  }
  const level = new DualLevel();
  const directions = treeLeaves(tangents);
  const points = treeLeaves(primals);
  if (directions.length !== points.length)
    throw new ArgumentError(
      `${transform}: Expected primals and tangents to have the same structure, got ${points.length} and ${directions.length} tensors`,
    );
  let i = 0;
  const duals = primals.map((p) =>
    mapTree(p, (x) => {
      const t = directions[i++];
      if (!isFloat(x.dtype))
        throw new DTypeError(`${transform}: Expected primal to be floating point or complex, but got: ${x.dtype}`);
      if (t.dtype !== x.dtype)
        throw new DTypeError(
          `${transform}: Expected tangent to have the dtype of its primal, ${x.dtype}, but got ${t.dtype}`,
        );
      if (!sameShape(t.shape, x.shape)) {
        throw new ShapeError(
          `${transform}: Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of size ${shapeText(x.shape)} while the given forward gradient is of size ${shapeText(t.shape)}.`,
        );
      }
      return level.lift(x, t);
    }),
  );
  const output = withLevel(level, () => f(...duals));
  resultLeaves(transform, output);
  return {
    result: mapTree(output, (t) => level.lower(t)[0]),
    tangent: mapTree(output, (t) => {
      const [primal, tangent] = level.lower(t);
      return tangent ?? zerosLike(primal);
    }),
  };
}
