/**
 * The rings in which bodies in place wait until their turn comes to go, and what moves them from one to
 * another. Nothing here knows what a storage is, so nothing here can keep one alive: a dead tensor's bytes are
 * reachable from nowhere but the storage, and V8 collects them, even in a loop that never yields, where
 * finalizers do not run.
 */
import type { Span } from './allocator.ts';
import { Body, CLASS_GRANULES, type Lease, LimitedRing, launchesBetween, NOWHERE, type Owner, Ring } from './body.ts';
import { clock, launchesInside } from './clock.ts';
import { Deaths } from './deaths.ts';
import { division } from './division.ts';
import { Kinds } from './kinds.ts';
import { Limit } from './limit.ts';
import { cutSpan, GRANULES_PER_LINE, LINE, settle, vacate } from './room.ts';

/** How much anything may ever be that is kept in place. */
export const CACHE_MOST = (3072 * 2 ** 20) / LINE;

/** To copy so many bytes costs more than to look who is alive. */
const DEAR = 2 ** 20;
/** Whether a forgotten body is dead is worth knowing if otherwise so much is copied for each that needs the same. */
const COPIED_PER_BODY = 2 ** 14;

/** To give up what can be made again costs nothing, but to make it again may cost much: few misses are enough to keep more. */
const GIVEN_UP_PER_MISS = 16;

/** Bodies that stay as long as there is room. */
export const lasting = new Ring();

/** The same that a backward pass is going to read. */
export const saved = new Ring();

/** Bodies that are most likely dead, but have no recipe, or one that is long to follow: the first to go. */
export const released = new Ring();

/**
 * Bodies whose recipes make them again. Few of them stay in place, so that a loop that drops its results
 * finds the memory of the next one in the processor's cache. Kinds of which one was missed are kept apart,
 * as many as it takes.
 * So is what a backward pass is going to read; it joins the others when it has been read: most of it is
 * dead by then.
 */
export const spare = new LimitedRing(new Limit(division.spare / LINE, division.spare / LINE, GIVEN_UP_PER_MISS));
export const kept = new LimitedRing(new Limit(division.spare / LINE, CACHE_MOST, GIVEN_UP_PER_MISS));
export const awaited = new LimitedRing(new Limit(division.awaited / LINE, CACHE_MOST, GIVEN_UP_PER_MISS));

export const kinds = new Kinds();
/** For how many launches the last one to go was in `spare` after its last use. */
let reach = 0;

/** Lines that wait for a backward pass. */
export const waiting = (): number => saved.lines + awaited.lines;

export let forgotten = 0;
/** Bytes of parameters that forgotten bodies need, and how many are worth looking which of those are dead. */
let owed = 0;
let dear = DEAR;

export const deaths = new Deaths(discard);

/** Makes a body evictable; `owner` is what dies with the last storage of the body. */
export function enroll(body: Body, owner: Owner): void {
  ringOf(body).add(body);
  deaths.expect(body, owner);
}

/** The same for a result that is about to be given a recipe; if it is not, it changes the ring when its turn comes. */
export function enrollResult(body: Body, owner: Owner): void {
  spare.add(body);
  deaths.expect(body, owner);
}

function ringOf(body: Body): Ring {
  if (body.leases !== null && !body.atNeed && isWhole(body)) return remakableRingOf(body);
  return body.awaited > 0 && body.sizeClass < 0 ? saved : lasting;
}

/** Whether there is nothing in a page without a recipe. */
export const isWhole = ({ live, remakable }: Body): boolean => live === remakable;

function remakableRingOf(body: Body): LimitedRing {
  if (body.awaited > 0) return awaited;
  return body.kept ? kept : spare;
}

export function withdraw(body: Body): void {
  deaths.cancel(body);
  body.ring?.remove(body);
}

/** Gives up the place of an enrolled body; its storages are freed, dead, or about to be copied or forgotten. */
export function retire(body: Body): void {
  deaths.cancel(body);
  leave(body);
}

