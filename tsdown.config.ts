import { defineConfig, type UserConfig } from 'tsdown';
import { skimmed } from './scripts/skim.ts';
import { statementsOnLines } from './scripts/statements.ts';

interface Parser {
  parse(code: string): object;
}

/** What makes a finished file quicker to read for an engine, and a line of it fit to be printed. */
const readable = {
  name: 'readable',
  generateBundle(this: Parser, _: unknown, bundle: Record<string, { type: string; fileName: string; code?: string }>) {
    for (const chunk of Object.values(bundle)) {
      if (chunk.type !== 'chunk' || chunk.code === undefined || !chunk.fileName.endsWith('.js')) continue;
      // A single letter beyond ASCII makes an engine keep a whole file in twice the memory, and read it more slowly.
      const ascii = chunk.code.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
      const quick = skimmed(ascii, this.parse(ascii));
      const lines = statementsOnLines(quick, this.parse(quick));
      // What is imported by name is optional. Webpack and Rspack would warn in every build that it is not installed.
      chunk.code = lines.replace(/\bimport\((?=[`'"]@viz-js)/g, 'import(/* webpackIgnore: true */');
    }
  },
};

/** What decides how the published code looks; the benchmarks are built with the same. */
export const published = {
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  tsconfig: 'src/tsconfig.json',
  sourcemap: false,
  plugins: [readable],
  // Parsing is most of what importing costs. Names of classes stay, for whoever looks at an object. Statements that are
  // not joined by commas repeat each other more, and are smaller once compressed.
  minify: { compress: { sequences: false }, mangle: { keepNames: { class: true, function: false } } },
} satisfies UserConfig;

export default defineConfig([
  {
    ...published,
    // One entry per subpath export of package.json.
    entry: { index: 'src/index.ts', functional: 'src/functional/index.ts', linalg: 'src/linalg/index.ts' },
    dts: true,
    // The guards of grad modes are disposable; programs whose own lib is older need not say so.
    banner: { dts: '/// <reference lib="esnext.disposable" />' },
    clean: true,
  },
  // By itself: shared with the library, a few kilobytes would be one more file to find and read.
  { ...published, entry: { thread: 'src/backends/wasm/threads/worker.ts' }, clean: false, dts: false },
]);
