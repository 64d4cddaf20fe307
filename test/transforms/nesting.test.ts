import { grad, hessian, hvp, jacfwd, jacobian, jacrev, jvp, type Tensor, vjp, vmap } from 'nabla';
import { describe, it } from 'vitest';
import { stacked } from '../support/batches.ts';
import { expectClose } from '../support/close.ts';
import { f64, spreadTensor, valuesOf } from '../support/numbers.ts';

/*
 * Every transform inside every other, on f(x) = Σ x³ + (Σ sin x)², whose derivatives in closed form are
 *   ∇f = 3x² + 2 s cos x,   s = Σ sin x
 *   H  = diag(6x − 2 s sin x) + 2 cos x cos xᵀ
 */

const f = (x: Tensor): Tensor => x.pow(3).sum().add(x.sin().sum().square());
const gradF = (x: Tensor): Tensor =>
  x
    .square()
    .mul(3)
    .add(x.cos().mul(x.sin().sum().mul(2)));
const diag = (d: Tensor): Tensor => d.unsqueeze(1).mul(f64([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]));
const hessF = (x: Tensor): Tensor =>
  diag(x.mul(6).sub(x.sin().mul(x.sin().sum().mul(2)))).add(x.cos().unsqueeze(1).mul(x.cos()).mul(2));

/** Rⁿ → Rⁿ: a(x) = x ⊙ M x, with Jacobian diag(M x) + diag(x) M. */
const M = spreadTensor([3, 3], -1, 1, 7);
const a = (x: Tensor): Tensor => x.mul(M.matmul(x));
const jacA = (x: Tensor): Tensor => diag(M.matmul(x)).add(diag(x).matmul(M));

const x = f64([0.5, -1.25, 2], [3]);
const u = f64([1, -0.5, 0.25], [3]);
const v = f64([-0.75, 0.5, 1.5], [3]);
const X = spreadTensor([4, 3], -1.5, 1.5, 3);
const U = spreadTensor([4, 3], -1, 1, 4);
const rows = (g: (t: Tensor) => Tensor, batch = X): Tensor =>
  stacked(Array.from({ length: batch.shape[0] }, (_, i) => g(batch.select(0, i).clone())));

const grad1 = grad(f);
const pull = (t: Tensor): Tensor => vjp(a, t)[1](u)[0];
const push = (t: Tensor): Tensor => jvp(a, [t], [u])[1];

describe('each transform by itself', () => {
  it('agrees with the closed forms', () => {
    expectClose(grad1(x), gradF(x));
    expectClose(pull(x), jacA(x).T.matmul(u));
    expectClose(push(x), jacA(x).matmul(u));
    expectClose(jacrev(a)(x), jacA(x));
    expectClose(jacfwd(a)(x), jacA(x));
    expectClose(hessian(f)(x), hessF(x));
    expectClose(hvp(f, [x], [v])[1][0], hessF(x).matmul(v));
    expectClose(
      vmap(f)(X),
      rows((t) => f(t)),
    );
  });
});

