/**
 * What the heap knows of a block of memory, the rings in which blocks wait to be moved out, and what
 * recipes read.
 */
import type { Span } from './allocator.ts';
import type { Ticket } from './deaths.ts';
import type { Limit } from './limit.ts';

/** The stamp of a body that has no place; the clock never shows it. */
export const NOWHERE = -1;

/** The clock wraps: launches are counted modulo a power of two. */
export const CLOCK_MASK = 0x3fffffff;

/** Launches from one stamp to a later one. */
export const launchesBetween = (stamp: number, now: number): number => (now - stamp) & CLOCK_MASK;

/** Size classes of small storages, in granules: at most a quarter of a place is wasted. */
export const CLASS_GRANULES: readonly number[] = [
  1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
  384, 448, 512,
];

/** A storage, or the page that several share. */
export interface Owner {
  readonly body: Body;
}

/** Where the bytes of one or more storages are, and when they were last used. */
export class Body {
  /** In granules. */
  place = 0;
  /** The launch that used it last, or NOWHERE: one comparison with the clock tells that it is in place. */
  stamp = NOWHERE;
  /** The stamp when eviction last passed by: a body used since then gets another turn. */
  seen = NOWHERE;
  span: Span | null = null;
  /** The bytes while evicted. */
  copy: ArrayBuffer | null = null;
  /** Where it waits while it is in place and may be moved out, and its neighbours there. */
  ring: Ring | null = null;
  previous: Body | null = null;
  next: Body | null = null;
  /** Size class of a page's storages, or -1 for a block of its own. */
  readonly sizeClass: number;
  /** Storages not freed. */
  live = 0;
  /** Of a page: granules handed out so far, and the places that were freed, once there are any. */
  used = 0;
  free: number[] | null = null;
  /** What dies with the last storage of the body, where it is held: while the body `waits` for registration, to begin with. */
  owner: Owner | null = null;
  waits = false;
  /** Its owner has been seen alive since it waits. */
  aged = false;
  ticket: Ticket | null = null;
  /** What the recipe of its bytes reads, of a page what those of all its storages do; null if there is no recipe. */
  leases: Lease[] | null = null;
  /** Of a page: storages that recipes make again. It can be forgotten when they are all that live. */
  remakable = 0;
  /** What those have in common that mostly share its fate: by its recipe, or the size class of a page. */
  kind: number;
  /** Those of its kind are missed when they are given up: it stays longer. */
  kept = false;
  /** The recipe takes long to follow: the bytes are not given up before they would have to be copied. */
  atNeed = false;
  /** Its bytes are nowhere: the recipe makes them again. */
  forgotten = false;
  /** The limit by which its bytes were given up last, and the mark it has put on them. While it is in place, the launch it came with. */
  givenUpBy: Limit | null = null;
  mark = 0;
  /** How many nodes of graphs have saved tensors that lie here, and have not let go of them. */
  awaited = 0;

  constructor(sizeClass: number) {
    this.sizeClass = sizeClass;
    this.kind = sizeClass;
  }
}

/**
 * Recipes read the bytes of a storage as they are. Whoever is about to change them learns here what
 * depends on them. It leads to no storage: bodies hold it, and the heap holds bodies.
 */
export class Lease {
  /** Lines of the bodies in place whose recipes read it. */
  lines = 0;
  /** Bodies of which only a recipe that reads it can make the bytes; dead ones count until they are found. */
  needed = 0;
  /** Where it is a parameter's, which is going to be changed: how much must be copied then for the sake of those. */
  bytes = 0;
  /** Set when the bytes have changed: recipes that read it are no good. */
  ended = false;
}

/** Bodies in place, the next one to be looked at first; a new one enters behind all others. */
export class Ring {
  #hand: Body | null = null;
  count = 0;
  lines = 0;

  add(body: Body): void {
    const next: Body = this.#hand ?? body;
    const previous = next.previous ?? body;
    body.ring = this;
    body.previous = previous;
    body.next = next;
    previous.next = body;
    next.previous = body;
    this.#hand = next;
    this.count++;
    this.lines += body.span?.size ?? 0;
  }

  remove(body: Body): void {
    const { previous, next } = body;
    if (body.ring !== this || previous === null || next === null) return;
    previous.next = next;
    next.previous = previous;
    if (this.#hand === body) this.#hand = next === body ? null : next;
    body.ring = null;
    body.previous = null;
    body.next = null;
    this.count--;
    this.lines -= body.span?.size ?? 0;
  }

  /**
   * The body that was not used for longest, roughly: first in, first out, with another turn for what
   * was used since. None of those that the launch `now` uses.
   *
   * Where all were used since they were looked at, as when all are new, the order of the ring says
   * nothing: it is the one used longest ago, and its neighbours come after it.
   */
  oldest(now: number): Body | null {
    let oldest: Body | null = null;
    for (let turns = this.count; turns > 0 && this.#hand !== null; turns--) {
      const body: Body = this.#hand;
      if (body.stamp !== now) {
        if (body.stamp === body.seen) return body;
        body.seen = body.stamp;
        if (oldest === null || launchesBetween(body.stamp, now) > launchesBetween(oldest.stamp, now)) oldest = body;
      }
      this.#hand = body.next;
    }
    if (oldest !== null) this.#hand = oldest;
    return oldest;
  }

  each(visit: (body: Body) => void): void {
    for (let i = this.count, body = this.#hand; i > 0 && body !== null; i--, body = body.next) visit(body);
  }
}

/** A ring of which no more than a limit is kept. */
export class LimitedRing extends Ring {
  readonly limit: Limit;

  constructor(limit: Limit) {
    super();
    this.limit = limit;
  }

  /** Whether so many lines more would be too many. */
  isFullWith(more: number): boolean {
    return this.lines + more > this.limit.lines;
  }
}
