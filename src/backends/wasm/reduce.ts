/**
 * Reductions: every element is mapped, and the mapped elements are folded along some dimensions.
 *
 * The order in which elements are combined depends on the shape and on which loop runs along memory,
 * never on how the work is shared: a long fold is cut in parts of fixed length, each part gives a
 * state of its own, and states are merged in the order of the parts.
 */
import { type Compute, type DType, dtypeInfo } from '../../core/dtype.ts';
import { isContiguous, numel, sameShape } from '../../core/shape.ts';
import { compare, type Expr, select } from '../../kernels/expr.ts';
import type { Strided } from '../../kernels/strided.ts';
import { mathImports, mathProvided } from './emit.ts';
import { address, beginLaunch, f32, f64, i32, scratch } from './heap.ts';
import { Walk } from './loops.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { type ArgCode, argCode } from './reduce/arg.ts';
import { Bundle } from './reduce/bundle.ts';
import { columnsFunction } from './reduce/columns.ts';
import { type Fold, type FoldCode, foldCode, TILE } from './reduce/fold.ts';
import { ABREAST_ELEMENTS, eachPart, PART_ELEMENTS, type Part, wholeRow } from './reduce/parts.ts';
import { planReduction, Recent, type ReductionPlan } from './reduce/plan.ts';
import { type Access, HEAD, INPUT_WORDS, type MapSpec } from './reduce/reader.ts';
import { type RowsShape, rowsFunction } from './reduce/rows.ts';
import { FINISH, finishFunction, MERGE, mergeFunction, slotBytes } from './reduce/state.ts';
import { fusing } from './relaxed.ts';
import { canShare } from './threads/pool.ts';
import { tasksWanted } from './threads/share.ts';
import { weight } from './weight.ts';

export type { Fold } from './reduce/fold.ts';

export interface ReduceSpec {
  readonly name: string;
  readonly fold: Fold;
  /** Maps each element of the inputs before folding. */
  readonly pre: Expr;
  /** Maps the folded value `arg(0)`; further arguments are the `postScalars` numbers given to `run`. */
  readonly post?: Expr;
  readonly compute: Compute;
  readonly ins: readonly (DType | 'scalar')[];
  readonly out: DType;
  readonly postScalars?: number;
}

/** A plan, the kernel it calls for, and the walks around it, which are always at their start between runs. */
interface Planned extends ReductionPlan {
  readonly fold: WasmFunction;
  /** Whether it folds two runs side by side. */
  readonly abreast: boolean;
  readonly keptWalk: Walk;
  readonly foldWalk: Walk;
}

/** Elements from which on the work is shared between threads. */
const SHARED_ELEMENTS = 2 ** 17;
/** Equal parts that one of the threads folds one after the other, at most. */
const PARTS_OF_TASK = 4;
/**
 * Outputs that threads fold are a multiple of this: whole vectors, and whole lines of the cache where vectors
 * run across the fold and so read neighbours of each output.
 */
const TILE_UNIT = { rows: 4, columns: 64 } as const;
/** How rows are folded, by what their elements cost. */
const EIGHT: RowsShape = { width: 4, depth: 2 };
const FOUR: RowsShape = { width: 4, depth: 1 };
const TWO: RowsShape = { width: 2, depth: 1 };
const CHEAP = 4;
const UNIT: readonly Access[] = ['unit'];

class Compiled {
  /** Kernels by how the inputs run along the vectorised loop: at most 2ⁿ + 1 of each kind for n inputs. */
  readonly variants = new Map<string, WasmFunction>();
  readonly plans = new Recent<Planned | null>();
  contiguousRow: WasmFunction | null = null;
  finish: WasmFunction | null = null;
}

export class ReduceKernel {
  readonly #spec: ReduceSpec;
  readonly #map: MapSpec;
  readonly #code: FoldCode | ArgCode;
  readonly #tensors: readonly DType[];
  readonly #paramBytes: number;
  /** Whether memory, and not the arithmetic, is what a fold along rows waits for. */
  readonly #readsFast: boolean;
  /** What was compiled, without fused multiply-adds and with them. */
  readonly #compiled: readonly [Compiled, Compiled] = [new Compiled(), new Compiled()];
  #merge: WasmFunction | null = null;

  constructor(spec: ReduceSpec) {
    const { fold, pre, compute, ins } = spec;
    const logical = fold === 'any' || fold === 'all';
    this.#spec = spec;
    this.#code = fold === 'argmax' || fold === 'argmin' ? argCode(fold, compute) : foldCode(fold, compute);
    this.#map = { compute, ins, pre: logical ? asMask(pre) : asValue(pre) };
    this.#tensors = ins.filter((t) => t !== 'scalar');
    this.#readsFast = !('extreme' in this.#code) && weight([pre]) <= CHEAP;
    const words = HEAD.words + INPUT_WORDS * this.#tensors.length + 2 * ins.length;
    this.#paramBytes = 4 * Math.max(words, FINISH.words + 2 * (spec.postScalars ?? 0));
  }

