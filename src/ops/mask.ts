import {
  countNonzero,
  maskedScatter as maskedScatterKernel,
  maskedSelect as maskedSelectKernel,
  nonzero as nonzeroKernel,
} from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { DTypeError, NotImplementedError, ShapeError } from '../core/errors.ts';
import { defineOp, notDifferentiable, type Op } from '../core/op.ts';
import { broadcastShapes, numel, sameShape, shapeText } from '../core/shape.ts';
import { alias, checkTensors, fresh, type Operand, type TensorBase } from '../core/tensor.ts';
import { contiguous, toDType } from './copy.ts';
import { zeros } from './create.ts';
import { ops, where } from './elementwise.ts';
import { batch } from './indexing.ts';
import { inPlaceOf } from './inplace.ts';
import { stack } from './join.ts';
import { takeAt } from './places.ts';
import { select } from './slices.ts';
import { storable } from './storable.ts';
import { expand, reshape, t, unsqueeze } from './view.ts';
import { defineWriting, linearBut, onZeros, type Writing, type WritingOp, writing } from './writing.ts';

/*
 * Elements chosen by truth values. How many there are hangs on the values, and with it the shape of what
 * is selected, so that selections cannot be done for a whole batch at once.
 */

/** Refuses masks that are not of truth values. */
function checkMask(op: string, mask: TensorBase, words = `${op} only supports boolean masks`): void {
  checkTensors(op, mask);
  if (mask.dtype === 'bool') return;
  throw new DTypeError(
    `${op}: ${words}, but got mask with dtype ${mask.dtype}; make it one with mask.bool() or a comparison`,
  );
}

function dynamicShape(op: string): never {
  throw new NotImplementedError(
    `vmap: ${op}: We do not support batching operators that can output dynamic shape: every example would have another number of elements. Use where(condition, a, b), which keeps the shape`,
  );
}

/** A row of indices (int32) for every element that is not zero, in row-major order: [count, rank]. */
const nonzeroOp: Op<undefined> = defineOp({
  name: 'nonzero',
  cheap: () => 'at need',
  inputs: ['x'],
  forward: ([x]) => {
    const y = fresh([x.count === 0 ? 0 : countNonzero(x), x.shape.length], 'int32');
    nonzeroKernel(y, x);
    return y;
  },
  vjp: notDifferentiable,
  jvp: notDifferentiable,
  vmap: () => dynamicShape('nonzero'),
});

export function nonzero(x: TensorBase): TensorBase {
  return apply1(nonzeroOp, [x], undefined);
}

/** The indices of elements that are not zero, a vector for each dimension; a scalar counts as a vector. */
export function nonzeroColumns(x: TensorBase): TensorBase[] {
  const found = nonzero(x.shape.length === 0 ? unsqueeze(x, 0) : x);
  return Array.from({ length: found.shape[1] }, (_, d) => select(found, 1, d));
}

// y = the elements of x where the mask holds        x̄ = maskedScatter(0, mask, ȳ)
const maskedSelectOp: Op<undefined> = defineOp({
  name: 'maskedSelect',
  cheap: () => 'at need',
  inputs: ['x', 'mask'],
  forward: ([x, mask]) => {
    const shape = broadcastShapes('maskedSelect', x.shape, mask.shape);
    const y = fresh([numel(shape) === 0 ? 0 : countNonzero(mask, shape)], x.dtype);
    maskedSelectKernel(y, x, mask, shape);
    return y;
  },
  vjp: {
    x: [
      ['mask'],
      (g, [mask], c) =>
        onZeros(maskedScatterOp, broadcastShapes('maskedSelect', c.shape(0), mask.shape), [mask, g], undefined),
    ],
  },
  jvp: linearBut(() => maskedSelectOp, 1),
  vmap: ([x, mask], [, inMask], _, size) => {
    if (inMask) dynamicShape('maskedSelect');
    // One mask for all selects as much from every example.
    const each = broadcastShapes('maskedSelect', x.shape.slice(1), mask.shape);
    const shape = each.length === 0 ? [1] : each;
    const ones = new Array<number>(shape.length - x.shape.length + 1).fill(1);
    const examples = expand(reshape(x, [size, ...ones, ...x.shape.slice(1)]), [size, ...shape]);
    return takeAt(examples, t(nonzero(expand(mask, shape))), { dims: shape.map((_n, d) => d + 1), at: 1 });
  },
});

/** The elements of `x` where `mask` holds, in one row; the two broadcast. */
export function maskedSelect(x: TensorBase, mask: TensorBase): TensorBase {
  checkMask('maskedSelect', mask, 'masked_select: expected BoolTensor for mask');
  return apply1(maskedSelectOp, [x, mask], undefined);
}

