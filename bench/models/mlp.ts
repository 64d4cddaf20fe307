/** A multilayer perceptron on vectors, one hidden layer with ReLU. */
import { crossEntropy, functional as F, randint, randn, type Tensor } from 'nabla';
import { bias, seeded, type Training, weight } from './layers.ts';

export function mlp(parameters: readonly Tensor[], x: Tensor): Tensor {
  const [w1, b1, w2, b2] = parameters as [Tensor, Tensor, Tensor, Tensor];
  return F.linear(F.linear(x, w1, b1).relu(), w2, b2);
}

export const mlpParameters = (inputs: number, hidden: number, outputs: number): Tensor[] => [
  weight([hidden, inputs], inputs),
  bias(hidden),
  weight([outputs, hidden], hidden),
  bias(outputs),
];

export function mlpTraining(batch: number, inputs: number, hidden: number, outputs: number): Training {
  return seeded(() => {
    const x: Tensor = randn([batch, inputs]);
    const y: Tensor = randint(0, outputs, [batch]);
    return {
      parameters: mlpParameters(inputs, hidden, outputs),
      loss: (parameters) => crossEntropy(mlp(parameters, x), y),
    };
  });
}
