import { sameMemory } from '../../backends/wasm/heap.ts';
import { applyToPrimals, gradientNode } from '../../core/apply.ts';
import { dtypeInfo, isFloat } from '../../core/dtype.ts';
import type { ForwardLevel, ForwardMeta, InPlaceChange } from '../../core/forward.ts';
import { inferring } from '../../core/inference.ts';
import { baseScope, nextLevelId } from '../../core/levels.ts';
import type { Op } from '../../core/op.ts';
import { sameShape } from '../../core/shape.ts';
import { alias, fresh, metaOf, type Operand, type Outputs, TensorBase, viewOf, wrap } from '../../core/tensor.ts';
import { clone, copyKernel, toDType } from '../../ops/copy.ts';
import { copy_, fill_ } from '../../ops/fill.ts';
import { filled } from '../../ops/filled.ts';
import { checkInPlace, checkLevel } from '../../ops/inplace.ts';
import { recordRegion, regionBetween } from '../../ops/region.ts';
import { expand } from '../../ops/view.ts';

type Maybe = TensorBase | null;

/**
 * A level of forward mode. Tangents lie beside their tensors (`meta.forward`), in memory of the same
 * layout, so that a view of a tensor has a view of its tangent and a change in place of one of them is
 * one of the other.
 */
export class TangentLevel implements ForwardLevel {
  readonly id = nextLevelId();

  apply(op: Op, inputs: readonly Operand[], attrs: unknown): Outputs {
    const tangents = inputs.map((x) => this.#tangentOfOperand(x));
    const outputs = applyToPrimals(op, inputs, attrs as never);
    const list = Array.isArray(outputs) ? (outputs as readonly TensorBase[]) : [outputs as TensorBase];
    for (const y of list) this.#noteView(y, inputs);
    if (tangents.every((t) => t === null)) return outputs;
    const primals = inputs.map((x, i) => (typeof x === 'number' || tangents[i] === null ? x : primalOf(x)));
    const found = op.jvp({ inputs: primals, tangents, outputs: list, attrs: attrs as never });
    list.forEach((y, i) => {
      const t = found[i];
      if (t !== null && t !== undefined && isFloat(y.dtype)) this.#attach(y, t, inputs, tangents);
    });
    return outputs;
  }

  tangentOf(t: TensorBase): Maybe {
    const own = this.#metaOf(t);
    if (own !== null && own.tangent !== null) return own.tangent;
    // Its base may have got a tangent since it was taken.
    const base = this.#baseOf(t);
    const whole = base === null ? null : (this.#metaOf(base)?.tangent ?? null);
    if (base === null || whole === null) return null;
    const tangent = partOf(whole, base, t);
    metaOf(t).forward = { level: this, tangent, base };
    return tangent;
  }

  changeInPlace({ name, target, others, run, push }: InPlaceChange): TensorBase {
    const inputs = [target, ...others];
    const tangents = inputs.map((x) => this.#tangentOfOperand(x));
    if (tangents.every((t) => t === null)) return run(null);
    const [own] = tangents;
    if (target.wrapped !== null) return run(own);
    const given = tangents.filter((t) => t !== null);
    if (own !== null) checkInPlace(name, own, given);
    if (own !== null || this.#baseOf(target) !== null) checkLevel(name, own ?? primalOf(target), given);
    // What lies in memory that is about to be overwritten is needed as it was, and may be saved for backward.
    const changes = (x: Operand): x is TensorBase =>
      typeof x !== 'number' && x.wrapped === null && sameMemory(x.storage, target.storage);
    const primals = inputs.map((x, i) => {
      if (changes(x)) return copyOf(x);
      return typeof x === 'number' || tangents[i] === null ? x : primalOf(x);
    });
    const before = inputs.map((x, i) => {
      const t = tangents[i];
      return t !== null && changes(x) ? clone(t) : t;
    });
    run(before[0]);
    this.#change(target, push(primals, before, primalOf(target)));
    return target;
  }

  give(t: TensorBase, tangent: Maybe): void {
    if (tangent !== null) metaOf(t).forward = { level: this, tangent, base: null };
  }

  hand(from: TensorBase, to: TensorBase): void {
    const tangent = this.tangentOf(from);
    if (to.wrapped === null) {
      if (tangent !== null || this.tangentOf(to) !== null) this.#change(to, tangent);
    } else if (tangent !== null || to.meta !== null)
      metaOf(to).forward = tangent === null ? null : { level: this, tangent, base: null };
  }

  moved(t: TensorBase, tangent: Maybe): void {
    if (tangent !== null) metaOf(t).forward = { level: this, tangent, base: this.#metaOf(t)?.base ?? null };
  }

  overwritten(t: TensorBase): void {
    const tangent = this.tangentOf(t);
    if (tangent !== null) fill_(tangent, 0);
  }

  /** A tangent as the user gives it: itself, if it lies in memory as its primal does. */
  set(t: TensorBase, tangent: TensorBase): void {
    const meta: ForwardMeta = { level: this, tangent: inLayoutOf(fitted(tangent, t), t), base: null };
    metaOf(t).forward = meta;
  }

  /** The tensor stands for its value alone: changes of its tangent, or of that of what it views, are not its own. */
  seal(t: TensorBase): void {
    metaOf(t).forward = { level: this, tangent: null, base: null };
  }

  #metaOf(t: TensorBase): ForwardMeta | null {
    const forward = t.meta === null ? null : t.meta.forward;
    return forward !== null && forward.level === this ? forward : null;
  }

  /** What a tensor views in forward mode. */
  #baseOf(t: TensorBase): Maybe {
    const own = this.#metaOf(t);
    return own === null ? (t.meta?.base ?? null) : own.base;
  }

  #tangentOfOperand(x: Operand): Maybe {
    // Whatever is no tensor is refused by the operation itself.
    return !(x instanceof TensorBase) || inferring ? null : this.tangentOf(x);
  }

  /** A view of a tensor that is known here views, in forward mode, what that one does. */
  #noteView(y: TensorBase, inputs: readonly Operand[]): void {
    if (y.wrapped !== null || y.meta === null || y.meta.base === null) return;
    for (const x of inputs) {
      if (typeof x === 'number' || x.wrapped !== null || x === y || x.storage !== y.storage) continue;
      const known = this.#metaOf(x);
      if (known !== null) y.meta.forward = { level: this, tangent: null, base: known.base ?? x };
      return;
    }
  }

  /** Gives a result its tangent. That of a view is a view of its operand's; any other has memory of its own. */
  #attach(y: TensorBase, t: TensorBase, inputs: readonly Operand[], tangents: readonly Maybe[]): void {
    const tangent = fitted(t, y);
    const known = this.#metaOf(y);
    const of = inputs.findIndex(
      (x) => typeof x !== 'number' && x.wrapped === null && y.wrapped === null && x.storage === y.storage,
    );
    const shares = (other: Maybe): boolean =>
      other !== null && other.wrapped === null && other.storage === tangent.storage;
    if (of >= 0 && y.meta !== null && y.meta.base !== null && shares(tangents[of]) && sameLayout(tangent, y)) {
      const x = inputs[of] as TensorBase;
      const base = known !== null ? known.base : (this.#metaOf(x)?.base ?? x.meta?.base ?? x);
      metaOf(y).forward = { level: this, tangent, base };
      return;
    }
    const apart = tangents.some(shares) ? clone(tangent) : tangent;
    metaOf(y).forward = { level: this, tangent: inLayoutOf(apart, y), base: null };
  }

  /** The tangent of a tensor that was changed in place becomes `t` (null: zero), in the memory it has. */
  #change(target: TensorBase, t: Maybe): void {
    const own = this.tangentOf(target);
    if (own !== null) {
      if (t === null) fill_(own, 0);
      else if (t !== own) copy_(own, fitted(t, target));
      return;
    }
    if (t === null || !isFloat(target.dtype)) return;
    const base = this.#baseOf(target);
    if (base === null) {
      metaOf(target).forward = { level: this, tangent: inLayoutOf(clone(fitted(t, target)), target), base: null };
      return;
    }
    // The rest of what the view is part of does not change.
    const whole = zerosInLayoutOf(base);
    metaOf(base).forward = { level: this, tangent: whole, base: null };
    const tangent = partOf(whole, base, target);
    copy_(tangent, fitted(t, target));
    metaOf(target).forward = { level: this, tangent, base };
  }
}

