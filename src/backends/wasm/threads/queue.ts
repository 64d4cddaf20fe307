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
import { launchesBetween } from '../body.ts';
import { clock } from '../clock.ts';
import type { WasmFunction } from '../module.ts';
import { now } from './clock.ts';
import { forsake, hasLeft, joinWorkers, launching, leave } from './pending.ts';
import { canShare, dismissWorkers, getNumThreads, hasLostTask, idOf, kernelOf, shared } from './pool.ts';
import {
  CONTROL,
  finish,
  MOST_JOBS,
  MOST_TASKS,
  type Own,
  PROGRAM_LENGTH,
  placeOf,
  publish,
  runTask,
  type SharedByAll,
  shifted,
  shiftFor,
  take,
} from './protocol.ts';

/** One call of a kernel; a task is a list of them, in order. */
export interface Call {
  readonly kernel: WasmFunction;
  readonly args: readonly number[];
}
export type Task = readonly Call[];

/** Steps (multiplications, or elements moved four times) that may be queued before the calling thread takes part: about a millisecond of a library's fastest products. */
const ENOUGH = 2 ** 27;
/** Jobs that are left when it has taken part in many of them. */
const FEW_JOBS = 64;
/** Turns of a loop that last some ten microseconds. */
const TURNS_OF_A_TASK = 1000;
/** Turns of the loop before the caller sleeps. */
const SPINS = 20_000;
/** Milliseconds it sleeps at once. */
const NAP = 50;

/** Jobs published so far, and where the program of the next one goes. */
let published = 0;
let place = 0;
/** Steps of all jobs so far, and of those up to each one in the queue. */
let steps = 0;
const stepsTo = new Float64Array(MOST_JOBS);
/** The operations that the jobs in the queue belong to, and the launches. */
const names: string[] = new Array<string>(MOST_JOBS).fill('');
const launches = new Int32Array(MOST_JOBS);
/** What went wrong first, on this thread or another. */
let failure: DeviceError | null = null;

/** How long nothing may happen before a worker that has a task is taken for dead: where the program never yields, nobody says so. @internal */
export const patience = { milliseconds: 120_000 };

/** Whether something is queued, so that what runs now would not be in its turn. */
export function isBusy(): boolean {
  if (!hasLeft()) return false;
  if (finished() !== published) return true;
  joinWorkers();
  return false;
}

/** Whether all is done that was queued up to the end of a launch. */
export const isDone = (launch: number): boolean =>
  !isBusy() || launchesBetween(launch, clock) > launchesBetween(launches[placeOf(finished())], clock);

/** Runs tasks, which do not depend on each other, on all threads that are ready; returns when all are done. */
export function runTasks(tasks: readonly Task[]): void {
  leaveTasks(tasks);
  joinWorkers();
}

/**
 * The same, of so many steps and with rooms of the threads' own (`own.ts`), without waiting for them: to be followed by
 * nothing but what is queued or joins.
 */
export function leaveTasks(tasks: readonly Task[], of = 0, own: Own | null = null): void {
  if (tasks.length === 0) return;
  if (((tasks.length > 1 && canShare()) || isBusy()) && enqueue(tasks, of, own)) return;
  joinWorkers();
  const shift = own === null ? 0 : shiftFor(own, 0);
  for (const task of tasks)
    for (const { kernel, args } of task) kernel(...(own === null ? args : shifted([...args], shift)));
}

/** Calls a kernel that takes so many steps when it is its turn: at once if nothing is queued. */
export function callInTurn(of: number, kernel: WasmFunction, ...args: number[]): void {
  if (!isBusy() || !enqueue([[{ kernel, args }]], of)) {
    joinWorkers();
    kernel(...args);
  }
}

const controlBlock = (): Int32Array => (shared as SharedByAll).control;
const finished = (): number => Atomics.load(controlBlock(), CONTROL.finished);

/** Puts a job into the queue; false if workers could not run it. */
function enqueue(tasks: readonly Task[], of: number, own: Own | null = null): boolean {
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
  stepsTo[placeOf(published)] = steps;
  noteFailure();
  names[placeOf(published)] = launching.name;
  launches[placeOf(published)] = clock;
  publish(control, published, tasks.length, place, own);
  published = (published + 1) | 0;
  place = end;
  leave(drain);
  if (queuedSteps() > ENOUGH || queuedJobs() === MOST_JOBS) takeParts();
  return true;
}

const queuedSteps = (): number => steps - stepsTo[placeOf(finished() - 1)];
const queuedJobs = (): number => (published - finished()) | 0;

/**
 * The calling thread's part of what is more than enough. Of many jobs it does more: whoever begins one while others are
 * in the middle of it makes them wait for his task, and then they go through the next ones in step.
 */
function takeParts(): void {
  while (takePart() && queuedSteps() > ENOUGH);
  while (queuedJobs() > FEW_JOBS && (takePart() || isSoonDone()));
}

/** Whether the oldest job is done within the time of a small task. */
function isSoonDone(): boolean {
  const job = finished();
  for (let turns = TURNS_OF_A_TASK; turns > 0; turns--) if (finished() !== job) return true;
  return false;
}

/** Writes the program of a job to its place; where it ends, or −1 if it does not fit. */
function write(tasks: readonly Task[], to: SharedByAll): number {
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
  const { control } = shared as SharedByAll;
  const job = Atomics.load(control, CONTROL.finished);
  if (job === published) return false;
  const task = take(control, job, false);
  if (task < 0) return false;
  try {
    runTask(shared as SharedByAll, job, task, kernelOf, 0);
  } catch (error) {
    failure ??= new DeviceError(`${names[placeOf(job)]}: a kernel failed: ${(error as Error).message}`, {
      cause: error,
    });
  }
  finish(control, job);
  return true;
}

/** Waits until a job is done that others are at. A browser's main thread may not sleep and goes on asking. */
function wait(job: number): void {
  const control = controlBlock();
  let mayWait = true;
  let waited = 0;
  let last = 0;
  for (let spins = 0; Atomics.load(control, CONTROL.finished) === job; spins++) {
    if (spins < SPINS || (!mayWait && spins % SPINS > 0)) continue;
    if (last > 0) waited += Math.min(NAP, now() - last);
    if (hasLostTask() || waited > patience.milliseconds) throw giveUpOn(job);
    last = now();
    if (!mayWait) continue;
    Atomics.add(control, CONTROL.waiting, 1);
    try {
      Atomics.wait(control, CONTROL.finished, job, NAP);
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
  noteFailure();
  const error = failure;
  failure = null;
  if (error !== null) throw error;
}

/** Looks whether a kernel has failed on another thread, while the name of its job is known. */
function noteFailure(): void {
  const control = controlBlock();
  if (Atomics.load(control, CONTROL.failed) === 0) return;
  const name = names[Atomics.exchange(control, CONTROL.failed, 0) - 1];
  failure ??= new DeviceError(`${name}: a kernel failed on another thread; run with setNumThreads(1) to see where`);
}

/** A worker has ended with a task of a job. What was queued is not done, nor will it be. */
function giveUpOn(job: number): DeviceError {
  dismissWorkers();
  forsake();
  failure = null;
  return new DeviceError(
    `${names[placeOf(job)]}: a thread ended in the middle of it; its results and those of operations after it are not there, and one thread goes on`,
  );
}
