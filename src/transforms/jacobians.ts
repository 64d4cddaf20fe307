import { ArgumentError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { numel } from '../core/shape.ts';
import type { TensorBase } from '../core/tensor.ts';
import { auxParts, treeLeaves, withLeaves } from '../core/tree.ts';
import { narrow } from '../ops/slices.ts';
import { movedim, reshape } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { basis } from './basis.ts';
import { batch, type VmapOptions } from './batch.ts';
import { type Pushed, pushforward } from './forward.ts';
import { type Argnums, type At, select } from './positions.ts';
import { differentiableLeaves, tape } from './reverse.ts';
import { type Fn, untyped } from './untyped.ts';

/** What a Jacobian is taken by, and how much of it at a time. */
export interface JacobianOptions {
  /** Which argument (or arguments) to differentiate by; 0 by default. Negative counts from the end. */
  readonly argnums?: Argnums;
  /** One argument to differentiate by: another name for `argnums`. */
  readonly argnum?: number;
  /** `f` returns `[output, aux]`, and the result is `[Jacobian, aux]`. */
  readonly hasAux?: boolean;
  /** Rows (reverse mode) or columns (forward mode) computed at a time; all by default. */
  readonly chunkSize?: number;
}

const OPTIONS = ['argnums', 'argnum', 'hasAux', 'chunkSize'] as const;

/** A tree with something else in the place of each of its tensors. */
type Filled<T, With> = 0 extends 1 & T
  ? With
  : T extends Tensor
    ? With
    : T extends (...args: never) => unknown
      ? T
      : { -readonly [K in keyof T]: Filled<T[K], With> };

/** What stands beside a tensor of the result: the tree of the argument, with several `argnums` an array of them. */
type Beside<A extends readonly unknown[], O, With> = O extends { readonly argnums: infer N extends readonly number[] }
  ? { -readonly [K in keyof N]: Filled<At<A, N[K]>, With> }
  : Filled<
      O extends { readonly argnums: infer N extends number } | { readonly argnum: infer N extends number }
        ? At<A, N>
        : A[0],
      With
    >;

/**
 * For a single tensor in and out a tensor, else a tree of outputs whose leaves are trees of inputs; with
 * several `argnums` these are arrays.
 */
export type Jacobian<A extends readonly unknown[], R, O = JacobianOptions> = O extends { readonly hasAux: true }
  ? R extends readonly [infer Y, infer X]
    ? [Filled<Y, Beside<A, O, Tensor>>, X]
    : never
  : Filled<R, Beside<A, O, Tensor>>;

/** What both modes take from the options: where to differentiate, and how many at a time. */
function settings(transform: string, { argnums, argnum, chunkSize }: JacobianOptions, args: readonly unknown[]) {
  if (chunkSize !== undefined && !(Number.isInteger(chunkSize) && chunkSize > 0))
    throw new ArgumentError(`${transform}: \`chunk_size\` should be greater than 0. (chunkSize is ${chunkSize})`);
  const chunked: VmapOptions = chunkSize === undefined ? {} : { chunkSize };
  return { ...select(transform, argnums ?? argnum ?? 0, args), chunked };
}

/** The Jacobian by reverse mode, one vmapped pullback over the outputs: best when outputs are fewer than inputs. */
export function jacrev<A extends readonly unknown[], R, const O extends JacobianOptions = JacobianOptions>(
  f: Fn<A, R>,
  options?: O,
): Fn<A, Jacobian<A, R, O>> {
  const body = untyped('jacrev', f);
  checkOptions('jacrev', options, OPTIONS);
  const hasAux = options?.hasAux ?? false;
  return (...args) => {
    const { chosen, others, insert, chunked } = settings('jacrev', options ?? {}, args);
    const taped = tape(
      'jacrev',
      (free, all) => {
        const out = body(...insert(free, all));
        return hasAux ? auxParts('jacrev', out) : [out];
      },
      chosen,
      others,
    );
    const [result, aux] = taped.result as readonly unknown[];
    const outputs = differentiableLeaves('jacrev', result);
    const inputs = treeLeaves(chosen);
    const rows = treeLeaves(
      batch((...seeds) => taped.pullback(seeds as readonly TensorBase[]), basis(outputs), chunked),
    );
    let start = 0;
    const perOutput = outputs.map((y) => {
      const n = numel(y.shape);
      const blocks = rows.map((r, i) => reshape(narrow(r, 0, start, n), [...y.shape, ...inputs[i].shape]));
      start += n;
      return withLeaves(chosen, blocks);
    });
    const jacobian = withLeaves(result, perOutput);
    return (hasAux ? [jacobian, aux] : jacobian) as Jacobian<A, R, O>;
  };
}

/** The Jacobian by forward mode, one vmapped jvp over the inputs: best when inputs are fewer than outputs. */
export function jacfwd<A extends readonly unknown[], R, const O extends JacobianOptions = JacobianOptions>(
  f: Fn<A, R>,
  options?: O,
): Fn<A, Jacobian<A, R, O>> {
  const body = untyped('jacfwd', f);
  checkOptions('jacfwd', options, OPTIONS);
  const hasAux = options?.hasAux ?? false;
  return (...args) => {
    const { chosen, insert, chunked } = settings('jacfwd', options ?? {}, args);
    const inputs = treeLeaves(chosen);
    const along = (x: unknown, ...all: readonly unknown[]): unknown => body(...insert(x, all));
    let pushed: Pushed | undefined;
    const columns = treeLeaves(
      batch(
        (...directions) => {
          pushed = pushforward('jacfwd', along, [chosen], [withLeaves(chosen, directions)], { hasAux }, args);
          return pushed.tangent;
        },
        basis(inputs),
        chunked,
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
      return withLeaves(chosen, blocks);
    });
    const jacobian = withLeaves(pushed?.result, perOutput);
    return (hasAux ? [jacobian, pushed?.aux] : jacobian) as Jacobian<A, R, O>;
  };
}

/** The Jacobian, by reverse mode unless `mode: 'forward'` is asked for. Entry `[i…, j…]` is ∂y[i…]/∂x[j…]. */
export function jacobian<
  A extends readonly unknown[],
  R,
  const O extends JacobianOptions & { readonly mode?: 'reverse' | 'forward' } = JacobianOptions,
>(f: Fn<A, R>, options?: O): Fn<A, Jacobian<A, R, O>> {
  const { mode = 'reverse', ...rest }: JacobianOptions & { readonly mode?: 'reverse' | 'forward' } = options ?? {};
  if (mode !== 'reverse' && mode !== 'forward')
    throw new ArgumentError(`jacobian: mode is 'reverse' or 'forward', got ${JSON.stringify(mode)}`);
  return within('jacobian', () => (mode === 'forward' ? jacfwd(f, rest) : jacrev(f, rest))) as Fn<A, Jacobian<A, R, O>>;
}

/** For a single tensor a tensor, else trees by the one and then by the other argument; with several `argnums` in arrays. */
export type Hessian<A extends readonly unknown[], R, O> = Filled<R, Beside<A, O, Beside<A, O, Tensor>>>;

/** Second derivatives of a scalar function, forward over reverse. Entry `[i…, j…]` is ∂²y/∂x[i…]∂x[j…]. */
export function hessian<
  A extends readonly unknown[],
  R,
  const O extends Omit<JacobianOptions, 'hasAux'> = Omit<JacobianOptions, 'hasAux'>,
>(f: Fn<A, R>, options?: O): Fn<A, Hessian<A, R, O>> {
  checkOptions('hessian', options, ['argnums', 'argnum', 'chunkSize']);
  const argnums = options?.argnums ?? options?.argnum ?? 0;
  return jacfwd(
    within('hessian', () => jacrev(f, { argnums })),
    options,
  ) as unknown as Fn<A, Hessian<A, R, O>>;
}
