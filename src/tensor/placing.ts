import type { TensorBase } from '../core/tensor.ts';
import * as brackets from '../ops/brackets.ts';
import { ops } from '../ops/elementwise.ts';
import * as slices from '../ops/index-slices.ts';
import * as indexing from '../ops/indexing.ts';
import { inPlace, inPlaceOf, writeInPlace } from '../ops/inplace.ts';
import * as mask from '../ops/mask.ts';
import * as places from '../ops/places.ts';
import * as reduce from '../ops/scatter-reduce.ts';
import { written } from '../ops/writing.ts';
import { checkOptions } from './options.ts';
import { type Index, TensorPicking } from './picking.ts';
import type { Shape, Untyped } from './shapes.ts';
import type { Both, Fit, FitBrackets, FitValue, Operand } from './signatures.ts';
import type { Tensor } from './tensor.ts';

const as = (t: TensorBase): Tensor => t as Tensor;

/** `accumulate` adds instead of writing, so that places that are named several times count as often. */
export interface Accumulating {
  readonly accumulate?: boolean;
}

function accumulates(op: string, options: Accumulating | undefined): boolean {
  checkOptions(op, options, ['accumulate']);
  return options?.accumulate ?? false;
}

/** How what is scattered to one place is put together, and whether what stands there counts. */
export interface Including {
  readonly includeSelf?: boolean;
}

function includes(op: string, options: Including | undefined): boolean {
  checkOptions(op, options, ['includeSelf']);
  return options?.includeSelf ?? true;
}

/** `scatter` can add or multiply instead of writing. */
export interface Scattering {
  readonly reduce?: 'add' | 'multiply';
}

/** Elements written by index: each as a function, and in place with an underscore. */
export abstract class TensorPlacing<S extends Shape = Untyped> extends TensorPicking<S> {
  // ── brackets ──

  /**
   * x[…] = value, in place: writes a number or a tensor, broadcast, to what `at(…)` reads. The list
   * holds what stands between the brackets. The gradient is that of PyTorch's assignment: what was
   * overwritten gets none, and the value gets what arrives where it was written, summed where it was
   * broadcast. (`set_`, which the name might have been, is something else in PyTorch.)
   *
   * @example
   * x.setAt_([0, slice(1, 3)], 0); // x[0, 1:3] = 0
   * x.setAt_([x.lt(0)], 0); // x[x < 0] = 0
   * x.setAt_([rows], 1, { accumulate: true }); // x[rows] += 1, as often as a row is named
   */
  setAt_<T extends Tensor, const I extends readonly Index[], X extends Operand | boolean>(
    this: T,
    index: FitBrackets<T, I>,
    value: FitValue<T, I, X>,
    options?: Accumulating,
  ): T {
    brackets.setAt_(this, index as readonly Index[], value as Operand | boolean, accumulates('setAt_', options));
    return this;
  }

  /** A copy with `value` at the index: `setAt_`, out of place. */
  setAt<T extends Tensor, const I extends readonly Index[], X extends Operand | boolean>(
    this: T,
    index: FitBrackets<T, I>,
    value: FitValue<T, I, X>,
    options?: Accumulating,
  ): Tensor<S> {
    const accumulate = accumulates('setAt', options);
    return as(brackets.setAt(this, index as readonly Index[], value as Operand | boolean, accumulate));
  }

  /**
   * `values`, broadcast, written (or added) where index tensors say: one for each dimension, int32 or a
   * mask, null for a whole dimension. `values` are of the tensor's dtype.
   */
  indexPut(indices: brackets.Indices, values: Tensor, options?: Accumulating): Tensor<S> {
    return as(written(this, brackets.indexPutCall(this, indices, values, accumulates('indexPut', options))));
  }

  indexPut_(indices: brackets.Indices, values: Tensor, options?: Accumulating): this {
    const accumulate = accumulates('indexPut_', options);
    writeInPlace('indexPut', this, brackets.indexPutCall(this, indices, values, accumulate));
    return this;
  }

  /** The elements of `source` written (or added) at the places in `index` (int32) of the tensor seen as one row. */
  put(index: Tensor, source: Tensor, options?: Accumulating): Tensor<S> {
    return as(places.put(this, index, source, accumulates('put', options)));
  }

  put_(index: Tensor, source: Tensor, options?: Accumulating): this {
    const accumulate = accumulates('put_', options);
    inPlaceOf('put', this, [index, source], (x) => places.put(x, index, source, accumulate));
    return this;
  }

  // ── masks ──

  /** A number, or the value of a scalar tensor, where `mask` (bool) holds. */
  maskedFill<T extends Tensor, M extends Tensor>(this: T, maskTensor: Fit<T, M>, value: Operand): Tensor<Both<T, M>> {
    return as(mask.maskedFill(this, maskTensor as Tensor, value));
  }

  maskedFill_(maskTensor: Tensor, value: Operand): this {
    const inputs = mask.maskedFillInputs(this, maskTensor, value);
    inPlace(typeof value === 'number' ? ops.maskedFill : ops.maskedFillTensor, inputs);
    return this;
  }

