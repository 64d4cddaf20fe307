import {
  autograd,
  checkpoint,
  customVjp,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jvp,
  memoryStats,
  noGrad,
  randn,
  stack,
  type Tensor,
  valueAndGrad,
  vjp,
  vmap,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../support/close.ts';
import { f64, spreadTensor } from '../support/numbers.ts';

/*
 * The pass of a transform that stands alone frees what it makes, adds gradients in place and lets go of what was
 * saved, as `backward()` does. Whoever can see any of it must not notice: everything here is compared with a pass
 * that is recorded, which frees nothing.
 */

type Fn = (...xs: Tensor[]) => Tensor;

/** Gradients by a pass that becomes part of a graph. */
function kept(f: Fn, ...xs: readonly Tensor[]): Tensor[] {
  const leaves = xs.map((x) => x.detach().clone().requiresGrad_());
  return autograd.grad(f(...leaves), leaves, { createGraph: true }).map((g) => g.detach());
}

function expectAll(actual: readonly Tensor[], expected: readonly Tensor[]): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, t] of actual.entries()) expectClose(t, expected[i], { what: `gradient ${i}` });
}

/** Gradients arrive at x from six sides: sums in place, parts of one cotangent, products and slices added to what is there. */
const W = spreadTensor([6, 6], -1, 1, 5);
const many: Fn = (x, y) => {
  const h = x.matmul(W).add(y).tanh();
  const z = h.matmul(W).mul(x).add(x.matmul(h.mT)).add(x.select(0, 1));
  const [a, b] = z.split(3);
  return a
    .mul(b)
    .sum()
    .add(x.narrow(0, 1, 3).exp().sum())
    .add(x.sum(0).square().sum())
    .add(y.mul(h).softmax(1).select(1, 2).sum());
};
const X = spreadTensor([6, 6], -1, 1, 1);
const Y = spreadTensor([6, 6], -1, 1, 2);
const both = grad(many, { argnums: [0, 1] });

describe('gradients', () => {
  it('are those of a pass that frees nothing', () => {
    expectAll(both(X, Y), kept(many, X, Y));
    const [value, gs] = valueAndGrad(many, { argnums: [0, 1] })(X, Y);
    expectClose(value, many(X, Y));
    expectAll(gs, kept(many, X, Y));
  });

  it('of arguments that go through unchanged, or twice, are not in each other’s way', () => {
    const [gx, gy] = grad((x: Tensor, y: Tensor) => x.add(y).sum(), { argnums: [0, 1] })(X, Y);
    const more = grad((x: Tensor) => x.mul(2).sum())(X);
    expectClose(gx, X.mul(0).add(1));
    expectClose(gy, gx);
    expectClose(more, gx.mul(2));
    expect(grad((s: Tensor) => s)(f64([3], [])).item()).toBe(1);
    const [, pull] = vjp((x: Tensor) => [x, x.mul(Y), x], X);
    expectClose(pull([Y, X, Y])[0], Y.mul(2).add(X.mul(Y)));
  });

  it('leave the cotangents that were given as they are', () => {
    const c = spreadTensor([6, 6], -1, 1, 8);
    const before = c.clone();
    const [, pull] = vjp((x: Tensor) => [x.mul(2), x.tanh(), x], X);
    const first = pull([c, c, c])[0];
    expectClose(c, before);
    expectClose(pull([c, c, c])[0], first);
  });

  it('can be pulled back any number of times, also after one that threw', () => {
    let armed = false;
    const [, pull] = vjp(
      (x: Tensor, y: Tensor) => {
        const h = x.mul(y).tanh();
        h.registerHook(() => {
          if (armed) throw new RangeError('in the middle');
        });
        return h.matmul(W).mul(x).exp();
      },
      X,
      Y,
    );
    const first = pull(Y);
    armed = true;
    expect(() => pull(Y)).toThrow(RangeError);
    armed = false;
    expectAll(pull(Y), first);
    expectAll(
      pull(Y.mul(2)),
      first.map((g) => g.mul(2)),
    );
    expectAll(both(X, Y), kept(many, X, Y));
  });
});

