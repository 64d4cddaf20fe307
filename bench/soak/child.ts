/** The process of one scenario: `child NAME long|short STEPS` prints the run as JSON. */
import { setCacheLimit } from 'nabla';
import { Recorder } from './recorder.ts';
import { scenarios } from './scenarios/index.ts';
import { MB } from './verdict.ts';

const [name, length, steps] = process.argv.slice(2);
const scenario = scenarios.find((s) => s.name === name);
if (scenario === undefined) throw new Error(`no scenario is called ${name}`);
const short = length === 'short';
// So that a short run too is past the point where the cache is full.
if (short) setCacheLimit(4 * MB);
const recorder = new Recorder(Number(steps), short);
await scenario.run(recorder);
console.log(JSON.stringify(recorder.run()));
