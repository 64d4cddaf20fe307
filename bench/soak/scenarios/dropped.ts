/** Large results that nobody keeps, in loops that never yield; and states of which some are kept. */
import { functional as F, noGrad, rand, setCacheLimit, softmax, type Tensor, tensor } from 'nabla';
import { numbers } from '../reference.ts';
import type { Scenario, Soak } from '../scenario.ts';
import { MB } from '../verdict.ts';
import { frac } from '../world/world.ts';

/** A tensor and its values, all multiples of 1/64 below 1 in size: sums and products of two are exact. */
function exact(shape: readonly number[], seed: number): readonly [Tensor, Float32Array] {
  const next = numbers(seed);
  const length = shape.reduce((p, n) => p * n, 1);
  const values = Float32Array.from({ length }, () => Math.trunc(64 * next()) / 64);
  return [tensor(values, { shape }), values];
}

/** Results of one operation after the other, each looked at in a few places and dropped. */
function results(soak: Soak): void {
  const sizes = [100_000, 250_000, 1_000_000];
  const pairs = sizes.map((n, i) => [exact([n], 2 * i), exact([n], 2 * i + 1)] as const);
  const [[m, mValues], [n, nValues]] = [exact([400, 400], 7), exact([400, 400], 8)];
  const wide: Tensor = rand([500, 500]);
  const softened = softmax(wide, 1).toTypedArray();
  const next = numbers(9);
  const at = (size: number): number => Math.floor(((next() + 1) / 2) * size);
  for (let step = 0; step < soak.steps; step++) {
    const [[a, aValues], [b, bValues]] = pairs[step % pairs.length] as (typeof pairs)[number];
    const i = at(aValues.length);
    const [x, y] = [aValues[i] as number, bValues[i] as number];
    const sum = a.add(b);
    const both = sum.mul(a).sub(b);
    soak.equal(`a sum, step ${step}`, [sum.select(0, i).item()], [x + y]);
    soak.equal(`a chain, step ${step}`, [both.select(0, i).item()], [(x + y) * x - y]);
    if (step % 4 === 0) {
      const s: Tensor = softmax(wide, 1);
      const k = at(500);
      soak.equal(
        `a row of a softmax, step ${step}`,
        s.select(0, k).toTypedArray(),
        softened.slice(500 * k, 500 * (k + 1)),
      );
      const p: Tensor = m.matmul(n);
      const [r, c] = [at(400), at(400)];
      let dot = 0;
      for (let j = 0; j < 400; j++) dot += mValues[400 * r + j]! * nValues[400 * j + c]!;
      // Sums of multiples of 2⁻¹² below 400 in size: exact in any order.
      soak.near(`an element of a product, step ${step}`, [p.select(0, r).select(0, c).item()], [dot], 0);
    }
    soak.after(step);
  }
}

/** A network that is only asked, without recording: batches of new data in, answers out. */
function inference(soak: Soak): void {
  const [[w1, v1], [w2]] = [exact([256, 128], 31), exact([128, 10], 32)];
  const answers = new Map<number, ArrayLike<number>>();
  noGrad(() => {
    for (let step = 0; step < soak.steps; step++) {
      const batch = step % 20;
      const [x, values] = exact([512, 256], 100 + batch);
      const h = F.gelu(x.matmul(w1));
      const y = softmax(h.matmul(w2), 1).toTypedArray();
      const known = answers.get(batch);
      if (known === undefined) {
        answers.set(batch, y);
        let dot = 0;
        for (let j = 0; j < 256; j++) dot += values[j]! * v1[128 * j]!;
        soak.near(`a product in batch ${batch}`, [x.matmul(w1).select(0, 0).select(0, 0).item()], [dot], 0);
      } else soak.equal(`the answer to batch ${batch}, step ${step}`, y, known);
      soak.after(step);
    }
  });
}

const STATE = 50_000;

/**
 * state ← frac(c · state + input): every step's state is a pure function of the last. Every 100th is kept
 * to the end, when plain JavaScript goes the same way.
 */
function states(soak: Soak): void {
  setCacheLimit(4 * MB, 8 * MB);
  const next = numbers(41);
  const reference = Float32Array.from({ length: STATE }, next);
  const [input, inputs] = exact([STATE], 42);
  const factors = [1.5, -2.75, 3.25];
  const every = soak.short ? 25 : 100;
  const kept: Tensor[] = [];
  let state: Tensor = tensor(reference);
  for (let step = 0; step < soak.steps; step++) {
    state = state
      .mul(factors[step % 3] as number)
      .add(input)
      .frac();
    if (step % every === 0) kept.push(state);
    soak.after(step);
  }
  for (let step = 0; step < soak.steps; step++) {
    const c = factors[step % 3] as number;
    for (let i = 0; i < STATE; i++) reference[i] = frac(Math.fround(Math.fround(reference[i]! * c) + inputs[i]!));
    if (step % every === 0) {
      soak.equal(`the state of step ${step}`, (kept[step / every] as Tensor).toTypedArray(), reference);
    }
  }
}

export const dropped: readonly Scenario[] = [
  {
    name: 'large results, dropped',
    steps: 6000,
    shortSteps: 400,
    limits: { buffers: 48, resident: 96 },
    run: results,
  },
  { name: 'inference', steps: 4000, shortSteps: 100, limits: { buffers: 48, resident: 96 }, run: inference },
  {
    name: 'states, some of them kept',
    steps: 20_000,
    shortSteps: 1500,
    // 200 states of 200 kB are kept, each with up to 64 recipes: some 25 kB of JavaScript's heap.
    limits: { buffers: 64, resident: 96, leakedBuffers: 40, leak: 6 },
    run: states,
  },
];
