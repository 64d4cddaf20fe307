import { DeviceError } from '../../core/errors.ts';

/** The smallest module there is: its magic number and the version. */
const NOTHING = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** Compiles a module at once. Each host words it in its own way, and not clearly, that it forbids that. */
export function compile(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes);
  } catch (error) {
    throw isForbidden()
      ? new DeviceError(
          "nabla compiles WebAssembly while it runs, which is forbidden here: a page's Content Security Policy must have 'wasm-unsafe-eval' in script-src, and edge runtimes may allow it only while a program starts, or never",
          { cause: error },
        )
      : error;
  }
}

function isForbidden(): boolean {
  try {
    return new WebAssembly.Module(NOTHING) === null;
  } catch {
    return true;
  }
}
