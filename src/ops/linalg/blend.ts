import { apply1 } from '../../core/apply.ts';
import { isFloat } from '../../core/dtype.ts';
import { DTypeError, ShapeError } from '../../core/errors.ts';
import { internally } from '../../core/internally.ts';
import { defineOp, type Op } from '../../core/op.ts';
import { resultType } from '../../core/promotion.ts';
import { type Shape, sameShape, shapeText } from '../../core/shape.ts';
import { checkTensors, fresh, type TensorBase } from '../../core/tensor.ts';
import { toDType } from '../copy.ts';
import { add, mul, ops } from '../elementwise.ts';
import { inPlaceOf } from '../inplace.ts';
import {
  bmm,
  cheapSums,
  gradientOfLeft,
  gradientOfRight,
  type Layout,
  layoutOf,
  matmul,
  mm,
  mv,
  onBatch,
  plusProduct,
} from '../matmul.ts';
import { sum } from '../reduce.ts';
import { mT, reshape, squeeze, t, unsqueeze } from '../view.ts';

/*
 * y = β x + α f(a, b) for the products f of matrices and vectors, x broadcast:
 *   x̄ = β ȳ,  ā and b̄ = α times those of the product        ẏ = β ẋ + α (f(ȧ, b) + f(a, ḃ))
 */

interface Scales {
  readonly beta: number;
  readonly alpha: number;
}

interface Factors extends Scales {
  /** How matrices lie, for the gradients of their products. */
  readonly layout: Layout;
}

interface Product {
  readonly name: string;
  readonly inputs: readonly [string, string];
  /** Of no sums. */
  readonly cheap?: true;
  f(a: TensorBase, b: TensorBase): TensorBase;
  /** x ± f(a, b) of plain tensors, where one kernel makes it; else null. */
  plus?(x: TensorBase, a: TensorBase, b: TensorBase, sign: 1 | -1): TensorBase | null;
  /** ȳ, b → ā, which may be added to what has arrived. */
  byA(g: TensorBase, b: TensorBase, layout: Layout, arrived: TensorBase | null): TensorBase;
  /** ȳ, a → b̄, likewise. */
  byB(g: TensorBase, a: TensorBase, layout: Layout, arrived: TensorBase | null): TensorBase;
  /** The products of two batches, both with the batch dimension in front. */
  batched(a: TensorBase, b: TensorBase): TensorBase;
  /** Refuses factors that do not fit and gives the shape of the product. */
  shape(name: string, a: Shape, b: Shape): Shape;
}

const scaled = (x: TensorBase, by: number): TensorBase => (by === 1 ? x : toDType(mul(x, by), x.dtype));

/** β x + α p. With β = 0 nothing of x is looked at, NaN included. */
function blend(x: TensorBase | null, p: TensorBase | null, { beta, alpha }: Scales): TensorBase {
  if (p === null) return scaled(x as TensorBase, beta);
  return x === null || beta === 0 ? scaled(p, alpha) : add(scaled(x, beta), scaled(p, alpha));
}

/** By operations one after the other. Apart, for what a closure holds is allocated whether it is made or not. */
function inSteps({ f }: Product, [x, left, right]: readonly TensorBase[], factors: Scales): TensorBase {
  return internally(() => {
    const p = f(left, right);
    if (factors.beta !== 1 || factors.alpha !== 1) return blend(x, p, factors);
    ops.add.writeInto(p, [x, p]);
    return p;
  });
}

interface Blended {
  readonly op: Op<Factors>;
  readonly product: Product;
}

