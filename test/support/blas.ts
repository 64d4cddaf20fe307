import { setBlas } from 'nabla';

/** Products as the generated kernels make them. */
export function generated<R>(f: () => R): R {
  setBlas(false);
  try {
    return f();
  } finally {
    setBlas(true);
  }
}
