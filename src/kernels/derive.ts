/**
 * Derivatives of scalar functions, as scalar functions again: so they can be derived again, to any
 * order, and each is one fused kernel. The formulas are in `rules.ts`; here they are put together,
 * visiting every node once, so that a derivative is a small constant times the size of its function.
 */
import { add, isZero, select } from './algebra.ts';
import { flowsTo, Pool, references, rewrite, topological } from './dag.ts';
import { byHand, constant, type Expr, type Rule, type ScalarFunction, type Sort, withDerivative } from './expr.ts';
import { ruleOf } from './rules.ts';

/** Where an argument of a derived function comes from. */
export interface Source {
  readonly kind: 'primal' | 'output' | 'cotangent' | 'tangent';
  readonly index: number;
}

/** A derived function and what to call it with; only arguments it uses are listed. */
export interface Derived {
  readonly fn: ScalarFunction;
  readonly sources: readonly Source[];
}

/** A derivative by hand, of a function of one output: given t, the arguments and the output, t ∂y/∂x for each argument. */
export type Differentiation = Rule;

/**
 * Cotangents of the arguments marked in `wanted`, in order: x̄ᵢ = Σⱼ ȳⱼ ∂fⱼ/∂xᵢ. Where a
 * subexpression is an output of `fn`, the output is used instead of being computed again, unless `reuse`
 * is false. An argument that no output depends on has the constant 0. Outputs without a cotangent in `arrived` are left
 * out: a 0 in its place would be multiplied with derivatives that may be infinite.
 */
export function deriveVjp(
  fn: ScalarFunction,
  wanted: readonly boolean[],
  custom?: Differentiation,
  reuse = true,
  arrived?: readonly boolean[],
): Derived {
  const frame = new Frame(fn, 'cotangent', custom);
  const args = fn.args.map((sort, i) => (wanted[i] && sort === 'value' ? frame.argument(i) : null));
  const active = frame.dependents(args);
  const cotangents = new Map<Expr, Expr>();
  const flow = (e: Expr, t: Expr | null): void => {
    if (t === null || !active.has(e)) return;
    const before = cotangents.get(e);
    const now = frame.pool.take(t);
    cotangents.set(e, before === undefined ? now : frame.pool.take(sum(before, now)));
  };
  frame.outs.forEach((e, j) => {
    if (arrived?.[j] !== false) flow(e, frame.seed(j));
  });
  for (const e of frame.order.toReversed()) {
    const t = cotangents.get(e);
    if (t === undefined) continue;
    const flows = passed(e, t);
    flowsTo(e).forEach((x, k) => {
      flow(x, flows[k] ?? null);
    });
  }
  return frame.close(
    `${fn.name}.vjp`,
    args.filter((_, i) => wanted[i]).map((x) => (x && cotangents.get(x)) ?? constant(0)),
    reuse,
  );
}

/** Tangents of all outputs from those of the arguments marked in `active`: ẏⱼ = Σᵢ ∂fⱼ/∂xᵢ ẋᵢ. */
export function deriveJvp(fn: ScalarFunction, active: readonly boolean[], custom?: Differentiation): Derived {
  const frame = new Frame(fn, 'tangent', custom);
  const tangents = new Map<Expr, Expr>();
  fn.args.forEach((sort, i) => {
    if (active[i] && sort === 'value') tangents.set(frame.argument(i), frame.seed(i));
  });
  for (const e of frame.order) {
    flowsTo(e).forEach((x, k) => {
      const t = tangents.get(x);
      const flow = t === undefined ? null : (passed(e, t)[k] ?? null);
      if (flow === null) return;
      const before = tangents.get(e);
      const now = frame.pool.take(flow);
      tangents.set(e, before === undefined ? now : frame.pool.take(sum(before, now)));
    });
  }
  return frame.close(
    `${fn.name}.jvp`,
    frame.outs.map((e) => tangents.get(e) ?? constant(0)),
  );
}

/**
 * What passes from `e` to each of what it is made of when `t` is at `e`. A rule is linear in t, so
 * where t is 0 by a condition, that condition is kept outside: `m ? t : 0` passes as `m ? rule(t) : 0`.
 * Then a branch that was not taken adds nothing even where its own derivative is infinite or NaN, as
 * in `x > 0 ? √x : 0` at 0 (multiplying by the 0 would give NaN).
 */
function passed(e: Expr, t: Expr): readonly (Expr | null)[] {
  if (t.op === 'select' && byHand(t) === undefined) {
    const { mask, a, b } = t;
    if (isZero(b)) return passed(e, a).map((r) => r && select(mask, r, 0));
    if (isZero(a)) return passed(e, b).map((r) => r && select(mask, 0, r));
  }
  const rule = byHand(e)?.rule ?? ruleOf(e);
  return rule === null ? [] : rule(t, flowsTo(e), e);
}

