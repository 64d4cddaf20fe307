import {
  ArgumentError,
  DTypeError,
  grad,
  inferenceMode,
  jacfwd,
  jvp,
  noGrad,
  ShapeError,
  type Tensor,
  tensor,
  vjp,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

const x = f64([1, 2, 3], [3]);
const y = f64([4, 5, 6], [3]);
const u = f64([1, 0, -1], [3]);

describe('vjp', () => {
  it('gives the value and pulls cotangents back, as often as asked', () => {
    const [value, pull] = vjp((a: Tensor, b: Tensor) => a.mul(b).sin(), x, y);
    expectClose(value, x.mul(y).sin());
    for (const g of [u, u.mul(2), u]) {
      const [ga, gb] = pull(g);
      expectClose(ga, g.mul(x.mul(y).cos()).mul(y));
      expectClose(gb, g.mul(x.mul(y).cos()).mul(x));
    }
    expect(value.requiresGrad).toBe(false);
  });

  it('takes and returns trees', () => {
    const f = (p: { readonly a: Tensor }, q: readonly Tensor[]) => ({ sum: p.a.add(q[0]), product: [p.a.mul(q[0])] });
    const [value, pull] = vjp(f, { a: x }, [y]);
    expectClose(value.product[0], x.mul(y));
    const [gp, gq] = pull({ sum: u, product: [x] });
    expectClose(gp.a, u.add(x.mul(y)));
    expectClose(gq[0], u.add(x.mul(x)));
  });

  it('gives zeros for what does not matter, and for results that do not depend on the arguments', () => {
    const [, pull] = vjp((a: Tensor, _b: Tensor) => [a.mul(2), y] as const, x, y);
    const [ga, gb] = pull([u, u]);
    expectClose(ga, u.mul(2));
    expectValues(gb, [3], [0, 0, 0]);
  });

  it('passes a result that is the argument', () => {
    const [value, pull] = vjp((a: Tensor) => a, x);
    expectClose(value, x);
    expectClose(pull(u)[0], u);
  });

  it('does not let the caller’s cotangent be changed', () => {
    const g = u.clone();
    const [, pull] = vjp((a: Tensor) => a.add(a).add(a), x);
    expectClose(pull(g)[0], u.mul(3));
    expectClose(g, u);
  });

  it('refuses cotangents of another form', () => {
    const [, pull] = vjp((a: Tensor) => a.mul(2), x);
    expectError(
      () => pull(f64([1], [])),
      ShapeError,
      'grad_output[0] has a shape of [] and output[0] has a shape of [3]',
    );
    const [, both] = vjp((a: Tensor) => [a, a], x);
    expectError(() => both([u]), ArgumentError, 'cotangents: (*), primal output: (*, *)');
  });

  it('takes cotangents of another dtype and gives gradients in that of the argument', () => {
    const [, pull] = vjp((a: Tensor) => [a, a.mul(2)], x);
    const [g] = pull([u.to('float32'), u.to('float32')]);
    expectClose(g, u.mul(3));
    const whole = tensor([1, -2, 3], { dtype: 'int32' });
    expectClose(pull([whole, whole])[0], whole.double().mul(3));
  });

  it('refuses results and arguments it cannot differentiate', () => {
    expectError(() => vjp((_a: Tensor) => 3, x), ArgumentError, 'got unsupported type number');
    expectError(() => vjp((a: Tensor) => a, tensor([1], { dtype: 'int32' })), DTypeError, 'floating point');
  });
});

describe('jvp', () => {
  it('gives the value and the derivative along a direction', () => {
    const [value, tangent] = jvp((a: Tensor, b: Tensor) => a.mul(b).exp(), [x.div(9), y], [u, x]);
    expectClose(value, x.div(9).mul(y).exp());
    expectClose(tangent, value.mul(u.mul(y).add(x.div(9).mul(x))));
  });

  it('takes and returns trees', () => {
    const f = (p: { readonly a: Tensor; readonly b: Tensor }) => [p.a.mul(p.b), { s: p.a.sum() }] as const;
    const [value, [product, { s }]] = jvp(f, [{ a: x, b: y }], [{ a: u, b: x }]);
    expectClose(value[0], x.mul(y));
    expectClose(product, u.mul(y).add(x.mul(x)));
    expectValues(s, [], [0]);
  });

  it('gives zeros where nothing varies: constants, steps, truth values, detached and integer results', () => {
    const [, [constant, floor, detached]] = jvp((a: Tensor) => [y, a.floor(), a.detach()], [x], [u]);
    for (const t of [constant, floor, detached]) expectValues(t, [3], [0, 0, 0]);
    const [truth, none] = jvp((a: Tensor) => a.gt(2), [x], [u]);
    expect(truth.toArray()).toEqual([false, false, true]);
    expect(none.toArray()).toEqual([false, false, false]);
  });

  it('follows native control flow', () => {
    const f = (a: Tensor): Tensor => {
      let b = a;
      while (b.item() < 100) b = b.mul(a);
      return b;
    };
    const [value, tangent] = jvp(f, [f64([3], [])], [f64([1], [])]);
    expectValues(value, [], [243]);
    expectValues(tangent, [], [405]);
  });

  it('is not switched off by noGrad', () => {
    const [, tangent] = jvp((a: Tensor) => noGrad(() => a.square()), [x], [u]);
    expectClose(tangent, x.mul(u).mul(2));
    const [, outside] = noGrad(() => jvp((a: Tensor) => a.square(), [x], [u]));
    expectClose(outside, x.mul(u).mul(2));
  });

  it('is not stopped by noGrad inside it, but by inference mode', () => {
    const inside = (a: Tensor): Tensor => a.sub(inferenceMode(() => a.square()));
    expectClose(jvp((a: Tensor) => a.sub(noGrad(() => a.square())), [x], [u])[1], u.sub(x.mul(u).mul(2)));
    expectClose(jvp(inside, [x], [u])[1], u);
    expectValues(jacfwd((a: Tensor) => inside(a).sum())(x), [3], [1, 1, 1]);
    expectValues(jacfwd(grad((a: Tensor) => inside(a).mul(a).sum()))(f64([2], [1])), [1, 1], [2]);
    // A transform that begins in it has a mind of its own, as have those inside it; and it may be left again.
    expectClose(inferenceMode(() => jvp((a: Tensor) => a.square(), [x], [u])[1]).clone(), x.mul(u).mul(2));
    const own = (a: Tensor): Tensor => inferenceMode(() => jvp((b: Tensor) => b.square().mul(a), [a], [u])[1]);
    expectClose(own(x).clone(), x.square().mul(u).mul(2));
    expectClose(jvp(own, [x], [u])[1], x.mul(0));
    expectClose(
      jvp((a: Tensor) => inferenceMode(() => inferenceMode(false, () => a.square())), [x], [u])[1],
      x.mul(u).mul(2),
    );
  });

  it('gives each broadcast result a tangent of its own shape', () => {
    const row = f64([1, 2, 3], [1, 3]);
    const [value, tangent] = jvp((a: Tensor) => row.T.add(a), [x], [u]);
    expect(tangent.shape).toEqual(value.shape);
    expectValues(tangent, [3, 3], [1, 0, -1, 1, 0, -1, 1, 0, -1]);
  });

  it('gives tangents the dtype of their primals', () => {
    const half = tensor([1, 2, 3]);
    const [value, tangent] = jvp((a: Tensor) => a.add(x), [half], [half]);
    expect([value.dtype, tangent.dtype]).toEqual(['float64', 'float64']);
  });

  it('refuses tangents of another form', () => {
    const f = (a: Tensor): Tensor => a;
    expectError(() => jvp(f, [x], [f64([1, 2], [2])]), ShapeError, 'has a different size than that of the original');
    expectError(() => jvp(f, [x], [u.to('float32')]), DTypeError, 'Expected tangent to have the dtype of its primal');
    expectError(
      () => jvp(f, [x], [] as unknown as [Tensor]),
      ArgumentError,
      'Got primals with structure (*) and tangents with structure ()',
    );
    expectError(() => jvp(f, [tensor([1], { dtype: 'int32' })], [u]), DTypeError, 'Expected primal to be floating');
    expectError(() => jvp((_a: Tensor) => 'text', [x], [u]), ArgumentError, 'got unsupported type string');
  });
});
