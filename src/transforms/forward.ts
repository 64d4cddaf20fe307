import { settled } from '../core/apply.ts';
import { kindOf } from '../core/arguments.ts';
import { isFloat } from '../core/dtype.ts';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../core/errors.ts';
import { withLevel } from '../core/levels.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { auxParts, leavesLike, mapTree, resultLeaves, treeLeaves, treeText, withLeaves } from '../core/tree.ts';
import { zerosLike } from '../ops/create.ts';
import { DualLevel, entering } from './levels.ts';

/** Primals and tangents, leaf by leaf. */
function pairs(
  transform: string,
  primals: readonly unknown[],
  tangents: readonly unknown[],
): { points: TensorBase[]; directions: TensorBase[] } {
  const refuse = (text: string): never => {
    throw new ArgumentError(`${transform}: jvp(f, primals, tangents): ${text}`);
  };
  if (!Array.isArray(primals)) refuse('Expected primals to be a tuple. E.g. it should be valid to call f(...primals).');
  const directions = leavesLike(primals, tangents);
  const [built, along] = [treeText(primals), treeText(tangents)];
  if (built !== along && directions === null)
    refuse(
      `Expected primals and tangents to have the same python structure. Got primals with structure ${built} and tangents with structure ${along}`,
    );
  const tensorsOf = (what: string, tree: readonly unknown[]): TensorBase[] => {
    mapTree(
      tree,
      (t) => t,
      (x) => refuse(`Expected ${what} to only contain Tensors, got ${kindOf(x)}`),
    );
    return treeLeaves(tree);
  };
  const points = tensorsOf('primals', primals);
  tensorsOf('tangents', tangents);
  if (directions === null || (points.length === 0 && transform !== 'gradcheck'))
    return refuse('Expected primals to contain at least one Tensor.');
  return { points, directions };
}

export interface Pushed {
  readonly result: unknown;
  readonly tangent: unknown;
  readonly aux: unknown;
}

export interface PushOptions {
  /** An error where a result does not depend on the primals, instead of a zero tangent. */
  readonly strict?: boolean;
  /** `f` returns `[output, aux]`; aux is handed through. */
  readonly hasAux?: boolean;
}

/** Value of `f` at `primals` and its directional derivative along `tangents`, leaf by leaf. */
export function pushforward(
  transform: string,
  f: (...args: readonly unknown[]) => unknown,
  primals: readonly unknown[],
  tangents: readonly unknown[],
  { strict = false, hasAux = false }: PushOptions = {},
  rest: readonly unknown[] = [],
): Pushed {
  const { points, directions } = pairs(transform, primals, tangents);
  const level = new DualLevel();
  const duals = points.map((x, i) => {
    const t = directions[i];
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
    return entering(level.lift(x, t), x);
  });
  const constants = rest.map((a) => mapTree(a, (t) => entering(level.lift(t, null), t)));
  const out = withLevel(level, () => settled(f(...(withLeaves(primals, duals) as readonly unknown[]), ...constants)));
  const [output, aux] = hasAux ? auxParts(transform, out) : [out, null];
  resultLeaves(transform, output);
  const primal = (t: TensorBase): TensorBase => level.lower(t)[0];
  return {
    result: mapTree(output, primal),
    tangent: mapTree(output, (t) => {
      const [value, tangent] = level.lower(t);
      if (tangent === null && strict)
        throw new AutogradError(
          `${transform}: jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not allowed with strict: true.`,
        );
      return tangent ?? zerosLike(value);
    }),
    aux: mapTree(aux, primal),
  };
}
