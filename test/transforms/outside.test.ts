import {
  AutogradError,
  autograd,
  cat,
  emptyLike,
  fullLike,
  grad,
  hessian,
  jacrev,
  jvp,
  NotImplementedError,
  noGrad,
  onesLike,
  ShapeError,
  slice,
  stack,
  type Tensor,
  tensor,
  valueAndGrad,
  vjp,
  vmap,
  zerosLike,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64, spreadTensor } from '../support/numbers.ts';

/*
 * Transforms in the middle of an ordinary graph: tensors that require grad go in by closure or as
 * arguments, and backward goes on through what comes out.
 */

const x = f64([1, 2, 3], [3]);
const leaf = (values: readonly number[]): Tensor => f64(values, [values.length]).requiresGrad_();

describe('a tracked tensor in the closure', () => {
  it('of grad', () => {
    const w = leaf([2, 3, 4]);
    const g = grad((t: Tensor) => w.mul(t.square()).sum())(x);
    expect(g.requiresGrad).toBe(true);
    expectValues(g.detach(), [3], [4, 12, 24]);
    g.sum().backward();
    expectValues(w.grad, [3], [2, 4, 6]);
  });

  it('of vjp, also through the cotangent', () => {
    const w = leaf([2, 3, 4]);
    const c = leaf([1, -1, 1]);
    const [y, pull] = vjp((t: Tensor) => w.mul(t).sin(), x);
    const [g] = pull(c);
    y.add(g).sum().backward();
    const cos = w.detach().mul(x).cos();
    const sin = w.detach().mul(x).sin();
    expectClose(c.grad as Tensor, w.detach().mul(cos));
    const dw = x.mul(cos).add(c.detach().mul(cos.sub(w.detach().mul(x).mul(sin))));
    expectClose(w.grad as Tensor, dw);
  });

  it('of jvp, in the value and in the tangent', () => {
    const w = leaf([2, 3, 4]);
    const [y, t] = jvp((a: Tensor) => w.mul(a.square()), [x], [f64([1, 1, 1], [3])]);
    y.sum().backward();
    expectValues(w.grad, [3], [1, 4, 9]);
    t.sum().backward();
    expectValues(w.grad, [3], [3, 8, 15]);
  });

  it('of vmap', () => {
    const w = leaf([2, 3, 4]);
    const X = spreadTensor([5, 3], -1, 1);
    const y = vmap((row: Tensor) => row.mul(w).sum().square())(X);
    y.sum().backward();
    const expected = leaf([2, 3, 4]);
    X.matmul(expected).square().sum().backward();
    expectClose(w.grad as Tensor, expected.grad as Tensor);
  });

  it('of per-example gradients', () => {
    const w = leaf([2, 3, 4]);
    const X = spreadTensor([5, 3], -1, 1);
    const perExample = vmap((row: Tensor) => grad((t: Tensor) => t.mul(w).sum().square())(row))(X);
    // 2 (X w) wᵀ, whose sum has gradient 2 Xᵀ1 (1·w) + 2 (1·X w) 1
    expectClose(perExample.detach(), X.matmul(w.detach()).mul(2).unsqueeze(1).mul(w.detach()));
    perExample.sum().backward();
    const wd = w.detach();
    expectClose(w.grad as Tensor, X.sum(0).mul(wd.sum()).add(X.matmul(wd).sum()).mul(2));
  });

  it('of hessian and jacobian', () => {
    const w = leaf([2, 3, 4]);
    hessian((t: Tensor) => w.mul(t.pow(3)).sum())(x)
      .sum()
      .backward();
    expectValues(w.grad, [3], [6, 12, 18]);
    w.grad = null;
    jacrev((t: Tensor) => w.mul(t.square()))(x)
      .sum()
      .backward();
    expectValues(w.grad, [3], [2, 4, 6]);
  });
});

