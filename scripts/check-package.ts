/** Checks the package as it would be published: its manifest, its declarations and its size. */
import { buildAndPack, must, Report, run, withTempDir } from './sh.ts';

const report = new Report();

await withTempDir((dir) => {
  const tarball = buildAndPack(dir);
  const files = must('tar', ['-tzf', tarball]).stdout.trim().split('\n');
  const stray = files.filter(
    (file) => !/^package\/(dist\/.+\.(js|d\.ts)|package\.json|README\.md|LICENSE)$/.test(file),
  );
  report.add('contents', stray.length === 0, `unexpected files:\n${stray.join('\n')}`);
  for (const [name, ...args] of [
    ['publint', 'run', tarball, '--strict'],
    ['attw', tarball, '--profile', 'esm-only', '--no-definitely-typed', '--format', 'ascii'],
    ['size-limit'],
  ] as const) {
    const done = run(name, args);
    report.add(name, done.ok, done.text);
    if (done.ok && name === 'size-limit') console.log(done.stdout.trimEnd());
  }
});

report.close();
