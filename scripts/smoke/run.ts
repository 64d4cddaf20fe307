/**
 * Installs the packed package in an empty folder, as a user would, and runs the same program under
 * Node, Deno, Bun and headless Chromium. `npm run smoke -- --only node,bun` runs some of them.
 */
import { copyFileSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { buildAndPack, must, Report, root, run, withTempDir } from '../sh.ts';
import { pages, runInBrowser } from './browser.ts';

const printed = ['tensor(28., grad_fn=<MulBackward0>)', 'tensor([ 0.,  4.,  8., 12.])', '499999500000'];
/** What follows: a hash that must be the same everywhere, and how many workers there were. */
const hashed = /^hash [0-9a-f]+$/;
const inspected = 'tensor([ 0.,  4.,  8., 12.])';

/** How each host runs a program, with as few rights as it can be given. */
const hosts: Record<string, readonly string[]> = {
  node: [process.execPath, '--disallow-code-generation-from-strings', 'program.js'],
  deno: ['deno', 'run', '--quiet', '--no-prompt', '--cached-only', '--node-modules-dir=manual', 'program.js'],
  bun: ['bun', 'program.js'],
};

/** What nobody catches is told with the line that threw it, which must be one that fits on a screen. */
const uncaught = "import { zeros } from 'nabla';\nzeros([2, 2]).matmul(zeros([3]));\n";
const complaint = 'ShapeError: matmul: size mismatch';
const LONGEST_COMPLAINT = 4000;

/** A compiler that knows the ECMAScript library and nothing else, and checks the declarations it reads. */
const compilerOptions = (module: string, moduleResolution: string) => ({
  target: 'es2022',
  lib: ['ES2022'],
  types: [],
  strict: true,
  skipLibCheck: false,
  verbatimModuleSyntax: true,
  module,
  moduleResolution,
});

function findChromium(): string {
  const found = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
    .filter((path) => path !== undefined)
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error('no Chromium: install it, or set CHROMIUM_PATH to one');
  return found;
}

/** The hash that the first host printed. */
let agreed: string | null = null;

/** Compares what a host printed with what it must. */
function check(actual: readonly string[], workers: number, rest: readonly string[]): string {
  const hash = actual[printed.length] ?? '';
  if (hashed.test(hash)) agreed ??= hash;
  return compare(actual, [...printed, agreed ?? 'hash …', `workers ${workers} same bits`, ...rest]);
}

function compare(actual: readonly string[], expected: readonly string[]): string {
  return actual.join('\n') === expected.join('\n')
    ? ''
    : `expected:\n${expected.join('\n')}\nprinted:\n${actual.join('\n')}`;
}

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const known = ['types', ...Object.keys(hosts), 'chromium'];
const wanted = values.only?.split(',') ?? known;
const unknown = wanted.filter((name) => !known.includes(name));
if (unknown.length > 0) throw new Error(`--only ${unknown.join(',')}: choose from ${known.join(', ')}`);

const report = new Report();

await withTempDir(async (dir) => {
  const tarball = buildAndPack(dir);
  writeFileSync(join(dir, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  must('npm', ['install', '--silent', '--offline', '--ignore-scripts', tarball], dir);
  copyFileSync(join(root, 'scripts', 'smoke', 'program.ts'), join(dir, 'program.ts'));

  writeFileSync(join(dir, 'uncaught.js'), uncaught);

  for (const [module, moduleResolution] of [
    ['nodenext', 'nodenext'],
    ['esnext', 'bundler'],
  ] as const) {
    const options = { compilerOptions: compilerOptions(module, moduleResolution), files: ['program.ts'] };
    writeFileSync(join(dir, 'tsconfig.json'), JSON.stringify(options));
    const compiled = run('tsc', ['-p', dir], dir);
    if (wanted.includes('types')) report.add(`types (${moduleResolution})`, compiled.ok, compiled.text);
  }

  for (const [name, [command, ...args]] of Object.entries(hosts)) {
    if (!wanted.includes(name) || command === undefined) continue;
    const done = run(command, args, dir);
    const difference = check(done.stdout.trimEnd().split('\n'), 1, [inspected]);
    report.add(name, done.ok && difference === '', done.ok ? difference : done.text);
    const failed = run(command, [...args.slice(0, -1), 'uncaught.js'], dir);
    const told = !failed.ok && failed.text.includes(complaint) && failed.text.length < LONGEST_COMPLAINT;
    report.add(`${name}, an error that nobody catches`, told, failed.text.slice(0, LONGEST_COMPLAINT));
  }

  if (wanted.includes('chromium')) {
    for (const [name, page] of Object.entries(pages)) {
      let problem: string;
      try {
        const lines = await runInBrowser(findChromium(), dir, page, printed.length + 2);
        problem = check(lines, page.isolated ? 1 : 0, []);
      } catch (error) {
        problem = String(error);
      }
      report.add(`chromium, ${name}`, problem === '', problem);
    }
  }
});

report.close();
