/** What the routines share: modules compiled once per width, and walks over the matrices of a batch. */
import { dtypeInfo } from '../../../core/dtype.ts';
import { DTypeError } from '../../../core/errors.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { address } from '../heap.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { fusing } from '../relaxed.ts';
import { Routines } from './code.ts';
import type { Width } from './values.ts';

/** Rows of a block, of which the rest of a matrix is updated at once. */
export const BLOCK = 32;
/** Rows from which on a library's factorisations and triangular systems are faster. */
export const WORTH_A_CALL = 32;

/** Kernels by width, compiled when a width is first used, with fused multiply-adds and without. */
export function compiled(define: (m: Routines) => void): (t: Strided) => Readonly<Record<string, WasmFunction>> {
  const modules: Partial<Record<`${Width} ${boolean}`, Readonly<Record<string, WasmFunction>>>> = {};
  return (t) => {
    const width = widthOf(t);
    const kind = `${width} ${fusing()}` as const;
    let kernels = modules[kind];
    if (kernels === undefined) {
      const m = new Routines(width);
      define(m);
      kernels = instantiate(m.functions);
      modules[kind] = kernels;
    }
    return kernels;
  };
}

/** Defines `largest`: `(count, x)` gives the largest magnitude, or NaN if there is one. */
export function defineLargest(m: Routines): void {
  m.define(
    'largest',
    ['int', 'int'],
    (r, n, x) => {
      const found = r.float(0);
      r.for(0, n, (i) => found.set(found.max(r.element(x, i).abs())));
      r.result(found);
    },
    'float',
  );
}

/** From here to its inverse is the middle of the range of numbers. */
const SMALL = 2 ** -100;

/**
 * What brings a matrix to the middle of the range of numbers, so that squares neither overflow nor
 * vanish: a power of two, so that nothing is rounded.
 */
export function scaleFor(largest: number): number {
  if (largest > SMALL && largest < 1 / SMALL) return 1;
  return 2 ** Math.min(1000, largest === 0 ? 0 : -Math.floor(Math.log2(largest)));
}

function widthOf(t: Strided): Width {
  const { compute } = dtypeInfo(t.dtype);
  if (compute === 'i32') throw new DTypeError(`linear algebra is not implemented for '${t.dtype}'`);
  return compute;
}

/** How many items of rank `rank` a contiguous tensor holds, where the first one is, and how far apart they are in bytes. */
export class Items {
  readonly count: number;
  readonly start: number;
  readonly step: number;

  constructor(t: Strided, rank: number) {
    const batch = t.shape.length - rank;
    const size = (sizes: readonly number[]): number => sizes.reduce((p, n) => p * n, 1);
    const { bytes } = dtypeInfo(t.dtype);
    this.count = size(t.shape.slice(0, batch));
    this.start = address(t.storage) + t.offset * bytes;
    this.step = size(t.shape.slice(batch)) * bytes;
  }

  at(i: number): number {
    return this.start + i * this.step;
  }
}

/** Places for what a routine keeps beside its operands, one behind the other. */
export class Rooms {
  size = 0;

  /** Where in the room so many bytes lie. */
  add(bytes: number): number {
    const at = this.size;
    this.size += Math.ceil(bytes / 64) * 64;
    return at;
  }
}
