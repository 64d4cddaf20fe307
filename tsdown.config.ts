import { defineConfig } from 'tsdown';

/** One entry per subpath export of package.json. */
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    functional: 'src/functional/index.ts',
    linalg: 'src/linalg/index.ts',
    thread: 'src/backends/wasm/threads/worker.ts',
  },
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
  tsconfig: 'src/tsconfig.json',
  dts: true,
  // The guards of grad modes are disposable; programs whose own lib is older need not say so.
  banner: { dts: '/// <reference lib="esnext.disposable" />' },
  sourcemap: false,
  clean: true,
});
