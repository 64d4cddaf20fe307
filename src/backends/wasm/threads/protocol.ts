/**
 * What the calling thread and its workers share besides the linear memory: a few words to synchronise
 * on, a queue of jobs, their programs, and where the code of kernels lies.
 *
 * A job is a list of tasks, a task a list of calls of kernels. Jobs are done in the order in which they
 * were published: nobody begins one before all tasks of those before are done, so a job may read what
 * an earlier one writes. Threads take the tasks of the oldest job by counting down its ticket. The ticket
 * carries the number of the job, so that a thread that comes late can take nothing from one that has the
 * same place in the queue.
 */

/** Jobs that the queue has room for, a power of two. */
export const MOST_JOBS = 256;

/** Words of a job in the queue. */
const JOB = {
  /** Number of the job times 2¹², plus the tasks that nobody has taken. */
  ticket: 0,
  tasks: 1,
  /** Tasks that are finished. */
  done: 2,
  /** Where its program begins. */
  program: 3,
  /** Where threads have rooms of their own, if its tasks use any, and the bytes of one (`own.ts`). */
  room: 4,
  roomBytes: 5,
  /** Tasks that the calling thread has taken, from the first on, and those that workers have, from the last. */
  first: 6,
  last: 7,
  words: 8,
} as const;

/** Words of the control block. */
export const CONTROL = {
  /** Changes when there is a job, or a library to load; workers that have nothing to do sleep on it. */
  news: 0,
  /** Jobs that were published, and those that are done; who waits for the end of one sleeps on the latter. */
  published: 1,
  finished: 2,
  /** Workers that may take part: those with a smaller index. */
  limit: 3,
  /** The place in the queue of a job of which a kernel threw, plus one. */
  failed: 4,
  /** Workers that are ready. */
  ready: 5,
  /** A kernel that workers are to make at once, its number plus one; how many have, and how many could not. */
  needed: 6,
  made: 7,
  unmade: 8,
  /** Workers that sleep until there is news, and threads that sleep until a job is done. */
  asleep: 9,
  waiting: 10,
  /** The queue. */
  jobs: 16,
  words: 16 + JOB.words * MOST_JOBS,
} as const;

const TICKET_BITS = 12;
const TICKET_MASK = (1 << TICKET_BITS) - 1;
/** Tasks a job may have. */
export const MOST_TASKS: number = TICKET_MASK;

/** Numbers that programs of jobs have room for: where each task begins, then tasks: calls, and per call kernel, arguments and these. */
export const PROGRAM_LENGTH = 1 << 18;

/** Kernels that workers can know of, each with place and length of its code and which function of it it is; and room for all code, which takes no memory before it is used. */
export const MOST_KERNELS = 4096;
export const KERNEL_WORDS = 3;
export const CODE_BYTES: number = 2 ** 23;

/** What a worker is started with. */
export interface Shared {
  readonly memory: WebAssembly.Memory;
  readonly control: Int32Array;
  readonly program: Float64Array;
  readonly kernels: Int32Array;
  readonly code: Uint8Array;
  /** Code by which a worker finds a good depth of its stack. */
  readonly probe: Uint8Array<ArrayBuffer>;
  /** Of this worker, from 0. */
  readonly index: number;
  /** A word that is 1 while this worker has a task. */
  readonly holds: Int32Array;
}

/** What all of them share. */
export type SharedByAll = Omit<Shared, 'index' | 'holds'>;

export type Kernel = (...args: number[]) => number;

/** Arguments from here on are addresses in a room of the thread's own: beyond all others, and such that sums are exact. */
export const OWN: number = 2 ** 50;

/** Where the first thread's room is, and the bytes from one thread's to the next. */
export interface Own {
  readonly at: number;
  readonly bytes: number;
}

/** How far from such arguments a thread's room is. */
export const shiftFor = ({ at, bytes }: Own, thread: number): number => at + thread * bytes - OWN;

