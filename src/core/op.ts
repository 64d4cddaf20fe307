import { ArgumentError, NotImplementedError } from './errors.ts';
import { type Node, nulls } from './node.ts';
import type { Shape } from './shape.ts';
import type { Operand, Outputs, TensorBase } from './tensor.ts';

/** What a derivative rule may ask about the operation it belongs to. */
export interface RuleContext<A> {
  readonly attrs: A;
  /** Shape of input `i`, for an input that needs a gradient. */
  shape(i: number): Shape;
  /**
   * The gradient of input `i` as far as it has arrived, where nobody but the pass sees it: a rule that can
   * add to it while it computes does so and returns that very tensor. Null where a rule must not.
   */
  arrived(i: number): TensorBase | null;
  readonly node: Node;
}

/** How an operation's gradients are computed, in the form the engine uses. */
export interface Backward {
  /** What must be saved when the inputs in the bit mask `needs` need gradients: inputs `i`, outputs `~k`. */
  plan(needs: number, inputs: number): readonly number[];
  /** Gradients of the inputs in `wanted` (others may be null), given those of the outputs (null: none arrived). */
  run(node: Node, cotangents: readonly (TensorBase | null)[], wanted: number): readonly (TensorBase | null)[];
  /** An input that is a setting if it is a number: PyTorch does not save it, so that it is there for every pass. */
  readonly setting?: number | undefined;
  /** Run the rule also when a pass comes by and has brought nothing: custom functions are told so. */
  readonly unreached?: true;
  /** See `VjpAll`. */
  readonly parts?: ((whole: TensorBase, attrs: never) => readonly TensorBase[]) | undefined;
  /** An input whose gradient is that of the output itself if both have the same shape and dtype. */
  passes?: ((attrs: never) => number) | undefined;
}

export interface JvpContext<A> {
  readonly inputs: readonly Operand[];
  readonly tangents: readonly (TensorBase | null)[];
  readonly outputs: readonly TensorBase[];
  readonly attrs: A;
}

/** The registry's entry for one operation: everything a transform can ask of it. */
export interface Op<A = never> {
  readonly name: string;
  /** PyTorch's name of the graph node. */
  nodeName(attrs: unknown, node: Node | null): string;
  /** Runs kernels on plain tensors. */
  forward(inputs: readonly Operand[], attrs: A): Outputs;
  /** The short way to `apply`, if there is one. */
  invoke?(inputs: readonly Operand[]): Outputs;
  /** null: gradients do not pass. */
  readonly backward: Backward | null;
  /** Whether the results are views of the (only) input. */
  readonly view?: (attrs: A) => boolean;
  /** Whether results may be given up and made again: see `OpDefinition`. */
  readonly cheap?: true | ((inputs: readonly Operand[], attrs: A) => boolean | 'at need');
  /** How many of the first inputs gradients go to, if not to all: the node has an edge for each of these. */
  readonly edges?: number;
  /** Tangents of the outputs (null: zero). */
  jvp(context: JvpContext<A>): readonly (TensorBase | null)[];
  /** The operation on a batch: inputs marked in `batched` carry a leading batch dimension of size `size`, and so must every output. */
  vmap(inputs: readonly Operand[], batched: readonly boolean[], attrs: A, size: number): Outputs;
}

/** `[what is saved, ȳ and saved values → x̄]`, for one input. */
export type VjpRule<A> = readonly [
  saves: readonly string[],
  rule: (g: TensorBase, saved: readonly TensorBase[], context: RuleContext<A>) => TensorBase,
];

/** For operations with several outputs or any number of inputs: all gradients at once. */
interface VjpAll<A> {
  readonly saves: readonly string[];
  rule(
    g: readonly (TensorBase | null)[],
    saved: readonly TensorBase[],
    context: RuleContext<A>,
    wanted: number,
  ): readonly (TensorBase | null)[];
  /**
   * The outputs as parts of a plain input, if they are that and share none of it: what computes their gradients can
   * then write them to their places in that of the input. The rule is for when they lie elsewhere.
   */
  readonly parts?: (whole: TensorBase, attrs: A) => readonly TensorBase[];
}

/** Marks an operation through which no gradient passes (comparisons, indices, …). */
export const notDifferentiable = 'not differentiable';

/**
 * The rule for an input by which there is a derivative that is not implemented: unlike with
 * `notDifferentiable` the result requires grad, and a backward pass that needs the rule says what is missing.
 */
