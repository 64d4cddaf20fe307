/** One reduction under way: which outputs and which parts of their folds every call of a kernel takes. */
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { scratch } from '../heap.ts';
import { startOf } from '../indexing/nest.ts';
import { parameterWords } from '../linear-memory.ts';
import type { Walk } from '../loops.ts';
import type { WasmFunction } from '../module.ts';
import { joinWorkers } from '../threads/pending.ts';
import { tasksWanted } from '../threads/share.ts';
import { Bundle } from './bundle.ts';
import type { Calls } from './calls.ts';
import { TILE_BYTES } from './fold.ts';
import type { FoldKernels, Outputs } from './kernels.ts';
import { eachPart, type Part } from './parts.ts';
import type { ReductionPlan } from './plan.ts';
import { HEAD, INPUT_WORDS, SCALAR_WORDS } from './reader.ts';
import { tileOf } from './state.ts';

/** A plan, the kernel it calls for, and the walks around it, which are always at their start between runs. */
export interface Planned extends ReductionPlan {
  readonly fold: WasmFunction;
  /** Whether it folds two runs side by side. */
  readonly abreast: boolean;
  readonly keptWalk: Walk;
  readonly foldWalk: Walk;
}

/** Outputs of one call: some turns of the loop of batches, and in each of them outputs from one on. */
interface Group {
  /** Where the loops around are. */
  readonly places: readonly number[];
  readonly batch: number;
  readonly batches: number;
  readonly first: number;
  readonly outputs: number;
}

/** Equal parts that one of the threads folds one after the other, at most. */
const PARTS_OF_TASK = 4;
/**
 * Outputs that threads fold are a multiple of this: whole vectors, and whole lines of the cache where vectors
 * run across the fold and so read neighbours of each output.
 */
const TILE_UNIT = { rows: 4, columns: 64 } as const;

export class Run {
  readonly #kernels: FoldKernels;
  readonly #plan: Planned;
  readonly #state: number;
  /** Where the states of later parts go before they join the others. */
  readonly #slot: number;
  readonly #calls: Calls;
  /** The most outputs of a call. */
  readonly #tile: number;
  /** Addresses of the inputs' first elements, and how many bytes an element has. */
  readonly #starts: number[] = [];
  readonly #bytes: number[] = [];
  readonly #outs: readonly Strided[];
  readonly #scalars: readonly number[];
  readonly #postScalars: readonly number[];

  constructor(
    kernels: FoldKernels,
    plan: Planned,
    outs: readonly Strided[],
    tensors: readonly Strided[],
    scalars: readonly number[],
    postScalars: readonly number[],
    calls: Calls,
  ) {
    this.#kernels = kernels;
    this.#calls = calls;
    this.#plan = plan;
    for (let i = 0; i < tensors.length; i++) {
      const t = tensors[i];
      const { bytes } = dtypeInfo(t.dtype);
      this.#bytes.push(bytes);
      this.#starts.push(startOf(t));
    }
    this.#outs = outs;
    this.#scalars = scalars;
    this.#postScalars = postScalars;
    this.#tile = tileOf(kernels.code);
    this.#state = scratch(TILE_BYTES);
    this.#slot = scratch(TILE_BYTES);
  }

