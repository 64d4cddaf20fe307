import { apply1 } from '../../core/apply.ts';
import { isFloat, promote } from '../../core/dtype.ts';
import { ArgumentError, DTypeError, ShapeError } from '../../core/errors.ts';
import { internally } from '../../core/internally.ts';
import { within } from '../../core/naming.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { broadcastShapes, checkList, numel, shapeText, wrapDim, wrapDims } from '../../core/shape.ts';
import { alias, checkTensors, fresh, type TensorBase } from '../../core/tensor.ts';
import * as m from '../../kernels/algebra.ts';
import { arg } from '../../kernels/expr.ts';
import { clone, toDType } from '../copy.ts';
import { eyeMatrix, full } from '../create.ts';
import { mul, where } from '../elementwise.ts';
import { ElementwiseOp } from '../elementwise-op.ts';
import { stack } from '../join.ts';
import { dot, matmul, mm, onBatch } from '../matmul.ts';
import { named } from '../named.ts';
import { sum } from '../reduce.ts';
import { vecdot as dots } from '../vecdot.ts';
import { permute, reshape, squeeze, unsqueeze } from '../view.ts';
import { checkFloat, checkSquare, diagonal, rowsOf } from './matrices.ts';
import { invEx } from './solve.ts';

/* Products that are compositions: every derivative and transform follows from their parts. */

/** a bᵀ for vectors. */
export function outer(a: TensorBase, b: TensorBase): TensorBase {
  checkTensors('outer', a, b);
  if (a.shape.length !== 1)
    throw new ShapeError(`outer: Expected 1-D argument self, but got ${a.shape.length}-D, shape ${shapeText(a.shape)}`);
  if (b.shape.length !== 1)
    throw new ShapeError(`outer: Expected 1-D argument vec2, but got ${b.shape.length}-D, shape ${shapeText(b.shape)}`);
  return mul(reshape(a, [a.count, 1]), b);
}

/** Σ a b: for real numbers the same as `dot`. */
export function vdot(a: TensorBase, b: TensorBase): TensorBase {
  return dot(a, b);
}

/** Σ a b along one dimension, the others broadcast. */
export function vecdot(a: TensorBase, b: TensorBase, dim = -1): TensorBase {
  checkTensors('linalg.vecdot', a, b);
  checkFloat('linalg.vecdot', a);
  if (a.dtype !== b.dtype)
    throw new DTypeError(
      `linalg.vecdot: Expected x and y to have the same dtype, but found x of type ${a.dtype} and y of type ${b.dtype} instead`,
    );
  return dots(a, b, dim);
}

/** Sums of products over the last dimensions of both; with a scalar, the product with it. */
export function inner(a: TensorBase, b: TensorBase): TensorBase {
  checkTensors('inner', a, b);
  if (a.shape.length === 0 || b.shape.length === 0) return mul(a, b);
  if (a.shape.at(-1) !== b.shape.at(-1)) {
    throw new ShapeError(
      `inner: inner() the last dimension must match on both input tensors but got shapes ${shapeText(a.shape)} and ${shapeText(b.shape)}`,
    );
  }
  return tensordot(a, b, [[-1], [-1]]);
}

/** How many of the last dimensions of the one go with the first of the other, or which with which. */
export type ContractedDims = number | readonly [readonly number[], readonly number[]];

function contracted(a: TensorBase, b: TensorBase, dims: ContractedDims): readonly [number[], number[]] {
  const [ra, rb] = [a.shape.length, b.shape.length];
  if (typeof dims !== 'number') {
    checkList('tensordot', 'dims', dims);
    for (const list of [dims[0], dims[1]]) checkList('tensordot', 'dims', list);
    if (dims[0].length !== dims[1].length) {
      throw new ArgumentError(
        `tensordot: both dimension lists should have same length, got ${shapeText(dims[0])} and ${shapeText(dims[1])}`,
      );
    }
    return [wrapDims('tensordot', dims[0], ra), wrapDims('tensordot', dims[1], rb)];
  }
  if (!Number.isInteger(dims) || dims < 0)
    throw new ArgumentError(`tensordot: tensordot expects dims >= 0, but got dims=${dims}`);
  if (dims > Math.min(ra, rb))
    throw new ArgumentError(`tensordot: tensordot expects dims < ndim_a or ndim_b, but got dims=${dims}`);
  return [Array.from({ length: dims }, (_, i) => ra - dims + i), Array.from({ length: dims }, (_, i) => i)];
}

