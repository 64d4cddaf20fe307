/**
 * Room that each thread has of its own. A task is written once, for whoever takes it: addresses from `OWN` on are in
 * the room of the thread that runs it. So what a task makes for itself stays in the cache of one core, and there is
 * as much room as there are threads, however many tasks.
 */
import { LINE } from '../room.ts';
import { getNumThreads } from './pool.ts';
import { OWN, type Own, shiftFor } from './protocol.ts';

/** Lays such rooms out. */
export class OwnRooms {
  #bytes = 0;
  #laid: Own | null = null;
  readonly #prepare: ((shift: number) => void)[] = [];
  readonly #room: (bytes: number) => number;

  constructor(room: (bytes: number) => number) {
    this.#room = room;
  }

  /** Room of so many bytes, as tasks know it; `prepare` is called for each thread's, which is so far away. */
  take(bytes: number, prepare?: (shift: number) => void): number {
    const at = OWN + this.#bytes;
    this.#bytes += Math.ceil(bytes / LINE) * LINE;
    if (prepare !== undefined) this.#prepare.push(prepare);
    return at;
  }

  /** The rooms of all threads, once everything has been taken. */
  get laid(): Own {
    if (this.#laid !== null) return this.#laid;
    const own = { at: this.#room(getNumThreads() * this.#bytes), bytes: this.#bytes };
    for (let thread = 0; thread < getNumThreads(); thread++)
      for (const prepare of this.#prepare) prepare(shiftFor(own, thread));
    this.#laid = own;
    return own;
  }
}