export function notImplemented(name: string): VjpRule<unknown> {
  return [
    [],
    () => {
      throw new NotImplementedError(`the derivative for '${name}' is not implemented`);
    },
  ];
}

/** The mark of a missing tangent rule: forward mode through the operation is an error that says so. */
export const noForwardMode = 'not implemented';

/**
 * - `'linear'`: the operation applied to the tangents (one input, or jointly linear like `cat`);
 * - `'multilinear'`: the sum over inputs of the operation with that input replaced by its tangent.
 */
export type JvpRule<A> =
  | 'linear'
  | 'multilinear'
  | typeof notDifferentiable
  | typeof noForwardMode
  | ((context: JvpContext<A>) => TensorBase | null | readonly (TensorBase | null)[]);

/** What one writes to define an operation. The compiler refuses a missing rule. */
export interface OpDefinition<A> {
  readonly name: string;
  /** Defaults to the name with a capital letter and `Backward0`. */
  readonly node?: string | ((attrs: A) => string);
  /** Names of the inputs, which rules refer to; `y` (or `y0`, `y1`, …) are the outputs. */
  readonly inputs: readonly string[];
  forward(inputs: readonly TensorBase[], attrs: A): Outputs;
  readonly vjp: typeof notDifferentiable | Readonly<Record<string, VjpRule<A>>> | VjpAll<A>;
  readonly jvp: JvpRule<A>;
  /** For operations of one input whose forward only makes views of it; a function where that depends on the call. */
  readonly view?: true | ((attrs: A) => boolean);
  /**
   * Results may be given up and made again: `forward` depends on nothing but its inputs and attributes,
   * and costs little more than a copy of its result. Where it costs many times as much, results can be given
   * up `'at need'`, which is when they would have to be copied. A function where that depends on the call.
   */
  readonly cheap?: true | ((inputs: readonly TensorBase[], attrs: A) => boolean | 'at need');
  vmap(inputs: readonly TensorBase[], batched: readonly boolean[], attrs: A, size: number): Outputs;
  /** See `Backward`. */
  readonly passes?: (attrs: A) => number;
}

const registry = new Map<string, Op<never>>();

/** Every operation of the library by name. */
export function operations(): ReadonlyMap<string, Op<never>> {
  return registry;
}

/** @internal */
export function register<A>(op: Op<A>): Op<A> {
  if (registry.has(op.name)) throw new ArgumentError(`operation '${op.name}' is registered already; names are unique`);
  registry.set(op.name, op as Op<never>);
  return op;
}

