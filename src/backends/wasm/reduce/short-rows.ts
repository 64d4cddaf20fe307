/**
 * Folds along short rows, four outputs at a time: each has an accumulator of its own, and what these hold is
 * turned in registers, so that states are those of neighbouring outputs, as where vectors run across.
 */
import { advance, loadWord, times, timesOrNever, whilst } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { EVEN_DWORDS, HIGH_HALVES, LOW_HALVES, ODD_DWORDS } from '../shuffles.ts';
import type { FoldCode } from './fold.ts';
import { HEAD, keepFirst, type MapSpec, type Places, Reader, UNIT } from './reader.ts';
import { BLOCK_STEPS } from './rows.ts';
import { storeStates, wideLocals } from './state.ts';

/** Outputs that go side by side, and vectors of each that are folded together before its accumulator takes them. */
const OUTPUTS = 4;
const DEPTH = 2;

/** The kernel: states ← folds of rows of a single tensor. The states of the last outputs may be followed by others. */
export function shortRowsFunction(spec: MapSpec, code: FoldCode): FunctionBody {
  const b = new FunctionBody('shortRows', ['i32'], []);
  const { lanes } = code;
  const state = loadWord(b, HEAD.state);
  const batches = loadWord(b, HEAD.batches);
  const outputs = loadWord(b, HEAD.outputs);
  const outer = loadWord(b, HEAD.outer);
  const inner = loadWord(b, HEAD.inner);
  const reader = new Reader(b, spec, UNIT, 'inner');
  const batch = reader.start;
  const each = <T>(make: (k: number) => T): T[] => Array.from({ length: OUTPUTS }, (_, k) => make(k));
  const output = reader.copy(batch);
  const starts = each(() => reader.copy(batch));
  const rows = each(() => reader.copy(batch));
  const block = each(() => reader.copy(batch));
  const accs = each(() => b.local('v128'));
  const wides = Array.from({ length: OUTPUTS / lanes }, () => wideLocals(b, code));
  const [sum, all, nan] = [b.local('v128'), b.local('v128'), b.local('v128')];
  const [outputsLeft, outerLeft] = [b.local('i32'), b.local('i32')];
  const [left, steps, blockSteps] = [b.local('i32'), b.local('i32'), b.local('i32')];

  const move = (to: readonly Places[], from: readonly Places[]): void => {
    to.forEach((places, k) => {
      reader.assign(places, from[k]);
    });
  };
  /** a ← a ⊕ c, for NaNs as well. */
  const combine = (a: Local, c: Local): void => {
    if (code.marksNaN) code.merge(b, [a], [c]);
    else code.step(b, a, c);
  };
  /** low ← low ⊕ high for what two shuffles take of a and c. */
  const joinBy = (a: Local, c: Local, low: readonly number[], high: readonly number[]): void => {
    const other = b.local('v128');
    b.get(a).get(c).shuffle(high).set(other);
    b.get(a).get(c).shuffle(low).set(a);
    combine(a, other);
    b.release(other);
  };
  /** The lanes of every accumulator become one, of as many outputs as there are lanes. */
  const close = (): void => {
    for (let k = 0; k < OUTPUTS; k += 2) joinBy(accs[k], accs[k + 1], LOW_HALVES, HIGH_HALVES);
    if (lanes === 4) joinBy(accs[0], accs[2], EVEN_DWORDS, ODD_DWORDS);
    wides.forEach((wide, i) => {
      code.absorb(b, wide, accs[i * lanes]);
    });
  };
  const open = (): void => {
    for (const acc of accs) {
      code.identity(b);
      b.set(acc);
    }
  };
  const take = (count: number, visit: (k: number, xs: readonly Local[]) => void): void => {
    for (let k = 0; k < OUTPUTS; k++) {
      const xs = Array.from({ length: count }, (_, i) => reader.element(rows[k], i));
      visit(k, xs);
      b.release(...xs);
    }
    for (const places of rows) reader.stepVectors(places, count);
  };
  /** If a block that has been folded may have had a NaN, goes through it once more to put it in its place. */
  const lookAgain = (): void => {
    b.i32x4(0).set(nan);
    code.mark(b, nan, sum);
    b.get(nan)
      .op('v128.any_true')
      .if(() => {
        move(rows, block);
        times(b, blockSteps, () =>
          take(DEPTH, (k, xs) => {
            for (const x of xs) combine(accs[k], x);
          }),
        );
      });
  };
  const foldBlock = (): void => {
    const group = DEPTH * lanes;
    open();
    b.get(left).i32(group).op('i32.div_u').tee(steps).i32(BLOCK_STEPS).get(steps).i32(BLOCK_STEPS);
    b.op('i32.lt_u', 'select').set(steps);
    b.get(left).get(steps).i32(group).op('i32.mul', 'i32.sub').set(left);
    if (code.marksNaN) {
      b.i32x4(0).set(sum).get(steps).set(blockSteps);
      move(block, rows);
    }
    times(b, steps, () => {
      take(DEPTH, (k, [x, y]) => {
        // A sum of the step, or all of its terms would wait for each other.
        if (code.marksNaN) {
          if (k === 0) b.get(x).set(all);
          else code.watch(b, all, x);
          code.watch(b, all, y);
        }
        code.step(b, x, y);
        code.step(b, accs[k], x);
      });
      if (code.marksNaN) code.watch(b, sum, all);
    });
    if (code.marksNaN) lookAgain();
    close();
  };
  /** What is shorter than the steps of a block. */
  const foldRest = (): void => {
    open();
    whilst(
      b,
      () => b.get(left).i32(lanes).op('i32.ge_s'),
      () => {
        take(1, (k, [x]) => combine(accs[k], x));
        advance(b, left, -lanes);
      },
    );
    b.get(left).if(() =>
      take(1, (k, [x]) => {
        keepFirst(b, spec.compute, x, left, () => code.identity(b));
        combine(accs[k], x);
      }),
    );
    close();
  };
  const foldOutputs = (): void => {
    for (const wide of wides) code.begin(b, wide);
    starts.forEach((places, k) => {
      reader.assign(places, output);
      // Of outputs that there are not the last one takes the place.
      b.get(outputsLeft)
        .i32(k + 1)
        .op('i32.gt_s')
        .if(() => reader.step(output, 'output'));
    });
    b.get(outer).set(outerLeft);
    timesOrNever(b, outerLeft, () => {
      move(rows, starts);
      b.get(inner).set(left);
      whilst(
        b,
        () =>
          b
            .get(left)
            .i32(DEPTH * lanes)
            .op('i32.ge_s'),
        foldBlock,
      );
      b.get(left).if(foldRest);
      for (const places of starts) reader.step(places, 'outer');
    });
    wides.forEach((wide, i) => {
      storeStates(b, code, wide, state, i * lanes);
    });
  };
  const states = b.local('i32');
  b.get(state).set(states);
  times(b, batches, () => {
    reader.assign(output, batch);
    b.get(outputs).set(outputsLeft).get(states).set(state);
    whilst(
      b,
      () => b.get(outputsLeft).i32(0).op('i32.gt_s'),
      () => {
        foldOutputs();
        advance(b, state, OUTPUTS * code.stateBytes);
        advance(b, outputsLeft, -OUTPUTS);
      },
    );
    reader.step(batch, 'batch');
    b.get(states).get(outputs).i32(code.stateBytes).op('i32.mul', 'i32.add').set(states);
  });
  return b;
}
