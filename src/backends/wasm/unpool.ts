/**
 * The adjoint of picking elements of planes: every plane is cleared and added to while it is in the cache,
 * so that memory is passed over once.
 */
import { byDType, dtypeInfo } from '../../core/dtype.ts';
import { DTypeError, IndexError } from '../../core/errors.ts';
import { numel, type Shape } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';
import { advance, copyOf, times, timesOrNever } from './control.ts';
import { FunctionBody, type Locals } from './encoder.ts';
import { beginLaunchBeside, i32, scratch } from './heap.ts';
import { emitRun, startOf } from './indexing/nest.ts';
import { parameterWords } from './linear-memory.ts';
import { instantiate } from './module.ts';
import { inTasks, shareOf, tasksFor } from './threads/share.ts';

const ADD = {
  float32: { load: 'f32.load', add: 'f32.add', store: 'f32.store' },
  float64: { load: 'f64.load', add: 'f64.add', store: 'f64.store' },
} as const;

const kernelFor = byDType((dtype) => {
  if (dtype !== 'float32' && dtype !== 'float64')
    throw new DTypeError(`maxUnpool: not implemented for '${dtype}'; convert with .to('float32')`);
  return instantiate([emitUnpool(dtype)]).unpool!;
});

/**
 * `(y, x, index, planes, places, elements, bad)`: of each plane of so many `places` y[k] = Σ x[i] over its elements with
 * index[i] = k. An index that is no place sets the word `bad`.
 */
function emitUnpool(dtype: 'float32' | 'float64'): FunctionBody {
  const b = new FunctionBody('unpool', new Array(7).fill('i32'), []);
  const [y, x, index, planes, places, elements, bad] = b.params as Locals<7>;
  const { bytes } = dtypeInfo(dtype);
  const { load, add, store } = ADD[dtype];
  const to = b.local('i32');
  const at = b.local('i32');
  timesOrNever(b, planes, () => {
    b.get(y).set(to);
    emitRun(
      b,
      places,
      [to],
      bytes,
      () => void b.get(to).v128([]).mem('v128.store'),
      () => (bytes === 8 ? b.get(to).f64(0).mem('f64.store') : b.get(to).f32(0).mem('f32.store')),
    );
    const left = copyOf(b, elements);
    times(b, left, () => {
      b.get(index).mem('i32.load').tee(at).get(places).op('i32.lt_u');
      b.if(
        () => {
          b.get(y).get(at).i32(Math.log2(bytes)).op('i32.shl', 'i32.add').tee(at);
          b.get(at).mem(load).get(x).mem(load).op(add).mem(store);
        },
        () => void b.get(bad).i32(1).mem('i32.store'),
      );
      advance(b, index, 4);
      advance(b, x, bytes);
    });
    b.release(left);
    b.get(places).i32(bytes).op('i32.mul').get(y).op('i32.add').set(y);
  });
  return b;
}

/**
 * `y[…, k] = Σ x[…, i]` over the elements i of a plane, which are the last `dims` dimensions, with index[…, i] = k.
 * All three are contiguous; y is of the same dtype as x, float32 or float64.
 *
 * @throws {IndexError} if an index is no place of a plane.
 */
export function unpoolAdding(y: Strided, x: Strided, index: Strided, dims: number): void {
  const kernel = kernelFor(y.dtype);
  const { bytes } = dtypeInfo(y.dtype);
  const count = (shape: Shape): number => numel(shape.slice(shape.length - dims));
  const [places, elements] = [count(y.shape), count(x.shape)];
  const planes = numel(y.shape.slice(0, y.shape.length - dims));
  beginLaunchBeside();
  const [to, from, at] = [startOf(y), startOf(x), startOf(index)];
  const bad = scratch(4);
  parameterWords()[bad >>> 2] = 0;
  const tasks = tasksFor(planes * (places + 8 * elements), planes);
  inTasks(tasks, (t, run) => {
    const [first, end] = shareOf(t, tasks, planes);
    const [plane, several] = [first * elements, end - first];
    run(kernel, to + first * places * bytes, from + plane * bytes, at + 4 * plane, several, places, elements, bad);
  });
  if (i32()[bad >>> 2] !== 0)
    throw new IndexError(`maxUnpool: an index is out of range for planes of ${places} places`);
}
