/**
 * The loops of a map launch. Dimensions of size 1 vanish, the others are put in the order of the first
 * output's memory, and neighbours that every operand walks in one stride become one loop.
 *
 * This runs on every launch that is not flat, so it works in arrays that are kept: what it finds is
 * good until the next call.
 */
import { dtypeInfo } from '../../core/dtype.ts';
import type { Strided } from '../../kernels/strided.ts';
import { scratch } from './launch.ts';
import { parameterWords } from './linear-memory.ts';
import type { Loop } from './loops.ts';

/** Number of loops, outermost first. */
export let loopCount = 0;
/** Turns of each loop. */
export const sizes: number[] = [];
/** How far operand k moves per turn of loop i, in bytes: `steps[i * operands + k]`. */
export const steps: number[] = [];

/** Finds the loops over `shape` for operands that broadcast to it; the first one must not. */
export function findLoops(shape: readonly number[], operands: readonly Strided[]): void {
  loopCount = 0;
  const width = operands.length;
  for (let d = 0; d < shape.length; d++) {
    if (shape[d] === 1) continue;
    sizes[loopCount] = shape[d];
    const fromEnd = shape.length - d;
    for (let k = 0; k < width; k++) {
      const t = operands[k];
      const own = t.shape.length - fromEnd;
      const repeats = own < 0 || t.shape[own] === 1;
      steps[loopCount * width + k] = repeats ? 0 : t.strides[own] * dtypeInfo(t.dtype).bytes;
    }
    rise(loopCount++, width);
  }
  join(width);
  lengthen(width);
}

/** So few turns of the innermost loop that most lanes of its vectors would be left over. */
const SHORT = 4;

/** Where the innermost loop is so short, a longer one takes its place: the next one around it, whatever the steps. */
function lengthen(width: number): void {
  const inner = loopCount - 1;
  if (inner < 1 || sizes[inner] > SHORT || sizes[inner - 1] <= sizes[inner]) return;
  swapLoops(inner, inner - 1, width);
}

/** Moves loop `i` outward past those in which the first operand makes shorter steps. */
function rise(i: number, width: number): void {
  for (; i > 0 && Math.abs(steps[i * width]) > Math.abs(steps[(i - 1) * width]); i--) {
    swapLoops(i, i - 1, width);
  }
}

function swapLoops(i: number, j: number, width: number): void {
  swap(sizes, i, j);
  for (let k = 0; k < width; k++) swap(steps, i * width + k, j * width + k);
}

function swap(list: number[], i: number, j: number): void {
  const x = list[i];
  list[i] = list[j];
  list[j] = x;
}

function join(width: number): void {
  let last = 0;
  for (let i = 1; i < loopCount; i++) {
    if (walksAsOne(last, i, width)) sizes[last] *= sizes[i];
    else sizes[++last] = sizes[i];
    for (let k = 0; k < width; k++) steps[last * width + k] = steps[i * width + k];
  }
  if (loopCount > 0) loopCount = last + 1;
}

function walksAsOne(outer: number, inner: number, width: number): boolean {
  for (let k = 0; k < width; k++) {
    if (steps[outer * width + k] !== steps[inner * width + k] * sizes[inner]) return false;
  }
  return true;
}

/** Turns of an inner loop that walks across lines of the cache, so few that the lines are still there in the next turn around it. */
const TILE = 256;
const CACHE_LINE = 64;
/** So many turns leave their lines in the cache anyway. */
const FEW = 2048;

/** Turns that the innermost loop should make at a time, 0 for all: fewer where an operand has its neighbours in another loop. */
export function innermostTile(width: number): number {
  const inner = loopCount - 1;
  if (inner < 1 || sizes[inner] <= FEW) return 0;
  for (let k = 0; k < width; k++) {
    if (Math.abs(steps[inner * width + k]) < CACHE_LINE) continue;
    for (let i = 0; i < inner; i++) {
      const step = Math.abs(steps[i * width + k]);
      if (step > 0 && step < CACHE_LINE) return TILE;
    }
  }
  return 0;
}

/** Makes the innermost loop one of `tile` turns, in a new outermost loop. What is left over is not among them. */
export function tileInnermost(tile: number, width: number): void {
  const inner = loopCount - 1;
  const tiles = Math.floor(sizes[inner] / tile);
  const across: number[] = [];
  for (let k = 0; k < width; k++) across.push(tile * steps[inner * width + k]);
  sizes[inner] = tile;
  sizes.splice(0, sizes.length, tiles, ...sizes.slice(0, loopCount));
  steps.splice(0, steps.length, ...across, ...steps.slice(0, loopCount * width));
  loopCount++;
}

/** Whether operand `k` has its neighbours in loop `i`, while the innermost one takes it across lines of the cache. */
export function liesAcross(i: number, k: number, width: number, { dtype }: Strided): boolean {
  const { bytes } = dtypeInfo(dtype);
  return bytes > 1 && steps[i * width + k] === bytes && Math.abs(steps[(loopCount - 1) * width + k]) >= CACHE_LINE;
}

/**
 * A loop in which one of the operands from the `first` on has its neighbours, where it is worth transposing
 * that: from `fewest` elements on; or −1.
 */
export function loopAcross(operands: readonly Strided[], first: number, fewest: number): number {
  const inner = loopCount - 1;
  for (let i = 0; i < inner; i++) {
    const few = sizes[i] * sizes[inner] < fewest || Math.min(sizes[i], sizes[inner]) < CACHE_LINE / 4;
    for (let k = first; k < operands.length && !few; k++) if (liesAcross(i, k, operands.length, operands[k])) return i;
  }
  return -1;
}

/** Leaves two of the loops, `i` and the innermost one, and returns those that lay around them, with steps in bytes. */
export function keepTwo(i: number, width: number): Loop[] {
  const inner = loopCount - 1;
  const row = (d: number): number[] => steps.slice(d * width, (d + 1) * width);
  const around = sizes.slice(0, inner).map((size, d) => ({ size, steps: row(d) }));
  const [own] = around.splice(i, 1);
  steps.splice(0, steps.length, ...own.steps, ...row(inner));
  sizes.splice(0, sizes.length, own.size, sizes[inner]);
  loopCount = 2;
  return around;
}

/** Where operands are at a position of some loops, from where they start. */
export function placesAt(position: number, loops: readonly Loop[], starts: readonly number[]): number[] {
  const places = [...starts];
  let rest = position;
  for (const { size, steps: far } of loops.toReversed()) {
    const turn = rest % size;
    rest = (rest - turn) / size;
    for (let k = 0; k < places.length; k++) places[k] += turn * far[k];
  }
  return places;
}

/** Writes the block that `compileMap` describes for the loops found last, with so many turns of the outermost loop. */
export function loopBlock(depth: number, width: number, outermost: number): number {
  const at = scratch(4 * (width + depth * (1 + width)));
  const words = parameterWords();
  let w = at >>> 2;
  const innermost = depth * width;
  for (let k = 0; k < width; k++) words[w++] = loopCount === 0 ? 0 : steps[innermost + k];
  for (let i = 0; i < depth; i++) {
    words[w++] = i === 0 ? outermost : sizes[i];
    for (let k = 0; k < width; k++) {
      // The loops inside have moved the address to their end by then; the innermost one does not.
      const inside = i + 1 < depth ? sizes[i + 1] * steps[(i + 1) * width + k] : 0;
      words[w++] = steps[i * width + k] - inside;
    }
  }
  return at;
}
