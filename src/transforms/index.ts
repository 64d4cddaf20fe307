import { ArgumentError, DTypeError, ShapeError } from '../core/errors.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { auxParts, leavesLike, treeLeaves, treeText, withLeaves } from '../core/tree.ts';
import { zerosLike } from '../ops/create.ts';
import { checkOptions } from '../tensor/options.ts';
import { batch, type VmapOptions } from './batch.ts';
import { pushforward } from './forward.ts';
import type { At } from './positions.ts';
import { differentiableLeaves, type GradOptions, gradParts, matchCotangents, tape } from './reverse.ts';
import { type Fn, untyped } from './untyped.ts';

export type { Tree } from '../core/tree.ts';
export type { VmapOptions } from './batch.ts';
export { hessian, type JacobianOptions, jacfwd, jacobian, jacrev } from './jacobians.ts';
export type { GradOptions } from './reverse.ts';

type AtEach<A extends readonly unknown[], N extends readonly number[]> = { -readonly [K in keyof N]: At<A, N[K]> };

/** The gradients of a function: one argument's tree, or with several `argnums` an array of them. */
export type Gradient<A extends readonly unknown[], O extends GradOptions> = O extends {
  readonly argnums: infer N extends readonly number[];
}
  ? AtEach<A, N>
  : O extends { readonly argnums: infer N extends number }
    ? At<A, N>
    : A[0];

/** What a `hasAux` function returns besides its value. */
type Aux<R> = R extends readonly [unknown, infer X] ? X : never;
type WithAux<R, O extends GradOptions, G> = O extends { readonly hasAux: true } ? [G, Aux<R>] : G;

/**
 * The function that computes the gradient of `f`, a function of tensors (or arrays and objects of
 * them) to a scalar tensor: `grad : (a → ℝ) → a → a`.
 *
 * @throws {ShapeError} when `f` does not return a scalar.
 */
export function grad<A extends readonly unknown[], R, const O extends GradOptions = GradOptions>(
  f: Fn<A, R>,
  options?: O,
): Fn<A, WithAux<R, O, Gradient<A, O>>> {
  const body = untyped('grad', f);
  checkOptions('grad', options, GRAD_OPTIONS);
  return (...args) => {
    const { grads, aux } = gradParts('grad', body, args, options ?? {});
    return (options?.hasAux ? [grads, aux] : grads) as WithAux<R, O, Gradient<A, O>>;
  };
}

/** Like `grad`, and returns `[value, gradient]`; with `hasAux`, `[[value, aux], gradient]`. */
export function valueAndGrad<A extends readonly unknown[], R, const O extends GradOptions = GradOptions>(
  f: Fn<A, R>,
  options?: O,
): Fn<A, [R, Gradient<A, O>]> {
  const body = untyped('valueAndGrad', f);
  checkOptions('valueAndGrad', options, GRAD_OPTIONS);
  return (...args) => {
    const { value, grads, aux } = gradParts('valueAndGrad', body, args, options ?? {});
    return [(options?.hasAux ? [value, aux] : value) as R, grads as Gradient<A, O>];
  };
}

/**
 * Value of `f` and the function that pulls cotangents back: `vjp : (a → b) → a → (b, b → a)`. The
 * pullback may be called any number of times; it returns one entry per argument.
 */
export function vjp<A extends readonly unknown[], R>(f: Fn<A, R>, ...args: A): [R, (cotangents: R) => A];
/** With `{ hasAux: true }` after the arguments, `f` returns `[output, aux]`, and aux comes third. */
export function vjp<A extends readonly unknown[], R, X>(
  f: Fn<A, readonly [R, X]>,
  ...args: readonly [...A, { readonly hasAux: true }]
): [R, (cotangents: R) => A, X];
export function vjp(f: Fn<never, unknown>, ...given: readonly unknown[]): unknown[] {
  const body = untyped('vjp', f);
  const hasAux = isAuxOption(given.at(-1));
  const args = hasAux ? given.slice(0, -1) : given;
  const taped = tape(
    'vjp',
    (free) => {
      const out = body(...(free as readonly unknown[]));
      return hasAux ? auxParts('vjp', out) : [out];
    },
    args,
  );
  const [result, ...aux] = taped.result as readonly unknown[];
  differentiableLeaves('vjp', result);
  return [
    result,
    (cotangents: unknown) => withLeaves(args, taped.pullback(matchCotangents('vjp', result, cotangents))),
    ...aux,
  ];
}

