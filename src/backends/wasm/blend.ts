/** Elements of planes at the places that a tensor names, some of them with weights for every element of the result; and gradients. */
import { type DType, dtypeInfo } from '../../core/dtype.ts';
import { numel } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';
import { advance, copyOf, times, whilst } from './control.ts';
import { FunctionBody, type Local, type Locals } from './encoder.ts';
import { type Lanes, lanesFor } from './gemm-tile.ts';
import { beginLaunchBeside } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { storeFirst } from './lanes.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { deal } from './threads/share.ts';

/** What is computed: the blend, or of its gradient that by the planes or by the weights. */
type Wanted = 'blend' | 'planes' | 'weights';

/** A tap of a vector of places: its lanes' bytes from the beginning of a plane, whether they are inside, its weights. */
interface Tap {
  readonly offsets: readonly Local[];
  readonly inside: Local;
  readonly by: Local;
}

/**
 * `(y, x, planes, size, index, weight, taps, places, from, end)`: planes of `size` elements, which all have the same
 * taps, at a range of places. So many taps at a time: where they lie is found once for all planes.
 */
function emitBlend({ dtype, compute, bytes, count, mul, add }: Lanes, wanted: Wanted, together: number): FunctionBody {
  const b = new FunctionBody('blend', new Array(10).fill('i32'), []);
  const [y, x, planes, size, index, weight, taps, places, at, end] = b.params as Locals<10>;
  const single = bytes === 4;
  const locals = <N extends number>(n: N, type: 'i32' | 'v128'): Locals<N> =>
    Array.from({ length: n }, () => b.local(type)) as Locals<N>;
  const [place, from, by, left, plane, line, pitch, row, target] = locals(9, 'i32');
  const [sum, keep, found, added] = locals(4, 'v128');
  const group = Array.from({ length: together }, (): Tap => {
    const [inside, weights] = locals(2, 'v128');
    return { offsets: Array.from({ length: count }, () => b.local('i32')), inside, by: weights };
  });
  const totals = wanted === 'weights' ? group.map(() => b.local('v128')) : [];
  /** Moves an address on by so many entries. */
  const move = (to: Local, n: Local, each: number, start = to): void =>
    void b.get(n).i32(each).op('i32.mul').get(start).op('i32.add').set(to);
  const findTaps = (): void => {
    for (const [k, { offsets, inside, by: weights }] of group.entries()) {
      b.get(from)
        .mem(single ? 'v128.load' : 'v128.load64_zero')
        .tee(found);
      if (!single) b.op('i64x2.extend_low_i32x4_s');
      b.v128([])
        .op(single ? 'i32x4.ge_s' : 'i64x2.ge_s')
        .set(inside);
      if (wanted === 'planes') {
        // Not what the vector before has given already, nor what lies behind the last place.
        const numbers = single ? [0, 1, 2, 3] : [0, 0, 1, 1];
        b.v128(new Uint8Array(Int32Array.from(numbers).buffer))
          .get(place)
          .op('i32x4.splat', 'i32x4.add')
          .tee(added);
        b.get(at).op('i32x4.splat', 'i32x4.ge_s').get(added).get(end).op('i32x4.splat', 'i32x4.lt_s', 'v128.and');
        b.get(inside).op('v128.and').set(inside);
      }
      // For what stands for zero, and what lies behind the last index, some element of the plane is read.
      b.get(found).get(size).i32(1).op('i32.sub', 'i32x4.splat', 'i32x4.min_u');
      b.i32(Math.log2(bytes)).op('i32x4.shl').set(found);
      for (const [lane, offset] of offsets.entries()) b.get(found).lane('i32x4.extract_lane', lane).set(offset);
      if (wanted === 'weights') {
        b.v128([]).set(totals[k]);
      } else {
        b.get(by).mem('v128.load').set(weights);
        move(by, places, bytes);
      }
      move(from, places, 4);
    }
  };
  /** Pushes the elements of a plane that a tap names. */
  const gather = ({ offsets, inside }: Tap): void => {
    for (const [lane, offset] of offsets.entries()) {
      b.get(plane).get(offset).op('i32.add');
      if (lane === 0) b.mem(single ? 'v128.load32_zero' : 'v128.load64_zero');
      else b.get(found).laneMem(single ? 'v128.load32_lane' : 'v128.load64_lane', lane);
      b.set(found);
    }
    b.get(found).get(inside).op('v128.and');
  };
  /** Adds the lanes to the elements that a tap names, one after the other: they may be the same. */
  const scatter = ({ offsets, inside, by: weights }: Tap): void => {
    b.get(sum).get(weights).op(mul).get(inside).op('v128.and').set(added);
    for (const [lane, offset] of offsets.entries()) {
      b.get(plane).get(offset).op('i32.add').tee(target);
      b.get(target).mem(single ? 'f32.load' : 'f64.load');
      b.get(added).lane(single ? 'f32x4.extract_lane' : 'f64x2.extract_lane', lane);
      b.op(single ? 'f32.add' : 'f64.add').mem(single ? 'f32.store' : 'f64.store');
    }
  };
  const store = (value: Local, to: Local): void => {
    b.get(places).i32(count).op('i32.ge_u');
    b.if(
      () => b.get(to).get(value).mem('v128.store'),
      () => storeFirst(b, dtype, compute, 'value', value, places, to),
    );
  };
  b.get(places).i32(bytes).op('i32.mul').set(line);
  b.get(size).i32(bytes).op('i32.mul').set(pitch);
  whilst(
    b,
    () => b.get(at).get(end).op('i32.lt_u'),
    () => {
      // The last vector ends with the last place and makes some again, unless it is the first.
      b.get(at).get(places).i32(count).op('i32.sub').tee(place);
      b.get(at).get(place).op('i32.lt_s', 'select').set(place);
      b.get(place).i32(0).get(place).i32(0).op('i32.gt_s', 'select').set(place);
      move(from, place, 4, index);
      move(by, place, bytes, weight);
      b.v128([]).set(keep);
      const groups = copyOf(b, taps);
      b.get(groups).i32(together).op('i32.div_u').set(groups);
      times(b, groups, () => {
        findTaps();
        b.get(x).set(plane).get(planes).set(left);
        move(row, place, bytes, y);
        times(b, left, () => {
          b.get(row).mem('v128.load').set(sum);
          if (wanted === 'blend') b.get(sum).get(keep).op('v128.and').set(sum);
          for (const [k, tap] of group.entries()) {
            if (wanted === 'planes') scatter(tap);
            else {
              gather(tap);
              if (wanted === 'blend') b.get(tap.by).op(mul).get(sum).op(add).set(sum);
              else b.get(sum).op(mul).get(totals[k]).op(add).set(totals[k]);
            }
          }
          if (wanted === 'blend') store(sum, row);
          advance(b, row, line);
          advance(b, plane, pitch);
        });
        if (wanted === 'blend') b.i32x4(-1).set(keep);
        for (const total of totals) {
          store(total, by);
          move(by, places, bytes);
        }
      });
      b.release(groups);
      advance(b, at, count);
    },
  );
  return b;
}

