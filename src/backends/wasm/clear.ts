import { whilst } from './control.ts';
import { FunctionBody } from './encoder.ts';
import { instantiate, type WasmFunction } from './module.ts';

let kernel: WasmFunction | null = null;

function compile(): WasmFunction {
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
  return instantiate([body]).clear;
}

/** Sets bytes to zero. (JavaScript's own `fill` goes byte by byte where memory is shared.) */
export function clear(address: number, bytes: number): void {
  kernel ??= compile();
  kernel(address, bytes);
}
