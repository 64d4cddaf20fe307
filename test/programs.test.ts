/**
 * Whole programs as users write them: their losses are those of the same programs in PyTorch, from the same
 * seed, and no others on two threads.
 */
import {
  autograd,
  cat,
  crossEntropy,
  einsum,
  eye,
  functional as F,
  getNumThreads,
  grad,
  linalg,
  manualSeed,
  noGrad,
  ones,
  rand,
  randint,
  randn,
  setNumThreads,
  softmax,
  stack,
  type Tensor,
  tensor,
  valueAndGrad,
  vmap,
  zeros,
  zerosLike,
} from 'nabla';
import { afterEach, expect, test } from 'vitest';

const f64 = { dtype: 'float64' } as const;
const STEPS = 12;

type Step = () => Tensor;

const parameter = (shape: readonly number[], scale = 1): Tensor =>
  randn(shape, f64).mul(scale).detach().requiresGrad_();
const linear = (i: number, o: number): Tensor[] => [parameter([o, i], 1 / Math.sqrt(i)), parameter([o], 0.1)];
const raised = (n: number): Tensor => ones([n], f64).requiresGrad_();

function mlp(layers: readonly Tensor[], input: Tensor, act: (t: Tensor) => Tensor): Tensor {
  let x = input;
  for (let i = 0; i < layers.length; i += 2) {
    x = F.linear(x, layers[i]!, layers[i + 1]!);
    if (i + 2 < layers.length) x = act(x);
  }
  return x;
}
const relu = (t: Tensor): Tensor => t.relu();
const leaky = (t: Tensor): Tensor => F.leakyRelu(t, { negativeSlope: 0.2 });

function sgd(parameters: readonly Tensor[], lr: number): () => void {
  return () =>
    noGrad(() => {
      for (const p of parameters) p.sub_(p.grad!, { alpha: lr });
      for (const p of parameters) p.grad = null;
    });
}

/** Adam as the formulas have it, every moment a new tensor. */
function adam(parameters: readonly Tensor[], lr: number, b1 = 0.9): () => void {
  const m = parameters.map((p): Tensor => zerosLike(p));
  const v = parameters.map((p): Tensor => zerosLike(p));
  let t = 0;
  return () => {
    t++;
    noGrad(() =>
      parameters.forEach((p, i) => {
        const g: Tensor = p.grad!;
        m[i] = m[i]!.mul(b1).add(g.mul(1 - b1));
        v[i] = v[i]!.mul(0.999).add(g.mul(g).mul(0.001));
        const mean = m[i]!.div(1 - b1 ** t);
        const square = v[i]!.div(1 - 0.999 ** t);
        p.sub_(mean.mul(lr).div(square.sqrt().add(1e-8)));
        p.grad = null;
      }),
    );
  };
}

const training = (loss: Step, update: () => void): Step => {
  return () => {
    const l = loss();
    l.backward();
    update();
    return l;
  };
};

function transformerWithDropout(): Step {
  const [batch, T, d, heads] = [8, 64, 128, 4];
  const x = randint(0, 200, [batch, T]);
  const y = randint(0, 200, [batch, T]);
  const [words, places, out] = [parameter([200, d], 0.1), parameter([T, d], 0.1), parameter([200, d], 0.1)];
  const blocks = [0, 1].map(() => [
    ...[linear(d, 3 * d), linear(d, d), linear(d, 4 * d), linear(4 * d, d)].flat(),
    ...[raised(d), parameter([d], 0), raised(d), parameter([d], 0)],
  ]);
  const all = [words, places, out, ...blocks.flat()];
  const future = ones([T, T]).tril().eq(0);
  const drop = (t: Tensor): Tensor => F.dropout(t, { p: 0.1 });
  const loss = (): Tensor => {
    let h: Tensor = drop(F.embedding(x, words).add(places) as Tensor);
    for (const [w, b, wo, bo, w1, b1, w2, b2, g1, c1, g2, c2] of blocks) {
      const qkv: Tensor = F.linear(F.layerNorm(h, [d], { weight: g1, bias: c1 }), w!, b);
      const [q, k, v] = qkv
        .split(d, -1)
        .map((t: Tensor): Tensor => t.view([batch, T, heads, d / heads]).transpose(1, 2));
      const scores: Tensor = q!.matmul(k!.transpose(-2, -1)).mul(1 / Math.sqrt(d / heads));
      const a = drop(softmax(scores.maskedFill(future, -Infinity), -1));
      h = h.add(drop(F.linear(a.matmul(v!).transpose(1, 2).reshape([batch, T, d]) as Tensor, wo!, bo)));
      const hidden = F.gelu(F.linear(F.layerNorm(h, [d], { weight: g2, bias: c2 }), w1!, b1));
      h = h.add(drop(F.linear(hidden, w2!, b2)));
    }
    return crossEntropy(F.linear(h, out).view([-1, 200]) as Tensor, y.view([-1]));
  };
  return training(loss, adam(all, 1e-3));
}

