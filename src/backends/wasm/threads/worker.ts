/**
 * A worker: waits for jobs, takes tasks, runs kernels. It never returns to its event loop: kernels it
 * has not met are compiled from their bytes, which are shared.
 */
import { functionsOf } from '../blas/library.ts';
import { mathProvided } from '../math-slow.ts';
import { now } from './clock.ts';
import { deeper, goodDepth } from './depth.ts';
import { CONTROL, finish, KERNEL_WORDS, type Kernel, placeOf, runTask, type Shared, take } from './protocol.ts';

/**
 * Turns of the loop before a worker goes to sleep, at least and at most: some microseconds, in which it is not
 * worth it, to some hundred. Who spins keeps a core from others.
 */
const FEWEST_SPINS = 1000;
const MOST_SPINS = 40_000;

/** Milliseconds within which the next job mostly comes if it is worth spinning for. */
const SOON = 0.2;

function serve(shared: Shared): void {
  const { memory, control, kernels, code, index, holds } = shared;
  const known: (Kernel | undefined)[] = [];

  const compile = (bytes: Uint8Array<ArrayBuffer>, which: number): Kernel => {
    const module = new WebAssembly.Module(bytes);
    const { exports } = new WebAssembly.Instance(module, { env: { memory, ...mathProvided } });
    return Object.values(exports)[which] as Kernel;
  };
  const make = (id: number): Kernel => {
    const [place, length, which] = kernels.subarray(KERNEL_WORDS * id, KERNEL_WORDS * (id + 1));
    const bytes = new Uint8Array(length);
    bytes.set(code.subarray(place, place + length));
    const made = which < 0 ? (functionsOf(bytes)[~which] as Kernel) : compile(bytes, which);
    known[id] = made;
    return made;
  };
  const kernelOf = (id: number): Kernel => known[id] ?? make(id);

  let asked = 0;
  const makeNeeded = (): void => {
    const needed = Atomics.load(control, CONTROL.needed);
    if (needed === asked) return;
    asked = needed;
    try {
      kernelOf(needed - 1);
      Atomics.add(control, CONTROL.made, 1);
    } catch {
      Atomics.add(control, CONTROL.unmade, 1);
    }
  };

  /** Waits until a word is no longer what it was: looks so many times, and then sleeps as one of the `sleepers`. */
  const wait = (word: number, value: number, spins: number, sleepers: number): void => {
    for (let turns = spins; Atomics.load(control, word) === value; turns--) {
      if (turns > 0) continue;
      Atomics.add(control, sleepers, 1);
      Atomics.wait(control, word, value);
      Atomics.sub(control, sleepers, 1);
    }
  };

  /** Grows while jobs follow each other soon, and shrinks while they do not. */
  let patience = MOST_SPINS / 2;
  Atomics.add(control, CONTROL.ready, 1);
  for (;;) {
    const news = Atomics.load(control, CONTROL.news);
    makeNeeded();
    const job = Atomics.load(control, CONTROL.finished);
    if (job === Atomics.load(control, CONTROL.published) || index >= Atomics.load(control, CONTROL.limit)) {
      const since = now();
      wait(CONTROL.news, news, patience, CONTROL.asleep);
      const soon = now() - since < SOON;
      patience = soon ? Math.min(MOST_SPINS, 2 * patience) : Math.max(FEWEST_SPINS, patience / 2);
      continue;
    }
    Atomics.store(holds, 0, 1);
    const task = take(control, job, true);
    if (task < 0) {
      Atomics.store(holds, 0, 0);
      // Others are at the last tasks of a job that the next one waits for.
      wait(CONTROL.finished, job, MOST_SPINS, CONTROL.waiting);
      continue;
    }
    try {
      runTask(shared, job, task, kernelOf, index + 1);
    } catch {
      Atomics.compareExchange(control, CONTROL.failed, 0, placeOf(job) + 1);
    }
    finish(control, job);
    Atomics.store(holds, 0, 0);
  }
}

interface NodeThreads {
  readonly workerData: Shared | null;
}
interface Scope {
  readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
  onmessage?: ((event: { readonly data: Shared }) => void) | null;
}

const scope = globalThis as Scope;
const threads = scope.process?.getBuiltinModule?.('node:worker_threads') as NodeThreads | undefined;
const begin = (shared: Shared): void => deeper(goodDepth(shared.probe, now), () => serve(shared));
if (threads?.workerData) begin(threads.workerData);
else
  scope.onmessage = ({ data }) => {
    scope.onmessage = null;
    begin(data);
  };
