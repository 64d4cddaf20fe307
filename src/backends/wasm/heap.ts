/**
 * Device memory without anybody freeing it. The linear memory is a cache of live blocks.
 *
 * What the user holds is a `Storage`; the bytes belong to a `Body`, which the heap knows. The heap
 * never holds a `Storage`, or none would ever die. A body is a block of its own, or a page shared by
 * many small storages. When room is short, bodies that the current launch does not use are evicted:
 * the bytes move to an `ArrayBuffer` that only storage → body reaches, so that the copy of a dead
 * tensor is garbage for the engine to collect, even in a loop that never yields, where finalizers do
 * not run. Touching a storage brings its body back.
 */
import { STRANGER } from '../../core/arguments.ts';
import { ArgumentError, DeviceError } from '../../core/errors.ts';
import { Body, type Lease } from './body.ts';
import { clock } from './clock.ts';
import { copyOut, memoryLimits, u8 } from './linear-memory.ts';
import { noteMovedOut } from './moved.ts';
import { FREED, openPage, openPages, PAGE_GRANULES, SLOT_GRANULES, SMALL_BYTES, slotFor } from './pages.ts';
import { appear, remake, remakePart, reserve, restore } from './residency.ts';
import {
  cutBody,
  detach,
  discard,
  dropPart,
  dropRecipe,
  empty,
  enroll,
  enrollResult,
  expect,
  forsake,
  handOver,
  hasVanished,
  keepPart,
  keepRecipe,
  makeWay,
  reconsider,
  unexpect,
} from './rings.ts';
import { GRANULE, LINE, settle } from './room.ts';
import { type Recipe, Source, Storage } from './storage.ts';
import { hasLeft, joinWorkers, launching } from './threads/pending.ts';
import { isDone } from './threads/queue.ts';

export { beginLaunch, beginLaunchBeside, scratch } from './launch.ts';
export { f32, f64, i32, memory, memoryLimits, u8 } from './linear-memory.ts';
export { COPIED_BYTES, SMALL_BYTES } from './pages.ts';
export { setCacheLimit } from './residency.ts';
export { LINE } from './room.ts';
export { type Reading, type Recipe, Source, Storage, succeed } from './storage.ts';

const LARGEST_BYTES = (memoryLimits.maximumPages - 1) * 65536;

/** The byte address of a storage, good for the current launch. */
export function address(s: Storage): number {
  if (s.body.stamp !== clock) touch(s);
  return ((s.body.place + s.place) << 4) >>> 0;
}

/** Whether nothing that is queued reads or writes `s`. */
export const isSettled = ({ body }: Storage): boolean => !hasLeft() || (body.span !== null && isDone(body.stamp));

function touch(s: Storage): void {
  const body = s.body;
  if (!(body instanceof Body)) throw new ArgumentError(`expected a Tensor, got ${STRANGER}`);
  if (body === FREED) throw new DeviceError('this storage has been freed: its memory may hold other data by now');
  if (body.copy !== null) restore(body, body.copy, s.page ?? s.origin ?? s);
  else if (body.forgotten && (s.page !== null || s.recipe?.zeros !== true)) followRecipe(s, body);
  else if (body.span === null) {
    appear(body, s.page ?? s.origin ?? s);
    if (s.source !== null) s.source.since = clock;
  }
  s.body.stamp = clock;
}

// ─── storages ────────────────────────────────────────────────────────────────────────────────────

/**
 * Takes memory for `nbytes` bytes: uninitialised, its address a multiple of 16, with room up to the
 * next multiple of 16, so that vectors may read and write past the end.
 *
 * @throws {DeviceError} if the memory cannot hold it beside what the current launch uses.
 */
export function allocate(nbytes: number, result: boolean = makingResults): Storage {
  if (!(nbytes >= 0 && nbytes <= SMALL_BYTES)) return allocateLarge(nbytes, result);
  const slot = slotFor(nbytes, result);
  const page = openPages[slot]!;
  const { body } = page;
  const place = body.free?.pop();
  if (place !== undefined) {
    body.live++;
    body.stamp = clock;
    return new Storage(nbytes, body, place, page);
  }
  const next = body.used;
  const end = next + SLOT_GRANULES[slot]!;
  if (end > PAGE_GRANULES[slot]!) {
    openPage(slot);
    return allocate(nbytes, result);
  }
  body.used = end;
  body.live++;
  body.stamp = clock;
  return new Storage(nbytes, body, next, page);
}

/** Whether what is allocated is probably the result of an operation that a recipe is going to make again. */
let makingResults = false;

/** Says so from now on, and returns what was said before, for the caller to restore. */
export function swapMakingResults(on: boolean): boolean {
  const before = makingResults;
  makingResults = on;
  return before;
}

