/**
 * Finds the BLAS of the system: OpenBLAS, MKL or Accelerate, called through koffi.
 * Where anything is missing there simply is none.
 */

import {
  ADDRESS,
  type Koffi,
  koffiFrom,
  type Library,
  missingPermission,
  type Native,
  type NativeHost,
} from '../native.ts';
import type { Gemm, Gemv, Trsm } from './cblas.ts';
import { findOneDnn, ONEDNN } from './onednn.ts';
import { loadKnowing } from './openblas.ts';

export interface Blas {
  /** What was loaded. */
  readonly library: string;
  /** What larger products of float32 matrices go to instead, where its vectors are wider. */
  readonly wide?: string | null;
  /** Does what calls it several times, where that takes less time than to call it as often alone. */
  together?(work: () => void): void;
  readonly sgemm: Gemm;
  readonly dgemm: Gemm;
  readonly sgemv: Gemv;
  readonly dgemv: Gemv;
  readonly strsm: Trsm;
  readonly dtrsm: Trsm;
  /** A routine of Fortran's, all of whose arguments are addresses; null if there is none of that name. */
  routine?(name: string, count: number): Native | null;
  /** Where a view's first byte lies in the process. */
  addressOf(view: Uint8Array): number;
  /** Whether it uses the thread that calls it and no others, as it was told; if not, it decides for itself. */
  readonly alone: boolean;
}

/** What computes, for people. */
export const nameOf = ({ library, wide }: Blas): string => (wide ? `${library} and ${wide}` : library);

/** Functions by the number that other threads know them by. */
export const FUNCTIONS = ['sgemm', 'dgemm', 'sgemv', 'dgemv', 'strsm', 'dtrsm'] as const;

// ─── candidates ──────────────────────────────────────────────────────────────────────────────────

// The reference BLAS (libblas) is not among them: the generated kernels are faster.
const CANDIDATES: Readonly<Record<string, readonly string[]>> = {
  linux: ['libopenblas.so.0', 'libopenblas.so', 'libmkl_rt.so.3', 'libmkl_rt.so.2', 'libmkl_rt.so'],
  darwin: [
    '/System/Library/Frameworks/Accelerate.framework/Accelerate',
    '/opt/homebrew/opt/openblas/lib/libopenblas.dylib',
    '/usr/local/opt/openblas/lib/libopenblas.dylib',
  ],
  win32: ['libopenblas.dll', 'openblas.dll', 'mkl_rt.3.dll', 'mkl_rt.2.dll'],
};

/** A product, which takes so many numbers for layout, transposition and sizes before its operands. */
function productOf<F>(library: Library, name: string, sizes: number, real: 'float' | 'double'): F {
  const counts = Array<string>(sizes).fill('int');
  return library.func(name, 'void', [...counts, real, ADDRESS, 'int', ADDRESS, 'int', real, ADDRESS, 'int']) as F;
}

/** Each library has a name of its own for it; Accelerate has none and decides for itself. */
const SET_THREADS = ['openblas_set_num_threads', 'MKL_Set_Num_Threads', 'bli_thread_set_num_threads'];

function optional(library: Library, name: string, parameters: readonly string[] = ['int']): Native | null {
  try {
    return library.func(name, 'void', parameters);
  } catch {
    return null;
  }
}

/** MKL ends the process if it does not find the threads of its compiler; it is told to do without. */
const MKL_SEQUENTIAL = 1;
function prepareMkl(koffi: Koffi, library: Library): void {
  const setLayer = optional(library, 'MKL_Set_Threading_Layer');
  if (setLayer === null) return;
  try {
    koffi.load('libiomp5.so');
  } catch {
    setLayer(MKL_SEQUENTIAL);
  }
}

