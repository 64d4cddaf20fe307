/** Elements of planes at the places that a tensor names, some of them with weights for every element of the result. */
import { byDType, dtypeInfo } from '../../core/dtype.ts';
import { numel } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';
import { advance, times, whilst } from './control.ts';
import { FunctionBody, type Local, type Locals } from './encoder.ts';
import { type Lanes, lanesFor } from './gemm-tile.ts';
import { beginLaunchBeside } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { storeFirst } from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { deal } from './threads/share.ts';

/** `(y, x, planes, size, index, weight, taps, places)`: planes of `size` elements, which all have the same taps. */
function emitBlend({ dtype, compute, bytes, count, mul, add }: Lanes): FunctionBody {
  const b = new FunctionBody('blend', new Array(8).fill('i32'), []);
  const [y, x, planes, size, index, weight, taps, places] = b.params as Locals<8>;
  const single = bytes === 4;
  const [at, place, from, by, left] = [0, 1, 2, 3, 4].map(() => b.local('i32')) as unknown as Locals<5>;
  const [sum, named, where, found] = [0, 1, 2, 3].map(() => b.local('v128')) as unknown as Locals<4>;
  /** Moves an address on by so many entries. */
  const move = (to: Local, n: Local, each: number, start = to): void =>
    void b.get(n).i32(each).op('i32.mul').get(start).op('i32.add').set(to);
  times(b, planes, () => {
    b.i32(0).set(at);
    whilst(
      b,
      () => b.get(at).get(places).op('i32.lt_u'),
      () => {
        // The last vector ends with the last place and makes some again, unless it is the first.
        b.get(at).get(places).i32(count).op('i32.sub').tee(place);
        b.get(at).get(place).op('i32.lt_u', 'select').set(place);
        move(from, place, 4, index);
        move(by, place, bytes, weight);
        b.v128([]).set(sum).get(taps).set(left);
        times(b, left, () => {
          b.get(from)
            .mem(single ? 'v128.load' : 'v128.load64_zero')
            .tee(named);
          // For what stands for zero, and what lies behind the last index, some element of the plane is read.
          b.get(size).i32(1).op('i32.sub', 'i32x4.splat', 'i32x4.min_u').i32(Math.log2(bytes)).op('i32x4.shl');
          b.get(x).op('i32x4.splat', 'i32x4.add').set(where);
          for (let lane = 0; lane < count; lane++) {
            b.get(where).lane('i32x4.extract_lane', lane);
            if (lane === 0) b.mem(single ? 'v128.load32_zero' : 'v128.load64_zero');
            else b.get(found).laneMem(single ? 'v128.load32_lane' : 'v128.load64_lane', lane);
            b.set(found);
          }
          b.get(found).get(named);
          if (!single) b.op('i64x2.extend_low_i32x4_s');
          b.v128([]).op(single ? 'i32x4.ge_s' : 'i64x2.ge_s', 'v128.and');
          b.get(by).mem('v128.load').op(mul).get(sum).op(add).set(sum);
          move(from, places, 4);
          move(by, places, bytes);
        });
        move(from, place, bytes, y);
        b.get(places).i32(count).op('i32.ge_u');
        b.if(
          () => b.get(from).get(sum).mem('v128.store'),
          () => storeFirst(b, dtype, compute, 'value', sum, places, from),
        );
        advance(b, at, count);
      },
    );
    move(y, places, bytes);
    move(x, size, bytes);
  });
  return b;
}

const kernelFor = byDType(
  (dtype): WasmFunction => instantiate([emitBlend(lanesFor(dtype as 'float32' | 'float64', false))]).blend!,
);

/** Steps of work that one tap of one place takes, by which launches are shared. */
const TAP_STEPS = 4;

/**
 * y[n, c, p] = Σₖ weight[n, k, p] x[n, c, index[n, k, p]], in the order of k: zero for an index below 0, while one
 * beyond a plane means its last element. All are contiguous and, but for the index, of one dtype, float32 or
 * float64; planes are not empty.
 */
export function blend(y: Strided, x: Strided, index: Strided, weight: Strided): void {
  const [images, channels, size] = x.shape;
  const [, taps, places] = index.shape;
  const { bytes } = dtypeInfo(x.dtype);
  const kernel = kernelFor(x.dtype);
  beginLaunchBeside();
  const [to, from, at, by] = [y, x, index, weight].map(startOf);
  deal(TAP_STEPS * taps * numel(y.shape), images * channels, (run, first, end) => {
    for (let plane = first; plane < end; ) {
      const image = Math.floor(plane / channels);
      const several = Math.min(end, (image + 1) * channels) - plane;
      const before = image * taps * places;
      const starts = [to + plane * places * bytes, from + plane * size * bytes, several, size];
      run(kernel, ...starts, at + 4 * before, by + bytes * before, taps, places);
      plane += several;
    }
  });
}
