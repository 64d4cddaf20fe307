import { sync } from '../../core/apply.ts';
import { kindOf } from '../../core/arguments.ts';
import { isFloat } from '../../core/dtype.ts';
import { ArgumentError, AutogradError, DTypeError, ShapeError } from '../../core/errors.ts';
import { forwardLevel, setForwardLevel, withoutForward } from '../../core/forward.ts';
import { sameShape, shapeText } from '../../core/shape.ts';
import { levelOf, TensorBase } from '../../core/tensor.ts';
import { permute } from '../../ops/view.ts';
import type { FitTangent } from '../../tensor/signatures.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Guard, hold } from '../hold.ts';
import { TangentLevel } from './level.ts';

/** The number of the level in force: there is one at a time. */
const LEVEL = 0;

const current = (): TangentLevel | null => (forwardLevel instanceof TangentLevel ? forwardLevel : null);

function enter(level: TangentLevel): () => void {
  if (forwardLevel !== null)
    throw new AutogradError(
      'Nested forward mode AD is not supported at the moment: a dual level has been entered already. For derivatives of derivatives use jvp, or backward inside the level.',
    );
  setForwardLevel(level);
  return leave;
}

function leave(): void {
  setForwardLevel(null);
}

/**
 * Enters a level of forward mode while `body` runs (or to the end of the block:
 * `using _ = forwardAd.dualLevel();`). In it `makeDual` gives tensors tangents, and operations pass them
 * on: tangents of results are directional derivatives. When the level is left they are gone.
 *
 * @throws {AutogradError} inside another dual level.
 */
export function dualLevel(): Guard;
export function dualLevel<R>(body: (level: number) => R): R;
export function dualLevel(body?: (level: number) => unknown): unknown {
  const level = new TangentLevel();
  const inside = typeof body === 'function' ? () => body(LEVEL) : body;
  return hold('forwardAd.dualLevel', () => enter(level), inside as (() => unknown) | undefined);
}

/** Enters a level of forward mode until `exitDualLevel()`, and returns its number, 0. */
export function enterDualLevel(): number {
  enter(new TangentLevel());
  return LEVEL;
}

/** Leaves the level: the tangents of its tensors are gone. */
export function exitDualLevel(options: { readonly level?: number } = {}): void {
  if (forwardLevel === null)
    throw new AutogradError('exitDualLevel: Dual level must be a positive number: no level exists to be left');
  if (options.level !== undefined && options.level !== LEVEL)
    throw new AutogradError(
      'exitDualLevel: Trying to exit a forward AD level that was not the last one that was created. This is not supported.',
    );
  leave();
}

/** A view of the whole of a tensor, made by a node of this name. */
function viewAs(t: TensorBase, node: string): TensorBase {
  return permute(
    t,
    t.shape.map((_, d) => d),
    node,
  );
}

function checkTensor(op: string, what: string, t: unknown): asserts t is TensorBase {
  if (!(t instanceof TensorBase)) throw new ArgumentError(`${op}: Expected ${what} to be a Tensor, got ${kindOf(t)}`);
}

/**
 * A view of `tensor` with a tangent. `unpackDual` finds `tangent` itself in it, if it lies in memory as
 * `tensor` does, else a copy.
 *
 * @throws {AutogradError} when no level has been entered, or one of the two has a tangent already.
 * @throws {DTypeError} unless both are of floating point dtype.
 * @throws {ShapeError} when they differ in shape.
 */
export function makeDual<T extends Tensor, V extends Tensor>(tensor: T, tangent: FitTangent<T, V>): T {
  const level = current();
  if (level === null)
    throw new AutogradError(
      'Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first: forwardAd.dualLevel(() => …)',
    );
  const [x, v]: readonly unknown[] = [tensor, tangent];
  checkTensor('makeDual', 'primal', x);
  checkTensor('makeDual', 'tangent', v);
  for (const [what, t] of [
    ['primal', x],
    ['tangent', v],
  ] as const)
    if (!isFloat(t.dtype))
      throw new DTypeError(`makeDual: Expected ${what} to be floating point or complex, but got: ${t.dtype}`);
  if (level.tangentOf(x) !== null)
    throw new AutogradError(
      `Making a dual Tensor based on a Tensor that already has a forward gradient at the same level ${LEVEL} is not supported.`,
    );
  if (level.tangentOf(v) !== null)
    throw new AutogradError(
      `Setting a forward grad that itself has a forward gradient at the same level ${LEVEL} is not supported.`,
    );
  if (!sameShape(x.shape, v.shape))
    throw new ShapeError(
      `Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of size ${shapeText(x.shape)} while the given forward gradient is of size ${shapeText(v.shape)}.`,
    );
  for (const t of [x, v])
    if ((levelOf(t)?.id ?? 0) > level.id)
      throw new AutogradError(
        'makeDual: the dual level was entered outside the transformed function that this tensor belongs to; enter it inside',
      );
  const dual = withoutForward(() => viewAs(x, 'ViewBackward0'));
  level.set(dual, v);
  return dual as T;
}

/** A tensor's value and its tangent: `{ primal, tangent }`, or `[primal, tangent]`. */
export class UnpackedDualTensor<T extends Tensor = Tensor> {
  readonly primal: T;
  /** null where the tensor has none. */
  readonly tangent: T | null;

  constructor(primal: T, tangent: T | null) {
    this.primal = primal;
    this.tangent = tangent;
  }

  *[Symbol.iterator](): Generator<T | null, void, undefined> {
    yield this.primal;
    yield this.tangent;
  }
}

/**
 * The value of a tensor and its tangent at the level in force. The value is a view of the tensor that has
 * no tangent; outside of a level it is the tensor itself.
 */
export function unpackDual<T extends Tensor>(tensor: T): UnpackedDualTensor<T> {
  const t: unknown = tensor;
  checkTensor('unpackDual', 'tensor', t);
  const level = current();
  if (level === null) return new UnpackedDualTensor(tensor, null);
  const tangent = level.tangentOf(t);
  const primal = withoutForward(() => viewAs(sync(t), 'Identity'));
  level.seal(primal);
  return new UnpackedDualTensor(primal as T, tangent as T | null);
}
