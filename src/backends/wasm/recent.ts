/** Plans that are kept for calls that are often the same, a bounded number of them. */
import { sameShape } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';

/** How many are remembered; a power of two. */
const REMEMBERED = 32;

interface Remembered<T> {
  readonly shape: readonly number[];
  readonly axes: readonly number[];
  readonly shapes: readonly (readonly number[])[];
  readonly strides: readonly (readonly number[])[];
  readonly made: T;
}

/** What was made for recent layouts and settings: to plan takes longer than to compute something small. */
export class Recent<T> {
  readonly #entries = new Array<Remembered<T> | undefined>(REMEMBERED).fill(undefined);

  get(tensors: readonly Strided[], shape: readonly number[], axes: readonly number[], make: () => T): T {
    let hash = mixed(mixed(tensors.length, shape), axes);
    for (let i = 0; i < tensors.length; i++) hash = mixed(hash, tensors[i].strides);
    const place = (hash ^ (hash >>> 15)) & (REMEMBERED - 1);
    const entry = this.#entries[place];
    if (entry !== undefined && fits(entry, tensors, shape, axes)) return entry.made;
    const other = this.#entries[place ^ 1];
    if (other !== undefined && fits(other, tensors, shape, axes)) return other.made;
    const made = make();
    const shapes = tensors.map((t) => t.shape);
    // Two layouts of one place, as often in a model, do not drive each other out.
    if (entry !== undefined) this.#entries[place ^ 1] = entry;
    this.#entries[place] = { shape, axes, shapes, strides: tensors.map((t) => t.strides), made };
    return made;
  }
}

function mixed(hash: number, numbers: readonly number[]): number {
  for (let i = 0; i < numbers.length; i++) hash = Math.imul(hash ^ numbers[i], 0x9e3779b1) + 1;
  return hash ^ (hash >>> 16);
}

function fits(
  entry: Remembered<unknown>,
  tensors: readonly Strided[],
  shape: readonly number[],
  axes: readonly number[],
): boolean {
  if (!sameShape(entry.shape, shape) || !sameShape(entry.axes, axes)) return false;
  for (let i = 0; i < tensors.length; i++) {
    const t = tensors[i];
    if (!sameShape(entry.shapes[i], t.shape) || !sameShape(entry.strides[i], t.strides)) return false;
  }
  return true;
}
