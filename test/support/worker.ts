/** Threads for a library that runs from its sources: its worker, built into a file. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { backendInfo, setNumThreads } from 'nabla';
import { canShare, useWorker } from '../../src/backends/wasm/threads/pool.ts';

const source = fileURLToPath(new URL('../../src/backends/wasm/threads/worker.ts', import.meta.url));
let made = false;

/** Sets the number of threads and waits until all of them are there. */
export async function withThreads(n: number): Promise<void> {
  if (!made) {
    const outfile = join(mkdtempSync(join(tmpdir(), 'nabla-')), 'worker.mjs');
    buildSync({ entryPoints: [source], bundle: true, format: 'esm', outfile, logLevel: 'error' });
    useWorker(pathToFileURL(outfile));
    made = true;
  }
  setNumThreads(n);
  for (let i = 0; i < 1000; i++) {
    canShare();
    const { workers, threadTrouble } = backendInfo();
    if (threadTrouble !== null) throw new Error(threadTrouble);
    if (workers === n - 1) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`not all of ${n} threads started`);
}
