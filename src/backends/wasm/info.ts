import { isDeterministic } from './gemm.ts';
import { hasRelaxedSimd } from './gemm-relaxed.ts';
import { memoryLimits } from './linear-memory.ts';
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
  /** Whether results are the same bits on every host (`setDeterministic`). */
  readonly deterministic: boolean;
}

/** What the host offers, and what of it is in use. */
export function backendInfo(): BackendInfo {
  return {
    backend: 'wasm',
    sharedMemory: memoryLimits.shared,
    threads: getNumThreads(),
    workers: readyWorkers(),
    threadTrouble: threadTrouble(),
    relaxedSimd: hasRelaxedSimd(),
    deterministic: isDeterministic(),
  };
}
