import type { Storage } from '../backends/wasm/heap.ts';

/**
 * While an arena is open, it notes every storage that tensors are made on, so that whoever opened
 * it can release what nobody outside will ever see.
 */
let arena: Storage[] | null = null;

export function keepInArena(storage: Storage): void {
  if (arena !== null) arena.push(storage);
}

/** Opens (or with null closes) an arena and returns the one that was open. The caller restores it. */
export function swapArena(next: Storage[] | null): Storage[] | null {
  const previous = arena;
  arena = next;
  return previous;
}

/** Whether what is allocated now may be released by hand. */
export function inArena(): boolean {
  return arena !== null;
}
