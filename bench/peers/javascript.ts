/** Libraries of JavaScript, each in a process of its own: `npm ci --prefix bench` installs them. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../build.ts';
import type { Peer, PeerRound } from './peer.ts';

function peer(name: string, needs: string, program: string): Peer {
  return {
    name,
    round(cases, milliseconds) {
      if (!existsSync(join(root, 'bench', 'node_modules', needs))) return null;
      // One thread is what all of them have.
      const names = cases.filter((c) => (c.threads ?? 1) === 1 && c.memory === undefined).map((c) => c.name);
      const done = spawnSync(
        process.execPath,
        [join(root, 'bench', 'peers', program), String(milliseconds), ...names],
        { encoding: 'utf8', maxBuffer: 2 ** 28 },
      );
      if (done.status !== 0) throw new Error(`${program} failed:\n${done.stderr}`);
      return JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '') as PeerRound;
    },
  };
}

export const javascript: readonly Peer[] = [
  peer('TensorFlow.js', '@tensorflow/tfjs-backend-wasm', 'tfjs.js'),
  peer('jax-js', '@jax-js/jax', 'jax.js'),
];
