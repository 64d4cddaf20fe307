/**
 * A million steps of training a small multilayer perceptron. Every step's loss is compared with that
 * of the same training in plain JavaScript, which goes along; and the last tenth is made once more
 * from a copy of its state, to the same bits.
 */
import { type DType, elementwise, memoryStats, noGrad, type Scalar, type Tensor, tensor } from 'nabla';
import {
  ADAM_RATE,
  BATCH,
  BETA1,
  BETA2,
  type Data,
  DECAY,
  EPSILON,
  examples,
  INPUTS,
  MOMENTUM,
  type Reference,
  referenceAdam,
  referenceSgd,
  SGD_RATE,
  SHAPES,
  startOf,
} from '../reference.ts';
import type { Scenario, Soak } from '../scenario.ts';

/** A training with the library, its state laid out as the reference's. */
interface Training {
  state(): Tensor[];
  step(t: number): number;
}

type Make = (state: readonly ArrayLike<number>[], data: Data, dtype: DType) => Training;

const shaped = (values: ArrayLike<number>, shape: readonly number[], dtype: DType): Tensor =>
  tensor(Float64Array.from(values), { shape, dtype });

const places = (state: readonly ArrayLike<number>[], dtype: DType): Tensor[] =>
  state.map((values, i) => shaped(values, SHAPES[i % SHAPES.length] as readonly number[], dtype));

/** The loss of batch t. */
function model({ x, y }: Data, dtype: DType): (parameters: readonly Tensor[], t: number) => Tensor {
  const inputs = shaped(x, [x.length / INPUTS, INPUTS], dtype);
  const targets = shaped(y, [y.length, 1], dtype);
  return (parameters, t) => {
    const [w1, b1, w2, b2] = parameters as [Tensor, Tensor, Tensor, Tensor];
    const start = startOf(t);
    const h: Tensor = inputs.narrow(0, start, BATCH).matmul(w1).add(b1).tanh();
    return h
      .matmul(w2)
      .add(b2)
      .sub(targets.narrow(0, start, BATCH) as Tensor)
      .square()
      .mean();
  };
}

/** In place, as a loop over parameters is mostly written. */
export const sgd: Make = (state, data, dtype) => {
  const all = places(state, dtype);
  const parameters = all.slice(0, SHAPES.length).map((p) => p.requiresGrad_());
  const velocities = all.slice(SHAPES.length);
  const lossOf = model(data, dtype);
  return {
    state: () => all,
    step(t) {
      const loss = lossOf(parameters, t);
      loss.backward();
      noGrad(() => {
        for (const [i, p] of parameters.entries()) {
          const g = (p.grad as Tensor).add(p, { alpha: DECAY });
          const v = (velocities[i] as Tensor).mul_(MOMENTUM).add_(g);
          p.sub_(v, { alpha: SGD_RATE });
          // Both ways of beginning anew, each in turn.
          if (t % 2 === 0) p.grad = null;
          else p.grad?.zero_();
        }
      });
      return loss.item();
    },
  };
};

const update = elementwise((p: Scalar, g: Scalar, m: Scalar, v: Scalar, rate: Scalar, correction: Scalar) => {
  const m1 = m.mul(BETA1).add(g.mul(1 - BETA1));
  const v1 = v.mul(BETA2).add(g.square().mul(1 - BETA2));
  return [p.sub(m1.mul(rate).div(v1.mul(correction).sqrt().add(EPSILON))), m1, v1] as const;
}, 'adam');

/** Functional: every step makes new parameters. */
const adam: Make = (state, data, dtype) => {
  const all = places(state, dtype);
  const n = SHAPES.length;
  for (const p of all.slice(0, n)) p.requiresGrad_();
  const lossOf = model(data, dtype);
  return {
    state: () => all,
    step(t) {
      const loss = lossOf(all, t);
      loss.backward();
      const rate = ADAM_RATE / (1 - BETA1 ** (t + 1));
      const correction = 1 / (1 - BETA2 ** (t + 1));
      noGrad(() => {
        for (let i = 0; i < n; i++) {
          const p = all[i] as Tensor;
          const g = (p.grad as Tensor).add(p, { alpha: DECAY });
          const [next, m, v] = update(p, g, all[n + i] as Tensor, all[2 * n + i] as Tensor, rate, correction);
          all[i] = next.requiresGrad_();
          all[n + i] = m;
          all[2 * n + i] = v;
        }
      });
      return loss.item();
    },
  };
};

