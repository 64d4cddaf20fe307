import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

/*
 * Every fenced `ts` block of the README and the docs is a program of its own: it is run, and what
 * each console.log prints is compared with the comment beside it (`console.log(x); // tensor(1.)`) or
 * on the lines right below it.
 */

const root = new URL('..', import.meta.url);
const documents = [
  ...['README.md', 'CONTRIBUTING.md'].filter((name) => existsSync(new URL(name, root))),
  ...readdirSync(new URL('docs/', root))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

interface Block {
  readonly info: string;
  /** Number of the line that opens the block. */
  readonly line: number;
  readonly source: string;
  /** For a `ts` block with a `text` block right after it: that text, which is all it prints. */
  readonly output?: string;
}

function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let between = 'text';
  let open: { info: string; line: number; body: string[] } | null = null;
  text.split('\n').forEach((line, i) => {
    const fence = /^ {0,3}```\s*(.*)$/.exec(line);
    if (open === null && fence !== null) open = { info: fence[1].trim(), line: i + 1, body: [] };
    else if (open !== null && fence !== null) {
      const source = open.body.join('\n');
      const last = blocks.at(-1);
      if (last?.info === 'ts' && open.info === 'text' && between === '')
        blocks.splice(-1, 1, { ...last, output: source });
      blocks.push({ info: open.info, line: open.line, source });
      [open, between] = [null, ''];
    } else if (open !== null) open.body.push(line);
    else between += line.trim();
  });
  return blocks;
}

/** What the document says each console.log prints, by its line in the block. */
function promises(source: string): Map<number, string> {
  const lines = source.split('\n');
  const found = new Map<number, string>();
  lines.forEach((line, start) => {
    if (!/^\s*console\.log\(/.test(line)) return;
    let end = start;
    while (end < lines.length - 1 && !/\);(\s*\/\/.*)?$/.test(lines[end])) end++;
    const beside = /\);\s*\/\/ (.*)$/.exec(lines[end]);
    const below: string[] = [];
    for (let i = end + 1; beside === null && /^\s*\/\//.test(lines[i] ?? ''); i++)
      below.push(lines[i].replace(/^\s*\/\/ ?/, ''));
    if (beside !== null) found.set(start, beside[1]);
    else if (below.length > 0) found.set(start, below.join('\n'));
  });
  return found;
}

const scratch = new URL('out/docs/', root);
mkdirSync(scratch, { recursive: true });
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Runs a block; `printed` has the line and the text of each console.log. */
async function run(name: string, source: string): Promise<[line: number, text: string][]> {
  const body = source
    .split('\n')
    .map((line, i) => line.replaceAll('console.log(', `print_(${i}, `))
    .join('\n');
  const prelude = `import { format as format_ } from 'node:util';
export const printed: [number, string][] = [];
const print_ = (line: number, ...values: unknown[]): void => {
  printed.push([line, format_(...values)]);
};
`;
  const file = new URL(`${name}.ts`, scratch);
  writeFileSync(file, `${prelude}${body}\n`);
  const module = (await import(/* @vite-ignore */ fileURLToPath(file))) as { printed: [number, string][] };
  return module.printed;
}

for (const document of documents) {
  describe(document, () => {
    const blocks = blocksOf(readFileSync(new URL(document, root), 'utf8'));

    it('marks its blocks as sh, text or ts, and none as not to be run', () => {
      for (const { info, line } of blocks) expect(['sh', 'text', 'ts'], `line ${line}`).toContain(info);
    });

    for (const { info, line, source, output } of blocks) {
      if (info !== 'ts') continue;
      it(`line ${line} runs and prints what it says`, async () => {
        expect(source).toContain("from 'nabla'");
        const printed = await run(`${document.replaceAll(/\W/g, '-')}-${line}`, source);
        for (const [at, text] of promises(source)) {
          const actual = printed.filter(([l]) => l === at).map(([, t]) => t);
          expect(actual.join('\n'), `line ${line + 1 + at}`).toBe(text);
        }
        if (output !== undefined && promises(source).size === 0)
          expect(printed.map(([, t]) => t).join('\n'), `the text after line ${line}`).toBe(output);
      });
    }
  });
}

it('reads the documents', () => {
  expect(documents).toContain('README.md');
  expect(blocksOf('```ts\nlog(1);\n```\n\n```text\n1\n```\n```ts\nlog(2);\n```\nsome\n```text\n3\n```')).toEqual([
    { info: 'ts', line: 1, source: 'log(1);', output: '1' },
    { info: 'text', line: 5, source: '1' },
    { info: 'ts', line: 8, source: 'log(2);' },
    { info: 'text', line: 12, source: '3' },
  ]);
  expect([...promises('console.log(\n  a,\n); // x\nconsole.log(b);\n// y\n// z\n\n// no')]).toEqual([
    [0, 'x'],
    [3, 'y\nz'],
  ]);
});
