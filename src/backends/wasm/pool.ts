/**
 * Maxima over windows, in up to three dimensions, and where they are. Of equal elements the first
 * counts; a NaN is larger than anything, and of several the last counts: as in PyTorch.
 */
import { type DType, dtypeInfo } from '../../core/dtype.ts';
import { DTypeError } from '../../core/errors.ts';
import type { Strided } from '../../kernels/strided.ts';
import { advance, copyOf, times } from './control.ts';
import { FunctionBody, type Local, type MemoryOp, type PlainOp } from './encoder.ts';
import { beginLaunch, i32, scratch } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { instantiate, type WasmFunction } from './module.ts';

/** The windows of one dimension: for each output where its window begins and of how many elements it is, `step` apart. */
export interface Reach {
  readonly size: number;
  readonly start: readonly number[];
  readonly count: readonly number[];
  readonly step: number;
}

interface Element {
  readonly type: 'i32' | 'f32' | 'f64';
  readonly load: MemoryOp;
  readonly store: MemoryOp;
  readonly greater: PlainOp;
  readonly differs: PlainOp | null;
}

const float = (type: 'f32' | 'f64'): Element => ({
  type,
  load: `${type}.load`,
  store: `${type}.store`,
  greater: `${type}.gt`,
  differs: `${type}.ne`,
});

const ELEMENTS: Readonly<Record<DType, Element | null>> = {
  bool: null,
  uint8: { type: 'i32', load: 'i32.load8_u', store: 'i32.store8', greater: 'i32.gt_s', differs: null },
  int32: { type: 'i32', load: 'i32.load', store: 'i32.store', greater: 'i32.gt_s', differs: null },
  float32: float('f32'),
  float64: float('f64'),
};

const RANK = 3;
const kernels = new Map<DType, WasmFunction>();

function kernelFor(op: string, dtype: DType): WasmFunction {
  let kernel = kernels.get(dtype);
  if (kernel === undefined) {
    const element = ELEMENTS[dtype];
    if (element === null) throw new DTypeError(`${op}: not implemented for '${dtype}'; convert with .to('uint8')`);
    kernel = instantiate([emitMax(element, dtypeInfo(dtype).bytes)]).max!;
    kernels.set(dtype, kernel);
  }
  return kernel;
}

/**
 * `(values, indices, x, planes, planeBytes, (table, outputs, step) for each dimension)`: tables hold
 * the byte offset of a window's first element and the number of its elements, steps are in bytes.
 */
function emitMax(element: Element, bytes: number): FunctionBody {
  const b = new FunctionBody('max', new Array(5 + 3 * RANK).fill('i32'), []);
  const [values, indices, x, planes, planeBytes, ...dims] = b.params as [Local, Local, Local, Local, Local, ...Local[]];
  const best = b.local(element.type);
  const where = b.local('i32');
  const value = b.local(element.type);
  const larger = b.local('i32');

  const take = (place: Local): void => {
    b.get(place).mem(element.load).set(value);
    b.get(value).get(best).op(element.greater);
    if (element.differs !== null) b.get(value).get(value).op(element.differs, 'i32.or');
    b.set(larger);
    // Which element is the largest cannot be predicted: no branches.
    b.get(value).get(best).get(larger).op('select').set(best);
    b.get(place).get(where).get(larger).op('select').set(where);
  };
  /** Walks a window from `at` on; `counts` are the elements along each dimension. */
  const window = (at: Local, counts: readonly Local[], d: number): void => {
    if (d === RANK) {
      take(at);
      return;
    }
    const place = copyOf(b, at);
    const left = copyOf(b, counts[d]!);
    times(b, left, () => {
      window(place, counts, d + 1);
      advance(b, place, dims[3 * d + 2]!);
    });
    b.release(place, left);
  };
  const outputs = (at: Local, counts: readonly Local[], d: number): void => {
    if (d === RANK) {
      b.get(at).tee(where).mem(element.load).set(best);
      window(at, counts, 0);
      b.get(values).get(best).mem(element.store);
      advance(b, values, bytes);
      b.get(indices);
      b.get(where).get(x).op('i32.sub').i32(Math.log2(bytes)).op('i32.shr_u');
      b.mem('i32.store');
      advance(b, indices, 4);
      return;
    }
    const table = copyOf(b, dims[3 * d]!);
    const left = copyOf(b, dims[3 * d + 1]!);
    const place = b.local('i32');
    const count = b.local('i32');
    times(b, left, () => {
      b.get(at).get(table).mem('i32.load').op('i32.add').set(place);
      b.get(table).mem('i32.load', 4).set(count);
      outputs(place, [...counts, count], d + 1);
      advance(b, table, 8);
    });
    b.release(table, left, place, count);
  };
  times(b, planes, () => {
    outputs(x, [], 0);
    advance(b, x, planeBytes);
  });
  return b;
}

/**
 * The maxima of windows over the last dimensions of `x`, which is contiguous like the results:
 * `indices` (int32) are places in the plane of these dimensions. No window is empty.
 */
export function maxPool(op: string, values: Strided, indices: Strided, x: Strided, reach: readonly Reach[]): void {
  const kernel = kernelFor(op, x.dtype);
  const { bytes } = dtypeInfo(x.dtype);
  beginLaunch();
  const plane = reach.reduce((p, { size }) => p * size, 1);
  const planes = x.shape.slice(0, x.shape.length - reach.length).reduce((p, n) => p * n, 1);
  const [to, at, from] = [startOf(values), startOf(indices), startOf(x)];
  if (planes === 0 || reach.some(({ start }) => start.length === 0)) return;
  const all = [...new Array<Reach>(RANK - reach.length).fill(SINGLE), ...reach];
  const words = all.map((dim, d) => {
    const step = all.slice(d + 1).reduce((p, { size }) => p * size, bytes);
    return [tableOf(dim, step), dim.start.length, dim.step * step];
  });
  kernel(to, at, from, planes, plane * bytes, ...words.flat());
}

const SINGLE: Reach = { size: 1, start: [0], count: [1], step: 1 };

function tableOf({ start, count }: Reach, step: number): number {
  const at = scratch(8 * start.length);
  const words = i32();
  start.forEach((s, o) => {
    words[(at >>> 2) + 2 * o] = s * step;
    words[(at >>> 2) + 2 * o + 1] = count[o]!;
  });
  return at;
}