function defineBlend(product: Product): Blended {
  const { name, f } = product;
  const [a, b] = product.inputs;
  const op: Op<Factors> = defineOp<Factors>({
    name,
    cheap: product.cheap ?? (([, left]) => cheapSums(left.shape.at(-1) ?? 1)),
    inputs: ['x', a, b],
    passes: ({ beta }) => (beta === 1 ? 0 : -1),
    forward: (inputs, factors) => {
      const { beta, alpha } = factors;
      const once = beta === 1 && (alpha === 1 || alpha === -1);
      return (
        (once ? product.plus?.(inputs[0], inputs[1], inputs[2], alpha) : null) ?? inSteps(product, inputs, factors)
      );
    },
    vjp: {
      x: [[], (g, _, { attrs }) => scaled(g, attrs.beta)],
      [a]: [
        [b],
        (g, [right], context) => {
          const { alpha, layout } = context.attrs;
          return scaled(product.byA(g, right, layout, alpha === 1 ? context.arrived(1) : null), alpha);
        },
      ],
      [b]: [
        [a],
        (g, [left], context) => {
          const { alpha, layout } = context.attrs;
          return scaled(product.byB(g, left, layout, alpha === 1 ? context.arrived(2) : null), alpha);
        },
      ],
    },
    jvp: ({ inputs, tangents: [tx, ta, tb], attrs }) => {
      const [, left, right] = inputs as readonly TensorBase[];
      const terms = [ta === null ? null : f(ta, right), tb === null ? null : f(left, tb)].filter((p) => p !== null);
      return blend(tx, terms.length === 0 ? null : terms.reduce((p, q) => add(p, q)), attrs);
    },
    vmap: ([x, left, right], [inX, inA, inB], factors, size) => {
      const p = product.batched(onBatch(left, inA, size), onBatch(right, inB, size));
      const missing = p.shape.length - x.shape.length;
      const ones = new Array<number>(Math.max(0, missing)).fill(1);
      return blend(inX ? reshape(x, [size, ...ones, ...x.shape.slice(1)]) : x, p, factors);
    },
  });
  return { op, product };
}

function refuseRank(name: string, what: string, shape: Shape, rank: number): void {
  if (shape.length !== rank)
    throw new ShapeError(`${name}: ${what} must be a ${rank}D tensor, got shape ${shapeText(shape)}`);
}

function matrixShape(name: string, [m, k]: Shape, [k2, n]: Shape): Shape {
  if (k !== k2) throw new ShapeError(`${name}: mat1 and mat2 shapes cannot be multiplied (${m}x${k} and ${k2}x${n})`);
  return [m, n];
}

function batchShape(name: string, a: Shape, b: Shape): Shape {
  refuseRank(name, 'batch1', a, 3);
  refuseRank(name, 'batch2', b, 3);
  if (a[0] !== b[0] || a[2] !== b[1]) {
    throw new ShapeError(
      `${name}: Expected size for first two dimensions of batch2 tensor to be: [${a[0]}, ${a[2]}] but got: [${b[0]}, ${b[1]}].`,
    );
  }
  return [a[0], a[1], b[2]];
}

const addmmOp = defineBlend({
  name: 'addmm',
  inputs: ['mat1', 'mat2'],
  f: mm,
  plus: plusProduct,
  byA: gradientOfLeft,
  byB: gradientOfRight,
  batched: bmm,
  shape: (name, a, b) => {
    refuseRank(name, 'mat1', a, 2);
    refuseRank(name, 'mat2', b, 2);
    return matrixShape(name, a, b);
  },
});

const baddbmmOp = defineBlend({
  name: 'baddbmm',
  inputs: ['batch1', 'batch2'],
  f: bmm,
  byA: (g, b) => bmm(g, mT(b)),
  byB: (g, a) => bmm(mT(a), g),
  batched: matmul,
  shape: batchShape,
});

const addbmmOp = defineBlend({
  name: 'addbmm',
  inputs: ['batch1', 'batch2'],
  f: (a, b) => sum(bmm(a, b), 0, false, a.dtype),
  byA: (g, b) => matmul(g, mT(b)),
  byB: (g, a) => matmul(mT(a), g),
  batched: (a, b) => sum(matmul(a, b), 1),
  shape: (name, a, b) => batchShape(name, a, b).slice(1),
});

const addmvOp = defineBlend({
  name: 'addmv',
  inputs: ['mat', 'vec'],
  f: mv,
  byA: outerProduct,
  byB: (g, a) => mv(t(a), g),
  batched: (a, x) => squeeze(bmm(a, unsqueeze(x, -1)), -1),
  shape: (name, a, x) => {
    if (a.length !== 2 || x.length !== 1) {
      throw new ShapeError(
        `${name}: vector + matrix @ vector expected, got ${a.length}D matrix and ${x.length}D vector`,
      );
    }
    if (a[1] !== x[0]) throw new ShapeError(`${name}: size mismatch, got mat (${a[0]}x${a[1]}), vec (${x[0]})`);
    return [a[0]];
  },
});

const addrOp = defineBlend({
  name: 'addr',
  inputs: ['vec1', 'vec2'],
  cheap: true,
  f: outerProduct,
  plus: (x, a, b) => {
    if (!isFloat(x.dtype)) return null;
    const y = fresh([a.count, b.count], x.dtype);
    ops.addcmul.writeInto(y, [x, unsqueeze(a, 1), b, 1]);
    return y;
  },
  byA: mv,
  byB: (g, a) => mv(t(g), a),
  batched: outerProduct,
  shape: (name, a, b) => {
    if (a.length !== 1 || b.length !== 1)
      throw new ShapeError(`${name}: Expected 1-D argument vec1 and vec2, but got ${a.length}-D and ${b.length}-D`);
    return [a[0], b[0]];
  },
});

