/**
 * Vectors of WebAssembly have 128 bits, those of many processors more. From version 13 on, V8 can make one instruction
 * on 256 bits (AVX2) of two that do the same to vectors side by side, with the same result to the bit, but it
 * calls that an experiment, so that nobody has it unasked: a program on Node is started with V8's flag, or with
 * `NABLA_VECTORS=256` in its environment, for which the flag is raised here. Deno's flags are settled when it has begun,
 * and between loads whose bounds are checked, as there, V8 finds no pairs.
 */
import type { NativeHost } from './native.ts';

const FLAG = '--experimental-wasm-revectorize';
const SINCE = 13;

interface Host extends NativeHost {
  readonly process?: NativeHost['process'] & {
    readonly arch?: string;
    readonly versions?: { readonly v8?: string; readonly bun?: string };
    readonly execArgv?: readonly string[];
  };
}

interface V8 {
  setFlagsFromString(flags: string): void;
}

let pairing: boolean | null = null;

/** Whether the compiler has been told to make one of two vectors, which it is before it compiles anything. */
export function pairsVectors(): boolean {
  pairing ??= isTold(globalThis as Host);
  return pairing;
}

/** Asks a host, and tells it if it should be told. */
export function isTold(host: Host): boolean {
  const { process } = host;
  const { v8: version = '', bun } = process?.versions ?? {};
  if (host.Deno !== undefined || bun !== undefined) return false;
  if (process?.arch !== 'x64' || !(Number.parseInt(version, 10) >= SINCE)) return false;
  if (process.execArgv?.some((flag) => flag.replaceAll('_', '-') === FLAG)) return true;
  try {
    if (process.env?.NABLA_VECTORS !== '256') return false;
    const v8 = process.getBuiltinModule?.('node:v8') as V8 | undefined;
    v8?.setFlagsFromString(FLAG);
    return v8 !== undefined;
  } catch {
    // A host that keeps its environment or its flags to itself.
    return false;
  }
}
