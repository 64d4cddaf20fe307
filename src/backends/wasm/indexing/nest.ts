/**
 * Loops around loops: kernels that move elements between tensors of any rank walk all their
 * dimensions themselves. Their parameters lie in a block of memory: a head of the kernel's own words,
 * then the operands' addresses, the innermost loop, and the loops around it.
 */
import { dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, loadWord, times } from '../control.ts';
import type { FunctionBody, Local, MemoryOp } from '../encoder.ts';
import { address, scratch } from '../heap.ts';
import { parameterWords } from '../linear-memory.ts';
import type { Loop } from '../loops.ts';

/** How an element is loaded and stored when it only moves, by its bytes. */
export const MOVE: Readonly<Record<number, readonly [MemoryOp, MemoryOp]>> = {
  1: ['i32.load8_u', 'i32.store8'],
  4: ['i32.load', 'i32.store'],
  8: ['i64.load', 'i64.store'],
};

/** The innermost loop of a nest. */
export interface Innermost {
  readonly count: Local;
  /** Where it begins, for every operand; not to be changed. */
  readonly places: readonly Local[];
  /** Bytes per turn, for every operand. */
  readonly steps: readonly Local[];
}

/** Emits `depth` loops around what `inner` emits. All loops turn at least once. */
export function emitNest(
  b: FunctionBody,
  head: number,
  operands: number,
  depth: number,
  inner: (loop: Innermost) => void,
): void {
  const words = (from: number): Local[] => Array.from({ length: operands }, (_, k) => loadWord(b, from + k));
  const starts = words(head);
  const count = loadWord(b, head + operands);
  const steps = words(head + operands + 1);
  const level = (d: number, places: readonly Local[]): void => {
    if (d === depth) {
      inner({ count, places, steps });
      return;
    }
    const at = head + 1 + 2 * operands + d * (1 + operands);
    const turns = b.local('i32');
    const here = places.map((p) => copyOf(b, p));
    b.get(b.params[0])
      .mem('i32.load', 4 * at)
      .set(turns);
    times(b, turns, () => {
      level(d + 1, here);
      here.forEach((place, k) => {
        b.get(place)
          .get(b.params[0])
          .mem('i32.load', 4 * (at + 1 + k))
          .op('i32.add')
          .set(place);
      });
    });
    b.release(turns, ...here);
  };
  level(0, starts);
}

/** The address of a tensor's first element, good for the current launch. */
export function startOf(t: Strided): number {
  return address(t.storage) + t.offset * dtypeInfo(t.dtype).bytes;
}

/** Writes the parameters of a nest and returns where; the head is left to the caller. */
export function writeNest(
  head: number,
  loops: readonly Loop[],
  starts: readonly number[],
  bytes: readonly number[],
): number {
  const depth = Math.max(0, loops.length - 1);
  const at = scratch(4 * (head + 1 + 2 * starts.length + depth * (1 + starts.length)));
  fillNest(parameterWords(), (at >>> 2) + head, loops, starts, bytes);
  return at;
}

/** The parameters of a nest, from a word on. */
export function fillNest(
  words: Int32Array | number[],
  from: number,
  loops: readonly Loop[],
  starts: readonly number[],
  bytes: readonly number[],
): void {
  let w = from;
  for (const start of starts) words[w++] = start;
  const inner = loops.at(-1) ?? { size: 1, steps: starts.map(() => 0) };
  const write = (loop: Loop): void => {
    words[w++] = loop.size;
    for (let k = 0; k < starts.length; k++) words[w++] = loop.steps[k] * bytes[k];
  };
  write(inner);
  for (const loop of loops.slice(0, -1)) write(loop);
}

/**
 * Emits a loop over `count` elements (at least none) that lie side by side: whole vectors first, then
 * single elements, or, if it may be done `twice` to some, a last vector up to the end. `vector` and `element` act on the
 * places, which move along by themselves.
 */
export function emitRun(
  b: FunctionBody,
  count: Local,
  places: readonly Local[],
  elementBytes: number,
  vector: () => void,
  element: () => void,
  apart: readonly number[] = places.map(() => 1),
  twice = false,
): void {
  const lanes = 16 / elementBytes;
  const move = (elements: number): void =>
    places.forEach((place, i) => void advance(b, place, elements * elementBytes * (apart[i] as number)));
  const one = (): void =>
    times(b, left, () => {
      element();
      move(1);
    });
  const toEnd = (): void => {
    b.get(left).i32(lanes).op('i32.sub').set(left);
    places.forEach((place, i) => {
      b.get(place)
        .get(left)
        .i32(elementBytes * (apart[i] as number))
        .op('i32.mul', 'i32.add')
        .set(place);
    });
    vector();
  };
  const left = copyOf(b, count);
  const turns = b.local('i32');
  b.get(left).i32(lanes).op('i32.div_u').tee(turns);
  b.if(() => {
    times(b, turns, () => {
      vector();
      move(lanes);
    });
  });
  b.get(left)
    .i32(lanes - 1)
    .op('i32.and')
    .tee(left);
  b.if(() => void (twice ? b.get(count).i32(lanes).op('i32.ge_u').if(toEnd, one) : one()));
  b.release(left, turns);
}

/** Emits a loop over `count` elements at any distances; `element` acts on the places, which move along by themselves. */
export function emitWalk(
  b: FunctionBody,
  count: Local,
  places: readonly Local[],
  steps: readonly (Local | number)[],
  element: () => void,
): void {
  const left = copyOf(b, count);
  times(b, left, () => {
    element();
    places.forEach((place, i) => void advance(b, place, steps[i]));
  });
  b.release(left);
}
