import type { Body } from './body.ts';

// Registration costs several times as much as an allocation, and most blocks are given up soon after. So it
// waits, for so many bodies and bytes, until those are gone that will not need it.
const WAITING_BODIES = 256;
/** In granules of 16 bytes. */
const WAITING_GRANULES = 2 ** 18;
/** So much costs more to fill than to register; and what waits stays alive, with all that its recipe reads. */
const WAITS_GRANULES = 2 ** 16;

/**
 * What a registry holds for a body. V8 keeps it, unregistered or not, until it collects the whole heap: the body,
 * and with it a copy of its bytes, must be able to die before.
 */
export interface Ticket {
  body: Body | null;
}

/**
 * Which bodies no storage needs any more, as finalizers tell: the backstop for programs that yield to the
 * event loop. A body is registered while it is in place and evictable; it holds nothing that leads to its
 * storages.
 */
export class Deaths {
  /** How many finalizers have run. */
  seen = 0;
  readonly #registry: FinalizationRegistry<Ticket> | null;
  readonly #waiting: Body[] = [];
  #granules = 0;

  /** Calls `retire` for every body whose owner has died. */
  constructor(retire: (body: Body) => void) {
    this.#registry =
      typeof FinalizationRegistry === 'function'
        ? new FinalizationRegistry<Ticket>(({ body }) => {
            if (body === null) return;
            body.ticket = null;
            this.seen++;
            retire(body);
          })
        : null;
  }

  /** Has a body given back when its owner, which dies with its last storage, has died. */
  expect(body: Body, owner: object): void {
    if (body.used >= WAITS_GRANULES) {
      this.#register(body, owner);
      return;
    }
    body.owner = owner;
    this.#waiting.push(body);
    this.#granules += body.used;
    if (this.#waiting.length >= WAITING_BODIES || this.#granules >= WAITING_GRANULES) this.#registerWaiting();
  }

  /** Takes back `expect`. */
  cancel(body: Body): void {
    body.owner = null;
    const { ticket } = body;
    if (ticket === null) return;
    this.#registry?.unregister(ticket);
    ticket.body = null;
    body.ticket = null;
  }

  #register(body: Body, owner: object): void {
    body.owner = null;
    if (this.#registry === null) return;
    const ticket: Ticket = { body };
    body.ticket = ticket;
    this.#registry.register(owner, ticket, ticket);
  }

  /** Lets those go that wait for nothing any more, and registers the others unless that left few. */
  #registerWaiting(): void {
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
    for (const body of waiting) if (body.owner !== null) this.#register(body, body.owner);
    waiting.length = 0;
    this.#granules = 0;
  }
}
