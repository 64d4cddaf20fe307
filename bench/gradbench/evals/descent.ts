/** Gradient descent as GradBench has it for `particle` and `saddle`, on tensors that may themselves be differentiated. */
import { grad, jacfwd, type Tensor } from 'nabla';

/** A function of a vector to a number. */
export type Cost = (x: Tensor) => Tensor;

/** The gradient of a cost, by forward or by reverse mode. */
export type Mode = (f: Cost) => (x: Tensor) => Tensor;

export const reverse: Mode = (f) => grad(f);
export const forward: Mode = (f) => jacfwd(f);

/** Steps shorter, and gradients smaller than this are none. */
const ENOUGH = 1e-5;

/** The numbers of a vector. Decisions are made by them and have no derivative. */
const numbers = (x: Tensor): number[] => x.toArray() as number[];

/**
 * Where `f` is least, from `start`. The rate doubles after ten steps down in a row and halves after one
 * that is not.
 */
export function argmin(f: Cost, mode: Mode, start: Tensor): Tensor {
  const gradient = mode(f);
  let [x, rate, steps] = [start, 1e-5, 0];
  let [y, g] = [f(x).item(), gradient(x)];
  while (Math.hypot(...numbers(g)) > ENOUGH) {
    if (steps === 10) [rate, steps] = [2 * rate, 0];
    const next = x.sub(g.mul(rate));
    const [from, to] = [numbers(x), numbers(next)];
    if (Math.hypot(...from.map((v, i) => v - to[i])) <= ENOUGH) break;
    const there = f(next).item();
    if (there < y) [x, y, g, steps] = [next, there, gradient(next), steps + 1];
    else [rate, steps] = [rate / 2, 0];
  }
  return x;
}

/** Where `f` is greatest. */
export const argmax = (f: Cost, mode: Mode, start: Tensor): Tensor => argmin((x) => f(x).neg(), mode, start);