const kernels = new Map<string, WasmFunction>();

function kernelFor(dtype: DType, wanted: Wanted, taps: number): WasmFunction {
  const together = taps % 4 === 0 ? 4 : taps % 2 === 0 ? 2 : 1;
  const key = `${dtype} ${wanted} ${together}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([emitBlend(lanesFor(dtype as 'float32' | 'float64', false), wanted, together)]).blend!;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** Steps of work that one tap of one place takes, by which launches are shared. */
const TAP_STEPS = 4;
/** Planes for which taps are found once: of more the lines that are gone through crowd each other out. */
const PLANES = 8;
/** Places of a task where sums are over planes: whole vectors. */
const PLACES = 256;

/** Runs kernels for some planes or places at a time. */
function run(wanted: Wanted, y: Strided, x: Strided, index: Strided, weight: Strided): void {
  const [images, channels, size] = x.shape;
  const [, taps, places] = index.shape;
  const { bytes } = dtypeInfo(x.dtype);
  const kernel = kernelFor(x.dtype, wanted, taps);
  beginLaunchBeside();
  const [to, from, named, by] = [y, x, index, weight].map(startOf);
  const byPlaces = wanted === 'weights';
  const all = byPlaces ? places : channels;
  const each = byPlaces ? PLACES : PLANES;
  const parts = Math.ceil(all / each);
  deal(TAP_STEPS * taps * numel(y.shape), images * parts, (call, first, end) => {
    for (let unit = first; unit < end; unit++) {
      const image = Math.floor(unit / parts);
      const at = (unit % parts) * each;
      const stop = Math.min(all, at + each);
      const plane = image * channels + (byPlaces ? 0 : at);
      const planes = byPlaces ? channels : stop - at;
      const before = image * taps * places;
      const starts = [to + plane * places * bytes, from + plane * size * bytes, planes, size];
      const range = byPlaces ? [at, stop] : [0, places];
      call(kernel, ...starts, named + 4 * before, by + bytes * before, taps, places, ...range);
    }
  });
}

/**
 * y[n, c, p] = Σₖ weight[n, k, p] x[n, c, index[n, k, p]], in the order of k: zero for an index below 0, while one
 * beyond a plane means its last element. All are contiguous and, but for the index, of one dtype, float32 or
 * float64; planes are not empty.
 */
export function blend(y: Strided, x: Strided, index: Strided, weight: Strided): void {
  run('blend', y, x, index, weight);
}

/** x[n, c, index[n, k, p]] += weight[n, k, p] g[n, c, p], vectors of places after each other, in each the taps in the order of k. */
export function blendPlanes(x: Strided, g: Strided, index: Strided, weight: Strided): void {
  run('planes', g, x, index, weight);
}

/** weight[n, k, p] = Σ_c g[n, c, p] x[n, c, index[n, k, p]], in the order of c. */
export function blendWeights(weight: Strided, g: Strided, x: Strided, index: Strided): void {
  run('weights', g, x, index, weight);
}
