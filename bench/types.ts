/**
 * What compile-time shapes cost the type checker: a dense program of 2,000 lines, in which nearly
 * every line is an operation on shapes, checked as a user would check it (against the declarations
 * of the built package), with shapes and with `shapes: false`.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildDeclarations, out, root } from './build.ts';
import { median } from './statistics.ts';

const LINES = 2000;
/** The ratio of the two medians should stay below this. */
const GOAL = 2;

/** A training step on sizes of its own, so that the checker cannot answer from what it saw before. */
function step(i: number): string[] {
  const [batch, features, hidden, classes] = [8 + (i % 23), 30 + i, 16 + ((7 * i) % 97), 2 + (i % 11)];
  return [
    `export function step${i}() {`,
    `  const x = randn([${batch}, ${features}]);`,
    `  const w1 = randn([${features}, ${hidden}], { requiresGrad: true });`,
    `  const b1 = zeros([${hidden}], { requiresGrad: true });`,
    `  const w2 = randn([${hidden}, ${classes}], { requiresGrad: true });`,
    `  const b2 = zeros([${classes}], { requiresGrad: true });`,
    '  const centred = x.sub(x.mean(0)).div(x.square().mean(0, { keepdim: true }).add(1e-5).sqrt());',
    '  const h = centred.matmul(w1).add(b1).relu();',
    '  const logits = h.matmul(w2).add(b2);',
    '  const p = logits.softmax(1);',
    `  const scores = h.unsqueeze(1).mul(ones([${batch}, 3, 1])).sum(2);`,
    `  const heads = h.reshape([${batch}, 1, ${hidden}]).transpose(0, 1).permute([1, 0, 2]);`,
    '  const products = heads.matmul(heads.mT);',
    '  const joined = cat([h, centred], 1);',
    '  const stacked = stack([p, p.mul(2), logits.exp()]);',
    '  const worst = logits.max(1).values.sub(logits.min(1).values);',
    `  const part = joined.narrow(1, 2, ${hidden}).slice(0, 1, 5).select(1, 3);`,
    '  const loss = p.log().neg().mean().add(scores.square().mean()).add(products.sum()).add(worst.mean());',
    '  loss.backward();',
    '  return [loss.item(), stacked.flatten(1).shape, part.norm().item(), w1.grad] as const;',
    '}',
    '',
  ];
}

function program(shapes: boolean): string {
  const lines = ["import { cat, ones, randn, stack, zeros } from 'nabla';", ''];
  if (!shapes) lines.push("declare module 'nabla' {", '  interface Config { shapes: false }', '}', '');
  for (let i = 0; lines.length < LINES; i++) lines.push(...step(i));
  return `${lines.join('\n')}\n`;
}

interface Checked {
  readonly total: number;
  readonly check: number;
  readonly instantiations: number;
}

/** Runs the compiler on a project and reads what it says of itself. */
function check(project: string): Checked {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const start = performance.now();
  const done = spawnSync(process.execPath, [tsc, '-p', project, '--extendedDiagnostics'], { encoding: 'utf8' });
  const total = (performance.now() - start) / 1e3;
  if (done.status !== 0) throw new Error(`the program does not pass the type checker:\n${done.stdout.slice(0, 2000)}`);
  const read = (label: string): number => Number(done.stdout.match(new RegExp(`${label}: +([0-9.]+)`))?.[1]);
  return { total, check: read('Check time'), instantiations: read('Instantiations') };
}

export async function benchTypes(rounds: number): Promise<void> {
  await buildDeclarations();
  const variants = ['shapes', 'off'] as const;
  const projects = variants.map((variant) => {
    const folder = join(out, 'types', variant);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'program.ts'), program(variant === 'shapes'));
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          target: 'es2022',
          lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
          types: [],
          module: 'esnext',
          moduleResolution: 'bundler',
          strict: true,
          skipLibCheck: true,
          noEmit: true,
          paths: { nabla: ['../declarations/index.d.ts'] },
        },
        files: ['program.ts'],
      }),
    );
    return { variant, folder, seen: [] as Checked[] };
  });
  for (let round = 0; round < rounds; round++) for (const p of projects) p.seen.push(check(p.folder));

  const row = (seen: readonly Checked[], part: keyof Checked): { median: number; best: number } => {
    const values = seen.map((one) => one[part]);
    return { median: median(values), best: Math.min(...values) };
  };
  const [on, off] = projects.map(({ seen }) => ({
    total: row(seen, 'total'),
    check: row(seen, 'check'),
    instantiations: row(seen, 'instantiations'),
  }));
  if (on === undefined || off === undefined) throw new Error('nothing was checked');
  console.log(`tsc on a program of ${LINES} lines, ${rounds} runs of each in turn\n`);
  console.log('                     shapes   shapes: false   ratio');
  for (const [label, part, which] of [
    ['total s, median', 'total', 'median'],
    ['total s, best', 'total', 'best'],
    ['checking s, median', 'check', 'median'],
    ['checking s, best', 'check', 'best'],
    ['instantiations', 'instantiations', 'best'],
  ] as const) {
    const [a, b] = [on[part][which], off[part][which]];
    const digits = part === 'instantiations' ? 0 : 2;
    console.log(
      `${label.padEnd(19)}${a.toFixed(digits).padStart(8)}${b.toFixed(digits).padStart(16)}${(a / b).toFixed(2).padStart(8)}`,
    );
  }
  const ratio = on.total.median / off.total.median;
  console.log(`\ngoal: total below ${GOAL} times: ${ratio < GOAL ? 'holds' : 'does not hold'} (${ratio.toFixed(2)})`);
}