function gatedRecurrence(): Step {
  const x: Tensor = randn([30, 32, 64], f64);
  const [w, u, o] = [linear(64, 384), linear(128, 384), linear(128, 10)];
  const y = randint(0, 10, [32]);
  const all = [w, u, o].flat();
  const loss = (): Tensor => {
    let h: Tensor = zeros([32, 128], f64);
    for (let t = 0; t < 30; t++) {
      const [ri, zi, ni] = F.linear(x.select(0, t) as Tensor, w[0]!, w[1]).chunk(3, 1) as Tensor[];
      const [rh, zh, nh] = F.linear(h, u[0]!, u[1]).chunk(3, 1) as Tensor[];
      const r: Tensor = ri!.add(rh!).sigmoid();
      const z: Tensor = zi!.add(zh!).sigmoid();
      const n: Tensor = ni!.add(r.mul(nh!)).tanh();
      h = n.add(z.mul(h.sub(n)));
    }
    return crossEntropy(F.linear(h, o[0]!, o[1]), y);
  };
  return training(loss, adam(all, 1e-3));
}

function residualNetwork(): Step {
  const x: Tensor = randn([16, 3, 32, 32], f64);
  const y = randint(0, 10, [16]);
  const all: Tensor[] = [];
  const layer = (i: number, o: number, k: number, options: { padding?: number; stride?: number }) => {
    const w = parameter([o, i, k, k], 1 / Math.sqrt(i * k * k));
    const [weight, bias, mean, variance] = [raised(o), parameter([o], 0), zeros([o], f64), ones([o], f64)];
    all.push(w, weight, bias);
    return (t: Tensor): Tensor =>
      F.batchNorm(F.conv2d(t, w, null, options) as Tensor, mean, variance, { weight, bias, training: true });
  };
  const stem = layer(3, 16, 3, { padding: 1 });
  const [a1, a2] = [layer(16, 16, 3, { padding: 1 }), layer(16, 16, 3, { padding: 1 })];
  const [b1, b2] = [layer(16, 32, 3, { padding: 1, stride: 2 }), layer(32, 32, 3, { padding: 1 })];
  const short = layer(16, 32, 1, { stride: 2 });
  const out = linear(32, 10);
  all.push(...out);
  const loss = (): Tensor => {
    let h = stem(x).relu();
    h = a2(a1(h).relu()).add(h).relu();
    h = b2(b1(h).relu()).add(short(h)).relu();
    return crossEntropy(F.linear(h.mean([2, 3]) as Tensor, out[0]!, out[1]), y);
  };
  return training(loss, sgd(all, 0.05));
}

