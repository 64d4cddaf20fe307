import type { DType } from '../core/dtype.ts';
import { AutogradError, NotImplementedError } from '../core/errors.ts';
import type { Node } from '../core/node.ts';
import { type Shape, sameShape, shapeText } from '../core/shape.ts';
import { TensorBase } from '../core/tensor.ts';
import { zeros } from '../ops/create.ts';
import type { FunctionClass } from './call.ts';
import { attributesOf, close, derived, type FunctionContext, stateOf } from './context.ts';
import type { Rules } from './override.ts';
import { type Places, Template } from './places.ts';
import type { Position } from './results.ts';
import { checkedGradient, kindWord } from './tensors.ts';

type Maybe = TensorBase | null;

/** Something about a tensor argument: its shape and dtype; null for any other argument. */
type Argument = { readonly shape: Shape; readonly dtype: DType } | null;

/** The static methods of a custom function as derivative rules. It holds no tensors. */
export class FunctionRules implements Rules {
  /** What `backward` and `jvp` find in the context: places in the inputs and results of the operation. */
  readonly saves: readonly number[];
  readonly pushes: readonly number[];
  readonly #cls: FunctionClass;
  readonly #name: string;
  readonly #ctx: FunctionContext;
  readonly #args: readonly Argument[];
  readonly #positions: readonly Position[];
  /** Inside transforms every level has its own tensors, so the rules get a context of their own. */
  readonly #nested: boolean;
  /** For the saved list: the number of the tensor among `saves`, null where null was saved. */
  readonly #saved: readonly (number | null)[];
  readonly #forForward: readonly (number | null)[];
  readonly #attributes: Template;

  constructor(
    cls: FunctionClass,
    name: string,
    ctx: FunctionContext,
    args: readonly unknown[],
    positions: readonly Position[],
    places: Places,
    nested: boolean,
  ) {
    this.#cls = cls;
    this.#name = name;
    this.#ctx = ctx;
    this.#args = args.map((a) => (a instanceof TensorBase ? { shape: a.shape, dtype: a.dtype } : null));
    this.#positions = positions;
    this.#nested = nested;
    const { saved, forForward } = stateOf(ctx);
    const keep: number[] = [];
    const number = (list: number[], t: Maybe): number | null => (t === null ? null : list.push(places.of(t)) - 1);
    this.#saved = saved.map((t) => number(keep, t));
    // Outside of transforms the rules get the context itself.
    this.#attributes = new Template(nested ? attributesOf(ctx) : {}, (t) => number(keep, t) as number);
    this.saves = keep;
    const forward = forForward === null ? keep : [...keep];
    this.#forForward = forForward === null ? this.#saved : forForward.map((t) => number(forward, t));
    this.pushes = forward;
  }