describe('what leaves the function', () => {
  it('as its auxiliary result, is whole', () => {
    const f = (x: Tensor): [Tensor, { h: Tensor; view: Tensor; e: Tensor }] => {
      const h = x.mul(x).tanh();
      const e = h.matmul(W).exp();
      return [e.sum().add(h.sum()), { h, view: h.narrow(1, 1, 2), e }];
    };
    const [g, { h, view, e }] = grad(f, { hasAux: true })(X);
    expectClose(h, X.mul(X).tanh());
    expectClose(view, h.narrow(1, 1, 2));
    expectClose(e, h.matmul(W).exp());
    expectAll(
      [g],
      kept((x) => f(x)[0], X),
    );
    // And an ordinary tensor.
    const leaf = h.clone().requiresGrad_();
    leaf.mul(e).sum().backward();
    expectClose(leaf.grad as Tensor, e);
  });

  it('by a closure cannot be used, by no way', () => {
    const smuggled: Tensor[] = [];
    grad((x: Tensor) => {
      const h = x.mul(x);
      smuggled.push(x, h, h.exp());
      return smuggled[2].sum();
    })(X);
    for (const t of smuggled) expect(() => t.add(1)).toThrow(/after the transform had returned/);
    expect(() => autograd.grad(smuggled[2], smuggled[0], { gradOutputs: X })).toThrow(/second time/);
  });

  it('through hooks is theirs', () => {
    const seen: Tensor[] = [];
    const retained: Tensor[] = [];
    const g = grad((x: Tensor) => {
      const h = x.mul(x).add(x.exp());
      h.registerHook((t) => {
        seen.push(t);
      });
      h.retainGrad();
      retained.push(h);
      return h.tanh().add(h.square()).sum();
    })(X);
    const h = X.mul(X).add(X.exp());
    const expected = h.tanh().square().neg().add(1).add(h.mul(2));
    randn([64, 64]).matmul(randn([64, 64]));
    expectClose(seen[0], expected);
    expectClose(retained[0].grad as Tensor, expected);
    expectClose(g, expected.mul(X.mul(2).add(X.exp())));
  });

  it('through a function of the user’s own is his', () => {
    const seen: Tensor[] = [];
    class Cube extends autograd.Function {
      static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.pow(3);
      }
      static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
        const [x] = ctx.savedTensors as [Tensor];
        const out = g.mul(x.square()).mul(3);
        seen.push(g, x, out);
        return out;
      }
    }
    const f: Fn = (x) => Cube.apply(x.mul(x)).tanh().sum();
    const g = grad(f)(X);
    const x2 = X.mul(X);
    const c = x2.pow(3).tanh().square().neg().add(1);
    expectClose(seen[0], c);
    expectClose(seen[1], x2);
    expectClose(seen[2], c.mul(x2.square()).mul(3));
    expectAll([g], kept(f, X));
  });
});

describe('a tape below', () => {
  const w = (): Tensor => spreadTensor([6, 6], -1, 1, 9).requiresGrad_();
  const second = (
    f: (x: Tensor, w: Tensor) => Tensor,
    transform: (h: (x: Tensor) => Tensor) => (x: Tensor) => Tensor,
  ) => {
    const [p, q] = [w(), w()];
    const g = transform((x) => f(x, p))(X);
    const leaf = X.clone().requiresGrad_();
    const [k] = autograd.grad(f(leaf, q), leaf, { createGraph: true });
    expectClose(g.detach(), k.detach());
    expectAll(autograd.grad(g.mul(Y).exp().sum(), p), autograd.grad(k.mul(Y).exp().sum(), q));
  };
  // What comes last is the first to be passed, so that products with w find something to be added to.
  const captured = (x: Tensor, p: Tensor): Tensor => {
    const h = x.mul(p).sum().add(x.matmul(p).tanh().matmul(p).mul(x).sum()).add(x.select(0, 1).mul(p).sum());
    return h.add(x.mul(2).exp().sum());
  };

  it('records what is captured', () => second(captured, (f) => grad(f)));

  it('records it also if it was off when the function ran', () => {
    // What was computed then is a constant; what was saved as it is is not.
    const direct = (x: Tensor, p: Tensor): Tensor =>
      x.mul(2).exp().sum().add(x.matmul(p).sum()).add(x.select(0, 1).mul(p).sum()).add(x.exp().mul(p).sum());
    second(direct, (f) => (x) => {
      const [, pull] = noGrad(() => vjp(f, x));
      return pull(f64([1], []))[0];
    });
  });

  it('records what only a rule brings in, in the middle of the pass', () => {
    const scaled = (p: Tensor) =>
      customVjp((x: Tensor) => x.mul(1), { forward: (x) => [x.mul(1), null], backward: (_, g) => [g.mul(p)] });
    second(
      (x, p) => scaled(p)(x.mul(x).exp()).tanh().matmul(W).sum().add(x.sum()),
      (f) => grad(f),
    );
    second(
      (x, p) => scaled(p)(x.mul(x).exp()).matmul(W).exp().sum().add(x.exp().mul(x).sum()),
      (f) => grad(f),
    );
  });

  it('records what a hook brings in', () => {
    second(
      (x, p) => {
        const h = x.mul(x);
        h.registerHook((g) => g.mul(p));
        return h.exp().matmul(W).sum().add(x.exp().sum());
      },
      (f) => grad(f),
    );
  });

  it('records cotangents', () => {
    const c = w();
    const [, pull] = vjp((x: Tensor) => x.mul(x).exp().add(x), X);
    const [g] = pull(c);
    const slope = X.mul(2).mul(X.mul(X).exp()).add(1);
    expectAll(autograd.grad(g.square().sum(), c), [slope.square().mul(c.detach()).mul(2)]);
  });

  it('sees nothing under noGrad, whatever requires gradients', () => {
    const p = w();
    const g = noGrad(() => grad((x: Tensor) => captured(x, p))(X));
    expect(g.requiresGrad).toBe(false);
    expectAll(
      [g],
      kept((x) => captured(x, p.detach()), X),
    );
    const x = X.clone().requiresGrad_();
    expectAll(autograd.grad(grad(many)(x, Y).square().sum(), x), [
      grad((t: Tensor) => grad(many)(t, Y).square().sum())(X),
    ]);
  });
});