function kalmanFilters(): Step {
  const [batch, n, m] = [64, 4, 2];
  const [f, h, q, r] = [parameter([n, n], 0.3), parameter([m, n], 0.5), parameter([n], 0.1), parameter([m], 0.1)];
  const seen: Tensor = randn([20, batch, m], f64);
  const loss = (): Tensor => {
    let x: Tensor = zeros([batch, n, 1], f64);
    let c: Tensor = eye(n, f64).expand([batch, n, n]);
    let l: Tensor | number = 0;
    const [process, noise] = [q.exp().diagEmbed() as Tensor, r.exp().diagEmbed() as Tensor];
    for (let t = 0; t < 20; t++) {
      x = f.matmul(x);
      c = f.matmul(c).matmul(f.t()).add(process);
      const y: Tensor = seen.select(0, t).unsqueeze(-1).sub(h.matmul(x));
      const s: Tensor = h.matmul(c).matmul(h.t()).add(noise);
      const gain: Tensor = linalg.solve(s, h.matmul(c) as Tensor).mT;
      x = x.add(gain.matmul(y));
      c = eye(n, f64).sub(gain.matmul(h)).matmul(c);
      const fit: Tensor = y.mT.matmul(linalg.solve(s, y)).sum();
      l = fit.add(linalg.slogdet(s).logabsdet.sum()).add(l);
    }
    return (l as Tensor).div(batch);
  };
  return training(loss, sgd([f, h, q, r], 1e-3));
}

function wassersteinGan(): Step {
  const generator = [linear(16, 128), linear(128, 128), linear(128, 2)].flat();
  const critic = [linear(2, 128), linear(128, 128), linear(128, 1)].flat();
  const x: Tensor = randn([128, 2], f64);
  const [updateGenerator, updateCritic] = [adam(generator, 1e-4, 0.5), adam(critic, 1e-4, 0.5)];
  return () => {
    const fake = noGrad(() => mlp(generator, randn([128, 16], f64), relu));
    const e: Tensor = rand([128, 1], f64);
    const between: Tensor = e.mul(x).add(e.neg().add(1).mul(fake)).requiresGrad_();
    const [g] = autograd.grad(mlp(critic, between, leaky).sum(), [between], { createGraph: true });
    const penalty: Tensor = (g as Tensor).norm(2, 1).sub(1).square().mean().mul(10);
    const ofCritic: Tensor = mlp(critic, fake, leaky)
      .mean()
      .sub(mlp(critic, x, leaky).mean())
      .add(penalty);
    ofCritic.backward();
    updateCritic();
    const ofGenerator: Tensor = mlp(critic, mlp(generator, randn([128, 16], f64), relu), leaky)
      .mean()
      .neg();
    ofGenerator.backward();
    updateGenerator();
    for (const p of critic) p.grad = null;
    return ofCritic.add(ofGenerator);
  };
}

function metaLearning(): Step {
  const start = [linear(1, 40), linear(40, 40), linear(40, 1)].flat();
  const xs: Tensor = randn([16, 10, 1], f64);
  const others: Tensor = randn([16, 10, 1], f64);
  const loss = (p: Tensor[], x: Tensor, y: Tensor): Tensor => F.mseLoss(mlp(p, x, relu), y);
  const meta = (p: Tensor[]): Tensor =>
    vmap((x: Tensor, y: Tensor, a: Tensor, b: Tensor): Tensor => {
      const g = grad(loss)(p, x, y) as Tensor[];
      return loss(
        p.map((w, i): Tensor => w.sub(g[i]!.mul(0.01))),
        a,
        b,
      );
    })(xs, xs.sin(), others, others.sin()).mean();
  let now = start.map((p): Tensor => p.detach());
  return () => {
    const [value, g] = valueAndGrad(meta)(now) as [Tensor, Tensor[]];
    now = now.map((p, i): Tensor => p.sub(g[i]!.mul(0.001)));
    return value;
  };
}

