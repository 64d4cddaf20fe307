/**
 * Takes the reference values of the operations the library has from a folder of them
 * (../shared/opinfo by default) into test/fixtures/opinfo.json.gz.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { checkOp } from '../test/conformance/check.ts';
import { loadOps } from '../test/conformance/format.ts';
import { root } from './sh.ts';

const dir = process.argv[2] ?? join(root, '../shared/opinfo');
const all = loadOps(dir);
const present = all.filter((op) => checkOp(op).some((o) => o.check === 'output' && o.status !== 'unsupported'));
const bytes = gzipSync(JSON.stringify(present), { level: 9 });
writeFileSync(join(root, 'test/fixtures/opinfo.json.gz'), bytes);
console.log(`${present.length} of ${all.length} operations, ${(bytes.length / 1024).toFixed(0)} KiB`);
