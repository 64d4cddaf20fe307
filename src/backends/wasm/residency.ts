/**
 * What is in the linear memory at a time: room is taken, given back, and made by evicting bodies that
 * the current launch does not use. Nothing here knows what a storage is, so nothing here can keep one
 * alive: a dead tensor's evicted bytes are reachable from nowhere and V8 collects them, even in a loop
 * that never yields, where finalizers do not run.
 */
import { ArgumentError, DeviceError } from '../../core/errors.ts';
import { type Span, SpanAllocator } from './allocator.ts';
import { copyOut, growMemory, linearMemoryBytes, u8 } from './linear-memory.ts';

/**
 * Small storages are placed in granules, spans in lines. Places are counted in these and not in
 * bytes so that they stay small integers, which engines keep unboxed, over all of 4 GiB.
 */
export const GRANULE = 16;
export const LINE = 64;
const GRANULES_PER_LINE = LINE / GRANULE;
const MIB = 2 ** 20;

/** The stamp of a body that has no place; the clock never shows it. */
const NOWHERE = -1;

/** What the heap knows of a block: where its bytes are, and when they were last used. */
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
  /** Neighbours in the ring of evictable bodies. */
  previous: Body | null = null;
  next: Body | null = null;
  /** Size class of a page's storages, or -1 for a block of its own. */
  readonly sizeClass: number;
  /** Storages not freed. */
  live = 0;
  /** Of a page: granules handed out so far, and the first freed place (each one leads to the next), or -1. */
  used = 0;
  firstFree = -1;
  /** What dies with the last storage of the body; held only while the body waits for registration. */
  owner: object | null = null;
  registered = false;

  constructor(sizeClass: number) {
    this.sizeClass = sizeClass;
  }
}

// ─── room in the linear memory ───────────────────────────────────────────────────────────────────

// The first line stays unused, so that no storage has address 0, and the last, so that a vector read
// from anywhere in a block stays within the memory.
const spans = new SpanAllocator(1);
spans.extend(linearMemoryBytes() / LINE - 2);

/** Number of the current launch. It wraps: only equality counts, and a false match merely pins a block for one launch. */
export let clock = 1;

/** How many bytes may be taken before eviction begins; restores raise it as far as the maximum. */
let cacheLimit = 64 * MIB;
let cacheMaximum = 3072 * MIB;

/** Bytes of the linear memory that are taken: blocks, pages and scratch. */
let resident = 0;
let evictions = 0;
let evictedBytes = 0;
let restores = 0;
let restoredBytes = 0;
let finalized = 0;

/** The evictable bodies in a ring, the next one to be looked at first; a new one enters behind all others. */
let hand: Body | null = null;
let evictable = 0;

/** The launch during which nothing more was found to evict; until the next one the search is spared. */
let exhausted = 0;

/**
 * Takes room, by preference in this order: what is free within the cache limit, what eviction frees,
 * new memory. Where free memory is in pieces too small, the cache may spread over half as much again
 * before eviction makes larger pieces. The limit yields to a launch that needs more.
 */
export function reserve(lines: number): Span {
  const bytes = lines * LINE;
  while (resident + bytes > cacheLimit && evictOne());
  let span = spans.allocate(lines);
  if (span === null) {
    const missing = spans.missing(lines) * LINE;
    if (linearMemoryBytes() + missing > cacheLimit * 1.5 + 16 * MIB) {
      while (span === null && evictOne()) span = spans.allocate(lines);
    }
    span ??= extend(lines);
    while (span === null && evictOne()) span = spans.allocate(lines);
    if (span === null) throw outOfMemory(bytes);
  }
  resident += bytes;
  return span;
}

function extend(lines: number): Span | null {
  const grown = growMemory(spans.missing(lines) * LINE);
  if (grown > 0) spans.extend(grown / LINE);
  return spans.allocate(lines);
}

function vacate(span: Span): void {
  resident -= span.size * LINE;
  spans.release(span);
}

