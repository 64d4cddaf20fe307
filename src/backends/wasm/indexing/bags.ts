/** Sums of a table's rows over bags of indices. */
import { byDType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, times, timesOrNever, whilst } from '../control.ts';
import { FunctionBody, type Locals } from '../encoder.ts';
import { type Lanes, lanesFor } from '../gemm-tile.ts';
import { beginLaunch, i32 } from '../heap.ts';
import { instantiate } from '../module.ts';
import { deal } from '../threads/share.ts';
import { integerRange } from './groups.ts';
import { outOfBounds, sliceComplaint } from './move.ts';
import { startOf } from './nest.ts';

/** `(to, table, index, ends, bags, start, bytes of a row)`: bags follow each other from index `start` on. */
function emitBags({ bytes, add }: Lanes): FunctionBody {
  const b = new FunctionBody('bags', new Array(7).fill('i32'), []);
  const [to, table, index, ends, bags, start, width] = b.params as Locals<7>;
  const [size, left, column, from, turns] = [0, 1, 2, 3, 4].map(() => b.local('i32')) as unknown as Locals<5>;
  const sums = [0, 1, 2, 3].map(() => b.local('v128'));
  const [load, store] =
    bytes === 4
      ? (['v128.load32_zero', 'v128.store32_lane'] as const)
      : (['v128.load64_zero', 'v128.store64_lane'] as const);
  times(b, bags, () => {
    b.get(ends).mem('i32.load').get(start).op('i32.sub').set(size);
    b.get(table).set(column).get(width).set(left);
    // Whole vectors, as many as there are side by side, then single elements.
    for (const step of [64, 32, 16, bytes]) {
      const some = sums.slice(0, Math.ceil(step / 16));
      whilst(
        b,
        () => b.get(left).i32(step).op('i32.ge_u'),
        () => {
          for (const sum of some) b.v128([]).set(sum);
          const at = copyOf(b, index);
          b.get(size).set(turns);
          timesOrNever(b, turns, () => {
            b.get(at).mem('i32.load').get(width).op('i32.mul').get(column).op('i32.add').set(from);
            some.forEach((sum, i) => {
              b.get(from)
                .mem(step < 16 ? load : 'v128.load', 16 * i)
                .get(sum)
                .op(add)
                .set(sum);
            });
            advance(b, at, 4);
          });
          b.release(at);
          some.forEach((sum, i) => {
            b.get(to).get(sum);
            if (step < 16) b.laneMem(store, 0);
            else b.mem('v128.store', 16 * i);
          });
          advance(b, to, step);
          advance(b, column, step);
          advance(b, left, -step);
        },
      );
    }
    b.get(index).get(size).i32(4).op('i32.mul', 'i32.add').set(index);
    b.get(ends).mem('i32.load').set(start);
    advance(b, ends, 4);
  });
  return b;
}

const kernelFor = byDType((dtype) => instantiate([emitBags(lanesFor(dtype as 'float32' | 'float64', false))]).bags);

/**
 * out[b, …] = Σ table[index[i], …] over the bag b: from the end of the one before, given in `ends`, to its own. All are
 * contiguous; float32 or float64 in rows of some elements, and int32.
 */
export function sumBags(out: Strided, table: Strided, index: Strided, ends: Strided): void {
  const { bytes } = dtypeInfo(out.dtype);
  const [bags, width] = out.shape;
  const [rows] = table.shape;
  const [count] = index.shape;
  if (count > 0) {
    const bad = integerRange(index).find((i) => i < 0 || i >= rows);
    if (bad !== undefined) throw outOfBounds(bad, 0, rows, sliceComplaint);
  }
  const run = kernelFor(out.dtype);
  beginLaunch();
  const [to, from, at, until] = [out, table, index, ends].map(startOf);
  const size = width * bytes;
  deal(count * width, bags, (call, first, end) => {
    const start = first === 0 ? 0 : i32()[(until >>> 2) + first - 1];
    call(run, to + first * size, from, at + 4 * start, until + 4 * first, end - first, start, size);
  });
}
