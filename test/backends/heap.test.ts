import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { SpanAllocator } from '../../src/backends/wasm/allocator.ts';
import {
  address,
  allocate,
  beginLaunch,
  f32,
  f64,
  free,
  i32,
  memory,
  memoryLimits,
  readBytes,
  releaseHeld,
  type Storage,
  sameMemory,
  scratch,
  setCacheLimit,
  twin,
  u8,
  writeBytes,
} from '../../src/backends/wasm/heap.ts';
import { memoryStats } from '../../src/backends/wasm/memory-stats.ts';
import { ArgumentError, DeviceError } from '../../src/core/errors.ts';

const MIB = 2 ** 20;

afterEach(() => setCacheLimit(64 * MIB, 3072 * MIB));

/** Bytes that depend on the seed and on the position. */
function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = (seed * 2654435761) >>> 0;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

function fill(s: Storage, seed: number): void {
  writeBytes(s, 0, pattern(s.nbytes, seed));
}

function allocated(nbytes: number, seed: number): Storage {
  const s = allocate(nbytes);
  fill(s, seed);
  return s;
}

function holds(s: Storage, seed: number): boolean {
  return Buffer.compare(readBytes(s, 0, s.nbytes), pattern(s.nbytes, seed)) === 0;
}

describe('allocate and free', () => {
  test('addresses are multiples of 16, never 0, and blocks do not overlap', () => {
    beginLaunch();
    const sizes = [0, 1, 15, 16, 17, 100, 2047, 2048, 2049, 16384, 16385, 100_000, 3 * MIB, 0, 7];
    const storages = sizes.map((n) => allocate(n));
    const ranges = storages.map((s) => [address(s), address(s) + Math.max(16, Math.ceil(s.nbytes / 16) * 16)] as const);
    for (const [start, end] of ranges) {
      expect(start % 16).toBe(0);
      expect(start).toBeGreaterThan(0);
      expect(end).toBeLessThanOrEqual(memory.buffer.byteLength);
    }
    const sorted = ranges.toSorted((a, b) => a[0] - b[0]);
    for (let i = 1; i < sorted.length; i++) expect(sorted[i]![0]).toBeGreaterThanOrEqual(sorted[i - 1]![1]);
    for (const s of storages) free(s);
  });

  test('what was freed last is handed out next, at every size', () => {
    for (const n of [16, 64, 5000, 50_000, 2 * MIB]) {
      beginLaunch();
      const keep = allocate(n);
      const s = allocate(n);
      const at = address(s);
      free(s);
      const again = allocate(n);
      expect(address(again)).toBe(at);
      free(again);
      free(keep);
    }
  });

  test('a page whose storages are all freed is empty again', () => {
    beginLaunch();
    const before = memoryStats();
    const first = Array.from({ length: 20_000 }, () => allocate(48));
    expect(memoryStats().pages).toBeGreaterThanOrEqual(before.pages + 14);
    for (const s of first) free(s);
    const after = memoryStats();
    expect(after.pages).toBeLessThanOrEqual(before.pages + 1);
    expect(after.live).toBe(before.live);
  });

  test('freeing twice is harmless, using what is freed is an error', () => {
    beginLaunch();
    for (const n of [8, 40_000]) {
      const s = allocate(n);
      free(s);
      const other = allocate(n);
      free(s);
      expect(address(other)).toBeGreaterThan(0);
      expect(() => address(s)).toThrow(DeviceError);
      expect(() => readBytes(s, 0, 1)).toThrow(DeviceError);
      expect(() => writeBytes(s, 0, new Uint8Array(1))).toThrow(DeviceError);
      free(other);
    }
  });

  test('sizes that cannot be are refused', () => {
    for (const n of [-1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 32]) expect(() => allocate(n)).toThrow(DeviceError);
  });

  test('bytes outside a storage cannot be read or written', () => {
    beginLaunch();
    const s = allocate(10);
    expect(() => writeBytes(s, 8, new Uint8Array(3))).toThrow(ArgumentError);
    expect(() => readBytes(s, -1, 2)).toThrow(ArgumentError);
    expect(() => readBytes(s, 0, 11)).toThrow(ArgumentError);
    expect(readBytes(s, 10, 0)).toHaveLength(0);
    free(s);
  });
});

