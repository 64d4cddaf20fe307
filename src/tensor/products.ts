import type { TensorBase } from '../core/tensor.ts';
import * as blend from '../ops/linalg/blend.ts';
import * as named from '../ops/linalg/products.ts';
import * as products from '../ops/matmul.ts';
import type {
  AddbmmOf,
  AddmmOf,
  AddmvOf,
  AddrOf,
  BaddbmmOf,
  BmmOf,
  FitAddbmm,
  FitAddmm,
  FitAddmv,
  FitAddr,
  FitBaddbmm,
  FitBmm,
  FitDot,
  FitInner,
  FitMatMul,
  FitMm,
  FitMv,
  FitOuter,
  InnerOf,
  KronOf,
  MatMulOf,
  MmOf,
  MvOf,
  OuterOf,
} from './matrix-signatures.ts';
import { checkOptions } from './options.ts';
import type { Shape, Untyped } from './shapes.ts';
import { TensorSorting } from './sorting.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

function factors(op: string, options: blend.BlendOptions | undefined): blend.BlendOptions | undefined {
  checkOptions(op, options, ['beta', 'alpha']);
  return options;
}

/** Products of vectors and matrices. */
export abstract class TensorProducts<S extends Shape = Untyped> extends TensorSorting<S> {
  /** The matrix product of any ranks: vectors stand for rows or columns, leading dimensions broadcast. */
  matmul<T extends Tensor, X extends Tensor>(this: T, x: FitMatMul<T, X>): Tensor<MatMulOf<T, X>> {
    return as(products.matmul(this, x as Tensor));
  }

  /** The inner product of two vectors. */
  dot<T extends Tensor, X extends Tensor>(this: T, x: FitDot<T, X>): Tensor<[]> {
    return as(products.dot(this, x as Tensor));
  }

  /** The inner product of two vectors; of real ones, the same as `dot`. */
  vdot<T extends Tensor, X extends Tensor>(this: T, x: FitDot<T, X>): Tensor<[]> {
    return as(named.vdot(this, x as Tensor));
  }

  /** Σ over the last dimensions of both: [..., k] and [..., k] give [..., ...]. A scalar only scales. */
  inner<T extends Tensor, X extends Tensor>(this: T, x: FitInner<T, X>): Tensor<InnerOf<T, X>> {
    return as(named.inner(this, x as Tensor));
  }

  /** x yᵀ: vectors [m] and [n] give [m, n]. */
  outer<T extends Tensor, X extends Tensor>(this: T, x: FitOuter<T, X>): Tensor<OuterOf<T, X>> {
    return as(named.outer(this, x as Tensor));
  }

  /** The Kronecker product: every element times all of `x`, for tensors of any rank; sizes are multiplied. */
  kron<T extends Tensor, X extends Tensor>(this: T, x: X): Tensor<KronOf<T, X>> {
    return as(named.kron(this, x));
  }

  /** The vector product along a dimension of size 3, by default the first; the others broadcast. */
  cross<X extends Tensor>(x: X, dim?: number): Tensor {
    return as(named.crossOld(this, x, dim));
  }

  /** The product [n, m] @ [m, p] of two matrices. */
  mm<T extends Tensor, X extends Tensor>(this: T, x: FitMm<T, X>): Tensor<MmOf<T, X>> {
    return as(products.mm(this, x as Tensor));
  }

  /** The product [n, m] @ [m] of a matrix and a vector. */
  mv<T extends Tensor, X extends Tensor>(this: T, x: FitMv<T, X>): Tensor<MvOf<T, X>> {
    return as(products.mv(this, x as Tensor));
  }

  /** The products [b, n, m] @ [b, m, p] of two batches of matrices. */
  bmm<T extends Tensor, X extends Tensor>(this: T, x: FitBmm<T, X>): Tensor<BmmOf<T, X>> {
    return as(products.bmm(this, x as Tensor));
  }

  // ── a product added ──

  /** β x + α a b: x broadcasts to [m, n], the product of [m, k] and [k, n]. With β = 0, NaN in x does not matter. */
  addmm<T extends Tensor, A extends Tensor, B extends Tensor>(
    this: T,
    a: A,
    b: FitAddmm<T, A, B>,
    options?: blend.BlendOptions,
  ): Tensor<AddmmOf<T, A, B>> {
    return as(blend.addmm(this, a, b as Tensor, factors('addmm', options)));
  }

  /** `addmm` in place: x has the shape of the product. */
  addmm_<A extends Tensor, B extends Tensor>(a: A, b: B, options?: blend.BlendOptions): this {
    addmm_(this, a, b, factors('addmm_', options));
    return this;
  }

  /** β x + α A v: x broadcasts to [m], the product of [m, k] and [k]. */
  addmv<T extends Tensor, A extends Tensor, B extends Tensor>(
    this: T,
    a: A,
    v: FitAddmv<T, A, B>,
    options?: blend.BlendOptions,
  ): Tensor<AddmvOf<T, A, B>> {
    return as(blend.addmv(this, a, v as Tensor, factors('addmv', options)));
  }

  addmv_<A extends Tensor, B extends Tensor>(a: A, v: B, options?: blend.BlendOptions): this {
    addmv_(this, a, v, factors('addmv_', options));
    return this;
  }

  /** β x + α v wᵀ: x broadcasts to [m, n], the outer product of [m] and [n]. */
  addr<T extends Tensor, A extends Tensor, B extends Tensor>(
    this: T,
    v: A,
    w: FitAddr<T, A, B>,
    options?: blend.BlendOptions,
  ): Tensor<AddrOf<T, A, B>> {
    return as(blend.addr(this, v, w as Tensor, factors('addr', options)));
  }

  addr_<A extends Tensor, B extends Tensor>(v: A, w: B, options?: blend.BlendOptions): this {
    addr_(this, v, w, factors('addr_', options));
    return this;
  }

  /** β x + α aₙ bₙ for every n: x broadcasts to [n, p, q], the products of [n, p, k] and [n, k, q]. */
  baddbmm<T extends Tensor, A extends Tensor, B extends Tensor>(
    this: T,
    a: A,
    b: FitBaddbmm<T, A, B>,
    options?: blend.BlendOptions,
  ): Tensor<BaddbmmOf<T, A, B>> {
    return as(blend.baddbmm(this, a, b as Tensor, factors('baddbmm', options)));
  }

  baddbmm_<A extends Tensor, B extends Tensor>(a: A, b: B, options?: blend.BlendOptions): this {
    baddbmm_(this, a, b, factors('baddbmm_', options));
    return this;
  }

  /** β x + α Σₙ aₙ bₙ: x broadcasts to [p, q], the sum of the products of [n, p, k] and [n, k, q]. */
  addbmm<T extends Tensor, A extends Tensor, B extends Tensor>(
    this: T,
    a: A,
    b: FitAddbmm<T, A, B>,
    options?: blend.BlendOptions,
  ): Tensor<AddbmmOf<T, A, B>> {
    return as(blend.addbmm(this, a, b as Tensor, factors('addbmm', options)));
  }

  addbmm_<A extends Tensor, B extends Tensor>(a: A, b: B, options?: blend.BlendOptions): this {
    addbmm_(this, a, b, factors('addbmm_', options));
    return this;
  }
}

const addmm_ = blend.blendInto('addmm', blend.addmm);
const addmv_ = blend.blendInto('addmv', blend.addmv);
const addr_ = blend.blendInto('addr', blend.addr);
const baddbmm_ = blend.blendInto('baddbmm', blend.baddbmm);
const addbmm_ = blend.blendInto('addbmm', blend.addbmm);
