/**
 * `npm run gradbench:check` runs cases whose outputs are known and compares at 1e-6 relative. It prints
 * a line for each: whether it is right, and the least time of a run.
 *
 *     npm run gradbench:check -- lstm ode            the evals named
 *     npm run gradbench:check -- --from PATH         a file of cases, or a folder of such files
 *     npm run gradbench:check -- --seconds 1         how long each case is repeated
 */
import { parseArgs } from 'node:util';
import { type Case, cases, difference, loadCases } from './cases.ts';
import { evaluate } from './protocol.ts';
import { useThreads } from './threads.ts';

useThreads();

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { from: { type: 'string' }, seconds: { type: 'string', default: '0.5' } },
});

/** What to print, and whether the case is right. */
async function check(c: Case): Promise<readonly [string, boolean]> {
  const runs = { min_runs: 1, min_seconds: Number(values.seconds) };
  try {
    const input = typeof c.input === 'object' ? { ...c.input, ...runs } : c.input;
    const { output, timings } = await evaluate(c.module, c.function, input);
    const times = timings.map((t) => t.nanoseconds / 1e6);
    const wrong = difference(output, c.output);
    // Too many, perhaps, to be arguments.
    const least = times.reduce((a, b) => Math.min(a, b));
    const time = `${least.toFixed(3)} ms (first ${times[0].toFixed(1)} ms, ${times.length} runs)`;
    return wrong === null ? [`ok ${time}`, true] : [`WRONG ${time}\n    ${wrong}`, false];
  } catch (error) {
    return [`FAILED ${String(error)}`, false];
  }
}

let failed = 0;
for (const c of values.from === undefined ? cases() : loadCases(values.from)) {
  if (positionals.length > 0 && !positionals.includes(c.module)) continue;
  const [result, right] = await check(c);
  if (!right) failed++;
  console.log(`${c.module} ${c.function} ${c.description ?? JSON.stringify(c.input)}: ${result}`);
}
console.log(failed === 0 ? 'all right' : `${failed} wrong`);
process.exitCode = failed === 0 ? 0 : 1;
