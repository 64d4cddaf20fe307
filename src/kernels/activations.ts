/**
 * The activation functions of neural networks, in the manner of `functions.ts`. Formulas and the values
 * at kinks are those of PyTorch (aten/src/ATen/native/cpu/Activation.cpp in its sources).
 *
 * A choice is written as a comparison, `x > 0 ? … : …`, so that on either side every derivative is that
 * of a smooth function, and at the kink that of the side the comparison takes.
 */
import * as m from './algebra.ts';
import { call, of1, of2, of3 } from './define.ts';
import { arg, type Expr, type Operand } from './expr.ts';

const x = arg(0);
const y = arg(1);
const z = arg(2);

/** max(x, 0). The derivative is read off the result, so that x need not be kept; it is 0 at 0. */
export const relu = of1(
  'relu',
  () => m.max(x, 0),
  (t, _, r) => [m.select(m.le(r, 0), 0, t)],
);
/** Between two bounds; at them the derivative is 0 (clamp's is 1). */
export const hardtanh = of3(
  'hardtanh',
  () => m.min(m.max(x, y), z),
  (t, [a, lo, hi]) => [
    m.select(m.or(m.le(a, lo), m.ge(a, hi)), 0, t),
    m.select(m.and(m.le(a, lo), m.lt(lo, hi)), t, 0),
    m.select(m.ge(m.max(a, lo), hi), t, 0),
  ],
);
export const relu6 = of1('relu6', () => call(hardtanh, x, 0, 6));
const leaky = (): Expr => m.select(m.gt(x, 0), x, m.mul(x, y));
/** x where x > 0, else a x; `prelu` with a learned a. */
export const leakyRelu = of2('leakyRelu', leaky);
export const prelu = of2('prelu', leaky);
/** x where x > threshold, else a value. */
export const threshold = of3('threshold', () => m.select(m.le(x, y), z, x));
export const hardshrink = of2('hardshrink', () => m.select(m.le(m.abs(x), y), 0, x));
/** x moved towards 0 by λ. */
export const softshrink = of2(
  'softshrink',
  () => {
    const bounded = m.min(m.max(x, m.neg(y)), y);
    return m.select(m.eq(x, bounded), 0, m.sub(x, bounded));
  },
  (t, [a, bound]) => {
    const passed = m.select(m.le(m.abs(a), bound), 0, t);
    return [passed, m.neg(m.mul(passed, m.sign(a)))];
  },
);

/** t times a slope below 0, and times 1 above. At 0 the slope does not depend on a: as in PyTorch, its derivative is 0 there. */
const sloped = (t: Expr, a: Expr, below: Expr, atZero: Operand): Expr =>
  m.select(m.lt(a, 0), m.mul(t, below), m.select(m.le(a, 0), m.mul(t, atZero), t));

/** x where x > 0, else α (eˣ − 1). By hand: eˣ itself is more exact than (eˣ − 1) + 1. */
export const elu = of2(
  'elu',
  () => m.select(m.le(x, 0), m.mul(y, m.expm1(x)), x),
  (t, [a, alpha]) => {
    const byAlpha = m.select(m.le(a, 0), m.mul(t, m.expm1(a)), 0);
    return [sloped(t, a, m.mul(alpha, m.exp(a)), alpha), byAlpha];
  },
);
// Klambauer et al. 2017, Self-Normalizing Neural Networks.
const SELU_ALPHA = 1.6732632423543772848170429916717;
const SELU_SCALE = 1.0507009873554804934193349852946;
/** λ elu(x, α) */
export const selu = of1('selu', () => m.mul(SELU_SCALE, call(elu, x, SELU_ALPHA)));
/** x where x > 0, else α (e^(x/α) − 1) */
export const celu = of2(
  'celu',
  () => m.select(m.le(x, 0), m.mul(y, m.expm1(m.mul(x, m.div(1, y)))), x),
  (t, [a, alpha]) => {
    const u = m.mul(a, m.div(1, alpha));
    const byAlpha = m.select(m.le(a, 0), m.mul(t, m.sub(m.expm1(u), m.mul(u, m.exp(u)))), 0);
    return [sloped(t, a, m.exp(u), 1), byAlpha];
  },
);