export function defaultNodeName(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}Backward0`;
}

/** Linear operations take their tangents from these, installed by `apply.ts` (which calls back into the operation). */
interface Calls {
  apply(op: Op<never>, inputs: readonly Operand[], attrs: unknown): Outputs;
  add(a: TensorBase, b: TensorBase): TensorBase;
  zerosLike(t: TensorBase): TensorBase;
}
let calls: Calls;
/** @internal */
export function installCalls(c: Calls): void {
  calls = c;
}

/** Defines and registers an operation. */
export function defineOp<A>(definition: OpDefinition<A>): Op<A> {
  const { name, inputs, node } = definition;
  const resolve = (saved: string): number => {
    const i = inputs.indexOf(saved);
    if (i >= 0) return i;
    if (/^y\d*$/.test(saved)) return ~Number(saved.slice(1));
    throw new ArgumentError(`operation '${name}': a rule saves '${saved}', which is none of ${inputs.join(', ')}, y`);
  };
  const op: { -readonly [K in keyof Op<A>]: Op<A>[K] } = {
    name,
    nodeName: (attrs) => (typeof node === 'function' ? node(attrs as A) : (node ?? defaultNodeName(name))),
    forward: definition.forward as Op<A>['forward'],
    backward:
      definition.vjp === notDifferentiable
        ? null
        : isAll(definition.vjp)
          ? backwardOfAll(definition.vjp, resolve)
          : backwardOfRules(definition.vjp, inputs, resolve),
    jvp: jvpOf(() => op, definition.jvp),
    vmap: definition.vmap as Op<A>['vmap'],
  };
  const { view, cheap, passes } = definition;
  if (passes !== undefined && op.backward !== null) op.backward.passes = passes;
  if (view !== undefined) op.view = view === true ? () => true : view;
  if (cheap !== undefined) op.cheap = cheap as true;
  return register(op);
}

function isAll<A>(vjp: Readonly<Record<string, VjpRule<A>>> | VjpAll<A>): vjp is VjpAll<A> {
  return 'saves' in vjp && 'rule' in vjp;
}

/** Made for every node that a pass runs: a method of a class costs it nothing, a function would. */
class NodeContext<A> implements RuleContext<A> {
  readonly attrs: A;
  readonly node: Node;

  constructor(node: Node) {
    this.attrs = node.attrs as A;
    this.node = node;
  }

  shape(i: number): Shape {
    return this.node.inShape(i);
  }

  arrived(i: number): TensorBase | null {
    return this.node.run === null ? null : this.node.run.arrived(this.node, i);
  }
}

/** What rules get that save nothing. */
const NO_TENSORS: readonly TensorBase[] = [];

function backwardOfAll<A>(vjp: VjpAll<A>, resolve: (name: string) => number): Backward {
  const plan = vjp.saves.map(resolve);
  const { parts } = vjp;
  return {
    parts,
    plan: () => plan,
    run: (node, g, wanted) => {
      const whole = parts === undefined || node.run === null ? null : node.run.whole(node, g);
      if (whole !== null) return [whole];
      return vjp.rule(
        g,
        plan.map((_, k) => node.unpack(k) as TensorBase),
        new NodeContext<A>(node),
        wanted,
      );
    },
  };
}

function backwardOfRules<A>(
  rules: Readonly<Record<string, VjpRule<A>>>,
  names: readonly string[],
  resolve: (name: string) => number,
): Backward {
  const byInput = names.map((n) => rules[n] as VjpRule<A> | undefined);
  const saves = byInput.map((r) => (r === undefined ? [] : r[0].map(resolve)));
  let alone: boolean | null = null;
  const plans: (readonly number[] | undefined)[] = [];
  return {
    plan(needs) {
      plans[needs] ??= [...new Set(saves.filter((_, i) => (needs >> i) & 1).flat())];
      return plans[needs];
    },
    run(node, cotangents, wanted) {
      const n = byInput.length;
      const g = cotangents[0];
      const out = nulls<TensorBase>(n);
      if (g === null) return out;
      const context = new NodeContext<A>(node);
      alone ??= new Set(saves.flat()).size === saves.flat().length;
      // What several rules save, once for all of them: hooks see one unpacking of each saved tensor in a pass.
      const unpacked: (TensorBase | undefined)[] | null = alone ? null : [];
      for (let i = 0; i < n; i++) {
        const rule = byInput[i];
        if (rule === undefined || ((wanted >> i) & 1) === 0) continue;
        const places = saves[i];
        let saved = NO_TENSORS;
        if (places.length > 0) {
          const list = new Array<TensorBase>(places.length);
          for (let j = 0; j < list.length; j++) {
            const k = placeIn(node.plan, places[j]);
            const x = unpacked?.[k] ?? (node.unpack(k) as TensorBase);
            if (unpacked !== null) unpacked[k] = x;
            list[j] = x;
          }
          saved = list;
        }
        out[i] = rule[1](g, saved, context);
      }
      return out;
    },
  };
}

/** `indexOf`, without the call that it is to V8. */
function placeIn(plan: readonly number[], x: number): number {
  for (let k = 0; k < plan.length; k++) if (plan[k] === x) return k;
  return -1;
}

function asList<T>(x: T | readonly T[]): readonly T[] {
  return Array.isArray(x) ? x : [x as T];
}

function jvpOf<A>(self: () => Op<A>, rule: JvpRule<A>): Op<A>['jvp'] {
  if (rule === notDifferentiable) return ({ outputs }) => outputs.map(() => null);
  if (rule === noForwardMode) {
    return () => {
      throw new NotImplementedError(
        `Trying to use forward AD with ${self().name} that does not support it because it has not been implemented yet.`,
      );
    };
  }
  if (typeof rule === 'function') return (c) => asList(rule(c));
  if (rule === 'linear') {
    return ({ inputs, tangents, attrs }) => {
      const filled = inputs.map((x, i) => tangents[i] ?? (typeof x === 'number' ? x : calls.zerosLike(x)));
      return asList(calls.apply(self() as Op<never>, filled, attrs));
    };
  }
  return ({ inputs, tangents, attrs }) => {
    let sum: TensorBase | null = null;
    tangents.forEach((t, i) => {
      if (t === null) return;
      const term = calls.apply(self() as Op<never>, inputs.with(i, t), attrs) as TensorBase;
      sum = sum === null ? term : calls.add(sum, term);
    });
    return [sum];
  };
}
