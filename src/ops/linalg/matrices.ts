import { dtypeInfo, isFloat } from '../../core/dtype.ts';
import { DTypeError, LinAlgError, NotImplementedError, ShapeError } from '../../core/errors.ts';
import { scopeOf } from '../../core/levels.ts';
import { broadcastShapes, type Shape, sameShape, shapeText } from '../../core/shape.ts';
import { checkTensors, levelOf, type TensorBase } from '../../core/tensor.ts';
import { eyeMatrix } from '../create.ts';
import { where } from '../elementwise.ts';
import { firstNonZero } from '../inspect.ts';
import { diagonal as diagonalOf } from '../paths.ts';
import { expand } from '../view.ts';

/* What operations on (batches of) matrices share: arguments checked in PyTorch's words, triangles, diagonals. */

export const rowsOf = (x: TensorBase): number => x.shape[x.shape.length - 2];
export const columnsOf = (x: TensorBase): number => x.shape[x.shape.length - 1];
export const batchOf = (x: TensorBase): Shape => x.shape.slice(0, -2);
export const epsilonOf = (x: TensorBase): number => dtypeInfo(x.dtype).eps;

// ─── arguments ───────────────────────────────────────────────────────────────────────────────────

export function checkMatrix(op: string, x: TensorBase, name = 'A'): void {
  checkTensors(op, x);
  if (x.shape.length < 2) {
    throw new ShapeError(
      `${op}: The input tensor ${name} must have at least 2 dimensions, got shape ${shapeText(x.shape)}.`,
    );
  }
}

export function checkSquare(op: string, x: TensorBase, name = 'A'): void {
  checkMatrix(op, x, name);
  if (rowsOf(x) !== columnsOf(x)) {
    throw new ShapeError(
      `${op}: ${name} must be batches of square matrices, but they are ${rowsOf(x)} by ${columnsOf(x)} matrices`,
    );
  }
}

export function checkFloat(op: string, x: TensorBase): void {
  checkTensors(op, x);
  if (isFloat(x.dtype)) return;
  throw new DTypeError(
    `${op}: Expected a floating point or complex tensor as input. Got ${x.dtype}; convert with .to('float32') first`,
  );
}

/** A batch of square matrices of floating point numbers. */
export function checkSquareFloat(op: string, x: TensorBase, name = 'A'): void {
  checkSquare(op, x, name);
  checkFloat(op, x);
}

export function checkSameDType(op: string, a: TensorBase, b: TensorBase, names: readonly string[] = ['A', 'B']): void {
  if (a.dtype === b.dtype) return;
  throw new DTypeError(
    `${op}: Expected ${names[0]} and ${names[1]} to have the same dtype, but found ${names[0]} of type ${a.dtype} and ${names[1]} of type ${b.dtype} instead`,
  );
}

/** Refuses what gradients or tangents would have to pass through, where there is no derivative. */
export function refuseDerivative(op: string, x: TensorBase): void {
  for (let t = x; ; ) {
    const { wrapped } = t;
    if ((t.tracked && scopeOf(levelOf(t)).enabled) || (wrapped?.kind === 'dual' && wrapped.tangent !== null)) {
      throw new NotImplementedError(
        `${op}: the derivative for '${op}' is not implemented; take x.detach() if none is wanted`,
      );
    }
    if (wrapped === null) return;
    t = wrapped.value;
  }
}

/** Throws what `info` says of a failure: `reason(k)` for the first matrix whose info is k. */
export function refuse(op: string, info: TensorBase, reason: (k: number) => string): void {
  const found = firstNonZero(info);
  if (found === null) return;
  const which = info.shape.length === 0 ? '' : ` (Batch element ${found.place}):`;
  throw new LinAlgError(`${op}:${which} ${reason(found.value)}`);
}

/** Two tensors of matrices with their batch dimensions broadcast to each other, as views. */
export function sameBatch(op: string, a: TensorBase, b: TensorBase): readonly [TensorBase, TensorBase] {
  const batch = broadcastShapes(op, batchOf(a), batchOf(b));
  const over = (x: TensorBase): TensorBase =>
    sameShape(batch, batchOf(x)) ? x : expand(x, [...batch, rowsOf(x), columnsOf(x)]);
  return [over(a), over(b)];
}

// ─── parts of matrices ───────────────────────────────────────────────────────────────────────────

/** The main diagonal of every matrix. */
export const diagonal = (x: TensorBase): TensorBase => diagonalOf(x, 0, -2, -1);

/** Square matrices: `inside` on the diagonal, `outside` elsewhere. */
export function onDiagonal(inside: TensorBase | number, outside: TensorBase | number): TensorBase {
  const sized = typeof inside === 'number' ? (outside as TensorBase) : inside;
  return where(eyeMatrix(rowsOf(sized), rowsOf(sized), 'bool'), inside, outside);
}
