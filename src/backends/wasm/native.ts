/**
 * What hosts let do beyond JavaScript: flags of V8, and functions of native libraries, called through koffi, which a program may install beside this library. Hosts
 * that cannot or must not load native code are no trouble: there simply is none.
 */

export type Native = (...args: readonly number[]) => unknown;

export interface Library {
  func(name: string, result: string, parameters: readonly string[]): Native;
  /** Lets go of it: the process forgets it if nobody else has it. */
  unload(): void;
}

/** The foreign function interface. */
export interface Koffi {
  load(path: string): Library;
  /** Where a view's first byte lies in the process. */
  address(view: Uint8Array): bigint;
  config(options: { readonly sync_stack_size: number }): unknown;
}

/** The library of C, by the name that it has on Linux. */
export const LIBC = 'libc.so.6';

/** Room for what a function has on its stack: LAPACK's take half a MiB for each turn of a recursion where they have threads. */
const STACK_BYTES = 16 * 2 ** 20;

export interface NativeHost {
  readonly process?: {
    readonly platform?: string;
    readonly arch?: string;
    readonly versions?: { readonly v8?: string; readonly node?: string; readonly bun?: string };
    readonly execArgv?: readonly string[];
    readonly env?: Readonly<Record<string, string | undefined>>;
    readonly getBuiltinModule?: (name: string) => unknown;
  };
  readonly Deno?: {
    readonly permissions?: { querySync?(descriptor: { readonly name: string }): { readonly state: string } };
  };
}

interface Modules {
  readonly createRequire: (from: string) => (name: string) => unknown;
}

/** The type of an address in the process. */
export const ADDRESS = 'uintptr_t';

interface V8 {
  setFlagsFromString(flags: string): void;
}

/** Raises a flag of V8's; false where that cannot be done: permission models may forbid it, which is no error. */
export function raiseFlag(host: NativeHost, flag: string): boolean {
  try {
    const v8 = host.process?.getBuiltinModule?.('node:v8') as V8 | undefined;
    v8?.setFlagsFromString(flag);
    return v8 !== undefined;
  } catch {
    return false;
  }
}

/** What Deno would stop to ask its user about, and nobody should be asked because an operation is large. */
export function missingPermission(host: NativeHost): string | undefined {
  const permissions = host.Deno?.permissions;
  return ['env', 'read', 'ffi'].find((name) => (permissions?.querySync?.({ name }).state ?? 'granted') !== 'granted');
}

/** Koffi, as seen from a module of the library; null if it is not installed. Throws, saying why, if it is one that cannot be used. */
export function koffiFrom(host: NativeHost, module: string): Koffi | null {
  const modules = host.process?.getBuiltinModule?.('node:module') as Modules | undefined;
  if (modules === undefined) throw new Error('the host cannot load native libraries');
  let koffi: Koffi;
  try {
    koffi = modules.createRequire(module)('koffi') as Koffi;
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message?: string };
    if (code?.endsWith('MODULE_NOT_FOUND')) return null;
    throw new Error(`the package 'koffi' does not load: ${message}`);
  }
  if (!tellsAddresses(koffi)) throw new Error("the package 'koffi' is too old, version 3 or newer is needed");
  enlargeStack(koffi);
  return koffi;
}

/** For the process and before the first call of all: workers, and who comes after another user of koffi, find it settled. */
function enlargeStack(koffi: Koffi): void {
  try {
    koffi.config({ sync_stack_size: STACK_BYTES });
  } catch {
    // What there is has to do.
  }
}

/** Older versions do not say where a view lies: found out before anything large depends on it. */
function tellsAddresses(koffi: Koffi): boolean {
  try {
    return Number(koffi.address(new Uint8Array(64))) > 0;
  } catch {
    return false;
  }
}