  /** The batches that a call has room for: the last states of each may reach beyond its outputs. */
  get #mostBatches(): number {
    const { batch, outputs } = this.#plan;
    const room = TILE_UNIT.rows * Math.ceil(outputs.size / TILE_UNIT.rows);
    return Math.max(1, Math.min(batch.size, Math.floor(this.#tile / room)));
  }

  all(): void {
    this.#eachGroup(this.#tile, this.#mostBatches, (group) => {
      let first = true;
      this.#eachPart(group, this.#tile, (part) => {
        const state = first ? this.#state : this.#slot;
        const params = this.#calls.block();
        this.#part(params, group, part, state);
        this.#calls.call(this.#plan.fold, params);
        this.#join(this.#state, state, group, part);
        first = false;
      });
      this.#kernels.finish(this.#calls, this.#state, this.#outputs(group), this.#outs, this.#postScalars);
    });
  }

  /** Groups of outputs that `all` has, and parts of each, that are folded by calls of their own. */
  get calls(): number {
    const { batch, outputs } = this.#plan;
    return this.#countParts() * Math.ceil(batch.size / this.#mostBatches) * Math.ceil(outputs.size / this.#tile);
  }

  #eachGroup(tile: number, batches: number, visit: (group: Group) => void): void {
    const { batch, outputs, keptWalk } = this.#plan;
    const { places } = keptWalk;
    do {
      for (let at = 0; at < batch.size; at += batches) {
        for (let first = 0; first < outputs.size; first += tile)
          visit({
            places,
            batch: at,
            batches: Math.min(batches, batch.size - at),
            first,
            outputs: Math.min(tile, outputs.size - first),
          });
      }
    } while (keptWalk.next());
  }

  /** The parts of the fold of a group; those of a single output up to `together` at a time where they are equal. */
  #eachPart({ batches, outputs }: Group, together: number, visit: (part: Part) => void): void {
    eachPart(this.#plan, this.#plan.foldWalk, this.#plan.abreast, batches * outputs === 1 ? together : 1, visit);
  }

  #outputs({ places, batch: at, batches, first, outputs: count }: Group): Outputs {
    const { batch, outputs } = this.#plan;
    const tensors = this.#starts.length;
    const [batchStep, step] = [batch.steps[tensors], outputs.steps[tensors]];
    return { batches, outputs: count, first: places[tensors] + at * batchStep + first * step, batchStep, step };
  }

  /** The states of a part, or of equal parts side by side, join the states `into`, unless they are these. */
  #join(into: number, own: number, { batches, outputs }: Group, { equal }: Part): void {
    const first = own === into ? 1 : 0;
    const from = own + first * this.#kernels.code.stateBytes;
    if (equal > first) this.#kernels.merge(this.#calls, into, from, batches * outputs, equal - first);
  }

  /**
   * The same on several threads. Every part is a task with parameters and states of its own; when a
   * bundle of them is done, states are merged in order, as one thread would have merged them.
   */
  shared(): void {
    const { batch, outputs, kind } = this.#plan;
    const bundle = new Bundle(this.#calls);
    const parts = this.#countParts();
    const batches = Math.max(1, Math.min(this.#mostBatches, Math.floor((batch.size * parts) / tasksWanted())));
    const tiles = Math.max(1, tasksWanted() / (parts * Math.ceil(batch.size / batches)));
    const unit = TILE_UNIT[kind];
    // A multiple of the unit, so that there are enough tasks for all threads.
    const tile = Math.min(this.#tile, unit * Math.ceil(outputs.size / tiles / unit));
    const together = Math.max(1, Math.min(PARTS_OF_TASK, Math.floor(parts / tasksWanted())));
    this.#eachGroup(tile, batches, (group) => {
      const into = bundle.state();
      let state = into;
      const to = this.#outputs(group);
      this.#eachPart(group, together, (part) => {
        if (bundle.full) {
          bundle.run();
          joinWorkers();
          this.#calls.restart();
        }
        const own = state;
        const params = this.#calls.block();
        this.#part(params, group, part, own);
        bundle.add({ kernel: this.#plan.fold, args: [params] });
        bundle.afterwards(() => {
          this.#join(into, own, group, part);
          if (own !== into) bundle.release(own);
        });
        state = bundle.state();
      });
      bundle.release(state);
      bundle.afterwards(() => {
        this.#kernels.finish(this.#calls, into, to, this.#outs, this.#postScalars);
        bundle.release(into);
      });
    });
    bundle.run();
  }

  /** Parts of all outputs that are folded at a time. */
  #countParts(): number {
    let parts = 0;
    eachPart(this.#plan, this.#plan.foldWalk, this.#plan.abreast, 1, () => {
      parts += 1;
    });
    return this.#plan.keptAround.reduce((count, { size }) => count * size, parts);
  }

  /** Writes the parameters of a part of the fold of a group. */
  #part(params: number, group: Group, part: Part, state: number): void {
    const { batch, outputs, outer, inner } = this.#plan;
    const { places } = group;
    const tensors = this.#starts.length;
    const words = parameterWords();
    const w = params >>> 2;
    words[w + HEAD.state] = state;
    words[w + HEAD.batches] = group.batches;
    // Equal parts of one output are folded as if they were outputs.
    words[w + HEAD.outputs] = group.outputs * part.equal;
    words[w + HEAD.outer] = part.outerTurns;
    words[w + HEAD.inner] = part.innerTurns;
    words[w + HEAD.base] = part.around[tensors] + part.outer * outer.steps[tensors] + part.inner;
    words[w + HEAD.baseStep] = outer.steps[tensors];
    words[w + HEAD.far] = part.far;
    words[w + HEAD.rest] = part.rest;
    this.#kernels.writeScalars(4 * (w + HEAD.words), this.#scalars);
    let v = w + HEAD.words + SCALAR_WORDS * this.#scalars.length;
    for (let i = 0; i < tensors; i++, v += INPUT_WORDS) {
      const bytes = this.#bytes[i];
      const first = places[i] + group.batch * batch.steps[i] + group.first * outputs.steps[i] + part.around[i];
      words[v] = this.#starts[i] + (first + part.outer * outer.steps[i] + part.inner * inner.steps[i]) * bytes;
      words[v + 1] = batch.steps[i] * bytes;
      words[v + 2] = (part.equal > 1 ? part.innerTurns * inner.steps[i] : outputs.steps[i]) * bytes;
      words[v + 3] = outer.steps[i] * bytes;
      words[v + 4] = inner.steps[i] * bytes;
    }
  }
}
