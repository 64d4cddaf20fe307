import { dot as dotKernel, gemm } from '../backends/wasm/gemm.ts';
import { addsUp } from '../backends/wasm/gemm-product.ts';
import { apply1, isBare } from '../core/apply.ts';
import type { DType } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { inNameOf } from '../core/naming.ts';
import { defineOp, type Op } from '../core/op.ts';
import { broadcastShapes, NO_SIZES, type Shape, shapeText } from '../core/shape.ts';
import { alias, checkTensors, fresh, placeOf, type TensorBase } from '../core/tensor.ts';
import { copyKernel, toDType } from './copy.ts';
import { mul, sum } from './engine-ops.ts';
import { expand, mT, reshape, squeeze, t, unsqueeze } from './view.ts';

/** A leading batch dimension on operands that lack it, as a view. */
export const onBatch = (x: TensorBase, batched: boolean, size: number): TensorBase =>
  batched ? x : expand(unsqueeze(x, 0), [size, ...x.shape]);

function checkSame(op: string, a: TensorBase, b: TensorBase): void {
  if (a.dtype !== b.dtype) {
    throw new DTypeError(
      `${op}: expected both matrices to have the same dtype, but got ${a.dtype} and ${b.dtype}; expected m1 and m2 to have the same dtype. Convert one: b.to('${a.dtype}')`,
    );
  }
  if (a.dtype === 'bool')
    throw new DTypeError(
      `${op}: "${IN_PYTORCH[op]}" not implemented for 'Bool', the truth values; convert with .to('int32') or .to('float32')`,
    );
}

const IN_PYTORCH: Readonly<Record<string, string>> = {
  dot: 'dot',
  mv: 'addmv_impl_cpu',
  mm: 'addmm_impl_cpu_',
  bmm: 'bmm',
};

/** A result of some shape, made by a kernel. Bytes are multiplied as int32: both wrap, so that the low byte of a sum is right. */
function product(
  kernel: (...operands: Parameters<typeof gemm>) => unknown,
  shape: Shape,
  a: TensorBase,
  b: TensorBase,
): TensorBase {
  if (a.dtype === 'uint8') return productOfBytes(kernel, shape, a, b);
  const y = fresh(shape, a.dtype);
  kernel(y, a, b);
  return y;
}

// Apart, for what a closure holds is allocated whether it is made or not.
const productOfBytes: typeof product = (kernel, shape, a, b) =>
  internally(() => toDType(product(kernel, shape, toDType(a, 'int32'), toDType(b, 'int32')), 'uint8'));

// y = Σ a b        ā = ȳ b,  b̄ = ȳ a
const dotOp: Op<undefined> = defineOp({
  name: 'dot',
  inputs: ['a', 'b'],
  forward: (x) => product(dotKernel, NO_SIZES, x[0], x[1]),
  vjp: {
    a: [['b'], (g, b) => mul(g, b[0])],
    b: [['a'], (g, a) => mul(g, a[0])],
  },
  jvp: 'multilinear',
  vmap: ([a, b]) => sum(mul(a, b), -1),
});

/** The inner product of two vectors. */
export function dot(a: TensorBase, b: TensorBase): TensorBase {
  checkTensors('dot', a, b);
  if (a.shape.length !== 1 || b.shape.length !== 1) {
    throw new ShapeError(
      `dot: 1D tensors expected, but got ${a.shape.length}D and ${b.shape.length}D tensors; for matrices use a.matmul(b)`,
    );
  }
  if (a.shape[0] !== b.shape[0]) {
    throw new ShapeError(
      `dot: inconsistent tensor size, expected tensor ${shapeText(a.shape)} and src ${shapeText(b.shape)} to have the same number of elements, but got ${a.shape[0]} and ${b.shape[0]} elements respectively`,
    );
  }
  checkSame('dot', a, b);
  return apply1(dotOp, [a, b], undefined);
}

/** Which operands of a product of matrices lie in memory column by column. */
export interface Layout {
  readonly left: boolean;
  readonly right: boolean;
}

const LAYOUTS: readonly Layout[] = [0, 1, 2, 3].map((i) => ({ left: (i & 1) !== 0, right: (i & 2) !== 0 }));

