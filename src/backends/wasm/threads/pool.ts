/**
 * The threads there are: workers are started when the first job is large enough, and know kernels by numbers.
 * What they do is in `queue.ts`.
 */
import { ArgumentError } from '../../../core/errors.ts';
import { memory, memoryLimits } from '../linear-memory.ts';
import { codeOf, type WasmFunction } from '../module.ts';
import { joinWorkers } from './pending.ts';
import { encodeProbe } from './probe.ts';
import { CODE_BYTES, CONTROL, KERNEL_WORDS, MOST_KERNELS, PROGRAM_LENGTH, type SharedByAll } from './protocol.ts';
import { beforeTheEnd, setWorkerUrl, startWorker } from './start.ts';

interface Host {
  readonly navigator?: { readonly hardwareConcurrency?: number };
}

/** More threads than this share one memory's bandwidth to no use. */
const MOST_THREADS = 8;

/** Where both are there, Node has a navigator of its own, or a test one that pretends to be a browser's. */
function defaultThreads(): number {
  const { navigator } = globalThis as Host;
  return Math.max(1, Math.min(MOST_THREADS, coresOfHost() ?? navigator?.hardwareConcurrency ?? 1));
}

function coresOfHost(): number | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
  };
  const os = process?.getBuiltinModule?.('node:os') as { availableParallelism?: () => number } | undefined;
  return os?.availableParallelism?.();
}

let wanted: number | null = null;
/** What is shared with workers, once there are some. */
export let shared: SharedByAll | null = null;
/** Why there are no workers, once that is known. */
let trouble: string | null = memoryLimits.shared ? null : 'the host does not share memory between threads';
/** Workers that were started for the threads now wanted. */
let startedFor = 0;

/** How many threads large operations use, the calling one included. */
export function getNumThreads(): number {
  wanted ??= defaultThreads();
  return trouble === null ? wanted : 1;
}

/**
 * Sets how many threads large operations use. Results are the same bits for any number. Threads are
 * started when the first operation is large enough to need them.
 *
 * @throws {ArgumentError} if `n` is no whole number from 1 on.
 */
export function setNumThreads(n: number): void {
  if (!Number.isInteger(n) || n < 1)
    throw new ArgumentError(`setNumThreads: expected a whole number from 1 on, got ${n}`);
  // Who is at work has room for as many threads as there were.
  joinWorkers();
  wanted = n;
}

/** Why one thread does everything, null while nothing stands in the way of more. */
export function threadTrouble(): string | null {
  return trouble;
}

/** Workers that are ready for a job at this moment. */
export function readyWorkers(): number {
  return shared === null ? 0 : Math.min(Atomics.load(shared.control, CONTROL.ready), getNumThreads() - 1);
}

/** Steps (multiplications, or elements moved four times) that are worth waking a sleeping worker, which takes some 30 µs. */
const WORTH_WAKING = 2 ** 21;
/** Steps that were done alone since, because everybody slept. */
let missed = 0;

/**
 * Whether a job of so many steps would be shared now. Asking starts the workers if there are none: a launch
 * that finds them on their way is done by the calling thread alone. So are short ones while everybody sleeps,
 * unless there have been many of them.
 */
export function canShare(steps: number = Number.POSITIVE_INFINITY): boolean {
  if (trouble !== null || getNumThreads() === 1) return false;
  if (steps < WORTH_WAKING && nobodyWaits()) {
    missed += steps;
    if (missed < WORTH_WAKING) return false;
  }
  missed = 0;
  if (startedFor < getNumThreads() - 1) startWorkers();
  return readyWorkers() > 0;
}

/** Whether nothing is queued, and no worker looks for work at this moment. */
function nobodyWaits(): boolean {
  if (shared === null) return true;
  const { control } = shared;
  return (
    Atomics.load(control, CONTROL.asleep) >= Atomics.load(control, CONTROL.ready) &&
    Atomics.load(control, CONTROL.finished) === Atomics.load(control, CONTROL.published)
  );
}

