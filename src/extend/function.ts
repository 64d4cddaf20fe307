import { AutogradError } from '../core/errors.ts';
import type { Randomness } from '../transforms/levels.ts';
import { callFunction, type FunctionClass } from './call.ts';

/** What `static vmap` is told about the batch. */
export interface VmapInfo {
  readonly batchSize: number;
  /** Random numbers drawn under vmap are the same for all examples. */
  readonly randomness: Randomness;
}

type AnyFunction = (...args: never[]) => unknown;
type WithoutContext<F> = F extends (ctx: never, ...args: infer A) => unknown ? A : never;

/** What `apply` takes: the arguments of `forward`, without `ctx`. */
type ApplyArguments<C extends { readonly forward: AnyFunction }> = C extends { readonly setupContext: AnyFunction }
  ? Parameters<C['forward']>
  : WithoutContext<C['forward']>;

/** The type of `autograd.Function`: a class to extend, whose static `apply` calls the subclass. */
export interface FunctionBase {
  /** Custom functions are called through `apply`; an instance of one is an error. */
  new (): object;
  /**
   * Calls the function. Gradients flow to arguments that are tensors, not to tensors inside of arrays or
   * objects.
   *
   * @throws {NotImplementedError} when the class has no `forward`.
   */
  apply<C extends { readonly forward: AnyFunction }>(this: C, ...args: ApplyArguments<C>): ReturnType<C['forward']>;
}

/**
 * A function with derivatives of your own, as `torch.autograd.Function`. Subclasses define static
 * methods and are called through `apply`, which takes what `forward` takes and returns what it returns:
 *
 * - `forward(ctx, …args)` computes, and `ctx.saveForBackward(…)` keeps tensors; or `forward(…args)`
 *   computes, and `setupContext(ctx, inputs, output)` keeps them. Nothing in it is recorded.
 * - `backward(ctx, …gradients)` (or `vjp`) has one gradient for every result and returns one for every
 *   argument: null for what is not a tensor, an array if there are several. It is made of operations, so
 *   that it can be differentiated in turn; if it is not, wrap it in `onceDifferentiable`.
 * - `jvp(ctx, …tangents)`, for forward mode, has a tangent for every argument and returns one for every
 *   result.
 * - `vmap(info, inDims, …args)` returns `[output, outDims]`, for a forward that vmap cannot look into.
 *   Without it the methods are mapped as they are; `generateVmapRule = false` makes that an error.
 *
 * @example
 * class Exp extends autograd.Function {
 *   static forward(ctx: autograd.FunctionContext, x: Tensor) {
 *     const y = x.exp();
 *     ctx.saveForBackward(y);
 *     return y;
 *   }
 *   static backward(ctx: autograd.FunctionContext, g: Tensor) {
 *     const [y] = ctx.savedTensors;
 *     return g.mul(y);
 *   }
 * }
 * const y = Exp.apply(x);
 */
export const AutogradFunction: FunctionBase = class {
  constructor() {
    throw new AutogradError(
      'Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static forward method, and call it through apply.',
    );
  }

  static readonly apply = function apply(this: unknown, ...args: readonly unknown[]): never {
    return callFunction(this as FunctionClass, args) as never;
  };
};
