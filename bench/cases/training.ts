/** Whole steps of training, and what transforms make of models. */
import { crossEntropy, grad, hessian, randint, randn, type Tensor, vmap } from 'nabla';
import { type Case, ofPyTorch, onTwoThreads } from '../case.ts';
import { cnnTraining } from '../models/cnn.ts';
import { gptTraining } from '../models/gpt.ts';
import { lstmTraining } from '../models/lstm.ts';
import { mlp, mlpParameters, mlpTraining } from '../models/mlp.ts';
import { adam, adamW, sgd } from '../models/optimisers.ts';
import { onlyGenerated } from './matmul.ts';

const gpt = { batch: 16, length: 64, width: 128, layers: 4, heads: 4, vocabulary: 65 };
const gptStep = (): (() => void) => adamW(1e-3, 0.01)(gptTraining(gpt));

const small = { inputs: 784, hidden: 128, outputs: 10, batch: 64 };

const models: Readonly<Record<string, () => () => unknown>> = {
  'MLP 784-128-10, batch 64, SGD step': () => sgd(0.01)(mlpTraining(64, 784, 128, 10)),
  'MLP 784-128-10, batch 64, Adam step': () => adam(1e-3)(mlpTraining(64, 784, 128, 10)),
  'MLP 784-512-10, batch 128, SGD step': () => sgd(0.01)(mlpTraining(128, 784, 512, 10)),
  'MLP 784-512-10, batch 128, Adam step': () => adam(1e-3)(mlpTraining(128, 784, 512, 10)),
  'CNN 1-16-32 on 28×28, batch 64, SGD step': () => sgd(0.01)(cnnTraining(64)),
  'GPT 4 blocks of width 128, batch 16×64, AdamW step': gptStep,
  'LSTM 2×128, batch 32×64, SGD step': () => sgd(0.01)(lstmTraining(2, 128, 64, 32)),
};

// Before three seconds a step of the small models is still getting faster, by a quarter in all.
const steps = Object.entries(models).map(
  ([name, setup]): Case => ({ name, unit: 'ms', work: 1, minCalls: 5, warmUps: 6, goals: [ofPyTorch(1)], setup }),
);

/** What steps without a BLAS may take of the time of PyTorch's, which has one. */
const WITHOUT = { 'MLP 784-128-10, batch 64, SGD': 2.2, 'MLP 784-512-10, batch 128, SGD': 2.2, GPT: 2 };

const generated = Object.entries(WITHOUT).flatMap(([start, times]) =>
  steps
    .filter(({ name }) => name.startsWith(start))
    .map((c): Case => {
      const name = `${c.name}, generated kernels`;
      return { ...c, name, goals: [ofPyTorch(times)], setup: onlyGenerated(c.setup) };
    }),
);

/** A function of a hundred parameters: a chain of Rosenbrock's valleys. */
function rosenbrock(x: Tensor): Tensor {
  const [a, b]: [Tensor, Tensor] = [x.slice(0, 0, -1), x.slice(0, 1)];
  return b.sub(a.square()).square().mul(100).add(a.neg().add(1).square()).sum();
}

const transforms: readonly Case[] = [
  {
    name: 'gradients of each of 64 examples, MLP 784-128-10',
    unit: 'ms',
    work: 1,
    minCalls: 5,
    warmUps: 6,
    goals: [ofPyTorch(1)],
    setup: () => {
      const parameters = mlpParameters(small.inputs, small.hidden, small.outputs).map((p): Tensor => p.detach());
      const x: Tensor = randn([small.batch, small.inputs]);
      const y: Tensor = randint(0, small.outputs, [small.batch]);
      const loss = (p: Tensor[], xi: Tensor, yi: Tensor): Tensor =>
        crossEntropy(mlp(p, xi.unsqueeze(0)), yi.unsqueeze(0));
      const gradients = vmap(grad(loss), { inDims: [null, 0, 0] });
      return () => gradients(parameters, x, y);
    },
  },
  {
    name: 'Hessian of a function of 100 parameters',
    unit: 'ms',
    work: 1,
    warmUps: 6,
    goals: [ofPyTorch(1)],
    setup: () => {
      const x: Tensor = randn([100]);
      const h = hessian(rosenbrock);
      return () => h(x);
    },
  },
];

const memory: readonly Case[] = (['process', 'above import'] as const).map((memory) => ({
  name: `peak memory of the GPT steps, ${memory}`,
  unit: 'MB',
  work: 1,
  memory,
  goals: [ofPyTorch(1.2)],
  setup: gptStep,
}));

export const training: readonly Case[] = [
  ...steps,
  ...generated,
  ...transforms,
  ...memory,
  ...onTwoThreads(steps, ({ name }) => !name.startsWith('MLP 784-128-10')),
];
