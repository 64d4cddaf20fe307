import { ArgumentError } from '../core/errors.ts';
import { numel } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { mapTree, resultLeaves, treeLeaves, withLeaves } from '../core/tree.ts';
import { narrow } from '../ops/slices.ts';
import { movedim, reshape } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { basis } from './basis.ts';
import { batch, type VmapOptions } from './batch.ts';
import { pushforward } from './forward.ts';
import { type GradOptions, gradParts, matchCotangents, position, tape } from './reverse.ts';

export type { Tree } from '../core/tree.ts';
export type { VmapOptions } from './batch.ts';
export type { GradOptions } from './reverse.ts';

type Fn<A extends readonly unknown[], R> = (...args: A) => R;
type Untyped = (...args: readonly unknown[]) => unknown;

/** The function to transform, without its types. */
function untyped<A extends readonly unknown[], R>(transform: string, f: Fn<A, R>): Untyped {
  if (typeof f !== 'function') {
    throw new ArgumentError(
      `${transform}: expected a function of tensors, got ${f === null ? 'null' : typeof f}; to differentiate a tensor that is computed already use y.backward() or autograd.grad(y, x)`,
    );
  }
  return f as unknown as Untyped;
}

/** The argument at a position; for one counted from the end, any of them. */
type At<A extends readonly unknown[], N extends number> = `${N}` extends keyof A ? A[N] : A[number];
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
export function vjp<A extends readonly unknown[], R>(f: Fn<A, R>, ...args: A): [R, (cotangents: R) => A] {
  const taped = tape(
    'vjp',
    untyped('vjp', f),
    args,
    args.map((_, i) => i),
  );
  const outputs = resultLeaves('vjp', taped.result);
  return [
    taped.result as R,
    (cotangents) => withLeaves(args, taped.pullback(matchCotangents('vjp', outputs, cotangents))) as unknown as A,
  ];
}

/** Value of `f` and its derivative along `tangents`: `jvp : (a → b) → (a, a) → (b, b)`. */
export function jvp<A extends readonly unknown[], R>(f: Fn<A, R>, primals: A, tangents: A): [R, R] {
  const { result, tangent } = pushforward('jvp', untyped('jvp', f), primals, tangents);
  return [result as R, tangent as R];
}

/**
 * `f` mapped over a batch dimension of its arguments, without a loop: inside, tensors have the shape
 * of one example.
 */
export function vmap<A extends readonly unknown[], R>(f: Fn<A, R>, options: VmapOptions = {}): Fn<A, R> {
  const body = untyped('vmap', f);
  checkOptions('vmap', options, ['inDims', 'outDims', 'chunkSize']);
  return (...args) => batch(body, args, options) as R;
}

export interface JacobianOptions {
  /** Which argument to differentiate by; 0 by default. */
  readonly argnum?: number;
  /** Rows (reverse mode) or columns (forward mode) computed at a time; all by default. */
  readonly chunkSize?: number;
}

const GRAD_OPTIONS = ['argnums', 'hasAux'] as const;
const JACOBIAN_OPTIONS = ['argnum', 'chunkSize'] as const;

/** Result of `jacobian` for a single tensor, else a tree of outputs whose leaves are trees of inputs. */
type Jacobian<R> = R extends Tensor ? Tensor : unknown;

function chunked(chunkSize: number | undefined): VmapOptions {
  return chunkSize === undefined ? {} : { chunkSize };
}