describe('storages of the same bytes', () => {
  for (const size of [24, 3 * MIB]) {
    test(`of ${size} bytes count their writes apart, and are not freed by hand`, () => {
      beginLaunch();
      const s = allocate(size);
      fill(s, 1);
      const t = twin(s);
      const u = twin(t);
      expect([sameMemory(s, t), sameMemory(s, u), sameMemory(s, allocate(size))]).toEqual([true, true, false]);
      t.version += 2;
      u.version += 1;
      expect([s.version, t.version, u.version]).toEqual([0, 2, 1]);
      free(s);
      free(t);
      fill(t, 2);
      expect([s, t, u].every((x) => holds(x, 2))).toBe(true);
      // Out of the linear memory and back.
      beginLaunch();
      setCacheLimit(0);
      setCacheLimit(64 * MIB, 3072 * MIB);
      expect([s, t, u].every((x) => holds(x, 2))).toBe(true);
      beginLaunch();
      expect(new Set([s, t, u].map(address)).size).toBe(1);
      fill(u, 3);
      expect([s, t, u].every((x) => holds(x, 3))).toBe(true);
    });
  }

  test('may have one count of writes', () => {
    const [a, b, c] = [allocate(8), allocate(8), allocate(8)];
    a.version = 3;
    b.version = a.version;
    a.counter = b;
    a.version += 1;
    expect([a.version, b.version]).toEqual([4, 4]);
    b.counter = c;
    c.version = 7;
    expect([a.version, b.version, c.version]).toEqual([7, 7, 7]);
  });
});

describe('views and growth', () => {
  test('views follow the memory as it grows, and data stays', () => {
    beginLaunch();
    const s = allocate(5000);
    fill(s, 7);
    const before = u8();
    const { length } = before;
    const large = allocate(memory.buffer.byteLength);
    // Growth detaches views of memory that is not shared; of shared memory they keep their old length.
    expect(before).toHaveLength(memoryLimits.shared ? length : 0);
    const { byteLength } = memory.buffer;
    expect([u8().length, i32().length * 4, f32().length * 4, f64().length * 8]).toEqual(new Array(4).fill(byteLength));
    expect(holds(s, 7)).toBe(true);
    writeBytes(s, 8, new Float64Array([Math.PI]));
    expect(f64()[address(s) / 8 + 1]).toBe(Math.PI);
    free(large);
    free(s);
  });

  test('a view with an offset is copied as it is seen', () => {
    beginLaunch();
    const s = allocate(8);
    writeBytes(s, 0, new Int32Array([1, 2, 3, 4]).subarray(1, 3));
    expect(new Int32Array(readBytes(s, 0, 8).buffer)).toEqual(new Int32Array([2, 3]));
    free(s);
  });
});

describe('scratch', () => {
  test('pieces are aligned, disjoint and reused by the next launch', () => {
    beginLaunch();
    const a = scratch(10);
    const b = scratch(100);
    expect([a % 64, b % 64]).toEqual([0, 0]);
    expect(b).toBeGreaterThanOrEqual(a + 10);
    beginLaunch();
    expect(scratch(10)).toBe(a);
  });

  test('large requests are met, and repeated ones settle', () => {
    for (let i = 0; i < 5; i++) {
      beginLaunch();
      const a = scratch(MIB);
      const b = scratch(MIB);
      u8().fill(1, a, a + MIB);
      u8().fill(2, b, b + MIB);
      expect(u8()[a + MIB - 1]).toBe(1);
    }
    const { scratchBytes } = memoryStats();
    expect(scratchBytes).toBeLessThan(3 * MIB);
    beginLaunch();
    scratch(40 * MIB);
    beginLaunch();
    expect(memoryStats().scratchBytes).toBeLessThanOrEqual(12 * MIB);
    for (let i = 0; i < 2; i++) {
      beginLaunch();
      scratch(20 * MIB);
      beginLaunch();
      const { scratchBytes } = memoryStats();
      expect(scratchBytes).toBeGreaterThanOrEqual(20 * MIB);
      expect(scratchBytes).toBeLessThan(21 * MIB);
    }
  });
});

