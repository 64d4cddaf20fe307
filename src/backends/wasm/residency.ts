/**
 * What is in the linear memory at a time: room is taken, given back, and made by evicting bodies that
 * the current launch does not use. Nothing here knows what a storage is, so nothing here can keep one
 * alive: a dead tensor's evicted bytes are reachable from nowhere and V8 collects them, even in a loop
 * that never yields, where finalizers do not run.
 */
import { ArgumentError, DeviceError } from '../../core/errors.ts';
import { type Span, SpanAllocator } from './allocator.ts';
import { Body, CLASS_GRANULES, CLOCK_MASK, type Lease, LimitedRing, launchesBetween, NOWHERE, Ring } from './body.ts';
import { clear } from './clear.ts';
import { Deaths } from './deaths.ts';
import { division } from './division.ts';
import { Kinds } from './kinds.ts';
import { Limit } from './limit.ts';
import { copyOut, growMemory, linearMemoryBytes, noteMovedOut, u8 } from './linear-memory.ts';
import { joinWorkers } from './threads/pending.ts';

/**
 * Small storages are placed in granules, spans in lines. Places are counted in these and not in
 * bytes so that they stay small integers, which engines keep unboxed, over all of 4 GiB.
 */
export const GRANULE = 16;
export const LINE = 64;
const GRANULES_PER_LINE = LINE / GRANULE;
const MIB = 2 ** 20;

// ─── room in the linear memory ───────────────────────────────────────────────────────────────────

// The first line stays unused, so that no storage has address 0, and the last, so that a vector read
// from anywhere in a block stays within the memory.
const spans = new SpanAllocator(1);
spans.extend(linearMemoryBytes() / LINE - 2);

/** Number of the current launch. It wraps: a false match merely pins a block for one launch, a false order evicts another one. */
export let clock = 1;

/** How much may be taken before eviction begins. */
const CACHE_MOST = (3072 * MIB) / LINE;
const cache = new Limit((40 * MIB) / LINE, CACHE_MOST);

/** Bytes of the linear memory that are taken: blocks, pages and scratch. */
let resident = 0;
/** Room given back last, for what is of the same size: it is in the processor's cache. */
let vacant: Span | null = null;
let evictions = 0;
let evictedBytes = 0;
let restores = 0;
let restoredBytes = 0;
let forgotten = 0;
let remakes = 0;

/** Bodies that stay as long as there is room. */
const lasting = new Ring();

/** Bodies that are most likely dead, but have no recipe, or one that is long to follow: the first to go. */
const released = new Ring();

/**
 * Bodies whose recipes make them again. Few of them stay in place, so that a loop that drops its results
 * finds the memory of the next one in the processor's cache. Kinds of which one was missed are kept apart,
 * as many as it takes.
 * So is what a backward pass is going to read; it joins the others when it has been read: most of it is
 * dead by then.
 */
const spare = new LimitedRing(new Limit(division.spare / LINE, division.spare / LINE));
const kept = new LimitedRing(new Limit(division.spare / LINE, CACHE_MOST));
const awaited = new LimitedRing(new Limit(division.awaited / LINE, CACHE_MOST));

const kinds = new Kinds();
/** For how many launches the last one to go was in `spare` after its last use. */
let reach = 0;

/** The launch during which nothing more was found to evict; until the next one the search is spared. */
let exhausted = 0;

/**
 * Takes room, by preference in this order: what is free within the cache limit, what eviction frees,
 * new memory. Where free memory is in pieces too small, what is most likely dead goes, and then the cache may
 * spread over half as much again before further eviction makes larger pieces. The limit yields to a launch
 * that needs more.
 */