describe('a tracked tensor as argument', () => {
  it('gets no gradient from the transform itself, and one from backward through its result', () => {
    const w = leaf([1, 2, 3]);
    const g = grad((t: Tensor) => t.pow(3).sum())(w);
    expect(w.grad).toBeNull();
    g.sum().backward();
    expectValues(w.grad, [3], [6, 12, 18]);
  });

  it('of vmap, jvp and valueAndGrad', () => {
    const w = leaf([1, 2, 3]);
    vmap((e: Tensor) => e.square())(w)
      .sum()
      .backward();
    expectValues(w.grad, [3], [2, 4, 6]);
    const v = leaf([1, 1, 1]);
    w.grad = null;
    jvp((t: Tensor) => t.pow(3), [w], [v])[1]
      .sum()
      .backward();
    expectValues(w.grad, [3], [6, 12, 18]);
    expectValues(v.grad, [3], [3, 12, 27]);
    w.grad = null;
    const [value, g] = valueAndGrad((t: Tensor) => t.square().sum())(w);
    value.add(g.sum()).backward();
    expectValues(w.grad, [3], [4, 6, 8]);
  });

  it('is no part of a graph when recording is off', () => {
    const w = leaf([1, 2, 3]);
    const g = noGrad(() => grad((t: Tensor) => w.mul(t.pow(3)).sum())(w));
    expect(g.requiresGrad).toBe(false);
    expectValues(g, [3], [3, 24, 81]);
  });
});

describe('the imperative interface inside a transform', () => {
  it('autograd.grad differentiates by the argument of the transform', () => {
    const f = (t: Tensor): Tensor => {
      const [g] = autograd.grad(t.pow(3).sum(), t, { createGraph: true });
      return g.sum();
    };
    expectValues(grad(f)(x), [3], [6, 12, 18]);
  });

  it('autograd.grad by a tensor from outside', () => {
    const w = leaf([2, 3, 4]);
    const f = (t: Tensor): Tensor => {
      const [g] = autograd.grad(w.square().sum(), w);
      return t.mul(g).sum();
    };
    expectValues(grad(f)(x), [3], [4, 6, 8]);
    expectValues(vmap(f)(x.unsqueeze(0)), [1], [4 + 12 + 24]);
  });

  it('backward into a tensor from outside, of something that does not depend on the argument', () => {
    const w = leaf([2, 3, 4]);
    grad((t: Tensor) => {
      w.square().sum().backward();
      return t.sum();
    })(x);
    expectValues(w.grad, [3], [4, 6, 8]);
  });
});

