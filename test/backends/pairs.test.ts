/** Two vectors as one: when the compiler is told to, and that no bit of a result changes. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isTold } from '../../src/backends/wasm/pairs.ts';

interface Process {
  readonly arch: string;
  readonly versions: { readonly v8?: string; readonly bun?: string };
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Whether a host is told, and the flags that are raised for it. */
function ask(process: Process, others: object = {}): readonly [told: boolean, flags: readonly string[]] {
  const flags: string[] = [];
  const getBuiltinModule = (name: string) => {
    expect(name).toBe('node:v8');
    return { setFlagsFromString: (flag: string) => void flags.push(flag) };
  };
  return [isTold({ process: { ...process, getBuiltinModule }, ...others }), flags];
}

const NODE_24: Process = { arch: 'x64', versions: { v8: '13.6.233.17-node.53' }, execArgv: [], env: {} };
const WIDE = { NABLA_VECTORS: '256' };
const FLAG = '--experimental-wasm-revectorize';

describe('the compiler', () => {
  test('is left alone unless somebody asks', () => {
    expect(ask(NODE_24)).toEqual([false, []]);
    expect(ask({ ...NODE_24, env: { NABLA_VECTORS: '128' } })).toEqual([false, []]);
    expect(isTold({})).toBe(false);
  });

  test('is told where the environment asks, and has been where its flag was given', () => {
    expect(ask({ ...NODE_24, env: WIDE })).toEqual([true, [FLAG]]);
    expect(ask({ ...NODE_24, execArgv: ['--expose-gc', FLAG] })).toEqual([true, []]);
    expect(ask({ ...NODE_24, execArgv: ['--experimental_wasm_revectorize'] })).toEqual([true, []]);
  });

  test('is not asked for what it does not do', () => {
    expect(ask({ ...NODE_24, env: WIDE, arch: 'arm64' })).toEqual([false, []]);
    expect(ask({ ...NODE_24, env: WIDE, versions: { v8: '12.4.254.21-node.33' } })).toEqual([false, []]);
    expect(ask({ ...NODE_24, env: WIDE, versions: { v8: '14.6.202.34', bun: '1.3.0' } })).toEqual([false, []]);
    expect(ask({ ...NODE_24, env: WIDE, versions: {} })).toEqual([false, []]);
  });

  test('nor is a host that keeps its environment or its flags to itself', () => {
    const denied = { Deno: { permissions: { querySync: () => ({ state: 'prompt' }) } } };
    expect(ask({ ...NODE_24, env: WIDE }, denied)).toEqual([false, []]);
    const { arch, versions, execArgv } = NODE_24;
    const process = {
      arch,
      versions,
      execArgv,
      get env(): never {
        throw new Error('denied');
      },
    };
    expect(isTold({ process })).toBe(false);
    expect(isTold({ process: { ...NODE_24, env: WIDE } })).toBe(false);
  });
});

const program = fileURLToPath(new URL('../support/vectors-program.ts', import.meta.url));
const deno = fileURLToPath(new URL('../../node_modules/.bin/deno', import.meta.url));
// The first compiler, which makes nothing of two vectors, would do for all of so short a program.
const ONLY_OPTIMIZED = '--no-liftoff';

const hosts: Record<string, readonly string[]> = {
  node: [process.execPath, ONLY_OPTIMIZED, '--import', 'tsx', program],
  ...(existsSync(deno)
    ? { deno: [deno, 'run', '--quiet', '--allow-env', `--v8-flags=${ONLY_OPTIMIZED}`, program] }
    : {}),
};

test.each(Object.entries(hosts))('%s computes the same bits', { timeout: 180_000 }, (_, [command = '', ...args]) => {
  const results = ['128', '256'].map((bits) => {
    const env = { ...process.env, NABLA_VECTORS: bits };
    const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env });
    expect(stderr).toBe('');
    return JSON.parse(stdout) as { readonly vectorBits: number; readonly found: Readonly<Record<string, string>> };
  });
  const [narrow, wide] = results;
  expect(narrow?.vectorBits).toBe(128);
  if (command === deno && process.arch === 'x64') expect(wide?.vectorBits).toBe(256);
  expect(Object.keys(wide?.found ?? {}).length).toBeGreaterThan(100);
  expect(wide?.found).toEqual(narrow?.found);
});
