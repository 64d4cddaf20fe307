import { grad, hvp, jacfwd, jacrev, jvp, type Tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

/*
 * Derivatives inside derivatives, where an engine that cannot tell one perturbation from another
 * gives a wrong number. The first ones are those of Siskind and Pearlmutter, "Perturbation confusion
 * and referential transparency" (2005) and Manzyuk et al., "Perturbation confusion in forward
 * automatic differentiation of higher-order functions" (2019).
 */

type Scalar = (x: Tensor) => Tensor;
const s = (x: number): Tensor => f64([x], []);
const reverse = (f: Scalar): Scalar => grad(f) as Scalar;
const forward =
  (f: Scalar): Scalar =>
  (x) =>
    jvp(f, [x], [s(1)])[1];
const viaJacrev = (f: Scalar): Scalar => jacrev(f) as Scalar;
const viaJacfwd = (f: Scalar): Scalar => jacfwd(f) as Scalar;
const modes: Readonly<Record<string, (f: Scalar) => Scalar>> = { reverse, forward, viaJacrev, viaJacfwd };

for (const [outerName, D] of Object.entries(modes)) {
  for (const [innerName, E] of Object.entries(modes)) {
    describe(`${outerName} over ${innerName}`, () => {
      it('d/dx x · (d/dy (x + y) at y = 1) is 1', () => {
        expectValues(D((x) => x.mul(E((y) => x.add(y))(s(1))))(s(1)), [], [1]);
      });

      it('d/dx x · (d/dy x y at y = 2) is 2x', () => {
        expectValues(D((x) => x.mul(E((y) => x.mul(y))(s(2))))(s(3)), [], [6]);
      });

      it('d/dx (d/dy x² y³ at y = x) differentiates both places', () => {
        // 3 x² y² at y = x is 3 x⁴, with derivative 12 x³.
        expectValues(D((x) => E((y) => x.square().mul(y.pow(3)))(x))(s(2)), [], [96]);
      });

      it('the inner derivative of a function of the outer variable alone is 0', () => {
        expectValues(D((x) => E(() => x.exp())(x).add(x))(s(1)), [], [1]);
      });

      it('the same function twice', () => {
        const f: Scalar = (x) => x.sin().mul(x);
        expectClose(D(E(f))(s(0.7)), s(2 * Math.cos(0.7) - 0.7 * Math.sin(0.7)));
      });
    });

    it(`a curried function that carries a derivative out, ${outerName} over ${innerName}`, () => {
      // Manzyuk et al.: s(u)(f)(x) = f(x + u); d̂ = D s at 0 is the derivative of f, so d̂ (d̂ exp) 1 is e.
      const shifted =
        (u: Tensor) =>
        (f: Scalar): Scalar =>
        (x) =>
          f(x.add(u));
      const derivative =
        (d: (f: Scalar) => Scalar) =>
        (f: Scalar): Scalar =>
        (x) =>
          d((u) => shifted(u)(f)(x))(s(0));
      expectValues(derivative(D)(derivative(E)((x) => x.exp()))(s(1)), [], [Math.E]);
    });
  }
}

describe('closures across levels', () => {
  it('an inner gradient by a captured variable is none of its business', () => {
    const f = grad((x: Tensor) => {
      const g = grad((y: Tensor) => y.mul(x).mul(x))(s(5));
      return g.mul(y0(x));
    });
    const y0 = (x: Tensor): Tensor => x.add(1);
    // d/dx x² (x + 1) = 3x² + 2x
    expectValues(f(s(2)), [], [16]);
  });

  it('tangents of an outer jvp pass through an inner grad by closure', () => {
    const w = f64([1, 2], [2]);
    const [, t] = jvp(
      (c: Tensor) => grad((x: Tensor) => x.mul(c).square().sum())(w),
      [f64([3, 4], [2])],
      [f64([1, 0], [2])],
    );
    // ∂/∂c 2 c² x = 4 c x
    expectValues(t, [2], [12, 0]);
  });

  it('vmap over the captured variable of an inner gradient', () => {
    const batch = vmap((c: Tensor) => grad((x: Tensor) => x.mul(c).square())(s(2)))(f64([1, 2, 3], [3]));
    expectValues(batch, [3], [4, 16, 36]);
  });

  it('a gradient of something that holds a batched capture sums nothing over the batch', () => {
    const inner = (c: Tensor): Tensor => grad((w: Tensor) => w.mul(c).sum())(f64([1, 1], [2]));
    expectValues(vmap(inner)(f64([1, 2, 3, 4], [2, 2])), [2, 2], [1, 2, 3, 4]);
  });

  it('two levels of jvp by different variables', () => {
    const f = (x: Tensor, y: Tensor): Tensor => x.square().mul(y.pow(3));
    const dx = (x: Tensor, y: Tensor): Tensor => jvp((a: Tensor) => f(a, y), [x], [s(1)])[1];
    const [, dxdy] = jvp((b: Tensor) => dx(s(2), b), [s(3)], [s(1)]);
    expectValues(dxdy, [], [2 * 2 * 3 * 9]);
  });

  it('hvp of a function that holds an hvp', () => {
    const cube = (x: Tensor): Tensor => x.pow(3).sum();
    const outer = (x: Tensor): Tensor => hvp(cube, [x], [x])[1][0].sum();
    // hvp(cube)(x, x) = 6 x², with Hessian 12 on the diagonal.
    expectValues(hvp(outer, [f64([1, 2], [2])], [f64([1, 1], [2])])[1][0], [2], [12, 12]);
  });

  it('many levels', () => {
    let f: Scalar = (x) => x.pow(8);
    let factor = 1;
    for (let n = 8; n > 2; n--) {
      f = n % 2 === 0 ? reverse(f) : forward(f);
      factor *= n;
    }
    expect(f(s(0.5)).item()).toBeCloseTo(factor * 0.25, 8);
  });
});
