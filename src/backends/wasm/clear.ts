import { whilst } from './control.ts';
import { FunctionBody } from './encoder.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { callInTurn, isBusy } from './threads/queue.ts';

let kernels: { readonly clear: WasmFunction; readonly fill: WasmFunction } | null = null;

/** Bytes that are set in what counts as a step. */
export const CLEARED_BYTES = 2;
/** Bytes from which on the host's own way is quicker. */
const MANY = 512;

/** A function of its own: one that may call the host is slower to enter. */
function fillFunction(): FunctionBody {
  const body = new FunctionBody('fill', ['i32', 'i32'], []);
  const [at, bytes] = body.params;
  return body.get(at).i32(0).get(bytes).memoryFill();
}

function compile(): NonNullable<typeof kernels> {
  const body = new FunctionBody('clear', ['i32', 'i32'], []);
  const [at, left] = body.params;
  const store = (bytes: number, value: () => void): void => {
    body.get(at);
    value();
    if (bytes === 16) body.mem('v128.store', 0);
    else body.mem('i32.store8', 0);
    body.get(at).i32(bytes).op('i32.add').set(at).get(left).i32(bytes).op('i32.sub').set(left);
  };
  whilst(
    body,
    () => body.get(left).i32(16).op('i32.ge_u'),
    () => store(16, () => body.i32(0).op('i32x4.splat')),
  );
  whilst(
    body,
    () => body.get(left),
    () => store(1, () => body.i32(0)),
  );
  const { clear, fill } = instantiate([body, fillFunction()]);
  return { clear, fill };
}

/** clear(at, bytes): sets so many bytes to zero. */
export function clearing(bytes: number): WasmFunction {
  kernels ??= compile();
  return bytes >= MANY ? kernels.fill : kernels.clear;
}

/** Sets bytes to zero. (JavaScript's own `fill` goes byte by byte where memory is shared.) */
export function clear(address: number, bytes: number): void {
  const kernel = clearing(bytes);
  if (isBusy()) callInTurn(bytes / CLEARED_BYTES, kernel, address, bytes);
  else kernel(address, bytes);
}
