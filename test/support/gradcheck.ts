import { type Tensor, vjp } from 'nabla';
import { expectNear, type Tolerance } from './close.ts';
import { f64, spread, valuesOf } from './numbers.ts';

/** A function of tensors, of any number of results. */
export type TensorFunction = (...xs: Tensor[]) => Tensor | readonly Tensor[];

export const outputsOf = (y: Tensor | readonly Tensor[]): readonly Tensor[] =>
  Array.isArray(y) ? (y as readonly Tensor[]) : [y as Tensor];

/** Those of the results that gradients can flow from. */
export const floatOutputs = (y: Tensor | readonly Tensor[]): readonly Tensor[] =>
  outputsOf(y).filter((t) => t.isFloatingPoint());

export interface GradcheckOptions extends Tolerance {
  /** Step of the central differences. */
  readonly eps?: number;
}

/** A cotangent for each tensor, of fixed irregular numbers. */
export const cotangentsFor = (ys: readonly Tensor[], seed = 5): Tensor[] =>
  ys.map((y, i) => f64(spread(y.numel(), -1, 1, seed + i), y.shape));

/** ∂y/∂x for every element of every float result, by central differences in float64: `[element of y][element of x]`. */
function numericalJacobian(f: TensorFunction, xs: readonly Tensor[], k: number, eps: number): number[][] {
  const base = valuesOf(xs[k]);
  const at = (j: number, step: number): number[] => {
    const moved = base.slice();
    moved[j] += step;
    return floatOutputs(f(...xs.with(k, f64(moved, xs[k].shape)))).flatMap(valuesOf);
  };
  const columns = base.map((_, j) => {
    const up = at(j, eps);
    const down = at(j, -eps);
    return up.map((u, i) => (u - down[i]) / (2 * eps));
  });
  const rows = floatOutputs(f(...xs)).reduce((n, y) => n + y.numel(), 0);
  return Array.from({ length: rows }, (_, i) => columns.map((c) => c[i]));
}

/** The same by reverse mode, one pullback per element of the result. */
function reverseJacobian(f: TensorFunction, xs: readonly Tensor[], k: number): number[][] {
  const [ys, pull] = vjp((x: Tensor) => floatOutputs(f(...xs.with(k, x))) as Tensor[], xs[k]);
  return ys.flatMap((y, o) =>
    valuesOf(y).map((_, i) => {
      const seeds = ys.map((t, p) => {
        const unit = new Float64Array(t.numel());
        if (p === o) unit[i] = 1;
        return f64(unit, t.shape);
      });
      return valuesOf(pull(seeds)[0]);
    }),
  );
}

/**
 * Compares the gradients of `f` at `xs` with central differences. Only inputs of float64 are
 * differentiated, and only results of floating point dtype.
 */
export function gradcheck(f: TensorFunction, xs: readonly Tensor[], options: GradcheckOptions = {}): void {
  const { eps = 1e-5, tol = 1e-7, what = 'gradient' } = options;
  xs.forEach((x, k) => {
    if (x.dtype !== 'float64') return;
    const expected = numericalJacobian(f, xs, k, eps);
    const actual = reverseJacobian(f, xs, k);
    expectNear(actual.flat(), expected.flat(), { tol, what: `${what}: Jacobian by input ${k}` });
  });
}

/** Compares second derivatives of `f` with central differences of its gradients. */
export function gradgradcheck(f: TensorFunction, xs: readonly Tensor[], options: GradcheckOptions = {}): void {
  const wanted = xs.map((_, k) => k).filter((k) => xs[k].dtype === 'float64');
  const cotangents = cotangentsFor(floatOutputs(f(...xs)));
  const gradients: TensorFunction = (...all) => {
    const inner = (...given: Tensor[]): Tensor[] => {
      const args = all.slice(0, xs.length);
      wanted.forEach((k, i) => {
        args[k] = given[i];
      });
      return floatOutputs(f(...args)) as Tensor[];
    };
    const [, pull] = vjp(inner, ...wanted.map((k) => all[k]));
    return pull(all.slice(xs.length));
  };
  gradcheck(gradients, [...xs, ...cotangents], { ...options, what: options.what ?? 'second derivative' });
}
