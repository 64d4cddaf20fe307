/**
 * Kernel launches: what one uses stays where it is, and temporary room lasts as long as it does.
 */
import type { Span } from './allocator.ts';
import { nextLaunch } from './clock.ts';
import { reserve } from './residency.ts';
import { LINE, vacate } from './room.ts';
import { hasLeft, joinWorkers } from './threads/pending.ts';

/**
 * Opens a launch: until the next one begins, every storage that is allocated or addressed stays
 * where it is. Whoever allocates or computes begins a launch first; without it, nothing that was
 * touched since can be evicted.
 */
export function beginLaunch(): void {
  joinWorkers();
  beginLaunchBeside();
}

/**
 * The same while launches before may still be queued: for one that runs its kernels by way of the queue, or after
 * `joinWorkers`. What those before took of the scratch remains theirs; when half of it is taken they are waited for.
 */
export function beginLaunchBeside(): void {
  if (!nextLaunch()) return;
  if (hasLeft()) {
    if (scratchExtra.length === 0 && 2 * scratchUsed <= Math.min(scratchSpan.size, SCRATCH_QUEUED_BYTES / LINE)) return;
    joinWorkers();
    if (scratchSpan.size < SCRATCH_QUEUED_BYTES / LINE) resizeScratch(2 * scratchSpan.size);
  }
  if (scratchExtra.length > 0) settleScratch();
  scratchUsed = 0;
}

const SCRATCH_BYTES = 64 * 1024;
/** What launches that are queued share: a larger part of it would no longer be in the cache when it is taken again. */
const SCRATCH_QUEUED_BYTES = 2 ** 23;
/**
 * A larger scratch than this is returned after the launch that asked for it. Up to here it is kept, since who computes
 * there again finds it in the cache: convolutions by tiles take up to 23 MiB.
 */
const SCRATCH_KEPT_BYTES = 24 * 2 ** 20;

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
  // Parameters are written to it at once: nothing queued may still be at what was here before, and has been freed.
  joinWorkers();
  const span = reserve(lines);
  scratchExtra.push(span);
  return span.start * LINE;
}

/** Enlarges the scratch to what the last launch took, so that the next one like it finds it in one piece. */
function settleScratch(): void {
  let lines = scratchUsed;
  for (const span of scratchExtra) {
    lines += span.size;
    vacate(span);
  }
  scratchExtra.length = 0;
  if (lines * LINE > SCRATCH_KEPT_BYTES) lines = SCRATCH_QUEUED_BYTES / LINE;
  if (lines > scratchSpan.size) resizeScratch(lines);
}

function resizeScratch(lines: number): void {
  const larger = reserve(lines);
  vacate(scratchSpan);
  scratchSpan = larger;
}

/** How much temporary room there is at present. */
export const scratchBytes = (): number => scratchExtra.reduce((sum, span) => sum + span.size, scratchSpan.size) * LINE;
