/** TensorFlow.js on its WebAssembly backend, on one thread. */
import * as tf from '@tensorflow/tfjs';
import { setThreadsCount } from '@tensorflow/tfjs-backend-wasm';
import { MLPS, report, SIZES, shapeOfRows } from './measure.js';

setThreadsCount(1);
await tf.setBackend('wasm');
await tf.ready();

const cases = {
  'seed example, forward + backward': () => {
    const gradient = tf.grad((x) => tf.dot(x, x).mul(2));
    const x = tf.tensor1d([0, 1, 2, 3]);
    return () => gradient(x).dispose();
  },
};

const vector = (f) => (n) => {
  const x = tf.abs(tf.randomNormal([n]));
  return () => f(x).dispose();
};
const pair = (f) => (n) => {
  const [a, b] = [tf.randomNormal([n]), tf.randomNormal([n])];
  return () => f(a, b).dispose();
};
const operations = {
  add: pair(tf.add),
  mul: pair(tf.mul),
  sum: vector((x) => tf.sum(x)),
  mean: vector((x) => tf.mean(x)),
  max: vector((x) => tf.max(x)),
  softmax: (n) => {
    const x = tf.randomNormal(shapeOfRows(n));
    return () => tf.softmax(x, 1).dispose();
  },
  cumsum: vector((x) => tf.cumsum(x)),
  tanh: vector(tf.tanh),
  exp: vector(tf.exp),
  log: vector(tf.log),
  sin: vector(tf.sin),
  sigmoid: vector(tf.sigmoid),
};
for (const [name, make] of Object.entries(operations))
  for (const [size, n] of Object.entries(SIZES)) cases[`${name} ${size}`] = () => make(n);

for (const n of [64, 128, 256, 512, 1024]) {
  cases[`matmul ${n} float32`] = cases[`matmul ${n} float32, generated kernels`] = () => {
    const [a, b] = [tf.randomNormal([n, n]), tf.randomNormal([n, n])];
    return () => tf.matMul(a, b).dispose();
  };
}

const optimisers = { SGD: () => tf.train.sgd(0.01), Adam: () => tf.train.adam(1e-3) };
for (const [hidden, batch] of MLPS)
  for (const [name, make] of Object.entries(optimisers))
    cases[`MLP 784-${hidden}-10, batch ${batch}, ${name} step`] = () => {
      const x = tf.randomNormal([batch, 784]);
      const y = tf.oneHot(tf.randomUniformInt([batch], 0, 10), 10);
      const w1 = tf.variable(tf.randomUniform([784, hidden], -0.03, 0.03));
      const b1 = tf.variable(tf.zeros([hidden]));
      const w2 = tf.variable(tf.randomUniform([hidden, 10], -0.03, 0.03));
      const b2 = tf.variable(tf.zeros([10]));
      const optimiser = make();
      const loss = () => tf.losses.softmaxCrossEntropy(y, x.matMul(w1).add(b1).relu().matMul(w2).add(b2));
      return () => optimiser.minimize(loss);
    };

await report(tf.version.tfjs, cases);
