import { compile } from './compile.ts';
import type { FunctionBody } from './encoder.ts';
import { memory, memoryLimits } from './linear-memory.ts';
import { encodeModule, type Import } from './module-bytes.ts';
import { pairsVectors } from './pairs.ts';

/** A compiled kernel: numbers in, nothing out but what it wrote to memory (or one number). */
export type WasmFunction = (...args: number[]) => number;

/** JavaScript functions a module may call, by import name (slow paths of rare arguments). */
export type Imports = Readonly<Record<string, (...args: number[]) => number>>;

/**
 * Where the code of a kernel is: a module's bytes, and which of its exports; or, where `which` is negative,
 * the description of a native library (`blas/library.ts`), and ~`which` of its functions.
 */
export interface Code {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly which: number;
}

/** What another thread needs to make a kernel for itself. */
const codes = new WeakMap<WasmFunction, Code>();

export function codeOf(kernel: WasmFunction): Code | undefined {
  return codes.get(kernel);
}

/** Says where the code of a function is that was not compiled here. */
export function setCode(kernel: WasmFunction, code: Code): void {
  codes.set(kernel, code);
}

/**
 * Compiles functions into one module over the shared linear memory, synchronously: modules are a
 * few hundred bytes, and eager execution needs them at once.
 */
export function instantiate(
  functions: readonly FunctionBody[],
  imports: readonly Import[] = [],
  provided: Imports = {},
): Readonly<Record<string, WasmFunction>> {
  pairsVectors();
  const bytes = encodeModule(functions, memoryLimits, imports);
  const instance = new WebAssembly.Instance(compile(bytes), { env: { memory, ...provided } });
  const exports = instance.exports as unknown as Readonly<Record<string, WasmFunction>>;
  if (memoryLimits.shared) {
    Object.values(exports).forEach((kernel, which) => {
      codes.set(kernel, { bytes, which });
    });
  }
  return exports;
}

/** Whether a kernel that was called at once came upon what its code says cannot be; one that is queued fails where it is joined. */
export function trapped(call: () => void): boolean {
  try {
    call();
    return false;
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError && /unreachable/i.test(error.message)) return true;
    throw error;
  }
}
