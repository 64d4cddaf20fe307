/** jax-js on its WebAssembly backend, with the functions compiled by `jit`, as its users are told to. */
import { readFileSync } from 'node:fs';
import { defaultDevice, grad, init, jit, nn, numpy as np, random } from '@jax-js/jax';
import { MLPS, report, SIZES, shapeOfRows } from './measure.js';

// The package does not export its package.json.
const { version } = JSON.parse(
  readFileSync(new URL('../node_modules/@jax-js/jax/package.json', import.meta.url), 'utf8'),
);
await init('wasm');
defaultDevice('wasm');

let keys = 0;
const normal = (shape) => random.normal(random.key(keys++), shape);

/** Runs a compiled function on operands that stay, until the result is there. */
async function run(f, ...xs) {
  const y = f(...xs.map((x) => x.ref));
  await y.blockUntilReady();
  y.dispose();
}

const cases = {
  'seed example, forward + backward': () => {
    const gradient = jit(grad((x) => np.dot(x.ref, x).mul(2)));
    const x = np.array([0, 1, 2, 3]);
    return () => run(gradient, x);
  },
};

const vector = (f) => (n) => {
  const [x, g] = [np.abs(normal([n])), jit(f)];
  return () => run(g, x);
};
const pair = (f) => (n) => {
  const [a, b, g] = [normal([n]), normal([n]), jit(f)];
  return () => run(g, a, b);
};
const operations = {
  add: pair((a, b) => a.add(b)),
  mul: pair((a, b) => a.mul(b)),
  sum: vector((x) => x.sum()),
  mean: vector((x) => x.mean()),
  max: vector((x) => np.max(x)),
  softmax: (n) => {
    const [x, g] = [normal(shapeOfRows(n)), jit((x) => nn.softmax(x, 1))];
    return () => run(g, x);
  },
  tanh: vector((x) => np.tanh(x)),
  gelu: vector((x) => nn.gelu(x, { approximate: false })),
  exp: vector((x) => np.exp(x)),
  log: vector((x) => np.log(x)),
  sin: vector((x) => np.sin(x)),
  sigmoid: vector((x) => nn.sigmoid(x)),
};
for (const [name, make] of Object.entries(operations))
  for (const [size, n] of Object.entries(SIZES)) cases[`${name} ${size}`] = () => make(n);

for (const n of [64, 128, 256, 512, 1024]) {
  cases[`matmul ${n} float32`] = cases[`matmul ${n} float32, generated kernels`] = () => {
    const [a, b, g] = [normal([n, n]), normal([n, n]), jit((a, b) => np.matmul(a, b))];
    return () => run(g, a, b);
  };
}

for (const [hidden, batch] of MLPS)
  cases[`MLP 784-${hidden}-10, batch ${batch}, SGD step`] = () => {
    const x = normal([batch, 784]);
    const y = nn.oneHot(
      np.array(
        Array.from({ length: batch }, (_, i) => i % 10),
        { dtype: np.int32 },
      ),
      10,
    );
    let parameters = [
      normal([784, hidden]).mul(0.03),
      np.zeros([hidden]),
      normal([hidden, 10]).mul(0.03),
      np.zeros([10]),
    ];
    const loss = ([w1, b1, w2, b2], x, y) => {
      const logits = np.matmul(nn.relu(np.matmul(x, w1).add(b1)), w2).add(b2);
      return nn
        .logSoftmax(logits, 1)
        .mul(y)
        .sum()
        .mul(-1 / batch);
    };
    const step = jit((p, x, y) => {
      const g = grad(loss)(
        p.map((q) => q.ref),
        x,
        y,
      );
      return p.map((q, i) => q.sub(g[i].mul(0.01)));
    });
    return async () => {
      parameters = step(parameters, x.ref, y.ref);
      await Promise.all(parameters.map((p) => p.blockUntilReady()));
    };
  };

await report(version, cases);
