/**
 * Launches that are planned once. Which kernels a convolution calls, for which tasks and with which tables, follows
 * from shapes and settings alone, and takes longer to find out than a small one to compute; from call to call
 * only addresses change. So a plan notes the calls, and whenever it is run it is told where its operands are.
 *
 * While it is made, addresses are numbers beyond all others that tell what they belong to, as those in threads' own
 * rooms do (`threads/own.ts`): whoever plans computes with them as with any.
 */
import type { DType } from '../../core/dtype.ts';
import type { Strided } from '../../kernels/strided.ts';
import { type NativeGemm, nativeGemm } from './blas/product.ts';
import { CLEARED_BYTES, clearing } from './clear.ts';
import { beginLaunchBeside, i32, scratch } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { parameterWords } from './linear-memory.ts';
import { LINE } from './room.ts';
import { settingsNow } from './settings.ts';
import type { OwnRooms } from './threads/own.ts';
import { joinWorkers } from './threads/pending.ts';
import { canShare } from './threads/pool.ts';
import { OWN, type Own } from './threads/protocol.ts';
import { leaveTasks } from './threads/queue.ts';
import { type Body, noted, type Run, shareOf, tasksAmong } from './threads/share.ts';

/** A tensor that a plan reads or writes, and where its first element is, as the plan knows it. */
export interface Operand {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly at: number;
}

/** From the addresses of one thing to those of the next: more than a library adds to them. */
const APART = 2 ** 48;
/** How far before its first byte something may be addressed. */
const BEFORE = 2 ** 40;
/** What addresses belong to beside operands, which follow. */
const [TABLES, ROOM, OPERANDS] = [1, 2, 3];
const baseOf = (owner: number): number => OWN + owner * APART + BEFORE;
const ownerOf = (arg: number): number => Math.floor((arg - OWN) / APART);

const WORDS = LINE / 4;
/** Bytes that are cleared by one thread, at least. */
const PAGE = 4096;

/** Work that is queued as a whole. If it has no steps it is not for workers. */
interface Job {
  readonly tasks: ReturnType<typeof noted>;
  steps: number;
  readonly own: Own | null;
}

/** Short work in turn is one task, up to so many calls, which the queue has room for. */
const MOST_CALLS = 4096;

export class Plan {
  readonly #jobs: Job[] = [];
  /** What was asked for products by a library, and what the answers were. */
  readonly #asked: (readonly [dtype: string, steps: number, native: NativeGemm | null])[] = [];
  readonly #tables: number[] = [];
  readonly #words: Int32Array;
  #room = 0;
  #odd = -1;
  /** Steps of all jobs that threads can share. */
  readonly #shared: number;
  /** Arguments that are addresses, their places, and what these belong to. */
  readonly #moved: (readonly [args: number[], place: number, owner: number])[] = [];
  /** Where each owner's addresses begin now. */
  #bases: readonly number[];
  /** What it takes, about. */
  readonly bytes: number;
  /** Set by who plans if the last operand is to be written to all places of the first one before. */
  spreads = false;

