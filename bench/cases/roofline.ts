/** What the machine's memory and its arithmetic give a single thread, beside the cases of this run that are bound by them. */
import { hasRelaxedSimd } from '../../src/backends/wasm/relaxed.ts';
import type { Case } from '../case.ts';
import { arithmetic, flopsOf, STREAMS, type Stream, stream } from '../roofline/loops.ts';

const N = 10_000_000;

const of = (name: string, kind: Stream): Case => ({
  name: `roofline: ${name}, 10M`,
  unit: 'GB/s',
  work: STREAMS[kind] * 4 * N,
  setup: () => stream(kind, N),
});

/** Vectors of 128 bits that never leave their registers, the most that generated products can come to. */
const peak = (dtype: 'float32' | 'float64'): Case => {
  const kind = dtype === 'float32' ? 'f32 madd' : 'f64 madd';
  return {
    name: `roofline: multiply-adds, ${dtype}`,
    unit: 'GFLOP/s',
    work: flopsOf(kind),
    setup: () => {
      const loop = arithmetic(kind);
      if (loop === null) throw new Error('the host cannot fuse multiplications and additions');
      return loop;
    },
  };
};

export const roofline: readonly Case[] = [
  of('read', 'read'),
  of('a += b', 'add'),
  {
    name: 'roofline: Float32Array.set, 10M',
    unit: 'GB/s',
    work: 2 * 4 * N,
    setup: () => {
      const from = new Float32Array(N).fill(1);
      const to = new Float32Array(N).fill(2);
      return () => to.set(from);
    },
  },
  ...(hasRelaxedSimd() ? [peak('float32'), peak('float64')] : []),
];
