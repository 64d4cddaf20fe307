import { type Body, CLASS_GRANULES } from './body.ts';
import { scratchBytes } from './launch.ts';
import { eachOpen } from './pages.ts';
import { type ResidencyStats, residencyStats } from './residency.ts';
import { eachBody } from './rings.ts';
import { GRANULE } from './room.ts';

export interface MemoryStats extends ResidencyStats {
  /** Bytes of storages in place that nobody freed; dead ones count until they are evicted or finalized. */
  readonly live: number;
  /** Storages in place that have a block of their own. */
  readonly blocks: number;
  /** Pages of small storages that are in place. */
  readonly pages: number;
  /** Temporary room of kernels. */
  readonly scratchBytes: number;
}

/** Figures of the linear memory as it is now, and of what has moved since the program began. */
export function memoryStats(): MemoryStats {
  let live = 0;
  let blocks = 0;
  let pages = 0;
  const count = (body: Body): void => {
    if (body.sizeClass < 0) {
      blocks++;
      live += body.used * GRANULE;
    } else {
      pages++;
      live += body.live * CLASS_GRANULES[body.sizeClass]! * GRANULE;
    }
  };
  eachOpen(count);
  eachBody(count);
  return { live, blocks, pages, scratchBytes: scratchBytes(), ...residencyStats() };
}
