import { TensorBase } from '../../core/tensor.ts';
import { checkOptions } from '../../tensor/options.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import * as jacobians from './jacobians.ts';
import { checkFunction, type FunctionalOptions } from './parts.ts';
import * as products from './products.ts';

export type { Strategy } from './jacobians.ts';
export type { FunctionalOptions } from './parts.ts';

type OneOrMany = Tensor | readonly Tensor[];
type Fn<I extends OneOrMany, O> = (...inputs: I extends readonly Tensor[] ? I : [I]) => O;

/** One tensor for each of the tensors in `T`. */
type Each<T, X = Tensor> = T extends readonly unknown[] ? { -readonly [K in keyof T]: X } : X;
/** For a single output and input a tensor, else arrays: by output, then by input. */
type Jacobian<O, I> = Each<O, Each<I>>;

export interface JacobianOptions extends FunctionalOptions {
  /** Compute all rows in one pass with `vmap` instead of one by one. */
  readonly vectorize?: boolean;
  /** `'forward-mode'` needs `vectorize`, and suits functions of few inputs. */
  readonly strategy?: jacobians.Strategy;
}

export interface HessianOptions extends FunctionalOptions {
  readonly vectorize?: boolean;
  /** How the Jacobian of the gradient is computed. */
  readonly outerJacobianStrategy?: jacobians.Strategy;
}

const PRODUCT_OPTIONS = ['createGraph', 'strict'] as const;

function settings(fn: string, options: FunctionalOptions | undefined): Required<FunctionalOptions> {
  checkOptions(`autograd.functional.${fn}`, options, PRODUCT_OPTIONS);
  return { createGraph: options?.createGraph ?? false, strict: options?.strict ?? false };
}

/** A vector that was left out, with the options in its place. */
function isOptions(v: unknown): v is FunctionalOptions {
  return typeof v === 'object' && v !== null && !Array.isArray(v) && !(v instanceof TensorBase);
}

type Product = (f: never, x: unknown, v: unknown, settings: Required<FunctionalOptions>) => unknown;

function product(fn: string, compute: Product, f: unknown, x: unknown, v: unknown, options: unknown): unknown {
  checkFunction(fn, f);
  const [vector, rest] = isOptions(v) ? [null, v] : [v, options];
  return compute(f as never, x, vector, settings(fn, rest as FunctionalOptions | undefined));
}

/**
 * The Jacobian of `func` at `inputs`: entry `[i…, j…]` is ∂y[i…]/∂x[j…], in shape `[...y, ...x]`. Several
 * outputs or inputs, in arrays, give arrays of blocks, by output and then by input.
 *
 * @throws {AutogradError} with `strict`, when an output does not depend on an input.
 */
export function jacobian<const I extends OneOrMany, O extends OneOrMany>(
  func: Fn<I, O>,
  inputs: I,
  options: JacobianOptions = {},
): Jacobian<O, I> {
  checkFunction('jacobian', func);
  checkOptions('autograd.functional.jacobian', options, [...PRODUCT_OPTIONS, 'vectorize', 'strategy']);
  const { createGraph = false, strict = false, vectorize = false, strategy = 'reverse-mode' } = options;
  jacobians.checkStrategy(strategy);
  return jacobians.jacobian(func, inputs, { createGraph, strict, vectorize }, strategy) as Jacobian<O, I>;
}

/**
 * The Hessian at `inputs` of a function that gives one number: entry `[i…, j…]` is ∂²y/∂x[i…]∂x[j…]. Several
 * inputs give arrays of blocks.
 *
 * @throws {ArgumentError} when `func` does not return a single element.
 */
export function hessian<const I extends OneOrMany>(
  func: Fn<I, Tensor>,
  inputs: I,
  options: HessianOptions = {},
): Jacobian<I, I> {
  checkFunction('hessian', func);
  checkOptions('autograd.functional.hessian', options, [...PRODUCT_OPTIONS, 'vectorize', 'outerJacobianStrategy']);
  const { createGraph = false, strict = false, vectorize = false, outerJacobianStrategy = 'reverse-mode' } = options;
  jacobians.checkStrategy(outerJacobianStrategy);
  return jacobians.hessian(func, inputs, { createGraph, strict, vectorize }, outerJacobianStrategy) as Jacobian<I, I>;
}

/**
 * `[y, vᵀJ]` for the Jacobian J of `func` at `inputs`. `v` has the shape of the output, and may be left
 * out when that is one number.
 */
export function vjp<const I extends OneOrMany, O extends OneOrMany>(
  func: Fn<I, O>,
  inputs: I,
  v?: NoInfer<O> | null | FunctionalOptions,
  options?: FunctionalOptions,
): [outputs: O, vjp: Each<I>] {
  return product('vjp', products.vjp, func, inputs, v, options) as [O, Each<I>];
}

/**
 * `[y, Jv]` for the Jacobian J of `func` at `inputs`. `v` has the shape of the inputs, and may be left out
 * when they are one number.
 */
export function jvp<const I extends OneOrMany, O extends OneOrMany>(
  func: Fn<I, O>,
  inputs: I,
  v?: Each<NoInfer<I>> | null | FunctionalOptions,
  options?: FunctionalOptions,
): [outputs: O, jvp: Each<O>] {
  return product('jvp', products.jvp, func, inputs, v, options) as [O, Each<O>];
}

/** `[y, vᵀH]` for the Hessian H at `inputs` of a function that gives one number. `v` has the shape of the inputs. */
export function vhp<const I extends OneOrMany>(
  func: Fn<I, Tensor>,
  inputs: I,
  v?: Each<NoInfer<I>> | null | FunctionalOptions,
  options?: FunctionalOptions,
): [output: Tensor, vhp: Each<I>] {
  return product('vhp', products.vhp, func, inputs, v, options) as [Tensor, Each<I>];
}

/** `[y, Hv]` for the Hessian H at `inputs` of a function that gives one number. `vhp` is the same and faster. */
export function hvp<const I extends OneOrMany>(
  func: Fn<I, Tensor>,
  inputs: I,
  v?: Each<NoInfer<I>> | null | FunctionalOptions,
  options?: FunctionalOptions,
): [output: Tensor, hvp: Each<I>] {
  return product('hvp', products.hvp, func, inputs, v, options) as [Tensor, Each<I>];
}