describe('transforms around and inside', () => {
  const inner: Fn = (x, y) => x.mul(y).tanh().matmul(W).mul(x).exp().sum();
  const slope = grad(inner);
  const outer: Fn = (x, y) => slope(x, y).mul(x).tanh().sum().add(slope(y, x).square().sum());
  const reference = (x: Tensor, y: Tensor): Tensor => {
    const leaves = [x, y].map((t) => (t.requiresGrad ? t : t.detach().clone().requiresGrad_()));
    const at = (a: Tensor, b: Tensor): Tensor => autograd.grad(inner(a, b), a, { createGraph: true })[0];
    return at(leaves[0], leaves[1]).mul(leaves[0]).tanh().sum().add(at(leaves[1], leaves[0]).square().sum());
  };

  it('see derivatives of derivatives', () => {
    expectAll(grad(outer, { argnums: [0, 1] })(X, Y), kept(reference, X, Y));
    const [, tangent] = jvp((x: Tensor) => outer(x, Y), [X], [Y]);
    expectClose(tangent, kept(reference, X, Y)[0].mul(Y).sum());
  });

  it('see gradients of a batch of gradients', () => {
    const rows = (x: Tensor): Tensor => vmap(grad((r: Tensor) => r.mul(r).tanh().matmul(W).exp().sum()))(x);
    const g = grad((x: Tensor) => rows(x).mul(Y).square().sum())(X);
    const by = (x: Tensor): Tensor =>
      autograd.grad(x.mul(x).tanh().matmul(W).exp().sum(), x, { createGraph: true })[0].mul(Y).square().sum();
    expectAll([g], kept(by, X));
    expectAll(
      [vmap((x: Tensor) => grad((r: Tensor) => r.exp().mul(r).sum())(x))(X)],
      kept((x) => x.exp().mul(x).sum(), X),
    );
  });

  it('see a pullback from outside', () => {
    const [, pull] = vjp((x: Tensor) => x.mul(x).tanh().mul(x), X);
    const one = pull(Y)[0];
    const g = grad((c: Tensor) => pull(c)[0].mul(Y).sum())(X);
    expectClose(g, one);
    const rows = vmap((c: Tensor) => pull(c.unsqueeze(0).expand([6, 6]).mul(1))[0])(Y);
    expectClose(rows.select(0, 2), pull(Y.select(0, 2).expand([6, 6]).clone())[0]);
    expectClose(pull(Y)[0], one);
    expectClose(jacrev((c: Tensor) => pull(c)[0].sum())(Y), pull(X.mul(0).add(1))[0]);
  });

  it('run inside hooks of one another', () => {
    const found: Tensor[] = [];
    const g = grad((x: Tensor) => {
      const h = x.mul(x).exp();
      h.registerHook((t) => {
        found.push(grad((u: Tensor) => u.square().mul(t).sum())(t));
      });
      return h.tanh().sum().add(x.exp().sum());
    })(X);
    expectAll(
      [g],
      kept((x) => x.mul(x).exp().tanh().sum().add(x.exp().sum()), X),
    );
    const t = X.mul(X).exp().tanh().square().neg().add(1);
    expectClose(found[0], t.square().mul(2));
  });
});

