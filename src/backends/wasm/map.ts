/**
 * Elementwise kernels: a scalar function applied to every element of tensors in any layout.
 *
 * A kernel is compiled per layout class: how each operand moves in the innermost loop and how many
 * loops lie around it. Flat operands, by far the most frequent, get by without loops around and
 * without a parameter block.
 */
import { type Compute, type DType, dtypeInfo } from '../../core/dtype.ts';
import { numel } from '../../core/shape.ts';
import type { ScalarFunction } from '../../kernels/expr.ts';
import type { Strided } from '../../kernels/strided.ts';
import { address, beginLaunchBeside, scratch } from './heap.ts';
import { byteCopy, byteTruths, joinedBytes } from './map-bytes.ts';
import { type Access, compileMap } from './map-code.ts';
import { flatness, type Input, launch, lieAlike, MASKED, place, strided } from './map-launch.ts';
import {
  findLoops,
  innermostTile,
  keepTwo,
  liesAcross,
  loopAcross,
  loopBlock,
  loopCount,
  placesAt,
  sizes,
  steps,
  tileInnermost,
} from './map-layout.ts';
import type { WasmFunction } from './module.ts';
import { fusing } from './relaxed.ts';
import { isLong } from './threads/alone.ts';
import { isBusy } from './threads/queue.ts';
import { deal, inPieces, isWorthCutting, pieceOf } from './threads/share.ts';
import { transposeKernel } from './transpose.ts';
import { hasFunctions, weight } from './weight.ts';

/**
 * The type a conversion computes in, so that it rounds once: float64 if either side is, else float32
 * if either side is, else int32. An int32 becomes a float32 as it is loaded, a float truncates to an
 * int32 as it is stored.
 */
export function computeFor(from: DType, to: DType): Compute {
  const [a, b] = [dtypeInfo(from).compute, dtypeInfo(to).compute];
  if (a === 'f64' || b === 'f64') return 'f64';
  return a === 'f32' || b === 'f32' ? 'f32' : 'i32';
}

/** What an element takes, in steps of `pieceOf`, beside its arithmetic; and an instruction of that. */
const ELEMENT_STEPS = 4;
const INSTRUCTION_STEPS = 1.5;
/** Pieces begin at whole vectors and whole lines of the cache, whatever the dtype. */
const UNIT = 64;

/** Of an operand that is transposed, so much at a time: it is to stay in the cache until it is used. */
const TRANSPOSED_BYTES = 128 * 1024;

/** Elements that are worth being copied by transposing, and computed with after that. */
const FEWEST_COPIED = 2 ** 10;
const FEWEST_TRANSPOSED = 2 ** 15;

/**
 * Bytes of operands that a core's own cache has nearly room for. If every pass over them began at the same end,
 * each would crowd out what the next one begins with; so every other one begins at the far end.
 */
const TURNED_FROM = 2 ** 19;
const TURNED_TO = 2 ** 22;
/** Elements of the pieces in which a pass goes backwards. */
const BACKWARDS = 2 ** 14;
let backwards = false;

/** Up to so many elements nobody need ask whether threads share the work. */
export const FEW = 1024;

/** How elements that lie in some way are gone through by one call, which takes so many steps. */
interface Way {
  readonly kernel: WasmFunction;
  readonly turns: number;
  readonly block: number;
  readonly of: number;
}

class Compiled {
  plain: WasmFunction | undefined;
  readonly flat = new Map<number, WasmFunction>();
  readonly nested = new Map<number | string, WasmFunction>();
}

export class MapKernel {
  readonly #fn: ScalarFunction;
  readonly #compute: Compute;
  /** Element types, outputs first; what stands for a scalar has no meaning. */
  readonly #dtypes: readonly DType[];
  readonly #scalars: readonly boolean[];
  readonly #hasFunctions: boolean;
  /** Whether elements are only moved. */
  readonly #moves: boolean;
  /** If all of them are bytes: what moves them, or joins truths. */
  readonly #bytewise: (() => WasmFunction) | null;
  /** What an element takes, in steps of `pieceOf`. */
  readonly #steps: number;
  /** Bytes of an element of every operand. */
  readonly #bytes: number;
  /** What was compiled, without fused multiply-adds and with them. */
  readonly #compiled: readonly [Compiled, Compiled] = [new Compiled(), new Compiled()];

