/**
 * Builds what is measured: the library exactly as it is published, and the benchmarks as plain
 * JavaScript beside it. Running the sources through a loader that rewrites them would measure the loader.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsdown';
import { published } from '../tsdown.config.ts';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const out = join(root, 'out', 'bench');

const common = {
  config: false,
  cwd: root,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  outDir: out,
  dts: false,
  sourcemap: false,
  minify: published.minify,
  logLevel: 'error',
  outExtensions: () => ({ js: '.js', dts: '.d.ts' }),
} as const;

/** The declarations of the package, as a user's compiler reads them. */
export async function buildDeclarations(): Promise<void> {
  const outDir = join(out, 'types', 'declarations');
  await build({
    ...common,
    entry: { index: 'src/index.ts' },
    tsconfig: 'src/tsconfig.json',
    outDir,
    dts: { emitDtsOnly: true },
    clean: true,
  });
}

/** The library, and programs that use it beside it, in a folder of their own. */
export async function buildBeside(outDir: string, entry: Readonly<Record<string, string>>): Promise<void> {
  const library = { ...common, tsconfig: 'src/tsconfig.json', outDir, plugins: published.plugins };
  await build({ ...library, entry: { nabla: 'src/index.ts' }, clean: true });
  await build({ ...library, entry: { thread: 'src/backends/wasm/threads/worker.ts' }, clean: false });
  await build({
    ...common,
    entry: { ...entry },
    outDir,
    plugins: [
      {
        name: 'nabla-beside',
        resolveId: (id: string) => (id === 'nabla' ? { id: './nabla.js', external: true } : null),
      },
    ],
    clean: false,
  });
}

export async function buildAll(): Promise<void> {
  await buildBeside(out, { worker: 'bench/worker.ts', 'first-gradient': 'bench/first-gradient.ts' });
  writeFileSync(join(out, 'nothing.js'), '');
}