/** An operation on every example by itself, where what happens to its elements hangs on its own mask. */
function oneByOne<A>(op: () => Op<A>): Op<A>['vmap'] {
  return (inputs, batched, attrs, size) => {
    const many = inputs.map((x, i) => batch(x as TensorBase, batched[i], size));
    const examples = Array.from({ length: size }, (_, b) =>
      apply1(
        op(),
        many.map((x) => select(x, 0, b)),
        attrs,
      ),
    );
    return stack(examples);
  };
}

// y = the elements of x where the mask holds, and zeros up to a length        x̄ = maskedScatter(0, mask, ȳ)
const maskedFrontOp: Op<{ readonly length: number }> = defineOp({
  name: 'maskedFront',
  inputs: ['x', 'mask'],
  forward: ([x, mask], { length }) => {
    const y = zeros([length], x.dtype);
    const count = x.count === 0 ? 0 : countNonzero(mask, x.shape);
    if (count > length) throw new ShapeError(`maskedFront: ${count} elements for a length of ${length}`);
    maskedSelectKernel(alias(y, [count], [1]), x, mask, x.shape);
    return y;
  },
  vjp: { x: [['mask'], (g, [mask], c) => onZeros(maskedScatterOp, c.shape(0), [mask, g], undefined)] },
  jvp: linearBut(() => maskedFrontOp, 1),
  vmap: oneByOne(() => maskedFrontOp),
});

// y = x,  y[mask] = the first elements of src        x̄ = ȳ where the mask does not hold,  src̄ = maskedFront(ȳ, mask)
const maskedScatterOp: WritingOp<undefined> = defineWriting({
  name: 'maskedScatter',
  cheap: true,
  inputs: ['x', 'mask', 'src'],
  write: (y, [mask, src]) => {
    const count = y.count === 0 ? 0 : countNonzero(mask, y.shape);
    if (count > src.count)
      throw new ShapeError(
        `maskedScatter: Number of elements of source < number of ones in mask: ${src.count} for ${count}`,
      );
    maskedScatterKernel(y, mask, contiguous(src));
  },
  vjp: {
    x: [['mask'], (g, [mask]) => where(mask, 0, g)],
    src: [
      ['mask'],
      (g, [mask], c) => reshape(apply1(maskedFrontOp, [g, mask], { length: numel(c.shape(2)) }), c.shape(2)),
    ],
  },
  jvp: linearBut(() => maskedScatterOp, 1),
  vmap: oneByOne(() => maskedScatterOp),
});

/** `x` with the elements of `src`, one after the other, where `mask` holds; `x` and `mask` broadcast. */
export function maskedScatter(x: TensorBase, mask: TensorBase, src: TensorBase): TensorBase {
  const call = maskedScatterCall(x, mask, src);
  return apply1(
    call.op,
    [expand(x, broadcastShapes('maskedScatter', x.shape, mask.shape)), ...call.others],
    call.attrs,
  );
}

function maskedScatterCall(x: TensorBase, mask: TensorBase, src: TensorBase): Writing {
  checkMask('maskedScatter', mask, 'masked_scatter: expected BoolTensor for mask');
  checkTensors('maskedScatter', src);
  if (x.dtype !== src.dtype)
    throw new DTypeError(
      `maskedScatter: masked_scatter: expected self and source to have same dtypes but got ${x.dtype} and ${src.dtype}`,
    );
  return writing(maskedScatterOp, [mask, src], undefined);
}

export function maskedScatter_(x: TensorBase, mask: TensorBase, src: TensorBase): TensorBase {
  const call = maskedScatterCall(x, mask, src);
  const shape = broadcastShapes('maskedScatter_', x.shape, mask.shape);
  if (!sameShape(shape, x.shape))
    throw new ShapeError(
      `maskedScatter_: output with shape ${shapeText(x.shape)} doesn't match the broadcast shape ${shapeText(shape)}`,
    );
  return inPlaceOf('maskedScatter', x, call.others, (y) => maskedScatter(y, mask, src));
}

/** The inputs of `ops.maskedFill`: a value of the dtype of `x`. */
export function maskedFillInputs(
  x: TensorBase,
  mask: TensorBase,
  value: Operand,
): readonly [TensorBase, TensorBase, Operand] {
  checkMask('maskedFill', mask, 'masked_fill only supports boolean masks');
  if (typeof value === 'number') return [x, mask, storable('maskedFill', value, x.dtype)];
  checkTensors('maskedFill', value);
  if (value.shape.length > 0)
    throw new ShapeError(
      `maskedFill: masked_fill_ only supports a 0-dimensional value tensor, but got tensor with ${value.shape.length} dimension(s): shape ${shapeText(value.shape)}. Use where(mask, value, x)`,
    );
  return [x, mask, toDType(value, x.dtype)];
}

/** `x` with a number, or the value of a scalar tensor, where `mask` holds. */
export function maskedFill(x: TensorBase, mask: TensorBase, value: Operand): TensorBase {
  const inputs = maskedFillInputs(x, mask, value);
  return (typeof value === 'number' ? ops.maskedFill : ops.maskedFillTensor).call(...inputs);
}
