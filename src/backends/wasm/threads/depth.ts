/**
 * How deep in its stack a worker runs kernels.
 *
 * Compilers keep vectors that find no register in the stack. V8 aligns it to eight bytes, so that a vector of
 * sixteen may lie across the border of two pages, where it takes so long to be stored and read again that a
 * kernel which does so in its loop runs at less than half its speed. The stack of a worker always begins at
 * the same place of a page and its calls nest in the same way, so that it is always the same kernels. So a
 * worker looks for the depths at which that happens, and goes far from them.
 */
type Probe = (turns: number) => number;

const PAGE = 4096;
const WORD = 8;
/** Depths that are tried lie so far apart, once each for both ways in which a vector can lie to words. */
const STEP = 64;
const TURNS = 300;
/** So many times as long as it mostly takes is slow: it is twice to three times as long. */
const SLOW = 1.4;

/** Calls `f` at a stack deeper by so many words. */
export function deeper<R>(words: number, f: () => R): R {
  const call = (..._pushed: readonly number[]): R => f();
  return call(...new Array<number>(words).fill(0));
}

/** By how many words deeper kernels are to be called so that no border of pages is near; 0 where it makes no difference. */
export function goodDepth(code: Uint8Array<ArrayBuffer>, now: () => number): number {
  const memory = new WebAssembly.Memory({ initial: 0, maximum: 1 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { env: { memory } });
  const { probe } = exports as { readonly probe: Probe };
  const once = (): number => {
    const start = now();
    probe(TURNS);
    return now() - start;
  };
  const depths = Array.from({ length: (2 * PAGE) / STEP }, (_, i) => (i >> 1) * (STEP / WORD) + (i & 1));
  const sweep = (): number[] => depths.map((words) => deeper(words, () => Math.min(once(), once(), once())));
  // The first one is there for the compiler.
  sweep();
  const times = sweep();
  const usual = times.toSorted((a, b) => a - b)[times.length >> 1];
  const slow = depths.filter((_, i) => times[i] > SLOW * usual);
  const page = PAGE / WORD;
  const distance = (words: number): number =>
    Math.min(...slow.map((s) => Math.min((words - s + page) % page, (s - words + page) % page)));
  // A machine that did something else meanwhile may make anything slow; then there is nothing to be learnt.
  if (slow.length === 0 || slow.length > depths.length / 4) return 0;
  return depths.reduce((best, words) => (distance(words) > distance(best) ? words : best));
}
