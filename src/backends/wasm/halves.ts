/** Float32 functions at double precision: for those that need the bits, or are rare. */
import { Float } from './float.ts';
import { LOW_HALVES } from './shuffles.ts';
import type { Vec } from './vector.ts';

const HIGH_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

/** Computes on f32x4 inputs as two f64x2 halves. */
export function inHalves(f: Float, inputs: readonly Vec[], compute: (h: Float, ...inputs: Vec[]) => Vec): Vec {
  const g = f.graph;
  const h = new Float(g, 'f64x2');
  const half = (pick: (x: Vec) => Vec): Vec =>
    g.op('f32x4.demote_f64x2_zero', compute(h, ...inputs.map((x) => g.op('f64x2.promote_low_f32x4', pick(x)))));
  const low = half((x) => x);
  const high = half((x) => g.shuffle(x, x, HIGH_HALF));
  return g.shuffle(low, high, LOW_HALVES);
}
