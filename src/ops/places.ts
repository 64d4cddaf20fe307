import { type Indexed, put as putKernel, take as takeKernel } from '../backends/wasm/indexing.ts';
import { apply1 } from '../core/apply.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { shapeText } from '../core/shape.ts';
import { alias, checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { counting, zeros } from './create.ts';
import { checkIndex } from './indexing.ts';
import { cat } from './join.ts';
import { named } from './named.ts';
import { expand, movedim, reshape, unsqueeze } from './view.ts';
import { defineWriting, linearBut, onZeros, type WritingOp } from './writing.ts';

/*
 * Reading and writing at places given by several indices at once, as x[i, :, j] does. The indices come
 * as one int32 tensor with a row for each dimension that is indexed; negative ones count from the end.
 */

interface PutAttrs extends Indexed {
  readonly accumulate: boolean;
}

/** The shape of what is at the places: the index's own dimensions stand where `at` says. */
export function takenShape(x: TensorBase, index: TensorBase, { dims, at }: Indexed): readonly number[] {
  return x.shape.filter((_, d) => !dims.includes(d)).toSpliced(at, 0, ...index.shape.slice(1));
}

const inBatch = <A extends Indexed>(attrs: A): A => ({
  ...attrs,
  dims: attrs.dims.map((d) => d + 1),
  at: attrs.at + 1,
});

/** The batch dimension made one more that is indexed, so that every example has places of its own. */
interface WithBatch {
  readonly index: TensorBase;
  readonly indexed: Indexed;
  /** Brings what is at the places from [batch, index…, rest…] to [batch, …], and back. */
  out(y: TensorBase): TensorBase;
  in(v: TensorBase): TensorBase;
}

function withBatch(index: TensorBase, { dims, at, row = false }: Indexed, size: number): WithBatch {
  // [size, rows, …] → [1 + rows, size, …]
  const rows = movedim(index, 0, 1);
  const among = rows.shape.slice(1);
  const examples = reshape(
    counting(size),
    among.map((n, k) => (k === 0 ? n : 1)),
  );
  const all = cat([unsqueeze(expand(examples, among), 0), rows]);
  const own = among.slice(1).map((_, k) => k + 1);
  const there = own.map((d) => d + at);
  return {
    index: all,
    indexed: { row, dims: [0, ...dims.map((d) => d + 1)], at: 0 },
    out: (y) => movedim(y, own, there),
    in: (v) => movedim(v, there, own),
  };
}

/** An index of one dimension as the one row it is. Nobody differentiates by an index. */
export function oneRow(index: TensorBase): TensorBase {
  if (index.wrapped !== null || index.meta !== null) return unsqueeze(index, 0);
  return alias(index, [1, ...index.shape], [index.count, ...index.strides]);
}

// y[…, i, …] = x[…, index[0, i], index[1, i], …]        x̄ = indexPut(0, index, ȳ), adding
const indexOp: Op<Indexed> = defineOp({
  name: 'index',
  cheap: true,
  inputs: ['x', 'index'],
  forward: ([x, index], indexed) => {
    const y = fresh(takenShape(x, index, indexed), x.dtype);
    takeKernel(y, x, index, indexed);
    return y;
  },
  vjp: {
    x: [['index'], (g, [index], c) => onZeros(indexPutOp, c.shape(0), [index, g], { ...c.attrs, accumulate: true })],
  },
  jvp: linearBut(() => indexOp, 1),
  vmap: ([x, index], [inX, inI], attrs, size) => {
    if (!inI) return apply1(indexOp, [x, index], inBatch(attrs));
    if (!inX) {
      // The index's own dimensions come out at `at`, and the batch is the first of them.
      return movedim(apply1(indexOp, [x, movedim(index, 0, 1)], attrs), attrs.at, 0);
    }
    const batched = withBatch(index, attrs, size);
    return batched.out(apply1(indexOp, [x, batched.index], batched.indexed));
  },
});

/** The elements of `x` at places: see `Indexed`. */
export function takeAt(x: TensorBase, index: TensorBase, indexed: Indexed): TensorBase {
  return apply1(indexOp, [x, index], indexed);
}

// y = x,  y[…, index[0, i], …] = v[…, i, …]  (or +=)
//   x̄ = ȳ with 0 at the places  (or ȳ),  v̄ = ȳ[…, index[0, i], …]
export const indexPutOp: WritingOp<PutAttrs> = defineWriting({
  name: 'indexPut',
  cheap: true,
  inputs: ['x', 'index', 'v'],
  write: (y, [index, v], { accumulate, ...indexed }) => putKernel(y, index, v, indexed, accumulate),
  vjp: {
    x: [
      ['index'],
      (g, [index], { attrs }) => {
        if (attrs.accumulate) return g;
        return putAt(g, index, expand(zeros([], g.dtype), takenShape(g, index, attrs)), attrs);
      },
    ],
    v: [['index'], (g, [index], { attrs: { accumulate: _, ...indexed } }) => takeAt(g, index, indexed)],
  },
  jvp: linearBut(() => indexPutOp, 1),
  vmap: ([x, index, v], [inX, inI, inV], attrs, size) => {
    const many = (t: TensorBase, batched: boolean): TensorBase =>
      batched ? t : expand(unsqueeze(t, 0), [size, ...t.shape]);
    const [to, from] = [many(x, inX), many(v, inV)];
    if (!inI) return apply1(indexPutOp, [to, index, from], inBatch(attrs));
    const batched = withBatch(index, attrs, size);
    return apply1(indexPutOp, [to, batched.index, batched.in(from)], {
      ...batched.indexed,
      accumulate: attrs.accumulate,
    });
  },
});

/** `x` with `v`, which has the shape of what is at the places, written or added there. */
function putAt(x: TensorBase, index: TensorBase, v: TensorBase, attrs: PutAttrs): TensorBase {
  return apply1(indexPutOp, [x, index, v], attrs);
}

// ── places in row-major order ──

const FLAT: Indexed = { dims: [0], at: 0, row: true };
const flat = (x: TensorBase): TensorBase => (x.shape.length === 1 ? x : reshape(x, [x.count]));

function checkPlaces(op: string, x: TensorBase, index: TensorBase): void {
  checkTensors(op, x, index);
  checkIndex(op, index);
  if (x.count === 0 && index.count > 0)
    throw new ShapeError(
      `${op}: ${op}(): tried to ${op} elements ${op === 'put' ? 'into' : 'from'} an empty tensor of shape ${shapeText(x.shape)}`,
    );
}

/** The elements of `x`, seen as one row, at the places in `index`; negative ones count from the end. */
export function take(x: TensorBase, index: TensorBase): TensorBase {
  checkPlaces('take', x, index);
  return named(takeAt(flat(x), oneRow(index), FLAT), 'TakeBackward0');
}

/** `x`, seen as one row, with the elements of `source` written (or added) at the places in `index`. */
export function put(x: TensorBase, index: TensorBase, source: TensorBase, accumulate = false): TensorBase {
  checkTensors('put', source);
  checkPlaces('put', x, index);
  if (source.dtype !== x.dtype)
    throw new DTypeError(
      `put: put_(): self and source expected to have the same dtype, but got self.dtype = ${x.dtype} and source.dtype = ${source.dtype}`,
    );
  if (index.count !== source.count)
    throw new ShapeError(
      `put: put_(): Expected source and index to have the same number of elements, but got source.numel() = ${source.count}, index.numel() = ${index.count}`,
    );
  const y = putAt(flat(x), oneRow(flat(index)), flat(source), { ...FLAT, accumulate });
  return named(reshape(y, x.shape), 'PutBackward0');
}
