/**
 * oneDNN, which makes its kernels for the processor that it finds. OpenBLAS has those of a list, and may have been
 * held to, or be too old for, others than the widest: where its vectors are half as wide as the processor's, larger
 * products of float32 matrices take half the time in oneDNN, which need not be installed.
 */
import { ADDRESS, type Koffi, type Library } from '../native.ts';
import { type Gemm, TRANSPOSE } from './cblas.ts';
import { kernelsOf } from './openblas.ts';

/**
 * Names of the library. There are none for macOS, whose Accelerate knows its processors, nor for Windows, where
 * a library does not tell of functions of those that it needs, OpenMP's among them.
 */
export const ONEDNN: Readonly<Record<string, readonly string[]>> = {
  linux: ['libdnnl.so.3', 'libdnnl.so.2'],
};

/** OpenBLAS's kernels with vectors of 512 bits, by the names it has for them. */
const WIDE_KERNELS = /skylakex|cooperlake|sapphirerapids/i;

/** The bits of the instruction sets that oneDNN found which say that it makes kernels of 512 bits. */
const AVX512 = 0x27;

/** Multiplications, and columns, from which on oneDNN's products are faster than OpenBLAS's. */
export const WORTH_WIDE = 2 ** 17;
const COLUMNS = 8;

export interface OneDnn {
  readonly path: string;
  /** Products of float32 matrices: small ones by `other`, larger ones here. */
  beside(other: Gemm): Gemm;
  /** Does what holds several of them, in which no signal arrives: to keep them away costs as much as to call a product. */
  together(work: () => void): void;
}

/** What `pthread_sigmask` is asked to do, and the bytes of a set of signals, on Linux. */
const SET_MASK = 2;
const SET_BYTES = 128;

/**
 * What keeps signals away from the calling thread, and what lets them arrive again. For while oneDNN's kernels work
 * they point the stack's register into a block of malloc's: a handler that runs then, as a profiler's does
 * a thousand times a second, writes over what lies in front of that block.
 */
function signalsOf(koffi: Koffi, library: Library): { readonly sets: Uint8Array; hold(): void; release(): void } {
  const setMask = library.func('pthread_sigmask', 'int', ['int', ADDRESS, ADDRESS]);
  const sets = new Uint8Array(2 * SET_BYTES).fill(0xff, 0, SET_BYTES);
  const all = Number(koffi.address(sets));
  const before = all + SET_BYTES;
  return { sets, hold: () => void setMask(SET_MASK, all, before), release: () => void setMask(SET_MASK, before, 0) };
}

const [PLAIN, TRANSPOSED] = ['N', 'T'].map((letter) => letter.charCodeAt(0)) as [number, number];

function open(koffi: Koffi, path: string): OneDnn | null {
  const library = koffi.load(path);
  const isa = Number(library.func('dnnl_get_effective_cpu_isa', 'int', [])());
  if ((isa & AVX512) !== AVX512) return null;
  // Absent where its threads are others than OpenMP's, which could not be held to one.
  const setThreads = library.func('omp_set_num_threads', 'void', ['int']);
  // For good, on the thread that opens it: what OpenBLAS is told to use for LAPACK it does not use for small products.
  setThreads(1);
  const matrix = [ADDRESS, 'int64'];
  const parameters = ['int8', 'int8', 'int64', 'int64', 'int64', 'float', ...matrix, ...matrix, 'float', ...matrix];
  const sgemm = library.func('dnnl_sgemm', 'int', parameters);
  const signals = signalsOf(koffi, library);
  const letter = (transpose: number): number => (transpose === TRANSPOSE ? TRANSPOSED : PLAIN);
  let holds = false;
  const together = (work: () => void): void => {
    if (holds) {
      work();
      return;
    }
    signals.hold();
    holds = true;
    try {
      work();
    } finally {
      holds = false;
      signals.release();
    }
  };
  return {
    path,
    together,
    beside: (other) => (order, transposeA, transposeB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
      let status: unknown = null;
      if (n > COLUMNS && m * n * k >= WORTH_WIDE) {
        together(() => {
          status = sgemm(letter(transposeA), letter(transposeB), m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
        });
      }
      // It may lack memory for its kernels or for what it packs; then it has computed nothing.
      if (status !== 0) other(order, transposeA, transposeB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    },
  };
}

/** oneDNN by the first of such names, where it has wider vectors than the OpenBLAS it would stand beside; else null. */
export function findOneDnn(koffi: Koffi, paths: readonly string[], openBlas: Library): OneDnn | null {
  const kernels = kernelsOf(openBlas);
  if (kernels === null || WIDE_KERNELS.test(kernels)) return null;
  for (const path of paths) {
    try {
      const found = open(koffi, path);
      if (found !== null) return found;
    } catch {
      // The next one may be there.
    }
  }
  return null;
}
