import { setTimeout as sleep } from 'node:timers/promises';

/** Lets the collector and the finalizers run until `done`, for a while. */
export async function collect(done: () => boolean): Promise<boolean> {
  for (let i = 0; i < 50; i++) {
    // In turns of their own: what `done` reads through a WeakRef lives to the end of its turn.
    await sleep(2);
    gc?.();
    await sleep(2);
    if (done()) return true;
  }
  return false;
}
