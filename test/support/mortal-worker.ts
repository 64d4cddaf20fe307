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
import { leaveTasks, type Task } from '../../src/backends/wasm/threads/queue.ts';

const source = fileURLToPath(new URL('../../src/backends/wasm/threads/worker.ts', import.meta.url));

/** In a worker, a kernel with the name `die` ends it, and one with the name `linger` takes its time and writes then. */
const mortal = `
  const { Instance } = WebAssembly;
  WebAssembly.Instance = class {
    constructor(module, imports) {
      const instance = new Instance(module, imports);
      if ('die' in instance.exports) return { exports: { die: () => process.exit() } };
      if (!('linger' in instance.exports)) return instance;
      const linger = (address) => {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);
        new Int32Array(imports.env.memory.buffer)[address / 4] = 7;
      };
      return { exports: { linger } };
    }
  };`;

async function mortalThreads(n: number): Promise<void> {
  const outfile = join(mkdtempSync(join(tmpdir(), 'nabla-')), 'worker.mjs');
  const how = { bundle: true, format: 'esm', logLevel: 'error', banner: { js: mortal } } as const;
  buildSync({ ...how, entryPoints: [source], outfile });
  useWorker(pathToFileURL(outfile));
  setNumThreads(n);
  while (backendInfo().workers < n - 1) {
    canShare();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

const { die } = instantiate([new FunctionBody('die', [], [])]);
const { linger } = instantiate([new FunctionBody('linger', ['i32'], [])]);

/**
 * Has a worker end with a task, while others take their time with tasks that write to these places; what comes next
 * must be an error, and after it one thread goes on. Once in a process.
 */
export async function loseWorker(next: () => Promise<void>, writesTo: readonly number[] = []): Promise<void> {
  await mortalThreads(2 + writesTo.length);
  launching.name = 'dwell';
  const end: Task = [{ kernel: die, args: [] }];
  leaveTasks([end, ...writesTo.map((place): Task => [{ kernel: linger, args: [place] }]), end]);
  // Workers take tasks meanwhile, and one of them is no more.
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
