/**
 * Replays PyTorch's samples: npm run conformance -- [--dir DIR] [--op NAME] [--json OUT]
 */
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { checkOp } from './check.ts';
import { loadOps } from './format.ts';
import { format, summarize } from './report.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

function defaultDir(): string {
  const full = at('../../../shared/opinfo');
  return existsSync(full) ? full : at('../fixtures/opinfo.json.gz');
}

const { values } = parseArgs({
  options: { dir: { type: 'string' }, op: { type: 'string' }, json: { type: 'string' } },
});

/** `--op max` means max.binary as well. */
const wanted = (id: string): boolean => values.op === undefined || id === values.op || id.startsWith(`${values.op}.`);

const ops = loadOps(values.dir ?? defaultDir(), wanted);
if (ops.length === 0) throw new Error(`no operation ${values.op ?? ''} in ${values.dir ?? defaultDir()}`);
const report = summarize(ops.flatMap(checkOp));
console.log(format(report));
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 1)}\n`);
if (report.failures.length > 0) process.exitCode = 1;
