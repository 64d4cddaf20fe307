/** Running sums as they come, each rounded, of numbers that are not in linear memory. */
import { advance, times } from './control.ts';
import { FunctionBody, type Locals } from './encoder.ts';
import { beginLaunch, f32 } from './heap.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { byChunks } from './random.ts';

let summing: WasmFunction | null = null;

/** `(at, count, sum)`: numbers become their running sums, from `sum` on; gives the least of them, or 0. */
function sumsFunction(): FunctionBody {
  const b = new FunctionBody('sums', ['i32', 'i32', 'f32'], ['f32']);
  const [at, count, sum] = b.params as Locals<3>;
  const [x, least] = [b.local('f32'), b.local('f32')];
  times(b, count, () => {
    b.get(at).mem('f32.load').tee(x).get(least).op('f32.min').set(least);
    b.get(at).get(sum).get(x).op('f32.add').tee(sum).mem('f32.store');
    advance(b, at, 4);
  });
  b.get(least);
  return b;
}

/** Replaces numbers, not in linear memory, by their running sums, each rounded; gives the least of the numbers, or 0, or NaN. */
export function sumUp(out: Float32Array): number {
  summing ??= instantiate([sumsFunction()]).sums!;
  const kernel = summing;
  let sum = 0;
  let least = 0;
  beginLaunch();
  byChunks(out, f32, (address, count, from) => {
    f32().set(out.subarray(from, from + count), address / 4);
    least = Math.min(least, kernel(address, count, sum));
    sum = f32()[address / 4 + count - 1]!;
  });
  return least;
}
