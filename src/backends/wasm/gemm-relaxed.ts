/**
 * Relaxed SIMD: fused multiply-adds, if the host has them.
 */
import { encodeModule, FunctionBody } from './encoder.ts';

let available: boolean | null = null;

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
