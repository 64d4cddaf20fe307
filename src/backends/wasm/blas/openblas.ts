/**
 * OpenBLAS has kernels for a list of processors. For a model that is not on it, as those newer than itself, it takes
 * the oldest, whose vectors of 128 bits are a quarter as fast as its kernels for any processor with vectors of 256: it is
 * told to take those then.
 */
import { ADDRESS, type Koffi, LIBC, type Library, type NativeHost } from '../native.ts';

/** Its kernels with vectors of 128 bits, for processors of Intel's and AMD's, by the names it has for them. */
const NARROW_KERNELS =
  /^(prescott|core2|penryn|dunnington|nehalem|athlon|opteron(_sse3)?|barcelona|bobcat|atom|nano)$/i;

/** The variable of the environment that says which it is to take, and those for any processor that has `NEEDED`. */
const VARIABLE = 'OPENBLAS_CORETYPE';
const KERNELS = 'Haswell';
const NEEDED = ['avx2', 'fma'];

interface Files {
  readFileSync(path: string, encoding: 'latin1'): string;
}

/** The kernels that it took; null if it does not tell, as other libraries do not. */
export function kernelsOf(library: Library): string | null {
  try {
    return String(library.func('openblas_get_corename', 'str', [])());
  } catch {
    return null;
  }
}

/** Whether Linux says that the processor has what wider kernels need. */
function hasWider(host: NativeHost): boolean {
  const files = host.process?.getBuiltinModule?.('node:fs') as Files | undefined;
  const flags = /^flags\s*:(.*)$/m.exec(files?.readFileSync('/proc/cpuinfo', 'latin1') ?? '')?.[1]?.split(' ') ?? [];
  return NEEDED.every((name) => flags.includes(name));
}

/** The same library loaded anew, which asks the environment as it is loaded; that is as before thereafter. */
function reload(koffi: Koffi, path: string, library: Library, libc: Library): Library {
  const text = (characters: string): Uint8Array => Uint8Array.from(`${characters}\0`, (c) => c.charCodeAt(0));
  const [variable, kernels] = [text(VARIABLE), text(KERNELS)];
  const set = libc.func('setenv', 'int', [ADDRESS, ADDRESS, 'int']);
  const unset = libc.func('unsetenv', 'int', [ADDRESS]);
  set(Number(koffi.address(variable)), Number(koffi.address(kernels)), 1);
  try {
    library.unload();
    return koffi.load(path);
  } finally {
    unset(Number(koffi.address(variable)));
  }
}

/** Loads a library. If it is an OpenBLAS that does not know the processor, and nobody said what it is to take, it is told. */
export function loadKnowing(koffi: Koffi, path: string, host: NativeHost): Library {
  const library = koffi.load(path);
  if (!NARROW_KERNELS.test(kernelsOf(library) ?? '') || host.process?.env?.[VARIABLE] !== undefined) return library;
  let libc: Library;
  try {
    if (!hasWider(host)) return library;
    libc = koffi.load(LIBC);
  } catch {
    // No Linux, one of another C, or a host that keeps to itself what it has.
    return library;
  }
  return reload(koffi, path, library, libc);
}
