import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const moved = fileURLToPath(new URL('../../src/backends/wasm/moved.ts', import.meta.url));

/** What is alive of 1,600 MB that are dropped one by one in a loop that never yields, in MB; and what `gc` is to a new context then. */
function drop(options: readonly string[], first = ''): { readonly most: number; readonly left: string } {
  const program = `
    import { runInNewContext } from 'node:vm';
    import { noteMovedOut } from ${JSON.stringify(moved)};
    ${first}
    const buffers = () => process.memoryUsage().arrayBuffers;
    const before = buffers();
    let most = 0;
    for (let i = 0; i < 1600; i++) {
      noteMovedOut(new Uint8Array(2 ** 20).length);
      most = Math.max(most, buffers() - before);
    }
    console.log(JSON.stringify({ most: most / 2 ** 20, left: runInNewContext('typeof gc') }));
  `;
  const args = [...options, '--import', 'tsx', '--input-type=module', '--eval', program];
  return JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
}

// What is being swept counts for a while.
const FEW_MB = 100;
/** Where all is looked at every time: where V8's threads get no time, as much as was made for three collections, of 40 MB each. */
const MORE_MB = 160;

// In processes of their own, since this one exposes its collector.
describe('V8 collects what has moved out and is dead, in a loop that never yields', () => {
  it('and others are left without a collector', () => {
    const { most, left } = drop([]);
    expect(most).toBeLessThan(FEW_MB);
    expect(left).toBe('undefined');
  });

  it('or with one, if they had it', () => {
    const { most, left } = drop(['--expose-gc']);
    expect(most).toBeLessThan(FEW_MB);
    expect(left).toBe('function');
  });

  it('where a program has something else of that name, which is let alone', () => {
    const { most, left } = drop([], 'globalThis.gc = () => { throw new Error("not yours"); };');
    expect(most).toBeLessThan(MORE_MB);
    expect(left).toBe('undefined');
  });
});
