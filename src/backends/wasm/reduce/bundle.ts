import { scratch } from '../heap.ts';
import { type Call, leaveTasks, type Task } from '../threads/queue.ts';
import type { Calls } from './calls.ts';
import { TILE_BYTES } from './fold.ts';

/** Tasks handed out at a time: enough for all threads, and a bounded number of parameter blocks. */
const TASKS_AT_ONCE = 128;

/** Parts of a reduction that threads fold side by side, and what is to be done in order when they have. */
export class Bundle {
  readonly #calls: Calls;
  readonly #free: number[] = [];
  #tasks: Task[] = [];
  #after: (() => void)[] = [];

  constructor(calls: Calls) {
    this.#calls = calls;
  }

  /** Room for a state, until it is released. */
  state(): number {
    return this.#free.pop() ?? scratch(TILE_BYTES);
  }

  release(state: number): void {
    this.#free.push(state);
  }

  add(call: Call): void {
    this.#tasks.push([call]);
  }

  /** Makes calls after the tasks so far, and after what was asked before. */
  afterwards(step: () => void): void {
    this.#after.push(step);
  }

  get full(): boolean {
    return this.#tasks.length >= TASKS_AT_ONCE;
  }

  /** Lets tasks and what comes after them take their turn. */
  run(): void {
    leaveTasks(this.#tasks);
    const steps = this.#after;
    this.#tasks = [];
    this.#after = [];
    for (const step of steps) step();
    this.#calls.leave(0);
  }
}
