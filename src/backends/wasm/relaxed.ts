/**
 * Relaxed SIMD: fused multiply-adds, if the host has them and the user has not asked for results that
 * are the same on every host.
 */
import { encodeModule, FunctionBody } from './encoder.ts';

let available: boolean | null = null;

let deterministic = false;
let fused: boolean | null = null;

/**
 * Switches to results that have the same bits on every host: nothing is computed with fused
 * multiply-adds, and the system's BLAS is not used. (The number of threads never changes a bit.)
 */
export function setDeterministic(on: boolean): void {
  deterministic = on;
  fused = null;
}

export function isDeterministic(): boolean {
  return deterministic;
}

/** Whether code multiplies and adds float32 in one step: kernels are generated for either case when it is needed. */
export function fusing(): boolean {
  fused ??= !deterministic && hasRelaxedSimd();
  return fused;
}

/**
 * Whether modules may use relaxed SIMD. On Node 20 it stands behind a V8 flag, which can be raised at
 * run time; looked at when first needed, so that importing the library changes nothing.
 */
export function hasRelaxedSimd(): boolean {
  if (available === null) {
    available = validates();
    if (!available) {
      raiseFlag();
      available = validates();
    }
  }
  return available;
}

function validates(): boolean {
  const body = new FunctionBody('f', ['v128'], ['v128']);
  const [x] = body.params;
  if (x === undefined) return false;
  body.get(x).get(x).get(x).op('f32x4.relaxed_madd');
  return WebAssembly.validate(encodeModule([body], { initialPages: 0, maximumPages: 1, shared: false }));
}

interface NodeProcess {
  readonly versions?: { readonly node?: string; readonly bun?: string };
  getBuiltinModule?(name: string): { setFlagsFromString?(flags: string): void } | undefined;
}

function raiseFlag(): void {
  const { process } = globalThis as { readonly process?: NodeProcess };
  if (process?.versions?.node?.startsWith('20.') !== true || process.versions.bun !== undefined) return;
  try {
    process.getBuiltinModule?.('node:v8')?.setFlagsFromString?.('--experimental-wasm-relaxed-simd');
  } catch {
    // Permission models may forbid it: then there is no relaxed SIMD, which is no error.
    return;
  }
}
