/** The compiled functions of one reduction: folds by how its inputs lie, and what becomes of their states. */
import { type Compute, type DType, dtypeInfo } from '../../../core/dtype.ts';
import { compare, type Expr, select } from '../../../kernels/expr.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { mathImports, mathProvided } from '../emit.ts';
import type { FunctionBody } from '../encoder.ts';
import { startOf } from '../indexing/nest.ts';
import { parameterDoubles, parameterFloats, parameterWords } from '../linear-memory.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { fusing } from '../relaxed.ts';
import { weight } from '../weight.ts';
import { type ArgCode, argCode } from './arg.ts';
import type { Calls } from './calls.ts';
import { columnsFunction } from './columns.ts';
import { type Fold, type FoldCode, foldCode } from './fold.ts';
import { type Access, HEAD, INPUT_WORDS, type MapSpec, SCALAR_WORDS, UNIT } from './reader.ts';
import { type RowsShape, rowsFunction } from './rows.ts';
import { shortRowsFunction } from './short-rows.ts';
import { FINISH, finishFunction, MERGE, mergeFunction } from './state.ts';

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

/** Results of one `finish`: batches of outputs, which of a tensor's elements is the first, and how far apart they are. */
export interface Outputs {
  readonly batches: number;
  readonly outputs: number;
  readonly first: number;
  readonly batchStep: number;
  readonly step: number;
}

/** How rows are folded, by what their elements cost. */
const EIGHT: RowsShape = { width: 4, depth: 2 };
const FOUR: RowsShape = { width: 4, depth: 1 };
const TWO: RowsShape = { width: 2, depth: 1 };
const CHEAP = 4;

/**
 * Along vectors, in one run or two, or for several outputs at once; or across them, by columns or, where these are
 * many, by rows.
 */
export type FoldKind = 'rows' | 'abreast' | 'short' | 'columns' | 'wide';

class Compiled {
  /** Kernels by how the inputs run along the vectorised loop: at most 2ⁿ + 1 of each kind for n inputs. */
  readonly variants = new Map<string, WasmFunction>();
  /** Those for one contiguous row, which need not be looked up. */
  rows: WasmFunction | null = null;
  abreast: WasmFunction | null = null;
  /** One for each output. */
  readonly finish: WasmFunction[] = [];
}

export class FoldKernels {
  readonly code: FoldCode | ArgCode;
  /** Whether elements must come in row-major order. */
  readonly ordered: boolean;
  /** Whether memory, and not the arithmetic, is what a fold along rows waits for. */
  readonly readsFast: boolean;
  /** Bytes of a block of parameters for any of these functions. */
  readonly paramBytes: number;
  readonly #spec: ReduceSpec;
  readonly #map: MapSpec;
  /** What was compiled, without fused multiply-adds and with them. */
  readonly #compiled: readonly [Compiled, Compiled] = [new Compiled(), new Compiled()];
  #merge: WasmFunction | null = null;

  constructor(spec: ReduceSpec) {
    const { fold, pre, compute, ins } = spec;
    const logical = fold === 'any' || fold === 'all';
    const places = fold === 'argmax' || fold === 'argmin';
    this.#spec = spec;
    this.code = places ? argCode(fold, compute) : foldCode(fold, compute);
    this.ordered = places;
    this.readsFast = !places && weight([pre]) <= CHEAP;
    this.#map = { compute, ins, pre: logical ? asMask(pre) : asValue(pre) };
    const scalars = ins.filter((t) => t === 'scalar').length;
    const words = HEAD.words + SCALAR_WORDS * scalars + INPUT_WORDS * (ins.length - scalars);
    this.paramBytes = 4 * Math.max(words, FINISH.words + SCALAR_WORDS * (spec.postScalars ?? 0));
  }