function byColumns(x: TensorBase): boolean {
  const { shape, strides } = placeOf(x);
  return strides[0] === 1 && strides[1] === shape[0] && shape[1] > 1;
}

export const layoutOf = (a: TensorBase, b: TensorBase): Layout =>
  LAYOUTS[(byColumns(a) ? 1 : 0) + (byColumns(b) ? 2 : 0)];

// The gradient of an operand lies as that does: what lies by columns is mostly the transpose of a parameter,
// whose gradient can then be kept as it is.

// Where a gradient has arrived already, the product is added to it as it is made.

/** ȳ bᵀ */
export function gradientOfLeft(
  g: TensorBase,
  b: TensorBase,
  { left }: Layout,
  arrived: TensorBase | null = null,
): TensorBase {
  if (arrived !== null && addProduct(arrived, g, turned(b))) return arrived;
  return left ? flipped(mm(b, flipped(g))) : mm(g, flipped(b));
}

/** aᵀ ȳ */
export function gradientOfRight(
  g: TensorBase,
  a: TensorBase,
  { right }: Layout,
  arrived: TensorBase | null = null,
): TensorBase {
  if (arrived !== null && addProduct(arrived, turned(a), g)) return arrived;
  return right ? flipped(mm(flipped(g), a)) : mm(flipped(a), g);
}

/** The transpose, which where nobody records it or looks on is no operation. */
const flipped = (x: TensorBase): TensorBase => (isBare([x]) ? turned(x) : t(x));

/** The transpose of a plain matrix, outside any graph. */
const turned = (x: TensorBase): TensorBase => alias(x, [x.shape[1], x.shape[0]], [x.strides[1], x.strides[0]]);

/**
 * Terms of a sum up to which a product is soon made again: copying out what is dead costs as much as
 * some tens of them, and most of what is given up is dead.
 */
const SHORT_SUM = 512;

/** When products may be made again that are sums of so many terms each. */
export const cheapSums = (terms: number): true | 'at need' => terms <= SHORT_SUM || 'at need';

const cheapProduct = ([a]: readonly TensorBase[]): true | 'at need' => cheapSums(a.shape[a.shape.length - 1]);

interface MmAttrs extends Layout {
  /** What the product is added to, in that memory; for `addProduct` alone. */
  readonly into?: TensorBase;
}

// y = a b        ā = ȳ bᵀ,  b̄ = aᵀ ȳ
const mmOp: Op<MmAttrs> = defineOp<MmAttrs>({
  name: 'mm',
  cheap: cheapProduct,
  inputs: ['a', 'b'],
  forward: ([a, b], { into }) => {
    if (into === undefined) return product(gemm, [a.shape[0], b.shape[1]], a, b);
    gemm(into, a, b, 1);
    return into;
  },
  vjp: {
    a: [['b'], (g, [b], context) => gradientOfLeft(g, b, context.attrs, context.arrived(0))],
    b: [['a'], (g, [a], context) => gradientOfRight(g, a, context.attrs, context.arrived(1))],
  },
  jvp: 'multilinear',
  vmap: ([a, b], [inA, inB], _, size) => {
    // One batched operand on the left folds into the rows of a single product.
    if (inA && !inB) return reshape(mm(reshape(a, [size * a.shape[1], a.shape[2]]), b), [size, a.shape[1], b.shape[1]]);
    return bmm(onBatch(a, inA, size), onBatch(b, inB, size));
  },
});

/** The product of two matrices. */
export function mm(a: TensorBase, b: TensorBase): TensorBase {
  checkTensors('mm', a, b);
  if (a.shape.length !== 2) throw new ShapeError(`mm: self must be a matrix, got shape ${shapeText(a.shape)}`);
  if (b.shape.length !== 2) throw new ShapeError(`mm: mat2 must be a matrix, got shape ${shapeText(b.shape)}`);
  if (a.shape[1] !== b.shape[0])
    throw new ShapeError(
      `mm: mat1 and mat2 shapes cannot be multiplied (${a.shape.join('x')} and ${b.shape.join('x')})`,
    );
  checkSame('mm', a, b);
  return apply1(mmOp, [a, b], layoutOf(a, b));
}

