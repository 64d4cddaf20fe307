import type { DType } from '../../core/dtype.ts';
import { advance, whilst } from './control.ts';
import { FunctionBody, type Locals } from './encoder.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { LOW_HALVES } from './shuffles.ts';
import { isBusy } from './threads/queue.ts';
import { inPieces, pieceOf } from './threads/share.ts';

/** What an element takes, in steps of `pieceOf`, and what pieces are multiples of. */
const STEPS = 4;
const UNIT = 64;

/** The dtypes that a ramp is made in. */
export type RampDType = 'float32' | 'float64' | 'int32';

const NARROWED: Readonly<
  Record<RampDType, readonly ['f32x4.demote_f64x2_zero' | 'i32x4.trunc_sat_f64x2_s_zero'] | []>
> = { float32: ['f32x4.demote_f64x2_zero'], float64: [], int32: ['i32x4.trunc_sat_f64x2_s_zero'] };

const ZERO_ONE = new Uint8Array(Float64Array.of(0, 1).buffer);

/** ramp(to, n, base, step, first): elements base + step·(first + i) for i < n, and up to the end of the last vector. */
function rampFunction(dtype: RampDType): FunctionBody {
  const b = new FunctionBody('ramp', ['i32', 'i32', 'f64', 'f64', 'f64'], []);
  const [to, left, base, step, first] = b.params as Locals<5>;
  const [bases, stepsOf, place] = [b.local('v128'), b.local('v128'), b.local('v128')];
  b.get(base).op('f64x2.splat').set(bases).get(step).op('f64x2.splat').set(stepsOf);
  b.get(first).op('f64x2.splat').v128(ZERO_ONE).op('f64x2.add').set(place);
  const values = (ahead: number): void => {
    b.get(bases).get(stepsOf).get(place);
    if (ahead > 0) b.f64x2(ahead).op('f64x2.add');
    b.op('f64x2.mul', 'f64x2.add', ...NARROWED[dtype]);
  };
  const lanes = dtype === 'float64' ? 2 : 4;
  whilst(
    b,
    () => b.get(left).i32(0).op('i32.gt_s'),
    () => {
      b.get(to);
      values(0);
      if (lanes === 4) {
        values(2);
        b.shuffle(LOW_HALVES);
      }
      b.mem('v128.store', 0);
      b.get(place).f64x2(lanes).op('f64x2.add').set(place);
      advance(b, to, 16);
      advance(b, left, -lanes);
    },
  );
  return b;
}

const kernels: Partial<Record<DType, WasmFunction>> = {};

/**
 * Writes `n` elements base + step·(first + i), computed in float64 and rounded once (whole numbers: cut off), with
 * room for a whole vector at the end.
 */
export function ramp(dtype: RampDType, to: number, n: number, base: number, step: number, first: number): void {
  kernels[dtype] ??= instantiate([rampFunction(dtype)]).ramp;
  const kernel = kernels[dtype];
  const bytes = dtype === 'float64' ? 8 : 4;
  const piece = pieceOf(n, STEPS, UNIT);
  if (piece >= n && !isBusy()) kernel(to, n, base, step, first);
  else
    inPieces(n, STEPS, piece, UNIT, (at, count) => ({
      kernel,
      args: [to + at * bytes, count, base, step, first + at],
    }));
}