describe('a batch around', () => {
  const Z = spreadTensor([4, 6, 6], -1, 1, 3);
  const V = spreadTensor([4, 6, 6], -1, 1, 4);
  const loop = (f: Fn, ...xs: readonly Tensor[]): Tensor[] => {
    const rows = Array.from({ length: 4 }, (_, i) => kept(f, ...xs.map((x) => (x === W ? x : x.select(0, i)))));
    return xs.map((_, k) => stack(rows.map((r) => r[k])));
  };

  it('of gradients, of some arguments for all examples', () => {
    expectAll(vmap(both)(Z, V), loop(many, Z, V));
    const f: Fn = (x, w) => many(x.matmul(w), w).add(x.select(0, 1).matmul(w).sum()).add(w.exp().sum());
    const g = vmap(grad(f, { argnums: [0, 1] }), { inDims: [0, null] });
    expectAll(g(Z, W), loop(f, Z, W));
    expectAll(vmap(grad(f, { argnums: [0, 1] }), { inDims: [0, null], chunkSize: 3 })(Z, W), loop(f, Z, W));
    const [values, gs] = vmap(valueAndGrad(many, { argnums: [0, 1] }))(Z, V);
    expectAll(gs, loop(many, Z, V));
    expectClose(values.select(0, 2), many(Z.select(0, 2), V.select(0, 2)));
  });

  it('in a batch', () => {
    const z = stack([Z, V, Z.mul(V)]);
    const g = vmap(vmap(grad(many), { inDims: [0, null] }))(z, z.select(1, 1));
    for (let i = 0; i < 3; i++)
      for (let j = 0; j < 4; j++)
        expectAll(
          [g.select(0, i).select(0, j)],
          [kept(many, z.select(0, i).select(0, j), z.select(0, i).select(0, 1))[0]],
        );
  });

  it('of cotangents, also of examples', () => {
    const rows: Fn = (x, y) => x.matmul(W).add(y).tanh().mul(x).sum(0).add(x.select(0, 1)).add(x.square().sum(1));
    const expected = (x: Tensor, y: Tensor): Tensor =>
      stack(Array.from({ length: 6 }, (_, i) => kept((a, b) => rows(a, b).select(0, i), x, y)[0]));
    expectClose(jacrev(rows)(X, Y), expected(X, Y));
    expectClose(jacrev(rows, { chunkSize: 4 })(X, Y), expected(X, Y));
    const each = vmap(jacrev(rows))(Z, V);
    for (let i = 0; i < 4; i++) expectClose(each.select(0, i), expected(Z.select(0, i), V.select(0, i)));
    const twice = vmap(jacrev(jacrev((x: Tensor) => many(x, Y))))(Z);
    const hessians = vmap(hessian((x: Tensor) => many(x, Y)))(Z);
    const slopes = jacfwd(grad((x: Tensor) => many(x, Y)))(Z.select(0, 3));
    expectClose(twice, hessians);
    expectClose(hessians.select(0, 3), slopes);
  });

  it('leaves cotangents and arguments as they are', () => {
    const [z, v] = [Z.clone(), V.clone()];
    const [, pull] = vjp((x: Tensor) => [x.mul(2), x, x.add(1)], X);
    const pulled = vmap((c: Tensor) => pull([c, c, c])[0])(v);
    expectClose(pulled, V.mul(4));
    expectClose(vmap((c: Tensor) => grad((x: Tensor) => x.add(c).sum())(c))(z), Z.mul(0).add(1));
    expectAll([z, v], [Z, V]);
  });

  it('with hooks, retained gradients and functions of the user’s own', () => {
    const seen: Tensor[] = [];
    const f =
      (change: boolean): Fn =>
      (x) => {
        const h = x.mul(x).add(x.exp());
        h.registerHook((t) => {
          if (change) t.mul_(2);
          seen.push(t.mul(1));
        });
        h.retainGrad();
        return h.tanh().add(h.square()).matmul(W).add(h).sum();
      };
    const out = vmap((x: Tensor) => {
      const g = grad(f(false))(x);
      randn([64, 64]).matmul(randn([64, 64]));
      return [g, seen.pop() as Tensor];
    })(Z);
    const slope: Fn = (h) => h.tanh().add(h.square()).matmul(W).add(h).sum();
    const [atH] = loop(slope, Z.mul(Z).add(Z.exp()));
    expectClose(out[1], atH);
    expectClose(out[0], atH.mul(Z.mul(2).add(Z.exp())));
    expectClose(vmap(grad(f(true)))(Z), out[0].mul(2));

    class Cube extends autograd.Function {
      static generateVmapRule = true;
      static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
        ctx.saveForBackward(x);
        return x.pow(3);
      }
      static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
        const [x] = ctx.savedTensors as [Tensor];
        return g.mul_(2).mul(x.square()).mul(1.5);
      }
    }
    const cubed: Fn = (x) => Cube.apply(x.mul(x)).tanh().add(x.exp()).sum();
    const plain: Fn = (x) => x.mul(x).pow(3).tanh().add(x.exp()).sum();
    expectClose(vmap(grad(cubed))(Z), loop(plain, Z)[0]);
  });

  it('of gradients whose function reads what a tape below records', () => {
    const [p, q] = [W.clone().requiresGrad_(), W.clone().requiresGrad_()];
    const f =
      (w: Tensor): Fn =>
      (x) =>
        x.mul(2).exp().sum().add(x.matmul(w).sum()).add(x.select(0, 1).mul(w).sum()).add(x.exp().mul(w).sum());
    const all = vmap(grad(f(p)))(Z);
    const leaf = Z.clone().requiresGrad_();
    const [one] = autograd.grad(stack(Array.from({ length: 4 }, (_, i) => f(q)(leaf.select(0, i)))).sum(), leaf, {
      createGraph: true,
    });
    expectClose(all.detach(), one.detach());
    expectAll(autograd.grad(all.mul(V).exp().sum(), p), autograd.grad(one.mul(V).exp().sum(), q));
    const z = Z.clone().requiresGrad_();
    expectAll(autograd.grad(vmap(grad(many))(z, V).square().sum(), z), [
      grad((t: Tensor) => vmap(grad(many))(t, V).square().sum())(Z),
    ]);
    const c = V.clone().requiresGrad_();
    const [, pull] = vjp((x: Tensor) => x.mul(x).exp().add(x), X);
    const slope = X.mul(2).mul(X.mul(X).exp()).add(1);
    expectAll(
      autograd.grad(
        vmap((t: Tensor) => pull(t)[0])(c)
          .square()
          .sum(),
        c,
      ),
      [slope.square().mul(V).mul(2)],
    );
  });
});