/** a bᵀ for vectors, in batches if there are any. */
function outerProduct(a: TensorBase, b: TensorBase): TensorBase {
  return mul(unsqueeze(a, -1), unsqueeze(b, -2));
}

// ─── what users call ─────────────────────────────────────────────────────────────────────────────

export interface BlendOptions {
  readonly beta?: number;
  readonly alpha?: number;
}

/** Products of whole numbers take whole factors, as PyTorch's kernels do. */
function factorsFor(x: TensorBase, { beta = 1, alpha = 1 }: BlendOptions): Scales {
  if (x.dtype === 'bool') return { beta: Number(beta !== 0), alpha: Number(alpha !== 0) };
  return isFloat(x.dtype) ? { beta, alpha } : { beta: Math.trunc(beta), alpha: Math.trunc(alpha) };
}

/** Refuses what does not broadcast to the product. */
function checkExpands(name: string, from: Shape, to: Shape): void {
  if (sameShape(from, to)) return;
  const lead = to.length - from.length;
  const clash = from.findIndex((n, d) => n !== 1 && n !== to[lead + d]);
  if (lead < 0 || clash >= 0) {
    throw new ShapeError(
      lead < 0
        ? `${name}: The number of sizes provided (${to.length}) must be greater or equal to the number of dimensions in the tensor (${from.length})`
        : `${name}: The expanded size of the tensor (${to[lead + clash]}) must match the existing size (${from[clash]}) at non-singleton dimension ${lead + clash}. Target sizes: ${shapeText(to)}. Tensor sizes: ${shapeText(from)}`,
    );
  }
}

const NO_OPTIONS: BlendOptions = {};

type Blend = (x: TensorBase, a: TensorBase, b: TensorBase, options?: BlendOptions) => TensorBase;

function blendOf({ op, product: { name, inputs, shape } }: Blended): Blend {
  return (x, a, b, options = NO_OPTIONS) => {
    checkTensors(name, x, a, b);
    const result = shape(name, a.shape, b.shape);
    if (a.dtype !== b.dtype || a.dtype !== x.dtype) {
      throw new DTypeError(
        `${name}: expected m1 and m2 to have the same dtype, and self and ${inputs[1]} must have the same dtype, but got ${x.dtype}, ${a.dtype} and ${b.dtype}`,
      );
    }
    checkExpands(name, x.shape, result);
    const { beta, alpha } = factorsFor(x, options);
    return apply1(op, [x, a, b], { beta, alpha, layout: layoutOf(a, b) });
  };
}

/** β x + α a b for matrices. */
export const addmm: Blend = blendOf(addmmOp);
/** β x + α aₙ bₙ for lists of matrices. */
export const baddbmm: Blend = blendOf(baddbmmOp);
/** β x + α Σₙ aₙ bₙ for lists of matrices. */
export const addbmm: Blend = blendOf(addbmmOp);
/** β x + α A b for a matrix and a vector. */
export const addmv: Blend = blendOf(addmvOp);

/** β x + α a bᵀ for vectors. Truth values are added and multiplied as "or" and "and". */
export const addr: Blend = (x, a, b, options = {}) => {
  checkTensors('addr', x, a, b);
  const dtype = resultType('addr', [x, a, b]);
  const { beta = 1, alpha = 1 } = options;
  if (!isFloat(dtype) && !(Number.isInteger(beta) && Number.isInteger(alpha)))
    throw new DTypeError(
      'addr: For integral input tensors, argument beta must not be a floating point number, nor must alpha.',
    );
  return blendedAddr(toDType(x, dtype), toDType(a, dtype), toDType(b, dtype), options);
};
const blendedAddr = blendOf(addrOp);

/** The in-place forms: x must have the shape of the product. */
export function blendInto(name: string, blended: Blend): Blend {
  return (x, a, b, options) =>
    inPlaceOf(name, x, [a, b], (t) => {
      const y = blended(t, a, b, options);
      if (!sameShape(x.shape, y.shape)) {
        throw new ShapeError(
          `${name}_: Bad in-place call: input tensor size ${shapeText(x.shape)} and output tensor size ${shapeText(y.shape)} should match`,
        );
      }
      return y;
    });
}
