import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const moved = fileURLToPath(new URL('../../src/backends/wasm/moved.ts', import.meta.url));

/** In a process of its own, since this one exposes its collector. */
const program = `
import { runInNewContext } from 'node:vm';
import { noteMovedOut } from ${JSON.stringify(moved)};
const buffers = () => process.memoryUsage().arrayBuffers;
const before = buffers();
let most = 0;
for (let i = 0; i < 400; i++) {
  noteMovedOut(new Uint8Array(2 ** 20).length);
  most = Math.max(most, buffers() - before);
}
console.log(JSON.stringify({ most: most / 2 ** 20, left: runInNewContext('typeof gc') }));
`;

it('has V8 collect what has moved out and is dead, in a loop that never yields, and leaves no collector to others', () => {
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  const { most, left } = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' }));
  // What is being swept counts for a while.
  expect(most).toBeLessThan(100);
  expect(left).toBe('undefined');
});
