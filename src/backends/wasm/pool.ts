/**
 * Maxima over windows, in up to three dimensions, and where they are. Of equal elements the first
 * counts; a NaN is larger than anything, and of several the last counts: as in PyTorch.
 */
import { type DType, dtypeInfo } from '../../core/dtype.ts';
import { numel } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';
import { beginLaunchBeside, scratch } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { parameterWords } from './linear-memory.ts';
import type { WasmFunction } from './module.ts';
import { HEAD, LANES, poolKernel, RANK, type Usual, type Walk } from './pool-code.ts';
import { deal } from './threads/share.ts';

/** The windows of one dimension: for each output where its window begins and of how many elements it is, `step` apart. */
export interface Reach {
  readonly size: number;
  readonly start: readonly number[];
  readonly count: readonly number[];
  readonly step: number;
}

/** Windows of up to so many elements that are whole are walked without loops. */
const UNROLLED = 16;

/** The windows that most are like, if they are small. */
function usualOf(reach: readonly Reach[]): Usual | null {
  const sizes = reach.map(({ count }) => count[count.length >> 1] ?? 0);
  const elements = sizes.reduce((p, n) => p * n, 1);
  return elements >= 1 && elements <= UNROLLED ? { sizes, dense: reach.at(-1)?.step === 1 } : null;
}

/** Windows along a dimension that are alike and begin equally far apart: the first one, and how many there are. */
interface Alike {
  readonly before: number;
  readonly groups: number;
  readonly rest: number;
  readonly apart: number;
}

function alike({ start, count }: Reach): Alike {
  const usual = count[count.length >> 1];
  const before = count.findIndex((n, o) => n === usual && count[o + 1] === usual);
  if (before < 0) return { before: 0, groups: 0, rest: 0, apart: 0 };
  const apart = start[before + 1]! - start[before]!;
  let end = before + 1;
  while (end < start.length && count[end] === usual && start[end]! - start[end - 1]! === apart) end++;
  return { before, groups: Math.floor((end - before) / LANES), rest: (end - before) % LANES, apart };
}

const SINGLE: Reach = { size: 1, start: [0], count: [1], step: 1 };

/** A pooling of planes of one dtype: its kernel, the record that reads, and how many elements go in and come out. */
interface Plan {
  readonly dtype: DType;
  readonly kernel: WasmFunction;
  readonly record: Int32Array;
  readonly plane: number;
  readonly outputs: number;
  /** Elements of the largest window. */
  readonly window: number;
}

/** By the windows, which are listed once for poolings that are often the same. */
const plans = new WeakMap<readonly Reach[], Plan>();

function planOf(op: string, dtype: DType, reach: readonly Reach[]): Plan {
  const known = plans.get(reach);
  if (known?.dtype === dtype) return known;
  const { bytes } = dtypeInfo(dtype);
  const { before, groups, rest, apart } = alike(reach.at(-1) ?? SINGLE);
  const together = dtype === 'float32' && groups > 0;
  const walk: Walk = !together ? 'single' : apart === 1 ? 'adjacent' : apart === 2 ? 'alternate' : 'apart';
  const all = [...new Array<Reach>(RANK - reach.length).fill(SINGLE), ...reach];
  const head: number[] = [];
  const tables: number[] = [];
  for (const [d, { start, count, step }] of all.entries()) {
    const elementBytes = all.slice(d + 1).reduce((p, { size }) => p * size, bytes);
    head.push(4 * (HEAD + tables.length), start.length, step * elementBytes);
    start.forEach((s, o) => void tables.push(s * elementBytes, count[o]!));
  }
  const plan: Plan = {
    dtype,
    kernel: poolKernel(op, dtype, walk, together ? usualOf(all) : null),
    record: Int32Array.of(...head, before, groups, rest, apart * bytes, ...tables),
    plane: reach.reduce((p, { size }) => p * size, 1),
    outputs: reach.reduce((p, { start }) => p * start.length, 1),
    window: reach.reduce((p, { count }) => p * Math.max(...count), 1),
  };
  plans.set(reach, plan);
  return plan;
}

/**
 * The maxima of windows over the last dimensions of `x`, which is contiguous like the results:
 * `indices` (int32) are places in the plane of these dimensions. No window is empty.
 */
export function maxPool(op: string, values: Strided, indices: Strided, x: Strided, reach: readonly Reach[]): void {
  const { kernel, record, plane, outputs, window } = planOf(op, x.dtype, reach);
  beginLaunchBeside();
  const { bytes } = dtypeInfo(x.dtype);
  const [to, places, from] = [startOf(values), startOf(indices), startOf(x)];
  if (outputs === 0) return;
  const planes = numel(indices.shape) / outputs;
  if (planes === 0) return;
  const at = scratch(record.byteLength);
  parameterWords().set(record, at >>> 2);
  deal(4 * planes * outputs * window, planes, (run, p, end) => {
    const [v, i, f] = [to + p * outputs * bytes, places + p * outputs * 4, from + p * plane * bytes];
    run(kernel, at, v, i, f, end - p, plane * bytes);
  });
}
