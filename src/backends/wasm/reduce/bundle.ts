import { scratch } from '../heap.ts';
import { type Call, runTasks, type Task } from '../threads/pool.ts';

/** Tasks handed out at a time: enough for all threads, and a bounded number of parameter blocks. */
const TASKS_AT_ONCE = 128;

/** Parts of a reduction that threads fold side by side, and what is to be done in order when they have. */
export class Bundle {
  readonly #paramBytes: number;
  readonly #slotBytes: number;
  readonly #blocks: number[] = [];
  readonly #free: number[] = [];
  #tasks: Task[] = [];
  #after: (() => void)[] = [];

  constructor(paramBytes: number, slotBytes: number) {
    this.#paramBytes = paramBytes;
    this.#slotBytes = slotBytes;
  }

  /** Room for the parameters of the next task. */
  params(): number {
    const i = this.#tasks.length;
    this.#blocks[i] ??= scratch(this.#paramBytes);
    return this.#blocks[i];
  }

  /** Room for a state, until it is released. */
  state(): number {
    return this.#free.pop() ?? scratch(this.#slotBytes);
  }

  release(state: number): void {
    this.#free.push(state);
  }

  add(call: Call): void {
    this.#tasks.push([call]);
  }

  /** Does something after the tasks so far, and after what was asked before. */
  afterwards(step: () => void): void {
    this.#after.push(step);
  }

  get full(): boolean {
    return this.#tasks.length >= TASKS_AT_ONCE;
  }

  run(): void {
    runTasks(this.#tasks);
    const steps = this.#after;
    this.#tasks = [];
    this.#after = [];
    for (const step of steps) step();
  }
}
