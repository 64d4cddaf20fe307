/** Two vectors as one: when the compiler is told to, and that no bit of a result changes. */
import { spawnSync } from 'node:child_process';
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
    expect(ask({ ...NODE_24, env: WIDE }, { Deno: {} })).toEqual([false, []]);
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
// The first compiler, which makes nothing of two vectors, would do for all of so short a program.
const args = ['--no-liftoff', '--import', 'tsx', program];
const [version = 0] = process.versions.v8.split('.').map(Number);
const pairs = version >= 13 && process.arch === 'x64';

test('all results have the same bits', { timeout: 180_000 }, () => {
  const [narrow, wide] = ['128', '256'].map((bits) => {
    const env = { ...process.env, NABLA_VECTORS: bits };
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
    expect(stderr).toBe('');
    return JSON.parse(stdout) as { readonly vectorBits: number; readonly found: Readonly<Record<string, string>> };
  });
  expect([narrow?.vectorBits, wide?.vectorBits]).toEqual([128, pairs ? 256 : 128]);
  expect(Object.keys(wide?.found ?? {}).length).toBeGreaterThan(100);
  expect(wide?.found).toEqual(narrow?.found);
});