/** The Jacobian by reverse mode, one vmapped pullback over the outputs: best when outputs are fewer than inputs. */
export function jacrev<A extends readonly unknown[], R>(
  f: Fn<A, R>,
  options: JacobianOptions = {},
): Fn<A, Jacobian<R>> {
  const body = untyped('jacrev', f);
  checkOptions('jacrev', options, JACOBIAN_OPTIONS);
  return (...args) => {
    const at = position('jacrev', options.argnum ?? 0, args.length);
    const taped = tape('jacrev', body, args, [at]);
    const outputs = resultLeaves('jacrev', taped.result);
    const inputs = treeLeaves(args[at]);
    const rows = treeLeaves(
      batch((...seeds) => taped.pullback(seeds as readonly TensorBase[]), basis(outputs), chunked(options.chunkSize)),
    );
    let start = 0;
    const perOutput = outputs.map((y) => {
      const n = numel(y.shape);
      const blocks = rows.map((r, i) => reshape(narrow(r, 0, start, n), [...y.shape, ...inputs[i].shape]));
      start += n;
      return withLeaves(args[at], blocks);
    });
    return withLeaves(taped.result, perOutput) as Jacobian<R>;
  };
}

/** The Jacobian by forward mode, one vmapped jvp over the inputs: best when inputs are fewer than outputs. */
export function jacfwd<A extends readonly unknown[], R>(
  f: Fn<A, R>,
  options: JacobianOptions = {},
): Fn<A, Jacobian<R>> {
  const body = untyped('jacfwd', f);
  checkOptions('jacfwd', options, JACOBIAN_OPTIONS);
  return (...args) => {
    const at = position('jacfwd', options.argnum ?? 0, args.length);
    const inputs = treeLeaves(args[at]);
    const along = (x: unknown): unknown => body(...args.with(at, x as never));
    let shapes: unknown;
    const columns = treeLeaves(
      batch(
        (...directions) => {
          const { result, tangent } = pushforward('jacfwd', along, [args[at]], [withLeaves(args[at], directions)]);
          shapes = result;
          return tangent;
        },
        basis(inputs),
        chunked(options.chunkSize),
      ),
    );
    const perOutput = columns.map((c) => {
      const last = movedim(c, 0, -1);
      const outer = c.shape.slice(1);
      let start = 0;
      const blocks = inputs.map((x) => {
        const block = reshape(narrow(last, -1, start, x.count), [...outer, ...x.shape]);
        start += x.count;
        return block;
      });
      return withLeaves(args[at], blocks);
    });
    return withLeaves(
      mapTree(shapes, (t) => t),
      perOutput,
    ) as Jacobian<R>;
  };
}

/** The Jacobian, by reverse mode unless `mode: 'forward'` is asked for. Entry `[i…, j…]` is ∂y[i…]/∂x[j…]. */
export function jacobian<A extends readonly unknown[], R>(
  f: Fn<A, R>,
  options: JacobianOptions & { readonly mode?: 'reverse' | 'forward' } = {},
): Fn<A, Jacobian<R>> {
  const { mode = 'reverse', ...rest } = options;
  if (mode !== 'reverse' && mode !== 'forward')
    throw new ArgumentError(`jacobian: mode is 'reverse' or 'forward', got ${JSON.stringify(mode)}`);
  return mode === 'forward' ? jacfwd(f, rest) : jacrev(f, rest);
}

/** Second derivatives of a scalar function, forward over reverse. Entry `[i…, j…]` is ∂²y/∂x[i…]∂x[j…]. */
export function hessian<A extends readonly unknown[], R>(
  f: Fn<A, R>,
  options: JacobianOptions = {},
): Fn<A, Jacobian<R>> {
  return jacfwd(jacrev(f, { argnum: options.argnum ?? 0 }), options) as Fn<A, Jacobian<R>>;
}

/** The Hessian of a scalar function times `tangents`, without the Hessian: forward over reverse. */
export function hvp<A extends readonly unknown[], R>(f: Fn<A, R>, primals: A, tangents: A): [R, A] {
  const gradients = (...args: readonly unknown[]): unknown => {
    const { value, grads } = gradParts('hvp', untyped('hvp', f), args, { argnums: args.map((_, i) => i) });
    return [value, grads];
  };
  const { result, tangent } = pushforward('hvp', gradients, primals, tangents);
  return [(result as readonly [R, unknown])[0], (tangent as readonly [unknown, A])[1]];
}
