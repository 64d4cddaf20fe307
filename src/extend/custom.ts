import { type DType, isFloat } from '../core/dtype.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import { type Shape, sameShape, shapeText } from '../core/shape.ts';
import { TensorBase } from '../core/tensor.ts';
import { treeLeaves } from '../core/tree.ts';
import { toDType } from '../ops/copy.ts';
import { zeros } from '../ops/create.ts';
import { sumTo } from '../ops/engine-ops.ts';
import { checkOptions } from '../tensor/options.ts';
import { tape } from '../transforms/reverse.ts';
import { asUser, Override, type Rules, unrecorded } from './override.ts';
import { Places, Template } from './places.ts';
import { carries, checkedGradient, cut, highestLevel, kindWord, viewed } from './tensors.ts';

/*
 * Derivative rules for plain functions, JAX's custom_vjp and custom_jvp: arguments and results are
 * trees of tensors, and the direction that was not given is the transpose of the one that was.
 */

type Maybe = TensorBase | null;
type Untyped = (...args: readonly unknown[]) => unknown;
type AnyFunction = (...args: never[]) => unknown;
type Kind = { readonly shape: Shape; readonly dtype: DType };

/** Arguments that gradients do not go to. */
export interface NondiffOptions {
  /** Positions of arguments without derivative. Rules get these first, before everything else. */
  readonly nondiffArgnums?: readonly number[];
}

/** The rules of a `customVjp`: `Residuals` is whatever `forward` hands to `backward`. */
export interface VjpRules<A extends readonly unknown[], R, Residuals> extends NondiffOptions {
  /** `[f(…args), residuals]` */
  readonly forward: (...args: A) => readonly [R, Residuals];
  /**
   * From the residuals and the gradient of the result (null where that is not of floating point) to the
   * gradients of the arguments, one each (null: zero).
   */
  readonly backward: (residuals: Residuals, gradient: R) => readonly unknown[];
}

/** With `nondiffArgnums`, whose arguments come first. */
interface VjpRulesOfAny extends NondiffOptions {
  readonly forward: (...args: never[]) => readonly [unknown, unknown];
  readonly backward: (...args: never[]) => readonly unknown[];
}

/** From arguments and tangents (null where there is no floating point tensor) to `[f(…args), its tangent]`. */
export type JvpRule<A extends readonly unknown[], R> = (primals: A, tangents: A) => readonly [R, R];

/** The arguments of one call. */
class Arguments {
  /** Tensors to differentiate by. */
  readonly inputs: readonly TensorBase[];
  readonly kinds: readonly Kind[];
  /** Differentiable arguments, and the others. */
  readonly free: readonly unknown[];
  readonly fixed: readonly unknown[];
  /** The differentiable arguments with the numbers of their inputs; -1 for other tensors. */
  readonly structure: Template;

  constructor(args: readonly unknown[], nondiff: readonly number[]) {
    this.free = args.filter((_, i) => !nondiff.includes(i));
    this.fixed = nondiff.map((i) => args[i]);
    this.inputs = treeLeaves(this.free).filter((t) => isFloat(t.dtype));
    this.kinds = this.inputs.map(({ shape, dtype }) => ({ shape, dtype }));
    let i = 0;
    this.structure = new Template(this.free, (t) => (isFloat(t.dtype) ? i++ : -1));
  }
}

/** A result taken apart: its floating point tensors outside the graph, and its structure. */
class Outcome {
  readonly given: TensorBase[] = [];
  readonly tensors: TensorBase[] = [];
  readonly kinds: readonly Kind[];
  readonly template: Template;
  readonly #others: TensorBase[] = [];