  get #current(): Compiled {
    return this.#compiled[fusing() ? 1 : 0];
  }

  /** The fold kernel for one way of running through the inputs. */
  fold(kind: FoldKind, access: readonly Access[]): WasmFunction {
    const key = `${kind} ${access.join()}`;
    const { variants } = this.#current;
    const known = variants.get(key);
    if (known !== undefined) return known;
    const body = this.#fold(kind, access);
    const made = instantiate([body], mathImports, mathProvided)[body.name];
    variants.set(key, made);
    return made;
  }

  #fold(kind: FoldKind, access: readonly Access[]): FunctionBody {
    const [map, code] = [this.#map, this.code];
    const cost = weight([map.pre]);
    switch (kind) {
      case 'abreast':
        return rowsFunction(map, code, access, [EIGHT], true);
      case 'short':
        return shortRowsFunction(map, code as FoldCode);
      case 'rows':
        return rowsFunction(map, code, access, cost <= CHEAP ? [EIGHT, FOUR] : cost <= 24 ? [FOUR] : [TWO]);
      case 'wide':
        // A sum of floats goes into two vectors, and does so less often; several operands need the registers.
        if (access.length > 1) return columnsFunction(map, code, access, 1, access.length > 2 ? 2 : 4);
        return columnsFunction(map, code, access, 1, this.#spec.fold === 'sum' && map.compute !== 'i32' ? 8 : 4);
      case 'columns':
        return columnsFunction(map, code, access, access.includes('strided') ? 1 : cost <= 8 && !this.ordered ? 4 : 2);
    }
  }

  /** Folds rows of a contiguous tensor. */
  row(kind: 'rows' | 'abreast'): WasmFunction {
    const compiled = this.#current;
    compiled[kind] ??= this.fold(kind, UNIT);
    return compiled[kind];
  }

  /** States `from` join the states `into`; or, of one output, so many states that lie side by side. */
  merge(calls: Calls, into: number, from: number, outputs: number, states = 1): void {
    this.#merge ??= instantiate([mergeFunction(this.code)]).merge;
    const params = calls.block();
    const words = parameterWords();
    const w = params >>> 2;
    words[w + MERGE.into] = into;
    words[w + MERGE.from] = from;
    words[w + MERGE.outputs] = outputs;
    words[w + MERGE.turns] = states;
    calls.call(this.#merge, params);
  }

  /** States become results; those of places also the values that were found there, where there is a tensor for them. */
  finish(calls: Calls, state: number, to: Outputs, outs: readonly Strided[], postScalars: readonly number[]): void {
    const compiled = this.#current;
    for (let i = 0; i < outs.length; i++) {
      const { bytes } = dtypeInfo(outs[i].dtype);
      compiled.finish[i] ??= this.#makeFinish(i > 0);
      const params = calls.block();
      const words = parameterWords();
      const w = params >>> 2;
      words[w + FINISH.state] = state;
      words[w + FINISH.batches] = to.batches;
      words[w + FINISH.outputs] = to.outputs;
      words[w + FINISH.out] = startOf(outs[i]) + to.first * bytes;
      words[w + FINISH.batchStep] = to.batchStep * bytes;
      words[w + FINISH.outStep] = to.step * bytes;
      this.writeScalars(params + 4 * FINISH.words, postScalars);
      calls.call(compiled.finish[i], params);
    }
  }

  #makeFinish(values: boolean): WasmFunction {
    const { fold, compute, post, postScalars = 0, out, ins } = this.#spec;
    const body = finishFunction({
      code: values ? { ...this.code, result: (b, [value]) => void b.get(value) } : this.code,
      post,
      postScalars,
      out: values ? (ins[0] as DType) : out,
      compute: this.ordered && !values ? 'i32' : compute,
      sort: fold === 'any' || fold === 'all' ? 'mask' : 'value',
    });
    return instantiate([body], mathImports, mathProvided).finish;
  }

  /** Puts numbers into a parameter block, in the computing type, 8 bytes apart. */
  writeScalars(at: number, values: readonly number[]): void {
    if (values.length === 0) return;
    const { compute } = this.#spec;
    const view = compute === 'f64' ? parameterDoubles() : compute === 'f32' ? parameterFloats() : parameterWords();
    const each = compute === 'f64' ? 1 : 2;
    for (let i = 0; i < values.length; i++) view[(at >>> 3) * each + i * each] = values[i];
  }
}

export function asMask(e: Expr): Expr {
  return e.sort === 'mask' ? e : compare('ne', e, 0);
}

export function asValue(e: Expr): Expr {
  return e.sort === 'value' ? e : select(e, 1, 0);
}
