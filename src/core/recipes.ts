/**
 * Recipes for the results of operations: which results get one, and how it is followed. What recipes are
 * good for stands in `backends/wasm/heap.ts`.
 */
import { division } from '../backends/wasm/division.ts';
import {
  expectResult,
  free,
  giveRecipe,
  hasRecipe,
  type Recipe,
  SMALL_BYTES,
  type Source,
  type Storage,
  sourceOf,
} from '../backends/wasm/heap.ts';
import { settingsNow, withSettings } from '../backends/wasm/settings.ts';
import { inArena } from './arena.ts';
import { type DType, dtypeInfo } from './dtype.ts';
import { plainly } from './forward.ts';
import { internally } from './internally.ts';
import type { Op } from './op.ts';
import { numel } from './shape.ts';
import { fresh, type Operand, type Outputs, type TensorBase, tensorOver } from './tensor.ts';

/** Results of up to so many bytes are copied with the page they lie in. */
export const NO_RECIPE_BYTES = SMALL_BYTES;

/**
 * A recipe may keep so many times as many bytes as its result has, and as many as this beside them. What
 * several results were made from each of them keeps a share of.
 */
const KEPT = 2;
const KEPT_BESIDE = division.keptBeside;

/**
 * The same for parameters, which outlive what is computed from them: only where they are changed meanwhile
 * must their old values be kept for its sake.
 */
const PARAMETERS_KEPT = 8;
const PARAMETERS_BESIDE = 2 ** 18;

/**
 * Chains of recipes are cut, or a long loop could not let go of what it began with. Whoever follows one has
 * all its results in place at once, so that of large ones it has fewer links.
 */
const DEEPEST = 64;
const DEEPEST_LARGE = 16;
const LONGEST_BYTES = 32 * 2 ** 20;

/** A tensor as it was when an operation read it. */
interface Reading {
  readonly source: Source;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly dtype: DType;
}

class ResultRecipe implements Recipe {
  readonly depth: number;
  readonly bytes: number;
  readonly needs: number;
  readonly parameters: number;
  readonly #op: Op<never>;
  readonly #attrs: unknown;
  readonly #inputs: readonly (Reading | number)[];
  /** Which of several outputs, -1 where there is only one. */
  readonly #index: number;
  readonly #settings: number = settingsNow();

  constructor(op: Op<never>, attrs: unknown, inputs: readonly (Reading | number)[], index: number, costs: Costs) {
    this.depth = costs.depth;
    this.bytes = costs.bytes;
    this.needs = costs.needs;
    this.parameters = costs.parameters;
    this.#op = op;
    this.#attrs = attrs;
    this.#inputs = inputs;
    this.#index = index;
  }

  make(): Storage {
    const inputs = this.#inputs.map((x) =>
      typeof x === 'number' ? x : tensorOver(x.source.storage, x.shape, x.strides, x.offset, x.dtype),
    );
    const out = withSettings(this.#settings, () =>
      plainly(() => internally(() => this.#op.forward(inputs, this.#attrs as never))),
    );
    const all = this.#index < 0 ? [out as TensorBase] : (out as readonly TensorBase[]);
    const wanted = all[Math.max(0, this.#index)];
    for (const t of all) if (t !== wanted) free(t.storage);
    return wanted.storage;
  }
}

type Costs = Pick<Recipe, 'depth' | 'bytes' | 'needs' | 'parameters'>;

/** Room for the result of a cheap operation on plain tensors; where `remember` will find others too many, they go first. */
export function freshResult(inputs: readonly Operand[], shape: readonly number[], dtype: DType): TensorBase {
  const size = numel(shape);
  const nbytes = size * dtypeInfo(dtype).bytes;
  if (nbytes > NO_RECIPE_BYTES && !inArena()) {
    const sources: Storage[] = [];
    for (const x of inputs) if (typeof x !== 'number') sources.push(x.storage);
    expectResult(nbytes, sources);
  }
  return fresh(shape, dtype, size);
}

/** Gives results of an operation on plain tensors that are large and cheap their recipes. */
export function remember<A>(op: Op<A>, inputs: readonly Operand[], attrs: A, outputs: Outputs): void {
  if (inArena() || op.cheap === undefined) return;
  const cheap = op.cheap === true || op.cheap(inputs, attrs);
  if (cheap === false) return;
  const atNeed = cheap === 'at need';
  if (!Array.isArray(outputs)) rememberOne(op as Op<never>, inputs, attrs, outputs as TensorBase, -1, atNeed);
  else for (let i = 0; i < outputs.length; i++) rememberOne(op as Op<never>, inputs, attrs, outputs[i], i, atNeed);
}

function rememberOne(
  op: Op<never>,
  inputs: readonly Operand[],
  attrs: unknown,
  y: TensorBase,
  index: number,
  atNeed: boolean,
): void {
  const s = y.storage;
  if (s.nbytes <= NO_RECIPE_BYTES || s.recipe !== null || s.source !== null || s.origin !== null) return;
  const readings: (Reading | number)[] = [];
  const leases: Source['lease'][] = [];
  let depth = 1;
  let longest = 0;
  let needs = 0;
  let own = 0;
  let inherited = 0;
  for (const x of inputs) {
    if (typeof x === 'number') {
      readings.push(x);
      continue;
    }
    const { storage, shape, strides, offset, dtype } = x;
    // An operation may give its input back.
    if (storage === s) return;
    const source = sourceOf(storage);
    if (source === null) return;
    readings.push({ source, shape, strides, offset, dtype });
    if (leases.includes(source.lease)) continue;
    leases.push(source.lease);
    source.reads++;
    const before = hasRecipe(storage) ? storage.recipe : null;
    if (before !== null) {
      depth = Math.max(depth, before.depth + 1);
      longest = Math.max(longest, before.bytes);
      inherited = Math.max(inherited, before.parameters);
    }
    const share = (before === null ? storage.nbytes : before.needs) / source.reads;
    const whole = x.meta?.base ?? x;
    if (!atNeed && whole.tracked && whole.node === null) own += share;
    else needs += share;
  }
  const parameters = own + inherited;
  const bytes = s.nbytes + longest;
  if (depth > (bytes > LONGEST_BYTES ? DEEPEST_LARGE : DEEPEST)) return;
  if (needs > KEPT * s.nbytes + KEPT_BESIDE) return;
  if (parameters > PARAMETERS_KEPT * s.nbytes + PARAMETERS_BESIDE) return;
  giveRecipe(s, new ResultRecipe(op, attrs, readings, index, { depth, bytes, needs, parameters }), leases, atNeed);
}
