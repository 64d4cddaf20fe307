/**
 * Huge pages for large pieces of the linear memory. Where Linux gives them to whoever asks (`madvise`), an
 * array that no cache holds is read and written up to a quarter faster in pages of 2 MiB: the processor
 * fetches ahead only within a page. Asking takes native code; without koffi the pages stay as they are.
 */
import { ADDRESS, koffiFrom, LIBC, missingPermission, type NativeHost } from './native.ts';

const MIB = 2 ** 20;
const PAGE = 2 * MIB;
const ADVISE_HUGE_PAGES = 14;

/**
 * Who takes so much at once works on arrays that no cache holds. Otherwise what is touched of a huge page
 * and never used must be little beside what is used.
 */
const LARGE_PIECE = 32 * MIB;
const LARGE_MEMORY = 128 * MIB;

type Advise = (view: Uint8Array, from: number, to: number) => void;

/** How pages are asked for, null where that is not possible; found out once, by the first piece that is large. */
let advise: Advise | null | undefined;

/** To be called when the memory that `view` shows has grown by what lies between two of its bytes, before that is touched. */
export function adviseHugePages(view: Uint8Array, from: number, to: number): void {
  if (to - from < LARGE_PIECE && to < LARGE_MEMORY) return;
  if (advise === undefined) advise = findAdvise();
  advise?.(view, from, to);
}

function findAdvise(): Advise | null {
  const host = globalThis as NativeHost;
  try {
    if (missingPermission(host) !== undefined) return null;
    if (host.process?.platform !== 'linux' || host.process.env?.NABLA_HUGE_PAGES === 'off') return null;
    const koffi = koffiFrom(host, import.meta.url);
    if (koffi === null) return null;
    const madvise = koffi.load(LIBC).func('madvise', 'int', [ADDRESS, 'size_t', 'int']);
    return (view, from, to) => {
      const base = Number(koffi.address(view));
      const first = Math.ceil((base + from) / PAGE) * PAGE;
      const end = Math.floor((base + to) / PAGE) * PAGE;
      // What it answers makes no difference: it is advice.
      if (end > first) madvise(first, end - first, ADVISE_HUGE_PAGES);
    };
  } catch {
    return null; // no native code here, or a system with another library
  }
}
