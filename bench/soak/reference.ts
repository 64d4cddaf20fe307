/**
 * The training of a small multilayer perceptron in plain JavaScript: the numbers that the library's
 * must be, from code that shares nothing with it.
 */

export const INPUTS = 4;
export const HIDDEN = 8;
export const BATCH = 8;
export const EXAMPLES = 64;

/** The decay makes minima isolated, so that rounding does not drift along valleys. */
export const DECAY = 1e-2;

/** A generator of numbers in (−1, 1) (mulberry32). */
export function numbers(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) + 0.5) / 2 ** 31 - 1;
  };
}

/** Row after row. */
export interface Data {
  readonly x: Float64Array;
  readonly y: Float64Array;
}

/** Examples no network of this size explains, so that there is always something to learn from the next batch. */
export function examples(): Data {
  const next = numbers(1);
  const x = Float64Array.from({ length: EXAMPLES * INPUTS }, () => Math.fround(next()));
  const y = Float64Array.from({ length: EXAMPLES }, (_, i) =>
    Math.fround(Math.sin(3 * (x[INPUTS * i] as number) + (x[INPUTS * i + 1] as number)) + 0.3 * next()),
  );
  return { x, y };
}

/** w₁ [inputs, hidden], b₁ [hidden], w₂ [hidden, 1], b₂ [1]. */
export const SHAPES = [[INPUTS, HIDDEN], [HIDDEN], [HIDDEN, 1], [1]] as const;

export function initialParameters(): Float64Array[] {
  const next = numbers(2);
  return SHAPES.map(([rows, columns = 1]) =>
    Float64Array.from({ length: rows * columns }, () => Math.fround(0.5 * next())),
  );
}

type Four = [Float64Array, Float64Array, Float64Array, Float64Array];

/** The loss Σ (w₂ᵀ tanh(w₁ᵀ x + b₁) + b₂ − y)² / n of a batch, and its gradient plus λ p in `gradients`. */
export function lossAndGradients(
  parameters: readonly Float64Array[],
  gradients: readonly Float64Array[],
  { x, y }: Data,
  start: number,
): number {
  const [w1, b1, w2, b2] = parameters as Four;
  const [dw1, db1, dw2, db2] = gradients as Four;
  for (const [k, g] of gradients.entries()) {
    const p = parameters[k] as Float64Array;
    for (let i = 0; i < g.length; i++) g[i] = DECAY * p[i]!;
  }
  const h = new Float64Array(HIDDEN);
  let loss = 0;
  for (let n = start; n < start + BATCH; n++) {
    let out = b2[0]!;
    for (let j = 0; j < HIDDEN; j++) {
      let z = b1[j]!;
      for (let i = 0; i < INPUTS; i++) z += x[INPUTS * n + i]! * w1[HIDDEN * i + j]!;
      h[j] = Math.tanh(z);
      out += h[j]! * w2[j]!;
    }
    const error = out - y[n]!;
    loss += (error * error) / BATCH;
    const dout = (2 * error) / BATCH;
    db2[0]! += dout;
    for (let j = 0; j < HIDDEN; j++) {
      dw2[j]! += dout * h[j]!;
      const dz = dout * w2[j]! * (1 - h[j]! * h[j]!);
      db1[j]! += dz;
      for (let i = 0; i < INPUTS; i++) dw1[HIDDEN * i + j]! += dz * x[INPUTS * n + i]!;
    }
  }
  return loss;
}

export const MOMENTUM = 0.9;
export const SGD_RATE = 0.01;
export const [ADAM_RATE, BETA1, BETA2, EPSILON] = [1e-3, 0.9, 0.999, 1e-8];

/** A training whose state is in the arrays: the parameters, then what the optimiser keeps of each. */
export interface Reference {
  readonly state: readonly Float64Array[];
  /** Makes step t, counted from 0, and tells the loss before it. */
  step(t: number): number;
}

export const startOf = (t: number): number => (BATCH * t) % EXAMPLES;

/** v ← μ v + g, p ← p − η v */
export function referenceSgd(data: Data): Reference {
  const p = initialParameters();
  const v = p.map((a) => new Float64Array(a.length));
  const g = p.map((a) => new Float64Array(a.length));
  return {
    state: [...p, ...v],
    step(t) {
      const loss = lossAndGradients(p, g, data, startOf(t));
      for (let k = 0; k < p.length; k++) {
        const [pk, vk, gk] = [p[k]!, v[k]!, g[k]!];
        for (let i = 0; i < pk.length; i++) {
          vk[i] = MOMENTUM * vk[i]! + gk[i]!;
          pk[i]! -= SGD_RATE * vk[i]!;
        }
      }
      return loss;
    },
  };
}

/** m ← β₁ m + (1 − β₁) g, v ← β₂ v + (1 − β₂) g², p ← p − η (m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε) */
export function referenceAdam(data: Data): Reference {
  const p = initialParameters();
  const m = p.map((a) => new Float64Array(a.length));
  const v = p.map((a) => new Float64Array(a.length));
  const g = p.map((a) => new Float64Array(a.length));
  return {
    state: [...p, ...m, ...v],
    step(t) {
      const loss = lossAndGradients(p, g, data, startOf(t));
      const rate = ADAM_RATE / (1 - BETA1 ** (t + 1));
      const correction = 1 / (1 - BETA2 ** (t + 1));
      for (let k = 0; k < p.length; k++) {
        const [pk, mk, vk, gk] = [p[k]!, m[k]!, v[k]!, g[k]!];
        for (let i = 0; i < pk.length; i++) {
          mk[i] = BETA1 * mk[i]! + (1 - BETA1) * gk[i]!;
          vk[i] = BETA2 * vk[i]! + (1 - BETA2) * gk[i]! ** 2;
          pk[i]! -= (rate * mk[i]!) / (Math.sqrt(vk[i]! * correction) + EPSILON);
        }
      }
      return loss;
    },
  };
}