/** Whether a kernel adds products of such sizes to what is there. */
const adds = (dtype: DType, m: number, n: number, k: number): boolean =>
  dtype !== 'uint8' && dtype !== 'bool' && addsUp(m, n, k);

/** Adds a b to plain y, outside any graph; false where no kernel does. */
function addProduct(y: TensorBase, a: TensorBase, b: TensorBase): boolean {
  const [m, k] = a.shape;
  const n = b.shape[1];
  if (y.shape[0] !== m || y.shape[1] !== n || a.dtype !== y.dtype || b.dtype !== y.dtype) return false;
  if (y.flat) return adds(y.dtype, m, n, k) && addTo(y, a, b);
  const byColumns = turned(y);
  return byColumns.flat && adds(y.dtype, n, m, k) && addTo(byColumns, turned(b), turned(a));
}

function addTo(into: TensorBase, a: TensorBase, b: TensorBase): true {
  mmOp.forward([a, b], { left: false, right: false, into });
  return true;
}

/**
 * x + a b, or x − a b, for plain matrices and an x that broadcasts; null where no kernel adds up what it makes.
 * The sign is given to the smaller factor, which changes no bit.
 */
export function plusProduct(x: TensorBase, a: TensorBase, b: TensorBase, sign: 1 | -1): TensorBase | null {
  const [m, k] = a.shape;
  const n = b.shape[1];
  if (!adds(x.dtype, m, n, k)) return null;
  if (sign < 0)
    return internally(
      () => (m < n ? plusProduct(x, mul(a, -1), b, 1) : plusProduct(x, a, mul(b, -1), 1)) as TensorBase,
    );
  const y = fresh([m, n], x.dtype);
  copyKernel(x.dtype, x.dtype).run([y], [x]);
  addTo(y, a, b);
  return y;
}

// y = A x        Ā = ȳ xᵀ,  x̄ = Aᵀ ȳ
const mvOp: Op<undefined> = defineOp({
  name: 'mv',
  inputs: ['a', 'x'],
  forward: ([a, x]) => {
    const y = product(gemm, [a.shape[0], 1], a, alias(x, [x.shape[0], 1], [x.strides[0], 1]));
    return alias(y, [a.shape[0]], [1]);
  },
  vjp: {
    a: [['x'], (g, [x]) => mul(unsqueeze(g, 1), unsqueeze(x, 0))],
    x: [['a'], (g, [a]) => mv(t(a), g)],
  },
  jvp: 'multilinear',
  vmap: ([a, x], [inA, inX], _, size) => {
    if (!inA) return mm(x, t(a));
    if (!inX) return squeeze(reshape(mv(reshape(a, [size * a.shape[1], a.shape[2]]), x), [size, a.shape[1], 1]), 2);
    return squeeze(bmm(a, unsqueeze(x, 2)), 2);
  },
});

/** The product of a matrix and a vector. */
export function mv(a: TensorBase, x: TensorBase): TensorBase {
  checkTensors('mv', a, x);
  if (a.shape.length !== 2 || x.shape.length !== 1) {
    throw new ShapeError(
      `mv: vector + matrix @ vector expected, got ${a.shape.length}D matrix and ${x.shape.length}D vector`,
    );
  }
  if (a.shape[1] !== x.shape[0])
    throw new ShapeError(
      `mv: size mismatch, got input (${a.shape[0]}), mat (${a.shape.join('x')}), vec (${x.shape[0]})`,
    );
  checkSame('mv', a, x);
  return apply1(mvOp, [a, x], undefined);
}

