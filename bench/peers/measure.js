/** What the programs of the JavaScript peers have in common: they take milliseconds, then names of cases on standard input, and print samples. */
import { createInterface } from 'node:readline';
import { Bench } from 'tinybench';

/** As the library's own (bench/worker.ts): batches of about a millisecond for as long as asked, in nanoseconds per call. */
async function samples(call, milliseconds) {
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < 2.5 * milliseconds || calls === 0) {
    await call();
    calls++;
  }
  const batch = Math.max(1, Math.floor(calls / (performance.now() - start)));
  const bench = new Bench({ time: milliseconds, iterations: 3, warmup: false, retainSamples: true, throws: true });
  const calling = async () => {
    for (let i = 0; i < batch; i++) await call();
  };
  const [{ result }] = await bench.add('case', calling, { async: true }).run();
  return result.latency.samples.map((ms) => (ms * 1e6) / batch);
}

/** Elements by the names of the sizes in bench/cases/sizes.ts. */
export const SIZES = { '1k': 1000, '100k': 100_000, '1M': 1_000_000, '10M': 10_000_000 };
export const shapeOfRows = (n) => (n === 1000 ? [10, 100] : [n / 1000, 1000]);
/** Models: hidden size and batch. */
export const MLPS = [
  [128, 64],
  [512, 128],
];

const answer = (value) => console.log(`answer: ${JSON.stringify(value)}`);

/** Cases are functions that prepare operands and give the call, which may be asynchronous. */
export async function report(version, cases) {
  const milliseconds = Number(process.argv[2]);
  answer(version);
  for await (const name of createInterface({ input: process.stdin }))
    answer(Object.hasOwn(cases, name) ? await samples(await cases[name](), milliseconds) : null);
}
