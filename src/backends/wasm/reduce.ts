/**
 * Reductions: every element is mapped, and the mapped elements are folded along some dimensions.
 *
 * The order in which elements are combined depends on the shape and on which loop runs along memory,
 * never on how the work is shared: a long fold is cut in parts of fixed length, each part gives a
 * state of its own, and states are merged in the order of the parts.
 */
import { dtypeInfo } from '../../core/dtype.ts';
import { isContiguous, numel, sameShape } from '../../core/shape.ts';
import type { Strided } from '../../kernels/strided.ts';
import { address, beginLaunchBeside, scratch } from './heap.ts';
import { startOf } from './indexing/nest.ts';
import { parameterWords } from './linear-memory.ts';
import { Walk } from './loops.ts';
import { Recent } from './recent.ts';
import { Calls } from './reduce/calls.ts';
import { TILE_BYTES } from './reduce/fold.ts';
import { FoldKernels, type ReduceSpec } from './reduce/kernels.ts';
import { ABREAST_ELEMENTS, PART_ELEMENTS, wholeRow } from './reduce/parts.ts';
import { planReduction } from './reduce/plan.ts';
import { HEAD } from './reduce/reader.ts';
import { type Planned, Run } from './reduce/run.ts';
import { Terms } from './reduce/terms.ts';
import { fusing } from './relaxed.ts';
import { joinWorkers } from './threads/pending.ts';
import { canShare } from './threads/pool.ts';
import { isBusy } from './threads/queue.ts';

export type { Fold } from './reduce/fold.ts';
export type { ReduceSpec } from './reduce/kernels.ts';

/** Columns from which on memory gives most when every row is read from its beginning to its end. */
const WIDE_ROW = 2 ** 7;
/** Rows so many bytes apart, or a multiple of it, share few places of the first-level cache, and crowd each other out where several tensors are read. */
const SAME_PLACE = 2 ** 12;
const MOST_TOGETHER = 3;
/** Rows that are folded several at once: elements of one at most, and how many there must be. */
const SHORT_ROW = 2 ** 10;
const FEWEST_ROWS = 4;

/** Elements from which on the work is shared between threads. */
const SHARED_ELEMENTS = 2 ** 17;
/** Groups of outputs, each with calls of its own, that are noted for the queue at most. */
const MOST_NOTED = 16;

export class ReduceKernel {
  readonly #kernels: FoldKernels;
  readonly #terms: Terms;
  /** Plans with kernels without fused multiply-adds, and with them. */
  readonly #plans = [new Recent<Planned | null>(), new Recent<Planned | null>()] as const;

  /** What makes calls at once. */
  readonly #alone: Calls;

  constructor(spec: ReduceSpec) {
    this.#kernels = new FoldKernels(spec);
    this.#terms = new Terms(spec);
    this.#alone = new Calls(this.#kernels.paramBytes, false);
  }

  #calls(notes: boolean): Calls {
    if (notes) return new Calls(this.#kernels.paramBytes, true);
    this.#alone.begin();
    return this.#alone;
  }

