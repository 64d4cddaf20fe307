/**
 * The one linear memory that every kernel works in, and JavaScript's views of it.
 */
import { DeviceError } from '../../core/errors.ts';
import { adviseHugePages } from './huge-pages.ts';
import { joinWorkers } from './threads/pending.ts';

const PAGE_BYTES = 65536;

const INITIAL_PAGES = 16;
const MOST_PAGES = 65536;
/** What is asked for where the host has less to give: of memory that is shared, some reserve the most it may become. */
const FEWER_PAGES = 16384;

/** Memory that can be shared with workers, if there is such: in browsers only pages that are cross-origin isolated may. */
function makeMemory(): { readonly memory: WebAssembly.Memory; readonly shared: boolean } {
  if (typeof WebAssembly !== 'object') {
    throw new DeviceError(
      'nabla computes with WebAssembly, which this host does not have or has switched off (as node --jitless and the lockdown mode of iOS do)',
    );
  }
  let trouble: unknown;
  for (const shared of typeof SharedArrayBuffer === 'function' ? [true, false] : [false]) {
    for (const maximum of [MOST_PAGES, FEWER_PAGES]) {
      try {
        return { memory: new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared }), shared };
      } catch (error) {
        trouble = error;
      }
    }
  }
  throw trouble;
}

const made = makeMemory();
export const memory: WebAssembly.Memory = made.memory;

/**
 * What generated modules declare when they import the memory. Nothing is committed before it is
 * touched, so the maximum is the most that 32-bit addresses reach.
 */
export const memoryLimits: { readonly initialPages: number; readonly maximumPages: 65536; readonly shared: boolean } = {
  initialPages: INITIAL_PAGES,
  maximumPages: MOST_PAGES,
  shared: made.shared,
};

/** The last page stays unused, so that the end address of a block always fits 32 bits. */
const USABLE_PAGES = MOST_PAGES - 1;

let bytes = new Uint8Array(memory.buffer);
let ints = new Int32Array(memory.buffer);
let floats = new Float32Array(memory.buffer);
let doubles = new Float64Array(memory.buffer);

/** The whole memory as bytes. Growth detaches views: never keep one across an allocation. */
export function u8(): Uint8Array {
  joinWorkers();
  return bytes;
}

/** The whole memory as int32 elements; the same caution as for `u8`. */
export function i32(): Int32Array {
  joinWorkers();
  return ints;
}

/** The whole memory as float32 elements; the same caution as for `u8`. */
export function f32(): Float32Array {
  joinWorkers();
  return floats;
}

/** The whole memory as float64 elements; the same caution as for `u8`. */
export function f64(): Float64Array {
  joinWorkers();
  return doubles;
}

/*
 * The same for parameters: who writes to scratch that his own launch took (`launch.ts`) need not wait for what is
 * queued, as nothing of that reads there.
 */
export const parameterWords = (): Int32Array => ints;
export const parameterFloats = (): Float32Array => floats;
export const parameterDoubles = (): Float64Array => doubles;

export function linearMemoryBytes(): number {
  return bytes.length;
}

/**
 * Grows by at least `needed` bytes and returns by how many, or 0 if the memory cannot grow so far.
 * Growth comes in steps, because it replaces every view and, on hosts that reserve no address space,
 * may copy the whole memory.
 */
export function growMemory(needed: number): number {
  const before = bytes.length / PAGE_BYTES;
  const least = Math.ceil(needed / PAGE_BYTES);
  const generous = Math.max(least, 32, before >>> 4);
  const grown = tryGrow(Math.min(generous, USABLE_PAGES - before), least) || tryGrow(least, least);
  return grown * PAGE_BYTES;
}

function tryGrow(pages: number, least: number): number {
  joinWorkers();
  if (pages < least || bytes.length / PAGE_BYTES + pages > USABLE_PAGES) return 0;
  try {
    memory.grow(pages);
  } catch {
    return 0; // the host has no more memory to give; the caller says so in its own words
  }
  bytes = new Uint8Array(memory.buffer);
  ints = new Int32Array(memory.buffer);
  floats = new Float32Array(memory.buffer);
  doubles = new Float64Array(memory.buffer);
  adviseHugePages(bytes, bytes.length - pages * PAGE_BYTES, bytes.length);
  return pages;
}

interface BufferHost {
  readonly Buffer?: { readonly allocUnsafeSlow?: (length: number) => Uint8Array<ArrayBuffer> };
}

/** Room outside of the linear memory; where the host can, without zeroing what will be overwritten. */
function roomOutside(length: number): Uint8Array<ArrayBuffer> {
  const room = (globalThis as BufferHost).Buffer?.allocUnsafeSlow?.(length);
  return room?.buffer.byteLength === length ? room : new Uint8Array(length);
}

/** A copy of bytes, which nothing that is queued writes, outside the linear memory, in a buffer of its own. */
export function copyOut(address: number, length: number): ArrayBuffer {
  // `slice` skips the zeroing of a fresh buffer, but of a shared buffer it would make a shared one.
  if (!memoryLimits.shared) return memory.buffer.slice(address, address + length);
  const copy = roomOutside(length);
  copy.set(bytes.subarray(address, address + length));
  return copy.buffer;
}
