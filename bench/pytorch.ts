/** PyTorch beside the library, where a Python that has it is installed. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './build.ts';

const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import torch'], { stdio: 'ignore' }).status === 0,
);

export interface TorchRound {
  readonly version: string;
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

/** Samples in nanoseconds of those cases that `pytorch.py` has, or null without PyTorch. */
export function torchRound(names: readonly string[], milliseconds: number): TorchRound | null {
  if (python === undefined) return null;
  const done = spawnSync(python, [join(root, 'bench', 'pytorch.py'), String(milliseconds), ...names], {
    encoding: 'utf8',
    env: { ...process.env, OMP_NUM_THREADS: '1', MKL_NUM_THREADS: '1' },
  });
  if (done.status !== 0) throw new Error(`pytorch.py failed:\n${done.stderr}`);
  return JSON.parse(done.stdout) as TorchRound;
}
