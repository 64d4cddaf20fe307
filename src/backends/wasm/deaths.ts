import type { Body, Owner } from './body.ts';
import { clock } from './clock.ts';
import { type Living, livingOf } from './living.ts';
import { collectBy } from './moved.ts';

// Registration costs several times as much as an allocation, and most blocks are given up soon after. So it
// waits, for so many bodies and bytes, until those are gone that will not need it.
const WAITING_BODIES = 256;
/** In granules of 16 bytes. */
const WAITING_GRANULES = 2 ** 18;
/** So much costs more to fill than to register; and what waits stays alive, with all that its recipe reads. */
const WAITS_GRANULES = 2 ** 16;

/** Granules of bodies that wait before it is worth looking which of them are dead. */
const ENOUGH = 240_000;
/** Unless fewer than one in so many were: then it is looked when V8 is to collect what is young in any case. */
const LOOKED_FOR = 4;
/** Owners among which it is looked for the dead in any case. */
const MOST_SETTLED = 4096;

/**
 * What is held for a body, by the registry above all. V8 keeps it, unregistered or not, until it collects the whole
 * heap: the body, and with it a copy of its bytes, must be able to die before.
 */
export interface Ticket {
  body: Body | null;
}

/**
 * Which bodies no storage needs any more. Where the host lists what is young and alive (`living.ts`), `reap` looks
 * when room is short. Finalizers are the backstop for programs that yield to the event loop. A body is registered
 * while it is in place and evictable; it holds nothing that leads to its storages. V8 looks for the death of what is
 * registered only when it collects the whole heap, so those are registered that have been seen alive twice.
 */
export class Deaths {
  /** How many bodies were given back. */
  seen = 0;
  readonly #retire: (body: Body) => void;
  readonly #registry: FinalizationRegistry<Ticket> | null;
  /** Bodies whose owners wait, and granules of them. */
  #waiting: Body[] = [];
  #granules = 0;
  /** Granules of all that are not registered, and how many are worth looking. */
  #young = 0;
  #next = ENOUGH;
  /** Bodies whose owners may die, but not what has been given up since, and these owners; how many have come to them. */
  #weak: Ticket[] = [];
  #owners = new WeakSet<object>();
  #settled = 0;
  /** Null where hosts tell nothing, undefined until it was tried. */
  #living: Living | null | undefined;

  /** Calls `retire` for every body whose owner has died. */
  constructor(retire: (body: Body) => void) {
    this.#retire = retire;
    this.#registry =
      typeof FinalizationRegistry === 'function'
        ? new FinalizationRegistry<Ticket>(({ body }) => {
            if (body === null) {
              this.#look(true);
              this.#watch();
              return;
            }
            body.ticket = null;
            this.#bury(body);
          })
        : null;
  }

