import { clear } from '../backends/wasm/clear.ts';
import { address, beginLaunch, beginLaunchBeside, f32 } from '../backends/wasm/heap.ts';
import { FEW, MapKernel } from '../backends/wasm/map.ts';
import { isBusy } from '../backends/wasm/threads/queue.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import type { Shape } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';

/** A new tensor with one number everywhere. */
export function filled(shape: Shape, value: number, dtype: DType): TensorBase {
  const out = fresh(shape, dtype);
  if (out.count === 0) return out;
  if (Object.is(value, 0)) {
    beginLaunchBeside();
    clear(address(out.storage), out.storage.nbytes);
  } else if (out.count > FEW || isBusy()) fillKernel(dtype).runFlat(out.count, [out], [value], 0);
  else {
    beginLaunch();
    const at = address(out.storage);
    // The seed of nearly every pass, which no kernel need be made for.
    if (dtype === 'float32' && out.count === 1) f32()[at / 4] = value;
    else fillKernel(dtype).flat(0)(out.count, at, value);
  }
  return out;
}

/** By the index of the dtype. */
const fillKernels: (MapKernel | undefined)[] = [];

/** Writes a number everywhere. */
export function fillKernel(dtype: DType): MapKernel {
  const { index } = dtypeInfo(dtype);
  let kernel = fillKernels[index];
  if (kernel === undefined) {
    const compute = dtype === 'float32' ? 'f32' : dtype === 'float64' ? 'f64' : 'i32';
    kernel = new MapKernel(
      { name: 'fill', args: ['value'], outs: [{ op: 'arg', sort: 'value', index: 0 }] },
      compute,
      ['scalar'],
      [dtype],
    );
    fillKernels[index] = kernel;
  }
  return kernel;
}
