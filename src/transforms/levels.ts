import { applyBelow, sync } from '../core/apply.ts';
import { isFloat } from '../core/dtype.ts';
import { inferring } from '../core/inference.ts';
import {
  baseScope,
  currentLevels,
  currentScope,
  type GradScope,
  type Level,
  nextLevelId,
  type Wrapped,
} from '../core/levels.ts';
import type { Op } from '../core/op.ts';
import { isContiguous, sameShape } from '../core/shape.ts';
import {
  levelOf,
  metaOf,
  type Operand,
  type Outputs,
  placeOf,
  shadowOf,
  type TensorBase,
  wrap,
} from '../core/tensor.ts';
import { toDType } from '../ops/copy.ts';
import { meets } from '../ops/region.ts';
import { expand } from '../ops/view.ts';

function mapOutputs(outputs: Outputs, f: (t: TensorBase, i: number) => TensorBase): Outputs {
  return Array.isArray(outputs) ? (outputs as readonly TensorBase[]).map(f) : f(outputs as TensorBase, 0);
}

/**
 * Notes which results are views, and where they would lie in the memory of their base, so that in-place
 * changes of either are changes of both.
 */
function noteViews(level: Level, op: Op, outputs: Outputs, inputs: readonly Operand[], attrs: unknown): Outputs {
  const [x] = inputs;
  if (op.view === undefined || typeof x === 'number' || levelOf(x) !== level || !op.view(attrs as never))
    return outputs;
  const seen = insideOf(x, outputs) ?? op.forward([shadowOf(x)], attrs as never);
  const base = x.meta?.base ?? x;
  return mapOutputs(outputs, (y, i) => {
    const {
      shape,
      strides,
      offset,
      meta: made,
    } = Array.isArray(seen) ? (seen as readonly TensorBase[])[i] : (seen as TensorBase);
    const meta = metaOf(y);
    meta.base = base;
    meta.baseVersion = metaOf(base).baseVersion;
    meta.place = { shape, strides, offset };
    const own = made?.creation === 'several' ? 'several' : 'plain';
    meta.creation = !level.scope.enabled ? 'noGrad' : own === 'plain' && base !== x ? metaOf(x).creation : own;
    return y;
  });
}

/** Views of what is inside a tape's tensor, if they lie as those of the tensor itself would. */
function insideOf({ wrapped, meta }: TensorBase, views: Outputs): Outputs | null {
  const inside = wrapped?.kind === 'grad' && (meta?.place ?? null) === null ? wrapped.value : null;
  // Of an inference tensor there are no views.
  if (inside?.wrapped !== null || !inside.flat || inside.offset !== 0 || inside.storage.version < 0) return null;
  return mapOutputs(views, (y) => (y.wrapped as Wrapped).value);
}

/** An argument lies inside a transformed function as it does outside: what is a view of it there is one here. */
export function entering(t: TensorBase, value: TensorBase): TensorBase {
  if (value.wrapped === null && value.flat) return t;
  const strides = placeOf(value).strides.slice(value.shape.length - t.shape.length);
  const place = { shape: t.shape, strides, offset: 0 };
  // Whose gradient it is that elements share is not settled: they count as apart.
  if (!isContiguous(t.shape, strides) && !meets(place)) metaOf(t).place = place;
  return t;
}

/** A tape of its own: operations on its tensors run on what is inside, and are recorded here. */
export class GradLevel implements Level {
  readonly id = nextLevelId();
  readonly kind = 'grad';
  readonly scope: GradScope = { enabled: true };
  alive = true;
  private readonly outermost = currentLevels().length === 0;
  /** Whether the tape of plain tensors may have recorded something of what is inside. */
  private recordedBelow = !baseScope.enabled;

  /** Whether a pass over this tape that runs now does so among plain tensors, and nothing records it. */
  get alone(): boolean {
    return this.outermost && currentLevels().length === 0 && !(this.recordedBelow && baseScope.enabled);
  }

  lift(value: TensorBase): TensorBase {
    if (value.tracked) this.recordedBelow = true;
    return wrap({ kind: 'grad', level: this, value }, value.shape);
  }

