import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { substitute, topological } from '../../src/kernels/dag.ts';
import { deriveJvp, deriveVjp } from '../../src/kernels/derive.ts';
import {
  arg,
  binary,
  compare,
  constant,
  type Expr,
  operands,
  type ScalarFunction,
  select,
  unary,
} from '../../src/kernels/expr.ts';
import * as f from '../../src/kernels/functions.ts';
import { check, uniform } from './check.ts';
import { nodes, pullback, pushforward } from './compose.ts';
import { interpret, interpretDerived } from './interpret.ts';

describe('values are never changed', () => {
  const x = arg(0);
  const one = (out: Expr): ScalarFunction => ({ name: 'f', args: ['value'], outs: [out] });
  const grad = (out: Expr, at: number, g = 1): number => interpret(pullback(one(out)), [at, g])[0];

  it('a factor 0 the user wrote stays a factor', () => {
    expect(grad(binary('mul', x, 0), 1, Number.POSITIVE_INFINITY)).toBeNaN();
    expect(interpret(pullback(one(binary('mul', unary('exp', x), 0))), [800, 1])[0]).toBeNaN();
  });

  it('x + 0 inside is computed as written: −0 + 0 is 0', () => {
    // Had x + 0 become x, atan2 would see −0 and give −π.
    const sum = binary('add', x, 0);
    const fn = one(binary('mul', sum, binary('atan2', sum, constant(-1))));
    expect(interpret(pullback(fn), [-0, 1])[0]).toBeCloseTo(Math.PI, 14);
  });

  it('a branch that is not taken adds nothing, whatever its own derivative is', () => {
    const positive = compare('gt', x, 0);
    expect(grad(select(positive, unary('sqrt', x), 0), 0)).toBe(0);
    expect(grad(select(positive, unary('sqrt', x), binary('mul', x, 3)), 0)).toBe(3);
    expect(grad(unary('exp', select(positive, unary('log', x), x)), 0)).toBe(1);
    expect(grad(select(positive, x, unary('exp', binary('mul', x, -1))), 800)).toBe(1);
    const nested = select(
      positive,
      select(compare('gt', x, 1), unary('log', binary('sub', x, 1)), unary('sqrt', x)),
      x,
    );
    expect([-1, 0, 0.25, 1, 2].map((at) => grad(nested, at))).toEqual([1, 1, 1, 0.5, 1]);
    // The same in forward mode, and for the second derivative.
    expect(interpret(pushforward(one(select(positive, unary('sqrt', x), 0))), [0, 1])).toEqual([0]);
    expect(interpret(pullback(pullback(one(select(positive, unary('sqrt', x), 0)))), [0, 1, 1])[0]).toBe(0);
  });

  it('the branches of a choice come together in one selection', () => {
    const branches = select(compare('gt', x, 0), unary('sin', x), unary('cos', x));
    const { fn } = deriveVjp(one(branches), [true]);
    expect(fn.outs[0].op).toBe('select');
  });
});

