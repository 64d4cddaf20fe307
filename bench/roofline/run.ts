/**
 * How near the kernels of each kind come to what a single thread of this machine gives: `npm run roofline`
 * prints the table of docs/performance.md. Generated kernels alone: no BLAS, one thread.
 */
import { setBlas, setNumThreads } from 'nabla';
import { type Kind, kinds } from './kinds.ts';
import { type Arithmetic, arithmetic, flopsOf, STREAMS, type Stream, stream } from './loops.ts';

const SAMPLES = 15;
const SAMPLE_MS = 20;

/** The fastest of several samples, in nanoseconds a call: what the code can do when nothing is in its way. */
function fastest(call: () => unknown): number {
  const since = (t: number): number => performance.now() - t;
  let calls = 1;
  for (let t = performance.now(), n = 1; since(t) < 3 * SAMPLE_MS; n++) {
    call();
    calls = Math.max(1, Math.round((n * SAMPLE_MS) / since(t)));
  }
  let best = Number.POSITIVE_INFINITY;
  for (let s = 0; s < SAMPLES; s++) {
    const t = performance.now();
    for (let i = 0; i < calls; i++) call();
    best = Math.min(best, since(t) / calls);
  }
  return 1e6 * best;
}

const known = new Map<string, number>();

function once(key: string, measure: () => number): number {
  const value = known.get(key) ?? measure();
  known.set(key, value);
  return value;
}

/** Bytes a nanosecond of a loop over arrays of n elements. */
const bandwidth = (kind: Stream, n: number): number =>
  once(`${kind} ${n}`, () => (STREAMS[kind] * 4 * n) / fastest(stream(kind, n)));

/** Operations a nanosecond in registers; without fused ones, what a multiplication and an addition give. */
function peak(kind: Arithmetic): number {
  return once(kind, () => {
    const loop = arithmetic(kind);
    return loop === null
      ? peak(kind.startsWith('f32') ? 'f32 mul, add' : 'f64 mul, add')
      : flopsOf(kind) / fastest(loop);
  });
}

function row({ kind, what, moves, flops, by, setup }: Kind): string {
  const nanoseconds = fastest(setup());
  const [reached, bound, unit] =
    moves === undefined
      ? [(flops ?? 0) / nanoseconds, peak(by ?? 'f32 madd'), 'GFLOP/s']
      : [moves.bytes / nanoseconds, bandwidth(moves.as, moves.n), 'GB/s'];
  const digits = (x: number): string => (x < 10 ? x.toFixed(1) : x.toFixed(0));
  return `| ${kind} | ${what} | ${digits(reached)} ${unit} | ${digits(bound)} ${unit} | ${(reached / bound).toFixed(2)} |`;
}

setNumThreads(1);
setBlas(false);
const only = process.argv[2];
console.log('| kind | work | reached | roofline | share |\n| --- | --- | ---: | ---: | ---: |');
for (const k of kinds) if (only === undefined || k.kind === only) console.log(row(k));