  constructor(operands: readonly Strided[], make: (plan: Plan, operands: readonly Operand[]) => void) {
    this.#bases = Array.from({ length: OPERANDS + operands.length }, (_, owner) => baseOf(owner));
    const known = operands.map(({ dtype, shape, strides }, i) => {
      return { dtype, shape, strides, at: this.#bases[OPERANDS + i] };
    });
    make(this, known);
    this.#shared = this.#jobs.reduce((sum, { tasks, steps }) => sum + (tasks.length > 1 ? steps : 0), 0);
    for (const { args } of this.#jobs.flatMap(({ tasks }) => tasks.flat())) {
      args.forEach((arg, i) => {
        const owner = ownerOf(arg);
        if (owner >= TABLES) this.#moved.push([args, i, owner]);
      });
    }
    this.#words = Int32Array.from(this.#tables);
    this.#tables.length = 0;
    this.bytes = LEAST_BYTES + 4 * this.#words.length + 128 * this.#moved.length;
  }

  /** Room for what is made on the way, aligned to lines of the cache. */
  readonly room = (bytes: number): number => {
    const at = baseOf(ROOM) + this.#room;
    this.#room += Math.ceil(bytes / LINE) * LINE;
    return at;
  };

  /**
   * Puts a table where kernels can read it. It is filled up to a multiple of `multiple` by repeating its last entry, so
   * that the last vector of elements reads what exists.
   */
  place(table: ArrayLike<number>, multiple = 1): number {
    const length = Math.ceil(table.length / multiple) * multiple;
    const at = baseOf(TABLES) + 4 * this.#tables.length;
    for (let i = 0; i < length; i++) this.#tables.push(table[Math.min(i, table.length - 1)]);
    while (this.#tables.length % WORDS > 0) this.#tables.push(0);
    return at;
  }

  /** A word that kernels set when they see what is not finite. */
  oddWord(): number {
    this.#odd = 4 * this.#tables.length;
    return this.place([0]);
  }

  /** The system's BLAS for so many multiplications, if there is one. */
  native(dtype: string, steps: number): NativeGemm | null {
    const native = nativeGemm(dtype, steps);
    this.#asked.push([dtype, steps, native]);
    return native;
  }

  /** A call behind those before. */
  readonly call: Run = (kernel, ...args) => this.#leave([[{ kernel, args }]], 1, null);

  clear(at: number, bytes: number): void {
    this.deal(null, bytes / CLEARED_BYTES, Math.ceil(bytes / PAGE), (run, from, end) => {
      run(clearing(bytes), at + from * PAGE, Math.min(bytes, end * PAGE) - from * PAGE);
    });
  }

  /** Work of so many steps in tasks that do not depend on each other; with no steps it is for the calling thread alone. */
  inTasks(count: number, steps: number, body: Body, own: Own | null = null): void {
    this.#leave(noted(count, body), steps, own);
  }

  /**
   * Work of so many steps in `units` that do not depend on each other: by `run`, which is part of a task, or, without
   * one, dealt out to tasks, which have rooms of the threads' own if there are some. Work of no steps is not for workers.
   */
  deal(
    run: Run | null,
    steps: number,
    units: number,
    work: (run: Run, from: number, to: number, task: number) => void,
    rooms: OwnRooms | null = null,
  ): void {
    if (run !== null) {
      work(run, 0, units, 0);
      return;
    }
    const tasks = tasksAmong(steps, units);
    this.inTasks(tasks, steps, (t, later) => work(later, ...shareOf(t, tasks, units), t), rooms?.laid);
  }

  #leave(all: Job['tasks'], steps: number, own: Own | null): void {
    const tasks = all.filter((calls) => calls.length > 0);
    if (tasks.length === 0) return;
    const last = this.#jobs.at(-1);
    const alike = last !== undefined && !last.steps === !steps && last.own === own;
    if (alike && last.tasks.length + tasks.length === 2 && last.tasks[0].length + tasks[0].length <= MOST_CALLS) {
      last.tasks[0].push(...tasks[0]);
      last.steps += steps;
    } else this.#jobs.push({ tasks, steps, own });
  }

  /** Whether everything but addresses is as when it was planned. */
  get holds(): boolean {
    return this.#asked.every(([dtype, steps, then]) => {
      const now = nativeGemm(dtype, steps);
      return now?.gemm === then?.gemm && now?.origin === then?.origin && now?.shared === then?.shared;
    });
  }

  /** Runs it on operands in the order in which it was told of them; false if kernels have seen what is not finite. */
  run(operands: readonly Strided[]): boolean {
    beginLaunchBeside();
    // Addressing an operand may run plans, this one among them.
    const starts = operands.map(startOf);
    const tables = scratch(4 * this.#words.length + this.#room);
    parameterWords().set(this.#words, tables >>> 2);
    const room = tables + 4 * this.#words.length;
    const bases = [0, tables, room, ...starts];
    const by = bases.map((base, owner) => base - this.#bases[owner]);
    this.#bases = bases;
    for (const [args, place, owner] of this.#moved) args[place] += by[owner];
    // The whole is worth waking a worker, where its first job may not be.
    const shares = this.#shared > 0 && canShare(this.#shared);
    for (const { tasks, steps, own } of this.#jobs) {
      if (steps === 0) joinWorkers();
      const at = own && { at: own.at - baseOf(ROOM) + room, bytes: own.bytes };
      leaveTasks(tasks.length > 1 && !shares ? [tasks.flat()] : tasks, steps, at);
    }
    return this.#odd < 0 || i32()[(tables + this.#odd) >>> 2] === 0;
  }
}

/** Bytes of plans that are kept, and what one takes at least. */
const MOST_BYTES = 2 ** 25;
const LEAST_BYTES = 2 ** 15;
const plans = new Map<string, Plan>();
let planBytes = 0;

/** The plan for operands of such layouts and what else `key` tells apart; `make` makes it if it is not known. */
export function planFor(
  key: string,
  operands: readonly Strided[],
  make: (plan: Plan, operands: readonly Operand[]) => void,
): Plan {
  let whole = `${key} ${settingsNow()}`;
  for (const { dtype, shape, strides } of operands) whole += ` ${dtype} ${shape} ${strides}`;
  const known = plans.get(whole);
  if (known?.holds) return known;
  const plan = new Plan(operands, make);
  planBytes += plan.bytes - (known?.bytes ?? 0);
  if (planBytes > MOST_BYTES) {
    plans.clear();
    planBytes = plan.bytes;
  }
  plans.set(whole, plan);
  return plan;
}