export function reserve(lines: number): Span {
  const bytes = lines * LINE;
  while (resident + bytes > cache.lines * LINE && evictOne());
  if (vacant !== null && vacant.size === lines) {
    const span = vacant;
    vacant = null;
    resident += bytes;
    return span;
  }
  let span = allocateSpan(lines);
  if (span === null) {
    while (span === null && evictDead()) span = allocateSpan(lines);
    const missing = spans.missing(lines) * LINE;
    if (span === null && linearMemoryBytes() + missing > 1.5 * cache.lines * LINE + 16 * MIB) {
      while (span === null && evictOne()) span = allocateSpan(lines);
    }
    span ??= extend(lines);
    while (span === null && evictOne()) span = allocateSpan(lines);
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

/** Gives room back. */
export function vacate(span: Span): void {
  resident -= span.size * LINE;
  if (vacant !== null) spans.release(vacant);
  vacant = span;
}

function allocateSpan(lines: number): Span | null {
  if (vacant !== null) spans.release(vacant);
  vacant = null;
  return spans.allocate(lines);
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

const deaths = new Deaths(retire);

/** Makes a body evictable; `owner` is what dies with the last storage of the body. */
export function enroll(body: Body, owner: object): void {
  ringOf(body).add(body);
  deaths.expect(body, owner);
}

/** The same for a result that is about to be given a recipe; if it is not, it changes the ring when its turn comes. */
export function enrollResult(body: Body, owner: object): void {
  spare.add(body);
  deaths.expect(body, owner);
}

function ringOf(body: Body): Ring {
  return body.leases === null || body.atNeed || !isWhole(body) ? lasting : remakableRingOf(body);
}

/** Whether there is nothing in a page without a recipe. */
const isWhole = ({ live, remakable }: Body): boolean => live === remakable;

function remakableRingOf(body: Body): LimitedRing {
  if (body.awaited > 0) return awaited;
  return body.kept ? kept : spare;
}

function withdraw(body: Body): void {
  deaths.cancel(body);
  body.ring?.remove(body);
}

/** Gives up the place of an enrolled body; its storages are freed, dead, or about to be copied or forgotten. */
function retire(body: Body): void {
  countLeases(body, -1);
  withdraw(body);
  body.stamp = NOWHERE;
  if (body.span !== null) vacate(body.span);
  body.span = null;
}

function countLeases(body: Body, sign: 1 | -1): void {
  if (body.leases === null || body.span === null) return;
  const lines = sign * linesEach(body, body.span);
  for (const lease of body.leases) lease.lines += lines;
}

/** Lines of a storage that lies in a body. */
const linesEach = ({ sizeClass }: Body, span: Span): number =>
  sizeClass < 0 ? span.size : Math.ceil(CLASS_GRANULES[sizeClass]! / GRANULES_PER_LINE);

/**
 * Gives up the bytes of a body that no storage needs, or that are to be zero: then it has neither room
 * nor a copy nor a recipe until somebody asks for it.
 */
export function discard(body: Body): void {
  if (body.copy === null && !body.forgotten) retire(body);
  body.copy = null;
  body.forgotten = false;
}

/** Whether the bytes of a body are zero because it has vanished. */
export const hasVanished = ({ span, copy, forgotten }: Body): boolean => span === null && copy === null && !forgotten;

/** Gives a body that has vanished room, and its zeros. */
export function appear(body: Body, owner: object): void {
  const bytes = body.used * GRANULE;
  settle(body, reserve(Math.ceil(bytes / LINE)));
  clear(body.place * GRANULE, bytes);
  enroll(body, owner);
}

/** Cuts the tail off an enrolled body in place. What is left and the tail are to be enrolled. */
export function cutBody(body: Body, lines: number): Body {
  withdraw(body);
  const tail = new Body(-1);
  if (body.span !== null) settle(tail, spans.cut(body.span, lines));
  tail.used = body.used - lines * GRANULES_PER_LINE;
  body.used -= tail.used;
  return tail;
}

/** Another owner for an enrolled body. */
export function handOver(body: Body, owner: object): void {
  withdraw(body);
  enroll(body, owner);
}

/** How much longer unused a body must be to be copied while there is one that can be forgotten. */
const COPIES_WAIT = 2;

/** Makes room by the body that was not used for longest, and before that by one that is most likely dead. */
function evictOne(): boolean {
  if (exhausted === clock) return false;
  if (evictDead()) return true;
  const cheap = oldestIn(spare) ?? oldestIn(kept) ?? oldestIn(awaited);
  const body = lasting.oldest(clock);
  if (cheap !== null && (body === null || age(body) <= COPIES_WAIT * age(cheap))) {
    forget(cheap, cache);
    return true;
  }
  if (body !== null) return evictOrForget(body);
  exhausted = clock;
  return false;
}

/** Makes room by a body that is most likely dead. */
function evictDead(): boolean {
  const body = released.oldest(clock);
  return body !== null && evictOrForget(body);
}

function evictOrForget(body: Body): boolean {
  if (isGood(body.leases) && isWhole(body)) {
    forget(body, cache);
    return true;
  }
  dropRecipe(body);
  return evict(body);
}

/** Launches since a body was used. */
const age = (body: Body): number => launchesBetween(body.stamp, clock);

/** Whether there is a recipe and what it reads is still there. */
const isGood = (leases: readonly Lease[] | null): boolean => leases?.every((lease) => !lease.ended) === true;

/** The body to be forgotten next. Those whose recipes are no longer good become like any other on the way. */
function oldestIn(ring: LimitedRing): Body | null {
  for (;;) {
    const body = ring.oldest(clock);
    if (body === null || isGood(body.leases)) return body;
    const had = body.leases !== null;
    dropRecipe(body);
    if (had && ring !== awaited) move(body, released);
  }
}

/** Gives up the bytes of a body that its recipe can make again, without a copy. */
function forget(body: Body, limit: Limit): void {
  for (const lease of body.leases ?? []) lease.needed = true;
  giveUp(body, limit);
  retire(body);
  body.forgotten = true;
  forgotten++;
}

/** To be called before a body in place goes that may be missed. What makes way while recipes are followed tells nothing of the program. */
function giveUp(body: Body, limit: Limit): void {
  body.givenUpBy = limit;
  body.mark = limit.giveUp(launchesInside > 0 ? 0 : (body.span?.size ?? 0));
}

/** Forgets what a ring holds too much of, or would with so many lines more. */
function trim(ring: LimitedRing, more = 0): void {
  while (ring.lines > 0 && ring.isFullWith(more)) {
    const body = oldestIn(ring);
    if (body === null) return;
    if (ring !== awaited && launchesInside === 0) judge(body);
    forget(body, ring.limit);
  }
}

/** What a result that goes tells of its kind: whether `spare` would have been enough for it. */
function judge(body: Body): void {
  if (body.ring === spare) reach = age(body);
  if (body.ring === kept && launchesBetween(body.mark, body.stamp) > reach) kinds.used(body.kind);
  else kinds.unused(body.kind);
}

/** From now on a body in place is one whose bytes are copied if it must go. */
export function dropRecipe(body: Body): void {
  if (body.leases !== null) countLeases(body, -1);
  body.leases = null;
  reconsider(body);
}

/** Puts a body into the ring where it belongs by now. */
export function reconsider(body: Body): void {
  const { ring } = body;
  if (ring === null) return;
  const to = ringOf(body);
  if (to === ring) return;
  move(body, to);
  if (to !== lasting) trim(to as LimitedRing);
}

/** Closes a page: what it shares can be given up from now on. */
export function enrollPage(body: Body, owner: object): void {
  body.kept = kinds.isKept(body.kind);
  enroll(body, owner);
  if (body.ring !== lasting) trim(body.ring as LimitedRing);
}

/** Notes that a recipe can make the bytes of one storage of a page again by reading `leases`. */
export function keepPart(body: Body, leases: readonly Lease[]): void {
  if (body.leases === null || body.span === null) return;
  const lines = linesEach(body, body.span);
  for (const lease of leases) {
    body.leases.push(lease);
    lease.lines += lines;
  }
  body.remakable++;
  reconsider(body);
}

/** An open page that holds nothing any more begins anew. */
export function empty(body: Body): void {
  if (body.leases !== null) {
    countLeases(body, -1);
    body.leases = [];
  }
  body.used = 0;
  body.free = null;
}

/** Notes that there is no recipe any more for one storage of a page. */
export function dropPart(body: Body): void {
  body.remakable--;
  reconsider(body);
}

/** Notes that a recipe can make the bytes of a body in place, of some kind, again, soon or at need, by reading `leases`. */
export function keepRecipe(body: Body, leases: Lease[], atNeed: boolean, kind: number): void {
  body.kind = kind;
  body.kept = kinds.isKept(kind);
  body.leases = leases;
  body.atNeed = atNeed;
  countLeases(body, 1);
  const ring = ringOf(body);
  if (body.ring !== ring) move(body, ring);
  if (ring !== lasting) trim(ring as LimitedRing);
}

/**
 * To be called before a result of so many lines that can be made again has a place: what it is going to crowd
 * out is forgotten, and it takes that place, which is in the processor's cache. What the current launch uses
 * stays.
 */
export function makeWay(lines: number): void {
  trim(spare, lines);
}

/** Notes that a backward pass is going to read a body. */
export function expect(body: Body): void {
  if (body.awaited++ === 0 && body.ring !== null) expectIn(body.ring, body);
}

function expectIn(ring: Ring, body: Body): void {
  if (ring === spare || ring === kept) moveLimited(body, awaited);
  else if (ring === released) move(body, lasting);
}

/**
 * Takes back one `expect`; the storage may have another body by now, which nobody awaits. A `result` of the
 * graph that the pass went through is most likely dead.
 */
export function unexpect(body: Body, result: boolean): void {
  if (body.awaited === 0 || --body.awaited > 0) return;
  if (body.ring !== null) unexpectIn(body.ring, body, result);
}

function unexpectIn(ring: Ring, body: Body, result: boolean): void {
  if (ring === awaited) moveLimited(body, remakableRingOf(body));
  else if (result) forsake(body);
}

/** Notes that a body is most likely dead. */
export function forsake(body: Body): void {
  if (body.ring === lasting && body.sizeClass < 0) move(body, released);
}

function moveLimited(body: Body, to: LimitedRing): void {
  move(body, to);
  trim(to);
}

function move(body: Body, to: Ring): void {
  body.ring?.remove(body);
  to.add(body);
}

function evict(body: Body): boolean {
  // Here, for what goes wrong in a job is no trouble with the copy.
  joinWorkers();
  try {
    body.copy = copyOut(body.place * GRANULE, body.used * GRANULE);
  } catch {
    exhausted = clock; // JavaScript's heap is full as well; `reserve` goes on to grow the linear memory
    return false;
  }
  noteMovedOut(body.copy.byteLength);
  evictions++;
  evictedBytes += body.used * GRANULE;
  giveUp(body, cache);
  retire(body);
  return true;
}

/** Brings a body back. */
export function restore(body: Body, copy: ArrayBuffer, owner: object): void {
  const lines = Math.ceil(copy.byteLength / LINE);
  body.givenUpBy?.miss(lines, body.mark);
  settle(body, reserve(lines));
  u8().set(new Uint8Array(copy), body.place * GRANULE);
  body.copy = null;
  restores++;
  restoredBytes += copy.byteLength;
  enroll(body, owner);
}

/**
 * Gives a forgotten body the block of another one, where `make` has made its bytes again. While it does
 * so, nothing that the current launch uses moves.
 */
export function remake(body: Body, owner: object, make: () => Body): void {
  const made = inLaunch(make);
  noteRemade(body, Math.ceil((body.used * GRANULE) / LINE));
  const { span } = made;
  withdraw(made);
  made.span = null;
  if (span === null) throw new DeviceError('a recipe gave bytes that have no place');
  settle(body, span);
  body.forgotten = false;
  // Missed by the program itself, it is in use; and its recipe has been longer to follow than it seemed.
  body.atNeed ||= launchesInside === 0;
  countLeases(body, 1);
  enroll(body, owner);
}

/** Makes the bytes of one storage of a forgotten page again, elsewhere. */
export function remakePart<T>(body: Body, make: () => T): T {
  const made = inLaunch(make);
  noteRemade(body, Math.ceil(CLASS_GRANULES[body.sizeClass]! / GRANULES_PER_LINE));
  return made;
}

/** Runs what makes launches of its own as part of the current one. */
function inLaunch<T>(make: () => T): T {
  launchesInside++;
  try {
    const made = make();
    // The launch around goes on.
    joinWorkers();
    return made;
  } finally {
    launchesInside--;
  }
}

function noteRemade(body: Body, lines: number): void {
  remakes++;
  // Nobody missed what only another one is made from.
  if (launchesInside > 0) return;
  body.givenUpBy?.miss(lines, body.mark);
  if (body.givenUpBy === spare.limit || body.givenUpBy === kept.limit) kinds.used(body.kind);
}

export function settle(body: Body, span: Span): void {
  body.span = span;
  body.place = span.start * GRANULES_PER_LINE;
  body.stamp = clock;
  body.seen = clock;
  body.mark = clock;
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
  cache.set(bytes / LINE, maximum / LINE);
  while (resident > bytes && evictOne());
}

// ─── launches ────────────────────────────────────────────────────────────────────────────────────

/** Launches made while another one is: by recipes for what the other one needs. */
let launchesInside = 0;

/**
 * Moves the clock on, so that what was used until now may be moved out; false inside another launch,
 * of which whatever is used remains part.
 */
export function nextLaunch(): boolean {
  if (launchesInside > 0) return false;
  clock = (clock + 1) & CLOCK_MASK;
  return true;
}

// ─── figures ─────────────────────────────────────────────────────────────────────────────────────

export interface ResidencyStats {
  /** Bytes of the linear memory taken by blocks, pages and scratch. */
  readonly resident: number;
  readonly cacheLimit: number;
  readonly cacheMaximum: number;
  readonly linearMemoryBytes: number;
  readonly evictions: number;
  readonly evictedBytes: number;
  readonly restores: number;
  readonly restoredBytes: number;
  /** Results given up because they can be made again, and those that were made again. */
  readonly forgotten: number;
  readonly remakes: number;
  /** Bodies given back by finalizers. */
  readonly finalized: number;
}

export function residencyStats(): ResidencyStats {
  return {
    resident,
    cacheLimit: cache.lines * LINE,
    cacheMaximum: cache.most * LINE,
    linearMemoryBytes: linearMemoryBytes(),
    evictions,
    evictedBytes,
    restores,
    restoredBytes,
    forgotten,
    remakes,
    finalized: deaths.seen,
  };
}

/** Visits every evictable body that is in place. */
export function eachBody(visit: (body: Body) => void): void {
  for (const ring of [lasting, released, spare, kept, awaited]) ring.each(visit);
}