  /** The elements of `source`, one after the other, where `mask` (bool) holds. */
  maskedScatter<T extends Tensor, M extends Tensor>(
    this: T,
    maskTensor: Fit<T, M>,
    source: Tensor,
  ): Tensor<Both<T, M>> {
    return as(mask.maskedScatter(this, maskTensor as Tensor, source));
  }

  maskedScatter_(maskTensor: Tensor, source: Tensor): this {
    mask.maskedScatter_(this, maskTensor, source);
    return this;
  }

  // ── elements along a dimension ──

  /**
   * The elements of `src`, or a number, written where `index` (int32) says, along `dim`:
   * y[index[i, j], j] = src[i, j] for dim 0. Of several for one place the last stays.
   */
  scatter(dim: number, index: Tensor, src: Tensor | number, options?: Scattering): Tensor<S> {
    checkOptions('scatter', options, ['reduce']);
    return as(reduce.scatterWith(this, dim, index, src, options?.reduce));
  }

  scatter_(dim: number, index: Tensor, src: Tensor | number, options?: Scattering): this {
    checkOptions('scatter_', options, ['reduce']);
    if (options?.reduce === undefined) writeInPlace('scatter', this, indexing.scatterCall(this, dim, index, src));
    else {
      const others = typeof src === 'number' ? [index] : [index, src];
      inPlaceOf('scatter', this, others, (x) => reduce.scatterWith(x, dim, index, src, options.reduce));
    }
    return this;
  }

  /** The elements of `src` added where `index` (int32) says, along `dim`. */
  scatterAdd(dim: number, index: Tensor, src: Tensor): Tensor<S> {
    return as(indexing.scatterAdd(this, dim, index, src));
  }

  scatterAdd_(dim: number, index: Tensor, src: Tensor): this {
    writeInPlace('scatterAdd', this, indexing.scatterAddCall(this, dim, index, src));
    return this;
  }

  /**
   * The elements of `src` joined where `index` (int32) says, along `dim`, to what stands there unless
   * `includeSelf` is false. At ties `amax` and `amin` share the gradient evenly; `prod` is exact at zeros.
   */
  scatterReduce(dim: number, index: Tensor, src: Tensor, how: reduce.ScatterReduction, options?: Including): Tensor<S> {
    return as(reduce.scatterReduce(this, dim, index, src, how, includes('scatterReduce', options)));
  }

  scatterReduce_(dim: number, index: Tensor, src: Tensor, how: reduce.ScatterReduction, options?: Including): this {
    const includeSelf = includes('scatterReduce_', options);
    const f = (x: TensorBase): TensorBase => reduce.scatterReduce(x, dim, index, src, how, includeSelf);
    inPlaceOf('scatterReduce', this, [index, src], f);
    return this;
  }

  // ── slices along a dimension ──

  /** The slices of `src`, times `alpha`, added at the places in `index` (int32) along `dim`. */
  indexAdd(dim: number, index: Tensor, src: Tensor, options?: { readonly alpha?: number }): Tensor<S> {
    checkOptions('indexAdd', options, ['alpha']);
    return as(slices.indexAdd(this, dim, index, src, options?.alpha));
  }

  indexAdd_(dim: number, index: Tensor, src: Tensor, options?: { readonly alpha?: number }): this {
    checkOptions('indexAdd_', options, ['alpha']);
    writeInPlace('indexAdd', this, slices.indexAddCall(this, dim, index, src, options?.alpha));
    return this;
  }

  /** The slices of `src` written at the places in `index` (int32) along `dim`. */
  indexCopy(dim: number, index: Tensor, src: Tensor): Tensor<S> {
    return as(slices.indexCopy(this, dim, index, src));
  }

  indexCopy_(dim: number, index: Tensor, src: Tensor): this {
    writeInPlace('indexCopy', this, slices.indexCopyCall(this, dim, index, src));
    return this;
  }

  /** A number, or the value of a scalar tensor, written at the places in `index` (int32) along `dim`. */
  indexFill(dim: number, index: Tensor, value: Operand): Tensor<S> {
    return as(slices.indexFill(this, dim, index, value));
  }

  indexFill_(dim: number, index: Tensor, value: Operand): this {
    slices.indexFill_(this, dim, index, value);
    return this;
  }

  /** The slices of `src` joined at the places in `index` (int32) along `dim`: see `scatterReduce`. */
  indexReduce(
    dim: number,
    index: Tensor,
    src: Tensor,
    how: Exclude<reduce.ScatterReduction, 'sum'>,
    options?: Including,
  ): Tensor<S> {
    return as(reduce.indexReduce(this, dim, index, src, how, includes('indexReduce', options)));
  }

  indexReduce_(
    dim: number,
    index: Tensor,
    src: Tensor,
    how: Exclude<reduce.ScatterReduction, 'sum'>,
    options?: Including,
  ): this {
    const includeSelf = includes('indexReduce_', options);
    const f = (x: TensorBase): TensorBase => reduce.indexReduce(x, dim, index, src, how, includeSelf);
    inPlaceOf('indexReduce', this, [index, src], f);
    return this;
  }
}