  /** Has a body given back when its owner, which dies with its last storage, has died. */
  expect(body: Body, owner: Owner): void {
    body.waits = true;
    body.aged = false;
    this.#young += body.used;
    if (body.used >= WAITS_GRANULES) {
      this.#settle(body, owner);
      if (this.#settled >= MOST_SETTLED) this.#look();
      return;
    }
    body.owner = owner;
    this.#waiting.push(body);
    this.#granules += body.used;
    if (this.#waiting.length >= WAITING_BODIES || this.#granules >= WAITING_GRANULES) this.#settleWaiting();
  }

  /**
   * Goes on waiting for the death of an owner whose body is about to be forgotten, where hosts tell of it. What is
   * registered does not: a loop that never yields would keep the registration of everyone who has died.
   */
  follow(body: Body): void {
    if (this.#living == null || !body.waits) {
      this.cancel(body);
      return;
    }
    const { owner } = body;
    if (owner !== null) this.#settle(body, owner);
    this.#leave(body);
  }

  /** Takes back `expect`. */
  cancel(body: Body): void {
    const { ticket, waits } = body;
    this.#leave(body);
    if (ticket === null) return;
    if (!waits) this.#registry?.unregister(ticket);
    ticket.body = null;
    body.ticket = null;
  }

  /** Gives back bodies that have died young, if so many wait that it is worth looking, or in any case; whether there were any. */
  reap(inAnyCase = false): boolean {
    return this.#isTold() && (inAnyCase || this.#young >= this.#next) && this.#look();
  }

  /** Whether the host tells of deaths. */
  #isTold(): boolean {
    if (this.#living === undefined) {
      this.#living = livingOf();
      if (this.#living !== null) {
        collectBy(() => this.#look());
        this.#watch();
      }
    }
    return this.#living !== null;
  }

  /** Looks again when the program yields after V8 has collected the whole heap. */
  #watch(): void {
    this.#registry?.register({}, { body: null });
  }

  /** Buries the dead; where the program has yielded, also those that the last launch used. */
  #look(yielded = false): boolean {
    const before = this.#young;
    const dead = this.#living ? this.#reapBy(this.#living, yielded) : 0;
    this.#next = LOOKED_FOR * dead < before ? Number.POSITIVE_INFINITY : this.#young + ENOUGH;
    return dead > 0;
  }

  #reapBy(living: Living, yielded: boolean): number {
    for (const body of this.#waiting) if (body.owner !== null) this.#settle(body, body.owner);
    this.#waiting = [];
    this.#granules = 0;
    const owners = living(this.#owners) as readonly Owner[] | null;
    if (owners === null) return 0;
    let dead = 0;
    const alive = new Map(owners.map((owner) => [owner.body, owner]));
    const weak = this.#weak;
    this.#weak = [];
    this.#owners = new WeakSet();
    this.#settled = 0;
    for (const ticket of weak) {
      const { body } = ticket;
      if (body === null) continue;
      const owner = alive.get(body);
      // Code that is at work in a launch may have an address of it, and no more.
      if (owner === undefined && (yielded || body.stamp !== clock)) {
        dead += body.used;
        this.#bury(body);
      } else if (owner !== undefined && body.aged) {
        if (body.forgotten) this.cancel(body);
        else this.#register(body, owner);
      } else {
        body.aged = true;
        this.#weak.push(ticket);
        if (owner !== undefined) this.#owners.add(owner);
      }
    }
    return dead;
  }

  #bury(body: Body): void {
    this.seen++;
    this.#retire(body);
  }

  #leave(body: Body): void {
    if (body.waits) this.#young -= body.used;
    body.waits = false;
    body.owner = null;
  }

  /** Lets go of an owner. */
  #settle(body: Body, owner: object): void {
    if (this.#living == null) {
      this.#register(body, owner);
      return;
    }
    body.owner = null;
    body.ticket = { body };
    this.#weak.push(body.ticket);
    this.#owners.add(owner);
    this.#settled++;
  }

  #register(body: Body, owner: object): void {
    this.#leave(body);
    if (this.#registry === null) return;
    const ticket: Ticket = { body };
    body.ticket = ticket;
    this.#registry.register(owner, ticket, ticket);
  }

  /** Lets those go that wait for nothing any more, and settles the others unless that left few. */
  #settleWaiting(): void {
    const waiting = this.#waiting;
    let left = 0;
    let granules = 0;
    for (const body of waiting) {
      if (body.owner === null) continue;
      waiting[left++] = body;
      granules += body.used;
    }
    waiting.length = left;
    this.#granules = granules;
    if (2 * left < WAITING_BODIES && 2 * granules < WAITING_GRANULES) return;
    // First, for a loop that never yields is told nothing of those that are registered.
    this.#isTold();
    for (const body of waiting) if (body.owner !== null) this.#settle(body, body.owner);
    waiting.length = 0;
    this.#granules = 0;
    if (this.#settled >= MOST_SETTLED) this.#look();
  }
}