/** Refuses what is larger than all memory there can be; for who would first make lists as long. */
export function checkBytes(nbytes: number, op: string = launching.name): void {
  if (!(nbytes >= 0 && nbytes <= LARGEST_BYTES)) {
    throw new DeviceError(
      `${op}: cannot allocate ${nbytes} bytes: WebAssembly addresses at most 4 GiB; compute a part at a time`,
    );
  }
}

function allocateLarge(nbytes: number, result: boolean): Storage {
  checkBytes(nbytes);
  const lines = Math.ceil(nbytes / LINE);
  if (result) makeWay(lines);
  const body = new Body(-1);
  settle(body, reserve(lines));
  body.used = Math.ceil(nbytes / GRANULE);
  const s = new Storage(nbytes, body, 0, null);
  if (result) enrollResult(body, s);
  else enroll(body, s);
  return s;
}

/**
 * Gives memory back at once: for what the engine made and no user can see. Freeing twice is harmless;
 * using the storage afterwards is a DeviceError.
 */
export function free(s: Storage): void {
  const body = s.body;
  if (body === FREED || s.origin !== null || isNeeded(s)) return;
  const page = s.page;
  const remakable = hasRecipe(s);
  s.body = FREED;
  s.page = null;
  s.recipe = null;
  if (page === null) {
    discard(body);
    return;
  }
  if (remakable) body.remakable--;
  const open = openPages[page.slot] === page;
  if (--body.live === 0) {
    if (open) empty(body);
    else discard(body);
  } else if (open) {
    body.free ??= [];
    body.free.push(s.place);
  } else if (body.leases !== null) reconsider(body);
}

/**
 * Cuts a storage into several with blocks of their own, before the given bytes: in order, multiples of `LINE`.
 * It is as good as freed then. Null where that cannot be, for it shares its block, or something else reads it.
 */
export function cut(s: Storage, before: readonly number[]): Storage[] | null {
  let { body } = s;
  if (s.page !== null || s.origin !== null || s.recipe !== null || s.source !== null) return null;
  if (body === FREED || body.span === null) return null;
  s.body = FREED;
  const pieces: Storage[] = [];
  let start = 0;
  for (const end of [...before, s.nbytes]) {
    const tail = end < s.nbytes ? cutBody(body, (end - start) / LINE) : body;
    const piece = new Storage(end - start, body, 0, null);
    enroll(body, piece);
    pieces.push(piece);
    body = tail;
    start = end;
  }
  return pieces;
}

/** Another storage with the same bytes, whose writes are counted apart. Neither is freed by hand from now on. */
export function twin(s: Storage): Storage {
  separate(s);
  s.origin ??= s;
  s.owner = null;
  const t = new Storage(s.nbytes, s.body, s.place, s.page);
  t.origin = s.origin;
  return t;
}

// ─── zeros ───────────────────────────────────────────────────────────────────────────────────────

/*
 * A large storage that is filled with zeros has no room until somebody asks for it. Gradients are cleared
 * after every step of a training, and what they receive next is then moved in instead of added up.
 */

/** Makes all bytes of a storage zero by giving up its room, if it has a block of its own; otherwise false. */
export function vanish(s: Storage): boolean {
  if (s.page !== null || s.origin !== null || s.body === FREED || hasRecipe(s) || isNeeded(s)) return false;
  discard(s.body);
  return true;
}

/**
 * Moves the bytes of `from`, which is as good as freed then, to a storage of the same size that has
 * vanished; false if it has not.
 */
export function moveInto(s: Storage, from: Storage): boolean {
  const { body } = from;
  if (s.page !== null || s.origin !== null || s.body === FREED || !hasVanished(s.body)) return false;
  if (from.page !== null || from.origin !== null || from.nbytes !== s.nbytes || from === s) return false;
  if (body === FREED || body.span === null || from.recipe !== null || from.source !== null) return false;
  s.body = body;
  from.body = FREED;
  handOver(body, s);
  return true;
}

// ─── recipes ─────────────────────────────────────────────────────────────────────────────────────

/*
 * Most results are dropped soon, and in a loop that never yields nobody learns of it. To copy them out
 * when their room is needed costs several times what computing them did. So results that are cheap to
 * make come with a recipe: their bytes are given up without a copy and made again if they are missed.
 * A recipe hangs on the storage and leads to what was read. So a dead result costs nothing: whatever
 * its recipe leads to is garbage with it. What recipes read must stay as it was; before a storage is
 * written to, `separate` gives recipes that may be needed a copy, and ends those that are not.
 */

/** What recipes read instead of `s`; null if several storages share its bytes. */
export function sourceOf(s: Storage): Source | null {
  if (s.origin !== null) return null;
  s.source ??= new Source(s, clock);
  return s.source;
}

/** Whether a storage may be given a recipe: a small one lies where others have recipes, too. */
export const takesRecipe = ({ page, body }: Storage): boolean => page === null || body.leases !== null;

