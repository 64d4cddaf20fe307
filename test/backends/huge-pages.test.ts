/** Whether Linux was asked for huge pages, as it says itself of the process. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it, vi } from 'vitest';

const MIB = 2 ** 20;

/** MiB of the process that it was asked for huge pages for. */
function advised(): number {
  let all = 0;
  for (const mapping of readFileSync('/proc/self/smaps', 'utf8').split(/\n(?=[0-9a-f]+-[0-9a-f]+ )/)) {
    if (/^VmFlags:.* hg\b/m.test(mapping)) all += Number(/^Size: +(\d+) kB/m.exec(mapping)?.[1]) / 1024;
  }
  return all;
}

/** The module as if the program had just begun. */
async function anew(): Promise<typeof import('../../src/backends/wasm/huge-pages.ts')> {
  vi.resetModules();
  return await import('../../src/backends/wasm/huge-pages.ts');
}

/** Memories are held to the end: one that was collected between two looks would be missing from the second. */
const held: Uint8Array[] = [];

function view(mib: number): Uint8Array {
  const made = new Uint8Array(new WebAssembly.Memory({ initial: 16 * mib }).buffer);
  held.push(made);
  return made;
}

afterEach(() => {
  vi.unstubAllEnvs();
});

describe.runIf(process.platform === 'linux')('huge pages', () => {
  it('are asked for where memory grows by much at once, or is large', async () => {
    const { adviseHugePages } = await anew();
    const before = advised();
    const large = view(80);
    adviseHugePages(large, 0, 31 * MIB);
    expect(advised()).toBe(before);
    adviseHugePages(large, 8 * MIB, 72 * MIB);
    // Of the pages at the ends only a part has grown.
    expect(advised() - before).toBeGreaterThan(59);
    expect(advised() - before).toBeLessThanOrEqual(64);
    const larger = view(160);
    const then = advised();
    adviseHugePages(larger, 130 * MIB, 140 * MIB);
    expect(advised() - then).toBeGreaterThan(5);
  });

  it('are not asked for if the environment says so', async () => {
    vi.stubEnv('NABLA_HUGE_PAGES', 'off');
    const { adviseHugePages } = await anew();
    const before = advised();
    adviseHugePages(view(80), 0, 80 * MIB);
    expect(advised()).toBe(before);
  });

  it('lie behind a large tensor', async () => {
    vi.resetModules();
    const { ones } = await import('../../src/index.ts');
    const before = advised();
    const x = ones([12_000_000]);
    expect(advised() - before).toBeGreaterThan(40);
    expect(x.sum().item()).toBe(12_000_000);
  });
});
