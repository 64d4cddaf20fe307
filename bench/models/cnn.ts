/** A convolutional network on images of 28 × 28: 1 → 16 → 32 channels, each with ReLU and pooling, and a linear layer. */
import { crossEntropy, functional as F, randint, randn, type Tensor } from 'nabla';
import { bias, seeded, type Training, weight } from './layers.ts';

function cnn(parameters: readonly Tensor[], x: Tensor): Tensor {
  const [k1, b1, k2, b2, w, b] = parameters as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
  const h1: Tensor = F.maxPool2d(F.conv2d(x, k1, b1, { padding: 1 }).relu(), 2);
  const h2: Tensor = F.maxPool2d(F.conv2d(h1, k2, b2, { padding: 1 }).relu(), 2);
  return F.linear(h2.reshape([x.shape[0] as number, -1]), w, b);
}

export function cnnTraining(batch: number): Training {
  return seeded(() => {
    const x: Tensor = randn([batch, 1, 28, 28]);
    const y: Tensor = randint(0, 10, [batch]);
    const features = 32 * 7 * 7;
    return {
      parameters: [
        weight([16, 1, 3, 3], 9),
        bias(16),
        weight([32, 16, 3, 3], 16 * 9),
        bias(32),
        weight([10, features], features),
        bias(10),
      ],
      loss: (parameters) => crossEntropy(cnn(parameters, x), y),
    };
  });
}
