/** What oneDNN does beside an OpenBLAS of narrower vectors, and when it is left alone. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, test } from 'vitest';
import { type Gemm, NO_TRANSPOSE, ROW_MAJOR, TRANSPOSE } from '../../src/backends/wasm/blas/cblas.ts';
import { describe as describeBlas, functionsOf } from '../../src/backends/wasm/blas/library.ts';
import { findOneDnn } from '../../src/backends/wasm/blas/onednn.ts';
import type { Koffi, Library, Native } from '../../src/backends/wasm/native.ts';
import { systemBlas } from '../support/blas.ts';

/** A library that has such functions and no others. */
const libraryOf = (functions: Readonly<Record<string, Native>>): Library => ({
  func: (name) => {
    const found = functions[name];
    if (found === undefined) throw new Error(`no ${name}`);
    return found;
  },
  unload: () => undefined,
});

const koffiOf = (libraries: Readonly<Record<string, Library>>): Koffi => ({
  load: (path) => {
    const found = libraries[path];
    if (found === undefined) throw new Error(`no ${path}`);
    return found;
  },
  address: () => 5000n,
  config: () => undefined,
});

const without = (functions: Readonly<Record<string, Native>>, name: string): Readonly<Record<string, Native>> =>
  Object.fromEntries(Object.entries(functions).filter(([other]) => other !== name));

const openBlas = (kernels: string): Library => libraryOf({ openblas_get_corename: () => kernels });
const AVX2 = 0x7;
const AVX512 = 0x27;

describe('whether it is there', () => {
  const functions = {
    dnnl_get_effective_cpu_isa: () => AVX512,
    omp_set_num_threads: () => 0,
    pthread_sigmask: () => 0,
    dnnl_sgemm: () => 0,
  };
  const koffi = koffiOf({
    whole: libraryOf(functions),
    narrow: libraryOf({ ...functions, dnnl_get_effective_cpu_isa: () => AVX2 }),
    threaded: libraryOf(without(functions, 'omp_set_num_threads')),
    disturbed: libraryOf(without(functions, 'pthread_sigmask')),
  });

  test('beside narrow kernels on a processor with wide vectors', () => {
    for (const kernels of ['Haswell', 'Zen', 'Sandybridge']) {
      expect(findOneDnn(koffi, ['absent', 'whole'], openBlas(kernels))?.path).toBe('whole');
    }
  });

  test('not beside wide ones, nor beside another library', () => {
    for (const kernels of ['SkylakeX', 'Cooperlake', 'SAPPHIRERAPIDS']) {
      expect(findOneDnn(koffi, ['whole'], openBlas(kernels))).toBeNull();
    }
    expect(findOneDnn(koffi, ['whole'], libraryOf({}))).toBeNull();
  });

  test('not where the processor has no wide vectors, its threads could not be held to one, or signals be held off', () => {
    expect(findOneDnn(koffi, ['narrow'], openBlas('Haswell'))).toBeNull();
    expect(findOneDnn(koffi, ['threaded'], openBlas('Haswell'))).toBeNull();
    expect(findOneDnn(koffi, ['disturbed'], openBlas('Haswell'))).toBeNull();
    expect(findOneDnn(koffi, ['absent'], openBlas('Haswell'))).toBeNull();
    expect(findOneDnn(koffi, ['threaded', 'narrow', 'whole'], openBlas('Zen'))?.path).toBe('whole');
  });
});

test("larger products are its own, small ones and those of a few columns the other library's", () => {
  const calls: (readonly (number | string)[])[] = [];
  const others: (readonly number[])[] = [];
  const told: number[] = [];
  let status = 0;
  const functions: Readonly<Record<string, Native>> = {
    dnnl_get_effective_cpu_isa: () => AVX512,
    omp_set_num_threads: (n) => told.push(n as number),
    pthread_sigmask: (how, set) => calls.push(['mask', how as number, set as number]),
    dnnl_sgemm: (...args) => {
      calls.push(args);
      return status;
    },
  };
  const found = findOneDnn(koffiOf({ whole: libraryOf(functions) }), ['whole'], openBlas('Haswell'));
  const gemm = found?.beside((...args) => void others.push(args)) as Gemm;
  gemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, 64, 32, 64, 1, 1000, 40, 2000, 41, 1, 3000, 42);
  gemm(ROW_MAJOR, TRANSPOSE, NO_TRANSPOSE, 640, 8, 320, 1, 1000, 640, 2000, 8, 0, 3000, 8);
  gemm(ROW_MAJOR, TRANSPOSE, NO_TRANSPOSE, 64, 32, 63, 1, 1000, 32, 2000, 32, 0, 3000, 32);
  expect(told).toEqual([1]);
  const [n, t] = [...'NT'].map((letter) => letter.charCodeAt(0));
  expect(calls).toEqual([
    ['mask', 2, 5000],
    [n, t, 64, 32, 64, 1, 1000, 40, 2000, 41, 1, 3000, 42],
    ['mask', 2, 5128],
  ]);
  expect(others.map((args) => args.slice(1, 6))).toEqual([
    [TRANSPOSE, NO_TRANSPOSE, 640, 8, 320],
    [TRANSPOSE, NO_TRANSPOSE, 64, 32, 63],
  ]);
  // What it says it could not make is the other's, too.
  status = 1;
  gemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, 65, 32, 64, 1, 1000, 40, 2000, 41, 1, 3000, 42);
  expect(others.at(-1)).toEqual([ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, 65, 32, 64, 1, 1000, 40, 2000, 41, 1, 3000, 42]);
});

