/** Cases whose outputs are known, those of hand-differentiated C++, and the comparison with them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';

export interface Case {
  readonly module: string;
  readonly function: string;
  readonly description: string | null;
  readonly input: unknown;
  readonly output: unknown;
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** A selection that is part of the repository. */
export const fixture = join(root, 'test/fixtures/gradbench.json.br');

/** All cases, where they lie beside the repository, else the selection. */
export const cases = (): Case[] => {
  const shared = join(root, '../shared/gradbench');
  return existsSync(shared) ? loadCases(shared) : loadCases(fixture);
};

/** The cases of a `.json.gz` or `.json.br` file, or of all such files of a folder. */
export function loadCases(path: string): Case[] {
  if (!/\.json\.(gz|br)$/.test(path)) {
    const files = readdirSync(path).filter((name) => /\.json\.(gz|br)$/.test(name));
    return files.toSorted().flatMap((name) => loadCases(join(path, name)));
  }
  const bytes = readFileSync(path);
  return JSON.parse((path.endsWith('.br') ? brotliDecompressSync(bytes) : gunzipSync(bytes)).toString()) as Case[];
}

/** Relative to each number. */
export const TOLERANCE = 1e-6;
/** Relative to the greatest number of an output: what rounding may leave where terms cancel. */
const ROUNDING = 1e-15;

function greatest(x: unknown): number {
  if (typeof x === 'number') return Math.abs(x);
  if (typeof x !== 'object' || x === null) return 0;
  let max = 0;
  for (const y of Object.values(x)) max = Math.max(max, greatest(y));
  return max;
}

/** The first difference, as text; null where there is none. */
export function difference(
  got: unknown,
  expected: unknown,
  path = 'output',
  scale = greatest(expected),
): string | null {
  if (typeof expected === 'number') {
    const near =
      typeof got === 'number' && Math.abs(got - expected) <= TOLERANCE * Math.abs(expected) + ROUNDING * scale;
    return near ? null : `${path}: expected ${expected}, got ${String(got)}`;
  }
  if (typeof expected !== 'object' || expected === null)
    return got === expected ? null : `${path}: expected ${String(expected)}, got ${String(got)}`;
  if (typeof got !== 'object' || got === null || Array.isArray(got) !== Array.isArray(expected))
    return `${path}: expected ${Array.isArray(expected) ? 'a list' : 'an object'}, got ${typeof got}`;
  const [a, b] = [got, expected] as Readonly<Record<string, unknown>>[];
  const keys = Object.keys(b);
  if (Object.keys(a).length !== keys.length)
    return `${path}: expected ${keys.length} elements, got ${Object.keys(a).length}`;
  for (const key of keys) {
    const found = difference(a[key], b[key], `${path}.${key}`, scale);
    if (found !== null) return found;
  }
  return null;
}
