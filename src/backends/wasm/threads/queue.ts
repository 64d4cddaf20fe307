/**
 * The calling thread's side of the queue: jobs are published, worked on and waited for.
 *
 * Workers begin at once, and the calling thread goes on in JavaScript: it makes the tensor and its node, and
 * prepares what comes next. It takes part when there is more to do than workers need to be busy while it is in
 * JavaScript, and when it joins them (`pending.ts`). A kernel that is too small to be shared takes its place in
 * the queue, too, where something is queued that it may have to wait for.
 *
 * Nothing here changes what is computed: a job's tasks are the same for any number of threads.
 */
import { DeviceError } from '../../../core/errors.ts';
import type { WasmFunction } from '../module.ts';
import { hasLeft, joinWorkers, leave } from './pending.ts';
import { canShare, getNumThreads, idOf, kernelOf, shared } from './pool.ts';
import {
  CONTROL,
  finish,
  MOST_JOBS,
  MOST_TASKS,
  PROGRAM_LENGTH,
  publish,
  runTask,
  type Shared,
  take,
} from './protocol.ts';

/** One call of a kernel; a task is a list of them, in order. */
export interface Call {
  readonly kernel: WasmFunction;
  readonly args: readonly number[];
}
export type Task = readonly Call[];

/** Steps (multiplications, or elements moved four times) that may be queued before the calling thread takes part: about a millisecond. */
const ENOUGH = 2 ** 24;
/** Turns of the loop before the caller sleeps. */
const SPINS = 20_000;

/** Jobs published so far, and where the program of the next one goes. */
let published = 0;
let place = 0;
/** Steps of all jobs so far, and of those up to each one in the queue. */
let steps = 0;
const stepsTo = new Float64Array(MOST_JOBS);
/** What went wrong in a task that the calling thread ran. */
let failure: unknown = null;

/** Whether something is queued, so that what runs now would not be in its turn. */
export function isBusy(): boolean {
  if (!hasLeft()) return false;
  if (finished() !== published) return true;
  joinWorkers();
  return false;
}

/** Runs tasks, which do not depend on each other, on all threads that are ready; returns when all are done. */
export function runTasks(tasks: readonly Task[]): void {
  leaveTasks(tasks);
  joinWorkers();
}

/** The same, of so many steps, without waiting for them: to be followed by nothing but what is queued or joins. */
export function leaveTasks(tasks: readonly Task[], of = 0): void {
  if (tasks.length === 0) return;
  if (((tasks.length > 1 && canShare()) || isBusy()) && enqueue(tasks, of)) return;
  joinWorkers();
  for (const task of tasks) for (const { kernel, args } of task) kernel(...args);
}

/** Calls a kernel that takes so many steps when it is its turn: at once if nothing is queued. */
export function callInTurn(of: number, kernel: WasmFunction, ...args: number[]): void {
  if (!isBusy() || !enqueue([[{ kernel, args }]], of)) {
    joinWorkers();
    kernel(...args);
  }
}

const controlBlock = (): Int32Array => (shared as Omit<Shared, 'index'>).control;
const finished = (): number => Atomics.load(controlBlock(), CONTROL.finished);

/** Puts a job into the queue; false if workers could not run it. */
function enqueue(tasks: readonly Task[], of: number): boolean {
  if (shared === null || tasks.length > MOST_TASKS) return false;
  if (!hasLeft()) place = 0;
  let end = write(tasks, shared);
  if (end < 0 && place > 0) {
    joinWorkers();
    place = 0;
    end = write(tasks, shared);
  }
  if (end < 0) return false;
  for (let job = finished(); ((published - job) | 0) >= MOST_JOBS; job = finished()) if (!takePart()) wait(job);
  const { control } = shared;
  Atomics.store(control, CONTROL.limit, getNumThreads() - 1);
  steps += of;
  stepsTo[published & (MOST_JOBS - 1)] = steps;
  publish(control, published, tasks.length, place);
  published = (published + 1) | 0;
  place = end;
  leave(drain);
  while (steps - stepsTo[(finished() - 1) & (MOST_JOBS - 1)] > ENOUGH && takePart());
  return true;
}

/** Writes the program of a job to its place; where it ends, or −1 if it does not fit. */
function write(tasks: readonly Task[], to: Omit<Shared, 'index'>): number {
  const { program } = to;
  let at = place + tasks.length;
  for (let t = 0; t < tasks.length; t++) {
    const task = tasks[t];
    if (at + 1 > PROGRAM_LENGTH) return -1;
    program[place + t] = at;
    program[at++] = task.length;
    for (const { kernel, args } of task) {
      const id = idOf(kernel, to);
      if (id < 0 || at + 2 + args.length > PROGRAM_LENGTH) return -1;
      program[at++] = id;
      program[at++] = args.length;
      for (let i = 0; i < args.length; i++) program[at++] = args[i];
    }
  }
  return at;
}

/** Runs a task of the oldest job, if there is one that nobody has taken. */
function takePart(): boolean {
  const { control } = shared as Omit<Shared, 'index'>;
  const job = Atomics.load(control, CONTROL.finished);
  if (job === published) return false;
  const task = take(control, job);
  if (task < 0) return false;
  try {
    runTask(shared as Omit<Shared, 'index'>, job, task, kernelOf);
  } catch (error) {
    failure ??= error;
  }
  finish(control, job);
  return true;
}

/** Waits until a job is done that others are at. A browser's main thread may not sleep and goes on asking. */
function wait(job: number): void {
  const control = controlBlock();
  let mayWait = true;
  for (let spins = 0; Atomics.load(control, CONTROL.finished) === job; spins++) {
    if (spins < SPINS || !mayWait) continue;
    Atomics.add(control, CONTROL.waiting, 1);
    try {
      Atomics.wait(control, CONTROL.finished, job, 50);
    } catch {
      mayWait = false;
    }
    Atomics.sub(control, CONTROL.waiting, 1);
  }
}

/** The calling thread's part of all that is queued, to its end. */
function drain(): void {
  for (;;) {
    const job = finished();
    if (job === published) break;
    if (!takePart()) wait(job);
  }
  const mine = failure;
  failure = null;
  const theirs = Atomics.exchange(controlBlock(), CONTROL.failed, 0);
  if (mine !== null) throw mine;
  if (theirs !== 0)
    throw new DeviceError(
      'a kernel of this operation or one before it failed on another thread; run with setNumThreads(1) to see where',
    );
}