describe('in place inside a transform', () => {
  const f = (t: Tensor): Tensor => {
    const y = t.mul(2);
    y.mul_(t);
    y.add_(t);
    return y.sum();
  };

  it('is differentiated like its functional form', () => {
    expectValues(grad(f)(x), [3], [5, 9, 13]);
    expectValues(jvp(f, [x], [f64([1, 0, 0], [3])])[1], [], [5]);
    expectValues(grad((t: Tensor) => grad(f)(t).sum())(x), [3], [4, 4, 4]);
  });

  it('changes the tensor that the function sees', () => {
    let seen = '';
    grad((t: Tensor) => {
      const y = t.mul(1);
      const same = y.mul_(10);
      expect(same).toBe(y);
      seen = y.toArray()?.toString();
      return y.sum();
    })(x);
    expect(seen).toBe('10,20,30');
  });

  it('does not change the caller’s argument', () => {
    const w = x.clone();
    const g = grad((t: Tensor) => {
      const y = t.clone();
      y.mul_(t);
      return y.sum();
    })(w);
    expectValues(g, [3], [2, 4, 6]);
    expectValues(w, [3], [1, 2, 3]);
  });

  it('refuses to write into the argument itself, a leaf of the transform', () => {
    expectError(() => grad((t: Tensor) => t.mul_(2).sum())(x), AutogradError, 'a leaf Variable that requires grad');
    expectValues(x, [3], [1, 2, 3]);
  });

  it('refuses to hide values of the transform in a tensor from outside', () => {
    const out = f64([0, 0, 0], [3]);
    expectError(
      () =>
        grad((t: Tensor) => {
          out.copy_(t);
          return t.sum();
        })(x),
      AutogradError,
      'would mutate a captured Tensor',
    );
    expectError(() => jvp((t: Tensor) => out.add_(t), [x], [x]), AutogradError, 'would mutate a captured Tensor');
    expectValues(out, [3], [0, 0, 0]);
  });

  it('may write plain values into a tensor from outside', () => {
    const count = tensor([0]);
    grad((t: Tensor) => {
      count.add_(1);
      return t.sum();
    })(x);
    expect(count.toArray()).toEqual([1]);
  });

  it('writes what is inside into what was made inside like it', () => {
    const filled = (out: Tensor, t: Tensor): Tensor => {
      out.setAt_([slice(1)], t.square());
      out.at(0).add_(t.sum());
      return out.mul_(t.at(0));
    };
    const whole = (t: Tensor): Tensor => cat([t.sum().reshape([1]), t.square()]).mul(t.at(0));
    const makers: ((t: Tensor) => Tensor)[] = [
      (t) => t.newZeros([4]),
      (t) => t.newOnes([4]).mul(0),
      (t) => t.newFull([4], 0),
      (t) => zerosLike(cat([t, t.narrow(0, 0, 1)])),
      (t) => fullLike(t, 0).repeat([2]).narrow(0, 0, 4),
      (t) => onesLike(t).newEmpty([4]).fill_(0),
      (t) => emptyLike(whole(t)).zero_(),
    ];
    const batch = spreadTensor([2, 3], -1, 1, 1);
    const total = (f: (t: Tensor) => Tensor) => (t: Tensor) => f(t).sin().sum();
    for (const make of makers) {
      const f = (t: Tensor): Tensor => filled(make(t), t);
      expectClose(grad(total(f))(x), grad(total(whole))(x));
      expectClose(hessian(total(f))(x), hessian(total(whole))(x));
      expectClose(jacrev(f)(x), jacrev(whole)(x));
      expectClose(jvp(f, [x], [x])[1], jvp(whole, [x], [x])[1]);
      expectClose(vmap(f)(batch), vmap(whole)(batch));
      expectClose(vmap(grad(total(f)))(batch), vmap(grad(total(whole)))(batch));
      expectClose(grad((b: Tensor) => vmap(total(f))(b).sum())(batch), vmap(grad(total(whole)))(batch));
    }
    expect(grad((t: Tensor) => total((u) => zerosLike(u))(t))(x).toArray()).toEqual([0, 0, 0]);
  });

  it('while nothing is recorded leaves a tensor at its place in the graph, as outside', () => {
    const programs: ((t: Tensor) => Tensor)[] = [
      (t) => {
        const y = t.sin();
        noGrad(() => y.add_(1).mul_(t).clamp_(0.5, 2));
        return y.mul(t);
      },
      (t) => {
        const y = t.sin();
        const view = y.narrow(0, 0, 2);
        noGrad(() => view.mul_(3));
        return y.mul(view.sum());
      },
      (t) => {
        const y = t.sin();
        const view = y.narrow(0, 0, 2);
        noGrad(() => y.setAt_([0], 3).copy_(t));
        return view.mul(y.sum());
      },
      (t) => {
        const y = t.mul(2).add_(1);
        noGrad(() => y.zero_());
        return y.mul_(t).sum();
      },
      // The argument itself.
      (t) => {
        const y = t.mul(2);
        noGrad(() => t.add_(1));
        return y.mul(t);
      },
    ];
    const batch = spreadTensor([2, 3], -1, 1, 1);
    programs.forEach((f) => {
      const outside = (v: Tensor): Tensor => {
        const t = v.clone().requiresGrad_();
        return autograd.grad(f(t).sum(), t)[0] as Tensor;
      };
      const g = grad((t: Tensor) => f(t).sum());
      expectClose(g(x), outside(x));
      expectClose(vmap(g)(batch), stack([outside(batch.at(0)), outside(batch.at(1))]));
    });
    expectValues(x, [3], [1, 2, 3]);
  });

  it('of an argument while nothing is recorded is noticed where the argument was saved', () => {
    for (const change of [(t: Tensor) => t.add_(1), (t: Tensor) => t.at(0).mul_(2)]) {
      const f = (t: Tensor): Tensor => {
        const y = t.square();
        noGrad(() => change(t));
        return y.add(t).sum();
      };
      expectError(() => grad(f)(x), AutogradError, 'has been modified by an inplace operation');
      expectError(() => grad((t: Tensor) => grad(f)(t).sum())(x), AutogradError, 'modified by an inplace operation');
    }
    const linear = (t: Tensor): Tensor => {
      const y = t.mul(2);
      noGrad(() => t.exp_());
      return y.sum();
    };
    expectValues(grad(linear)(x), [3], [2, 2, 2]);
    expectValues(grad((t: Tensor) => grad(linear)(t).mul(t).sum())(x), [3], [2, 2, 2]);
  });

  it('keeps what was saved before the change', () => {
    const g = (t: Tensor): Tensor => {
      const y = t.exp();
      const z = y.mul(t);
      y.add_(1);
      return z.add(y).sum();
    };
    const e = x.exp();
    expectClose(grad(g)(x), e.mul(x).add(e.mul(2)));
    expectClose(jvp(g, [x], [x])[1], e.mul(x).add(e.mul(2)).mul(x).sum());
    expectClose(grad((t: Tensor) => grad(g)(t).sum())(x), e.mul(x).add(e.mul(3)));
  });

  it('of the memory of an argument, from outside the transform, is noticed', () => {
    const w = x.clone();
    const g = (t: Tensor): Tensor => {
      const y = t.square();
      w.mul_(2);
      return y.sum();
    };
    const changed = 'has been modified by an inplace operation';
    expectError(() => grad(g)(w), AutogradError, changed);
    const v = x.clone();
    const [, pull] = vjp((t: Tensor) => t.square(), v);
    v.add_(1);
    expectError(() => pull(x), AutogradError, changed);
  });

  it('works across dtypes as it does outside', () => {
    const y = tensor([1, 2, 3]);
    const g = grad((t: Tensor) => {
      const z = t.mul(1);
      z.mul_(x);
      return z.sum();
    })(y);
    expect(g.dtype).toBe('float32');
    expectValues(g, [3], [1, 2, 3]);
  });

  it('keeps the shape', () => {
    const wider = (t: Tensor): Tensor =>
      t
        .mul(1)
        .add_(f64([1, 2, 3], [1, 3]))
        .sum();
    expectError(() => grad(wider)(x), ShapeError, "output with shape [3] doesn't match the broadcast shape [1, 3]");
  });

  it('of a detached tensor is refused: what it was detached from would have to change and keep its gradient', () => {
    const detached = (t: Tensor): Tensor => {
      const y = t.mul(1);
      y.detach().mul_(10);
      return y.sum();
    };
    expectError(() => grad(detached)(x), NotImplementedError, 'a detached tensor inside a transformed function');
  });

  it('is fine when views were used before it, or are taken after it', () => {
    const g = (t: Tensor): Tensor => {
      const y = t.mul(1);
      const before = y.slice(0, 0, 2).sum();
      y.mul_(10);
      return before.add(y.slice(0, 1).sum()).add(y.unsqueeze(0).matmul(y));
    };
    // 1 on the first two, 10 on the last two, 200 x.
    expectValues(grad((t: Tensor) => g(t).sum())(x), [3], [201, 411, 610]);
  });
});
