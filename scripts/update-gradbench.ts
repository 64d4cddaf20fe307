/**
 * Takes a selection of GradBench cases from a folder of them (../shared/gradbench by default) into
 * test/fixtures/gradbench.json.br: all but the larger mixtures, which would be most of the file.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';
import { fixture, loadCases } from '../bench/gradbench/cases.ts';
import { root } from './sh.ts';

const LARGE = ['2_25_1000', '10_25_1000'];

const all = loadCases(process.argv[2] ?? join(root, '../shared/gradbench'));
const kept = all.filter((c) => c.module !== 'gmm' || !LARGE.includes(c.description ?? ''));
// Primal and derivative share an input; the window is wide enough to see it again.
const bytes = brotliCompressSync(JSON.stringify(kept), { params: { [constants.BROTLI_PARAM_LGWIN]: 24 } });
writeFileSync(fixture, bytes);
console.log(`${kept.length} of ${all.length} cases, ${(bytes.length / 1024).toFixed(0)} KiB`);
