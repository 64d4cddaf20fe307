/** Whole trainings under caches that hold a part of one step, against the same with room for all of it: the same bits. */
import { checkpoint, setCacheLimit, type Tensor } from 'nabla';
import { cnnTraining } from '../../models/cnn.ts';
import { gptTraining } from '../../models/gpt.ts';
import type { Training } from '../../models/layers.ts';
import { lstmTraining } from '../../models/lstm.ts';
import { mlpTraining } from '../../models/mlp.ts';
import { adamW, sgd } from '../../models/optimisers.ts';
import type { Scenario, Soak } from '../scenario.ts';
import { MB } from '../verdict.ts';
import { kb } from '../world/program.ts';

const checkpointed = (training: Training): Training => ({
  parameters: training.parameters,
  loss: (parameters) => checkpoint((...all: Tensor[]) => training.loss(all), ...parameters),
});

const gpt = (): Training => gptTraining({ batch: 2, length: 16, width: 64, layers: 2, heads: 4, vocabulary: 65 });

const trainings: Readonly<Record<string, () => Training>> = {
  MLP: () => mlpTraining(64, 128, 256, 10),
  CNN: () => cnnTraining(2),
  GPT: gpt,
  'GPT, checkpointed': () => checkpointed(gpt()),
  LSTM: () => lstmTraining(2, 32, 8, 8),
};

const optimisers = { SGD: sgd(0.05), AdamW: adamW(1e-3, 0.01) };

/** Steps of one training. */
const EACH = 4;

function parametersAfter(make: () => Training, optimiser: (t: Training) => () => void): ArrayLike<number>[] {
  const training = make();
  const step = optimiser(training);
  for (let i = 0; i < EACH; i++) step();
  return training.parameters.map((p) => p.detach().toTypedArray());
}

function run(soak: Soak): void {
  const all = Object.entries(trainings).flatMap(([model, make]) =>
    Object.entries(optimisers).map(([name, optimiser]) => ({ name: `${model} with ${name}`, make, optimiser })),
  );
  setCacheLimit(256 * MB);
  const expected = all.map(({ make, optimiser }) => parametersAfter(make, optimiser));
  const caches = [0, kb(256), 2 * MB];
  for (let step = 0; step < soak.steps; step++) {
    const { name, make, optimiser } = all[step % all.length] as (typeof all)[number];
    const cache = caches[Math.floor(step / all.length) % caches.length] as number;
    setCacheLimit(cache);
    for (const [i, values] of parametersAfter(make, optimiser).entries())
      soak.equal(
        `parameter ${i} of ${name} under ${cache} bytes`,
        values,
        expected[step % all.length]?.[i] as Float32Array,
      );
    soak.after(step);
  }
}

export const smallCaches: Scenario = {
  name: 'trainings under small caches',
  steps: 1200,
  shortSteps: 40,
  limits: { linear: 24, buffers: 48, resident: 96, leakedBuffers: 8 },
  run,
};
