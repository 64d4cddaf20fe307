import { getNumThreads, setBlas, setNumThreads } from 'nabla';
import { afterAll, beforeAll } from 'vitest';
import { type Blas, findBlas } from '../../src/backends/wasm/blas/library.ts';
import { replaceBlas } from '../../src/backends/wasm/blas/product.ts';
import { callable, introduce } from '../../src/backends/wasm/blas/threads.ts';
import { canShareNative } from '../../src/backends/wasm/threads/pool.ts';

/** Products as the generated kernels make them. */
export function generated<R>(f: () => R): R {
  setBlas(false);
  try {
    return f();
  } finally {
    setBlas(true);
  }
}

/** The system's library, which tests do without by default, or the one of a name, or why there is none. */
export function systemBlas(name?: string): Blas | string {
  const { NABLA_BLAS: off } = process.env;
  delete process.env.NABLA_BLAS;
  if (name !== undefined) process.env.NABLA_BLAS = name;
  try {
    return findBlas();
  } finally {
    delete process.env.NABLA_BLAS;
    if (off !== undefined) process.env.NABLA_BLAS = off;
  }
}

/** Has the tests of a file use that library, if there is one, and puts the number of threads back behind them. */
export function useBlas(blas: Blas | string): void {
  const threads = getNumThreads();
  beforeAll(() => {
    if (typeof blas === 'string') return;
    introduce(blas);
    replaceBlas(blas);
  });
  afterAll(() => {
    setNumThreads(threads);
    replaceBlas(null);
  });
}

/** Waits until all workers have the library, and tells whether they do. */
export async function workersHave({ sgemm }: Blas): Promise<boolean | null> {
  for (let i = 0; i < 1000 && canShareNative(callable(sgemm)) === false; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return canShareNative(callable(sgemm));
}
