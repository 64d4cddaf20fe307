/**
 * Work cut into tasks: kernels are called at once on one thread, or noted and run on all that are ready.
 * What is computed must not depend on which.
 */
import type { WasmFunction } from '../module.ts';
import { type Call, canShare, getNumThreads, runTasks, type Task } from './pool.ts';

/** Calls a kernel, now or when the tasks run. */
export type Run = (kernel: WasmFunction, ...args: number[]) => void;

export const now: Run = (kernel, ...args) => void kernel(...args);

/** Steps of work (multiplications, elements moved four times) from which on it is shared: some hundred microseconds. */
const SHARED_STEPS = 2 ** 21;
/** More tasks than threads, so that none waits long for the last. */
const TASKS_PER_THREAD = 4;

/** Into how many tasks to cut work of so many steps, at most `most`. */
export function tasksFor(steps: number, most: number): number {
  if (steps < SHARED_STEPS || most < 2 || !canShare()) return 1;
  return Math.min(most, TASKS_PER_THREAD * getNumThreads());
}

/** Runs the calls that `body` makes for each of `count` tasks, which do not depend on each other. */
export function inTasks(count: number, body: (task: number, run: Run) => void): void {
  if (count === 1) {
    body(0, now);
    return;
  }
  const tasks: Task[] = Array.from({ length: count }, (_, t) => {
    const calls: Call[] = [];
    body(t, (kernel, ...args) => void calls.push({ kernel, args }));
    return calls;
  });
  runTasks(tasks);
}

/** The first and the one behind the last of the units of a task, when `units` are dealt out evenly. */
export function shareOf(task: number, tasks: number, units: number): readonly [from: number, to: number] {
  return [Math.floor((task * units) / tasks), Math.floor(((task + 1) * units) / tasks)];
}
