/** Runge–Kutta steps of a chain of equations, y₀′ = x₀ and yᵢ′ = xᵢ yᵢ₋₁ from y = 0, up to time 2. */
import { cat, elementwise, functional, type Scalar, type Tensor, zeros } from 'nabla';
import { defined, type Fields, float64, gradientAt, list, type Module } from './eval.ts';

interface Input {
  readonly x: Tensor;
  readonly s: number;
}

/**
 * One step of one equation. Each stage reads the equation before, so four stages read the four
 * equations before: x₁ … x₃ and y₁ … y₄ are those of equations i − 1 … i − 4. `h` is the step size.
 */
const step = elementwise(
  // biome-ignore format: equations in order
  (x0: Scalar, x1: Scalar, x2: Scalar, x3: Scalar, y0: Scalar, y1: Scalar, y2: Scalar, y3: Scalar, y4: Scalar, h: Scalar) => {
    const half = h.mul(0.5);
    const k1 = [x0.mul(y1), x1.mul(y2), x2.mul(y3), x3.mul(y4)];
    const k2 = [x0.mul(y1.add(half.mul(k1[1]))), x1.mul(y2.add(half.mul(k1[2]))), x2.mul(y3.add(half.mul(k1[3])))];
    const k3 = [x0.mul(y1.add(half.mul(k2[1]))), x1.mul(y2.add(half.mul(k2[2])))];
    const k4 = x0.mul(y1.add(h.mul(k3[1])));
    return y0.add(h.div(6).mul(k1[0].add(k2[0].mul(2)).add(k3[0].mul(2)).add(k4)));
  },
  'rungeKutta',
);

/** How many equations a step looks back. */
const BEFORE = 4;

/**
 * The chain begins with equations that stand still: one of value 1, so that y₀′ = x₀ is x₀ times the
 * one before like all others, and zeros before that.
 */
function solution({ x, s }: Input): Tensor {
  const n = x.shape[0];
  const before = zeros([BEFORE], float64);
  before.select(0, BEFORE - 1).fill_(1);
  const padded: Tensor = functional.pad(x, [BEFORE, 0]);
  const [x0, x1, x2, x3] = [0, 1, 2, 3].map((k) => padded.narrow(0, BEFORE - k, n));
  let y: Tensor = zeros([n], float64);
  for (let i = 0; i < s; i++) {
    const chain = cat([before, y]);
    const [y1, y2, y3, y4] = [1, 2, 3, 4].map((k) => chain.narrow(0, BEFORE - k, n));
    y = step(x0, x1, x2, x3, y, y1, y2, y3, y4, 2 / s);
  }
  return y;
}

/** The gradient of the last component. */
const gradient = ({ x, s }: Input): Tensor => gradientAt((z) => solution({ x: z, s }).select(0, -1), x);

const prepare = (input: Fields): Input => ({ x: input.tensor('x', 1), s: input.integer('s') });

export const ode: Module = {
  primal: defined(prepare, solution, list),
  gradient: defined(prepare, gradient, list),
};
