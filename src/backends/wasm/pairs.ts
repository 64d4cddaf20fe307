/**
 * Vectors of WebAssembly have 128 bits, those of many processors more. From version 13 on, V8 can make one instruction
 * on 256 bits (AVX2) of two that do the same to vectors side by side, with the same result to the bit, but it
 * calls that an experiment, so that nobody has it unasked: a program on Node is started with V8's flag, or with
 * `NABLA_VECTORS=256` in its environment, for which the flag is raised here. Deno's flags are settled when it has begun,
 * and between loads whose bounds are checked, as there, V8 finds no pairs.
 */
import { type NativeHost, raiseFlag } from './native.ts';

const FLAG = '--experimental-wasm-revectorize';
const SINCE = 13;

let pairing: boolean | null = null;

/** Whether the compiler has been told to make one of two vectors, which it is before it compiles anything. */
export function pairsVectors(): boolean {
  pairing ??= isTold(globalThis as NativeHost);
  return pairing;
}

/** Asks a host, and tells it if it should be told. */
export function isTold(host: NativeHost): boolean {
  const { process } = host;
  const { v8: version = '', bun } = process?.versions ?? {};
  if (host.Deno !== undefined || bun !== undefined) return false;
  if (process?.arch !== 'x64' || !(Number.parseInt(version, 10) >= SINCE)) return false;
  if (process.execArgv?.some((flag) => flag.replaceAll('_', '-') === FLAG)) return true;
  try {
    return process.env?.NABLA_VECTORS === '256' && raiseFlag(host, FLAG);
  } catch {
    // A host that keeps its environment to itself.
    return false;
  }
}
