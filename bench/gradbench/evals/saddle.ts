/** min over x of max over y of |x|² − |y|², for points of the plane: a descent inside the cost of a descent. */
import { cat, type Tensor } from 'nabla';
import { argmax, argmin, forward, type Mode, reverse } from './descent.ts';
import { defined, type Fields, list, type Module } from './eval.ts';

const height = (x: Tensor, y: Tensor): Tensor => x.dot(x).sub(y.dot(y));

function saddlePoint(outer: Mode, inner: Mode, start: Tensor): Tensor {
  const highest = (x: Tensor): Tensor => {
    const f = (y: Tensor): Tensor => height(x, y);
    return f(argmax(f, inner, start));
  };
  const x = argmin(highest, outer, start);
  const y = argmax((z) => height(x, z), outer, start);
  return cat([x, y]);
}

const prepare = (input: Fields): Tensor => input.tensor('start', 1);
const solved = (outer: Mode, inner: Mode): Module[string] =>
  defined(prepare, (start) => saddlePoint(outer, inner, start), list);

export const saddle: Module = {
  rr: solved(reverse, reverse),
  rf: solved(reverse, forward),
  fr: solved(forward, reverse),
  ff: solved(forward, forward),
};
