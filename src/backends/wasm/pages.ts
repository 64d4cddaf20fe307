/**
 * Pages: bodies that small storages share, a size class each. Results that a recipe is probably going to make
 * again lie in pages of their own, so that such a page can be forgotten as a whole.
 */
import { Body, CLASS_GRANULES } from './body.ts';
import { division } from './division.ts';
import { LISTED, list } from './living.ts';
import { reserve } from './residency.ts';
import { enrollPage } from './rings.ts';
import { GRANULE, LINE, settle } from './room.ts';

/** Storages of up to so many bytes share pages. */
export const SMALL_BYTES = division.small;
/** Results of up to so many bytes have no recipe. */
export const COPIED_BYTES = division.copied;

const CLASSES = CLASS_GRANULES.length;

/** Per slot: the granules of a storage, and of a page, whose bookkeeping several storages share. */
export const SLOT_GRANULES: readonly number[] = [...CLASS_GRANULES, ...CLASS_GRANULES];
export const PAGE_GRANULES: readonly number[] = SLOT_GRANULES.map((size) =>
  Math.max(division.page / GRANULE, division.sharing * size),
);

/** The class that holds a number of granules. */
const classOf = new Uint8Array(SMALL_BYTES / GRANULE + 1);
for (let c = CLASSES - 1; c >= 0; c--) classOf.fill(c, 0, CLASS_GRANULES[c]! + 1);

/**
 * What all storages of a page hold, and the heap only while the page is open: when it dies, so has
 * every storage of the page. One finalizer then serves them all.
 */
export class Page {
  readonly body: Body;
  /** Its place among the open pages while it is one. */
  readonly slot: number;

  constructor(body: Body, slot: number) {
    this.body = body;
    this.slot = slot;
  }

  [LISTED](): unknown {
    return list(this);
  }
}

/** The body of every freed storage. */
export const FREED = new Body(-1);
FREED.used = PAGE_GRANULES.at(-1)!;

/**
 * The pages that storages come from at present, in slots: by class, and by class once more for results that a
 * recipe is probably going to make again. Full ones of no class to begin with.
 */
export const openPages: Page[] = SLOT_GRANULES.map((_, slot) => new Page(FREED, slot));

export function slotFor(nbytes: number, result: boolean): number {
  const sizeClass = classOf[(nbytes + GRANULE - 1) >>> 4]!;
  return result && nbytes > COPIED_BYTES ? sizeClass + CLASSES : sizeClass;
}

/** Closes the full page of a slot, which can be given up from now on, and opens an empty one. */
export function openPage(slot: number): void {
  const body = new Body(slot % CLASSES);
  settle(body, reserve((PAGE_GRANULES[slot]! * GRANULE) / LINE));
  if (slot >= CLASSES) body.leases = [];
  const full = openPages[slot]!;
  if (full.body !== FREED) enrollPage(full.body, full);
  openPages[slot] = new Page(body, slot);
}

/** Visits the bodies of all open pages. */
export function eachOpen(visit: (body: Body) => void): void {
  for (const { body } of openPages) if (body !== FREED) visit(body);
}
