/**
 * Garbage between runs. Tensors are freed when JavaScript's collector finds them dead, and a loop of
 * runs that never yields gives it no occasion to say so: then memory is evicted instead of reused, which
 * costs time. So the collector runs between runs, outside what is timed, where there is much to free.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { memoryStats, setCacheLimit } from 'nabla';

const MIB = 2 ** 20;
/** Taken memory that is worth a collection. */
const MUCH = 128 * MIB;
setCacheLimit(1024 * MIB, 3072 * MIB);

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Milliseconds of runs after which the host goes round: sooner it would cool the caches of runs of a few microseconds. */
const OFTEN = 5;
let last = Number.NEGATIVE_INFINITY;

/** Lets the host go round now and then; with a collection first if much memory is taken. */
export async function betweenRuns(): Promise<void> {
  if (performance.now() - last < OFTEN) return;
  if (memoryStats().resident > MUCH) gc();
  await turn();
  last = performance.now();
}
