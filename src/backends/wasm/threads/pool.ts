/**
 * The calling thread's side: workers are started when the first job is large enough, jobs are
 * published, worked on and waited for.
 *
 * Nothing here changes what is computed: a job's tasks are the same for any number of threads.
 */
import { ArgumentError, DeviceError } from '../../../core/errors.ts';
import { memory, memoryLimits, u8 } from '../linear-memory.ts';
import { codeOf, type WasmFunction } from '../module.ts';
import { LINE, reserve } from '../residency.ts';
import { joinWorkers, leave } from './pending.ts';
import { encodeProbe } from './probe.ts';
import {
  CONTROL,
  finish,
  jobNumber,
  KERNEL_WORDS,
  MOST_KERNELS,
  MOST_TASKS,
  PROGRAM_LENGTH,
  runTask,
  type Shared,
  TICKET_BITS,
  take,
} from './protocol.ts';
import { setWorkerUrl, startWorker } from './start.ts';

/** One call of a kernel; a task is a list of them, in order. */
export interface Call {
  readonly kernel: WasmFunction;
  readonly args: readonly number[];
}
export type Task = readonly Call[];

interface Host {
  readonly navigator?: { readonly hardwareConcurrency?: number };
}

/** More threads than this share one memory's bandwidth to no use. */
const MOST_THREADS = 8;

function defaultThreads(): number {
  const { navigator } = globalThis as Host;
  return Math.max(1, Math.min(MOST_THREADS, navigator?.hardwareConcurrency ?? coresOfHost() ?? 1));
}

function coresOfHost(): number | undefined {
  const { process } = globalThis as {
    readonly process?: { readonly getBuiltinModule?: (name: string) => unknown };
  };
  const os = process?.getBuiltinModule?.('node:os') as { availableParallelism?: () => number } | undefined;
  return os?.availableParallelism?.();
}

let wanted: number | null = null;
let shared: Omit<Shared, 'index'> | null = null;
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

/** Whether no worker looks for work at this moment. */
function nobodyWaits(): boolean {
  return shared === null || Atomics.load(shared.control, CONTROL.asleep) >= Atomics.load(shared.control, CONTROL.ready);
}

/** Where the worker is, for who runs the library from its sources. @internal */
export function useWorker(url: URL): void {
  setWorkerUrl(url);
  if (memoryLimits.shared) trouble = null;
}

function startWorkers(): void {
  try {
    shared ??= {
      memory,
      control: new Int32Array(new SharedArrayBuffer(4 * CONTROL.words)),
      program: new Float64Array(new SharedArrayBuffer(2 * 8 * PROGRAM_LENGTH)),
      kernels: new Float64Array(new SharedArrayBuffer(8 * KERNEL_WORDS * MOST_KERNELS)),
      probe: encodeProbe(),
    };
    while (startedFor < getNumThreads() - 1) {
      startWorker({ ...shared, index: startedFor }, giveUp);
      startedFor += 1;
    }
  } catch (error) {
    giveUp(error instanceof Error ? error.message : String(error));
  }
}

/** A worker that fails leaves the rest to the calling thread. */
function giveUp(reason: string): void {
  trouble = `threads could not be started: ${reason}`;
}

// ─── kernels ─────────────────────────────────────────────────────────────────────────────────────

const ids = new Map<WasmFunction, number>();
/** The kernels by id: those that were handed to workers live as long as the program. */
const byId: WasmFunction[] = [];

/** The number workers know a kernel by, −1 if they cannot. */
function idOf(kernel: WasmFunction, { kernels }: Omit<Shared, 'index'>): number {
  const known = ids.get(kernel);
  if (known !== undefined) return known;
  const code = codeOf(kernel);
  const id = ids.size;
  if (code === undefined || id >= MOST_KERNELS) return -1;
  // Room that is never evicted: a worker may read it at any time.
  const address = reserve(Math.ceil(code.bytes.length / LINE)).start * LINE;
  u8().set(code.bytes, address);
  kernels.set([address, code.bytes.length, code.which], KERNEL_WORDS * id);
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
    Atomics.add(control, CONTROL.epoch, 1);
    Atomics.notify(control, CONTROL.epoch);
  }
  if (Atomics.load(control, CONTROL.unmade) > 0) return null;
  return Atomics.load(control, CONTROL.made) === startedFor;
}