/** a + b, where conditions may meet: `(m ? p : 0) + (m ? 0 : q)` is `m ? p : q`. */
function sum(a: Expr, b: Expr): Expr {
  if (isZero(a)) return b;
  if (isZero(b)) return a;
  if (a.op !== 'select' || b.op !== 'select') return add(a, b);
  const masks = [a.mask, b.mask, ...(a.mask.op === 'and' || a.mask.op === 'or' ? [a.mask.a] : [])];
  for (const mask of masks) {
    const p = under(mask, a);
    const q = under(mask, b);
    if (p === null || q === null) continue;
    const meet = [...p, ...q].some(isZero);
    if (meet) return select(mask, sum(p[0], q[0]), sum(p[1], q[1]));
  }
  return add(a, b);
}

/** `e` taken apart by `mask`: what it is where the mask holds, and where not. */
function under(mask: Expr, e: Expr & { readonly op: 'select' }): readonly [Expr, Expr] | null {
  if (e.mask === mask) return [e.a, e.b];
  if (e.mask.op === 'and' && e.mask.a === mask && isZero(e.b)) return [select(e.mask.b, e.a, 0), e.b];
  if (e.mask.op === 'or' && e.mask.a === mask && isZero(e.a)) return [e.a, select(e.mask.b, 0, e.b)];
  return null;
}

/** What both modes share: the function in a pool, places for what it will be called with, and the way out. */
class Frame {
  readonly pool = new Pool();
  readonly outs: readonly Expr[];
  /** The nodes derivatives pass through, what a node is made of before it. */
  readonly order: readonly Expr[];
  readonly #fn: ScalarFunction;
  readonly #slots: readonly { readonly source: Source; readonly sort: Sort }[];

  constructor(fn: ScalarFunction, seeds: 'cotangent' | 'tangent', custom: Differentiation | undefined) {
    const args = fn.args.map((sort, index): Expr => ({ op: 'arg', sort, index }));
    const outs = custom === undefined ? fn.outs : fn.outs.map((e) => withDerivative(e, args, custom));
    this.#fn = fn;
    this.outs = outs.map((e) => this.pool.take(e));
    this.order = topological(this.outs, (e) => (e.sort === 'mask' ? [] : flowsTo(e)));
    const of = (kind: Source['kind'], sorts: readonly Sort[]) =>
      sorts.map((sort, index) => ({ source: { kind, index }, sort }));
    const values = (xs: readonly unknown[]): Sort[] => xs.map(() => 'value');
    // The arguments keep their numbers.
    this.#slots = [
      ...of('primal', fn.args),
      ...of('output', values(fn.outs)),
      ...of(seeds, values(seeds === 'cotangent' ? fn.outs : fn.args)),
    ];
  }

  argument(index: number): Expr {
    return this.pool.take({ op: 'arg', sort: 'value', index });
  }

  /** The place of output `j`. */
  #output(j: number): Expr {
    return this.argument(this.#fn.args.length + j);
  }

  /** The place of the cotangent of output `i`, or the tangent of argument `i`. */
  seed(i: number): Expr {
    return this.argument(this.#fn.args.length + this.#fn.outs.length + i);
  }

  /** The nodes whose value depends on one of `args`. */
  dependents(args: readonly (Expr | null)[]): ReadonlySet<Expr> {
    const found = new Set<Expr>();
    for (const x of args) if (x !== null) found.add(x);
    for (const e of this.order) if (e.sort === 'value' && flowsTo(e).some((x) => found.has(x))) found.add(e);
    return found;
  }

  /** The expressions as a function of what they use, outputs of the function put in for what computes them. */
  close(name: string, exprs: readonly Expr[], reuse = true): Derived {
    const outputs = new Map<Expr, Expr>();
    this.outs.forEach((e, j) => {
      if (reuse && e.sort === 'value' && e.op !== 'arg' && e.op !== 'const') outputs.set(e, this.#output(j));
    });
    const open = rewrite(exprs, (e) => outputs.get(e));
    const used = new Set<number>();
    for (const e of topological(open, references)) if (e.op === 'arg') used.add(e.index);
    const kept = [...used].sort((a, b) => a - b);
    const place = new Map(kept.map((slot, index) => [slot, index]));
    const outs = rewrite(open, (e) => (e.op === 'arg' ? { ...e, index: place.get(e.index) as number } : undefined));
    return {
      fn: { name, args: kept.map((slot) => this.#slots[slot].sort), outs },
      sources: kept.map((slot) => this.#slots[slot].source),
    };
  }
}
