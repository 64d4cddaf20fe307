/**
 * Room in the linear memory: taken, given back, and what is free of it. Who must make way for what stands in
 * `residency.ts`.
 */
import { type Span, SpanAllocator } from './allocator.ts';
import type { Body } from './body.ts';
import { clock } from './clock.ts';
import { growMemory, linearMemoryBytes } from './linear-memory.ts';
import { TABLE_END } from './power-table.ts';

/**
 * Small storages are placed in granules, spans in lines. Places are counted in these and not in
 * bytes so that they stay small integers, which engines keep unboxed, over all of 4 GiB.
 */
export const GRANULE = 16;
export const LINE = 64;
export const GRANULES_PER_LINE = LINE / GRANULE;

// The first lines have a table, and no storage has address 0. The last stays unused, so that a vector read from
// anywhere in a block stays within the memory.
const spans = new SpanAllocator(TABLE_END / LINE);
spans.extend((linearMemoryBytes() - TABLE_END) / LINE - 1);

/** Bytes of the linear memory that are taken: blocks, pages and scratch. */
export let resident = 0;
/** Room given back last, for what is of the same size: it is in the processor's cache. */
let vacant: Span | null = null;

/** Takes room of what is free; null if it is in pieces too small. */
export function takeFree(lines: number): Span | null {
  let span = vacant;
  vacant = null;
  if (span !== null && span.size !== lines) {
    spans.release(span);
    span = null;
  }
  return taken(span ?? spans.allocate(lines));
}

/** Takes room that the memory grows by; null if it cannot. */
export function takeNew(lines: number): Span | null {
  const grown = growMemory(missing(lines));
  if (grown > 0) spans.extend(grown / LINE);
  return taken(spans.allocate(lines));
}

/** Bytes that the memory must grow by for so many lines. */
export const missing = (lines: number): number => spans.missing(lines) * LINE;

function taken(span: Span | null): Span | null {
  if (span !== null) resident += span.size * LINE;
  return span;
}

/** Gives room back. */
export function vacate(span: Span): void {
  resident -= span.size * LINE;
  if (vacant !== null) spans.release(vacant);
  vacant = span;
}

/** The tail of a span after so many lines, which it keeps. */
export const cutSpan = (span: Span, lines: number): Span => spans.cut(span, lines);

export function settle(body: Body, span: Span): void {
  body.span = span;
  body.place = span.start * GRANULES_PER_LINE;
  body.stamp = clock;
  body.seen = clock;
  body.mark = clock;
}
