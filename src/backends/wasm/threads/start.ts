/** How a worker is started, in each host. */
import type { Shared } from './protocol.ts';

interface NodeWorker {
  unref(): void;
  on(event: 'error', listener: (error: Error) => void): void;
  on(event: 'exit', listener: () => void): void;
}
interface NodeThreads {
  readonly Worker: new (
    url: URL,
    options: { readonly workerData: unknown; readonly execArgv: readonly string[] },
  ) => NodeWorker;
}
interface Host {
  readonly process?: {
    readonly getBuiltinModule?: (name: string) => unknown;
    readonly versions?: { readonly node?: string };
  };
  readonly Deno?: unknown;
  readonly addEventListener?: (event: string, listener: () => void) => void;
}

/** The worker is a file of the built package; who runs the library from its sources builds one and says where it is. */
let built: URL | null = null;
/** @internal */
export function setWorkerUrl(url: URL): void {
  built = url;
}

/** Starts a worker that does not keep the process alive. `failed` hears of trouble later on. */
export function startWorker(shared: Shared, failed: (reason: string) => void): void {
  const { process } = globalThis as Host;
  // Bundlers that make a classic script leave nothing of it.
  const here = import.meta.url as string | undefined;
  if (built === null && here === undefined) throw new Error('import.meta.url, beside which the worker is, is unknown');
  if (built === null && here?.endsWith('.ts')) throw new Error('the library runs from its sources');
  const threads = process?.getBuiltinModule?.('node:worker_threads') as NodeThreads | undefined;
  if (threads !== undefined) {
    // Options of the program's own command line, such as --eval, are not for the worker.
    const options = { workerData: shared, execArgv: [] };
    const worker = new threads.Worker(built ?? new URL('./thread.js', import.meta.url), options);
    worker.on('error', (error) => failed(error.message));
    worker.on('exit', () => failed('one of them ended'));
    worker.unref();
    return;
  }
  if (typeof Worker !== 'function') throw new Error('the host has no workers');
  // Bundlers find the worker by this very expression.
  const worker = new Worker(new URL('./thread.js', import.meta.url), { type: 'module' });
  worker.onerror = (event) => failed(event.message ?? 'the worker did not start');
  worker.postMessage(shared);
}

/**
 * Has `join` called before the program ends, where that matters: Deno gives the memory back while a worker may be
 * in the middle of a library's product, which nothing stops.
 */
export function beforeTheEnd(join: () => void): void {
  const { Deno, addEventListener } = globalThis as Host;
  if (Deno === undefined) return;
  for (const event of ['unload', 'error', 'unhandledrejection']) addEventListener?.(event, join);
}
