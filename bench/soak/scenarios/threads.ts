/** The same training on one thread and on two: the same bits, all the way. */
import { backendInfo, setNumThreads, type Tensor } from 'nabla';
import { mlpTraining } from '../../models/mlp.ts';
import { adamW } from '../../models/optimisers.ts';
import type { Scenario, Soak } from '../scenario.ts';

/** FNV-1a of the bytes of some tensors. */
function hash(tensors: readonly Tensor[]): number {
  let h = 0x811c9dc5;
  for (const t of tensors) {
    const { buffer, byteOffset, byteLength } = t.detach().toTypedArray();
    for (const byte of new Uint8Array(buffer, byteOffset, byteLength)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
  }
  return h;
}

/** Starts the other thread, which needs a turn of the event loop, and work worth sharing. */
async function start(threads: number, work: () => void): Promise<boolean> {
  setNumThreads(threads);
  for (let i = 0; i < 500; i++) {
    if (backendInfo().workers === threads - 1) return true;
    work();
    await new Promise<void>((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

/** Threads of one training after another. Two at first, so that what they share is there from the beginning. */
const PHASES = [2, 1, 2, 1];

async function run(soak: Soak): Promise<void> {
  const each = soak.steps / PHASES.length;
  const hashes: number[][] = [];
  for (const [phase, threads] of PHASES.entries()) {
    const found: number[] = [];
    const warm = mlpTraining(256, 256, 512, 10);
    const ready = await start(threads, () => warm.loss(warm.parameters).backward());
    soak.holds(`${threads} threads, ${backendInfo().threadTrouble}`, ready);
    const training = mlpTraining(256, 256, 512, 10);
    const step = adamW(1e-3, 0.01)(training);
    for (let t = 0; t < each; t++) {
      step();
      if (t % 20 === 19) found.push(hash(training.parameters));
      soak.after(phase * each + t);
    }
    hashes.push(found);
    soak.holds('the loss is a number', Number.isFinite(training.loss(training.parameters).item()));
  }
  const [one, ...others] = hashes as [number[], ...number[][]];
  for (const other of others) soak.equal('hashes of the parameters', other, one);
  soak.holds('the parameters moved', new Set(one).size === one.length && one.length > 0);
}

export const threads: Scenario = {
  name: 'one thread and two',
  steps: 4000,
  shortSteps: 160,
  limits: { resident: 160, buffers: 48, heap: 24, linear: 32, ceiling: 640 },
  run,
};