/** Gives a storage that was just filled its recipe, to be followed soon or, if it has a block of its own, `atNeed`. */
export function giveRecipe(s: Storage, recipe: Recipe, leases: Lease[], atNeed: boolean): void {
  s.recipe = recipe;
  if (s.page === null) keepRecipe(s.body, leases, atNeed, recipe.kind);
  else keepPart(s.body, leases);
}

/** Whether the bytes of `s` have a recipe that is still good. */
export function hasRecipe(s: Storage): boolean {
  return s.recipe !== null && s.body.leases !== null;
}

/** Notes that a backward pass is going to read `s`. */
export function awaitBytes(s: Storage): void {
  expect(s.body);
}

/** Notes that a pass that was going to read `s` has no more need of it; `result`: it is most likely dead then. */
export function releaseBytes(s: Storage, result: boolean): void {
  unexpect(s.body, result);
}

/** Notes that whoever held `s` has let go of it: if nobody else does, it is dead. */
export function releaseHeld(s: Storage): void {
  forsake(s.body);
}

function followRecipe(s: Storage, body: Body): void {
  const { recipe } = s;
  if (recipe === null) throw new DeviceError('these bytes were given up, and there is no recipe for them');
  if (s.page !== null) {
    moveTo(
      s,
      remakePart(body, () => recipe.make()),
    );
    return;
  }
  remake(body, s, () => {
    const made = recipe.make();
    const { body: now } = made;
    made.body = FREED;
    return now;
  });
}

/** Gives a storage of a forgotten page the place of another one. It stays there: that it was missed shows that it is in use. */
function moveTo(s: Storage, made: Storage): void {
  const { body } = s;
  body.remakable--;
  if (--body.live === 0) discard(body);
  s.body = made.body;
  s.place = made.place;
  s.page = made.page;
  s.recipe = null;
  made.body = FREED;
  made.page = null;
}

function isNeeded({ source }: Storage): boolean {
  return source !== null && (source.lease.needed > 0 || source.lease.lines > 0);
}

/**
 * To be called before bytes of `s` change: recipes that may be needed read a copy of them from now on,
 * and `s` is no longer what its own recipe makes.
 */
export function separate(s: Storage): void {
  const { recipe, source } = s;
  if (recipe !== null) {
    if (s.body.forgotten) touch(s);
    if (s.page === null) dropRecipe(s.body);
    else if (hasRecipe(s)) dropPart(s.body);
    s.recipe = null;
  }
  if (source === null) return;
  const { lease } = source;
  detach(lease);
  if (lease.needed > 0 || lease.lines * LINE > 2 * s.nbytes) {
    // What is queued since only reads bytes that were there before, and has not made them again.
    const settled = recipe === null && s.body.span !== null && isDone(source.since);
    source.storage = apart(readBytes(s, 0, s.nbytes, settled));
  } else {
    lease.ended = true;
    source.storage = nothing;
  }
  // Last, for what goes wrong in a job may be thrown where the bytes are read.
  s.source = null;
}

/** A storage whose bytes are outside the linear memory, as if evicted. */
function apart({ buffer, byteLength }: Uint8Array<ArrayBuffer>): Storage {
  noteMovedOut(byteLength);
  const body = new Body(-1);
  body.used = Math.ceil(byteLength / GRANULE);
  body.copy = buffer;
  return new Storage(byteLength, body, 0, null);
}

/** What recipes that have ended read. */
const nothing = apart(new Uint8Array(0));

/** Whether two storages have the same bytes. */
export function sameMemory(a: Storage, b: Storage): boolean {
  return a === b || (a.body === b.body && a.place === b.place);
}

// ─── data in and out ─────────────────────────────────────────────────────────────────────────────

/** Copies bytes from JavaScript into a storage. */
export function writeBytes(s: Storage, byteOffset: number, source: ArrayBufferView): void {
  checkRange(s, byteOffset, source.byteLength);
  const at = address(s) + byteOffset;
  u8().set(new Uint8Array(source.buffer, source.byteOffset, source.byteLength), at);
}

/** A copy of some of a storage's bytes, which nothing queued writes if they are `settled`; reading an evicted storage does not bring it back. */
export function readBytes(s: Storage, byteOffset: number, length: number, settled = false): Uint8Array<ArrayBuffer> {
  checkRange(s, byteOffset, length);
  const { copy } = s.body;
  if (copy === null) {
    const at = address(s) + byteOffset;
    if (!settled) joinWorkers();
    return new Uint8Array(copyOut(at, length));
  }
  const from = s.place * GRANULE + byteOffset;
  return new Uint8Array(copy.slice(from, from + length));
}

function checkRange(s: Storage, byteOffset: number, length: number): void {
  if (!(byteOffset >= 0 && length >= 0 && byteOffset + length <= s.nbytes)) {
    throw new ArgumentError(`bytes ${byteOffset} to ${byteOffset + length} are outside a storage of ${s.nbytes} bytes`);
  }
}