describe('structure', () => {
  it('arguments without influence have the constant 0, masks no derivative', () => {
    const fn: ScalarFunction = { name: 'f', args: ['value', 'value', 'mask'], outs: [arg(0)] };
    const { fn: d, sources } = deriveVjp(fn, [true, true, true]);
    expect(d.outs.slice(1)).toEqual([constant(0), constant(0)]);
    expect(sources).toEqual([{ kind: 'cotangent', index: 0 }]);
    expect(deriveJvp(fn, [false, true, true]).fn.outs).toEqual([constant(0)]);
  });

  it('lists the free variables only, and gives the arguments their sorts', () => {
    const { fn, sources } = deriveVjp(f.where.fn, [false, true, true]);
    expect(sources).toEqual([
      { kind: 'primal', index: 0 },
      { kind: 'cotangent', index: 0 },
    ]);
    expect(fn.args).toEqual(['mask', 'value']);
  });

  it('adds up the cotangents of several outputs', () => {
    const fn: ScalarFunction = {
      name: 'f',
      args: ['value'],
      outs: [unary('sin', arg(0)), unary('exp', arg(0)), arg(0)],
    };
    const d = deriveVjp(fn, [true]);
    const given = { primal: [0.3], output: [Math.sin(0.3), Math.exp(0.3), 0.3], cotangent: [2, 3, 5] };
    expect(interpretDerived(d, given)[0]).toBeCloseTo(2 * Math.cos(0.3) + 3 * Math.exp(0.3) + 5, 14);
    expect(d.sources).toContainEqual({ kind: 'output', index: 1 });
  });

  it('takes a derivative by hand, of a bare argument too', () => {
    const clipped = deriveVjp(f.identity.fn, [true], (t) => [binary('min', t, 1)]);
    expect(interpretDerived(clipped, { primal: [0], output: [0], cotangent: [7] })).toEqual([1]);
    const forward = deriveJvp(f.identity.fn, [true], (t) => [binary('mul', t, 3)]);
    expect(interpretDerived(forward, { primal: [0], output: [0], tangent: [2] })).toEqual([6]);
  });

  it('finds equal subexpressions that were built apart', () => {
    const twice = (): Expr => unary('sin', binary('mul', arg(0), arg(1)));
    const fn: ScalarFunction = { name: 'f', args: ['value', 'value'], outs: [binary('mul', twice(), twice())] };
    const shared = twice();
    const same: ScalarFunction = { ...fn, outs: [binary('mul', shared, shared)] };
    expect(nodes(deriveVjp(fn, [true, true]).fn)).toBe(nodes(deriveVjp(same, [true, true]).fn));
  });

  /** yₖ₊₁ = tanh(yₖ yₖ + yₖ): as a tree 3ⁿ nodes. */
  const chain = (n: number): ScalarFunction => {
    let y: Expr = arg(0);
    for (let k = 0; k < n; k++) y = unary('tanh', binary('add', binary('mul', y, y), y));
    return { name: 'chain', args: ['value'], outs: [y] };
  };

  it('a derivative of any order grows linearly with the function, shared expressions included', () => {
    const sizes = (n: number): number[] => {
      let fn = chain(n);
      return [1, 2, 3].map(() => {
        fn = pullback(fn);
        return nodes(fn);
      });
    };
    const [small, large] = [sizes(50), sizes(100)];
    small.forEach((size, k) => {
      expect(large[k] / size, `order ${k + 1}`).toBeLessThan(2.1);
    });
    expect(nodes(pushforward(chain(100))) / nodes(chain(100))).toBeLessThan(4);
  });

  it('of nested choices too', () => {
    const steps = (n: number): ScalarFunction => {
      let y: Expr = unary('sin', arg(0));
      for (let k = 0; k < n; k++) y = select(compare('lt', arg(0), k), binary('mul', arg(0), y), unary('exp', y));
      return { name: 'steps', args: ['value'], outs: [y] };
    };
    expect(nodes(pullback(steps(200))) / nodes(pullback(steps(100)))).toBeLessThan(2.1);
  });

  it('higher orders of a small function stay small', () => {
    let fn: ScalarFunction = { name: 'f', args: ['value'], outs: [unary('tanh', arg(0))] };
    const growth = [1, 2, 3, 4, 5].map(() => {
      fn = pullback(fn, [true]);
      fn = { ...fn, args: ['value'], outs: fn.outs.map((e) => seeded(e)) };
      return nodes(fn);
    });
    expect(growth[4]).toBeLessThan(120);
  });

  it('chains longer than any stack', () => {
    const fn = pullback(chain(20_000));
    expect(interpret(fn, [0, 1])).toEqual([1]);
  });
});

/** The derivative itself: 1 in the place of the cotangent. */
function seeded(e: Expr): Expr {
  const [out] = substitute({ name: '', args: ['value', 'value'], outs: [e] }, [arg(0), constant(1)]);
  return out;
}

describe('random functions', () => {
  /** Smooth and bounded steps, so that differences are accurate; a choice only where it is not close. */
  const step = fc.tuple(fc.nat(9), fc.nat(1000), fc.nat(1000), fc.double({ min: -2, max: 2, noNaN: true }));
  const program = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 12 }),
    at: fc.tuple(...[0, 1, 2].map(() => fc.double({ min: -1.5, max: 1.5, noNaN: true }))),
    seed: fc.nat(),
  });

  function build(steps: readonly (readonly [number, number, number, number])[]): ScalarFunction {
    const made: Expr[] = [arg(0), arg(1), arg(2)];
    const pick = (k: number): Expr => made[k % made.length];
    for (const [op, i, j, c] of steps) {
      const [a, b] = [pick(i), pick(j)];
      const choices: readonly (() => Expr)[] = [
        () => binary('add', a, binary('mul', b, c)),
        () => unary('tanh', binary('mul', a, b)),
        () => unary('sin', binary('sub', a, b)),
        () => binary('div', a, binary('add', binary('mul', b, b), 1)),
        () => unary('sigmoid', binary('mul', a, c)),
        () => unary('exp', unary('neg', binary('mul', a, a))),
        () => unary('sqrt', binary('add', binary('mul', a, a), 0.5)),
        () => select(compare('lt', a, b), unary('cos', a), binary('mul', b, c)),
        () => unary('log1p', binary('mul', a, a)),
        () => unary('atan', binary('add', a, c)),
      ];
      made.push(choices[op]());
    }
    return { name: 'random', args: ['value', 'value', 'value'], outs: made.slice(-2) };
  }

  it('agree with finite differences, first and second order', () => {
    fc.assert(
      fc.property(program, ({ steps, at, seed }) => {
        const fn = build(steps);
        fc.pre(decided(fn, at));
        fc.pre(interpret(fn, at).every((y) => Math.abs(y) < 50));
        const rand = uniform(seed);
        check(fn, at, rand, 1e-6);
        const first = pullback(fn);
        const point = [...at, rand(), rand()];
        fc.pre(interpret(first, point).every((y) => Math.abs(y) < 50));
        check(first, point, rand, 1e-6);
      }),
      { numRuns: 150, seed: 20 },
    );
  });
});

/** Whether every comparison is clear enough that differences do not step over it. */
function decided(fn: ScalarFunction, at: readonly number[]): boolean {
  return topological(fn.outs, operands).every((e) => {
    if (e.op !== 'lt') return true;
    const [d] = interpret({ ...fn, outs: [binary('sub', e.a, e.b)] }, at);
    return Math.abs(d) > 0.1;
  });
}