/** Opens a library, and beside it the first of the `wider` ones that is of use. */
function open(koffi: Koffi, path: string, wider: readonly string[] = []): Blas {
  const library = loadKnowing(koffi, path, globalThis as NativeHost);
  const sgemm = productOf<Gemm>(library, 'cblas_sgemm', 6, 'float');
  const wide = findOneDnn(koffi, wider, library);
  const dgemm = productOf<Gemm>(library, 'cblas_dgemm', 6, 'double');
  const sgemv = productOf<Gemv>(library, 'cblas_sgemv', 4, 'float');
  const dgemv = productOf<Gemv>(library, 'cblas_dgemv', 4, 'double');
  const [strsm, dtrsm] = (['float', 'double'] as const).map((real) =>
    library.func(`cblas_${real[0] === 'f' ? 's' : 'd'}trsm`, 'void', [
      ...Array<string>(7).fill('int'),
      real,
      ADDRESS,
      'int',
      ADDRESS,
      'int',
    ]),
  ) as [Trsm, Trsm];
  prepareMkl(koffi, library);
  const routines = new Map<string, Native | null>();
  const setThreads = SET_THREADS.map((name) => optional(library, name)).find((f) => f !== null);
  // How it adds up would depend on them. Some libraries count those of each thread that calls them.
  setThreads?.(1);
  return {
    library: path,
    wide: wide?.path ?? null,
    together: wide?.together,
    sgemm: wide === null ? sgemm : wide.beside(sgemm),
    dgemm,
    sgemv,
    dgemv,
    strsm,
    dtrsm,
    routine: (name, count) => {
      let found = routines.get(name);
      if (found === undefined) {
        found = optional(library, name, Array<string>(count).fill(ADDRESS));
        routines.set(name, found);
      }
      return found;
    },
    addressOf: (view) => Number(koffi.address(view)),
    alone: setThreads !== undefined,
  };
}

// ─── for other threads ───────────────────────────────────────────────────────────────────────────

/** What another thread needs to load a library: from which module to look for koffi, and what to load. */
export function describe({ library, wide }: Blas): Uint8Array<ArrayBuffer> {
  const text = [import.meta.url, library, wide ?? ''].join('\n');
  return new Uint8Array(Uint16Array.from(text, (c) => c.charCodeAt(0)).buffer);
}

/** The functions of a library that was described so, which compute on the thread that calls them. */
export function functionsOf(description: Uint8Array<ArrayBuffer>): readonly (Gemm | Gemv | Trsm)[] {
  const [module, path, wide] = String.fromCharCode(...new Uint16Array(description.buffer)).split('\n');
  const missing = missingPermission(globalThis as NativeHost);
  if (missing !== undefined) throw new Error(`no --allow-${missing}`);
  const koffi = koffiFrom(globalThis as NativeHost, module);
  if (koffi === null) throw new Error('no koffi');
  const blas = open(koffi, path, wide === '' ? [] : [wide]);
  return FUNCTIONS.map((name) => blas[name]);
}

// ─── what the system has ─────────────────────────────────────────────────────────────────────────

/** A library that somebody asked for by name: what is wrong with it is said. */
function named(koffi: Koffi, path: string): Blas | string {
  try {
    return open(koffi, path);
  } catch (error) {
    return `NABLA_BLAS=${path}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/**
 * The system's BLAS, or why there is none. `NABLA_BLAS` in the environment names a library to use
 * instead of the ones known here; `NABLA_BLAS=off` says that none is wanted.
 */
export function findBlas(): Blas | string {
  try {
    const missing = missingPermission(globalThis as NativeHost);
    if (missing !== undefined) return `Deno runs without --allow-${missing}`;
    const { process } = globalThis as NativeHost;
    const wanted = process?.env?.NABLA_BLAS;
    if (wanted === 'off') return 'NABLA_BLAS=off';
    const koffi = koffiFrom(globalThis as NativeHost, import.meta.url);
    if (koffi === null) return "the package 'koffi' is not installed";
    if (wanted) return named(koffi, wanted);
    const paths = CANDIDATES[process?.platform ?? ''] ?? [];
    for (const path of paths) {
      try {
        return open(koffi, path, ONEDNN[process?.platform ?? '']);
      } catch {
        // The next one may be there.
      }
    }
    return `not found: ${paths.join(', ')}`;
  } catch (error) {
    // Hosts that forbid reading the environment or loading native code say so by throwing.
    return error instanceof Error ? error.message : String(error);
  }
}