const copies = (training: Training): ArrayLike<number>[] => training.state().map((t) => t.toTypedArray());

/** A training in progress beside its reference. */
export class Companion {
  readonly #soak: Soak;
  readonly #reference: Reference;
  readonly #tolerance: number;
  /** How often something may have been moved out that was still in use: blocks are passed by twice between two uses, rarely. */
  readonly #misses: number;
  readonly #from: (state: readonly ArrayLike<number>[]) => Training;
  readonly #training: Training;
  /** The step from which all is made once more, and the state there. */
  readonly #last: number;
  #copy: ArrayLike<number>[] = [];

  constructor(
    soak: Soak,
    make: Make,
    reference: (data: Data) => Reference,
    dtype: DType,
    tolerance: number,
    misses = 4,
  ) {
    this.#misses = misses;
    const data = examples();
    this.#soak = soak;
    this.#reference = reference(data);
    this.#tolerance = tolerance;
    this.#from = (state) => make(state, data, dtype);
    this.#training = this.#from(this.#reference.state);
    this.#last = Math.floor(0.9 * soak.steps);
  }

  step(t: number): void {
    if (t === this.#last) this.#copy = copies(this.#training);
    const loss = this.#training.step(t);
    this.#soak.near(`the loss of step ${t}`, [loss], [this.#reference.step(t)], this.#tolerance);
    this.#soak.after(t);
  }

  finish(): void {
    // It is touched at every step. Whenever it is missed, the cache grows, and does not stop growing.
    const { restores } = memoryStats();
    this.#soak.holds(`what the training works on was moved out ${restores} times`, restores <= this.#misses);
    const end = copies(this.#training);
    const again = this.#from(this.#copy);
    for (let t = this.#last; t < this.#soak.steps; t++) again.step(t);
    for (const [i, values] of end.entries()) {
      const what = `tensor ${i} of the state at the end`;
      this.#soak.near(what, values, this.#reference.state[i] as Float64Array, this.#tolerance);
      this.#soak.equal(`${what}, compared with the last tenth made again`, copies(again)[i] as Float64Array, values);
    }
  }
}

const MILLION = 1_000_000;
const SHORT = 20_000;

/** Of losses and parameters, between float64 here and there; and between float32 here and float64 there. */
const [DOUBLE, SINGLE] = [1e-9, 1e-3];

/** Never yields: no finalizer runs. */
function synchronous(soak: Soak, companion: Companion): void {
  for (let t = 0; t < soak.steps; t++) companion.step(t);
  companion.finish();
}

/** Awaits every step, and every tenth gives the event loop a turn. */
async function asynchronous(soak: Soak, companion: Companion): Promise<void> {
  for (let t = 0; t < soak.steps; t++) {
    await null;
    companion.step(t);
    if (t % 10 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  companion.finish();
}

export const training: readonly Scenario[] = [
  {
    name: 'training, SGD with momentum in place, float32',
    steps: MILLION,
    shortSteps: SHORT,
    run: (soak) => synchronous(soak, new Companion(soak, sgd, referenceSgd, 'float32', SINGLE)),
  },
  {
    name: 'training, Adam with new parameters, float64',
    steps: MILLION,
    shortSteps: SHORT,
    run: (soak) => synchronous(soak, new Companion(soak, adam, referenceAdam, 'float64', DOUBLE)),
  },
  {
    name: 'training, SGD with momentum, float64, asynchronous',
    steps: MILLION,
    shortSteps: SHORT,
    run: (soak) => asynchronous(soak, new Companion(soak, sgd, referenceSgd, 'float64', DOUBLE)),
  },
];