describe('products of the libraries that are here', () => {
  const blas = systemBlas();
  const float = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i * i)));

  /**
   * The largest difference to sums in float64, as a share of what rounding every addition may amount to, of matrices
   * within larger ones, with a result that held `before`.
   */
  function errorOf(gemm: Gemm, m: number, n: number, k: number, layA: number, layB: number, before: number): number {
    if (typeof blas === 'string') return 0;
    const [rowsA, columnsA] = layA === TRANSPOSE ? [k, m] : [m, k];
    const [rowsB, columnsB] = layB === TRANSPOSE ? [n, k] : [k, n];
    const [lda, ldb, ldc] = [columnsA + 3, columnsB + 5, n + 2] as const;
    const [a, b] = [float(rowsA * lda), float(rowsB * ldb)];
    const c = new Float32Array(m * ldc).fill(before);
    const at = (x: Float32Array): number => blas.addressOf(new Uint8Array(x.buffer));
    const beta = Number.isNaN(before) ? 0 : 1;
    gemm(ROW_MAJOR, layA as 111, layB as 111, m, n, k, 1, at(a), lda, at(b), ldb, beta, at(c), ldc);
    let largest = 0;
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = beta === 0 ? 0 : before;
        let sizes = Math.abs(sum);
        for (let l = 0; l < k; l++) {
          const x = a[layA === TRANSPOSE ? l * lda + i : i * lda + l] as number;
          const term = x * (b[layB === TRANSPOSE ? j * ldb + l : l * ldb + j] as number);
          sum += term;
          sizes += Math.abs(term);
        }
        largest = Math.max(largest, Math.abs(sum - (c[i * ldc + j] as number)) / ((k + 1) * 2 ** -24 * sizes));
        if (Number.isNaN(c[i * ldc + j])) return Number.NaN;
      }
      // What lies between the rows is not the product's.
      for (let j = n; j < ldc; j++) if (!Object.is(c[i * ldc + j], Math.fround(before))) return Number.NaN;
    }
    return largest;
  }

  const sizes = [
    [40, 41, 42],
    [16, 64, 512],
    [129, 9, 100],
    [3, 500, 60],
    [300, 70, 5],
    [65, 257, 700],
  ] as const;

  test('handlers of signals that arrive meanwhile overwrite nothing', async () => {
    if (typeof blas === 'string' || process.platform === 'win32') return;
    const [m, n, k] = [128, 512, 784];
    const [a, b] = [float(m * k), float(k * n)];
    const at = (x: Float32Array): number => blas.addressOf(new Uint8Array(x.buffer));
    const product = (): Buffer => {
      const c = new Float32Array(m * n);
      blas.sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, m, n, k, 1, at(a), k, at(b), n, 0, at(c), n);
      return Buffer.from(c.buffer);
    };
    const expected = product();
    let seen = 0;
    const see = (): void => void seen++;
    process.on('SIGUSR2', see);
    // What it corrupted would end the process when the library gives its block back.
    const sender = new Worker(
      "const { parentPort } = require('node:worker_threads');" +
        "parentPort.postMessage(0); setInterval(() => process.kill(process.pid, 'SIGUSR2'), 1);",
      { eval: true },
    );
    try {
      await once(sender, 'message');
      for (let rounds = 0; rounds < 1000 && (rounds < 20 || seen < 20); rounds++) {
        for (let i = 0; i < 20; i++) expect(product().equals(expected)).toBe(true);
        await new Promise((resolve) => setImmediate(resolve));
      }
    } finally {
      await sender.terminate();
      process.off('SIGUSR2', see);
    }
    expect(seen).toBeGreaterThan(0);
  });

  it.each(sizes)('%i × %i, sums of %i', (m, n, k) => {
    if (typeof blas === 'string') return;
    // As workers find them as well.
    for (const gemm of [blas.sgemm, functionsOf(describeBlas(blas))[0] as Gemm]) {
      for (const layA of [NO_TRANSPOSE, TRANSPOSE]) {
        for (const layB of [NO_TRANSPOSE, TRANSPOSE]) {
          for (const before of [Number.NaN, 2.5]) {
            expect(errorOf(gemm, m, n, k, layA, layB, before)).toBeLessThan(1);
          }
        }
      }
    }
  });
});