  /**
   * out ← post(fold(pre(ins))), folded over `axes` of `inShape`, to which the inputs broadcast. `out`
   * is contiguous, row-major over the dimensions that are kept. An empty max, min, argmax or argmin has
   * no meaning and is the caller's to refuse.
   */
  run(
    out: Strided,
    ins: readonly (Strided | number)[],
    inShape: readonly number[],
    axes: readonly number[],
    postScalars: readonly number[] = [],
  ): void {
    beginLaunch();
    const [only] = ins;
    if (ins.length === 1 && typeof only !== 'number' && axes.length === inShape.length) {
      const n = numel(inShape);
      const flat = sameShape(only.shape, inShape) && isContiguous(inShape, only.strides);
      if (flat && n > 0 && n < 2 * PART_ELEMENTS) {
        this.#runFlat(out, only, n, postScalars);
        return;
      }
    }
    const scalars: number[] = [];
    const tensors: Strided[] = [];
    for (let i = 0; i < ins.length; i++) {
      const x = ins[i];
      if (typeof x === 'number') scalars.push(x);
      else tensors.push(x);
    }
    const planned = this.#current.plans.get(tensors, inShape, axes, () => this.#plan(tensors, inShape, axes));
    if (planned === null) return;
    const run = new Run(this, this.#code, planned, out, tensors, scalars, postScalars, this.#paramBytes);
    if (numel(inShape) >= SHARED_ELEMENTS && canShare(numel(inShape))) run.shared();
    else run.all();
  }

  get #current(): Compiled {
    return this.#compiled[fusing() ? 1 : 0];
  }

  #plan(tensors: readonly Strided[], inShape: readonly number[], axes: readonly number[]): Planned | null {
    const ordered = this.#spec.fold === 'argmax' || this.#spec.fold === 'argmin';
    const plan = planReduction(tensors, inShape, axes, this.#code.lanes, ordered);
    if (plan === null) return null;
    const operands = tensors.length + 1;
    const fast = this.#readsFast && plan.kind === 'rows' && !plan.access.includes('strided');
    const abreast = fast && plan.inner.size >= ABREAST_ELEMENTS;
    return {
      ...plan,
      fold: this.kernel(abreast ? 'abreast' : plan.kind, plan.access),
      abreast,
      keptWalk: new Walk(plan.keptAround, operands),
      foldWalk: new Walk(plan.foldAround, operands),
    };
  }

