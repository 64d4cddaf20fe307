import { apply } from '../core/apply.ts';
import { ArgumentError, AutogradError, NotImplementedError } from '../core/errors.ts';
import { baseScope } from '../core/levels.ts';
import { defineOp, type JvpContext, noForwardMode, notDifferentiable, type Op, type RuleContext } from '../core/op.ts';
import type { Shape } from '../core/shape.ts';
import { alias, type Outputs, TensorBase } from '../core/tensor.ts';
import { clone } from '../ops/copy.ts';
import { stack } from '../ops/join.ts';
import { select } from '../ops/slices.ts';
import { reshape } from '../ops/view.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { asUser, show } from './override.ts';
import { checkedGradient, kindWord } from './tensors.ts';

/** Options of an operation, by name; every one has a default. */
export type OperationOptions = Readonly<Record<string, unknown>>;

/** What a gradient rule may ask about the call it belongs to. */
export interface OperationCall<O> {
  readonly options: O;
  /** The shape of input `i`, for an input that needs a gradient. */
  shape(i: number): Shape;
}

/** For one input: the names of what is saved, and the rule from the result's gradient to the input's. */
export type GradientRule<O> = readonly [
  saves: readonly string[],
  rule: (g: Tensor, saved: readonly Tensor[], call: OperationCall<O>) => Tensor | null,
];

/** All gradients at once, for an operation of several results. A gradient that did not arrive is null. */
export interface GradientRules<O> {
  readonly saves: readonly string[];
  readonly rule: (
    g: readonly (Tensor | null)[],
    saved: readonly Tensor[],
    call: OperationCall<O>,
  ) => readonly (Tensor | null)[];
}

/** The call of an operation whose inputs move: what a `jvp` rule computes the tangents of the results from. */
export interface TangentCall<O> {
  readonly inputs: readonly Tensor[];
  /** Null where nothing moves. */
  readonly tangents: readonly (Tensor | null)[];
  readonly outputs: readonly Tensor[];
  readonly options: O;
}

/** What one writes to define an operation: everything a transform can ask of it. */
export interface OperationDefinition<N extends readonly string[], O, R> {
  /** Unique among all operations; `operations()` lists them. */
  readonly name: string;
  /** The name of its nodes in graphs; by default the name with a capital letter and `Backward0`. */
  readonly node?: string;
  /** Names of the inputs. Rules save these and the results, `y` (of several: `y0`, `y1`, …). */
  readonly inputs: N;
  /** Options that calls may give in an object at the end, with their defaults. */
  readonly options?: O;
  /** Computes. It sees plain tensors, may use anything, and is not recorded. */
  readonly forward: (inputs: { readonly [K in keyof N]: Tensor }, options: O) => R;
  /** Gradients, made of operations so that they can be differentiated in turn. Inputs without a rule have none. */
  readonly vjp: typeof notDifferentiable | { readonly [K in N[number]]?: GradientRule<O> } | GradientRules<O>;
  /**
   * Tangents: `'linear'` in all inputs together, `'multilinear'` in each, or a function that returns the
   * tangent of every result. `'not implemented'` makes forward mode an error.
   */
  readonly jvp:
    | typeof notDifferentiable
    | typeof noForwardMode
    | 'linear'
    | 'multilinear'
    | ((call: TangentCall<O>) => Tensor | null | readonly (Tensor | null)[]);
  /**
   * The operation on a batch: `'elementwise'` if it works element by element and broadcasts, `'sequential'`
   * to run it on one example after the other, or a function. That one gets inputs whose first dimension
   * is the batch where they are marked in `batched`, and returns results whose first dimension is.
   */
  readonly vmap:
    | 'elementwise'
    | 'sequential'
    | ((inputs: readonly Tensor[], batched: readonly boolean[], options: O, size: number) => R);
}

const KEYS = ['name', 'node', 'inputs', 'options', 'forward', 'vjp', 'jvp', 'vmap'] as const;

/**
 * Defines an operation and registers it beside those of the library. The result is a function of as many
 * tensors as there are `inputs`, with an object of options at the end if the definition has `options`.
 * Derivatives of every order, and every transform, follow from the rules.
 *
 * @example
 * // y = x³        x̄ = 3 x² ȳ,  ẏ = 3 x² ẋ
 * const cube = defineOperation({
 *   name: 'cube',
 *   inputs: ['x'],
 *   forward: ([x]) => x.mul(x).mul(x),
 *   vjp: { x: [['x'], (g, [x]) => g.mul(x.mul(x).mul(3))] },
 *   jvp: ({ inputs: [x], tangents: [t] }) => t && t.mul(x.mul(x).mul(3)),
 *   vmap: 'elementwise',
 * });
 *
 * @throws {ArgumentError} when the name is taken, a rule is missing, or a rule saves what is not there.
 */
