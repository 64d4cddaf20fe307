/**
 * What the bits of a result depend on beside its operands: settings, which may have changed when it is
 * made again.
 */
import { getDefaultDtype, setDefaultDtype } from '../../core/dtype.ts';
import { isBlasWanted, setBlas } from './blas/product.ts';
import { isDeterministic, setDeterministic } from './relaxed.ts';
import { getNumThreads, setNumThreads } from './threads/pool.ts';

/** The settings in force, as a number to compare. */
export function settingsNow(): number {
  return (
    8 * getNumThreads() +
    4 * Number(getDefaultDtype() === 'float64') +
    2 * Number(isBlasWanted()) +
    Number(isDeterministic())
  );
}

function set(settings: number): void {
  setNumThreads(settings >>> 3);
  setDefaultDtype((settings & 4) === 0 ? 'float32' : 'float64');
  setBlas((settings & 2) !== 0);
  setDeterministic((settings & 1) !== 0);
}

/** Runs `body` with settings that were in force at another time. */
export function withSettings<R>(settings: number, body: () => R): R {
  const now = settingsNow();
  if (now === settings) return body();
  set(settings);
  try {
    return body();
  } finally {
    set(now);
  }
}
