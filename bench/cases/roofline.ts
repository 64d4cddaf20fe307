/** What the machine's memory gives a single thread, beside the cases of this run that are bound by it. */
import type { Case } from '../case.ts';
import { STREAMS, type Stream, stream } from '../roofline/loops.ts';

const N = 10_000_000;

const of = (name: string, kind: Stream): Case => ({
  name: `roofline: ${name}, 10M`,
  unit: 'GB/s',
  work: STREAMS[kind] * 4 * N,
  setup: () => stream(kind, N),
});

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
];
