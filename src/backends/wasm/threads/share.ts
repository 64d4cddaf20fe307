/**
 * Work cut into tasks: kernels are called at once on one thread, or noted and run on all that are ready.
 * What is computed must not depend on which.
 */
import { scratch } from '../heap.ts';
import type { WasmFunction } from '../module.ts';
import { type CallAt, callAlone } from './alone.ts';
import { joinWorkers } from './pending.ts';
import { canShare, getNumThreads } from './pool.ts';
import { type Call, callInTurn, isBusy, leaveTasks, type Task } from './queue.ts';

/** Calls a kernel, now or when the tasks run. */
export type Run = (kernel: WasmFunction, ...args: number[]) => void;

export const now: Run = (kernel, ...args) => void kernel(...args);

/** At once if nothing is queued, else behind it. */
export const inTurn: Run = (kernel, ...args) => callInTurn(0, kernel, ...args);

/** Steps of work (multiplications, elements moved four times) from which on it is shared: some twenty microseconds. */
const SHARED_STEPS = 2 ** 19;
/** More tasks than threads, so that none waits long for the last. */
const TASKS_PER_THREAD = 4;

/** Tasks to which work is best dealt out where it can be cut in any manner. */
export const tasksWanted = (): number => TASKS_PER_THREAD * getNumThreads();

/** Into how many tasks to cut work of so many steps, at most `most`, if there are workers for it. */
export const tasksAmong = (steps: number, most: number): number =>
  steps < SHARED_STEPS || getNumThreads() === 1 ? 1 : Math.min(most, tasksWanted());

/** The same as things are now. */
export function tasksFor(steps: number, most: number): number {
  const tasks = tasksAmong(steps, most);
  return tasks > 1 && canShare(steps) ? tasks : 1;
}

/** Steps of a piece: worth being taken by a thread, and so few that none waits long for the last one. */
const FEWEST_STEPS = 2 ** 17;
const MOST_STEPS = 2 ** 20;
/** Pieces of one piece of work, at most. */
const MOST_PIECES = 256;
/** Units of a call, at most: kernels count them in 32 bits, with a sign. */
const MOST_UNITS = 2 ** 30;

/** Whether a piece of work of so many steps may be shared. */
export const isWorthCutting = (steps: number): boolean => steps >= 2 * FEWEST_STEPS;

/**
 * How many units a piece of work has that is shared (a multiple of `multiple`), where a unit takes so many
 * steps; as many as there are (and one call counts) if it is not worth it, or nobody is there to share it with.
 */
export function pieceOf(units: number, steps: number, multiple = 1): number {
  const all = units * steps;
  if (!isWorthCutting(all) || units < 2 * multiple || !canShare(all)) return Math.min(units, MOST_UNITS);
  const wanted = Math.max(tasksWanted(), all / MOST_STEPS);
  const most = Math.floor(Math.min(MOST_PIECES, wanted, all / FEWEST_STEPS, units / multiple));
  // As many for each thread, so that none stands by for the last.
  const pieces = most - (most > getNumThreads() ? most % getNumThreads() : 0);
  return multiple * Math.ceil(units / pieces / multiple);
}

/**
 * Calls a kernel for all of some units that do not depend on each other and take so many steps, shared in pieces of
 * so many (`pieceOf`) or alone, in its turn.
 */
export function inPieces(units: number, steps: number, piece: number, multiple: number, callAt: CallAt): void {
  if (piece === units && !isBusy()) {
    callAlone(units, multiple, callAt);
    return;
  }
  const tasks: Task[] = [];
  for (let at = 0; at < units; at += piece) tasks.push([callAt(at, Math.min(piece, units - at))]);
  leaveTasks(tasks, units * steps);
}

/** What calls kernels for a task. */
export type Body = (task: number, run: Run) => void;

/** The calls that `body` makes for each of some tasks; their arguments may be changed. */
export const noted = (count: number, body: Body): (Call & { readonly args: number[] })[][] =>
  Array.from({ length: count }, (_, t) => {
    const calls: (Call & { readonly args: number[] })[] = [];
    body(t, (kernel, ...args) => void calls.push({ kernel, args }));
    return calls;
  });

/** Runs the calls that `body` makes for each of `count` tasks, which do not depend on each other, and waits for them. */
export function inTasks(count: number, body: Body): void {
  leaveInTasks(count, 0, body);
  joinWorkers();
}

/** The same, of so many steps, without waiting: `body` must not write where anything queued may still read. */
export function leaveInTasks(count: number, steps: number, body: Body): void {
  if (count === 1 && !isBusy()) body(0, now);
  else leaveTasks(noted(count, body), steps);
}

/** The first and the one behind the last of the units of a task, when `units` are dealt out evenly. */
export function shareOf(task: number, tasks: number, units: number): readonly [from: number, to: number] {
  return [Math.floor((task * units) / tasks), Math.floor(((task + 1) * units) / tasks)];
}

/** Deals work of so many steps in `units` that do not depend on each other out to tasks, which nobody waits for. */
export function deal(steps: number, units: number, work: (run: Run, from: number, to: number) => void): void {
  const tasks = tasksFor(steps, units);
  leaveInTasks(tasks, steps, (t, later) => work(later, ...shareOf(t, tasks, units)));
}

/** Parameter blocks that are written before threads begin. */
const BLOCKS_AT_ONCE = 1024;

/**
 * Calls a kernel for each of some units that do not depend on each other, with a block of parameters for each:
 * `write` fills it, from this word of the memory on, for the task that the unit is in; units come in order.
 */
export function inBlocks(
  kernel: WasmFunction,
  words: number,
  units: number,
  tasks: number,
  write: (unit: number, task: number, word: number) => void,
): void {
  if (tasks === 1) {
    const block = scratch(4 * words);
    for (let unit = 0; unit < units; unit++) {
      write(unit, 0, block >>> 2);
      kernel(block);
    }
    return;
  }
  const blocks = Array.from({ length: Math.min(units, BLOCKS_AT_ONCE) }, () => scratch(4 * words));
  for (let first = 0; first < units; first += BLOCKS_AT_ONCE) {
    const some = Math.min(BLOCKS_AT_ONCE, units - first);
    const count = Math.min(tasks, some);
    inTasks(count, (task, run) => {
      const [from, end] = shareOf(task, count, some);
      for (let i = from; i < end; i++) {
        write(first + i, task, blocks[i] >>> 2);
        run(kernel, blocks[i]);
      }
    });
  }
}

/** How the lines at each of some positions are cut, so that there are enough pieces for all tasks: lines of a piece, a multiple of `unit`. */
export function linesOf(lines: number, positions: number, tasks: number, unit = 1): number {
  return Math.ceil(lines / Math.ceil(tasks / positions) / unit) * unit;
}