/** Sums of products over pairs of dimensions: first the other dimensions of `a`, then those of `b`. */
export function tensordot(a: TensorBase, b: TensorBase, dims: ContractedDims = 2): TensorBase {
  checkTensors('tensordot', a, b);
  const [da, db] = contracted(a, b, dims);
  let [left, right] = [a, b];
  da.forEach((d, k) => {
    const [m, n] = [a.shape[d], b.shape[db[k]]];
    if (m === n) return;
    // A size of 1 goes with any: what it meets is summed.
    if (m === 1) right = sum(right, db[k], true, b.dtype);
    else if (n === 1) left = sum(left, d, true, a.dtype);
    else {
      throw new ShapeError(
        `tensordot: contracted dimensions need to match, but first has size ${m} in dim ${d} and second has size ${n} in dim ${db[k]}`,
      );
    }
  });
  const restA = left.shape.map((_, d) => d).filter((d) => !da.includes(d));
  const restB = right.shape.map((_, d) => d).filter((d) => !db.includes(d));
  const inside = numel(da.map((d) => left.shape[d]));
  const [outA, outB] = [restA.map((d) => left.shape[d]), restB.map((d) => right.shape[d])];
  const y = within('tensordot', () =>
    mm(
      reshape(permute(left, [...restA, ...da]), [numel(outA), inside]),
      reshape(permute(right, [...db, ...restB]), [inside, numel(outB)]),
    ),
  );
  return reshape(y, [...outA, ...outB]);
}

/** The Kronecker product: every element of `a` times all of `b`, for tensors of any rank. */
export function kron(a: TensorBase, b: TensorBase): TensorBase {
  checkTensors('kron', a, b);
  const rank = Math.max(a.shape.length, b.shape.length);
  const sizes = (x: TensorBase): number[] => [...new Array<number>(rank - x.shape.length).fill(1), ...x.shape];
  const [sa, sb] = [sizes(a), sizes(b)];
  const y = mul(
    reshape(
      a,
      sa.flatMap((n) => [n, 1]),
    ),
    reshape(
      b,
      sb.flatMap((n) => [1, n]),
    ),
  );
  return reshape(
    y,
    sa.map((n, d) => n * sb[d]),
  );
}

const minor = new ElementwiseOp(
  {
    name: 'minor',
    args: Array.from({ length: 4 }, () => 'value'),
    outs: [m.sub(m.mul(arg(0), arg(3)), m.mul(arg(1), arg(2)))],
  },
  { kind: 'same', differentiable: false },
);

// y = a × b        ā = b × ȳ,  b̄ = ȳ × a        (dimensions are counted from the end)
const crossOp: Op<{ readonly dim: number }> = defineOp({
  name: 'cross',
  node: 'LinalgCrossBackward0',
  cheap: true,
  inputs: ['a', 'b'],
  forward: ([a, b], { dim }) =>
    internally(() => {
      const y = fresh(broadcastShapes('cross', a.shape, b.shape), a.dtype);
      const d = y.shape.length + dim;
      /** So many places along the dimension, from one on. */
      const along = (x: TensorBase, n: number, first: number, step: number): TensorBase =>
        alias(x, x.shape.with(d, n), x.strides.with(d, step * x.strides[d]), x.offset + first * x.strides[d]);
      // Places 0 and 2 are made of 1 and 0, and of 2 and 1; place 1 is of 2 and 0.
      for (const [n, k, i, j] of [
        [2, 0, 1, 2],
        [1, 1, 2, 0],
      ])
        minor.writeInto(
          along(y, n, k, 2),
          [a, b].flatMap((x) => [along(x, n, i, -1), along(x, n, j, -1)]),
        );
      return y;
    }),
  vjp: {
    a: [['b'], (g, [b], { attrs }) => apply1(crossOp, [b, g], attrs)],
    b: [['a'], (g, [a], { attrs }) => apply1(crossOp, [g, a], attrs)],
  },
  jvp: 'multilinear',
  vmap: ([a, b], [inA, inB], attrs, size) => apply1(crossOp, [onBatch(a, inA, size), onBatch(b, inB, size)], attrs),
});