describe('eviction', () => {
  test('evicted data comes back where it is asked for, at every size', () => {
    beginLaunch();
    const storages = [100_000, 200_000, 3 * MIB, 16_385].map((n, i) => {
      const s = allocate(n);
      fill(s, i);
      return s;
    });
    const small = Array.from({ length: 9000 }, (_, i) => {
      const s = allocate(24);
      fill(s, i);
      return s;
    });
    const before = memoryStats();
    beginLaunch();
    setCacheLimit(0);
    const after = memoryStats();
    expect(after.blocks).toBe(0);
    expect(after.evictions).toBeGreaterThan(before.evictions + 5);
    expect(storages.every((s, i) => holds(s, i))).toBe(true);
    for (const s of storages) address(s);
    expect(storages.every((s, i) => holds(s, i))).toBe(true);
    small.forEach((s) => void address(s));
    expect(small.every((s, i) => holds(s, i))).toBe(true);
    expect(memoryStats().restores).toBeGreaterThan(before.restores + 5);
    for (const s of [...storages, ...small]) free(s);
  });

  test('what the current launch uses stays in place beyond the limit', () => {
    beginLaunch();
    setCacheLimit(MIB);
    const storages = Array.from({ length: 8 }, () => allocate(MIB));
    const at = storages.map((s) => address(s));
    allocate(4 * MIB);
    expect(storages.map((s) => address(s))).toEqual(at);
    beginLaunch();
    allocate(16);
    allocate(MIB);
    expect(memoryStats().blocks).toBe(1);
    for (const s of storages) free(s);
  });

  test('what is used again and again outlives what is not', () => {
    setCacheLimit(16 * MIB);
    beginLaunch();
    const parameter = allocate(MIB);
    fill(parameter, 3);
    const { restores } = memoryStats();
    for (let i = 0; i < 200; i++) {
      beginLaunch();
      address(parameter);
      allocate(MIB);
    }
    expect(memoryStats().restores).toBe(restores);
    expect(holds(parameter, 3)).toBe(true);
    free(parameter);
  });

  test('what somebody has let go of goes before what was not used for longer', () => {
    beginLaunch();
    setCacheLimit(0);
    setCacheLimit(memoryStats().resident + 8 * MIB);
    const live = Array.from({ length: 4 }, (_, i) => allocated(MIB, i));
    beginLaunch();
    const dropped = Array.from({ length: 3 }, (_, i) => allocated(MIB, 10 + i));
    for (const s of dropped) releaseHeld(s);
    beginLaunch();
    const { restores } = memoryStats();
    const others = Array.from({ length: 4 }, () => allocate(MIB));
    for (const s of live) address(s);
    expect(memoryStats().restores).toBe(restores);
    // Nothing is lost if it is used all the same.
    beginLaunch();
    expect(dropped.every((s, i) => address(s) > 0 && holds(s, 10 + i))).toBe(true);
    for (const s of [...live, ...dropped, ...others]) free(s);
  });

  test('copies of what is dead die with the young', async () => {
    const collect = globalThis.gc as unknown as (options: { type: 'minor' }) => void;
    const collectYoung = async (): Promise<number> => {
      // Buffers are freed beside the program, and counted at the next collection.
      for (let i = 0; i < 4; i++) {
        collect({ type: 'minor' });
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      return process.memoryUsage().arrayBuffers;
    };
    const before = await collectYoung();
    // Large enough for its death to be watched from the beginning.
    for (let i = 0; i < 8; i++) {
      beginLaunch();
      setCacheLimit(64 * MIB);
      allocate(4 * MIB);
      beginLaunch();
      setCacheLimit(0);
    }
    expect(await collectYoung()).toBeLessThan(before + 8 * MIB);
  });

  test('the limit grows to the working set, up to its maximum', () => {
    beginLaunch();
    const storages = Array.from({ length: 12 }, () => allocate(MIB));
    const sweep = (): number => {
      const { restores } = memoryStats();
      for (const s of storages) {
        beginLaunch();
        address(s);
      }
      return memoryStats().restores - restores;
    };
    beginLaunch();
    setCacheLimit(4 * MIB, 6 * MIB);
    for (let i = 0; i < 20; i++) sweep();
    expect(memoryStats().cacheLimit).toBe(6 * MIB);
    expect(sweep()).toBeGreaterThan(0);
    beginLaunch();
    setCacheLimit(4 * MIB, 64 * MIB);
    for (let i = 0; i < 20; i++) sweep();
    expect(sweep()).toBe(0);
    expect(memoryStats().cacheLimit).toBeLessThan(40 * MIB);
    for (const s of storages) free(s);
  });

  test('a limit that is no number is refused', () => {
    for (const n of [-1, Number.NaN]) expect(() => setCacheLimit(n)).toThrow(ArgumentError);
    expect(() => setCacheLimit(10, 5)).toThrow(ArgumentError);
  });

  test('any sequence of operations keeps every content under a tiny cache', () => {
    const size = fc.oneof(
      fc.nat(64),
      fc.nat(5000),
      fc.integer({ min: 16_000, max: 17_000 }),
      fc.integer({ min: 17_000, max: 400_000 }),
    );
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({ do: fc.constant('allocate' as const), size, many: fc.integer({ min: 1, max: 40 }) }),
      },
      {
        weight: 8,
        arbitrary: fc.record({
          do: fc.constantFrom('write', 'check', 'touch', 'free', 'drop'),
          at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        }),
      },
      { weight: 3, arbitrary: fc.record({ do: fc.constant('launch' as const) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120 }), fc.integer({ min: 0, max: 2 * MIB }), (steps, limit) => {
        setCacheLimit(limit);
        const held: { storage: Storage; seed: number }[] = [];
        let seed = 0;
        for (const s of steps) {
          if (s.do === 'launch') beginLaunch();
          else if (s.do === 'allocate') {
            for (let i = 0; i < s.many; i++) {
              const entry = { storage: allocate(s.size), seed: ++seed };
              fill(entry.storage, entry.seed);
              held.push(entry);
            }
          } else if (held.length > 0) {
            const index = Math.floor(s.at * held.length);
            const entry = held[index]!;
            if (s.do === 'write') {
              entry.seed = ++seed;
              fill(entry.storage, seed);
            } else if (s.do === 'check') expect(holds(entry.storage, entry.seed)).toBe(true);
            else if (s.do === 'touch') address(entry.storage);
            else {
              held.splice(index, 1);
              if (s.do === 'free') free(entry.storage);
            }
          }
        }
        for (const { storage, seed: expected } of held) {
          expect(holds(storage, expected)).toBe(true);
          address(storage);
          expect(holds(storage, expected)).toBe(true);
          free(storage);
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe('memory stays bounded when nobody frees', () => {
  const rss = (): number => process.memoryUsage().rss;

  test('20,000 × 1 MB in one synchronous loop under a 256 MB cache', () => {
    setCacheLimit(256 * MIB);
    const kept: Storage[] = [];
    let peak = 0;
    for (let i = 0; i < 20_000; i++) {
      beginLaunch();
      const s = allocate(MIB);
      const at = address(s);
      u8().fill(i % 251, at, at + MIB);
      if (i % 1000 === 0) kept.push(s);
      if (i % 200 === 0) peak = Math.max(peak, rss());
    }
    kept.forEach((s, i) => {
      expect(readBytes(s, 0, MIB).every((x) => x === (i * 1000) % 251)).toBe(true);
      free(s);
    });
    expect(Math.max(peak, rss())).toBeLessThan(2048 * MIB);
  });

  test('20 million storages of 16 bytes in one synchronous loop', () => {
    setCacheLimit(64 * MIB);
    const before = rss();
    const kept: Storage[] = [];
    for (let i = 0; i < 20_000_000; i++) {
      beginLaunch();
      const s = allocate(16);
      if (i % 1_000_000 === 0) {
        writeBytes(s, 0, new Int32Array([i, i + 1, i + 2, i + 3]));
        kept.push(s);
      }
    }
    kept.forEach((s, i) => {
      expect(new Int32Array(readBytes(s, 4, 4).buffer)[0]).toBe(i * 1_000_000 + 1);
    });
    expect(memoryStats().resident).toBeLessThan(70 * MIB);
    expect(rss() - before).toBeLessThan(512 * MIB);
  });

  test('blocks of varying sizes do not tear the memory to pieces', () => {
    setCacheLimit(64 * MIB);
    for (let i = 0; i < 20_000; i++) {
      beginLaunch();
      const n = 20_000 + ((i * 7919) % 3_000_000);
      const s = allocate(n);
      if (i % 3 !== 0) free(s);
    }
    expect(memoryStats().resident).toBeLessThan(70 * MIB);
  });

  test('what finalizers report is free again', async () => {
    setCacheLimit(512 * MIB);
    const collect = (globalThis as { gc?: () => void }).gc;
    expect(collect).toBeTypeOf('function');
    beginLaunch();
    const { finalized } = memoryStats();
    const kept = allocate(100_000);
    fill(kept, 1);
    for (let i = 0; i < 200; i++) allocate(100_000);
    for (let i = 0; i < 20_000; i++) allocate(32);
    const before = memoryStats();
    for (let i = 0; i < 10 && memoryStats().finalized < finalized + 130; i++) {
      collect?.();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const after = memoryStats();
    expect(after.finalized).toBeGreaterThanOrEqual(finalized + 130);
    expect(after.live).toBeLessThan(before.live - 12_000_000);
    expect(holds(kept, 1)).toBe(true);
    free(kept);
  });
});

describe('span allocator', () => {
  test('spans never overlap, and all free room merges into one', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 900 })), { maxLength: 300 }), (steps) => {
        const allocator = new SpanAllocator(1);
        allocator.extend(10_000);
        const held: { start: number; size: number; free: () => void }[] = [];
        for (const [take, n] of steps) {
          if (take) {
            const span = allocator.allocate(n);
            if (span === null) continue;
            expect(span.size).toBe(n);
            expect(span.start).toBeGreaterThanOrEqual(1);
            expect(span.start + n).toBeLessThanOrEqual(10_001);
            for (const h of held) expect(h.start + h.size <= span.start || span.start + n <= h.start).toBe(true);
            held.push({ start: span.start, size: n, free: () => allocator.release(span) });
          } else if (held.length > 0) held.splice(n % held.length, 1)[0]!.free();
        }
        for (const h of held) h.free();
        allocator.extend(10_000);
        expect(allocator.missing(20_000)).toBe(0);
        expect(allocator.allocate(20_000)?.start).toBe(1);
        expect(allocator.allocate(1)).toBeNull();
      }),
    );
  });
});

// Last, because it leaves the linear memory as large as it can be.
describe('the end of memory', () => {
  test('what one launch cannot hold is an error that says so, and the next launch goes on', () => {
    beginLaunch();
    const pinned = [allocate(1600 * MIB), allocate(1600 * MIB)];
    expect(() => allocate(1600 * MIB)).toThrow(/out of memory: 1600\.0 MiB asked for.*4 GiB/);
    for (const s of pinned) free(s);
    beginLaunch();
    free(allocate(1600 * MIB));
  });
});
