import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Where to leave the results as JSON too; `npm test` itself stays the same command everywhere. */
const json = process.env.NABLA_TEST_JSON;

/** Tests of the mode that `test/support/forgetful.ts` sets up. */
const ofForgetting = 'test/forgetful.test.ts';

/** Tests that run once more in that mode: all that compare values, but for a few that take long or count what is kept or computed. */
const forgetful = {
  include: [
    ofForgetting,
    'test/conformance/**/*.test.ts',
    'test/transforms/**/*.test.ts',
    'test/extend/**/*.test.ts',
    'test/autograd/**/*.test.ts',
    'test/ops/kinks.test.ts',
    'test/linalg/einsum.test.ts',
  ],
  exclude: ['test/autograd/engine.test.ts', 'test/autograd/behaviours/{checkpoint,robustness}.test.ts'],
};

export default defineConfig({
  resolve: {
    alias: [
      { find: /^nabla$/, replacement: fileURLToPath(new URL('./src/index.ts', import.meta.url)) },
      { find: /^nabla\/(.*)$/, replacement: fileURLToPath(new URL('./src/$1/index.ts', import.meta.url)) },
    ],
  },
  test: {
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
    projects: [
      { extends: true, test: { name: 'nabla', include: ['test/**/*.test.ts'], exclude: [ofForgetting] } },
      {
        extends: true,
        test: { name: 'forgetful', ...forgetful, setupFiles: ['test/support/forgetful.ts'], isolate: false },
      },
    ],
  },
});