  /** Everything of one contiguous tensor in one part: no plan to make. */
  #runFlat(out: Strided, input: Strided, n: number, postScalars: readonly number[]): void {
    const from = address(input.storage) + input.offset * dtypeInfo(input.dtype).bytes;
    const to = address(out.storage) + out.offset * dtypeInfo(out.dtype).bytes;
    const params = scratch(this.#paramBytes);
    const state = scratch(slotBytes(this.#code));
    const words = i32();
    const w = params >>> 2;
    words[w + HEAD.state] = state;
    words[w + HEAD.outputs] = 1;
    words[w + HEAD.outer] = 1;
    words[w + HEAD.base] = 0;
    words[w + HEAD.baseStep] = 0;
    words[w + HEAD.words] = from;
    const abreast = n >= ABREAST_ELEMENTS && this.#readsFast;
    const { innerTurns, far, rest } = wholeRow(n, abreast);
    words[w + HEAD.inner] = innerTurns;
    words[w + HEAD.far] = far;
    words[w + HEAD.rest] = rest;
    if (abreast) {
      // Along the one dimension there is.
      words[w + HEAD.words + 3] = dtypeInfo(input.dtype).bytes;
      this.kernel('abreast', UNIT)(params);
    } else {
      const compiled = this.#current;
      compiled.contiguousRow ??= this.kernel('rows', UNIT);
      compiled.contiguousRow(params);
    }
    this.finish(params, state, 1, to, dtypeInfo(out.dtype).bytes, postScalars);
  }

  /** The fold kernel for one way of running through the inputs. @internal */
  kernel(kind: 'rows' | 'abreast' | 'columns', access: readonly Access[]): WasmFunction {
    const key = `${kind} ${access.join()}`;
    const { variants } = this.#current;
    const known = variants.get(key);
    if (known !== undefined) return known;
    const cost = weight([this.#map.pre]);
    const isArg = 'extreme' in this.#code;
    const body =
      kind === 'columns'
        ? columnsFunction(this.#map, this.#code, access, access.includes('strided') ? 1 : cost <= 8 && !isArg ? 4 : 2)
        : kind === 'abreast'
          ? rowsFunction(this.#map, this.#code, access, [EIGHT], true)
          : rowsFunction(this.#map, this.#code, access, cost <= CHEAP ? [EIGHT, FOUR] : cost <= 24 ? [FOUR] : [TWO]);
    const made = instantiate([body], mathImports, mathProvided)[body.name];
    variants.set(key, made);
    return made;
  }

  /** States `from` join the states `into`; or, of one output, so many states that lie side by side. @internal */
  merge(params: number, into: number, from: number, outputs: number, states = 1): void {
    this.#merge ??= instantiate([mergeFunction(this.#code)]).merge;
    const words = i32();
    const w = params >>> 2;
    words[w + MERGE.into] = into;
    words[w + MERGE.from] = from;
    words[w + MERGE.outputs] = outputs;
    words[w + MERGE.turns] = states;
    this.#merge(params);
  }

  /** States become results. @internal */
  finish(
    params: number,
    state: number,
    outputs: number,
    out: number,
    outStep: number,
    postScalars: readonly number[],
  ): void {
    const compiled = this.#current;
    compiled.finish ??= this.#makeFinish();
    const words = i32();
    const w = params >>> 2;
    words[w + FINISH.state] = state;
    words[w + FINISH.outputs] = outputs;
    words[w + FINISH.out] = out;
    words[w + FINISH.outStep] = outStep;
    this.writeScalars(params + 4 * FINISH.words, postScalars);
    compiled.finish(params);
  }

  #makeFinish(): WasmFunction {
    const { fold, compute, post, postScalars = 0, out } = this.#spec;
    const common = { code: this.#code, post, postScalars, out };
    const body =
      fold === 'argmax' || fold === 'argmin'
        ? finishFunction({ ...common, compute: 'i32', sort: 'value' })
        : finishFunction({ ...common, compute, sort: fold === 'any' || fold === 'all' ? 'mask' : 'value' });
    return instantiate([body], mathImports, mathProvided).finish;
  }

  /** Puts numbers into a parameter block, in the computing type, 8 bytes apart. @internal */
  writeScalars(at: number, values: readonly number[]): void {
    const { compute } = this.#spec;
    const view = compute === 'f64' ? f64() : compute === 'f32' ? f32() : i32();
    const each = compute === 'f64' ? 1 : 2;
    for (let i = 0; i < values.length; i++) view[(at >>> 3) * each + i * each] = values[i];
  }
}

/** One reduction under way. */
class Run {
  readonly #kernel: ReduceKernel;
  readonly #plan: Planned;
  readonly #state: number;
  /** Where the states of later parts go before they join the others. */
  readonly #slot: number;
  readonly #params: number;
  readonly #paramBytes: number;
  readonly #slotBytes: number;
  readonly #stateBytes: number;
  /** Addresses of the inputs' first elements, and how many bytes an element has. */
  readonly #starts: number[] = [];
  readonly #bytes: number[] = [];
  readonly #out: number;
  readonly #outBytes: number;
  readonly #scalars: readonly number[];
  readonly #postScalars: readonly number[];

  constructor(
    kernel: ReduceKernel,
    code: FoldCode | ArgCode,
    plan: Planned,
    out: Strided,
    tensors: readonly Strided[],
    scalars: readonly number[],
    postScalars: readonly number[],
    paramBytes: number,
  ) {
    this.#kernel = kernel;
    this.#plan = plan;
    for (let i = 0; i < tensors.length; i++) {
      const t = tensors[i];
      const { bytes } = dtypeInfo(t.dtype);
      this.#bytes.push(bytes);
      this.#starts.push(address(t.storage) + t.offset * bytes);
    }
    this.#outBytes = dtypeInfo(out.dtype).bytes;
    this.#out = address(out.storage) + out.offset * this.#outBytes;
    this.#scalars = scalars;
    this.#postScalars = postScalars;
    this.#paramBytes = paramBytes;
    this.#slotBytes = slotBytes(code);
    this.#stateBytes = code.stateBytes;
    this.#params = scratch(paramBytes);
    this.#state = scratch(this.#slotBytes);
    this.#slot = scratch(this.#slotBytes);
  }

  all(): void {
    const { outputs, keptWalk } = this.#plan;
    do {
      for (let k = 0; k < outputs.size; k += TILE) this.#tile(keptWalk.places, k, Math.min(TILE, outputs.size - k));
    } while (keptWalk.next());
  }

  /** `count` outputs from number `k` on. */
  #tile(places: readonly number[], k: number, count: number): void {
    let first = true;
    this.#eachPart(count === 1 ? TILE : 1, (part) => {
      const state = first ? this.#state : this.#slot;
      this.#part(this.#params, places, k, count, part, state);
      this.#plan.fold(this.#params);
      this.#join(this.#state, state, count, part);
      first = false;
    });
    const [out, outStep] = this.#outputPlace(places, k);
    this.#kernel.finish(this.#params, this.#state, count, out, outStep, this.#postScalars);
  }

  #outputPlace(places: readonly number[], k: number): readonly [place: number, step: number] {
    const { outputs } = this.#plan;
    const tensors = this.#starts.length;
    const step = outputs.steps[tensors] * this.#outBytes;
    return [this.#out + (places[tensors] + k * outputs.steps[tensors]) * this.#outBytes, step];
  }

  #eachPart(together: number, visit: (part: Part) => void): void {
    eachPart(this.#plan, this.#plan.foldWalk, this.#plan.abreast, together, visit);
  }

  /** The states of a part, or of equal parts side by side, join the states `into`, unless they are these. */
  #join(into: number, own: number, count: number, { equal }: Part): void {
    const first = own === into ? 1 : 0;
    if (equal > first) this.#kernel.merge(this.#params, into, own + first * this.#stateBytes, count, equal - first);
  }

  /**
   * The same on several threads. Every part is a task with parameters and states of its own; when a
   * bundle of them is done, states are merged in order, as one thread would have merged them.
   */
  shared(): void {
    const { outputs, keptWalk } = this.#plan;
    const bundle = new Bundle(this.#paramBytes, this.#slotBytes);
    const parts = this.#countParts();
    const tile = sharedTile(outputs.size, parts, TILE_UNIT[this.#plan.kind]);
    const together = Math.max(1, Math.min(PARTS_OF_TASK, Math.floor(parts / tasksWanted())));
    do {
      for (let k = 0; k < outputs.size; k += tile) {
        const count = Math.min(tile, outputs.size - k);
        const into = bundle.state();
        let state = into;
        this.#eachPart(count === 1 ? together : 1, (part) => {
          if (bundle.full) bundle.run();
          const own = state;
          const params = bundle.params();
          this.#part(params, keptWalk.places, k, count, part, own);
          bundle.add({ kernel: this.#plan.fold, args: [params] });
          bundle.afterwards(() => {
            this.#join(into, own, count, part);
            if (own !== into) bundle.release(own);
          });
          state = bundle.state();
        });
        bundle.release(state);
        const [out, outStep] = this.#outputPlace(keptWalk.places, k);
        bundle.afterwards(() => {
          this.#kernel.finish(this.#params, into, count, out, outStep, this.#postScalars);
          bundle.release(into);
        });
      }
    } while (keptWalk.next());
    bundle.run();
  }

  /** Parts of all outputs that are folded at a time. */
  #countParts(): number {
    let parts = 0;
    this.#eachPart(1, () => {
      parts += 1;
    });
    return this.#plan.keptAround.reduce((count, { size }) => count * size, parts);
  }

  /** Writes the parameters of a part of the fold of `count` outputs from number `k` on. */
  #part(params: number, places: readonly number[], k: number, count: number, part: Part, state: number): void {
    const { outputs, outer, inner } = this.#plan;
    const tensors = this.#starts.length;
    const words = i32();
    const w = params >>> 2;
    words[w + HEAD.state] = state;
    // Equal parts of one output are folded as if they were outputs.
    words[w + HEAD.outputs] = count * part.equal;
    words[w + HEAD.outer] = part.outerTurns;
    words[w + HEAD.inner] = part.innerTurns;
    words[w + HEAD.base] = part.around[tensors] + part.outer * outer.steps[tensors] + part.inner;
    words[w + HEAD.baseStep] = outer.steps[tensors];
    words[w + HEAD.far] = part.far;
    words[w + HEAD.rest] = part.rest;
    for (let i = 0; i < tensors; i++) {
      const v = w + HEAD.words + INPUT_WORDS * i;
      const bytes = this.#bytes[i];
      const first = places[i] + part.around[i] + k * outputs.steps[i];
      words[v] = this.#starts[i] + (first + part.outer * outer.steps[i] + part.inner * inner.steps[i]) * bytes;
      words[v + 1] = (part.equal > 1 ? part.innerTurns * inner.steps[i] : outputs.steps[i]) * bytes;
      words[v + 2] = outer.steps[i] * bytes;
      words[v + 3] = inner.steps[i] * bytes;
    }
    this.#kernel.writeScalars(4 * (w + HEAD.words + INPUT_WORDS * tensors), this.#scalars);
  }
}

/**
 * How many outputs, a multiple of `unit`, are folded at a time where these are of so many parts, so that there
 * are enough tasks for all threads.
 */
function sharedTile(outputs: number, parts: number, unit: number): number {
  const tiles = Math.max(1, tasksWanted() / parts);
  return Math.min(TILE, unit * Math.ceil(outputs / tiles / unit));
}

function asMask(e: Expr): Expr {
  return e.sort === 'mask' ? e : compare('ne', e, 0);
}

function asValue(e: Expr): Expr {
  return e.sort === 'value' ? e : select(e, 1, 0);
}
