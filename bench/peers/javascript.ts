/** Libraries of JavaScript, each in a process of its own: `npm ci --prefix bench` installs them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../build.ts';
import { type Peer, startProgram } from './peer.ts';

function peer(name: string, needs: string, file: string): Peer {
  return {
    name,
    async start(milliseconds) {
      if (!existsSync(join(root, 'bench', 'node_modules', needs))) return null;
      const program = await startProgram(process.execPath, [join(root, 'bench', 'peers', file), String(milliseconds)]);
      return {
        version: program.version,
        // One thread is what all of them have.
        measure: async ({ name, threads = 1, memory }) =>
          threads === 1 && memory === undefined ? program.samples(name) : null,
        close: program.close,
      };
    },
  };
}

export const javascript: readonly Peer[] = [
  peer('TensorFlow.js', '@tensorflow/tfjs-backend-wasm', 'tfjs.js'),
  peer('jax-js', '@jax-js/jax', 'jax.js'),
];
