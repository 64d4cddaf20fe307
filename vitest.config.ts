import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Where to leave the results as JSON too; `npm test` itself stays the same command everywhere. */
const json = process.env.NABLA_TEST_JSON;

export default defineConfig({
  resolve: {
    alias: [
      { find: /^nabla$/, replacement: fileURLToPath(new URL('./src/index.ts', import.meta.url)) },
      { find: /^nabla\/(.*)$/, replacement: fileURLToPath(new URL('./src/$1/index.ts', import.meta.url)) },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    reporters: json ? ['default', ['json', { outputFile: json }]] : ['default'],
    // A process per file: memory tests read the resident size and call gc() undisturbed by their neighbours.
    pool: 'forks',
    // The same results on every machine; test/backends/blas.test.ts looks for a library itself.
    env: { NABLA_BLAS: 'off' },
    execArgv: ['--expose-gc'],
    maxWorkers: 2,
    // Generous, because machines may be busy: a limit is there to end what hangs, not to measure speed.
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
