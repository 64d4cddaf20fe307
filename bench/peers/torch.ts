/** PyTorch beside the library, where a Python that has it is installed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../build.ts';
import type { Peer, PeerRound } from './peer.ts';

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

/** One process: its threads are set before its libraries are loaded, some of which ask only then. */
function run(names: readonly string[], threads: number, milliseconds: number): PeerRound {
  const number = String(threads);
  const done = spawnSync(
    python as string,
    [join(root, 'bench', 'peers', 'torch.py'), number, String(milliseconds), ...names],
    {
      encoding: 'utf8',
      env: { ...process.env, OMP_NUM_THREADS: number, MKL_NUM_THREADS: number, OPENBLAS_NUM_THREADS: number },
    },
  );
  if (done.status !== 0) throw new Error(`torch.py failed:\n${done.stderr}`);
  return JSON.parse(done.stdout) as PeerRound;
}

export const torch: Peer = {
  name: 'PyTorch',
  round(cases, milliseconds) {
    if (python === undefined) return null;
    // Peaks of memory are those of a process, so that each has one of its own.
    const groups = new Map<string, { threads: number; names: string[] }>();
    for (const { name, threads = 1, memory } of cases) {
      const key = memory === undefined ? String(threads) : name;
      const group = groups.get(key) ?? { threads, names: [] };
      group.names.push(name);
      groups.set(key, group);
    }
    let version = '';
    const samples: Record<string, readonly number[]> = {};
    for (const { threads, names } of groups.values()) {
      const round = run(names, threads, milliseconds);
      version = round.version;
      Object.assign(samples, round.samples);
    }
    return { version, samples };
  },
};
