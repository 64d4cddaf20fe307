import { setTimeout as sleep } from 'node:timers/promises';
import {
  ArgumentError,
  AutogradError,
  autograd,
  customJvp,
  customVjp,
  grad,
  jvp,
  ones,
  type Tensor,
  tensor,
  vjp,
  vmap,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { agree, batch, programNames, x } from './programs.ts';

/* customVjp and customJvp. */

const plain = (t: Tensor): Tensor => t.sin().mul(t);

describe('rules that give the true derivative agree with the operations', () => {
  const ways: Record<string, (t: Tensor) => Tensor> = {
    'vjp with the argument as residual': customVjp(plain, {
      forward: (t) => [plain(t), t],
      backward: (t, g) => [g.mul(t.cos().mul(t).add(t.sin()))],
    }),
    'vjp with other residuals': customVjp(plain, {
      forward: (t) => {
        const s = t.sin();
        return [s.mul(t), { slope: t.cos().mul(t).add(s), k: 1 }];
      },
      backward: ({ slope, k }, g) => [g.mul(slope).mul(k)],
    }),
    'vjp with the result as residual': customVjp(plain, {
      forward: (t) => {
        const y = plain(t);
        return [y, [y, t] as const];
      },
      backward: ([y, t], g) => [g.mul(t.cos().mul(t).add(y.div(t)))],
    }),
    jvp: customJvp(plain, ([t], [d]) => [plain(t), t.cos().mul(t).add(t.sin()).mul(d)]),
  };
  describe.each(Object.entries(ways))('%s', (_, f) => {
    it.each(programNames)('under: %s', (name) => agree(name, f, plain));
  });
});

describe('rules of another kind are followed everywhere', () => {
  /** Rounds, and lets gradients through. */
  const round = customVjp((t: Tensor) => t.round(), {
    forward: (t) => [t.round(), null],
    backward: (_, g) => [g],
  });
  const through = (f: (t: Tensor) => Tensor): void => {
    const t = x.clone().requiresGrad_();
    f(t).mul(t).sum().backward();
    const expected = x.round().add(x);
    expectClose(t.grad as Tensor, expected);
    expectClose(grad((u: Tensor) => f(u).mul(u).sum())(x), expected);
    expectClose(vmap(grad((u: Tensor) => f(u).mul(u).sum()))(batch), batch.round().add(batch));
    expectClose(grad((u: Tensor) => grad((v: Tensor) => f(v).mul(v).sum())(u).sum())(x), ones([3]).double().mul(2));
    expectClose(jvp(f, [x], [x])[1], x);
    expectClose(jvp((u: Tensor) => vmap(f)(u), [batch], [batch])[1], batch);
  };

  it('customVjp', () => through(round));
  it('customJvp', () =>
    through(
      customJvp(
        (t: Tensor) => t.round(),
        ([t], [d]) => [t.round(), d],
      ),
    ));

  it('clips gradients', () => {
    const clip = customVjp((t: Tensor, _limit: number) => t.mul(1), {
      forward: (t, limit) => [t.mul(1), limit],
      backward: (limit, g) => [g.clamp(-limit, limit), null],
    });
    const t = tensor([1, 2, 3], { requiresGrad: true });
    clip(t, 2)
      .mul(tensor([1, 5, -7]))
      .sum()
      .backward();
    expectValues(t.grad, [3], [1, 2, -2]);
  });
});

describe('arguments and results', () => {
  type Point = { readonly a: Tensor; readonly b: readonly [Tensor, Tensor] };
  const f = (p: Point, k: Tensor): { sum: Tensor; parts: [Tensor, Tensor] } => ({
    sum: p.a.mul(p.b[0]).add(p.b[1]).mul(k),
    parts: [p.a.add(k), p.b[0].argmax()],
  });
  const viaVjp = customVjp(f, {
    forward: (p, k) => [f(p, k), { p, k }],
    backward: ({ p, k }, g) => {
      expect(g.parts[1]).toBeNull();
      const s = g.sum.mul(k);
      return [
        { a: s.mul(p.b[0]).add(g.parts[0]), b: [s.mul(p.a), s] },
        g.sum.mul(p.a.mul(p.b[0]).add(p.b[1])).add(g.parts[0]),
      ];
    },
  });
  const viaJvp = customJvp(f, ([p, k], [d, dk]) => {
    const inner = p.a.mul(p.b[0]).add(p.b[1]);
    const moved = d.a.mul(p.b[0]).add(p.a.mul(d.b[0])).add(d.b[1]);
    return [
      f(p, k),
      { sum: moved.mul(k).add(inner.mul(dk)), parts: [d.a.add(dk), null] as unknown as [Tensor, Tensor] },
    ];
  });
  const v = (...n: number[]): Tensor => tensor(n, { dtype: 'float64' });
  const point = (): Point => ({ a: v(1, 2), b: [v(3, 4), v(5, 6)] });
  const value = (h: typeof f) => (p: Point, k: Tensor) => {
    const y = h(p, k);
    return y.sum.mul(y.parts[0]).sum();
  };

  it.each([
    ['customVjp', viaVjp],
    ['customJvp', viaJvp],
  ])('of %s are trees', (_, h) => {
    const k = v(2);
    const [gp, gk] = grad(value(h), { argnums: [0, 1] })(point(), k);
    const [ep, ek] = grad(value(f), { argnums: [0, 1] })(point(), k);
    expectClose(gp.a, ep.a);
    expectClose(gp.b[0], ep.b[0]);
    expectClose(gp.b[1], ep.b[1]);
    expectClose(gk, ek);
    const t = { a: v(1, -1), b: [v(2, 0), v(0, 3)] as const };
    expectClose(jvp(value(h), [point(), k], [t, v(7)])[1], jvp(value(f), [point(), k], [t, v(7)])[1]);
    const y = h(point(), k);
    expect([y.parts[1].dtype, y.sum.requiresGrad]).toEqual(['int32', false]);
  });

  it('one tensor in two places has two gradients', () => {
    const product = customVjp((a: Tensor, b: Tensor) => a.mul(b), {
      forward: (a, b) => [a.mul(b), { a, b }],
      backward: ({ a, b }, g) => [g.mul(b), g.mul(a).mul(10)],
    });
    expectClose(grad((t: Tensor) => product(t, t).sum())(x), x.mul(11));
  });

  it('a returned argument keeps the rule', () => {
    const same = customVjp((t: Tensor) => t, { forward: (t) => [t, t], backward: (t, g) => [g.mul(t)] });
    const t = x.clone().requiresGrad_();
    const y = same(t);
    expect(y).not.toBe(t);
    y.sum().backward();
    expectClose(t.grad as Tensor, x);
    expectClose(grad((u: Tensor) => same(u).sum())(x), x);
  });

  it('null for an argument, or part of one, is zero', () => {
    const h = customVjp((p: readonly [Tensor, Tensor], q: Tensor) => p[0].add(p[1]).add(q), {
      forward: (p, q) => [p[0].add(p[1]).add(q), null],
      backward: (_, g) => [[g, null], null],
    });
    const [[ga, gb], gq] = grad((p: readonly [Tensor, Tensor], q: Tensor) => h(p, q).sum(), { argnums: [0, 1] })(
      [x, x],
      x,
    );
    expectClose(ga, ones([3]).double());
    expectClose(gb, ga.mul(0));
    expectClose(gq, ga.mul(0));
  });

  it('nondiffArgnums come first to the rules', () => {
    const power = (n: number, t: Tensor, scale: (t: Tensor) => Tensor): Tensor => scale(t.pow(n));
    const double = (t: Tensor): Tensor => t.mul(2);
    const byVjp = customVjp(power, {
      nondiffArgnums: [0, 2],
      forward: (n, t, scale) => [power(n, t, scale), t],
      backward: (n: number, scale: (t: Tensor) => Tensor, t: Tensor, g: Tensor) => [g.mul(scale(t.pow(n - 1)).mul(n))],
    });
    const byJvp = customJvp(
      power,
      (n: number, scale: (t: Tensor) => Tensor, [t]: [Tensor], [d]: [Tensor]) => [
        power(n, t, scale),
        d.mul(scale(t.pow(n - 1)).mul(n)),
      ],
      { nondiffArgnums: [0, 2] },
    );
    for (const h of [byVjp, byJvp]) {
      expectClose(grad((t: Tensor) => h(3, t, double).sum())(x), x.square().mul(6));
      expectClose(jvp((t: Tensor) => h(3, t, double), [x], [x])[1], x.pow(3).mul(6));
    }
  });

  it('without a derivative asked for, f itself is called', () => {
    const calls: string[] = [];
    const h = customVjp(
      (t: Tensor) => {
        calls.push('f');
        return t.mul(1);
      },
      {
        forward: (t) => {
          calls.push('forward');
          return [t.mul(1), null];
        },
        backward: (_, g) => [g],
      },
    );
    h(x);
    vmap(h)(batch);
    expect(calls).toEqual(['f', 'f']);
    vjp(h, x);
    expect(calls).toEqual(['f', 'f', 'forward']);
  });
});

describe('memory', () => {
  const large = (): Tensor => zeros([300_000]);
  it.each([
    [
      'customVjp',
      customVjp((a: Tensor, b: Tensor) => a.exp().mul(b), {
        forward: (a, b) => [a.exp().mul(b), b],
        backward: (b, g) => [g.mul(b), null],
      }),
    ],
    [
      'customJvp',
      customJvp(
        (a: Tensor, b: Tensor) => a.mul(b),
        ([a, b], [t]) => [a.mul(b), t.mul(b)],
      ),
    ],
  ])('a graph of %s keeps what its rule needs, until the pass', async (name, f) => {
    const b = large();
    const [y, refs] = ((): [Tensor, WeakRef<object>[]] => {
      const a = large().requiresGrad_().mul(1);
      const z = f(a, b);
      return [z.sum(), [new WeakRef<object>(z), new WeakRef<object>(a)]];
    })();
    const alive = async (): Promise<boolean[]> => {
      for (let i = 0; i < 20; i++) {
        await sleep(2);
        gc?.();
        await sleep(2);
      }
      return refs.map((r) => r.deref() !== undefined);
    };
    // A rule of forward mode gets all arguments.
    expect(await alive()).toEqual([false, name === 'customJvp']);
    y.backward();
    expect(await alive()).toEqual([false, false]);
    expect(y.requiresGrad).toBe(true);
  });
});

describe('mistakes', () => {
  const failing = (backward: (g: Tensor) => unknown) => {
    const h = customVjp((a: Tensor, b: Tensor) => a.add(b), {
      forward: (a, b) => [a.add(b), null],
      backward: (_: null, g: Tensor) => backward(g) as Tensor[],
    });
    return () => grad((a: Tensor) => h(a, a).sum())(x);
  };

  it('in what backward returns', () => {
    expectError(
      failing((g) => g),
      AutogradError,
      'must return an array of 2 gradients',
    );
    expectError(
      failing((g) => [g]),
      AutogradError,
      'got 1',
    );
    expectError(
      failing((g) => [g, ones([2])]),
      AutogradError,
      'invalid gradient at index 1',
    );
    expectError(
      failing((g) => [g, 3]),
      AutogradError,
      'expected Variable or None (got int)',
    );
    const h = customVjp((a: readonly Tensor[]) => a[0].add(a[1]), {
      forward: (a) => [a[0].add(a[1]), null],
      backward: (_, g) => [[g]],
    });
    expectError(() => grad((a: Tensor) => h([a, a]).sum())(x), AutogradError, 'not the structure of its argument');
  });

  it('in what the other rules return', () => {
    const noPair = customVjp((t: Tensor) => t.mul(1), { forward: (t) => t as never, backward: (_: never, g) => [g] });
    expectError(() => grad((t: Tensor) => noPair(t).sum())(x), AutogradError, 'must return [output, residuals]');
    const wrong = customJvp(
      (t: Tensor) => t.mul(1),
      ([t]) => [t, t.sum()],
    );
    expectError(() => jvp(wrong, [x], [x]), AutogradError, 'shape [3], got []');
    expectError(() => grad((t: Tensor) => wrong(t).sum())(x), AutogradError, 'shape [3], got []');
  });

  it('in the call', () => {
    expectError(() => customVjp(1 as never, {} as never), ArgumentError, 'expected f to be a function, got int');
    expectError(() => customVjp(plain, { forward: plain } as never), ArgumentError, 'expected backward');
    expectError(() => customJvp(plain, null as never), ArgumentError, 'expected rule to be a function, got NoneType');
    expectError(
      () => customVjp(plain, { forward: plain, backward: plain, nondif: [] } as never),
      ArgumentError,
      "unexpected option 'nondif'",
    );
  });

  it('a second derivative of a rule that is made of constants is zero', () => {
    const h = customVjp((t: Tensor) => t.mul(3), { forward: (t) => [t.mul(3), null], backward: (_, g) => [g.mul(3)] });
    const t = x.clone().requiresGrad_();
    const [g] = autograd.grad(h(t).sum(), t, { createGraph: true });
    expect(g.requiresGrad).toBe(false);
  });
});
