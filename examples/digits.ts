/**
 * Learns to read handwritten digits from scratch: softmax regression, then a multilayer perceptron,
 * with nothing but tensors, autograd and gradient descent. Run it with `npm run digits`.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import * as Plot from '@observablehq/plot';
import { SingleBar } from 'cli-progress';
import { crossEntropy, manualSeed, noGrad, randn, randperm, type Tensor, tensor, zeros } from 'nabla';
import { writePlot } from './lib/svg.ts';

interface Data {
  readonly images: Tensor;
  readonly labels: Tensor;
}

/** Digits as rows of 64 numbers in [0, 1], and their labels. */
function load(): Data {
  const text = gunzipSync(readFileSync(new URL('./data/digits.csv.gz', import.meta.url))).toString('utf8');
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(Number));
  return {
    images: tensor(rows.map((r) => r.slice(0, 64))).div(16),
    labels: tensor(
      rows.map((r) => r[64]),
      { dtype: 'int32' },
    ),
  };
}

const pick = (d: Data, index: Tensor): Data => ({
  images: d.images.indexSelect(0, index),
  labels: d.labels.indexSelect(0, index),
});

/** A model: its parameters, and what it makes of a batch of images. */
interface Model {
  readonly name: string;
  readonly parameters: readonly Tensor[];
  logits(images: Tensor): Tensor;
}

function softmaxRegression(): Model {
  const w = zeros([64, 10], { requiresGrad: true });
  const b = zeros([10], { requiresGrad: true });
  return { name: 'softmax regression', parameters: [w, b], logits: (x) => x.matmul(w).add(b) };
}

/** 64 – 128 – 10, with weights scaled by √(2/n) for ReLU (He et al., 2015). */
function perceptron(): Model {
  const w1 = randn([64, 128])
    .mul(Math.sqrt(2 / 64))
    .requiresGrad_();
  const b1 = zeros([128], { requiresGrad: true });
  const w2 = randn([128, 10])
    .mul(Math.sqrt(2 / 128))
    .requiresGrad_();
  const b2 = zeros([10], { requiresGrad: true });
  return {
    name: 'MLP 64-128-10',
    parameters: [w1, b1, w2, b2],
    logits: (x) => x.matmul(w1).add(b1).relu().matmul(w2).add(b2),
  };
}

/** w ← w − rate · ∂loss/∂w, and gradients cleared for the next step. */
function step(parameters: readonly Tensor[], rate: number): void {
  noGrad(() => {
    for (const p of parameters) {
      if (p.grad === null) continue;
      p.sub_(p.grad, { alpha: rate });
      p.grad.zero_();
    }
  });
}

const accuracy = (model: Model, { images, labels }: Data): number =>
  noGrad(() => model.logits(images).argmax(1).eq(labels).to('float32').mean().item());

interface Run {
  readonly model: string;
  readonly step: number;
  readonly loss: number;
}

function train(model: Model, train: Data, test: Data, epochs: number, rate: number, batch: number): Run[] {
  const n = train.labels.shape[0];
  const curve: Run[] = [];
  const bar = new SingleBar({
    format: `${model.name.padEnd(18)} {bar} {value}/{total} epochs, loss {loss}`,
    noTTYOutput: false,
    hideCursor: true,
  });
  bar.start(epochs, 0, { loss: '–' });
  for (let epoch = 1; epoch <= epochs; epoch++) {
    const order = randperm(n);
    let total = 0;
    let batches = 0;
    for (let start = 0; start + batch <= n; start += batch) {
      const { images, labels } = pick(train, order.narrow(0, start, batch));
      const loss = crossEntropy(model.logits(images), labels);
      loss.backward();
      step(model.parameters, rate);
      total += loss.item();
      batches += 1;
    }
    curve.push({ model: model.name, step: epoch, loss: total / batches });
    bar.update(epoch, { loss: (total / batches).toFixed(4) });
  }
  bar.stop();
  const last = curve[curve.length - 1].loss;
  console.log(
    `${model.name}: loss ${last.toFixed(4)}, accuracy ${percent(accuracy(model, train))} on training data, ${percent(accuracy(model, test))} on test data`,
  );
  return curve;
}

const percent = (x: number): string => `${(100 * x).toFixed(2)} %`;

manualSeed(0);
const all = load();
const count = all.labels.shape[0];
const order = randperm(count);
const held = 360;
const testSet = pick(all, order.narrow(0, 0, held));
const trainSet = pick(all, order.narrow(0, held, count - held));
console.log(`${count} digits: ${count - held} to learn from, ${held} to test on`);

const started = performance.now();
const curves = [
  ...train(softmaxRegression(), trainSet, testSet, 40, 0.5, 32),
  ...train(perceptron(), trainSet, testSet, 60, 0.2, 16),
];
console.log(`${((performance.now() - started) / 1000).toFixed(1)} s`);

const file = writePlot('digits', {
  grid: true,
  color: { legend: false },
  x: { label: 'epoch' },
  y: { label: 'training loss', type: 'log' },
  marks: [
    Plot.lineY(curves, { x: 'step', y: 'loss', stroke: 'model' }),
    Plot.text(curves, Plot.selectLast({ x: 'step', y: 'loss', z: 'model', text: 'model', textAnchor: 'end', dy: -8 })),
  ],
});
console.log(`loss curves: ${file}`);