/** log(1 + e^(βx)) / β, and x itself where βx > threshold. */
export const softplus = of3(
  'softplus',
  () => m.select(m.gt(m.mul(x, y), z), x, m.div(m.log1p(m.exp(m.mul(x, y))), y)),
  (t, [u, beta, bound], r) => {
    const v = m.mul(u, beta);
    const linear = m.gt(v, bound);
    // At the threshold, too, the slope does not depend on x.
    const s = m.sigmoid(m.select(m.ge(v, bound), bound, v));
    return [m.select(linear, t, m.mul(t, s)), m.select(linear, 0, m.mul(t, m.div(m.sub(m.mul(u, s), r), beta))), null];
  },
);
/** log(1 + eᵘ) without overflow: max(u, 0) + log(1 + e^−|u|). */
const softplus1 = (u: Expr): Expr => {
  const positive = m.gt(u, 0);
  return m.add(m.select(positive, u, 0), m.log1p(m.exp(m.select(positive, m.neg(u), u))));
};
/** log σ(x) = −log(1 + e⁻ˣ) */
export const logSigmoid = of1(
  'logSigmoid',
  () => m.neg(softplus1(m.neg(x))),
  (t, [u]) => [m.mul(t, m.sigmoid(m.neg(u)))],
);
/** x σ(x) */
export const silu = of1(
  'silu',
  () => m.mul(x, m.sigmoid(x)),
  (t, [u]) => {
    const s = m.sigmoid(u);
    return [m.mul(m.mul(t, s), m.add(m.mul(u, m.sub(1, s)), 1))];
  },
);
/** x tanh(log(1 + eˣ)) */
export const mish = of1(
  'mish',
  () => m.mul(x, m.tanh(softplus1(x))),
  (t, [u]) => {
    const h = m.tanh(softplus1(u));
    return [m.mul(t, m.add(h, m.mul(m.mul(u, m.sigmoid(u)), m.sub(1, m.square(h)))))];
  },
);

/** x Φ(x), Φ being the normal distribution. */
export const gelu = of1('gelu', () => m.unary('gelu', x));

const BETA = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
const inner = (u: Expr): Expr => m.tanh(m.mul(m.mul(u, m.add(m.mul(m.square(u), CUBIC), 1)), BETA));
/** ½ x (1 + tanh(√(2/π) (x + 0.044715 x³))) */
export const geluTanh = of1(
  'geluTanh',
  () => m.mul(m.mul(x, 0.5), m.add(inner(x), 1)),
  (t, [u]) => {
    const h = inner(u);
    const slope = m.mul(m.add(m.mul(m.square(u), 3 * CUBIC), 1), BETA);
    const curved = m.mul(m.mul(u, m.sub(1, m.square(h))), slope);
    return [m.mul(t, m.mul(m.add(m.add(h, 1), curved), 0.5))];
  },
);
/** min(max(x + 3, 0), 6) / 6 */
export const hardsigmoid = of1(
  'hardsigmoid',
  () => m.div(m.min(m.max(m.add(x, 3), 0), 6), 6),
  (t, [u]) => [m.select(m.and(m.gt(u, -3), m.lt(u, 3)), m.div(t, 6), 0)],
);
/** x hardsigmoid(x) */
export const hardswish = of1(
  'hardswish',
  () => m.div(m.mul(x, m.min(m.max(m.add(x, 3), 0), 6)), 6),
  (t, [u]) => [
    m.select(
      m.le(u, -3),
      m.select(m.lt(u, -3), 0, m.mul(t, -0.5)),
      m.select(m.lt(u, 3), m.mul(t, m.add(m.div(u, 3), 0.5)), t),
    ),
  ],
);
/** x / (1 + |x|) */
export const softsign = of1('softsign', () => m.div(x, m.add(m.abs(x), 1)));
export const tanhshrink = of1('tanhshrink', () => m.sub(x, m.tanh(x)));
