import { ArgumentError } from '../core/errors.ts';
import { exp } from './libm/exp.ts';
import { log } from './libm/log.ts';
import type { MersenneTwister } from './mt19937.ts';

/**
 * How many uniforms it takes until their product is below e^−λ, or for λ ≥ 10 Hörmann's transformed rejection ("The
 * transformed rejection method for generating Poisson random variables", 1993).
 */
export function poisson(engine: MersenneTwister, rate: number): number {
  if (!(rate >= 0))
    throw new ArgumentError(`poisson: invalid Poisson rate, expected rate to be non-negative, got ${rate}`);
  if (rate === Number.POSITIVE_INFINITY) throw new ArgumentError('poisson: invalid Poisson rate: it is infinite');
  if (rate < 10) {
    const least = exp(-rate);
    let n = 0;
    if (rate > 0) for (let product = engine.uniform53(); product > least; product *= engine.uniform53()) n++;
    return n;
  }
  const root = Math.sqrt(rate);
  const b = 0.931 + 2.53 * root;
  const a = -0.059 + 0.02483 * b;
  const inverse = log(1.1239 + 1.1328 / (b - 3.4));
  const accepted = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const u = engine.uniform53() - 0.5;
    const v = engine.uniform53();
    const rest = 0.5 - Math.abs(u);
    const k = Math.floor(((2 * a) / rest + b) * u + rate + 0.43);
    if (rest >= 0.07 && v <= accepted) return k;
    if (k < 0 || (rest < 0.013 && v > rest)) continue;
    if (log(v) + inverse - log(a / (rest * rest) + b) <= k * log(rate) - rate - logFactorial(k)) return k;
  }
}

/** log n!, by Stirling's series from 20 on. */
function logFactorial(n: number): number {
  if (n < 20) {
    let product = 1;
    for (let k = 2; k <= n; k++) product *= k;
    return log(product);
  }
  const x = n + 1;
  return (x - 0.5) * log(x) - x + 0.5 * log(2 * Math.PI) + (1 / 12 - (1 / 360 - 1 / 1260 / (x * x)) / (x * x)) / x;
}
