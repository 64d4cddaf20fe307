import { blasLibrary, blasTrouble } from './blas/product.ts';
import { memoryLimits } from './linear-memory.ts';
import { pairsVectors } from './pairs.ts';
import { hasRelaxedSimd, isDeterministic } from './relaxed.ts';
import { getNumThreads, readyWorkers, threadTrouble } from './threads/pool.ts';

/** What computes, and with what. */
export interface BackendInfo {
  readonly backend: 'wasm';
  /** Whether the linear memory can be shared with other threads. */
  readonly sharedMemory: boolean;
  /** Threads that large operations use, the calling one included. */
  readonly threads: number;
  /** Workers that are running; they are started by the first operation that is large enough. */
  readonly workers: number;
  /** Why there are no more threads, if something stood in the way. */
  readonly threadTrouble: string | null;
  /** Whether the host has fused multiply-adds (relaxed SIMD). */
  readonly relaxedSimd: boolean;
  /** Bits of the vectors that kernels compute with: 256 where V8 has been told to make one of two (`NABLA_VECTORS=256`). */
  readonly vectorBits: 128 | 256;
  /** Whether results are the same bits on every host (`setDeterministic`). */
  readonly deterministic: boolean;
  /** The system's library that large products of float matrices go to, null if none. */
  readonly blas: string | null;
  /** Why there is no such library, if there is none. */
  readonly blasTrouble: string | null;
}

/** What the host offers, and what of it is in use. Looks for the system's BLAS if no product has yet. */
export function backendInfo(): BackendInfo {
  return {
    backend: 'wasm',
    sharedMemory: memoryLimits.shared,
    threads: getNumThreads(),
    workers: readyWorkers(),
    threadTrouble: threadTrouble(),
    relaxedSimd: hasRelaxedSimd(),
    vectorBits: pairsVectors() ? 256 : 128,
    deterministic: isDeterministic(),
    blas: isDeterministic() ? null : blasLibrary(),
    blasTrouble: isDeterministic() ? 'setDeterministic(true)' : blasTrouble(),
  };
}
