/**
 * What the calling thread and its workers share besides the linear memory: a few words to
 * synchronise on, the program of the job in progress, and where the code of kernels lies.
 *
 * A job is a list of tasks, a task a list of calls of kernels. Threads take tasks by counting down a
 * ticket. The ticket carries the number of the job, so that a worker that wakes up late can take
 * nothing from the next one.
 */

/** Words of the control block. */
export const CONTROL = {
  /** Changes when a job begins; workers sleep on it. */
  epoch: 0,
  /** Number of the job times 2¹², plus the tasks that nobody has taken. */
  ticket: 1,
  tasks: 2,
  /** Tasks that are finished; the caller sleeps on it. */
  done: 3,
  /** Workers that may take part: those with a smaller index. */
  limit: 4,
  /** A kernel threw. */
  failed: 5,
  /** Workers that are ready. */
  ready: 6,
  /** A kernel that workers are to make at once, its number plus one; how many have, and how many could not. */
  needed: 7,
  made: 8,
  unmade: 9,
  /** Workers that sleep. */
  asleep: 10,
  /** Where the program of the job begins. */
  program: 11,
  words: 16,
} as const;

export const TICKET_BITS = 12;
export const TICKET_MASK: number = (1 << TICKET_BITS) - 1;
/** Tasks a job may have. */
export const MOST_TASKS = TICKET_MASK;

/** Numbers in a program, of which there is room for two: where each task begins, then tasks: calls, and per call kernel, arguments and these. */
export const PROGRAM_LENGTH = 1 << 18;

/** Kernels that workers can know of, each with address and length of its code and which function of it it is. */
export const MOST_KERNELS = 4096;
export const KERNEL_WORDS = 3;

/** What a worker is started with. */
export interface Shared {
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array;
  readonly program: Float64Array;
  readonly kernels: Float64Array;
  /** Code by which a worker finds a good depth of its stack. */
  readonly probe: Uint8Array<ArrayBuffer>;
  /** Of this worker, from 0. */
  readonly index: number;
}

export type Kernel = (...args: number[]) => number;

/** Takes one task of job `epoch`; −1 when there is none. */
export function take(control: Int32Array, epoch: number): number {
  for (;;) {
    const ticket = Atomics.load(control, CONTROL.ticket);
    const left = ticket & TICKET_MASK;
    if (left === 0 || ticket >> TICKET_BITS !== epoch) return -1;
    if (Atomics.compareExchange(control, CONTROL.ticket, ticket, ticket - 1) === ticket) return left - 1;
  }
}

/** The number a job's ticket carries: as many bits of its epoch as fit. */
export const jobNumber = (epoch: number): number => (epoch << TICKET_BITS) >> TICKET_BITS;

/** Runs the calls of a task of the program that begins at `place`. */
export function runTask(program: Float64Array, place: number, task: number, kernelOf: (id: number) => Kernel): void {
  let at = program[place + task];
  const calls = program[at++];
  for (let c = 0; c < calls; c++) {
    const kernel = kernelOf(program[at]);
    const args = new Array<number>(program[at + 1]);
    at += 2;
    for (let i = 0; i < args.length; i++) args[i] = program[at++];
    kernel(...args);
  }
}

/** Counts a task as finished and wakes the caller after the last. */
export function finish(control: Int32Array): void {
  const done = Atomics.add(control, CONTROL.done, 1) + 1;
  if (done === Atomics.load(control, CONTROL.tasks)) Atomics.notify(control, CONTROL.done);
}
