/**
 * Recipes for the results of operations: which results get one, and how it is followed. What recipes are
 * good for stands in `backends/wasm/heap.ts`.
 */
import { division } from '../backends/wasm/division.ts';
import {
  address,
  beginLaunch,
  COPIED_BYTES,
  free,
  giveRecipe,
  hasRecipe,
  type Reading,
  type Recipe,
  SMALL_BYTES,
  type Source,
  type Storage,
  sourceOf,
  swapMakingResults,
  takesRecipe,
} from '../backends/wasm/heap.ts';
import { settingsNow, withSettings } from '../backends/wasm/settings.ts';
import { inArena } from './arena.ts';
import type { DType } from './dtype.ts';
import { detour, plainly, supplied } from './forward.ts';
import { internally } from './internally.ts';
import type { Op } from './op.ts';
import { fresh, type Operand, type Outputs, type TensorBase, tensorOver } from './tensor.ts';

/**
 * A recipe may keep so many times as many bytes as its result has, and as many as this beside them. What
 * several results were made from each of them keeps a share of.
 */
const KEPT = 2;
const KEPT_BESIDE = division.keptBeside;
/** Beside a small result so many times as many bytes as it has, and no more than beside another one. */
const KEPT_BESIDE_SMALL = division.keptBesideSmall;

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

class ResultRecipe implements Recipe {
  readonly depth: number;
  readonly bytes: number;
  readonly needs: number;
  readonly parameters: number;
  private readonly op: Op<never>;
  private readonly attrs: unknown;
  private readonly inputs: readonly (Reading | number)[];
  /** Which of several outputs, -1 where there is only one. */
  private readonly index: number;
  private readonly settings: number = settingsNow();

  constructor(op: Op<never>, attrs: unknown, inputs: readonly (Reading | number)[], index: number, costs: Costs) {
    this.depth = costs.depth;
    this.bytes = costs.bytes;
    this.needs = costs.needs;
    this.parameters = costs.parameters;
    this.op = op;
    this.attrs = attrs;
    this.inputs = inputs;
    this.index = index;
  }

  make(): Storage {
    const inputs = this.inputs.map((x) =>
      typeof x === 'number' ? x : tensorOver(x.source.storage, x.shape, x.strides, x.offset, x.dtype),
    );
    const out = withSettings(this.settings, () =>
      plainly(() => internally(() => this.op.forward(inputs, this.attrs as never))),
    );
    const all = this.index < 0 ? [out as TensorBase] : (out as readonly TensorBase[]);
    const wanted = all[Math.max(0, this.index)];
    for (const t of all) if (t !== wanted) free(t.storage);
    return wanted.storage;
  }
}

type Costs = Pick<Recipe, 'depth' | 'bytes' | 'needs' | 'parameters'>;

/** Room for a result of at most SMALL_BYTES of a cheap operation on plain tensors. */
export function freshSmall(
  shape: readonly number[],
  dtype: DType,
  size: number,
  strides: readonly number[],
): TensorBase {
  return fresh(shape, dtype, size, strides, !inArena());
}

/** Computes results of a cheap operation on plain tensors, with recipes. */
export function makeResults<A>(op: Op<A>, inputs: readonly Operand[], attrs: A): Outputs {
  const cheap = op.cheap === true && !inArena();
  if (cheap && op.view?.(attrs) !== true) keepInPlace(inputs);
  const outer = swapMakingResults(cheap);
  let outputs: Outputs;
  try {
    outputs = detour ? supplied(op, inputs, attrs) : op.forward(inputs, attrs);
  } finally {
    swapMakingResults(outer);
  }
  remember(op, inputs, attrs, outputs);
  return outputs;
}

/** Begins a launch that uses the inputs, where results may be large: others make way for these, the last result above all. */
function keepInPlace(inputs: readonly Operand[]): void {
  if (!inputs.some((x) => typeof x !== 'number' && x.storage.nbytes > SMALL_BYTES)) return;
  beginLaunch();
  for (const x of inputs) if (typeof x !== 'number') address(x.storage);
}

/** Gives results of an operation on plain tensors that are cheap, and not too small for it, their recipes. */
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
  const { nbytes } = s;
  if (nbytes <= COPIED_BYTES || s.recipe !== null || s.source !== null || s.origin !== null || !takesRecipe(s)) return;
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
    const { storage } = x;
    // An operation may give its input back.
    if (storage === s) return;
    const source = sourceOf(storage);
    if (source === null) return;
    readings.push(readingOf(source, x));
    if (leases.includes(source.lease)) continue;
    leases.push(source.lease);
    source.reads++;
    const before = hasRecipe(storage) ? storage.recipe : null;
    if (before !== null) {
      depth = Math.max(depth, before.depth + 1);
      longest = Math.max(longest, before.bytes);
      inherited = Math.max(inherited, before.parameters);
    }
    const share = Math.ceil((before === null ? storage.nbytes : before.needs) / source.reads);
    const whole = x.meta?.base ?? x;
    if (!atNeed && whole.tracked && whole.node === null) own += share;
    else needs += share;
  }
  const parameters = own + inherited;
  const bytes = nbytes + longest;
  if (depth > (bytes > LONGEST_BYTES ? DEEPEST_LARGE : DEEPEST)) return;
  const beside = nbytes > SMALL_BYTES ? KEPT_BESIDE : Math.min(KEPT_BESIDE, KEPT_BESIDE_SMALL * nbytes);
  if (needs > KEPT * nbytes + beside) return;
  if (parameters > PARAMETERS_KEPT * nbytes + PARAMETERS_BESIDE) return;
  giveRecipe(s, new ResultRecipe(op, attrs, readings, index, { depth, bytes, needs, parameters }), leases, atNeed);
}

/** How `x` is read now; mostly as it was read before. */
function readingOf(source: Source, x: TensorBase): Reading {
  const { shape, strides, offset, dtype } = x;
  const last = source.reading;
  if (last?.shape === shape && last.strides === strides && last.offset === offset && last.dtype === dtype) return last;
  const reading = { source, shape, strides, offset, dtype };
  source.reading = reading;
  return reading;
}