/** `{ hasAux: true }`, which no argument of a function of tensors is. */
function isAuxOption(x: unknown): boolean {
  return (
    typeof x === 'object' && x !== null && Object.keys(x).length === 1 && (x as { hasAux?: unknown }).hasAux === true
  );
}

/** What `jvp` does with constants, and whether the function returns more than its value. */
export interface JvpOptions {
  /** An error where a result does not depend on the primals; without it, its tangent is zero. */
  readonly strict?: boolean;
  /** `f` returns `[output, aux]`, and aux comes third. */
  readonly hasAux?: boolean;
}

/** Value of `f` and its derivative along `tangents`: `jvp : (a → b) → (a, a) → (b, b)`. */
export function jvp<A extends readonly unknown[], R, X>(
  f: Fn<A, readonly [R, X]>,
  primals: A,
  tangents: A,
  options: JvpOptions & { readonly hasAux: true },
): [R, R, X];
export function jvp<A extends readonly unknown[], R>(
  f: Fn<A, R>,
  primals: A,
  tangents: A,
  options?: JvpOptions,
): [R, R];
export function jvp(
  f: Fn<never, unknown>,
  primals: readonly unknown[],
  tangents: readonly unknown[],
  options: JvpOptions = {},
): unknown[] {
  const body = untyped('jvp', f);
  checkOptions('jvp', options, ['strict', 'hasAux']);
  const { result, tangent, aux } = pushforward('jvp', body, primals, tangents, options);
  return options.hasAux ? [result, tangent, aux] : [result, tangent];
}

/**
 * Value of `f` and its derivative as a linear function of tangents: `linearize : (a → b) → a → (b, a → b)`.
 * `f` runs once; after that a tangent costs as much as a vjp.
 */
export function linearize<A extends readonly unknown[], R>(f: Fn<A, R>, ...primals: A): [R, (...tangents: A) => R] {
  const body = untyped('linearize', f);
  const { result, pullback } = tape('linearize', (free) => body(...(free as readonly unknown[])), primals);
  const outputs = differentiableLeaves('linearize', result);
  // u ↦ Jᵀu is linear, and the pullback of a linear function is its transpose, wherever it is taken.
  const transposed = tape('linearize', (us) => pullback(treeLeaves(us)), outputs.map(zerosLike));
  return [result as R, (...tangents) => withLeaves(result, transposed.pullback(matchTangents(primals, tangents))) as R];
}

function matchTangents(primals: readonly unknown[], tangents: readonly unknown[]): TensorBase[] {
  const list = leavesLike(primals, tangents);
  if (list === null)
    throw new ArgumentError(
      `linearize: Expected the tangents ${treeText(tangents)} to have the same argspec as the primals ${treeText(primals)}`,
    );
  treeLeaves(primals).forEach(({ shape, dtype }, i) => {
    const t = list[i];
    const refuse = (what: string, a: string, b: string): string =>
      `linearize: tangent:${i} with ${what} ${a} in flattened pytree doesn't match the ${what} ${b} of the corresponding primal.`;
    if (!sameShape(t.shape, shape)) throw new ShapeError(refuse('shape', shapeText(t.shape), shapeText(shape)));
    if (t.dtype !== dtype) throw new DTypeError(refuse('dtype', t.dtype, dtype));
  });
  return list;
}

/**
 * `f` mapped over a batch dimension of its arguments, without a loop: inside, tensors have the shape
 * of one example.
 */
export function vmap<A extends readonly unknown[], R>(f: Fn<A, R>, options: VmapOptions = {}): Fn<A, R> {
  const body = untyped('vmap', f);
  checkOptions('vmap', options, ['inDims', 'outDims', 'chunkSize', 'randomness']);
  return (...args) => batch(body, args, options) as R;
}

const GRAD_OPTIONS = ['argnums', 'hasAux'] as const;

/** The Hessian of a scalar function times `tangents`, without the Hessian: forward over reverse. */
export function hvp<A extends readonly unknown[], R>(f: Fn<A, R>, primals: A, tangents: A): [R, A] {
  const gradients = (...args: readonly unknown[]): unknown => {
    const { value, grads } = gradParts('hvp', untyped('hvp', f), args, { argnums: args.map((_, i) => i) });
    return [value, grads];
  };
  const { result, tangent } = pushforward('hvp', gradients, primals, tangents);
  return [(result as readonly [R, unknown])[0], (tangent as readonly [unknown, A])[1]];
}