function outOfMemory(bytes: number): DeviceError {
  const mib = (n: number): string => `${(n / MIB).toFixed(1)} MiB`;
  return new DeviceError(
    `out of memory: ${mib(bytes)} asked for, but the linear memory of ${mib(linearMemoryBytes())} cannot grow and ` +
      `${mib(resident)} of it are in use by the current operation. WebAssembly addresses at most 4 GiB: ` +
      'split the operation into smaller ones',
  );
}

// ─── eviction ────────────────────────────────────────────────────────────────────────────────────

// Finalizers are the backstop for programs that yield to the event loop. A body is registered while
// it is in place and evictable; it holds nothing that leads to its storages.
const registry = typeof FinalizationRegistry === 'function' ? new FinalizationRegistry<Body>(collected) : null;

function collected(body: Body): void {
  body.registered = false;
  finalized++;
  retire(body);
}

// Registration costs several times as much as an allocation, and most blocks are freed by the engine
// soon after. So it waits, for so many bodies and bytes, until those are gone that will not need it.
const WAITING_BODIES = 64;
const WAITING_LINES = (4 * MIB) / LINE;
const waiting: Body[] = [];
let waitingLines = 0;

function registerWaiting(): void {
  for (const body of waiting) {
    const owner = body.owner;
    if (owner === null) continue;
    body.owner = null;
    body.registered = true;
    registry?.register(owner, body, body);
  }
  waiting.length = 0;
  waitingLines = 0;
}

/** Makes a body evictable; `owner` is what dies with the last storage of the body. */
export function enroll(body: Body, owner: object): void {
  if (registry !== null) {
    body.owner = owner;
    waiting.push(body);
    waitingLines += body.span?.size ?? 0;
    if (waiting.length >= WAITING_BODIES || waitingLines >= WAITING_LINES) registerWaiting();
  }
  evictable++;
  const next: Body = hand ?? body;
  const previous = next.previous ?? body;
  body.previous = previous;
  body.next = next;
  previous.next = body;
  next.previous = body;
  hand = next;
}

function withdraw(body: Body): void {
  if (body.registered) registry?.unregister(body);
  body.registered = false;
  body.owner = null;
  evictable--;
  const { previous, next } = body;
  if (previous === null || next === null) return;
  previous.next = next;
  next.previous = previous;
  if (hand === body) hand = next === body ? null : next;
  body.previous = null;
  body.next = null;
}

/** Gives up the place of an enrolled body; its storages are freed, dead, or about to be copied. */
function retire(body: Body): void {
  withdraw(body);
  body.stamp = NOWHERE;
  if (body.span !== null) vacate(body.span);
  body.span = null;
}

/** Drops a body that no storage needs. */
export function discard(body: Body): void {
  if (body.copy === null) retire(body);
  body.copy = null;
}

/** Evicts the body that was not used for longest, roughly: first in, first out, with another turn for what was used since. */
function evictOne(): boolean {
  if (exhausted === clock) return false;
  for (let turns = 2 * evictable; turns > 0 && hand !== null; turns--) {
    const body: Body = hand;
    if (body.stamp !== clock && body.stamp === body.seen) return evict(body);
    if (body.stamp !== clock) body.seen = body.stamp;
    hand = body.next;
  }
  exhausted = clock;
  return false;
}

function evict(body: Body): boolean {
  try {
    body.copy = copyOut(body.place * GRANULE, body.used * GRANULE);
  } catch {
    exhausted = clock; // JavaScript's heap is full as well; `reserve` goes on to grow the linear memory
    return false;
  }
  evictions++;
  evictedBytes += body.used * GRANULE;
  retire(body);
  return true;
}

/** Brings a body back. That it was missed shows that the cache is too small for what the program works on. */
export function restore(body: Body, copy: ArrayBuffer, owner: object): void {
  const lines = Math.ceil(copy.byteLength / LINE);
  cacheLimit = Math.min(cacheMaximum, cacheLimit + lines * LINE);
  settle(body, reserve(lines));
  u8().set(new Uint8Array(copy), body.place * GRANULE);
  body.copy = null;
  restores++;
  restoredBytes += copy.byteLength;
  enroll(body, owner);
}