/** The vector product along a dimension of size 3; the others broadcast. */
export function cross(a: TensorBase, b: TensorBase, dim = -1, op = 'linalg.cross'): TensorBase {
  checkTensors(op, a, b);
  if (a.shape.length !== b.shape.length) {
    throw new ShapeError(
      `${op}: inputs must have the same number of dimensions, got ${shapeText(a.shape)} and ${shapeText(b.shape)}`,
    );
  }
  const d = wrapDim(op, dim, a.shape.length);
  if (a.shape[d] !== 3 || b.shape[d] !== 3) {
    throw new ShapeError(
      `${op}: inputs dimension ${dim} must have length 3. Got ${a.shape[d] ?? 1} and ${b.shape[d] ?? 1}`,
    );
  }
  broadcastShapes(op, a.shape, b.shape);
  const dtype = promote(a.dtype, b.dtype);
  if (dtype === 'bool')
    throw new DTypeError(`${op}: "cross" not implemented for 'Bool'; convert with x.to('int32') first`);
  return apply1(
    crossOp,
    [a, b].map((x) => toDType(x, dtype)),
    { dim: d - a.shape.length },
  );
}

/** PyTorch's older form: along the first dimension of size 3 if none is given. */
export function crossOld(a: TensorBase, b: TensorBase, dim?: number): TensorBase {
  if (dim !== undefined) return cross(a, b, dim, 'cross');
  const found = a.shape.indexOf(3);
  if (found < 0) throw new ShapeError(`cross: no dimension of size 3 in input, got shape ${shapeText(a.shape)}`);
  return cross(a, b, found, 'cross');
}

/** The sum of the diagonal of a matrix. */
export function trace(x: TensorBase): TensorBase {
  checkTensors('trace', x);
  if (x.shape.length !== 2)
    throw new ShapeError(`trace: expected a matrix, but got tensor with dim ${x.shape.length}, ${shapeText(x.shape)}`);
  return named(sum(diagonal(x)), 'TraceBackward0');
}

/** The n-th power of square matrices; negative ones are powers of the inverse. */
export function matrixPower(x: TensorBase, n: number): TensorBase {
  checkTensors('linalg.matrix_power', x);
  checkSquare('linalg.matrix_power', x);
  if (!Number.isInteger(n))
    throw new ArgumentError(`linalg.matrix_power: the exponent must be an integer, got ${String(n)}`);
  if (n === 1) return clone(x);
  if (n < 0) {
    const [inverse] = invEx(x, { checkErrors: true });
    return n === -1 ? inverse : matrixPower(inverse, -n);
  }
  // The identity, as a function of x that does not change with it.
  if (n === 0) return where(full([], 1, 'bool'), eyeMatrix(rowsOf(x), rowsOf(x), x.dtype), x);
  let result: TensorBase | null = null;
  let square = x;
  for (let left = n; ; ) {
    if (left % 2 === 1) result = result === null ? square : matmul(result, square);
    left = Math.floor(left / 2);
    if (left === 0) return result as TensorBase;
    square = matmul(square, square);
  }
}