/** Where the worker is, for who runs the library from its sources. @internal */
export function useWorker(url: URL): void {
  setWorkerUrl(url);
  if (memoryLimits.shared) trouble = null;
}

function startWorkers(): void {
  try {
    if (startedFor === 0) beforeTheEnd(joinWorkers);
    shared ??= {
      memory,
      control: new Int32Array(new SharedArrayBuffer(4 * CONTROL.words)),
      program: new Float64Array(new SharedArrayBuffer(8 * PROGRAM_LENGTH)),
      kernels: new Int32Array(new SharedArrayBuffer(4 * KERNEL_WORDS * MOST_KERNELS)),
      code: new Uint8Array(new SharedArrayBuffer(CODE_BYTES)),
      probe: encodeProbe(),
    };
    while (startedFor < getNumThreads() - 1) {
      const holds = new Int32Array(new SharedArrayBuffer(4));
      tasksHeld.push(holds);
      startWorker({ ...shared, index: startedFor, holds }, (reason) => {
        if (Atomics.exchange(holds, 0, 0) !== 0) lost = true;
        giveUp(reason);
      });
      startedFor += 1;
    }
  } catch (error) {
    giveUp(error instanceof Error ? error.message : String(error));
  }
}

/** A worker that fails leaves the rest to the calling thread. */
function giveUp(reason: string): void {
  trouble ??= `threads could not be started, or not go on: ${reason}`;
}

/** A word of each worker, which is 1 while it has a task. */
const tasksHeld: Int32Array[] = [];
/** Whether a worker that has ended had a task, which nobody will finish. */
let lost = false;
/** Whether that is so, and nobody is at another task, who would write to memory that is given back. */
export const hasLostTask = (): boolean => lost && tasksHeld.every((holds) => Atomics.load(holds, 0) === 0);

/** Goes on without workers and without what is queued, after one was lost with a task. */
export function dismissWorkers(): void {
  if (shared !== null) Atomics.store(shared.control, CONTROL.limit, 0);
  shared = null;
  giveUp('one of them ended in the middle of its work');
}

// ─── kernels ─────────────────────────────────────────────────────────────────────────────────────

const ids = new Map<WasmFunction, number>();
/** The kernels by id: those that were handed to workers live as long as the program. */
const byId: WasmFunction[] = [];
/** Bytes of code that there are by now. */
let codeBytes = 0;

export const kernelOf = (id: number): WasmFunction => byId[id];

/** The number workers know a kernel by, −1 if they cannot. */
export function idOf(kernel: WasmFunction, { kernels, code }: SharedByAll): number {
  const known = ids.get(kernel);
  if (known !== undefined) return known;
  const own = codeOf(kernel);
  const id = ids.size;
  if (own === undefined || id >= MOST_KERNELS || codeBytes + own.bytes.length > CODE_BYTES) return -1;
  code.set(own.bytes, codeBytes);
  kernels.set([codeBytes, own.bytes.length, own.which], KERNEL_WORDS * id);
  codeBytes += own.bytes.length;
  ids.set(kernel, id);
  byId[id] = kernel;
  return id;
}

/**
 * Whether all workers can call a native function by now. Asking has them load its library, which takes some
 * milliseconds; null means that they will not be able to.
 */
export function canShareNative(kernel: WasmFunction): boolean | null {
  if (trouble !== null) return null;
  if (!canShare() || shared === null) return false;
  const { control } = shared;
  const needed = idOf(kernel, shared) + 1;
  if (needed === 0) return null;
  if (Atomics.load(control, CONTROL.needed) !== needed) {
    // One library is asked for in the life of a program; whoever puts another in its place goes without.
    if (Atomics.load(control, CONTROL.needed) !== 0) return null;
    Atomics.store(control, CONTROL.needed, needed);
    Atomics.add(control, CONTROL.news, 1);
    Atomics.notify(control, CONTROL.news);
  }
  if (Atomics.load(control, CONTROL.unmade) > 0) return null;
  return Atomics.load(control, CONTROL.made) === startedFor;
}