// ─── jobs ────────────────────────────────────────────────────────────────────────────────────────

/** Turns of the loop before the caller sleeps. */
const SPINS = 20_000;

function alone(tasks: readonly Task[]): void {
  for (const task of tasks) for (const { kernel, args } of task) kernel(...args);
}

/** Writes the program of a job behind this place; false if it does not fit. */
function publish(tasks: readonly Task[], to: Omit<Shared, 'index'>, base: number): boolean {
  const { program } = to;
  const end = base + PROGRAM_LENGTH;
  let at = base + tasks.length;
  for (let t = 0; t < tasks.length; t++) {
    const task = tasks[t];
    program[base + t] = at;
    if (at + 1 > end) return false;
    program[at++] = task.length;
    for (const { kernel, args } of task) {
      const id = idOf(kernel, to);
      if (id < 0 || at + 2 + args.length > end) return false;
      program[at++] = id;
      program[at++] = args.length;
      for (let i = 0; i < args.length; i++) program[at++] = args[i];
    }
  }
  return true;
}

/** Waits until all tasks are done. A browser's main thread may not sleep and goes on asking. */
function join(control: Int32Array, tasks: number): void {
  let mayWait = true;
  for (let spins = 0; ; spins++) {
    const done = Atomics.load(control, CONTROL.done);
    if (done === tasks) return;
    if (spins < SPINS || !mayWait) continue;
    try {
      Atomics.wait(control, CONTROL.done, done, 50);
    } catch {
      mayWait = false;
    }
  }
}

/** The job in progress: its number, how many tasks it has, and where its program begins. */
let job = 0;
let tasksOfJob = 0;
let place = 0;

/** Runs tasks, which do not depend on each other, on all threads that are ready; returns when all are done. */
export function runTasks(tasks: readonly Task[]): void {
  leaveTasks(tasks);
  joinWorkers();
}

/** The same as the last that a launch does: workers begin, and the calling thread helps them when it joins them. */
export function leaveTasks(tasks: readonly Task[]): void {
  // Workers may still read the program of the last job.
  const next = place === 0 ? PROGRAM_LENGTH : 0;
  const mayShare = tasks.length > 1 && tasks.length <= MOST_TASKS && canShare();
  const shares = mayShare && shared !== null && publish(tasks, shared, next);
  joinWorkers();
  if (!shares) {
    alone(tasks);
    return;
  }
  const { control } = shared as Omit<Shared, 'index'>;
  place = next;
  Atomics.store(control, CONTROL.done, 0);
  Atomics.store(control, CONTROL.failed, 0);
  Atomics.store(control, CONTROL.tasks, tasks.length);
  Atomics.store(control, CONTROL.program, place);
  Atomics.store(control, CONTROL.limit, getNumThreads() - 1);
  const epoch = (Atomics.load(control, CONTROL.epoch) + 1) | 0;
  job = jobNumber(epoch);
  tasksOfJob = tasks.length;
  Atomics.store(control, CONTROL.ticket, (job << TICKET_BITS) | tasks.length);
  Atomics.store(control, CONTROL.epoch, epoch);
  Atomics.notify(control, CONTROL.epoch);
  leave(finishJob);
}

/** The calling thread's part of the job in progress, to its end. */
function finishJob(): void {
  const { control, program } = shared as Omit<Shared, 'index'>;
  let failure: unknown = null;
  for (let task = take(control, job); task >= 0; task = take(control, job)) {
    try {
      if (failure === null) runTask(program, place, task, (id) => byId[id]);
    } catch (error) {
      failure = error;
    }
    finish(control);
  }
  join(control, tasksOfJob);
  if (failure !== null) throw failure;
  if (Atomics.load(control, CONTROL.failed) !== 0)
    throw new DeviceError(
      'a kernel of this operation or the one before failed on another thread; run with setNumThreads(1) to see where',
    );
}
