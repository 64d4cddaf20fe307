/**
 * What is in the linear memory at a time: room is made by evicting bodies that the current launch does not
 * use, and they come back when they are missed.
 */
import { checkTypes } from '../../core/arguments.ts';
import { ArgumentError, DeviceError } from '../../core/errors.ts';
import type { Span } from './allocator.ts';
import { type Body, CLASS_GRANULES, type Owner } from './body.ts';
import { clear } from './clear.ts';
import { clock, inLaunch, launchesInside } from './clock.ts';
import { Limit } from './limit.ts';
import { copyOut, linearMemoryBytes, u8 } from './linear-memory.ts';
import { noteMovedOut } from './moved.ts';
import {
  age,
  awaited,
  CACHE_MOST,
  countLeases,
  deaths,
  dropRecipe,
  enroll,
  forget,
  forgotten,
  giveUp,
  isGood,
  isWhole,
  kept,
  kinds,
  lasting,
  oldestIn,
  recall,
  released,
  retire,
  saved,
  spare,
  waiting,
  withdraw,
} from './rings.ts';
import { GRANULE, GRANULES_PER_LINE, LINE, missing, resident, settle, takeFree, takeNew, vacate } from './room.ts';
import { joinWorkers } from './threads/pending.ts';
import { isDone } from './threads/queue.ts';

const MIB = 2 ** 20;

/**
 * How much may be taken before eviction begins. What a larger one would save is copying back, beside the copying
 * out of all that goes, dead or alive: little, unless much of that is missed.
 */
const cache = new Limit((16 * MIB) / LINE, CACHE_MOST, 8);
/** So many lines beside it may wait for a backward pass: of what is going to be read, all would be missed. */
let beside = (40 * MIB) / LINE;

let evictions = 0;
let evictedBytes = 0;
let restores = 0;
let restoredBytes = 0;
let remakes = 0;

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
  while (resident + bytes > allowed() && evictOne());
  let span = takeFree(lines);
  while (span === null && evictDead()) span = takeFree(lines);
  if (span === null && linearMemoryBytes() + missing(lines) > 1.5 * allowed() + 16 * MIB) {
    while (span === null && evictOne()) span = takeFree(lines);
  }
  span ??= takeNew(lines);
  while (span === null && evictOne()) span = takeFree(lines);
  if (span === null) throw outOfMemory(bytes);
  return span;
}

/** How many bytes may be in place. */
const allowed = (): number => (cache.lines + Math.min(beside, waiting())) * LINE;

function outOfMemory(bytes: number): DeviceError {
  const mib = (n: number): string => `${(n / MIB).toFixed(1)} MiB`;
  return new DeviceError(
    `out of memory: ${mib(bytes)} asked for, but the linear memory of ${mib(linearMemoryBytes())} cannot grow and ` +
      `${mib(resident)} of it are in use by the current operation. WebAssembly addresses at most 4 GiB: ` +
      'split the operation into smaller ones',
  );
}

/** Gives a body room for so many bytes, which are written first: what goes wrong in a job may be thrown there. */
function settleIn(body: Body, bytes: number, owner: Owner, write: (at: number) => void): void {
  const span = reserve(Math.ceil(bytes / LINE));
  try {
    write(span.start * LINE);
  } catch (error) {
    vacate(span);
    throw error;
  }
  settle(body, span);
  enroll(body, owner);
}

/** Gives a body that has vanished, or zeros that were forgotten, room and its zeros: in their turn, so that nobody waits. */
export function appear(body: Body, owner: Owner): void {
  const bytes = body.used * GRANULE;
  if (body.forgotten) {
    noteRemade(body, Math.ceil(bytes / LINE));
    recall(body);
  }
  settleIn(body, bytes, owner, (at) => clear(at, bytes));
}

/** How much longer unused a body must be to be copied while there is one that can be forgotten. */
const COPIES_WAIT = 2;

/** Makes room by a body that is most likely dead, or else by one that was not used for long. */
function evictOne(): boolean {
  if (deaths.reap()) return true;
  if (exhausted === clock) return false;
  if (evictDead() || evictOldest(waiting() > beside) || evictOldest(true)) return true;
  exhausted = clock;
  return false;
}

/** Makes room by the body that was not used for longest; whether one that waits for a backward pass as well. */
function evictOldest(any: boolean): boolean {
  const cheap = oldestIn(spare) ?? oldestIn(kept) ?? (any ? oldestIn(awaited) : null);
  const body = older(lasting.oldest(clock), any ? saved.oldest(clock) : null);
  if (cheap !== null && (body === null || age(body) <= COPIES_WAIT * age(cheap))) {
    forget(cheap, cache);
    return true;
  }
  return body !== null && evictOrForget(body);
}

const older = (a: Body | null, b: Body | null): Body | null => (a === null || (b !== null && age(b) > age(a)) ? b : a);

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

function evict(body: Body): boolean {
  // Here, for what goes wrong in a job is no trouble with the copy.
  if (!isDone(body.stamp)) joinWorkers();
  try {
    body.copy = copyOut(body.place * GRANULE, body.used * GRANULE);
  } catch {
    return false; // JavaScript's heap is full as well; `reserve` goes on to grow the linear memory
  }
  evictions++;
  evictedBytes += body.used * GRANULE;
  giveUp(body, cache);
  retire(body);
  noteMovedOut(body.copy.byteLength);
  return true;
}

/** Brings a body back. */
export function restore(body: Body, copy: ArrayBuffer, owner: Owner): void {
  body.givenUpBy?.miss(Math.ceil(copy.byteLength / LINE), body.mark);
  settleIn(body, copy.byteLength, owner, (at) => u8().set(new Uint8Array(copy), at));
  body.copy = null;
  restores++;
  restoredBytes += copy.byteLength;
}

/**
 * Gives a forgotten body the block of another one, where `make` has made its bytes again. While it does
 * so, nothing that the current launch uses moves.
 */
export function remake(body: Body, owner: Owner, make: () => Body): void {
  const made = inLaunch(make);
  noteRemade(body, Math.ceil((body.used * GRANULE) / LINE));
  const { span } = made;
  withdraw(made);
  made.span = null;
  if (span === null) throw new DeviceError('a recipe gave bytes that have no place');
  settle(body, span);
  recall(body);
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

function noteRemade(body: Body, lines: number): void {
  remakes++;
  // Nobody missed what only another one is made from.
  if (launchesInside > 0) return;
  body.givenUpBy?.miss(lines, body.mark);
  if (body.givenUpBy === spare.limit || body.givenUpBy === kept.limit) kinds.used(body.kind);
}

/**
 * Sets how many bytes of device memory are kept in place before eviction begins. The limit stays
 * fixed unless a larger `maximum` lets it grow when evicted data is missed. Data beyond it moves out
 * at once, except what the current launch uses.
 */
export function setCacheLimit(bytes: number, maximum: number = bytes): void {
  checkTypes('setCacheLimit', 'number', { bytes, maximum });
  if (!(bytes >= 0 && maximum >= bytes)) {
    throw new ArgumentError(`cache limit must be a number of bytes, at most the maximum; got ${bytes} and ${maximum}`);
  }
  beside = 0;
  cache.set(bytes / LINE, maximum / LINE);
  while (resident > bytes && evictOne());
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