  /** The call is over, recorded at `node` or nowhere. */
  close(node: Node | null): void {
    const list = this.#saved;
    const once = this.#cls.clearSavedTensorsOnAccess === true;
    if (this.#nested) {
      close(
        this.#ctx,
        () => {
          throw new AutogradError(
            `${this.#name}: savedTensors of this context were asked for after the call: inside transforms every rule gets a context of its own`,
          );
        },
        once ? () => undefined : null,
      );
    } else if (node === null) close(this.#ctx, () => []);
    else {
      const read = (): Maybe[] => list.map((k) => (k === null ? null : (node.unpack(k) as TensorBase)));
      close(this.#ctx, read, once ? () => node.release() : null);
    }
  }

  /** The context for rules that read `saved`, whose numbers `list` has. */
  #context(saved: () => readonly TensorBase[], list: readonly (number | null)[]): FunctionContext {
    const read = (): Maybe[] => {
      const tensors = saved();
      return list.map((k) => (k === null ? null : tensors[k]));
    };
    const attributes = this.#nested ? this.#attributes.fill((k) => saved()[k]) : attributesOf(this.#ctx);
    return derived(this.#ctx, attributes as Record<string, unknown>, read);
  }

  pull(saved: () => readonly TensorBase[], g: readonly Maybe[]): readonly Maybe[] {
    const { backward, vjp } = this.#cls;
    if (backward !== undefined && vjp !== undefined)
      throw new AutogradError(
        `${this.#name}: Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.`,
      );
    const rule = backward ?? vjp;
    if (rule === undefined)
      throw new NotImplementedError(
        `${this.#name}: You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.`,
      );
    const ctx = this.#nested ? this.#context(saved, this.#saved) : this.#ctx;
    const last = this.#positions.map((p, i) => (p.kind === 'result' && i === this.#lastOf(p.k) ? g[p.k] : null));
    const cotangents = this.#positions.map((p, i) => (p.kind === 'value' ? null : (last[i] ?? this.#zeros(p))));
    // Static methods find each other through `this`.
    return this.#gradients(rule.call(this.#cls, ctx, ...cotangents));
  }

  push(saved: () => readonly TensorBase[], tangents: readonly Maybe[]): readonly Maybe[] {
    const { jvp } = this.#cls;
    if (jvp === undefined)
      throw new NotImplementedError(
        `${this.#name}: You must implement the jvp function for custom autograd.Function to use it with forward mode AD.`,
      );
    let i = 0;
    const given = this.#args.map((a) => (a === null ? null : (tangents[i++] ?? this.#zeros(a))));
    const output = jvp.call(this.#cls, this.#context(saved, this.#forForward), ...given);
    const list: readonly unknown[] = Array.isArray(output) ? output : [output];
    if (list.length !== this.#positions.length) {
      throw new AutogradError(
        `${this.#name}: jvp returned an invalid number of forward gradients (expected ${this.#positions.length} but got ${list.length}): one for every result of forward`,
      );
    }
    const results: Maybe[] = [];
    this.#positions.forEach((p, at) => {
      if (p.kind === 'result') results[p.k] = this.#tangent(list[at], p.shape, at);
    });
    return results;
  }

  #zeros({ shape, dtype }: { readonly shape: Shape; readonly dtype: DType }): Maybe {
    return stateOf(this.#ctx).materializes ? zeros(shape, dtype) : null;
  }

  /** The last position of a result: a result that was returned twice gets its gradient there. */
  #lastOf(k: number): number {
    return this.#positions.findLastIndex((p) => p.kind === 'result' && p.k === k);
  }

  /** The gradients of the tensor arguments among what a rule returned for all arguments. */
  #gradients(returned: unknown): readonly Maybe[] {
    const node = `${this.#name}Backward`;
    let list: readonly unknown[] = Array.isArray(returned) ? returned : [returned];
    const count = this.#args.length;
    const wanted = stateOf(this.#ctx).needs;
    if (list.slice(count).every((g) => g === null || g === undefined)) list = list.slice(0, count);
    if (list.length !== count) {
      throw new AutogradError(
        `function ${node} returned an incorrect number of gradients (expected ${count}, got ${list.length}); return one for every argument of forward, null for what is not a tensor`,
      );
    }
    const gradients: Maybe[] = [];
    this.#args.forEach((a, i) => {
      const g = list[i];
      if (a !== null) gradients.push(checkedGradient(node, gradients.length, g, wanted[i] ? a.shape : null));
      else if (g !== null && g !== undefined)
        throw new AutogradError(
          `function ${node} returned a gradient different from None at position ${i + 1}, but the corresponding forward input was not a Variable; return null there`,
        );
    });
    return gradients;
  }

  #tangent(t: unknown, shape: Shape, at: number): Maybe {
    if (t === null || t === undefined) return null;
    if (!(t instanceof TensorBase))
      throw new AutogradError(`${this.#name}: jvp: expected Variable or None (got ${kindWord(t)}) as tangent ${at}`);
    if (!sameShape(t.shape, shape))
      throw new AutogradError(
        `${this.#name}: jvp: Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. Tensor is of size ${shapeText(shape)} while the given forward gradient is of size ${shapeText(t.shape)}.`,
      );
    return t;
  }
}