export function defineOperation<
  const N extends readonly string[],
  R extends Tensor | readonly Tensor[],
  O extends OperationOptions = Record<never, never>,
>(
  definition: OperationDefinition<N, O, R>,
): (...args: [...{ [K in keyof N]: Tensor }, options?: { readonly [K in keyof O]?: O[K] }]) => R {
  const { name, inputs, options: defaults = {} as O } = check(definition);
  const { node } = definition;
  const op: Op<O> = defineOp<O>({
    name,
    ...(node === undefined ? {} : { node }),
    inputs,
    forward: (xs, options) => own(name, xs, unrecordedForward(definition, xs, options)),
    vjp: gradients(definition),
    jvp: tangents(definition),
    vmap: (xs, batched, options, size) => batchRule(definition, () => op)(xs, batched, options, size),
  });
  const call = (...args: readonly unknown[]): R => {
    const tensors = args.slice(0, inputs.length);
    tensors.forEach((t, i) => {
      if (!(t instanceof TensorBase))
        throw new ArgumentError(
          `${name}: expected a Tensor for ${inputs[i]}, got ${kindWord(t)}; numbers go into options, or into tensor(…)`,
        );
    });
    if (tensors.length < inputs.length || args.length > inputs.length + 1)
      throw new ArgumentError(
        `${name}: takes ${inputs.length} tensors (${inputs.join(', ')}) and options, got ${args.length} arguments`,
      );
    const given = args[inputs.length] as object | undefined;
    const known = Object.keys(defaults);
    if (given !== undefined && known.length === 0) throw new ArgumentError(`${name}: has no options`);
    checkOptions(name, given, known, new Map());
    return apply(op, tensors as readonly TensorBase[], { ...defaults, ...given }) as R;
  };
  Object.defineProperty(call, 'name', { value: name });
  return call;
}

function check<N extends readonly string[], O, R>(
  definition: OperationDefinition<N, O, R>,
): OperationDefinition<N, O, R> {
  checkOptions('defineOperation', definition, KEYS);
  const { name, inputs, forward, vjp, jvp, vmap } = definition ?? {};
  if (typeof name !== 'string' || !/^[A-Za-z_]\w*$/.test(name))
    throw new ArgumentError(`defineOperation: name must be an identifier, got ${JSON.stringify(name)}`);
  const bad = (what: string): ArgumentError => new ArgumentError(`defineOperation: operation '${name}': ${what}`);
  if (!Array.isArray(inputs) || inputs.length === 0 || !inputs.every((n) => typeof n === 'string'))
    throw bad('inputs must be an array of names');
  if (typeof forward !== 'function') throw bad('forward must be a function');
  const marks = {
    vjp: [notDifferentiable],
    jvp: [notDifferentiable, 'linear', 'multilinear', noForwardMode],
    vmap: ['elementwise', 'sequential'],
  };
  for (const [rule, value] of Object.entries({ vjp, jvp, vmap })) {
    const words = marks[rule as keyof typeof marks];
    const form = rule === 'vjp' ? 'object' : 'function';
    const fits = value !== null && (typeof value === form || words.includes(value as string));
    if (!fits)
      throw bad(
        `${rule} must be ${words.map((w) => `'${w}'`).join(', ')} or ${rule === 'vjp' ? 'an object of rules' : 'a function'}`,
      );
  }
  if (typeof vjp === 'object' && !isAll(vjp)) {
    for (const key of Object.keys(vjp))
      if (!inputs.includes(key)) throw bad(`vjp has a rule for '${key}', which is no input`);
  }
  return definition;
}

function isAll<O>(vjp: object): vjp is GradientRules<O> {
  return 'saves' in vjp && 'rule' in vjp;
}

/** Runs forward with nothing recorded. The levels have been taken off: what is left is the base tape. */
function unrecordedForward<N extends readonly string[], O, R>(
  { forward }: OperationDefinition<N, O, R>,
  inputs: readonly TensorBase[],
  options: O,
): R {
  const { enabled } = baseScope;
  baseScope.enabled = false;
  try {
    return asUser(() => forward(inputs as unknown as { readonly [K in keyof N]: Tensor }, options));
  } finally {
    baseScope.enabled = enabled;
  }
}

/** The results as tensors of the operation's own: it does not hand out its inputs or their memory. */
function own(name: string, inputs: readonly TensorBase[], returned: unknown): Outputs {
  const one = (y: unknown): TensorBase => {
    if (!(y instanceof TensorBase))
      throw new AutogradError(`${name}: forward must return a Tensor or an array of Tensors, got ${kindWord(y)}`);
    if (y.wrapped !== null)
      throw new AutogradError(
        `${name}: forward used a tensor of a transform that is none of its inputs; make it an input`,
      );
    if (inputs.some((x) => x.storage === y.storage)) return clone(alias(y));
    return y.tracked || y.meta !== null ? alias(y) : y;
  };
  return Array.isArray(returned) ? returned.map(one) : one(returned);
}

