/**
 * The clock by which uses of memory are told apart: it counts launches of kernels.
 */
import { CLOCK_MASK } from './body.ts';
import { joinWorkers } from './threads/pending.ts';

/**
 * Number of the current launch. It wraps: a false match merely pins a block for one launch, a false order evicts another one.
 * It begins anywhere: what another copy of the library stamped is not taken for this one's.
 */
export let clock: number = Math.floor(Math.random() * CLOCK_MASK);

/** Launches made while another one is: by recipes for what the other one needs. */
export let launchesInside = 0;

/**
 * Moves the clock on, so that what was used until now may be moved out; false inside another launch,
 * of which whatever is used remains part.
 */
export function nextLaunch(): boolean {
  if (launchesInside > 0) return false;
  clock = (clock + 1) & CLOCK_MASK;
  return true;
}

/** Runs what makes launches of its own as part of the current one. */
export function inLaunch<T>(make: () => T): T {
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