/** The values of a plain tensor, as they are now, at its place in the graph. */
function copyOf(t: TensorBase): TensorBase {
  const copy = fresh(t.shape, t.dtype);
  copyKernel(t.dtype, t.dtype).run([copy], [t]);
  return atPlaceOf(t, copy);
}

/** The tensor without its tangent, at the same place in the graph. */
function primalOf(t: TensorBase): TensorBase {
  return atPlaceOf(t, t.wrapped === null ? alias(t) : wrap(t.wrapped, t.shape));
}

function atPlaceOf(t: TensorBase, copy: TensorBase): TensorBase {
  copy.tracked = t.tracked;
  copy.node = t.node;
  copy.outputIndex = t.outputIndex;
  if (t.tracked && t.node === null) metaOf(copy).accumulator = gradientNode(t);
  return copy;
}

/** A tangent in the shape and dtype of its primal: where a rule passed on that of a broadcast or converted operand. */
function fitted(tangent: TensorBase, primal: TensorBase): TensorBase {
  const t = toDType(tangent, primal.dtype);
  return sameShape(t.shape, primal.shape) ? t : expand(t, primal.shape);
}

function sameLayout(a: TensorBase, b: TensorBase): boolean {
  return a.offset === b.offset && a.storage.nbytes === b.storage.nbytes && sameShape(a.strides, b.strides);
}

function zerosInLayoutOf(t: TensorBase): TensorBase {
  const elements = t.storage.nbytes / dtypeInfo(t.dtype).bytes;
  return alias(filled([elements], 0, t.dtype), t.shape, t.strides, t.offset);
}

/** A tangent in memory that is laid out as its primal's is. */
function inLayoutOf(tangent: TensorBase, primal: TensorBase): TensorBase {
  if (primal.wrapped !== null || tangent.wrapped !== null || sameLayout(tangent, primal)) return tangent;
  const moved = zerosInLayoutOf(primal);
  return copy_(moved, tangent);
}

/** The part of a tangent that belongs to a view of its primal. */
function partOf(whole: TensorBase, base: TensorBase, view: TensorBase): TensorBase {
  const part = viewOf(whole, view.shape, view.strides, view.offset);
  if (whole.tracked && baseScope.enabled) recordRegion(whole, part, regionBetween(base, view));
  return part;
}