/** Makes arguments, in place, what that thread sees. */
export function shifted(args: number[], shift: number): number[] {
  for (let i = 0; i < args.length; i++) if (args[i] >= OWN) args[i] += shift;
  return args;
}

/** Which place of the queue a job has. */
export const placeOf = (job: number): number => job & (MOST_JOBS - 1);

/** Where a job is in the queue; jobs are counted in 32 bits. */
const slotOf = (job: number): number => CONTROL.jobs + JOB.words * placeOf(job);

/** Puts a job behind the others, for which there is room: its number is that of jobs published so far. */
export function publish(control: Int32Array, job: number, tasks: number, program: number, own: Own | null): void {
  const slot = slotOf(job);
  control[slot + JOB.tasks] = tasks;
  control[slot + JOB.done] = 0;
  control[slot + JOB.program] = program;
  control[slot + JOB.room] = own?.at ?? 0;
  control[slot + JOB.roomBytes] = own?.bytes ?? 0;
  control[slot + JOB.first] = 0;
  control[slot + JOB.last] = 0;
  Atomics.store(control, slot + JOB.ticket, (job << TICKET_BITS) | tasks);
  Atomics.store(control, CONTROL.published, (job + 1) | 0);
  Atomics.add(control, CONTROL.news, 1);
  if (Atomics.load(control, CONTROL.asleep) > 0) Atomics.notify(control, CONTROL.news);
}

/**
 * Takes a task of the oldest job, of which this is the number; −1 when there is none. The calling thread begins with
 * the first and workers with the last: jobs mostly cut the same rows, so that a core reads what it has written itself.
 */
export function take(control: Int32Array, job: number, isWorker: boolean): number {
  const slot = slotOf(job);
  for (;;) {
    const ticket = Atomics.load(control, slot + JOB.ticket);
    const left = ticket & TICKET_MASK;
    if (left === 0 || (ticket ^ (job << TICKET_BITS)) >> TICKET_BITS !== 0) return -1;
    if (Atomics.compareExchange(control, slot + JOB.ticket, ticket, ticket - 1) !== ticket) continue;
    if (!isWorker) return Atomics.add(control, slot + JOB.first, 1);
    return control[slot + JOB.tasks] - 1 - Atomics.add(control, slot + JOB.last, 1);
  }
}

/**
 * Rooms for arguments, by how many: garbage of every call would have V8 collect it, on threads that compete with ours.
 * They begin with no numbers, so that V8 keeps whole ones as they are and none as a float64, which every call boxes.
 */
const rooms: number[][] = [];
const roomFor = (count: number): number[] => (rooms[count] ??= new Array<unknown>(count).fill(null) as number[]);

/** Runs the calls of a task that was taken, as the thread of such a number: the calling one is 0. */
export function runTask(
  { control, program }: Pick<Shared, 'control' | 'program'>,
  job: number,
  task: number,
  kernelOf: (id: number) => Kernel,
  thread: number,
): void {
  const slot = slotOf(job);
  const bytes = control[slot + JOB.roomBytes] >>> 0;
  const shift = shiftFor({ at: control[slot + JOB.room] >>> 0, bytes }, thread);
  let at = program[control[slot + JOB.program] + task];
  const calls = program[at++];
  for (let c = 0; c < calls; c++) {
    const kernel = kernelOf(program[at]);
    const args = roomFor(program[at + 1]);
    at += 2;
    for (let i = 0; i < args.length; i++) args[i] = program[at++];
    kernel(...(bytes === 0 ? args : shifted(args, shift)));
  }
}

/** Counts a task as finished; after the last one it is the next job's turn. */
export function finish(control: Int32Array, job: number): void {
  const slot = slotOf(job);
  // Read before the task counts: once the last one does, the place in the queue may be another job's.
  const tasks = control[slot + JOB.tasks];
  if (Atomics.add(control, slot + JOB.done, 1) + 1 < tasks) return;
  Atomics.store(control, CONTROL.finished, (job + 1) | 0);
  if (Atomics.load(control, CONTROL.waiting) > 0) Atomics.notify(control, CONTROL.finished);
}
