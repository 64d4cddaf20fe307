/** Walking and rebuilding expression DAGs, without recursion: chains may be longer than any stack. */
import { simplify } from './algebra.ts';
import {
  type ByHand,
  byHand,
  compare,
  type Expr,
  operands,
  type Rule,
  type ScalarFunction,
  type Sort,
  select,
} from './expr.ts';

/** What the derivative of a node flows to: what it was declared to be made of, or its operands. */
export const flowsTo = (e: Expr): readonly Expr[] => byHand(e)?.of ?? operands(e);

/** Everything a node refers to: what its value needs and what its derivative needs. */
export function references(e: Expr): readonly Expr[] {
  const hand = byHand(e);
  return hand === undefined ? operands(e) : [...operands(e), ...hand.of];
}

/** The nodes below `roots`, each once, after those it points to by `next`; nodes in `known` and below are left out. */
export function topological(
  roots: readonly Expr[],
  next: (e: Expr) => readonly Expr[],
  known: (e: Expr) => boolean = () => false,
): Expr[] {
  const order: Expr[] = [];
  const seen = new Set<Expr>();
  const stack: { readonly e: Expr; readonly below: readonly Expr[]; at: number }[] = [];
  const enter = (e: Expr): void => {
    if (seen.has(e) || known(e)) return;
    seen.add(e);
    stack.push({ e, below: next(e), at: 0 });
  };
  for (const root of roots) {
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      if (top.at < top.below.length) enter(top.below[top.at++]);
      else {
        order.push(top.e);
        stack.pop();
      }
    }
  }
  return order;
}

/** The node with `map` applied to everything it refers to. */
function rebuilt(e: Expr, map: (x: Expr) => Expr): Expr {
  const hand = byHand(e);
  const same = operands(e).every((x) => map(x) === x) && (hand === undefined || hand.of.every((x) => map(x) === x));
  if (same || e.op === 'arg' || e.op === 'const') return e;
  const below =
    e.op === 'select'
      ? { mask: map(e.mask), a: map(e.a), b: map(e.b) }
      : 'b' in e
        ? { a: map(e.a), b: map(e.b) }
        : { a: map(e.a) };
  const mapped = hand && ({ of: hand.of.map(map), rule: hand.rule } satisfies ByHand);
  return { ...e, ...below, ...(mapped && { byHand: mapped }) } as Expr;
}

/** `roots` with the nodes for which `replace` has something put in their place. */
export function rewrite(roots: readonly Expr[], replace: (e: Expr) => Expr | undefined): Expr[] {
  const images = new Map<Expr, Expr>();
  const next = (e: Expr): readonly Expr[] => (replace(e) === undefined ? references(e) : []);
  const image = (x: Expr): Expr => images.get(x) as Expr;
  for (const e of topological(roots, next)) images.set(e, replace(e) ?? rebuilt(e, image));
  return roots.map(image);
}

/** The outputs of `fn` for expressions in the place of its arguments. */
export function substitute(fn: ScalarFunction, args: readonly Expr[]): Expr[] {
  return rewrite(fn.outs, (e) => (e.op === 'arg' ? readAs(e.sort, args[e.index]) : undefined));
}

/** A value read as a truth value means "is not zero"; a truth value read as a number is 1 or 0. */
function readAs(sort: Sort, e: Expr): Expr {
  if (e.sort === sort) return e;
  if (e.op === 'arg') return { ...e, sort };
  return sort === 'mask' ? compare('ne', e, 0) : select(e, 1, 0);
}

/** A pool in which structurally equal expressions are one object: sharing is found by identity. */
export class Pool {
  readonly #byKey = new Map<string, Expr>();
  readonly #ids = new Map<Expr, number>();
  readonly #images = new Map<Expr, Expr>();
  readonly #rules = new Map<Rule, number>();

  /** The one expression equal to `e`, simplified. */
  take(e: Expr): Expr {
    const pooled = (x: Expr): boolean => this.#images.has(x);
    const image = (x: Expr): Expr => this.#images.get(x) as Expr;
    for (const raw of topological([e], references, pooled))
      this.#images.set(raw, this.#unique(simplify(rebuilt(raw, image))));
    return image(e);
  }

  #unique(e: Expr): Expr {
    // Simplifying may have made new nodes below.
    if (this.#images.has(e)) return this.#images.get(e) as Expr;
    const fresh = references(e).some((x) => !this.#ids.has(x));
    if (fresh) return this.take(e);
    const key = this.#key(e);
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    this.#byKey.set(key, e);
    this.#ids.set(e, this.#ids.size);
    this.#images.set(e, e);
    return e;
  }

  #key(e: Expr): string {
    if (e.op === 'arg') return `arg ${e.sort} ${e.index}`;
    if (e.op === 'const') return Object.is(e.value, -0) ? 'const -0' : `const ${e.value}`;
    const ids = operands(e).map((x) => this.#ids.get(x) as number);
    if (commutative.has(e.op)) ids.sort((a, b) => a - b);
    const hand = byHand(e);
    const by = hand === undefined ? '' : ` by ${this.#rule(hand.rule)} ${hand.of.map((x) => this.#ids.get(x)).join()}`;
    return `${e.op} ${ids.join()}${by}`;
  }

  #rule(rule: Rule): number {
    const known = this.#rules.get(rule);
    if (known !== undefined) return known;
    this.#rules.set(rule, this.#rules.size);
    return this.#rules.size - 1;
  }
}

const commutative: ReadonlySet<Expr['op']> = new Set<Expr['op']>(['add', 'mul', 'eq', 'ne', 'and', 'or', 'xor']);