// yₙ = aₙ bₙ        āₙ = ȳₙ bₙᵀ,  b̄ₙ = aₙᵀ ȳₙ
const bmmOp: Op<undefined> = defineOp({
  name: 'bmm',
  cheap: cheapProduct,
  inputs: ['a', 'b'],
  forward: ([a, b]) => product(gemm, [a.shape[0], a.shape[1], b.shape[2]], a, b),
  vjp: {
    a: [['b'], (g, [b]) => bmm(g, mT(b))],
    b: [['a'], (g, [a]) => bmm(mT(a), g)],
  },
  jvp: 'multilinear',
  vmap: ([a, b], [inA, inB], _, size) => {
    const [x, y] = [onBatch(a, inA, size), onBatch(b, inB, size)];
    const pairs = size * x.shape[1];
    const z = bmm(reshape(x, [pairs, ...x.shape.slice(2)]), reshape(y, [pairs, ...y.shape.slice(2)]));
    return reshape(z, [size, x.shape[1], ...z.shape.slice(1)]);
  },
});

/** Products of two equally long lists of matrices. */
export function bmm(a: TensorBase, b: TensorBase): TensorBase {
  checkTensors('bmm', a, b);
  if (a.shape.length !== 3) throw new ShapeError(`bmm: batch1 must be a 3D tensor, got shape ${shapeText(a.shape)}`);
  if (b.shape.length !== 3) throw new ShapeError(`bmm: batch2 must be a 3D tensor, got shape ${shapeText(b.shape)}`);
  if (a.shape[0] !== b.shape[0] || a.shape[2] !== b.shape[1]) {
    throw new ShapeError(
      `bmm: Expected size for first two dimensions of batch2 tensor to be: [${a.shape[0]}, ${a.shape[2]}] but got: [${b.shape[0]}, ${b.shape[1]}].`,
    );
  }
  checkSame('bmm', a, b);
  return apply1(bmmOp, [a, b], undefined);
}

/**
 * The matrix product of any ranks, as in PyTorch: vectors stand for rows (left) or columns (right),
 * leading dimensions broadcast.
 */
export function matmul(a: TensorBase, b: TensorBase): TensorBase {
  checkTensors('matmul', a, b);
  const [ra, rb] = [a.shape.length, b.shape.length];
  if (ra === 0 || rb === 0)
    throw new ShapeError(
      `matmul: both arguments to matmul need to be at least 1D, but they are ${ra}D and ${rb}D; use a.mul(b) for scalars`,
    );
  // Not by `within`, which would make a function for every call.
  try {
    return multiplied(a, b);
  } catch (error) {
    throw inNameOf('matmul', error);
  }
}

function multiplied(a: TensorBase, b: TensorBase): TensorBase {
  const [ra, rb] = [a.shape.length, b.shape.length];
  if (ra === 1 && rb === 1) return dot(a, b);
  if (ra === 2 && rb === 1) return mv(a, b);
  if (ra === 1 && rb === 2) return squeeze(mm(unsqueeze(a, 0), b), 0);
  if (ra === 2 && rb === 2) return mm(a, b);
  const k = a.shape[ra - 1];
  const inner = rb === 1 ? b.shape[0] : b.shape[rb - 2];
  if (k !== inner) {
    throw new ShapeError(
      `matmul: mat1 and mat2 shapes cannot be multiplied (${shapeText(a.shape)} and ${shapeText(b.shape)}): inner sizes ${k} and ${inner} differ`,
    );
  }
  // A stack of matrices times one matrix is one tall product.
  if (ra > 2 && rb <= 2) {
    const lead = a.shape.slice(0, -1);
    const rows = lead.reduce((p, n) => p * n, 1);
    const tall = reshape(a, [rows, k]);
    return rb === 1 ? reshape(mv(tall, b), lead) : reshape(mm(tall, b), [...lead, b.shape[1]]);
  }
  const left = ra === 1 ? unsqueeze(a, 0) : a;
  const right = rb === 1 ? unsqueeze(b, 1) : b;
  const batch = broadcastShapes('matmul', left.shape.slice(0, -2), right.shape.slice(0, -2));
  const count = batch.reduce((p, n) => p * n, 1);
  const [m, n] = [left.shape[left.shape.length - 2], right.shape[right.shape.length - 1]];
  const y = bmm(
    reshape(expand(left, [...batch, m, k]), [count, m, k]),
    reshape(expand(right, [...batch, k, n]), [count, k, n]),
  );
  if (ra === 1) return reshape(y, [...batch, n]);
  return reshape(y, rb === 1 ? [...batch, m] : [...batch, m, n]);
}
