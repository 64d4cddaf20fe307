import { free, readBytes, type Storage, writeBytes } from '../backends/wasm/heap.ts';
import { type DType, dtypeInfo } from '../core/dtype.ts';
import { AutogradError } from '../core/errors.ts';
import { alias, fresh, type TensorBase } from '../core/tensor.ts';
import { contiguous } from '../ops/copy.ts';
import { fromHalf, toHalf } from './half.ts';
import { type Guard, hold } from './hold.ts';
import { enterHooks, type SavedTensorHooks } from './saved-hooks.ts';

/** Bytes in a form that takes no device memory; the call gives them back. */
type Keep = (bytes: Uint8Array<ArrayBuffer>, dtype: DType) => () => Uint8Array;

/** A tensor without its values. */
interface Layout {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

type Kept =
  | { readonly layout: Layout; readonly bytes: () => Uint8Array }
  /** A parameter, or a view of one: it lives anyway. */
  | { readonly alive: TensorBase; readonly version: number };

function isParameter(t: TensorBase): boolean {
  const source = t.meta?.base ?? t;
  return source.tracked && source.node === null;
}

/** Hooks that keep values as `keep` says. What several operations save is kept once. */
class Keeper implements SavedTensorHooks {
  readonly temporary = true;
  readonly #keep: Keep;
  /** What was kept of whole storages, while the hooks are in force. */
  #whole: WeakMap<Storage, { readonly version: number; readonly bytes: () => Uint8Array }> | null = new WeakMap();

  constructor(keep: Keep) {
    this.#keep = keep;
  }

  pack(t: TensorBase): Kept {
    const { storage, dtype, shape } = t;
    if (isParameter(t)) return { alive: t, version: storage.version };
    const size = dtypeInfo(dtype).bytes;
    if (storage.nbytes <= t.count * size) {
      const { strides, offset } = t;
      return { layout: { dtype, shape, strides, offset }, bytes: this.#wholeOf(storage, dtype) };
    }
    const flat = contiguous(t);
    const bytes = readBytes(flat.storage, flat.offset * size, flat.count * size);
    if (flat !== t) free(flat.storage);
    return { layout: { dtype, shape, strides: flat.strides, offset: 0 }, bytes: this.#keep(bytes, dtype) };
  }

  #wholeOf(storage: Storage, dtype: DType): () => Uint8Array {
    const known = this.#whole?.get(storage);
    if (known?.version === storage.version) return known.bytes;
    const bytes = this.#keep(readBytes(storage, 0, storage.nbytes), dtype);
    this.#whole?.set(storage, { version: storage.version, bytes });
    return bytes;
  }

  unpack(packed: unknown): TensorBase {
    const kept = packed as Kept;
    if ('alive' in kept) {
      if (kept.alive.storage.version !== kept.version) {
        throw new AutogradError(
          `one of the variables needed for gradient computation has been modified by an inplace operation: a parameter of shape [${kept.alive.shape.join(', ')}] is at version ${kept.alive.storage.version}; expected version ${kept.version} instead. Change parameters after backward.`,
        );
      }
      return kept.alive;
    }
    const { dtype, shape, strides, offset } = kept.layout;
    const bytes = kept.bytes();
    const all = fresh([bytes.byteLength / dtypeInfo(dtype).bytes], dtype);
    writeBytes(all.storage, 0, bytes);
    return alias(all, shape, strides, offset);
  }

  /** The hooks are no longer in force. */
  leave(): void {
    this.#whole = null;
  }
}

function keeping(name: string, keep: Keep, body: (() => unknown) | undefined): unknown {
  return hold(
    name,
    () => {
      const keeper = new Keeper(keep);
      const leave = enterHooks(keeper);
      return () => {
        leave();
        keeper.leave();
      };
    },
    body,
  );
}

/**
 * What operations save while `body` runs (or to the end of the block, with `using`) is kept in ordinary
 * `ArrayBuffer`s on the JavaScript heap, and takes room in the memory of the kernels, which is 4 GiB at
 * most, only while backward works with it. Parameters (leaves that require grad) stay where they are.
 */
export function saveOnCpu(): Guard;
export function saveOnCpu<R>(body: () => R): R;
export function saveOnCpu(body?: () => unknown): unknown {
  return keeping('saveOnCpu', (bytes) => () => bytes, body);
}

/**
 * Like `saveOnCpu`, with floating point values rounded to half precision, which takes half the room of
 * float32. Gradients are then those at the rounded values: good to about three digits. A tensor with
 * a finite value beyond 65504, the largest in half precision, is kept as it is.
 */
export function saveInHalfPrecision(): Guard;
export function saveInHalfPrecision<R>(body: () => R): R;
export function saveInHalfPrecision(body?: () => unknown): unknown {
  return keeping('saveInHalfPrecision', keepHalf, body);
}

function keepHalf(bytes: Uint8Array<ArrayBuffer>, dtype: DType): () => Uint8Array {
  const Values = dtype === 'float32' ? Float32Array : dtype === 'float64' ? Float64Array : null;
  const bits = Values === null ? null : toHalf(new Values(bytes.buffer));
  if (bits === null || Values === null) return () => bytes;
  return () => {
    const values = new Values(bits.length);
    fromHalf(bits, values);
    return new Uint8Array(values.buffer);
  };
}
