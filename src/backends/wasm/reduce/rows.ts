/**
 * Folds along vectors: each output is the fold of `outer` × `inner` elements, and vectors run along
 * `inner`. Rows are cut in blocks; several narrow accumulators run through a block side by side, so
 * that the processor need not wait for one addition to begin the next.
 */

import { advance, loadWord, times, timesOrNever, whilst } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import type { ArgCode } from './arg.ts';
import { type FoldCode, SWAP_HALVES, SWAP_PAIRS } from './fold.ts';
import { type Access, HEAD, keepFirst, type MapSpec, type Places, Reader } from './reader.ts';
import { storeState, wideLocals } from './state.ts';

/** How many elements one lane of a narrow accumulator takes in a block. Bounds its rounding error. */
export const BLOCK_STEPS = 16;

/** What becomes of the folded blocks of an output. `left` is what a row has left, the next block included. */
interface Collector {
  /** A new output, whose elements begin here. */
  begin(start: Places, inner: Local): void;
  /** A block begins. */
  open(places: Places, outerIndex: Local, left: Local): void;
  /** A block is folded. */
  close(acc: Local, left: Local): void;
  store(state: Local): void;
}

function foldCollector(b: FunctionBody, code: FoldCode): Collector {
  const wide = wideLocals(b, code);
  return {
    begin: () => code.begin(b, wide),
    open: () => undefined,
    close: (acc) => code.absorb(b, wide, acc),
    store: (state) => {
      code.collapse(b, wide);
      storeState(b, code, wide, state);
    },
  };
}

/** Remembers the block that held the extreme, and looks for the element in it at the end. */
function argCollector(b: FunctionBody, code: ArgCode, reader: Reader): Collector {
  const base = loadWord(b, HEAD.base);
  const baseStep = loadWord(b, HEAD.baseStep);
  const inner = loadWord(b, HEAD.inner);
  const best = b.local('v128');
  const index = b.local('v128');
  const block = { places: reader.copy(reader.start), at: b.local('i32'), length: b.local('i32') };
  const found = { places: reader.copy(reader.start), at: b.local('i32'), length: b.local('i32') };
  return {
    begin: (start) => {
      code.begin(b, [best, index]);
      // Where nothing beats the neutral element everything equals it, and the first place is right.
      reader.assign(found.places, start);
      b.get(base).set(found.at).get(inner).set(found.length);
    },
    open: (places, outerIndex, left) => {
      reader.assign(block.places, places);
      b.get(left).set(block.length);
      b.get(outerIndex).get(baseStep).op('i32.mul').get(base).op('i32.add').get(inner).op('i32.add');
      b.get(left).op('i32.sub').set(block.at);
    },
    close: (acc, left) => {
      code.extreme.collapse(b, [acc]);
      code.better(b, acc, best);
      b.op('v128.any_true').if(() => {
        b.get(acc).set(best).get(block.at).set(found.at);
        b.get(block.length).get(left).op('i32.sub').set(found.length);
        reader.assign(found.places, block.places);
      });
    },
    store: (state) => {
      const bits = b.local('i32');
      const seen = b.local('v128');
      reader.loadRepeated(found.places);
      whilst(
        b,
        () => {
          const x = reader.element(found.places, 0, found.length);
          b.get(x).set(seen);
          code.same(b, x, best);
          code.bits(b);
          b.tee(bits).op('i32.eqz').get(found.length).i32(code.lanes).op('i32.gt_s', 'i32.and');
          b.release(x);
        },
        () => {
          reader.stepVectors(found.places, 1);
          advance(b, found.at, code.lanes);
          advance(b, found.length, -code.lanes);
        },
      );
      b.get(bits).op('i32.ctz').set(bits).get(found.at).get(bits).op('i32.add').set(found.at);
      code.splat(b, found.at);
      b.set(index);
      // What is there, for zeros that are equal may differ in their signs.
      for (let bit = code.lanes >> 1; bit > 0; bit >>= 1)
        b.get(seen)
          .get(seen)
          .shuffle(2 * bit === code.lanes ? SWAP_HALVES : SWAP_PAIRS)
          .get(seen)
          .get(bits)
          .i32(bit)
          .op('i32.and', 'select')
          .set(seen);
      storeState(b, code, [seen, index], state);
      b.release(bits, seen);
    },
  };
}

