import { availableParallelism } from 'node:os';
import { afterEach, expect, it, vi } from 'vitest';

// What hosts lack is found out when the library is imported: each test imports the files that look once more.

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

const load = () => {
  vi.resetModules();
  return import('../../src/backends/wasm/linear-memory.ts');
};

/** WebAssembly of a host that gives no memory of which this is true. */
function without(refused: (limits: { maximum: number; shared?: boolean }) => boolean): void {
  const { Memory } = WebAssembly;
  class Scarce extends Memory {
    constructor(limits: { initial: number; maximum: number; shared?: boolean }) {
      if (refused(limits)) throw new RangeError('could not allocate memory');
      super(limits);
    }
  }
  vi.stubGlobal('WebAssembly', Object.create(WebAssembly, { Memory: { value: Scarce } }));
}

it('a host without WebAssembly is told what is missing', async () => {
  vi.stubGlobal('WebAssembly', undefined);
  await expect(load()).rejects.toThrow('nabla computes with WebAssembly, which this host does not have');
});

it('where no memory is shared, one thread has its own', async () => {
  vi.stubGlobal('SharedArrayBuffer', undefined);
  expect((await load()).memoryLimits.shared).toBe(false);
  vi.unstubAllGlobals();
  without(({ shared }) => shared === true);
  expect((await load()).memoryLimits.shared).toBe(false);
});

it('a host that reserves what shared memory may become is asked for less', async () => {
  without(({ maximum, shared }) => shared === true && maximum > 20_000);
  const { memoryLimits, growMemory } = await load();
  expect(memoryLimits.shared).toBe(true);
  expect(growMemory(2 ** 20)).toBeGreaterThanOrEqual(2 ** 20);
  expect(growMemory(2 ** 30)).toBe(0);
});

it('in Node there are as many threads as it may use, whatever pretends to be a browser', async () => {
  vi.stubGlobal('navigator', { hardwareConcurrency: 64 });
  vi.resetModules();
  const { getNumThreads } = await import('../../src/backends/wasm/threads/pool.ts');
  expect(getNumThreads()).toBe(Math.min(8, availableParallelism()));
});

it('a host that forbids compiling is told what it would have to allow', async () => {
  const forbidden = new WebAssembly.CompileError('Wasm code generation disallowed by embedder');
  class Module {
    constructor() {
      throw forbidden;
    }
  }
  vi.stubGlobal('WebAssembly', Object.create(WebAssembly, { Module: { value: Module } }));
  vi.resetModules();
  const { tensor, DeviceError } = await import('nabla');
  const error = (() => {
    try {
      return tensor([1, 2]).mul(3);
    } catch (thrown) {
      return thrown;
    }
  })();
  expect(error).toBeInstanceOf(DeviceError);
  expect(error).toMatchObject({ message: expect.stringContaining("'wasm-unsafe-eval'"), cause: forbidden });
});

it('code that no host takes is not said to be forbidden', async () => {
  const { compile } = await import('../../src/backends/wasm/compile.ts');
  expect(() => compile(Uint8Array.of(1, 2, 3))).toThrow(WebAssembly.CompileError);
});