export function settle(body: Body, span: Span): void {
  body.span = span;
  body.place = span.start * GRANULES_PER_LINE;
  body.stamp = clock;
  body.seen = clock;
}

/**
 * Sets how many bytes of device memory are kept in place before eviction begins. The limit stays
 * fixed unless a larger `maximum` lets it grow when evicted data is missed. Data beyond it moves out
 * at once, except what the current launch uses.
 */
export function setCacheLimit(bytes: number, maximum: number = bytes): void {
  if (!(bytes >= 0 && maximum >= bytes)) {
    throw new ArgumentError(`cache limit must be a number of bytes, at most the maximum; got ${bytes} and ${maximum}`);
  }
  cacheLimit = bytes;
  cacheMaximum = maximum;
  while (resident > cacheLimit && evictOne());
}

// ─── launches ────────────────────────────────────────────────────────────────────────────────────

/**
 * Opens a launch: until the next one begins, every storage that is allocated or addressed stays
 * where it is. Whoever allocates or computes begins a launch first; without it, nothing that was
 * touched since can be evicted.
 */
export function beginLaunch(): void {
  clock = (clock + 1) & 0x3fffffff;
  scratchUsed = 0;
  if (scratchExtra.length > 0) settleScratch();
}

// ─── temporary room ──────────────────────────────────────────────────────────────────────────────

const SCRATCH_BYTES = 64 * 1024;
/** A larger scratch than this is returned after the launch that asked for it. */
const SCRATCH_KEPT_BYTES = 8 * MIB;

let scratchSpan = reserve(SCRATCH_BYTES / LINE);
let scratchUsed = 0;
/** Rooms for what did not fit, until the next launch. */
const scratchExtra: Span[] = [];

/** The address of uninitialised room for parameters and packing, 64-byte aligned, valid during the current launch. */
export function scratch(nbytes: number): number {
  const lines = Math.ceil(nbytes / LINE);
  if (scratchUsed + lines > scratchSpan.size) return extraScratch(lines);
  const place = scratchSpan.start + scratchUsed;
  scratchUsed += lines;
  return place * LINE;
}

function extraScratch(lines: number): number {
  const span = reserve(lines);
  scratchExtra.push(span);
  return span.start * LINE;
}

/** Enlarges the scratch to what the last launch took, so that the next one like it finds it in one piece. */
function settleScratch(): void {
  let lines = scratchSpan.size;
  for (const span of scratchExtra) {
    lines += span.size;
    vacate(span);
  }
  scratchExtra.length = 0;
  lines = Math.min(lines, SCRATCH_KEPT_BYTES / LINE);
  if (lines === scratchSpan.size) return;
  const larger = reserve(lines);
  vacate(scratchSpan);
  scratchSpan = larger;
}

// ─── figures ─────────────────────────────────────────────────────────────────────────────────────

export interface ResidencyStats {
  /** Bytes of the linear memory taken by blocks, pages and scratch. */
  readonly resident: number;
  readonly cacheLimit: number;
  readonly cacheMaximum: number;
  readonly linearMemoryBytes: number;
  readonly scratchBytes: number;
  readonly evictions: number;
  readonly evictedBytes: number;
  readonly restores: number;
  readonly restoredBytes: number;
  /** Bodies given back by finalizers. */
  readonly finalized: number;
}

export function residencyStats(): ResidencyStats {
  return {
    resident,
    cacheLimit,
    cacheMaximum,
    linearMemoryBytes: linearMemoryBytes(),
    scratchBytes: scratchExtra.reduce((sum, span) => sum + span.size, scratchSpan.size) * LINE,
    evictions,
    evictedBytes,
    restores,
    restoredBytes,
    finalized,
  };
}

/** Visits every evictable body that is in place. */
export function eachBody(visit: (body: Body) => void): void {
  for (let i = evictable, body = hand; i > 0 && body !== null; i--, body = body.next) visit(body);
}
