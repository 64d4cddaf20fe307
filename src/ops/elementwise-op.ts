import { address, beginLaunch, COPIED_BYTES } from '../backends/wasm/heap.ts';
import { FEW } from '../backends/wasm/map.ts';
import { launch, MASKED } from '../backends/wasm/map-launch.ts';
import { launching } from '../backends/wasm/threads/pending.ts';
import { isBusy } from '../backends/wasm/threads/queue.ts';
import { apply, closeNode, leaveGraph, openNode, record } from '../core/apply.ts';
import { noteChange, willChange } from '../core/changes.ts';
import { type DType, dtypeInfo, isFloat } from '../core/dtype.ts';
import { DTypeError, ShapeError } from '../core/errors.ts';
import { detour } from '../core/forward.ts';
import { baseScope } from '../core/levels.ts';
import { type Node, nulls } from '../core/node.ts';
import { type Backward, defaultNodeName, type JvpContext, type Op, register } from '../core/op.ts';
import { canCast } from '../core/promotion.ts';
import { freshAlike, freshLike, remember } from '../core/recipes.ts';
import { broadcastShapes, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { fresh, isTensor, type Operand, type Outputs, type TensorBase } from '../core/tensor.ts';
import { type Derived, type Differentiation, deriveJvp, deriveVjp } from '../kernels/derive.ts';
import type { ScalarFunction } from '../kernels/expr.ts';
import { clone, toDType } from './copy.ts';
import { inRoom, type Piece, runPiece, sourceOf, takeApart, tangents } from './derived.ts';
import { alignExamples } from './elementwise-batch.ts';
import { COUNTED, compiled, type ElementwiseKind, type Plan, Plans, SCALAR } from './elementwise-plans.ts';

export interface ElementwiseOptions {
  readonly kind: ElementwiseKind;
  /** Missing or 'none': gradients do not pass. */
  readonly differentiable: boolean;
  readonly node?: string;
  /** Hand-written derivatives, where the symbolic one would not do. */
  readonly custom?: Differentiation | undefined;
  /** dtypes the operation refuses, with the reason. */
  readonly refuse?: (dtype: DType) => string | null;
  /** Looks at the inputs of every call that is not of floats alone, and throws what must not be computed. */
  readonly guard?: (inputs: readonly Operand[]) => void;
  /** False: gradients are computed from the inputs alone, as PyTorch does, so that the result may be changed in place. */
  readonly reuse?: boolean;
  /** See `Backward`. */
  readonly setting?: number;
  /**
   * Inputs that are results of other inputs of the same call, as a bit mask. Where the outputs that count have nothing of
   * one, it gets no gradient: its zeros would be multiplied with derivatives that may be infinite.
   */
  readonly results?: number;
  /** Writes over `target` without the kernel; false where it cannot. */
  readonly shortcut?: (target: TensorBase, inputs: readonly Operand[]) => boolean;
}

/**
 * An operation given by a scalar function. Kernels, gradients of every order, tangents and batching
 * all follow from the function.
 */
export class ElementwiseOp implements Op<undefined> {
  readonly name: string;
  /** What its in-place form is called. */
  readonly inPlaceName: string;
  readonly fn: ScalarFunction;
  readonly kind: ElementwiseKind;
  readonly backward: Backward | null;
  readonly cheap = true as const;
  readonly #options: ElementwiseOptions;
  readonly #node: string;
  /** The plans of one or two floats and numbers, by key. */
  readonly #frequent: (Plan | undefined)[];
  readonly #plans: Plans;
  readonly #vjps: (Piece | undefined)[] = [];
  /** The same where cotangents arrived for some outputs only, by these. */
  readonly #partial = new Map<string, Piece>();
  readonly #jvps: (Piece | undefined)[] = [];

  constructor(fn: ScalarFunction, options: ElementwiseOptions) {
    this.name = fn.name;
    this.inPlaceName = `${fn.name}_`;
    this.fn = fn;
    this.kind = options.kind;
    this.#options = options;
    this.#plans = new Plans(fn, options.kind, options.refuse);
    this.#frequent = this.#plans.frequent;
    this.#node = options.node ?? defaultNodeName(fn.name);
    this.backward = options.differentiable
      ? {
          plan: (needs) => this.#savePlan(needs),
          run: (node, g, wanted) => this.runBackward(node, g, wanted),
          setting: options.setting,
        }
      : null;
  }

  nodeName(): string {
    return this.#node;
  }

  /** Applies a function of one output. */
  call(...inputs: readonly Operand[]): TensorBase {
    return this.invoke(inputs) as TensorBase;
  }

  /** The shortest way for the inputs in an array. */
  invoke(inputs: readonly Operand[]): Outputs {
    if (this.fn.outs.length === 1) {
      if (inputs.length === 2) return this.call2(inputs[0], inputs[1]);
      const [a] = inputs;
      if (inputs.length === 1 && typeof a !== 'number') return this.call1(a);
    }
    return this.callFlat(inputs) ?? this.apply(inputs);
  }

  #run({ kernel }: Plan, n: number, outs: readonly TensorBase[], inputs: readonly Operand[], repeated: number): void {
    launching.name = this.name;
    kernel.runFlat(n, outs, inputs, repeated);
  }

  /** The unary hot path: no transform around, plain contiguous input. */
  call1(a: TensorBase): TensorBase {
    if (a?.wrapped !== null || !a.flat || detour) return this.apply([a]) as TensorBase;
    const key = dtypeInfo(a.dtype).index;
    const plan = this.#frequent[key] ?? this.#plans.plan(key, [a]);
    const out = freshLike(a, plan.out, a);
    if (a.count > FEW || isBusy()) this.#run(plan, a.count, [out], [a], 0);
    else {
      beginLaunch();
      compiled(plan, 0)(a.count, address(out.storage), address(a.storage) + a.offset * dtypeInfo(a.dtype).bytes);
    }
    if (out.storage.nbytes > COPIED_BYTES) remember(this, [a], undefined, out);
    if ((a.tracked || a.meta !== null) && this.backward !== null && baseScope.enabled)
      record(this, [a], undefined, out, null);
    return out;
  }

  /** The binary hot path: plain contiguous tensors of one shape and dtype, or a tensor and a number. */
  call2(a: Operand, b: Operand): TensorBase {
    if (typeof a === 'number') return this.#withNumber(b, a, true);
    if (typeof b === 'number') return this.#withNumber(a, b, false);
    if (!isTensor(b)) return this.apply([a, b]) as TensorBase;
    const { index, bytes, kind } = dtypeInfo(a.dtype);
    // `apply` says what is wrong with an operand that is nothing.
    const plain = a.wrapped === null && b?.wrapped === null && a.flat && b.flat && a.dtype === b.dtype;
    if (!plain || detour || (kind !== 'float' && this.#options.guard !== undefined))
      return this.apply([a, b]) as TensorBase;
    let repeated = 0;
    let like = a;
    if (!sameShape(a.shape, b.shape)) {
      // A rank-0 tensor with any other is one element repeated; other shapes take the long way.
      if (b.shape.length === 0) repeated = 2;
      else if (a.shape.length === 0) {
        repeated = 1;
        like = b;
      } else return this.apply([a, b]) as TensorBase;
    }
    const key = index * 8 + index;
    const plan = this.#frequent[key] ?? this.#plans.plan(key, [a, b]);
    const out = freshLike(like, plan.out, a, b);
    if (like.count > FEW || isBusy()) this.#run(plan, like.count, [out], [a, b], repeated);
    else {
      beginLaunch();
      const toA = address(a.storage) + a.offset * bytes;
      compiled(plan, repeated)(like.count, address(out.storage), toA, address(b.storage) + b.offset * bytes);
    }
    if (out.storage.nbytes > COPIED_BYTES) remember(this, [a, b], undefined, out);
    if ((a.tracked || b.tracked || a.meta !== null || b.meta !== null) && this.backward !== null && baseScope.enabled) {
      record(this, [a, b], undefined, out, null);
    }
    return out;
  }

  #withNumber(t: Operand, x: number, first: boolean): TensorBase {
    if (typeof t === 'number' || t?.wrapped !== null || !t.flat || detour)
      return this.apply(first ? [x, t] : [t, x]) as TensorBase;
    const { index, bytes, kind } = dtypeInfo(t.dtype);
    if (kind !== 'float') return this.apply(first ? [x, t] : [t, x]) as TensorBase;
    const key = first ? SCALAR * 8 + index : index * 8 + SCALAR;
    const plan = this.#frequent[key] ?? this.#plans.plan(key, first ? [x, t] : [t, x]);
    const out = freshLike(t, plan.out, t);
    if (t.count > FEW || isBusy()) this.#run(plan, t.count, [out], first ? [x, t] : [t, x], 0);
    else {
      beginLaunch();
      const flat = compiled(plan, 0);
      const to = address(out.storage);
      const from = address(t.storage) + t.offset * bytes;
      if (first) flat(t.count, to, x, from);
      else flat(t.count, to, from, x);
    }
    if (out.storage.nbytes > COPIED_BYTES) remember(this, first ? [x, t] : [t, x], undefined, out);
    if ((t.tracked || t.meta !== null) && this.backward !== null && baseScope.enabled) {
      record(this, first ? [x, t] : [t, x], undefined, out, null);
    }
    return out;
  }

  /** The hot path at large: plain contiguous tensors of one shape (or rank 0) and float dtype, and numbers. */
  callFlat(inputs: readonly Operand[]): Outputs | null {
    if (detour || inputs.length > COUNTED) return null;
    let like: TensorBase | null = null;
    let key = 0;
    let interesting = false;
    for (let i = 0; i < inputs.length; i++) {
      const x = inputs[i];
      if (typeof x === 'number') {
        key = key * 8 + SCALAR;
        continue;
      }
      if (x?.wrapped !== null || !x.flat || (like !== null && x.dtype !== like.dtype)) return null;
      if (like === null || like.shape.length === 0) like = x;
      if (x.tracked || x.meta !== null) interesting = true;
      key = key * 8 + dtypeInfo(x.dtype).index;
    }
    if (like === null || !isFloat(like.dtype)) return null;
    let repeated = 0;
    for (let i = 0; i < inputs.length; i++) {
      const x = inputs[i];
      if (typeof x === 'number' || sameShape(x.shape, like.shape)) continue;
      if (x.shape.length > 0 || i >= MASKED) return null;
      repeated |= 1 << i;
    }
    const plan = this.#frequent[key] ?? this.#plans.plan(key, inputs);
    const outs = freshAlike(this.fn.outs.length, like, plan.out, inputs);
    if (like.count > FEW || isBusy()) this.#run(plan, like.count, outs, inputs, repeated);
    else {
      beginLaunch();
      launch(compiled(plan, repeated), like.count, outs, inputs);
    }
    const results = outs.length === 1 ? outs[0] : outs;
    if (outs[0].storage.nbytes > COPIED_BYTES) remember(this, inputs, undefined, results);
    if (interesting && this.backward !== null && baseScope.enabled) record(this, inputs, undefined, results, null);
    return results;
  }

  apply(inputs: readonly Operand[]): Outputs {
    return apply(this, inputs, undefined);
  }

  forward(inputs: readonly Operand[]): Outputs {
    this.#options.guard?.(inputs);
    const shape = this.#shape(inputs);
    const plan = this.#plans.plan(this.#plans.key(inputs), inputs);
    if (this.fn.outs.length === 1) {
      const out = fresh(shape, plan.out);
      plan.kernel.run([out], inputs);
      return out;
    }
    const outs = this.fn.outs.map(() => fresh(shape, plan.out));
    plan.kernel.run(outs, inputs);
    return outs;
  }

  /**
   * The in-place form on a plain tensor that is no view: writes into `inputs[0]`, counts its version
   * up and makes this operation the one that made it.
   */
  applyInto(inputs: readonly [TensorBase, ...Operand[]]): TensorBase {
    const [target] = inputs;
    const node = baseScope.enabled ? openInPlace(this, inputs) : null;
    willChange(target);
    this.writeInto(target, inputs);
    noteChange(target, this.inPlaceName);
    if (node !== null) closeNode(node, target);
    else if (this.backward === null && baseScope.enabled) leaveGraph(target);
    return target;
  }

  /** Runs the kernel with `target` as its output, outside any graph. */
  writeInto(target: TensorBase, inputs: readonly Operand[]): void {
    this.#options.guard?.(inputs);
    if (inputs.length === 2 && this.#writeFlat(target, inputs[0], inputs[1])) return;
    if (this.#options.shortcut?.(target, inputs) === true) return;
    const shape = this.#shape(inputs);
    if (!sameShape(shape, target.shape)) {
      throw new ShapeError(
        `${this.name}_: output with shape ${shapeText(target.shape)} doesn't match the broadcast shape ${shapeText(shape)}; an in-place operation keeps its tensor's shape`,
      );
    }
    const key = this.#plans.key(inputs);
    const plan = this.#plans.plan(key, inputs);
    if (!canCast(plan.out, target.dtype)) {
      throw new DTypeError(
        `${this.name}_: result type ${plan.out} can't be cast to the desired output type ${target.dtype}; write x.${this.name}(…) or convert with x.to('${plan.out}') first`,
      );
    }
    const kernel = plan.out === target.dtype ? plan.kernel : this.#plans.kernelInto(key, inputs, target.dtype);
    kernel.run([target], inputs);
  }

  /** Runs the kernel with `targets` as its outputs, outside any graph. */
  writeAll(targets: readonly TensorBase[], inputs: readonly Operand[]): void {
    const shape = this.#shape(inputs);
    const plan = this.#plans.plan(this.#plans.key(inputs), inputs);
    for (const t of targets) {
      if (!sameShape(shape, t.shape))
        throw new ShapeError(
          `${this.name}: a result of shape ${shapeText(shape)} cannot be written to a tensor of shape ${shapeText(t.shape)}`,
        );
      if (t.dtype !== plan.out)
        throw new DTypeError(
          `${this.name}: results are ${plan.out} and cannot be written to a tensor of dtype ${t.dtype}`,
        );
    }
    plan.kernel.run(targets, inputs);
  }

  /** The hot path of `writeInto`: contiguous tensors of one shape and float dtype. */
  #writeFlat(target: TensorBase, a: Operand, b: Operand): boolean {
    if (typeof a === 'number' || typeof b === 'number' || !a.flat || !b.flat || !target.flat) return false;
    if (a.dtype !== b.dtype || a.dtype !== target.dtype || !isFloat(a.dtype)) return false;
    if (!sameShape(a.shape, b.shape) || !sameShape(a.shape, target.shape)) return false;
    const { index, bytes } = dtypeInfo(a.dtype);
    const key = index * 8 + index;
    const plan = this.#frequent[key] ?? this.#plans.plan(key, [a, b]);
    if (plan.out !== target.dtype) return false;
    if (target.count > FEW || isBusy()) this.#run(plan, target.count, [target], [a, b], 0);
    else {
      beginLaunch();
      const to = address(target.storage) + target.offset * bytes;
      const from = address(a.storage) + a.offset * bytes;
      compiled(plan, 0)(target.count, to, from, address(b.storage) + b.offset * bytes);
    }
    return true;
  }

  jvp(c: JvpContext<undefined>): readonly (TensorBase | null)[] {
    if (!this.#options.differentiable) return c.outputs.map(() => null);
    let active = 0;
    c.tangents.forEach((t, i) => {
      if (t !== null) active |= 1 << i;
    });
    this.#jvps[active] ??= this.#piece(
      deriveJvp(this.fn, bits(active, this.fn.args.length), this.#options.custom),
      `${this.name}.jvp${active}`,
    );
    const piece = this.#jvps[active] as Piece;
    return tangents(piece, c);
  }

  vmap(inputs: readonly Operand[], batched: readonly boolean[]): Outputs {
    const aligned = alignExamples(inputs, batched);
    const tensors = inputs.filter((x) => typeof x !== 'number');
    if (this.kind === 'first' || tensors.every((x) => x.dtype === tensors[0].dtype)) return this.invoke(aligned);
    // Examples of rank 0 count less where dtypes are promoted, though their batch has a dimension.
    const dtype = this.#plans.common(
      inputs.map((x, i) => (typeof x === 'number' || !batched[i] ? x : { shape: x.shape.slice(1), dtype: x.dtype })),
    );
    return this.apply(
      aligned.map((x, i) => (typeof x === 'number' || this.fn.args[i] !== 'value' ? x : toDType(x, dtype))),
    );
  }

  #shape(inputs: readonly Operand[]): Shape {
    let shape: Shape | null = null;
    for (const x of inputs) {
      if (typeof x === 'number') continue;
      shape = shape === null ? x.shape : broadcastShapes(this.name, shape, x.shape);
    }
    return shape ?? [];
  }

  #vjp(needs: number): Piece {
    this.#vjps[needs] ??= this.#piece(
      deriveVjp(this.fn, bits(needs, this.fn.args.length), this.#options.custom, this.#options.reuse),
      `${this.name}.vjp${needs}`,
    );
    return this.#vjps[needs] as Piece;
  }

  /** What gives the inputs in `wanted` their gradients by the outputs that cotangents arrived for. */
  #vjpOf(wanted: number, g: readonly (TensorBase | null)[], { plan }: Node): Piece {
    if (g.length === 1 || !g.includes(null)) return this.#vjp(wanted);
    const arrived = g.map((t) => t !== null);
    const key = `${wanted} of ${arrived.map(Number).join('')}`;
    let piece = this.#partial.get(key);
    if (piece === undefined) {
      const { custom, reuse } = this.#options;
      const derived = deriveVjp(this.fn, bits(wanted, this.fn.args.length), custom, reuse, arrived);
      piece = this.#piece(derived, `${this.name}.vjp${key}`);
      this.#partial.set(key, piece);
    }
    // Without the others it might need what was not saved.
    return piece.saves.every((place) => plan.includes(place)) ? piece : this.#vjp(wanted);
  }

  #piece(derived: Derived, name: string): Piece {
    const results = derived.sources.reduce((mask, s, i) => (s.kind === 'output' ? mask | (1 << i) : mask), 0);
    return takeApart(
      derived,
      name,
      (fn, node) => new ElementwiseOp(fn, { kind: 'float', differentiable: true, node, results }),
    );
  }

  #savePlan(needs: number): readonly number[] {
    return this.#vjp(needs).saves;
  }

  /** Gradients of the inputs in `wanted`, by the derived function. @internal */
  runBackward(node: Node, g: readonly (TensorBase | null)[], wanted: number): readonly (TensorBase | null)[] {
    const piece = this.#vjpOf(wanted, g, node);
    const { sources, op } = piece;
    const { length } = this.fn.args;
    if (piece.single && op !== null && sources.length === 2) {
      const grad = op.call2(sourceOf(piece, 0, node, g), sourceOf(piece, 1, node, g));
      if (length === 1) return [grad];
      const all = nulls<TensorBase>(length);
      all[31 - Math.clz32(wanted)] = grad;
      return all;
    }
    const args = new Array<Operand>(sources.length);
    for (let k = 0; k < args.length; k++) args[k] = sourceOf(piece, k, node, g);
    const grads = runPiece(piece, args, node.shape, node.dtype, inRoom(piece, node, wanted, args));
    const silent = this.#options.results ?? 0;
    if (grads.length === length && silent === 0) return grads;
    const out = nulls<TensorBase>(length);
    let k = 0;
    for (let i = 0; i < out.length; i++) {
      if (((wanted >> i) & 1) === 0) continue;
      const from = piece.outs[k];
      if (((silent >> i) & 1) === 0 || !('constant' in from) || from.constant !== 0) out[i] = grads[k];
      k++;
    }
    return out;
  }
}

/** Opens the node of an in-place application. What backward needs of the target is copied, for it is about to be overwritten. */
export function openInPlace(op: ElementwiseOp, inputs: readonly [TensorBase, ...Operand[]]): Node | null {
  const [target] = inputs;
  return openNode(op as Op<undefined>, inputs, undefined, null, (x) => (x === target ? clone(target) : x));
}

function bits(mask: number, n: number): boolean[] {
  return Array.from({ length: n }, (_, i) => ((mask >> i) & 1) === 1);
}

/** Defines and registers an elementwise operation. */
export function defineElementwise(fn: ScalarFunction, options: ElementwiseOptions): ElementwiseOp {
  const op = new ElementwiseOp(fn, options);
  register(op as Op<undefined>);
  return op;
}