function leave(body: Body): void {
  countLeases(body, -1);
  body.ring?.remove(body);
  body.stamp = NOWHERE;
  if (body.span !== null) vacate(body.span);
  body.span = null;
}

export function countLeases(body: Body, sign: 1 | -1): void {
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
  if (body.forgotten) recall(body);
  else if (body.copy === null) retire(body);
  body.copy = null;
}

/** Takes back `forget`: the bytes are there again, or nobody needs them. */
export function recall(body: Body): void {
  deaths.cancel(body);
  body.forgotten = false;
  for (const lease of body.leases ?? []) if (--lease.needed === 0) owed -= lease.bytes;
}

/** To be called before what a lease is for changes: of the bodies that need it those go that are dead. */
export function detach(lease: Lease): void {
  if (lease.bytes > 0 && owed >= dear) {
    deaths.reap(true);
    dear = Math.max(DEAR, 8 * owed);
  }
  if (lease.needed > 0) {
    owed -= lease.bytes;
    dear = Math.max(DEAR, dear - lease.bytes);
  }
  lease.bytes = 0;
}

/** Whether the bytes of a body are zero because it has vanished. */
export const hasVanished = ({ span, copy, forgotten }: Body): boolean => span === null && copy === null && !forgotten;

/** Cuts the tail off an enrolled body in place. What is left and the tail are to be enrolled. */
export function cutBody(body: Body, lines: number): Body {
  withdraw(body);
  const tail = new Body(-1);
  if (body.span !== null) settle(tail, cutSpan(body.span, lines));
  tail.used = body.used - lines * GRANULES_PER_LINE;
  body.used -= tail.used;
  return tail;
}

/** Another owner for an enrolled body. */
export function handOver(body: Body, owner: Owner): void {
  withdraw(body);
  enroll(body, owner);
}

/** Launches since a body was used. */
export const age = (body: Body): number => launchesBetween(body.stamp, clock);

/** Whether there is a recipe and what it reads is still there. */
export const isGood = (leases: readonly Lease[] | null): boolean => leases?.every((lease) => !lease.ended) === true;

/** The body to be forgotten next. Those whose recipes are no longer good become like any other on the way. */
export function oldestIn(ring: LimitedRing): Body | null {
  for (;;) {
    const body = ring.oldest(clock);
    if (body === null || isGood(body.leases)) return body;
    const had = body.leases !== null;
    dropRecipe(body);
    if (had && ring !== awaited) move(body, released);
  }
}

/** Gives up the bytes of a body that its recipe can make again, without a copy. */
export function forget(body: Body, limit: Limit): void {
  let follows = false;
  for (const lease of body.leases ?? []) {
    if (lease.needed++ === 0) owed += lease.bytes;
    follows ||= lease.bytes > COPIED_PER_BODY * lease.needed;
  }
  giveUp(body, limit);
  if (follows) deaths.follow(body);
  else deaths.cancel(body);
  leave(body);
  body.forgotten = true;
  forgotten++;
}

/** To be called before a body in place goes that may be missed. What makes way while recipes are followed tells nothing of the program. */
export function giveUp(body: Body, limit: Limit): void {
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
  if (to instanceof LimitedRing) trim(to);
}

/** Closes a page: what it shares can be given up from now on. */
export function enrollPage(body: Body, owner: Owner): void {
  body.kept = kinds.isKept(body.kind);
  enroll(body, owner);
  if (body.ring instanceof LimitedRing) trim(body.ring);
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
  if (ring instanceof LimitedRing) trim(ring);
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
  else if (body.sizeClass < 0) move(body, saved);
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
  else if (ring === saved) move(body, result ? released : lasting);
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

/** Visits every evictable body that is in place. */
export function eachBody(visit: (body: Body) => void): void {
  for (const ring of [lasting, saved, released, spare, kept, awaited]) ring.each(visit);
}
