/** Measures one case in a process of its own, so that no case meets another's compiled code or memory. */
import { measure } from 'mitata';
import { cases } from './cases/index.ts';

/** Milliseconds. */
const WARM_UP = 500;

const [name, milliseconds] = process.argv.slice(2);
const found = cases.find((c) => c.name === name);
if (found === undefined) throw new Error(`no case is called ${name}`);
const call = found.setup();
// mitata decides from its first calls whether one is short enough to be timed in batches, so these
// must already be compiled. The processor's time counts, not the clock's: on a busy machine little is
// compiled in a second.
const start = performance.now();
do call();
while (process.cpuUsage().user < WARM_UP * 1e3 && performance.now() - start < 10 * WARM_UP);
const stats = await measure(() => call(), {
  min_cpu_time: Number(milliseconds) * 1e6,
  min_samples: found.minCalls ?? 8,
  // Batches of about a millisecond: most of them run undisturbed on a machine that does other work too.
  batch_samples: 256,
  gc: false,
});
console.log(JSON.stringify(stats.samples));
