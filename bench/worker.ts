/** Measures one case in a process of its own, so that no case meets another's compiled code or memory. */
import { existsSync, readFileSync } from 'node:fs';
import { backendInfo, setNumThreads, zeros } from 'nabla';
import { Bench } from 'tinybench';
import { type Case, STEPS_OF_MEMORY } from './case.ts';
import { cases } from './cases/index.ts';

/** Bytes that the process has held at most. Linux counts what started it in `maxRSS`, but not here. */
function peak(): number {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : '';
  const kilobytes = /VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? process.resourceUsage().maxRSS;
  return Number(kilobytes) * 1024;
}

/** Workers are on their way once a call was large enough to want them; whoever has no threads goes on with one. */
async function waitForThreads(threads: number, call: () => unknown): Promise<void> {
  const start = performance.now();
  while (performance.now() - start < 2000) {
    call();
    const { workers, threadTrouble } = backendInfo();
    if (workers === threads - 1 || threadTrouble !== null) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Samples in nanoseconds per call. One is a batch of about a millisecond, as the peers' are: most batches run
 * undisturbed on a machine that does other work too. Nothing large is allocated for samples, since that would have V8
 * mark its heap and find larger spaces for the young while it is measured, and what lasts microseconds takes twice as
 * long meanwhile.
 */
function times(c: Case, call: () => unknown, milliseconds: number, warmUp: number): number[] {
  // The processor's time counts, not the clock's: on a busy machine little is compiled in a second. Threads that
  // wait for work spend as much of it, and nothing is compiled sooner for that.
  const begun = performance.now();
  // What the import and the setup took is no warm-up.
  const before = process.cpuUsage();
  const spent = warmUp * (c.threads ?? 1) * 1e3;
  do call();
  while (process.cpuUsage(before).user < spent && performance.now() - begun < 10 * warmUp);

  let calls = 1;
  const nothing = zeros([]);
  const batch = (): void => {
    for (let i = 0; i < calls; i++) call();
    // Workers may still be at the last one; whoever reads waits for them.
    nothing.item();
  };
  for (;;) {
    const start = performance.now();
    batch();
    if (performance.now() - start >= 0.5) break;
    calls *= 2;
  }
  const bench = new Bench({
    time: milliseconds,
    iterations: c.minCalls ?? 8,
    warmup: false,
    retainSamples: true,
    throws: true,
  });
  // Told whether it is asynchronous, it does not make a call to find out.
  bench.add(c.name, batch, { async: false });
  return bench.runSync().flatMap(({ result }) => {
    if (result.state !== 'completed') throw new Error(`${c.name}: ${result.state}`);
    return (result.latency.samples ?? []).map((ms) => (ms * 1e6) / calls);
  });
}

const [name, milliseconds, warmUp] = process.argv.slice(2);
const found = cases.find((c) => c.name === name);
if (found === undefined) throw new Error(`no case is called ${name}`);
const { threads = 1, memory } = found;
setNumThreads(threads);
const atImport = peak();
const call = found.setup();
if (threads > 1) await waitForThreads(threads, call);
if (memory === undefined) {
  const first = Number(warmUp) * (found.warmUps ?? 1);
  console.log(JSON.stringify(times(found, call, Number(milliseconds), first)));
} else {
  for (let i = 0; i < STEPS_OF_MEMORY; i++) call();
  console.log(JSON.stringify([peak() - (memory === 'process' ? 0 : atImport)]));
}