  /** What is inside a tensor of this level; any other tensor is a constant here and stays itself. */
  lower(t: TensorBase): TensorBase {
    return t.wrapped !== null && t.wrapped.level === this ? (sync(t).wrapped as Wrapped).value : t;
  }

  process(op: Op, inputs: readonly Operand[], attrs: unknown): Outputs {
    const inner = new Array<Operand>(inputs.length);
    for (let i = 0; i < inner.length; i++) {
      const x = inputs[i];
      inner[i] = typeof x === 'number' ? x : this.lower(x);
    }
    const outputs = applyBelow(op, inner, attrs);
    const lifted = Array.isArray(outputs)
      ? (outputs as readonly TensorBase[]).map((t) => this.lift(t))
      : this.lift(outputs as TensorBase);
    return noteViews(this, op, lifted, inputs, attrs);
  }
}

/** What drawing random numbers means under `vmap`: one draw for all examples, one for each, or an error. */
export type Randomness = 'same' | 'different' | 'error';

/** Tensors of this level stand for one example each; inside, all examples lie along dimension 0. */
export class BatchLevel implements Level {
  readonly id = nextLevelId();
  readonly kind = 'batch';
  readonly scope: GradScope = currentScope();
  readonly size: number;
  readonly randomness: Randomness;
  alive = true;

  constructor(size: number, randomness: Randomness = 'same') {
    this.size = size;
    this.randomness = randomness;
  }

  lift(value: TensorBase): TensorBase {
    return wrap({ kind: 'batch', level: this, value }, value.shape.slice(1));
  }

  process(op: Op, inputs: readonly Operand[], attrs: unknown): Outputs {
    const batched = inputs.map((x) => typeof x !== 'number' && levelOf(x) === this);
    const inner = inputs.map((x, i) =>
      batched[i] ? ((x as TensorBase).wrapped as { readonly value: TensorBase }).value : x,
    );
    return noteViews(
      this,
      op,
      mapOutputs(op.vmap(inner, batched, attrs as never, this.size), (t) => this.lift(t)),
      inputs,
      attrs,
    );
  }
}

/** A tangent in the shape and dtype of its primal: where a rule passed on that of a broadcast or converted operand. */
function fitted(tangent: TensorBase | null, primal: TensorBase): TensorBase | null {
  if (tangent === null || !isFloat(primal.dtype)) return null;
  const t = toDType(tangent, primal.dtype);
  return sameShape(t.shape, primal.shape) ? t : expand(t, primal.shape);
}

/** Tensors of this level carry a tangent: x + ε ẋ with ε² = 0. Inference mode inside it passes none on; `noGrad` does. */
export class DualLevel implements Level {
  readonly id = nextLevelId();
  readonly kind = 'dual';
  readonly scope: GradScope = currentScope();
  alive = true;
  private readonly began = inferring;

  lift(value: TensorBase, tangent: TensorBase | null): TensorBase {
    return wrap({ kind: 'dual', level: this, value, tangent }, value.shape);
  }

  /** Primal and tangent of a tensor; one from outside has no tangent. */
  lower(t: TensorBase): readonly [primal: TensorBase, tangent: TensorBase | null] {
    const w = sync(t).wrapped;
    return w !== null && w.level === this && w.kind === 'dual' ? [w.value, w.tangent] : [t, null];
  }

  process(op: Op, inputs: readonly Operand[], attrs: unknown): Outputs {
    const pairs = inputs.map((x) => (typeof x === 'number' ? ([x, null] as const) : this.lower(x)));
    const primals = pairs.map((p) => p[0]);
    const tangents = pairs.map((p) => p[1]);
    const result = applyBelow(op, primals, attrs);
    const outputs = Array.isArray(result) ? (result as readonly TensorBase[]) : [result as TensorBase];
    const out =
      (inferring && !this.began) || tangents.every((t) => t === null)
        ? outputs.map(() => null)
        : op.jvp({ inputs: primals, tangents, outputs, attrs: attrs as never });
    return noteViews(
      this,
      op,
      mapOutputs(result, (t, i) => this.lift(t, fitted(out[i], t))),
      inputs,
      attrs,
    );
  }
}