  constructor(output: unknown, inputs: readonly TensorBase[]) {
    this.template = new Template(output, (t) => {
      if (!isFloat(t.dtype)) return ~(this.#others.push(t) - 1);
      const known = this.given.indexOf(t);
      if (known >= 0) return known;
      this.tensors.push(inputs.includes(t) ? viewed(t) : cut(t));
      return this.given.push(t) - 1;
    });
    this.kinds = this.given.map(({ shape, dtype }) => ({ shape, dtype }));
  }

  /** Where residuals find results: an argument that was returned stays an argument. */
  places(inputs: readonly TensorBase[]): Places {
    return new Places(
      inputs,
      this.given.map((t, k) => (inputs.includes(t) ? this.tensors[k] : t)),
    );
  }

  /** The result with other tensors in it. */
  fill(finals: readonly TensorBase[]): unknown {
    return this.template.fill((k) => (k < 0 ? this.#others[~k] : finals[k]));
  }
}

/** What rules know of a call. They live as long as the graph does, so there are no tensors in it. */
interface Form {
  readonly name: string;
  /** Differentiable arguments, and how many there are; their tensors. */
  readonly structure: Template;
  readonly count: number;
  readonly kinds: readonly Kind[];
  /** The result, and its floating point tensors. */
  readonly template: Template;
  readonly results: readonly Kind[];
  /** What is kept for the rules, to be filled with saved tensors. */
  readonly kept: Template;
}

/** The output with the derivatives that `rules` gives. */
function overridden(
  name: string,
  args: Arguments,
  output: unknown,
  keep: unknown,
  rules: (form: Form) => Rules,
): unknown {
  const { inputs, kinds, structure } = args;
  const outcome = new Outcome(output, inputs);
  const { tensors, template, kinds: results } = outcome;
  const places = outcome.places(inputs);
  const saves: number[] = [];
  const kept = places.template(keep, saves);
  const op = new Override({
    name,
    node: `${name}Backward`,
    inputs: inputs.length,
    results: tensors.length,
    saves,
    pushes: saves,
    rules: rules({ name, structure, count: args.free.length, kinds, template, results, kept }),
  });
  return outcome.fill(op.call([...inputs, ...tensors, ...places.kept]));
}

/** The structure of a result without its tensors, for rules that outlive it. */
function filler(template: Template, kinds: readonly Kind[]): (at: readonly Maybe[]) => unknown {
  return (at) => template.fill((k) => (k < 0 ? null : (at[k] ?? zeros(kinds[k].shape, kinds[k].dtype))));
}

/** The transpose of a linear function of tensors of these kinds, at `g`: the pullback of the function, anywhere. */
function transposed(
  name: string,
  linear: (xs: readonly TensorBase[]) => readonly Maybe[],
  kinds: readonly Kind[],
  g: readonly Maybe[],
): readonly Maybe[] {
  let at: readonly Maybe[] = [];
  const { pullback } = tape(
    name,
    (xs) => {
      at = linear(xs as readonly TensorBase[]);
      return at.filter((t) => t !== null);
    },
    kinds.map(({ shape, dtype }) => zeros(shape, dtype)),
  );
  return pullback(g.filter((_, i) => at[i] !== null));
}

/** A gradient in the shape and dtype of its input. */
function fitted(g: Maybe, { shape, dtype }: Kind): Maybe {
  return g === null ? null : toDType(sumTo(g, shape), dtype);
}

function checkFunction(name: string, what: string, f: unknown): void {
  if (typeof f !== 'function')
    throw new ArgumentError(`${name}: expected ${what} to be a function, got ${kindWord(f)}`);
}

function checkPositions(name: string, options: NondiffOptions): readonly number[] {
  const { nondiffArgnums = [] } = options;
  if (!Array.isArray(nondiffArgnums) || !nondiffArgnums.every((i) => Number.isInteger(i) && i >= 0))
    throw new ArgumentError(`${name}: nondiffArgnums must be an array of positions, counted from 0`);
  return nondiffArgnums;
}

/**
 * `f` with a reverse-mode derivative of your own. Arguments and results are tensors, or arrays and
 * objects of them. When a gradient is wanted, `forward` is called instead of `f`; it returns the result
 * and the residuals that `backward` needs, which turns the gradient of the result into those of the
 * arguments. Residuals are ordinary values: derivatives of derivatives go through what they were computed
 * by. Forward mode transposes `backward`, which must be linear in the gradient.
 *
 * @example
 * // The gradient of log(1 + eˣ) that does not overflow.
 * const log1pexp = customVjp((x: Tensor) => x.exp().log1p(), {
 *   forward: (x) => [x.exp().log1p(), x],
 *   backward: (x, g) => [g.mul(x.sigmoid())],
 * });
 *
 * @throws {AutogradError} when `backward` does not return one gradient for every argument.
 */
export function customVjp<F extends AnyFunction, Residuals>(
  f: F,
  rules: VjpRules<Parameters<F>, ReturnType<F>, Residuals>,
): F;
export function customVjp<F extends AnyFunction>(f: F, rules: VjpRulesOfAny): F;
export function customVjp<F extends AnyFunction>(f: F, rules: VjpRulesOfAny): F {
  checkFunction('customVjp', 'f', f);
  checkOptions('customVjp', rules, ['forward', 'backward', 'nondiffArgnums']);
  checkFunction('customVjp', 'forward', rules?.forward);
  checkFunction('customVjp', 'backward', rules?.backward);
  const nondiff = checkPositions('customVjp', rules);
  const name = f.name === '' ? 'customVjp' : f.name;
  const [primal, forward, backward] = [f, rules.forward, rules.backward] as unknown as Untyped[];
  const call: Untyped = (...args) => {
    const given = new Arguments(args, nondiff);
    if (!given.inputs.some((t) => carries(t))) return primal(...args);
    const returned = asUser(() => forward(...args));
    const [output, residuals] = pair(name, 'forward', '[output, residuals]', returned);
    return overridden(name, given, output, [given.fixed, residuals], (form) => vjpRules(form, backward));
  };
  return call as unknown as F;
}

function vjpRules(form: Form, backward: Untyped): Rules {
  const gradients = filler(form.template, form.results);
  const pull: Rules['pull'] = (saved, g) => {
    const tensors = saved();
    const [fixed, residuals] = form.kept.fill((k) => tensors[k]) as readonly [readonly unknown[], unknown];
    return matched(form, backward(...fixed, residuals, gradients(g)));
  };
  const push: Rules['push'] = (saved, tangents) =>
    transposed(form.name, (g) => pull(saved, g).map((t, i) => fitted(t, form.kinds[i])), form.results, tangents);
  return { pull, push };
}

/** Gradients by input, from one tree for every differentiable argument. */
function matched({ name, structure, count, kinds }: Form, returned: unknown): readonly Maybe[] {
  const list: unknown = returned instanceof TensorBase && count === 1 ? [returned] : returned;
  if (!Array.isArray(list) || list.length !== count) {
    throw new AutogradError(
      `${name}: backward must return an array of ${count} gradients, one for every differentiable argument (null: zero), got ${Array.isArray(list) ? `${list.length}` : kindWord(list)}`,
    );
  }
  const gradients = kinds.map((): Maybe => null);
  structure.zip(
    list,
    (i, g) => {
      if (i >= 0) gradients[i] = checkedGradient(`${name}Backward`, i, g, kinds[i].shape);
    },
    () => {
      throw new AutogradError(`${name}: a gradient that backward returned has not the structure of its argument`);
    },
  );
  return gradients;
}

/**
 * `f` with a forward-mode derivative of your own: `rule(primals, tangents)` returns the result and its
 * tangent. Tangents have the structure of the arguments, with zeros where nothing moves and null where
 * there is no floating point tensor. Reverse mode transposes the rule, which must be linear in the
 * tangents.
 *
 * @example
 * const f = customJvp((x: Tensor) => x.sin(), ([x], [t]) => [x.sin(), x.cos().mul(t)]);
 *
 * @throws {AutogradError} when a tangent has not the shape of its result.
 */
export function customJvp<F extends AnyFunction>(f: F, rule: JvpRule<Parameters<F>, ReturnType<F>>): F;
export function customJvp<F extends AnyFunction>(
  f: F,
  rule: (...args: never[]) => readonly [unknown, unknown],
  options: NondiffOptions,
): F;
export function customJvp<F extends AnyFunction>(
  f: F,
  rule: (...args: never[]) => readonly [unknown, unknown],
  options: NondiffOptions = {},
): F {
  checkFunction('customJvp', 'f', f);
  checkFunction('customJvp', 'rule', rule);
  checkOptions('customJvp', options, ['nondiffArgnums']);
  const nondiff = checkPositions('customJvp', options);
  const name = f.name === '' ? 'customJvp' : f.name;
  const [primal, along] = [f, rule] as unknown as Untyped[];
  const call: Untyped = (...args) => {
    const given = new Arguments(args, nondiff);
    if (!given.inputs.some((t) => carries(t))) return primal(...args);
    const output = unrecorded(highestLevel(given.inputs), () => primal(...args));
    return overridden(name, given, output, [given.fixed, given.free], (form) => jvpRules(form, along));
  };
  return call as unknown as F;
}

function jvpRules({ name, kept, structure, kinds, template, results }: Form, rule: Untyped): Rules {
  const along = (tensors: readonly TensorBase[], tangents: readonly Maybe[]): readonly Maybe[] => {
    const [fixed, primals] = kept.fill((k) => tensors[k]) as readonly [readonly unknown[], unknown];
    const moved = structure.fill((i) => (i < 0 ? null : (tangents[i] ?? zeros(kinds[i].shape, kinds[i].dtype))));
    const [, tangent] = pair(name, 'rule', '[output, tangent]', rule(...fixed, primals, moved));
    const list = results.map((): Maybe => null);
    template.zip(
      tangent,
      (k, t) => {
        if (k >= 0) list[k] = checkedTangent(name, t, results[k].shape);
      },
      () => {
        throw new AutogradError(`${name}: the tangent that rule returned has not the structure of the result`);
      },
    );
    return list;
  };
  return {
    push: (saved, tangents) => along(saved(), tangents),
    pull: (saved, g) => transposed(name, (tangents) => along(saved(), tangents), kinds, g),
  };
}

function checkedTangent(name: string, t: unknown, shape: Shape): Maybe {
  if (t === null || t === undefined) return null;
  if (!(t instanceof TensorBase) || !sameShape(t.shape, shape)) {
    const got = t instanceof TensorBase ? shapeText(t.shape) : kindWord(t);
    throw new AutogradError(
      `${name}: rule must return a tangent of the result's shape ${shapeText(shape)}, got ${got}`,
    );
  }
  return t;
}

function pair(name: string, rule: string, form: string, x: unknown): readonly [unknown, unknown] {
  if (!Array.isArray(x) || x.length !== 2) throw new AutogradError(`${name}: ${rule} must return ${form}`);
  return x as [unknown, unknown];
}
