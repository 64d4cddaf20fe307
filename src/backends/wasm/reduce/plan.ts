/**
 * How a reduction runs through memory: which loops a kernel takes, in which direction its vectors
 * lie, and which loops remain around it.
 */
import type { Strided } from '../../../kernels/strided.ts';
import { joinLoops, type Loop, loopsOver, memoryOrder, stridesOver } from '../loops.ts';
import type { Access } from './reader.ts';

/**
 * Steps of every loop are those of the input tensors and one more: of the output for loops over
 * outputs, of the row-major place for loops that fold in order.
 */
export interface ReductionPlan {
  /** Whether vectors run along the inner fold loop or across it, along the outputs. */
  readonly kind: 'rows' | 'columns';
  /** How each tensor runs along the vectorised loop. */
  readonly access: readonly Access[];
  /** The loops of a kernel call, outermost first: two over outputs and two of the fold. */
  readonly batch: Loop;
  readonly outputs: Loop;
  readonly outer: Loop;
  readonly inner: Loop;
  /** Loops over outputs and fold loops that no kernel call covers. */
  readonly keptAround: readonly Loop[];
  readonly foldAround: readonly Loop[];
}

/** Whether every input moves by one element or not at all. */
function regular(loop: Loop, inputs: number): boolean {
  for (let i = 0; i < inputs; i++) if (loop.steps[i] !== 0 && loop.steps[i] !== 1) return false;
  return true;
}

/** The innermost loop along which inputs are contiguous, or -1. */
function contiguousLoop(loops: readonly Loop[], inputs: number, least: number): number {
  return loops.findLastIndex(
    (l) => l.size >= least && regular(l, inputs) && l.steps.indexOf(1) >= 0 && l.steps.indexOf(1) < inputs,
  );
}

/** Row-major strides over some dimensions of a shape, 0 elsewhere. */
function placeStrides(shape: readonly number[], dims: readonly number[]): number[] {
  const strides = shape.map(() => 0);
  let step = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    strides[dims[i]] = step;
    step *= shape[dims[i]];
  }
  return strides;
}

/** Rows shorter than this are folded across, though their vectors have to be gathered. */
const SHORT = 8;
/** The same in vectors for ordered folds, where nobody can guess whether a row's block is better than the one before. */
const SHORT_ORDERED = 6;

/** `null` if there are no outputs. `ordered` folds need their elements in row-major order. */
export function planReduction(
  tensors: readonly Strided[],
  shape: readonly number[],
  axes: readonly number[],
  lanes: number,
  ordered: boolean,
): ReductionPlan | null {
  const inputs = tensors.length;
  const strides = tensors.map((t) => stridesOver(t, shape));
  const dims = shape.map((_, d) => d);
  const keptDims = dims.filter((d) => !axes.includes(d));
  const foldDims = dims.filter((d) => axes.includes(d));
  const still = new Array<number>(inputs + 1).fill(0);
  if (foldDims.some((d) => shape[d] === 0)) {
    // Nothing to fold: the outputs are neutral elements, whatever the layout.
    const size = keptDims.reduce((n, d) => n * shape[d], 1);
    if (size === 0) return null;
    const none = { size: 0, steps: still };
    const outputs = { size, steps: [...still.slice(1), 1] };
    const access = tensors.map((): Access => 'unit');
    return {
      kind: 'rows',
      access,
      batch: { size: 1, steps: still },
      outputs,
      outer: none,
      inner: none,
      keptAround: [],
      foldAround: [],
    };
  }
  if (keptDims.some((d) => shape[d] === 0)) return null;
  const kept = joinLoops(memoryOrder(loopsOver(shape, keptDims, [...strides, placeStrides(shape, keptDims)])));
  const fold = ordered
    ? joinLoops(loopsOver(shape, foldDims, [...strides, placeStrides(shape, foldDims)]))
    : joinLoops(memoryOrder(loopsOver(shape, foldDims, [...strides, shape.map(() => 0)])));
  const one: Loop = { size: 1, steps: still };
  const take = (loops: Loop[], index: number): Loop => (index < 0 ? one : loops.splice(index, 1)[0]);

  /** The longest of the loops that are left costs least per call. */
  const takeLongest = (loops: Loop[]): Loop =>
    take(
      loops,
      loops.reduce((best, loop, i) => (best < 0 || loop.size > loops[best].size ? i : best), -1),
    );
  const across = contiguousLoop(kept, inputs, lanes);
  const along = contiguousLoop(fold, inputs, 2);
  const isAcross = across >= 0 && along < 0;
  const inner = take(fold, isAcross || ordered || along < 0 ? fold.length - 1 : along);
  const outer = take(fold, fold.length - 1);
  const outputs = isAcross ? take(kept, across) : takeLongest(kept);
  const batch = takeLongest(kept);
  const loops = { batch, outputs, outer, inner, keptAround: kept, foldAround: fold };
  const accesses = (loop: Loop, moving: Access): Access[] =>
    tensors.map((_, i) => (loop.steps[i] === 0 ? 'repeat' : moving));
  if (isAcross) return { kind: 'columns', access: accesses(outputs, 'unit'), ...loops };
  if (inner.size < (ordered ? SHORT_ORDERED * lanes : SHORT) && outputs.size >= SHORT * lanes)
    return { kind: 'columns', access: accesses(outputs, 'strided'), ...loops };
  const access = regular(inner, inputs) ? accesses(inner, 'unit') : tensors.map((): Access => 'strided');
  return { kind: 'rows', access, ...loops };
}