function gradients<N extends readonly string[], O, R>({ name, inputs, node, vjp }: OperationDefinition<N, O, R>) {
  if (vjp === notDifferentiable) return notDifferentiable;
  const nodeName = node ?? name;
  const call = (context: RuleContext<O>): OperationCall<O> => ({
    options: context.attrs,
    shape: (i) => context.shape(i),
  });
  const checked = (g: unknown, i: number, context: RuleContext<O>): TensorBase | null =>
    checkedGradient(nodeName, i, g, context.shape(i));
  if (isAll(vjp)) {
    const { saves, rule } = vjp;
    return {
      saves,
      rule: (
        g: readonly (TensorBase | null)[],
        saved: readonly TensorBase[],
        context: RuleContext<O>,
        wanted: number,
      ): readonly (TensorBase | null)[] => {
        show(g);
        const list = asUser(() => rule(g as readonly (Tensor | null)[], saved as readonly Tensor[], call(context)));
        if (!Array.isArray(list) || list.length !== inputs.length)
          throw new AutogradError(
            `function ${nodeName} returned an incorrect number of gradients (expected ${inputs.length}, got ${Array.isArray(list) ? list.length : 1})`,
          );
        return inputs.map((_, i) => ((wanted >> i) & 1 ? checked(list[i], i, context) : null));
      },
    };
  }
  const rules = Object.entries(vjp as Record<string, GradientRule<O>>).map(([input, [saves, rule]]) => {
    const i = inputs.indexOf(input);
    const checkedRule = (g: TensorBase, saved: readonly TensorBase[], context: RuleContext<O>): TensorBase => {
      show([g]);
      return checked(
        asUser(() => rule(g as Tensor, saved as readonly Tensor[], call(context))),
        i,
        context,
      ) as TensorBase;
    };
    return [input, [saves, checkedRule]] as const;
  });
  return Object.fromEntries(rules);
}

function tangents<N extends readonly string[], O, R>({ jvp }: OperationDefinition<N, O, R>) {
  if (typeof jvp !== 'function') return jvp;
  return ({
    inputs,
    tangents: ts,
    outputs,
    attrs,
  }: JvpContext<O>): TensorBase | null | readonly (TensorBase | null)[] =>
    asUser(() =>
      jvp({
        inputs: inputs as readonly Tensor[],
        tangents: ts as readonly (Tensor | null)[],
        outputs: outputs as readonly Tensor[],
        options: attrs,
      }),
    );
}

function batchRule<N extends readonly string[], O, R>({ name, vmap }: OperationDefinition<N, O, R>, op: () => Op<O>) {
  return (xs: readonly TensorBase[], batched: readonly boolean[], options: O, size: number): Outputs => {
    if (typeof vmap === 'function') {
      const ys = asUser(() => vmap(xs as readonly Tensor[], batched, options, size)) as unknown as Outputs;
      for (const y of Array.isArray(ys) ? ys : [ys])
        if (!(y instanceof TensorBase) || y.shape[0] !== size)
          throw new AutogradError(
            `${name}: vmap must return tensors whose first dimension is the batch, of size ${size}`,
          );
      return ys;
    }
    if (vmap === 'sequential') return oneByOne(name, op(), xs, batched, options, size);
    // Per-example ranks may differ: missing leading dimensions go after the batch dimension.
    const rank = Math.max(...xs.map((x, i) => x.shape.length - (batched[i] ? 1 : 0)));
    const aligned = xs.map((x, i) => {
      const missing = batched[i] ? rank - (x.shape.length - 1) : 0;
      return missing === 0 ? x : reshape(x, [size, ...new Array<number>(missing).fill(1), ...x.shape.slice(1)]);
    });
    return apply(op(), aligned, options);
  };
}

function oneByOne<O>(
  name: string,
  op: Op<O>,
  xs: readonly TensorBase[],
  batched: readonly boolean[],
  options: O,
  size: number,
): Outputs {
  if (size === 0)
    throw new NotImplementedError(
      `${name}: its vmap rule is 'sequential', which cannot tell the shapes of an empty batch`,
    );
  const examples = Array.from({ length: size }, (_, b) =>
    apply(
      op,
      xs.map((x, i) => (batched[i] ? select(x, 0, b) : x)),
      options,
    ),
  );
  if (!Array.isArray(examples[0])) return stack(examples as TensorBase[], 0);
  const lists = examples as (readonly TensorBase[])[];
  return lists[0].map((_, k) =>
    stack(
      lists.map((l) => l[k]),
      0,
    ),
  );
}
