/** Workers that end while they have a task, as one does that runs out of memory. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { buildSync } from 'esbuild';
import { backendInfo, DeviceError, ones, setNumThreads } from 'nabla';
import { expect } from 'vitest';
import { FunctionBody } from '../../src/backends/wasm/encoder.ts';
import { instantiate } from '../../src/backends/wasm/module.ts';
import { joinWorkers, launching } from '../../src/backends/wasm/threads/pending.ts';
import { canShare, useWorker } from '../../src/backends/wasm/threads/pool.ts';
import { leaveTasks } from '../../src/backends/wasm/threads/queue.ts';

const source = fileURLToPath(new URL('../../src/backends/wasm/threads/worker.ts', import.meta.url));

/** In a worker, a kernel with the name `die` ends it. */
const mortal = `
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class {
    constructor(module, imports) {
      const instance = new Instance(module, imports);
      return 'die' in instance.exports ? { exports: { die: () => process.exit() } } : instance;
    }
  };`;

async function twoMortalThreads(): Promise<void> {
  const outfile = join(mkdtempSync(join(tmpdir(), 'nabla-')), 'worker.mjs');
  const how = { bundle: true, format: 'esm', logLevel: 'error', banner: { js: mortal } } as const;
  buildSync({ ...how, entryPoints: [source], outfile });
  useWorker(pathToFileURL(outfile));
  setNumThreads(2);
  while (backendInfo().workers < 1) {
    canShare();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const { die } = instantiate([new FunctionBody('die', [], [])]);

/** Has a worker end with a task; what comes next must be an error, and after it one thread goes on. Once in a process. */
export async function loseWorker(next: () => Promise<void>): Promise<void> {
  await twoMortalThreads();
  launching.name = 'dwell';
  leaveTasks([[{ kernel: die, args: [] }], [{ kernel: die, args: [] }]]);
  // The worker takes a task meanwhile, and is no more.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await next();
  let error: unknown = null;
  try {
    joinWorkers();
  } catch (e) {
    error = e;
  }
  expect(error).toBeInstanceOf(DeviceError);
  expect((error as Error).message).toMatch(/^dwell: a thread ended/);
  expect(joinWorkers).not.toThrow();
  expect(backendInfo()).toMatchObject({ threads: 1, workers: 0 });
  expect(backendInfo().threadTrouble).toContain('ended');
  expect(ones([1_000_000]).add(1).sum().item()).toBe(2_000_000);
}