/** How a block goes: accumulators side by side, and vectors that are folded together before an accumulator takes them. */
export interface RowsShape {
  readonly width: 1 | 2 | 4 | 8;
  readonly depth: 1 | 2 | 4;
}

/**
 * The kernel: states ← folds of rows, in blocks of the first shape as long as a row has room for them, then
 * of the next. With `abreast` a row is two runs of whole steps of the only shape, `HEAD.far` turns apart:
 * half of the accumulators run through the one, half through the other. `HEAD.rest` turns come after them.
 */
export function rowsFunction(
  spec: MapSpec,
  code: FoldCode | ArgCode,
  access: readonly Access[],
  shapes: readonly RowsShape[],
  abreast = false,
): FunctionBody {
  const b = new FunctionBody(abreast ? 'abreast' : 'rows', ['i32'], []);
  const narrow = 'extreme' in code ? code.extreme : code;
  const { lanes } = narrow;
  const strided = access.includes('strided');
  const state = loadWord(b, HEAD.state);
  const batches = loadWord(b, HEAD.batches);
  const outputs = loadWord(b, HEAD.outputs);
  const outer = loadWord(b, HEAD.outer);
  const inner = loadWord(b, HEAD.inner);
  const reader = new Reader(b, spec, access, 'inner');
  const collector = 'extreme' in code ? argCollector(b, code, reader) : foldCollector(b, code);

  const batch = reader.start;
  const output = reader.copy(batch);
  const row = reader.copy(output);
  const places = reader.copy(output);
  const far = abreast
    ? { turns: loadWord(b, HEAD.far), rest: loadWord(b, HEAD.rest), places: reader.copy(output) }
    : null;
  const outerLeft = b.local('i32');
  const outerIndex = b.local('i32');
  const left = b.local('i32');
  const steps = b.local('i32');
  const most = Math.max(...shapes.map(({ width }) => width));
  const accs = Array.from({ length: strided ? 1 : most }, () => b.local('v128'));
  const nan = b.local('v128');

  const beginBlock = (width: number): void => {
    collector.open(places, outerIndex, left);
    for (const acc of accs.slice(0, width)) {
      narrow.identity(b);
      b.set(acc);
    }
    if (narrow.marksNaN) b.i32x4(0).set(nan);
  };
  const take = (acc: Local, x: Local): void => {
    if (narrow.marksNaN) narrow.mark(b, nan, x);
    narrow.step(b, acc, x);
    b.release(x);
  };
  /** Neighbours join each other until one vector is left. */
  const takeTogether = (acc: Local, xs: readonly Local[]): void => {
    for (let half = xs.length >> 1; half > 0; half >>= 1) {
      for (let i = 0; i < half; i++) narrow.step(b, xs[i], xs[i + half]);
    }
    narrow.step(b, acc, xs[0]);
    b.release(...xs);
  };
  const endBlock = (width: number): void => {
    for (let half = width >> 1; half > 0; half >>= 1) {
      for (let i = 0; i < half; i++) narrow.step(b, accs[i], accs[i + half]);
    }
    // All ones are a NaN.
    if (narrow.marksNaN) b.get(accs[0]).get(nan).op('v128.or').set(accs[0]);
    collector.close(accs[0], left);
  };
  const runs = far === null ? [places] : [places, far.places];
  const watches = narrow.marksNaN && shapes.some(({ depth }) => depth > 1);
  const sum = b.local('v128');
  const block = { steps: b.local('i32'), runs: watches ? runs.map((run) => reader.copy(run)) : [] };
  /** The vectors of a step, and all of them in one sum: few accumulators, two at a time, leave everything in registers. */
  const takeWatching = (width: number, depth: number, element: (i: number) => Local): void => {
    const half = width / 2;
    const sums = accs.slice(0, half).flatMap((_, i) => {
      const [joined, others] = [i, i + half].map((a) => {
        const xs = Array.from({ length: depth }, (_, k) => element(a * depth + k));
        const seen = xs.map((x) => {
          const l = b.local('v128');
          b.get(x).set(l);
          return l;
        });
        takeTogether(accs[a], xs);
        return seen;
      });
      for (let k = 0; k < depth; k++) narrow.watch(b, joined[k], others[k]);
      b.release(...others);
      return joined;
    });
    for (let half = sums.length >> 1; half > 0; half >>= 1) {
      for (let i = 0; i < half; i++) narrow.watch(b, sums[i], sums[i + half]);
    }
    narrow.watch(b, sum, sums[0]);
    b.release(...sums);
  };
  /** If a block that has been folded may have had a NaN, goes through it once more to mark where. */
  const lookAgain = (element: (i: number) => Local, vectors: number): void => {
    narrow.mark(b, nan, sum);
    b.get(nan)
      .op('v128.any_true')
      .if(() => {
        b.i32x4(0).set(nan);
        runs.forEach((run, r) => {
          reader.assign(run, block.runs[r]);
        });
        times(b, block.steps, () => {
          for (let i = 0; i < runs.length * vectors; i++) {
            const x = element(i);
            narrow.mark(b, nan, x);
            b.release(x);
          }
          for (const run of runs) reader.stepVectors(run, vectors);
        });
      });
  };
  const foldBlocks = ({ width, depth }: RowsShape): void => {
    // Of every run in a step.
    const vectors = (width * depth) / runs.length;
    const group = lanes * vectors;
    const element = (i: number): Local => reader.element(runs[Math.floor(i / vectors)], i % vectors);
    const watching = watches && depth > 1;
    whilst(
      b,
      () => b.get(left).i32(group).op('i32.ge_s'),
      () => {
        beginBlock(width);
        b.get(left).i32(group).op('i32.div_u').tee(steps).i32(BLOCK_STEPS).get(steps).i32(BLOCK_STEPS);
        b.op('i32.lt_u', 'select').set(steps);
        b.get(left).get(steps).i32(group).op('i32.mul', 'i32.sub').set(left);
        if (watching) {
          b.i32x4(0).set(sum);
          b.get(steps).set(block.steps);
          runs.forEach((run, r) => {
            reader.assign(block.runs[r], run);
          });
        }
        times(b, steps, () => {
          if (watching) takeWatching(width, depth, element);
          else {
            for (let i = 0; i < width; i++) {
              const xs = Array.from({ length: depth }, (_, k) => element(i * depth + k));
              if (depth === 1) take(accs[i], xs[0]);
              else takeTogether(accs[i], xs);
            }
          }
          for (const run of runs) reader.stepVectors(run, vectors);
        });
        if (watching) lookAgain(element, vectors);
        endBlock(width);
      },
    );
  };

  const foldRow = (): void => {
    b.get(inner).set(left);
    reader.loadRepeated(places);
    if (far !== null) {
      reader.assign(far.places, places);
      reader.stepBy(far.places, 'inner', far.turns);
    }
    if (strided) foldBlocks({ width: 1, depth: 1 });
    else for (const shape of shapes) foldBlocks(shape);
    if (far !== null) {
      reader.assign(places, far.places);
      b.get(far.rest).set(left);
    }
    b.get(left).if(() => {
      beginBlock(1);
      if (!strided) {
        whilst(
          b,
          () => b.get(left).i32(lanes).op('i32.ge_s'),
          () => {
            take(accs[0], reader.element(places, 0));
            reader.stepVectors(places, 1);
            advance(b, left, -lanes);
          },
        );
      }
      b.get(left).if(() => {
        const x = reader.element(places, 0, left);
        keepFirst(b, spec.compute, x, left, () => narrow.identity(b));
        take(accs[0], x);
        b.i32(0).set(left);
      });
      endBlock(1);
    });
  };

  const foldOutput = (): void => {
    collector.begin(output, inner);
    reader.assign(row, output);
    b.get(outer).set(outerLeft).i32(0).set(outerIndex);
    timesOrNever(b, outerLeft, () => {
      reader.assign(places, row);
      foldRow();
      reader.step(row, 'outer');
      advance(b, outerIndex, 1);
    });
    collector.store(state);
    advance(b, state, code.stateBytes);
    reader.step(output, 'output');
  };
  const outputsLeft = b.local('i32');
  times(b, batches, () => {
    reader.assign(output, batch);
    b.get(outputs).set(outputsLeft);
    times(b, outputsLeft, foldOutput);
    reader.step(batch, 'batch');
  });
  return b;
}