/**
 * The powers 0 to n − 1 of every element, along a new last dimension; a scalar counts as a vector of one
 * element. Those of integers and truth values are int32.
 */
export function vander(points: TensorBase, n?: number): TensorBase {
  checkTensors('linalg.vander', points);
  const numbers = isFloat(points.dtype) ? points : toDType(points, 'int32');
  const x = numbers.shape.length === 0 ? reshape(numbers, [1]) : numbers;
  if (x.count === 0)
    throw new ShapeError(`linalg.vander: Expected a non-empty tensor, got shape ${shapeText(x.shape)}`);
  const columns = n ?? (x.shape.at(-1) as number);
  if (!Number.isInteger(columns) || columns <= 1)
    throw new ArgumentError(`linalg.vander: N must be greater than 1, got ${columns}`);
  const powers = [where(full([], 1, 'bool'), 1, x), x];
  while (powers.length < columns) powers.push(mul(powers[powers.length - 1], x));
  return stack(powers, -1);
}

/** The order of products that needs the fewest multiplications: `cuts[i][j]` splits factors i to j. */
function cheapestOrder(sizes: readonly number[]): number[][] {
  const n = sizes.length - 1;
  const table = (): number[][] => Array.from({ length: n }, () => new Array<number>(n).fill(0));
  const [cost, cuts] = [table(), table()];
  for (let length = 1; length < n; length++) {
    for (let i = 0; i + length < n; i++) {
      const j = i + length;
      cost[i][j] = Number.POSITIVE_INFINITY;
      for (let cut = i; cut < j; cut++) {
        const c = cost[i][cut] + cost[cut + 1][j] + sizes[i] * sizes[cut + 1] * sizes[j + 1];
        if (c < cost[i][j]) {
          cost[i][j] = c;
          cuts[i][j] = cut;
        }
      }
    }
  }
  return cuts;
}

/** The product of several matrices in the cheapest order; the first and the last may be vectors. */
export function multiDot(tensors: readonly TensorBase[]): TensorBase {
  const op = 'linalg.multi_dot';
  if (!Array.isArray(tensors)) throw new ArgumentError(`${op}: expected an array of Tensors`);
  checkTensors(op, ...tensors);
  const n = tensors.length;
  if (n < 2) throw new ArgumentError(`${op}: multi_dot(): expected at least 2 tensors but got ${n}`);
  tensors.forEach((x, i) => {
    const rank = x.shape.length;
    const end = i === 0 || i === n - 1;
    if (end ? rank !== 1 && rank !== 2 : rank !== 2) {
      const which = i === 0 ? 'the first tensor' : i === n - 1 ? 'the last tensor' : `tensor ${i}`;
      throw new ShapeError(`${op}: multi_dot(): ${which} must be ${end ? '1D or 2D' : '2D'} but got ${rank}D`);
    }
  });
  const [first, last] = [tensors[0], tensors[n - 1]];
  const matrices = [
    first.shape.length === 1 ? unsqueeze(first, 0) : first,
    ...tensors.slice(1, -1),
    last.shape.length === 1 ? unsqueeze(last, -1) : last,
  ];
  matrices.slice(1).forEach((x, i) => {
    if (matrices[i].shape[1] !== x.shape[0]) {
      throw new ShapeError(
        `${op}: multi_dot(): tensors ${i} and ${i + 1} with shapes ${shapeText(matrices[i].shape)} and ${shapeText(x.shape)} cannot be multiplied`,
      );
    }
  });
  const cuts = cheapestOrder([matrices[0].shape[0], ...matrices.map((x) => x.shape[1])]);
  const between = (i: number, j: number): TensorBase =>
    i === j ? matrices[i] : mm(between(i, cuts[i][j]), between(cuts[i][j] + 1, j));
  let y = between(0, n - 1);
  if (last.shape.length === 1) y = squeeze(y, -1);
  return first.shape.length === 1 ? squeeze(y, 0) : y;
}
