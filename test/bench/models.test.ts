import type { Tensor } from 'nabla';
import { describe, expect, test } from 'vitest';
import { cases } from '../../bench/cases/index.ts';
import { cnnTraining } from '../../bench/models/cnn.ts';
import { gptTraining } from '../../bench/models/gpt.ts';
import type { Training } from '../../bench/models/layers.ts';
import { lstmTraining } from '../../bench/models/lstm.ts';
import { mlpTraining } from '../../bench/models/mlp.ts';
import { adam, adamW, sgd } from '../../bench/models/optimisers.ts';

const trainings: Record<string, () => Training> = {
  MLP: () => mlpTraining(16, 20, 30, 5),
  CNN: () => cnnTraining(4),
  GPT: () => gptTraining({ batch: 2, length: 8, width: 16, layers: 2, heads: 2, vocabulary: 11 }),
  LSTM: () => lstmTraining(2, 8, 5, 3),
};
const optimisers = { SGD: sgd(0.1), Adam: adam(0.01), AdamW: adamW(0.01, 0.01) };

describe('models of the benchmarks learn their batch', () => {
  for (const [model, make] of Object.entries(trainings)) {
    for (const [name, optimiser] of Object.entries(optimisers)) {
      test(`${model} with ${name}`, () => {
        const training = make();
        const loss = (): number => +training.loss(training.parameters);
        const before = loss();
        const step = optimiser(training);
        for (let i = 0; i < 10; i++) step();
        expect(loss()).toBeLessThan(0.98 * before);
        for (const p of training.parameters) {
          expect(p.isLeaf && p.requiresGrad).toBe(true);
          expect(p.grad?.countNonzero().item() ?? 0).toBe(0);
        }
      });
    }
  }

  // From torch.optim.AdamW(lr=0.1, weight_decay=0.5) on p = [1, -2] and the loss Σ p³ / 3, three steps.
  test('AdamW makes the steps of PyTorch', async () => {
    const { tensor } = await import('nabla');
    const parameters: Tensor[] = [tensor([1, -2], { requiresGrad: true })];
    const step = adamW(0.1, 0.5)({ parameters, loss: ([p]) => (p as Tensor).pow(3).sum().div(3) });
    for (let i = 0; i < 3; i++) step();
    const [a, b] = (parameters[0] as Tensor).toArray() as [number, number];
    expect(a).toBeCloseTo(0.5799095, 5);
    expect(b).toBeCloseTo(-2.0, 5);
  });
});

test('cases have names of their own, and goals refer to cases', () => {
  const names = new Set(cases.map((c) => c.name));
  expect(names.size).toBe(cases.length);
  for (const { name, goals = [] } of cases)
    for (const goal of goals) {
      // Where there is no BLAS there is nothing to compare with.
      if ('of' in goal && !goal.of.startsWith('roofline: BLAS'))
        expect([name, names.has(goal.of)]).toEqual([name, true]);
    }
});
