/** Threads for a program that runs the library from its sources: the worker, built into one module. */
import { fileURLToPath } from 'node:url';
import { buildSync } from 'esbuild';
import { joinWorkers } from '../../src/backends/wasm/threads/pending.ts';
import { useWorker } from '../../src/backends/wasm/threads/pool.ts';

const source = fileURLToPath(new URL('../../src/backends/wasm/threads/worker.ts', import.meta.url));

/** Lets large operations use as many threads as the library has when it is installed as a package. */
export function useThreads(): void {
  const { outputFiles } = buildSync({
    entryPoints: [source],
    bundle: true,
    format: 'esm',
    write: false,
    logLevel: 'error',
  });
  useWorker(new URL(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`));
}

/** Waits for what is queued, which is part of the time of whoever queued it. */
export const untilDone = (): void => joinWorkers();
