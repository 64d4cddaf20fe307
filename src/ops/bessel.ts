import * as f from '../kernels/bessel.ts';
import { op } from './entry.ts';

/** Modified Bessel functions, scaled tails of the normal distribution, and x log(1 + y). */
export const bessel = {
  i0: op(f.i0, 'float'),
  i0e: op(f.i0e, 'float', { node: 'SpecialI0EBackward0' }),
  i1: op(f.i1, 'float', { node: 'SpecialI1Backward0' }),
  i1e: op(f.i1e, 'float', { node: 'SpecialI1EBackward0' }),
  erfcx: op(f.erfcx, 'float', { node: 'SpecialErfcxBackward0' }),
  logNdtr: op(f.logNdtr, 'float', { node: 'SpecialLogNdtrBackward0' }),
  xlog1py: op(f.xlog1py, 'float', { node: 'SpecialXlog1PyBackward0' }),
} as const;