describe('inside grad', () => {
  it('grad', () => expectClose(grad((t: Tensor) => grad1(t).dot(v))(x), hessF(x).matmul(v)));
  it('vjp', () => {
    // d/dx uᵀ J(x) v = (M with both orders) : aᵢ = xᵢ Σ Mᵢⱼ xⱼ is quadratic, so J is linear in x.
    const expected = u.mul(M.matmul(v)).add(M.T.matmul(u.mul(v)));
    expectClose(grad((t: Tensor) => pull(t).dot(v))(x), expected);
  });
  it('jvp', () => {
    const expected = v.mul(M.matmul(u)).add(M.T.matmul(v.mul(u)));
    expectClose(grad((t: Tensor) => push(t).dot(v))(x), expected);
    expectClose(grad((t: Tensor) => jvp(f, [t], [u])[1])(x), hessF(x).matmul(u));
  });
  it('jvp by its direction', () => {
    expectClose(grad((t: Tensor) => jvp(a, [x], [t])[1].dot(v))(u), jacA(x).T.matmul(v));
  });
  it('vmap', () => {
    expectClose(grad((t: Tensor) => vmap(f)(t).sum())(X), rows(gradF));
    expectClose(grad((t: Tensor) => vmap((c: Tensor) => c.mul(t).sum())(X).sum())(x), X.sum(0));
  });
  it('jacobians', () => {
    const expected = v.mul(M.matmul(u)).add(M.T.matmul(v.mul(u)));
    expectClose(grad((t: Tensor) => jacrev(a)(t).matmul(u).dot(v))(x), expected);
    expectClose(grad((t: Tensor) => jacfwd(a)(t).matmul(u).dot(v))(x), expected);
  });
  it('hessian', () => {
    // Third derivatives of Σ x³ alone: 6 on the diagonal.
    expectClose(
      grad((t: Tensor) =>
        hessian((s: Tensor) => s.pow(3).sum())(t)
          .matmul(u)
          .dot(v),
      )(x),
      u.mul(v).mul(6),
    );
  });
});

describe('inside jvp', () => {
  it('grad', () => expectClose(jvp(grad1, [x], [v])[1], hessF(x).matmul(v)));
  it('vjp', () => expectClose(jvp(pull, [x], [v])[1], u.mul(M.matmul(v)).add(M.T.matmul(u.mul(v)))));
  it('jvp', () => {
    expectClose(jvp(push, [x], [v])[1], v.mul(M.matmul(u)).add(u.mul(M.matmul(v))));
    expectClose(jvp((t: Tensor) => jvp(f, [t], [u])[1], [x], [v])[1], u.dot(hessF(x).matmul(v)));
  });
  it('vmap', () => {
    expectClose(jvp(vmap(f), [X], [U])[1], rows(gradF).mul(U).sum(1));
    expectClose(jvp((t: Tensor) => vmap((c: Tensor) => c.mul(t))(X), [x], [u])[1], X.mul(u));
  });
  it('jacobians and hessian', () => {
    const along = diag(M.matmul(v)).add(diag(v).matmul(M));
    expectClose(jvp(jacrev(a), [x], [v])[1], along);
    expectClose(jvp(jacfwd(a), [x], [v])[1], along);
    expectClose(
      jvp(
        hessian((t: Tensor) => t.pow(3).sum()),
        [x],
        [v],
      )[1],
      diag(v.mul(6)),
    );
  });
});

describe('inside vmap', () => {
  it('grad', () => expectClose(vmap(grad1)(X), rows(gradF)));
  it('grad by a tensor from outside', () => {
    // Per-example gradients of a shared parameter.
    const perExample = vmap((c: Tensor, t: Tensor) => grad((p: Tensor) => p.mul(c).sum().square())(t), {
      inDims: [0, null],
    });
    expectClose(perExample(X, x), X.mul(X.matmul(x).mul(2).unsqueeze(1)));
  });
  it('vjp', () => {
    expectClose(
      vmap(pull)(X),
      rows((t) => jacA(t).T.matmul(u)),
    );
    expectClose(vmap((g: Tensor) => vjp(a, x)[1](g)[0])(U), U.matmul(jacA(x)));
  });
  it('jvp', () => {
    expectClose(
      vmap(push)(X),
      rows((t) => jacA(t).matmul(u)),
    );
    expectClose(vmap((d: Tensor) => jvp(a, [x], [d])[1])(U), U.matmul(jacA(x).T));
  });
  it('vmap', () => {
    const outer = vmap((p: Tensor) => vmap((q: Tensor) => p.dot(q))(U))(X);
    expectClose(outer, X.matmul(U.T));
    expectClose(vmap(vmap((e: Tensor) => e.exp()))(X), X.exp());
    expectClose(
      vmap(
        vmap((e: Tensor) => e.mul(2)),
        { inDims: 1, outDims: 1 },
      )(X),
      X.mul(2),
    );
  });
  it('jacobians', () => {
    expectClose(vmap(jacrev(a))(X), rows(jacA));
    expectClose(vmap(jacfwd(a))(X), rows(jacA));
  });
  it('hessian', () => expectClose(vmap(hessian(f))(X), rows(hessF)));
  it('hvp', () =>
    expectClose(
      vmap((t: Tensor, d: Tensor) => hvp(f, [t], [d])[1][0])(X, U),
      stacked([0, 1, 2, 3].map((i) => hessF(X.select(0, i)).matmul(U.select(0, i)))),
    ));
});

