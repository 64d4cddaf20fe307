/** PyTorch beside the library, where a Python that has it is installed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../build.ts';
import { type Peer, type Program, startProgram } from './peer.ts';

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

/** A process's threads are set before its libraries are loaded, some of which ask only then. */
function start(threads: number, milliseconds: number): Promise<Program> {
  const number = String(threads);
  return startProgram(python as string, [join(root, 'bench', 'peers', 'torch.py'), number, String(milliseconds)], {
    ...process.env,
    OMP_NUM_THREADS: number,
    MKL_NUM_THREADS: number,
    OPENBLAS_NUM_THREADS: number,
  });
}

export const torch: Peer = {
  name: 'PyTorch',
  async start(milliseconds) {
    if (python === undefined) return null;
    const first = await start(1, milliseconds);
    const byThreads = new Map<number, Program>([[1, first]]);
    return {
      version: first.version,
      async measure({ name, threads = 1, memory }) {
        const known = memory === undefined ? byThreads.get(threads) : undefined;
        const program = known ?? (await start(threads, milliseconds));
        if (memory === undefined) {
          byThreads.set(threads, program);
          return program.samples(name);
        }
        // Peaks of memory are those of a process, so that each has one of its own.
        try {
          return await program.samples(name);
        } finally {
          program.close();
        }
      },
      close() {
        for (const program of byThreads.values()) program.close();
      },
    };
  },
};
