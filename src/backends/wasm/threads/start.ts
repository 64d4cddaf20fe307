/** How a worker is started, in each host. */
import type { Shared } from './protocol.ts';

export interface Started {
  stop(): void;
}

interface NodeWorker {
  unref(): void;
  terminate(): unknown;
  on(event: 'error', listener: (error: Error) => void): void;
}
interface NodeThreads {
  readonly Worker: new (
    url: URL,
    options: { readonly workerData: unknown; readonly execArgv?: readonly string[] },
  ) => NodeWorker;
}
interface WebWorker {
  postMessage(message: unknown): void;
  terminate(): void;
  onerror: ((event: { readonly message?: string }) => void) | null;
}
interface Host {
  readonly process?: { readonly getBuiltinModule?: (name: string) => unknown; readonly versions?: { readonly node?: string } };
  readonly Worker?: new (url: URL, options: { readonly type: 'module' }) => WebWorker;
}

/** Run from its sources, the library needs a worker that reads TypeScript. */
const fromSources = import.meta.url.endsWith('.ts');

function workerUrl(): URL {
  return fromSources ? new URL('./worker.ts', import.meta.url) : new URL('./worker.js', import.meta.url);
}

/** Starts a worker that does not keep the process alive. `failed` hears of trouble later on. */
export function startWorker(shared: Shared, failed: (reason: string) => void): Started {
  const { process, Worker } = globalThis as Host;
  const threads = process?.getBuiltinModule?.('node:worker_threads') as NodeThreads | undefined;
  if (threads !== undefined) {
    const worker = new threads.Worker(workerUrl(), {
      workerData: shared,
      ...(fromSources ? { execArgv: ['--import', 'tsx'] } : {}),
    });
    worker.on('error', (error) => failed(error.message));
    worker.unref();
    return { stop: () => worker.terminate() };
  }
  if (Worker === undefined) throw new Error('the host has no workers');
  const worker = new Worker(workerUrl(), { type: 'module' });
  worker.onerror = (event) => failed(event.message ?? 'the worker did not start');
  worker.postMessage(shared);
  return { stop: () => worker.terminate() };
}
