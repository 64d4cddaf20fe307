import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const moved = fileURLToPath(new URL('../../src/backends/wasm/moved.ts', import.meta.url));

interface Dropped {
  readonly most: number;
  readonly left: string;
  /** Whether the young can be collected alone. */
  readonly young: boolean;
}

/** What is in memory of 1,600 MB of which the last five are needed, in a loop that never yields, in MB; and what `gc` is to a new context then. */
function drop(options: readonly string[], first = '', command = process.execPath, evaluate = '--eval'): Dropped {
  const program = `
    import process from 'node:process';
    import { runInNewContext } from 'node:vm';
    import { collectorOfYoung, noteMovedOut } from ${JSON.stringify(moved)};
    ${first}
    const buffers = () => process.memoryUsage().arrayBuffers || process.memoryUsage().external;
    const before = buffers();
    let most = 0;
    const last = [];
    for (let i = 0; i < 1600; i++) {
      const copy = new ArrayBuffer(2 ** 20);
      last[i % 5] = copy;
      noteMovedOut(copy.byteLength);
      most = Math.max(most, buffers() - before);
    }
    let young = true;
    try {
      collectorOfYoung();
    } catch {
      young = false;
    }
    console.log(JSON.stringify({ most: most / 2 ** 20, young, left: runInNewContext('typeof gc') }));
  `;
  return JSON.parse(execFileSync(command, [...options, evaluate, program], { encoding: 'utf8' }));
}

const installed = (name: string): string => fileURLToPath(new URL(`../../node_modules/.bin/${name}`, import.meta.url));
const NODE = ['--import', 'tsx', '--input-type=module'];

// What is being swept counts for a while.
const FEW_MB = 100;

// In processes of their own, since this one exposes its collector.
describe('the host collects what has moved out and is dead, in a loop that never yields', () => {
  it('and others are left without a collector', () => {
    const { most, left, young } = drop(NODE);
    expect(most).toBeLessThan(FEW_MB);
    expect(left).toBe('undefined');
    expect(young).toBe(true);
  });

  it('or with one, if they had it', () => {
    const { most, left } = drop(['--expose-gc', ...NODE]);
    expect(most).toBeLessThan(FEW_MB);
    expect(left).toBe('function');
  });

  it('on one thread of V8, where the program has said so', () => {
    expect(drop(['--single-threaded-gc', ...NODE]).most).toBeLessThan(FEW_MB);
  });

  it('where a program has something else of that name, which is let alone', () => {
    const { most, left } = drop(NODE, 'globalThis.gc = () => { throw new Error("not yours"); };');
    expect(most).toBeLessThan(FEW_MB);
    expect(left).toBe('undefined');
  });

  it('in Bun, whose collector otherwise waits for as much as is alive', () => {
    const { most } = drop([], 'globalThis.kept = new ArrayBuffer(2 ** 26);', installed('bun'));
    expect(most).toBeLessThan(FEW_MB);
  });

  it('in Deno, whose collector always collects everything', () => {
    const { most, left, young } = drop([], '', installed('deno'), 'eval');
    expect(most).toBeLessThan(FEW_MB);
    expect(left).toBe('undefined');
    expect(young).toBe(false);
  });
});
