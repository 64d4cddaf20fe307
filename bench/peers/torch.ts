/** PyTorch beside the library, where a Python that has it is installed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../build.ts';
import { median } from '../statistics.ts';
import { type Peer, type Program, startProgram } from './peer.ts';

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

/**
 * Threads that have nothing to do sleep, or spin, as they do where nothing is said. PyTorch has two pools, OpenMP's and
 * OpenBLAS's, and while those of one spin they take the cores from the other's: steps of training take several times as
 * long. Where only one pool is used, sleeping costs short operations a wake-up.
 */
const WAITING: readonly NodeJS.ProcessEnv[] = [{ OMP_WAIT_POLICY: 'passive' }, {}];

/** A process's threads are set before its libraries are loaded, some of which ask only then. */
function start(threads: number, milliseconds: number, waiting: NodeJS.ProcessEnv = {}): Promise<Program> {
  const number = String(threads);
  return startProgram(python as string, [join(root, 'bench', 'peers', 'torch.py'), number, String(milliseconds)], {
    ...process.env,
    OMP_NUM_THREADS: number,
    MKL_NUM_THREADS: number,
    OPENBLAS_NUM_THREADS: number,
    ...waiting,
  });
}

/** Samples of the way in which the case is faster. */
async function faster(programs: readonly Program[], name: string): Promise<readonly number[] | null> {
  let found: readonly number[] | null = null;
  for (const program of programs) {
    const samples = await program.samples(name);
    if (samples !== null && (found === null || median(samples) < median(found))) found = samples;
  }
  return found;
}

export const torch: Peer = {
  name: 'PyTorch',
  async start(milliseconds) {
    if (python === undefined) return null;
    const first = await start(1, milliseconds);
    const byThreads = new Map<number, readonly Program[]>([[1, [first]]]);
    return {
      version: first.version,
      async measure({ name, threads = 1, memory }) {
        if (memory === undefined) {
          const programs =
            byThreads.get(threads) ??
            (await Promise.all(WAITING.map((waiting) => start(threads, milliseconds, waiting))));
          byThreads.set(threads, programs);
          return faster(programs, name);
        }
        // Peaks of memory are those of a process, so that each has one of its own.
        const program = await start(threads, milliseconds);
        try {
          return await program.samples(name);
        } finally {
          program.close();
        }
      },
      close() {
        for (const program of [...byThreads.values()].flat()) program.close();
      },
    };
  },
};
