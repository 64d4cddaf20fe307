/**
 * Recipes for the results of operations: which results get one, and how it is followed. What recipes are
 * good for stands in `backends/wasm/heap.ts`.
 */

import type { Lease } from '../backends/wasm/body.ts';
import { division } from '../backends/wasm/division.ts';
import {
  address,
  beginLaunchBeside,
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
import { KIND_BITS } from '../backends/wasm/kinds.ts';
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
/** One that was changed so often is going to be changed again: a copy of it would be dearer than one of the result. */
const TIMES_CHANGED = 4;

/**
 * Chains of recipes are cut, or a long loop could not let go of what it began with. Whoever follows one has
 * all its results in place at once, so that of large ones it has fewer links.
 */
const DEEPEST = 64;
const DEEPEST_LARGE = 16;
const LONGEST_BYTES = 64 * 2 ** 20;
/** And of the largest fewer still: with what the results are made from beside them, all must have room at once in 4 GiB. */
const MOST_BYTES = 2 ** 30;

/** What makes nothing but zeros goes by this name. */
export const ZEROS = 'zeros';

/** What recipes need of an operation. */
type Made = Pick<Op<never>, 'forward' | 'name'>;

class ResultRecipe implements Recipe {
  readonly depth: number;
  readonly bytes: number;
  readonly needs: number;
  readonly parameters: number;
  readonly kind: number;
  readonly inputs: readonly (Reading | number)[];
  readonly op: Made;
  private readonly attrs: unknown;
  /** Which of several outputs, -1 where there is only one. */
  private readonly index: number;
  private readonly settings: number = settingsNow();

  constructor(
    op: Made,
    attrs: unknown,
    inputs: readonly (Reading | number)[],
    index: number,
    depth: number,
    bytes: number,
    needs: number,
    parameters: number,
    kind: number,
  ) {
    this.op = op;
    this.attrs = attrs;
    this.inputs = inputs;
    this.index = index;
    this.depth = depth;
    this.bytes = bytes;
    this.needs = needs;
    this.parameters = parameters;
    this.kind = kind;
  }

  get zeros(): boolean {
    return this.op.name === ZEROS;
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

/** Room for a result like `like` of a cheap operation on plain tensors, of `a` and `b`. */
export function freshLike(like: TensorBase, dtype: DType, a: Operand, b: Operand = 0): TensorBase {
  if (like.count > FEW) keepInPlace([a, b]);
  return fresh(like.shape, dtype, like.count, like.strides, !inArena());
}

/** Room for results like `like` of one that has any number of inputs. */
export function freshAlike(n: number, like: TensorBase, dtype: DType, inputs: readonly Operand[]): TensorBase[] {
  if (like.count > FEW) keepInPlace(inputs);
  const outs = new Array<TensorBase>(n);
  for (let i = 0; i < n; i++) outs[i] = fresh(like.shape, dtype, like.count, like.strides, !inArena());
  return outs;
}

/** Elements that may be small of whatever dtype. */
const FEW = SMALL_BYTES / 8;

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

/** A plain tensor that `make` makes from nothing, with a recipe: `make` always gives the same bits. */
export function makeFromNothing(make: () => TensorBase, name = 'nothing'): TensorBase {
  if (inArena()) return make();
  const outer = swapMakingResults(true);
  let y: TensorBase;
  try {
    y = make();
  } finally {
    swapMakingResults(outer);
  }
  rememberOne({ name, forward: make }, [], undefined, y, -1, 0, false);
  return y;
}

/** Begins a launch that uses the inputs, where results may be large: others make way for these, the last result above all. */
function keepInPlace(inputs: readonly Operand[]): void {
  if (!inputs.some((x) => typeof x !== 'number' && x.storage.nbytes > SMALL_BYTES)) return;
  beginLaunchBeside();
  for (const x of inputs) if (typeof x !== 'number') address(x.storage);
}

/** Gives results of an operation on plain tensors that are cheap, and not too small for it, their recipes. */
export function remember<A>(op: Op<A>, inputs: readonly Operand[], attrs: A, outputs: Outputs): void {
  if (inArena() || op.cheap === undefined) return;
  const cheap = op.cheap === true || op.cheap(inputs, attrs);
  if (cheap === false) return;
  const atNeed = cheap === 'at need';
  if (!Array.isArray(outputs)) rememberOne(op as Op<never>, inputs, attrs, outputs as TensorBase, -1, 0, atNeed);
  else {
    const n = outputs.length;
    for (let i = 0; i < n; i++) rememberOne(op as Op<never>, inputs, attrs, outputs[i], i, n - 1 - i, atNeed);
  }
}

/** Gives one result its recipe; `more` are to follow that were made of the same. */
function rememberOne(
  op: Made,
  inputs: readonly Operand[],
  attrs: unknown,
  y: TensorBase,
  index: number,
  more: number,
  atNeed: boolean,
): void {
  const s = y.storage;
  const { nbytes } = s;
  if (nbytes <= COPIED_BYTES || s.recipe !== null || s.source !== null || s.origin !== null || !takesRecipe(s)) return;
  const readings = new Array<Reading | number>(inputs.length);
  let depth = 1;
  let longest = 0;
  let needs = 0;
  let own = 0;
  let inherited = 0;
  const walk = ++walks;
  let kind = named(op);
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i];
    if (typeof x === 'number') {
      readings[i] = x;
      kind = mixed(kind, 1);
      continue;
    }
    const { storage } = x;
    // An operation may give its input back.
    if (storage === s) return;
    const source = sourceOf(storage);
    if (source === null) return;
    readings[i] = readingOf(source, x);
    if (isMet(source, walk)) continue;
    source.reads++;
    const before = hasRecipe(storage) ? storage.recipe : null;
    kind = mixed(kind, before instanceof ResultRecipe ? named(before.op) : 2);
    if (before !== null) {
      depth = Math.max(depth, before.depth + 1);
      longest = Math.max(longest, before.bytes);
      inherited = Math.max(inherited, before.parameters);
    }
    const share = shareOf(storage, source, more);
    const parameter = isParameter(x);
    if (parameter && 2 * share > nbytes && s.page === null && storage.version > TIMES_CHANGED) return;
    if (parameter && source.lease.needed === 0) source.lease.bytes = storage.nbytes;
    if (!atNeed && parameter) own += share;
    else needs += share;
  }
  const bytes = nbytes + longest;
  if (depth > (bytes > LONGEST_BYTES ? DEEPEST_LARGE : DEEPEST) || (depth > 1 && bytes > MOST_BYTES)) return;
  const beside = nbytes > SMALL_BYTES ? KEPT_BESIDE : Math.min(KEPT_BESIDE, KEPT_BESIDE_SMALL * nbytes);
  if (needs > KEPT * nbytes + beside) return;
  if (own > 0 && inherited > 0) own -= countedBefore(inputs, readings, more);
  const parameters = own + inherited;
  if (parameters > PARAMETERS_KEPT * nbytes + PARAMETERS_BESIDE) return;
  kind = mixed(kind, nbytes) >>> (32 - KIND_BITS);
  const recipe = new ResultRecipe(op, attrs, readings, index, depth, bytes, needs, parameters, kind);
  giveRecipe(s, recipe, leasesOf(readings), atNeed);
}

/** Kinds of results go by the operation, its inputs' and the size. Operations go by what of their names is soon looked at. */
const named = ({ name }: Made): number => (31 * name.charCodeAt(0) + name.charCodeAt(name.length - 1)) * name.length;

const mixed = (a: number, b: number): number => Math.imul(a + b, 0x9e3779b1) ^ (a >>> 16);

/** What a recipe that reads `storage` keeps for it, by shares. */
function shareOf(storage: Storage, source: Source, more: number): number {
  const { recipe } = storage;
  return Math.ceil((recipe !== null && hasRecipe(storage) ? recipe.needs : storage.nbytes) / (source.reads + more));
}

/** Whether a tensor is one that outlives what is made from it, or a view of it. */
function isParameter(x: TensorBase): boolean {
  const whole = x.meta?.base ?? x;
  return whole.tracked && whole.node === null;
}

/** How far back it is looked for a step before this one that has counted the same parameters. */
const STEPS_BACK = 3;

/** What of parameters was counted where the other inputs were made: a recurrent network reads them again in every step. */
function countedBefore(inputs: readonly Operand[], readings: readonly (Reading | number)[], more: number): number {
  let counted = 0;
  const walk = ++walks;
  for (let i = 0; i < inputs.length; i++) {
    const x = inputs[i];
    const r = readings[i];
    if (typeof x === 'number' || typeof r === 'number' || !isParameter(x) || isMet(r.source, walk)) continue;
    if (isReadBefore(r.source, readings, STEPS_BACK)) counted += shareOf(x.storage, r.source, more);
  }
  return counted;
}

function isReadBefore(source: Source, readings: readonly (Reading | number)[], steps: number): boolean {
  return readings.some((r) => {
    const recipe = typeof r === 'number' || !hasRecipe(r.source.storage) ? null : r.source.storage.recipe;
    if (!(recipe instanceof ResultRecipe)) return false;
    if (recipe.inputs.some((x) => typeof x !== 'number' && x.source === source)) return true;
    return steps > 1 && isReadBefore(source, recipe.inputs, steps - 1);
  });
}

/** Walks over lists of what is read, which may be long and name a source more than once. */
let walks = 0;

/** Whether a walk has come by this source before; notes that it has. */
function isMet(source: Source, walk: number): boolean {
  if (source.walk === walk) return true;
  source.walk = walk;
  return false;
}

/** The leases of what is read, each once. */
function leasesOf(readings: readonly (Reading | number)[]): Lease[] {
  const [a, b] = readings;
  if (typeof a === 'object' && readings.length < 3) {
    return typeof b === 'object' && b.source !== a.source ? [a.source.lease, b.source.lease] : [a.source.lease];
  }
  const leases: Lease[] = [];
  const walk = ++walks;
  for (const r of readings) if (typeof r !== 'number' && !isMet(r.source, walk)) leases.push(r.source.lease);
  return leases;
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