function limitedMemoryBfgs(): Step {
  const x: Tensor = randn([100, 10], f64);
  const y: Tensor = randn([100, 1], f64);
  const layers = [linear(10, 20), linear(20, 1)].flat();
  let w: Tensor = cat(layers.map((p) => p.detach().flatten() as Tensor));
  const loss = (v: Tensor): Tensor => {
    const parts = v.split(layers.map((p) => p.count)) as Tensor[];
    const unpacked = parts.map((t, i): Tensor => t.view(layers[i]!.shape));
    return F.mseLoss(
      mlp(unpacked, x, (t) => t.tanh()),
      y,
    );
  };
  const steps: { s: Tensor; d: Tensor; a: Tensor }[] = [];
  let last: { g: Tensor; w: Tensor } | null = null;
  return () => {
    const v = w.detach().requiresGrad_();
    const l = loss(v);
    const [g] = autograd.grad(l, [v]) as [Tensor];
    if (last !== null) {
      const [s, d] = [w.sub(last.w) as Tensor, g.sub(last.g) as Tensor];
      if (s.dot(d).item() > 1e-10) steps.push({ s, d, a: s });
      if (steps.length > 8) steps.shift();
    }
    let q = g;
    for (const step of [...steps].reverse()) {
      step.a = step.s.dot(q).div(step.d.dot(step.s));
      q = q.sub(step.a.mul(step.d));
    }
    const newest = steps.at(-1);
    if (newest !== undefined) q = q.mul(newest.s.dot(newest.d).div(newest.d.dot(newest.d)));
    for (const { s, d, a } of steps) q = q.add(s.mul(a.sub(d.dot(q).div(d.dot(s)))));
    last = { g, w };
    w = w.sub(q.mul(0.1));
    return l;
  };
}

function softAlignment(): Step {
  const x = parameter([16, 2]);
  const y: Tensor = randn([16, 2], f64);
  const loss = (): Tensor => {
    const d: Tensor = x.unsqueeze(1).sub(y.unsqueeze(0)).square().sum(-1);
    const far: Tensor = tensor(1e8, f64);
    let above: Tensor[] = [tensor(0, f64), ...Array.from({ length: 16 }, () => far)];
    for (let i = 0; i < 16; i++) {
      const row = [far];
      for (let j = 0; j < 16; j++) {
        const ways: Tensor = stack([above[j]!, above[j + 1]!, row[j]!]);
        row.push(d.at(i, j).sub(ways.neg().logsumexp(0)));
      }
      above = row;
    }
    return above[16]!;
  };
  return training(loss, sgd([x], 0.01));
}

function wordVectors(): Step {
  const [words, contexts] = [parameter([10000, 100], 0.1), parameter([10000, 100], 0.1)];
  const [c, p, n] = [randint(0, 10000, [512]), randint(0, 10000, [512]), randint(0, 10000, [512, 10])];
  const loss = (): Tensor => {
    const v: Tensor = F.embedding(c, words);
    const near: Tensor = F.logsigmoid(v.mul(F.embedding(p, contexts)).sum(1) as Tensor);
    const far = F.logsigmoid((einsum('bnd,bd->bn', F.embedding(n, contexts), v) as Tensor).neg()).sum(1);
    return near.add(far).mean().neg();
  };
  return training(loss, sgd([words, contexts], 0.01));
}

/** The first and the last loss in PyTorch 1.13, seed 0, float64. */
const programs: [name: string, program: () => Step, first: number, last: number][] = [
  ['a transformer with dropout', transformerWithDropout, 6.167636437828959, 3.166680146668916],
  ['a gated recurrent network', gatedRecurrence, 2.2960975902758287, 1.0161477767821607],
  ['a residual network', residualNetwork, 2.35378568329207, 2.0843924996172745],
  ['Kalman filters', kalmanFilters, 52.01173761043079, 46.27208266239192],
  ['a Wasserstein GAN with gradient penalty', wassersteinGan, 1.3945778603213714, 0.18107274299745701],
  ['model-agnostic meta-learning', metaLearning, 0.31195427463434544, 0.2686771250174711],
  ['L-BFGS', limitedMemoryBfgs, 1.543089103379384, 1.1130389091450377],
  ['soft dynamic time warping', softAlignment, 47.592561223129366, 33.81854444135432],
  ['word vectors', wordVectors, 7.631594442649062, 7.630411283109773],
];

const threadsBefore = getNumThreads();
afterEach(() => setNumThreads(threadsBefore));

function losses(program: () => Step, threads: number): number[] {
  setNumThreads(threads);
  manualSeed(0);
  const step = program();
  return Array.from({ length: STEPS }, () => step().item());
}

test.each(programs)('%s', (_, program, first, last) => {
  const found = losses(program, 1);
  expect(Math.abs(found[0]! / first - 1)).toBeLessThan(1e-9);
  expect(Math.abs(found[STEPS - 1]! / last - 1)).toBeLessThan(1e-9);
  expect(losses(program, 2)).toEqual(found);
});