describe('inside a Jacobian', () => {
  it('grad', () => {
    for (const jac of [jacrev, jacfwd, jacobian]) expectClose(jac(grad1)(x), hessF(x));
  });
  it('jvp and vjp', () => {
    for (const jac of [jacrev, jacfwd]) {
      expectClose(jac(push)(x), diag(M.matmul(u)).add(diag(u).matmul(M)));
      expectClose(jac(pull)(x), diag(u).matmul(M).add(diag(u).matmul(M).T));
    }
  });
  it('vmap', () => {
    const unitRows = new Float64Array(144);
    valuesOf(X).forEach((e, k) => {
      unitRows[13 * k] = Math.cos(e);
    });
    const expected = f64(unitRows, [4, 3, 4, 3]);
    const mapped = vmap((t: Tensor) => t.sin());
    for (const jac of [jacrev, jacfwd]) expectClose(jac(mapped)(X), expected);
  });
  it('a Jacobian, in every combination', () => {
    // ∂²aᵢ/∂xⱼ∂xₖ = δᵢⱼ Mᵢₖ + δᵢₖ Mᵢⱼ
    const eye = f64([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const expected = eye
      .unsqueeze(2)
      .mul(M.unsqueeze(1))
      .add(eye.unsqueeze(1).mul(M.unsqueeze(2)));
    for (const outer of [jacrev, jacfwd])
      for (const inner of [jacrev, jacfwd]) expectClose(outer(inner(a))(x), expected);
  });
  it('hessian', () => {
    const expected = eye3(f64([6, 6, 6], [3]));
    for (const jac of [jacrev, jacfwd]) expectClose(jac(hessian((t: Tensor) => t.pow(3).sum()))(x), expected);
  });
});

/** dᵢ where all three indices are i. */
function eye3(d: Tensor): Tensor {
  const out = new Float64Array(27);
  d.toTypedArray().forEach((e, i) => {
    out[13 * i] = e;
  });
  return f64(out, [3, 3, 3]);
}

describe('three deep', () => {
  it('derivatives of x⁵', () => {
    const p = (t: Tensor): Tensor => t.pow(5);
    const d = (g: (t: Tensor) => Tensor) => grad(g) as (t: Tensor) => Tensor;
    const e = (g: (t: Tensor) => Tensor) => (t: Tensor) => jvp(g, [t], [f64([1], [])])[1];
    const at = f64([1.5], []);
    const third = f64([60 * 1.5 ** 2], []);
    for (const one of [d, e])
      for (const two of [d, e]) for (const three of [d, e]) expectClose(one(two(three(p)))(at), third);
  });
  it('vmap of grad of vmap', () => {
    const g = vmap(grad((t: Tensor) => vmap((e: Tensor) => e.pow(3))(t).sum()));
    expectClose(g(X), X.square().mul(3));
  });
  it('grad of vmap of grad', () => {
    expectClose(
      grad((t: Tensor) => vmap(grad1)(t).sum())(X),
      rows((t) => hessF(t).sum(1)),
    );
  });
  it('hessian under vmap under grad', () => {
    const cubic = (t: Tensor): Tensor => t.pow(3).sum();
    expectClose(grad((t: Tensor) => vmap(hessian(cubic))(t).sum())(X), f64(new Array<number>(12).fill(6), [4, 3]));
  });
});
