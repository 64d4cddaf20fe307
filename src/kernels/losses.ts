/**
 * Losses element by element, in the manner of `functions.ts`: x is the prediction, y the target.
 * Formulas and the values at kinks are those of PyTorch (aten/src/ATen/native/Loss.cpp in its sources).
 */
import { hardtanh } from './activations.ts';
import * as m from './algebra.ts';
import { call, of2, of3 } from './define.ts';
import { arg, type Expr } from './expr.ts';

const x = arg(0);
const y = arg(1);
const z = arg(2);

const difference = (): Expr => m.sub(x, y);
const distance = (): Expr => m.abs(difference());

/** (x − y)² */
export const squaredError = of2('squaredError', () => m.square(difference()));
/** |x − y| */
export const absoluteError = of2('absoluteError', distance);
/** d²/2β where d = |x − y| < β, d − β/2 beyond; β = 0 is |x − y|. */
export const smoothL1 = of3(
  'smoothL1',
  () => {
    const d = difference();
    const far = m.abs(d);
    return m.select(m.lt(far, z), m.div(m.mul(0.5, m.square(d)), z), m.sub(far, m.mul(0.5, z)));
  },
  (t, [a, b, beta]) => {
    const d = m.sub(a, b);
    // NaN is not beyond, where it would have a sign.
    const beyond = m.ge(m.abs(d), beta);
    const slope = m.mul(t, m.select(beyond, m.sign(d), m.div(d, beta)));
    const byBeta = m.mul(-0.5, m.mul(t, m.select(beyond, 1, m.square(m.div(d, beta)))));
    return [slope, m.neg(slope), byBeta];
  },
);
/**
 * d²/2 where d = |x − y| ≤ δ, δ (d − δ/2) beyond: n (d − n/2) for n = min(d, δ), where d − n/2 is at least n/2
 * and ∞ − ∞ for an infinite error within an infinite δ.
 */
export const huber = of3(
  'huber',
  () => {
    const far = distance();
    const near = m.min(far, z);
    const half = m.mul(0.5, near);
    const rest = m.sub(far, half);
    return m.mul(near, m.select(m.lt(half, rest), rest, half));
  },
  (t, [a, b, delta]) => {
    const d = m.sub(a, b);
    const slope = m.mul(t, call(hardtanh, d, m.neg(delta), delta));
    const far = m.abs(d);
    return [slope, m.neg(slope), m.mul(t, m.select(m.le(far, delta), 0, m.sub(far, delta)))];
  },
);

/** Logarithms of probabilities are not taken below this, so that no loss is infinite. */
const FLOOR = -100;
/** Keeps quotients finite where a probability is 0 or 1. */
const EPSILON = 1e-12;
const spread = (p: Expr): Expr => m.max(m.mul(m.sub(1, p), p), EPSILON);
/** (x − y) / (x (1 − x)), and its derivative (x² − 2 x y + y) / (x (1 − x))², which is not that of the floor below. */
const binarySlope = of2(
  'binarySlope',
  () => m.div(m.sub(x, y), spread(x)),
  (t, [p, target]) => {
    const top = m.add(m.sub(m.square(p), m.mul(2, m.mul(p, target))), target);
    const root = m.mul(m.add(p, EPSILON), m.add(m.sub(1, p), EPSILON));
    return [m.mul(t, m.div(top, m.square(root))), m.neg(m.div(t, spread(p)))];
  },
);
/** −y log x − (1 − y) log(1 − x), the logarithms at least −100. */
export const binaryCrossEntropy = of2(
  'binaryCrossEntropy',
  () => m.sub(m.mul(m.sub(y, 1), m.max(m.log1p(m.neg(x)), FLOOR)), m.mul(y, m.max(m.log(x), FLOOR))),
  (t, [p, target]) => [m.mul(t, call(binarySlope, p, target)), m.mul(t, m.sub(m.log1p(m.neg(p)), m.log(p)))],
);
/** log(1 + e⁻ᵘ) without overflow. */
const softplusOfMinus = (u: Expr): Expr => {
  const positive = m.gt(u, 0);
  return m.add(m.select(positive, 0, m.neg(u)), m.log1p(m.exp(m.select(positive, m.neg(u), u))));
};
/** The same of the probability σ(x), positive targets weighing z: (1 − y) x + (1 + (z − 1) y) log(1 + e⁻ˣ). */
export const binaryCrossEntropyWithLogits = of3(
  'binaryCrossEntropyWithLogits',
  () => m.add(m.mul(m.sub(1, y), x), m.mul(m.add(1, m.mul(m.sub(z, 1), y)), softplusOfMinus(x))),
  (t, [u, target, weight]) => {
    const s = softplusOfMinus(u);
    const w = m.add(1, m.mul(m.sub(weight, 1), target));
    return [
      m.mul(t, m.sub(m.sub(1, target), m.mul(w, m.sigmoid(m.neg(u))))),
      m.mul(t, m.sub(m.mul(m.sub(weight, 1), s), u)),
      m.mul(t, m.mul(target, s)),
    ];
  },
);

/** log(1 + e^(−x y)) for targets of ±1. */
export const softMargin = of2(
  'softMargin',
  () => m.log1p(m.exp(m.neg(m.mul(x, y)))),
  (t, [a, b]) => {
    const s = m.mul(m.neg(t), m.sigmoid(m.neg(m.mul(a, b))));
    return [m.mul(s, b), m.mul(s, a)];
  },
);