  constructor(fn: ScalarFunction, compute: Compute, ins: readonly (DType | 'scalar')[], outs: readonly DType[]) {
    this.#fn = fn;
    this.#compute = compute;
    this.#dtypes = [...outs, ...ins.map((d) => (d === 'scalar' ? 'float64' : d))];
    this.#scalars = ins.map((d) => d === 'scalar');
    this.#bytes = [...outs, ...ins].reduce((sum, d) => sum + (d === 'scalar' ? 0 : dtypeInfo(d).bytes), 0);
    this.#hasFunctions = hasFunctions(fn.outs);
    this.#moves = fn.outs[0].op === 'arg' && fn.args.length === 1;
    const stay = ins[0] === outs[0] || outs[0] === 'uint8';
    const joins = this.#bytes === ins.length + 1 ? joinedBytes(fn.outs[0], ins) : null;
    this.#bytewise =
      this.#moves && this.#bytes === 2 ? (stay ? byteCopy : byteTruths) : joins && (() => byteTruths(...joins));
    this.#steps = ELEMENT_STEPS + INSTRUCTION_STEPS * weight(fn.outs);
  }

  /** Whether it is computed with fused multiply-adds. A host is not asked for them before that matters. */
  get fuses(): boolean {
    return this.#hasFunctions && fusing();
  }

  /**
   * The compiled function for contiguous operands of one element count:
   * `(n, out addresses…, per input an address or a number)`. Bit i of `repeated` marks input i as one
   * element used for all.
   */
  flat(repeated: number): WasmFunction {
    const compiled = this.#compiled[this.fuses ? 1 : 0];
    if (repeated === 0 && compiled.plain !== undefined) return compiled.plain;
    const known = compiled.flat.get(repeated);
    if (known !== undefined) return known;
    const made = this.#compileFlat(repeated);
    if (repeated === 0) compiled.plain = made;
    else compiled.flat.set(repeated, made);
    return made;
  }