describe('with all that looks at a pass', () => {
  it('checkpoints, hooks of saved tensors, and anomaly mode find what they need', () => {
    const f: Fn = (x, y) => checkpoint((a: Tensor, b: Tensor) => many(a.mul(b), b).add(many(b, a)), x, y).exp();
    const small = [X.mul(0.1), Y.mul(0.1)] as const;
    expectAll(grad(f, { argnums: [0, 1] })(...small), kept(f, ...small));
    const unpacked: Tensor[] = [];
    const hooked = autograd.graph.savedTensorsHooks(
      (t) => t.clone(),
      (t) => {
        unpacked.push(t);
        return t;
      },
      () => both(X, Y),
    );
    expectAll(hooked, kept(many, X, Y));
    for (const t of unpacked) expect(Number.isFinite(t.sum().item())).toBe(true);
    expectAll(
      autograd.graph.saveOnCpu(() => both(X, Y)),
      hooked,
    );
    expectAll(
      autograd.detectAnomaly(() => both(X, Y)),
      hooked,
    );
  });

  it('changes in place of views', () => {
    const f: Fn = (x, y) => {
      const h = x.mul(y);
      const v = h.narrow(0, 1, 3);
      v.mul_(y.narrow(0, 2, 3));
      h.select(1, 2).exp_();
      return h.mul(x).sum().add(v.square().sum());
    };
    expectAll(grad(f, { argnums: [0, 1] })(X, Y), kept(f, X, Y));
  });
});

describe('memory', () => {
  it('is used as by a pass of backward()', () => {
    const x: Tensor = randn([2 ** 18]);
    const f = (t: Tensor): Tensor => {
      let h = t;
      for (let i = 0; i < 8; i++) h = h.sin().mul(t);
      return h.sum();
    };
    const used = (step: () => unknown): readonly number[] => {
      for (let i = 0; i < 5; i++) step();
      const before = memoryStats();
      step();
      const after = memoryStats();
      return [after.forgotten - before.forgotten, after.remakes - before.remakes, after.evictions - before.evictions];
    };
    const leaf = x.clone().requiresGrad_();
    const plain = used(() => f(leaf).backward());
    const g = grad(f);
    for (const [i, n] of used(() => g(x)).entries()) expect(n).toBeLessThanOrEqual(plain[i]);
  });
});
