import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, it } from 'vitest';

/*
 * The whole chapter as `npm start` prints it, in both languages. Only measured times are left out of
 * the comparison. After a change that is meant, `npx vitest run test/examples -u` writes the new text.
 */

const root = fileURLToPath(new URL('../..', import.meta.url));

async function transcript(language: string): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--import', 'tsx', 'examples/autograd-chapter.ts', '--lang', language],
    { cwd: root, env: { ...process.env, NO_COLOR: '1' }, maxBuffer: 2 ** 24 },
  );
  return stdout.replaceAll(/\d+ µs/g, '# µs').replaceAll('\\', '/');
}

describe('the autograd chapter', () => {
  for (const language of ['en', 'zh']) {
    it.concurrent(`prints its transcript in ${language}`, async ({ expect }) => {
      const text = await transcript(language);
      await expect(text).toMatchFileSnapshot(`./chapter.${language}.txt`);
      expect(text).toContain('tensor(28., grad_fn=<MulBackward0>)');
      expect(text).toContain('tensor([ 0.,  4.,  8., 12.])');
    });
  }
});