  #compileFlat(repeated: number): WasmFunction {
    if (repeated === 0 && this.#bytewise !== null) return this.#bytewise();
    return this.#compile(
      null,
      this.#fn.outs.map(() => 'unit'),
      this.#scalars.map((scalar, i) => (scalar ? 'scalar' : i < MASKED && (repeated >> i) & 1 ? 'repeat' : 'unit')),
    );
  }

  /**
   * Applies the function. Inputs broadcast to the outputs' common shape, numbers stand for scalars.
   * Outputs may be any views without repeated elements, and may be the same as an input (in place).
   */
  run(outs: readonly Strided[], ins: readonly Input[]): void {
    const { shape } = outs[0];
    const n = numel(shape);
    if (n === 0) return;
    const repeated = flatness(outs, ins, n);
    if (repeated >= 0) this.runFlat(n, outs, ins, repeated);
    else this.#runNested(outs, ins);
  }

  /** The same for contiguous operands of `n` elements, or of one where the mask `repeated` says so. */
  runFlat(n: number, outs: readonly Strided[], ins: readonly Input[], repeated: number): void {
    beginLaunchBeside();
    const piece = pieceOf(n, this.#steps, UNIT);
    if (piece < n || (this.#hasFunctions && isLong(n * this.#steps))) {
      this.#cutFlat(n, piece, outs, ins, repeated);
      return;
    }
    const turns = repeated === 0 && n * this.#bytes >= TURNED_FROM && n * this.#bytes <= TURNED_TO;
    if (turns && !isBusy()) this.#turn(n, outs, ins);
    else launch(this.flat(repeated), n, outs, ins, 0, 0, n * this.#steps);
  }

  /** From the end at which the last pass stopped. */
  #turn(n: number, outs: readonly Strided[], ins: readonly Input[]): void {
    const kernel = this.flat(0);
    backwards = !backwards;
    const piece = backwards ? BACKWARDS : n;
    for (let at = piece * Math.floor((n - 1) / piece); at >= 0; at -= piece)
      launch(kernel, Math.min(piece, n - at), outs, ins, 0, at);
  }

  /** Ranges of elements in pieces. Each begins at a whole vector, so its elements meet the same code as in one go. */
  #cutFlat(n: number, piece: number, outs: readonly Strided[], ins: readonly Input[], repeated: number): void {
    const kernel = this.flat(repeated);
    const operands = [...outs, ...ins];
    const starts = operands.map((x) => place(x));
    const moves = operands.map((x, i) => {
      const fixed = typeof x === 'number' || (i >= outs.length && (repeated >> (i - outs.length)) & 1);
      return fixed ? 0 : dtypeInfo(x.dtype).bytes;
    });
    inPieces(n, this.#steps, piece, UNIT, (at, count) => ({
      kernel,
      // A number stays as it is: −0 + 0 is 0.
      args: [count, ...starts.map((start, i) => (moves[i] === 0 ? start : start + at * moves[i]))],
    }));
  }

  /**
   * Copies several operands to places that do not overlap, as one launch: what is found out about one is good for those
   * behind it that lie alike.
   */
  runEach(outs: readonly Strided[], ins: readonly Strided[]): void {
    // Of two nothing is saved.
    let simple = outs.length > 2;
    if (simple) beginLaunchBeside();
    const ways: Way[] = [];
    let of = 0;
    for (let i = 0; simple && i < outs.length; i++) {
      const alike = i > 0 && lieAlike(outs[i], outs[i - 1]) && lieAlike(ins[i], ins[i - 1]);
      const way = alike ? ways[i - 1] : this.#wayOf(outs[i], ins[i]);
      simple = way !== null;
      if (way === null) continue;
      ways.push(way);
      of += way.of;
    }
    if (!simple) {
      for (let k = 0; k < outs.length; k++) this.run([outs[k]], [ins[k]]);
      return;
    }
    deal(of, outs.length, (run, from, end) => {
      for (let i = from; i < end; i++) run(ways[i].kernel, ways[i].turns, place(outs[i]), place(ins[i]), ways[i].block);
    });
  }

  /** How to copy one by a single call; null where that is worth being cut, or takes more than one, or none. */
  #wayOf(out: Strided, x: Strided): Way | null {
    const n = numel(out.shape);
    const of = n * this.#steps;
    if (n === 0 || isWorthCutting(of)) return null;
    const repeated = flatness([out], [x], n);
    if (repeated >= 0) return { kernel: this.flat(repeated), turns: n, block: 0, of };
    const tensors = [out, x];
    for (const t of tensors) address(t.storage);
    findLoops(out.shape, tensors);
    if (loopAcross(tensors, 1, FEWEST_COPIED) >= 0 || innermostTile(2) > 0) return null;
    const depth = Math.max(0, loopCount - 1);
    const kernel = this.#variant(depth, tensors, 1);
    return { kernel, turns: loopCount === 0 ? 1 : sizes[depth], block: loopBlock(depth, 2, sizes[0]), of };
  }

  #runNested(outs: readonly Strided[], ins: readonly Input[]): void {
    beginLaunchBeside();
    const tensors = outs.slice();
    for (const x of ins) if (typeof x !== 'number') tensors.push(x);
    // Bringing bytes back may run kernels, which look for loops of their own.
    for (const t of tensors) address(t.storage);
    findLoops(outs[0].shape, tensors);
    const across = loopAcross(tensors, outs.length, this.#moves ? FEWEST_COPIED : FEWEST_TRANSPOSED);
    if (across >= 0) {
      this.#runAcross(across, tensors, outs, ins);
      return;
    }
    const tile = innermostTile(tensors.length);
    if (tile > 0) this.#runTiled(tile, tensors, outs, ins);
    else this.#runLoops(tensors, outs, ins);
  }

  /**
   * Runs the loops found last where operands have their neighbours in loop `along`: some turns of it at a time,
   * whose part of these operands is transposed into temporary room first. A mere copy is made by transposing.
   */
  #runAcross(along: number, tensors: readonly Strided[], outs: readonly Strided[], ins: readonly Input[]): void {
    const width = tensors.length;
    const lying = tensors.map((t, k) => k >= outs.length && liesAcross(along, k, width, t));
    const around = keepTwo(along, width);
    const [length, lines] = sizes;
    const bytes = tensors.map((t) => dtypeInfo(t.dtype).bytes);
    const [own, apart] = [steps.slice(0, width), steps.slice(width, 2 * width)];
    const copies = this.#moves && width === 2 && outs[0].dtype === tensors[1].dtype && apart[0] === bytes[0];
    const rows = Math.min(
      length,
      Math.max(UNIT, UNIT * Math.floor(TRANSPOSED_BYTES / (lines * bytes[width - 1] * UNIT))),
    );
    const pieces = Math.ceil(length / rows);
    for (let k = 0; k < width; k++) {
      if (!lying[k] || copies) continue;
      steps[k] = lines * bytes[k];
      steps[width + k] = bytes[k];
    }
    const kernel = copies ? null : this.#variant(1, tensors, outs.length);
    const blocks = copies ? [] : [rows, length - (pieces - 1) * rows].map((turns) => loopBlock(1, width, turns));
    const starts = tensors.map((t) => place(t));
    const positions = around.reduce((p, { size }) => p * size, 1);
    deal(this.#steps * numel(outs[0].shape), positions * pieces, (run, from, end) => {
      const rooms = lying.map((lies, k) => (lies && !copies ? scratch(rows * lines * bytes[k]) : 0));
      for (let unit = from; unit < end; unit++) {
        const first = (unit % pieces) * rows;
        const turns = Math.min(rows, length - first);
        const places = placesAt(Math.floor(unit / pieces), around, starts).map((at, k) => at + first * own[k]);
        lying.forEach((lies, k) => {
          const transpose = lies ? transposeKernel(bytes[k]) : null;
          if (transpose === null) return;
          const to = copies ? places[0] : rooms[k];
          run(transpose, to, places[k], lines, turns, copies ? own[0] : lines * bytes[k], apart[k]);
          places[k] = to;
        });
        if (kernel === null) continue;
        let k = outs.length;
        const args = ins.map((x) => (typeof x === 'number' ? x : places[k++]));
        run(kernel, lines, ...places.slice(0, outs.length), ...args, blocks[turns === rows ? 0 : 1]);
      }
    });
  }

  /** Runs the loops found last with an innermost loop of `tile` turns at a time. */
  #runTiled(tile: number, tensors: readonly Strided[], outs: readonly Strided[], ins: readonly Input[]): void {
    const { shape } = outs[0];
    const inner = loopCount - 1;
    const turns = sizes[inner];
    const done = turns - (turns % tile);
    const across = tensors.map((_, k) => done * steps[inner * tensors.length + k]);
    tileInnermost(tile, tensors.length);
    this.#runLoops(tensors, outs, ins);
    if (done === turns) return;
    // What is left over: the loops as they were, but for the turns of the innermost one.
    findLoops(shape, tensors);
    sizes[inner] = turns - done;
    let k = 0;
    const moved = (x: Input): Input =>
      typeof x === 'number' ? x : { ...strided(x), offset: x.offset + across[k++] / dtypeInfo(x.dtype).bytes };
    const rest = outs.map(moved) as Strided[];
    this.#runLoops(tensors, rest, ins.map(moved));
  }

  /** Runs the loops found last. */
  #runLoops(tensors: readonly Strided[], outs: readonly Strided[], ins: readonly Input[]): void {
    const width = tensors.length;
    const depth = Math.max(0, loopCount - 1);
    const kernel = this.#variant(depth, tensors, outs.length);
    const turns = loopCount === 0 ? 1 : sizes[depth];
    // Turns of the outermost loop are shared, unless it is the innermost, too, whose pieces begin at whole vectors.
    const around = loopCount === 0 ? 1 : sizes[0];
    const elements = numel(outs[0].shape);
    const unit = depth === 0 ? UNIT : 1;
    const piece = pieceOf(around, (this.#steps * elements) / around, unit);
    const cut = piece < around || (this.#hasFunctions && isLong(elements * this.#steps));
    if (cut) this.#cutNested(kernel, depth, elements, piece, unit, outs, ins);
    else launch(kernel, turns, outs, ins, loopBlock(depth, width, sizes[0]), 0, elements * this.#steps);
  }

  /** Turns of the outermost loop in pieces. */
  #cutNested(
    kernel: WasmFunction,
    depth: number,
    elements: number,
    piece: number,
    unit: number,
    outs: readonly Strided[],
    ins: readonly Input[],
  ): void {
    const operands = [...outs, ...ins];
    const width = operands.filter((x) => typeof x !== 'number').length;
    const starts = operands.map((x) => place(x));
    inPieces(sizes[0], (this.#steps * elements) / sizes[0], piece, unit, (at, count) => {
      const block = loopBlock(depth, width, count);
      let k = 0;
      const args = starts.map((start, i) => (typeof operands[i] === 'number' ? start : start + at * steps[k++]));
      return { kernel, args: [depth === 0 ? count : sizes[depth], ...args, block] };
    });
  }

  /** The kernel for the loops found last. */
  #variant(depth: number, tensors: readonly Strided[], outs: number): WasmFunction {
    const accesses: Access[] = [];
    let code = depth;
    for (let k = 0; k < tensors.length; k++) {
      const step = loopCount === 0 ? 0 : steps[depth * tensors.length + k];
      // A single element is stored by a loop of one turn, whatever its step.
      const unit = step === dtypeInfo(tensors[k].dtype).bytes || (k < outs && step === 0);
      const access = unit ? 'unit' : step === 0 ? 'repeat' : 'stride';
      accesses.push(access);
      code = 3 * code + (unit ? 0 : step === 0 ? 1 : 2);
    }
    const key = tensors.length <= MASKED ? code : `${depth} ${accesses.join()}`;
    const { nested } = this.#compiled[this.fuses ? 1 : 0];
    const known = nested.get(key);
    if (known !== undefined) return known;
    let t = outs;
    const ins = this.#scalars.map((scalar): Access => (scalar ? 'scalar' : accesses[t++]));
    const made = this.#compile(depth, accesses.slice(0, outs), ins);
    nested.set(key, made);
    return made;
  }

  #compile(depth: number | null, outs: readonly Access[], ins: readonly Access[]): WasmFunction {
    return compileMap({
      fn: this.#fn,
      compute: this.#compute,
      dtypes: this.#dtypes,
      accesses: [...outs, ...ins],
      depth,
    });
  }
}
