/** An OpenBLAS that does not know the processor is told which of its kernels to take. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadKnowing } from '../../src/backends/wasm/blas/openblas.ts';
import type { Koffi, NativeHost } from '../../src/backends/wasm/native.ts';
import { systemBlas } from '../support/blas.ts';

/** A process with one library, which takes `known` where the environment says nothing; and what is done to both. */
function processWith(known: string | null, cpuinfo: string | null, env: Record<string, string> = {}) {
  const events: string[] = [];
  const texts: Uint8Array[] = [];
  const told: Record<string, string> = { ...env };
  const at = (address: number): string => Buffer.from(texts[address] as Uint8Array).toString('latin1');
  const zeroEnded = (address: number): string => {
    const text = at(address);
    expect(text.endsWith('\0')).toBe(true);
    return text.slice(0, -1);
  };
  const koffi: Koffi = {
    load: (path) => {
      if (path === 'libc.so.6') {
        return {
          func: (name) => (variable, value) => {
            if (name === 'setenv') told[zeroEnded(variable as number)] = zeroEnded(value as number);
            else delete told[zeroEnded(variable as number)];
          },
          unload: () => undefined,
        };
      }
      if (events.length > 0 && path !== 'openblas') throw new Error(`no ${path}`);
      const kernels = told.OPENBLAS_CORETYPE ?? known;
      events.push(`load ${kernels}`);
      return {
        func: () => {
          if (kernels === null) throw new Error('no such function');
          return () => kernels;
        },
        unload: () => void events.push('unload'),
      };
    },
    address: (view) => BigInt(texts.push(view) - 1),
    config: () => undefined,
  };
  const host: NativeHost = {
    process: {
      platform: 'linux',
      env,
      getBuiltinModule: (name) => {
        expect(name).toBe('node:fs');
        return {
          readFileSync: (path: string) => {
            expect(path).toBe('/proc/cpuinfo');
            if (cpuinfo === null) throw new Error('ENOENT');
            return cpuinfo;
          },
        };
      },
    },
  };
  return { koffi, host, events, told };
}

const flags = (...names: readonly string[]): string =>
  `processor\t: 0\nmodel\t\t: 207\nflags\t\t: fpu sse ${names.join(' ')}\nbugs\t\t:\n\nprocessor\t: 1\n`;
const NEW = flags('fma', 'avx', 'avx2', 'avx512f');

describe('loading', () => {
  test('kernels for vectors of 128 bits on a processor that has wider ones: again, and the environment is as before', () => {
    for (const kernels of ['Prescott', 'Nehalem', 'Opteron_SSE3', 'Barcelona']) {
      const { koffi, host, events, told } = processWith(kernels, NEW);
      const library = loadKnowing(koffi, 'openblas', host);
      expect(events).toEqual([`load ${kernels}`, 'unload', 'load Haswell']);
      expect(library.func('openblas_get_corename', 'str', [])()).toBe('Haswell');
      expect(told).toEqual({});
    }
  });

  test('kernels that suit, other libraries, and what the environment asks for are left alone', () => {
    for (const kernels of ['Haswell', 'Zen', 'SkylakeX', 'Sandybridge', 'Piledriver', 'ARMV8', null]) {
      const { koffi, host, events } = processWith(kernels, NEW);
      loadKnowing(koffi, 'openblas', host);
      expect(events).toEqual([`load ${kernels}`]);
    }
    const { koffi, host, events, told } = processWith('Zen', NEW, { OPENBLAS_CORETYPE: 'Prescott' });
    loadKnowing(koffi, 'openblas', host);
    expect(events).toEqual(['load Prescott']);
    expect(told).toEqual({ OPENBLAS_CORETYPE: 'Prescott' });
  });

  test('so are those of a processor that has no others, or of which nothing is told', () => {
    for (const cpuinfo of [flags(), flags('avx2'), flags('fma', 'avx'), flags('fma4', 'avx2x'), '', null]) {
      const { koffi, host, events } = processWith('Prescott', cpuinfo);
      loadKnowing(koffi, 'openblas', host);
      expect(events).toEqual(['load Prescott']);
    }
    const { koffi, events } = processWith('Prescott', NEW);
    loadKnowing(koffi, 'openblas', {});
    expect(events).toEqual(['load Prescott']);
  });

  test('so are they where the environment cannot be changed', () => {
    const { koffi, host, events } = processWith('Prescott', NEW);
    const load = (path: string) => {
      if (path === 'libc.so.6') throw new Error(`no ${path}`);
      return koffi.load(path);
    };
    loadKnowing({ ...koffi, load }, 'openblas', host);
    expect(events).toEqual(['load Prescott']);
  });

  test('an environment that was changed is put back if the library cannot be loaded again', () => {
    const { koffi, host, told } = processWith('Prescott', NEW);
    expect(() => loadKnowing(koffi, 'another', host)).toThrow('no another');
    expect(told).toEqual({});
  });
});

test('the OpenBLAS that is here, taken for one that does not know the processor', { timeout: 60_000 }, () => {
  const blas = systemBlas();
  if (typeof blas === 'string' || !blas.library.includes('openblas')) return;
  if (process.platform !== 'linux' || !/ avx2 /.test(readFileSync('/proc/cpuinfo', 'latin1'))) return;
  const source = (name: string): string =>
    JSON.stringify(new URL(`../../src/backends/wasm/${name}.ts`, import.meta.url).href);
  const program = `
    import { kernelsOf, loadKnowing } from ${source('blas/openblas')};
    import { koffiFrom } from ${source('native')};
    const koffi = koffiFrom(globalThis, ${JSON.stringify(import.meta.url)});
    const { getBuiltinModule } = process;
    const library = loadKnowing(koffi, '${blas.library}', { process: { env: {}, getBuiltinModule } });
    const dot = library.func('cblas_ddot', 'double', ['int', 'uintptr_t', 'int', 'uintptr_t', 'int']);
    const numbers = new Uint8Array(new Float64Array(1000).fill(3).buffer);
    const at = Number(koffi.address(numbers));
    console.log(kernelsOf(library), dot(1000, at, 1, at, 1), process.env.OPENBLAS_CORETYPE, numbers.length);
  `;
  const done = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, OPENBLAS_CORETYPE: 'Prescott' },
  });
  expect(done.stderr).toBe('');
  expect(done.stdout).toBe('Haswell 9000 undefined 8000\n');
});
