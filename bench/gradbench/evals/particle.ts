/**
 * A charged particle flies past two charges, one of them placed by the control w. Find w for which the
 * particle hits the origin: descent on a path whose every step takes the gradient of a potential.
 */
import { elementwise, grad, jvp, type Tensor, tensor } from 'nabla';
import { argmin, type Cost, forward, type Mode, reverse } from './descent.ts';
import { defined, type Fields, float64, type Module } from './eval.ts';

/** The potential at (x, y) of charges at (10, 10 − w) and (10, 0). */
const potential = elementwise((x, y, w) => {
  const aside = x.sub(10).square();
  return aside.add(y.sub(10).add(w).square()).rsqrt().add(aside.add(y.square()).rsqrt());
}, 'potential');

/** The gradient of the potential by the place. */
type Field = (x: Tensor, y: Tensor, w: Tensor) => readonly [Tensor, Tensor];

const byReverse: Field = grad((x: Tensor, y: Tensor, w: Tensor) => potential(x, y, w), { argnums: [0, 1] });

const [zero, one] = [tensor(0, float64), tensor(1, float64)];
const byForward: Field = (x, y, w) => {
  const along = (dx: Tensor, dy: Tensor): Tensor =>
    jvp((u: Tensor, v: Tensor) => potential(u, v, w), [x, y], [dx, dy])[1];
  return [along(one, zero), along(zero, one)];
};

const STEP = 0.1;
const move = elementwise((x, y, vx, vy) => [x.add(vx.mul(STEP)), y.add(vy.mul(STEP))], 'move');
const speed = elementwise((vx, vy, gx, gy) => [vx.sub(gx.mul(STEP)), vy.sub(gy.mul(STEP))], 'speed');
/** The square of x where the particle, on a straight line from here, meets y = 0. */
const miss = elementwise((x, y, vx, vy) => x.sub(y.div(vy).mul(vx)).square(), 'miss');

/** Euler's method, until the next step would be below y = 0. */
const flight =
  (field: Field): Cost =>
  (controls) => {
    const w = controls.select(0, 0);
    let [x, y, vx, vy] = [0, 8, 0.75, 0].map((v): Tensor => tensor(v, float64));
    for (;;) {
      const [nextX, nextY] = move(x, y, vx, vy);
      if (nextY.item() <= 0) return miss(x, y, vx, vy);
      const [gx, gy] = field(x, y, w);
      [vx, vy] = speed(vx, vy, gx, gy);
      [x, y] = [nextX, nextY];
    }
  };

const prepare = (input: Fields): Tensor => tensor([input.number('w')], float64);

/** Outer mode first. */
const solved = (outer: Mode, field: Field): Module[string] =>
  defined(
    prepare,
    (w) => argmin(flight(field), outer, w),
    (w: Tensor) => w.select(0, 0).item(),
  );

export const particle: Module = {
  rr: solved(reverse, byReverse),
  rf: solved(reverse, byForward),
  fr: solved(forward, byReverse),
  ff: solved(forward, byForward),
};
