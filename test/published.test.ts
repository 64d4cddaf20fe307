import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'tsdown';
import { expect, it } from 'vitest';
import { published } from '../tsdown.config.ts';

const source = `
  const ops: Record<string, unknown> = {};
  const define = <T extends object>(name: string, rules: T): T => { ops[name] = rules; return rules; };
  const two = 2, twice = (x: number) => x * two, pair = (x: number) => ({ x, twice: twice(x) });
  export const text = ((x: number) => \`\${[x].map((n) => n + 1)} \\u00e9\`)(3);
  export const rules = define('rules', {
    forward: ([a, b]: number[], { scale = 1, ...others } = {}) => { const c = a + b; return [c * scale, others]; },
    'a name': (...all: number[]) => all.length,
    [\`\${text}!\`]: async (x: number) => x,
    later: async (x: number) => twice(x),
    nested: { each: (list: number[]) => list.map((x) => pair(x)) },
    counter() { return () => [this.length, arguments.length]; },
    length: 7,
    two,
  });
  export class Box { static of = (x: number) => new this(x); add = (y: number) => this.x + y; constructor(readonly x: number) {} }
  export const results = () => [
    rules.forward([1, 2], { scale: 3, left: 4 } as never),
    rules['a name'](1, 2, 3),
    rules.nested.each([1, 2]),
    (rules.counter as (...x: number[]) => () => unknown)(1, 2)(),
    Box.of(3).add(4),
    ops.rules === rules,
    Object.keys(rules),
    pair.name.length > 0,
    [0, 1, 2, 3, 4].map((x) => { try { return complains(x); } catch (e) { return String(e); } }),
  ];
  export function complains(x: number, turns = [1, 2, 3]): number {
    if (x > 3) throw new Error(\`\${x} is too large\`);
    for (let i = 0; i < 3; i++);
    let sum = 0, seen = 0;
    [sum, seen] = [seen + x, sum + 1];
    (turns as number[]).push(sum);
    do sum++; while (sum < 10);
    outer: for (const t of turns) { for (;;) { if (t === 2) continue outer; break; } sum += t; }
    switch (x) {
      case 0: sum -= 1; break;
      case 1: { const y = sum; sum = -y; break; }
      case 2: throw new Error('two');
      default: if (sum > 100) sum = 0; else sum *= 2;
    }
    try { if (seen > 5) throw new Error(\`seen \${seen}\`); } finally { sum += 0.5; }
    return sum;
  }
  export const waited = async () => [await rules.later(5)];
`;

it('the published code does the same, with functions for arrows at its top and a line for each statement', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'nabla-skim-'));
  try {
    writeFileSync(join(dir, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(dir, 'source.ts'), source);
    const common = {
      config: false,
      cwd: dir,
      entry: { source: 'source.ts' },
      format: 'esm',
      platform: 'neutral',
      target: 'es2022',
      dts: false,
      logLevel: 'error',
      outExtensions: () => ({ js: '.js' }),
    } as const;
    const { plugins, minify } = published;
    await build({ ...common, outDir: join(dir, 'plain') });
    await build({ ...common, minify, plugins, outDir: join(dir, 'made') });
    const load = (folder: string) =>
      import(/* @vite-ignore */ pathToFileURL(join(dir, folder, 'source.js')).href) as Promise<{
        text: string;
        results: () => unknown;
        waited: () => Promise<unknown>;
      }>;
    const [plain, made] = [await load('plain'), await load('made')];
    expect(made.text).toBe('4 é');
    expect(made.results()).toEqual(plain.results());
    expect(await made.waited()).toEqual(await plain.waited());
    const code = readFileSync(join(dir, 'made', 'source.js'), 'utf8');
    expect(code).toContain('forward(');
    expect(code).toContain('"a name"(');
    expect(code).not.toMatch(/forward:/);
    // What throws is printed with its line.
    const thrown = code.split('\n').filter((line) => line.includes('throw'));
    expect(thrown.map((line) => line.trim())).toEqual([
      expect.stringMatching(/^function \w+\(\w,\w=\[1,2,3\]\)\{if\(\w>3\)throw Error\([^;]*\);$/),
      'case 2:throw Error(`two`)',
      expect.stringMatching(/^try\{if\(\w>5\)throw Error\([^;]*\)$/),
    ]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
