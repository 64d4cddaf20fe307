/** Optimisers whose update of a parameter is one kernel. */
import { elementwise, noGrad, type Scalar, type Tensor, zerosLike } from 'nabla';
import type { Training } from './layers.ts';

/** Makes the step of a training: forward, backward, update. */
type Optimiser = (training: Training) => () => void;

/** p ← p − η g */
export const sgd =
  (rate: number): Optimiser =>
  ({ parameters, loss }) =>
  () => {
    loss(parameters).backward();
    noGrad(() => {
      for (const p of parameters) {
        const g = p.grad as Tensor;
        p.sub_(g, { alpha: rate });
        // What is kept is not allocated anew: in a loop that never yields nothing else is as cheap.
        g.zero_();
      }
    });
  };

const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8];

/**
 * m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², p ← (1 − η λ) p − η′ m / (√(v c) + ε): the corrections
 * of the moments, η′ = η / (1 − β₁ᵗ) and c = 1 / (1 − β₂ᵗ), come as numbers (Kingma and Ba 2015;
 * decoupled decay: Loshchilov and Hutter 2019).
 */
const adamUpdate = elementwise(
  (p: Scalar, g: Scalar, m: Scalar, v: Scalar, decay: Scalar, rate: Scalar, correction: Scalar) => {
    const m1 = m.mul(BETA1).add(g.mul(1 - BETA1));
    const v1 = v.mul(BETA2).add(g.square().mul(1 - BETA2));
    const step = m1.div(v1.mul(correction).sqrt().add(EPSILON));
    return [p.mul(decay).sub(step.mul(rate)), m1, v1] as const;
  },
  'adam',
);

export const adamW =
  (rate: number, weightDecay: number): Optimiser =>
  ({ parameters, loss }) => {
    const first: Tensor[] = parameters.map((p) => zerosLike(p) as Tensor);
    const second: Tensor[] = parameters.map((p) => zerosLike(p) as Tensor);
    let t = 0;
    return () => {
      loss(parameters).backward();
      t += 1;
      const step = rate / (1 - BETA1 ** t);
      const correction = 1 / (1 - BETA2 ** t);
      noGrad(() => {
        for (const [i, p] of parameters.entries()) {
          const [g, m, v] = [p.grad, first[i], second[i]] as [Tensor, Tensor, Tensor];
          adamUpdate.into([p, m, v], p, g, m, v, 1 - rate * weightDecay, step, correction);
          g.zero_();
        }
      });
    };
  };

export const adam = (rate: number): Optimiser => adamW(rate, 0);
