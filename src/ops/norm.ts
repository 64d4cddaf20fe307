import { apply1 } from '../core/apply.ts';
import { type DType, isFloat } from '../core/dtype.ts';
import { ArgumentError, DTypeError, IndexError } from '../core/errors.ts';
import { defineOp, type Op } from '../core/op.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary, compare, type Expr, select, unary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { zerosLike } from './create.ts';
import { abs, div, eq, logicalAnd, logicalOr, mul, ne, pow, sgn, where } from './elementwise.ts';
import { fillKernel } from './filled.ts';
import {
  type Dims,
  keepdims,
  type ReduceAttrs,
  type ReduceSpec,
  reduce,
  reduceAttrs,
  reducedShape,
  shifted,
  sumOver,
} from './reduce.ts';

interface NormAttrs extends ReduceAttrs {
  readonly p: number;
}

/** How a norm is folded, and the numbers that go with it. */
export interface NormKernel {
  readonly spec: ReduceSpec;
  readonly scalars: readonly number[];
  readonly postScalars: readonly number[];
}

/**
 * ‖x‖_p = (Σ |x|^p)^(1/p), with the limits for p = 0 (count of non-zeros) and ±∞ (largest, smallest
 * magnitude). `x` is made of the first arguments; a power comes as argument number `power`.
 */
export function normKernel(p: number, x: Expr = arg(0), power = 1): NormKernel {
  const magnitude = unary('abs', x);
  const plain = (spec: ReduceSpec): NormKernel => ({ spec, scalars: [], postScalars: [] });
  switch (p) {
    case 0:
      return plain({ name: 'norm0', fold: 'sum', pre: select(compare('ne', x, 0), 1, 0) });
    case 1:
      return plain({ name: 'norm1', fold: 'sum', pre: magnitude });
    case 2:
      return plain({ name: 'norm2', fold: 'sum', pre: binary('mul', x, x), post: unary('sqrt', arg(0)) });
    case Number.POSITIVE_INFINITY:
      return plain({ name: 'normInf', fold: 'max', pre: magnitude });
    case Number.NEGATIVE_INFINITY:
      return plain({ name: 'normNegInf', fold: 'min', pre: magnitude });
    default: {
      const pre = binary('pow', magnitude, arg(power));
      const post = binary('pow', arg(0), arg(1));
      const spec: ReduceSpec = { name: 'normP', fold: 'sum', pre, post, scalars: 1, postScalars: 1 };
      return { spec, scalars: [p], postScalars: [1 / p] };
    }
  }
}

/**
 * ∂‖x‖_p/∂x, times g (a tensor of the norm's shape with the dimensions kept). Formulas and the value
 * 0 where the norm is 0 are PyTorch's (norm_backward).
 */
export function normGradient(
  g: TensorBase,
  x: TensorBase,
  y: TensorBase,
  { p, dims }: Pick<NormAttrs, 'p' | 'dims'>,
): TensorBase {
  const zeroWhere = (mask: TensorBase, t: TensorBase): TensorBase => where(mask, 0, t);
  // Where the norm is 0 nothing is divided by it, so that further derivatives are 0 there as well.
  const over = (power: number): TensorBase => {
    const none = eq(y, 0);
    return zeroWhere(none, div(g, pow(where(none, 1, y), power)));
  };
  switch (p) {
    case 0:
      return zerosLike(x);
    case 1:
      return mul(sgn(x), g);
    case 2:
      return mul(x, over(1));
    case Number.POSITIVE_INFINITY:
    case Number.NEGATIVE_INFINITY: {
      // If the norm is NaN, it is that of the elements that are.
      const hit = toDType(logicalOr(eq(abs(x), y), logicalAnd(ne(x, x), ne(y, y))), x.dtype);
      return mul(mul(sgn(x), hit), div(g, sumOver(hit, dims, true)));
    }
    default:
      if (p < 1) {
        const scaled = zeroWhere(eq(x, 0), mul(sgn(x), pow(abs(x), p - 1)));
        return mul(scaled, mul(g, pow(y, 1 - p)));
      }
      // Of a product with x the derivative at 0 would be 0 · ∞, were p no integer.
      if (!Number.isInteger(p)) {
        // Where the norm is 0 no power is taken of what is, whose derivative may be infinite.
        const away = p < 2 ? where(eq(y, 0), 1, x) : x;
        return mul(mul(sgn(away), pow(abs(away), p - 1)), over(p - 1));
      }
      return mul(mul(x, pow(abs(x), p - 2)), over(p - 1));
  }
}

const normOp: Op<NormAttrs> = defineOp({
  name: 'norm',
  cheap: true,
  node: 'NormBackward1',
  inputs: ['x'],
  forward: ([x], attrs) => {
    // The norm of nothing is 0 for every p but ±∞, which the caller refuses.
    if (x.count === 0) {
      const y = fresh(reducedShape(x.shape, attrs), x.dtype);
      fillKernel(x.dtype).run([y], [attrs.p < 0 ? Number.POSITIVE_INFINITY : 0]);
      return y;
    }
    const { spec, scalars, postScalars } = normKernel(attrs.p);
    return reduce(spec, x, x.dtype, x.dtype, attrs, postScalars, scalars);
  },
  vjp: {
    x: [
      ['x', 'y'],
      (g, [x, y], { attrs }) => normGradient(keepdims(g, x.shape, attrs), x, keepdims(y, x.shape, attrs), attrs),
    ],
  },
  jvp: ({ inputs: [x], tangents: [tx], outputs: [y], attrs }) => {
    if (tx === null) return null;
    const kept = keepdims(y, (x as TensorBase).shape, attrs);
    return sumOver(normGradient(tx, x as TensorBase, kept, attrs), attrs.dims, attrs.keepdim);
  },
  vmap: ([x], _, attrs) => apply1(normOp, [x], shifted(attrs)),
});

/** The p-norm over dimensions; `p` may be a number or 'fro' (2). */
export function norm(x: TensorBase, p: number | 'fro' = 2, dim?: Dims, keepdim = false, dtype?: DType): TensorBase {
  const order = p === 'fro' ? 2 : p;
  if (typeof order !== 'number' || Number.isNaN(order))
    throw new ArgumentError(`norm: p must be a number, 'fro' or 'nuc', got ${String(p)}`);
  const input = dtype === undefined ? x : toDType(x, dtype);
  if (!isFloat(input.dtype))
    throw new DTypeError(
      `norm: linalg.vector_norm: Expected a floating point or complex tensor as input. Got ${input.dtype}; convert with x.to('float32') first`,
    );
  const attrs = reduceAttrs('norm', x, dim, keepdim);
  if ((order < 0 || order === Number.POSITIVE_INFINITY) && attrs.dims.some((d) => x.shape[d] === 0)) {
    throw new IndexError(
      `norm: cannot compute the ${order} norm on an empty dimension because the operation does not have an identity`,
    );
  }
  return apply1(normOp, [input], { ...attrs, p: order });
}
