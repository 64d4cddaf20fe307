/**
 * A training in which something throws before every step and is caught. Afterwards all is as it was:
 * modes, levels, arenas, memory, and to the bit the training, whose last tenth is made again undisturbed.
 */
import {
  autograd,
  checkpoint,
  grad,
  isGradEnabled,
  isInferenceModeEnabled,
  jvp,
  type Tensor,
  tensor,
  vmap,
} from 'nabla';
import { referenceSgd } from '../reference.ts';
import type { Scenario, Soak } from '../scenario.ts';
import { Accident, accidents } from './accidents.ts';
import { Companion, sgd } from './training.ts';

/** Derivatives of every kind that are known: what a mode or a level left behind would change. */
function probe(soak: Soak, after: string): void {
  const x = tensor([1, 2, 3], { requiresGrad: true });
  const y = x.pow(3).sum();
  soak.holds(`recording is on after ${after}`, isGradEnabled() && y.requiresGrad && !x.mul(1).isInference());
  soak.holds(`no mode is on after ${after}`, !isInferenceModeEnabled() && !autograd.isAnomalyEnabled());
  y.backward();
  soak.equal(`a gradient after ${after}`, (x.grad as Tensor).toTypedArray(), [3, 12, 27]);
  const cube = (t: Tensor): Tensor => t.pow(3).sum();
  const plain = x.detach();
  soak.equal(
    `grad of grad after ${after}`,
    grad((t: Tensor) => grad(cube)(t).sum())(plain).toTypedArray(),
    [6, 12, 18],
  );
  soak.equal(`vmap of grad after ${after}`, vmap(grad((t: Tensor) => t.pow(3)))(plain).toTypedArray(), [3, 12, 27]);
  soak.equal(`jvp after ${after}`, jvp(cube, [plain], [plain])[1].toTypedArray(), [3 * 36]);
  const z = tensor([2], { requiresGrad: true });
  checkpoint((t: Tensor) => t.square().mul(t).sum(), z).backward();
  soak.equal(`a checkpoint after ${after}`, (z.grad as Tensor).toTypedArray(), [12]);
}

function run(soak: Soak): void {
  const companion = new Companion(soak, sgd, referenceSgd, 'float64', 1e-9, Number.POSITIVE_INFINITY);
  const all = [...Object.entries(accidents(false)), ...Object.entries(accidents(true))];
  for (let step = 0; step < soak.steps; step++) {
    const [name, { body, message }] = all[step % all.length] as (typeof all)[number];
    let caught: unknown = null;
    try {
      body();
    } catch (error) {
      caught = error;
    }
    const expected = message === undefined ? caught instanceof Accident : message.test(String(caught));
    soak.holds(`what was thrown ${name}: ${caught}`, expected);
    probe(soak, `an accident ${name}`);
    companion.step(step);
  }
  companion.finish();
}

export const throwing: Scenario = { name: 'something throws', steps: 20_000, shortSteps: 1200, run };