  /**
   * out ← post(fold(pre(ins))), folded over `axes` of `inShape`, to which the inputs broadcast. `out`
   * is contiguous, row-major over the dimensions that are kept. An empty max, min, argmax or argmin has
   * no meaning and is the caller's to refuse. `values`, laid out as `out`, receives what is at the places that
   * these two find.
   */
  run(
    out: Strided,
    ins: readonly (Strided | number)[],
    inShape: readonly number[],
    axes: readonly number[],
    postScalars: readonly number[] = [],
    values?: Strided,
  ): void {
    beginLaunchBeside();
    const outs = values === undefined ? [out] : [out, values];
    // Whatever else needs room, they stay where they are.
    for (const t of outs) address(t.storage);
    const [only] = ins;
    if (ins.length === 1 && typeof only !== 'number' && axes.length === inShape.length) {
      const n = numel(inShape);
      const flat = sameShape(only.shape, inShape) && isContiguous(inShape, only.strides);
      if (flat && n > 0 && n < 2 * PART_ELEMENTS) {
        const calls = this.#calls(isBusy());
        this.#runFlat(outs, only, n, postScalars, calls);
        calls.leave(n);
        return;
      }
    }
    if (this.#terms.run(out, ins, inShape, axes, postScalars)) return;
    const scalars: number[] = [];
    const tensors: Strided[] = [];
    for (let i = 0; i < ins.length; i++) {
      const x = ins[i];
      if (typeof x === 'number') scalars.push(x);
      else tensors.push(x);
    }
    const plans = this.#plans[fusing() ? 1 : 0];
    const planned = plans.get(tensors, inShape, axes, () => this.#plan(tensors, inShape, axes));
    if (planned === null) return;
    const n = numel(inShape);
    const shares = n >= SHARED_ELEMENTS && canShare(n);
    const notes = shares || isBusy();
    const calls = this.#calls(notes);
    const run = new Run(this.#kernels, planned, outs, tensors, scalars, postScalars, calls);
    if (shares) run.shared();
    else {
      if (notes && run.calls > MOST_NOTED) {
        joinWorkers();
        calls.atOnce();
      }
      run.all();
    }
    calls.leave(n);
  }

  #plan(tensors: readonly Strided[], inShape: readonly number[], axes: readonly number[]): Planned | null {
    const kernels = this.#kernels;
    const plan = planReduction(tensors, inShape, axes, kernels.code.lanes, kernels.ordered);
    if (plan === null) return null;
    const operands = tensors.length + 1;
    const { kind, access } = plan;
    const fast = kernels.readsFast && !access.includes('strided');
    const abreast = fast && kind === 'rows' && plan.inner.size >= ABREAST_ELEMENTS;
    const simple = fast && tensors.length === 1 && access[0] === 'unit';
    const crowded =
      fast &&
      tensors.length <= MOST_TOGETHER &&
      access.every((a) => a === 'unit') &&
      tensors.some(
        (t, i) => (plan.inner.steps[i] * dtypeInfo(t.dtype).bytes) % SAME_PLACE === 0 && plan.inner.steps[i] !== 0,
      );
    const across = kind === 'columns' && plan.outputs.size >= WIDE_ROW && plan.inner.size > 1;
    const wide = across && (simple || crowded);
    const short =
      simple &&
      kind === 'rows' &&
      plan.outputs.size >= FEWEST_ROWS &&
      plan.inner.size <= SHORT_ROW * kernels.code.lanes;
    return {
      ...plan,
      fold: kernels.fold(abreast ? 'abreast' : wide ? 'wide' : short ? 'short' : kind, access),
      abreast,
      keptWalk: new Walk(plan.keptAround, operands),
      foldWalk: new Walk(plan.foldAround, operands),
    };
  }

  /** Everything of one contiguous tensor in one part: no plan to make. */
  #runFlat(outs: readonly Strided[], input: Strided, n: number, postScalars: readonly number[], calls: Calls): void {
    const kernels = this.#kernels;
    const { bytes } = dtypeInfo(input.dtype);
    const from = startOf(input);
    const params = calls.block();
    const state = scratch(TILE_BYTES);
    const words = parameterWords();
    const w = params >>> 2;
    words[w + HEAD.state] = state;
    words[w + HEAD.batches] = 1;
    words[w + HEAD.outputs] = 1;
    words[w + HEAD.outer] = 1;
    words[w + HEAD.base] = 0;
    words[w + HEAD.baseStep] = 0;
    const abreast = n >= ABREAST_ELEMENTS && kernels.readsFast;
    const { innerTurns, far, rest } = wholeRow(n, abreast);
    words[w + HEAD.inner] = innerTurns;
    words[w + HEAD.far] = far;
    words[w + HEAD.rest] = rest;
    words[w + HEAD.words] = from;
    // Along the one dimension there is.
    words[w + HEAD.words + 4] = bytes;
    calls.call(kernels.row(abreast ? 'abreast' : 'rows'), params);
    kernels.finish(calls, state, { batches: 1, outputs: 1, first: 0, batchStep: 0, step: 0 }, outs, postScalars);
  }
}
