/**
 * Folds across vectors: vectors run along the outputs, and each lane folds its own column of
 * `outer` × `inner` elements. A block is a few rows deep, so that memory is read in a few forward
 * streams; block results go into the states, which stay in the first-level cache.
 */

import { advance, copyOf, loadWord, times, timesOrNever, whilst } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import type { ArgCode } from './arg.ts';
import type { FoldCode } from './fold.ts';
import { type Access, HEAD, type MapSpec, Reader } from './reader.ts';
import { loadStates, storeStates, wideLocals } from './state.ts';
import { Together } from './together.ts';

/** Rows of a block. */
const BLOCK_ROWS = 16;

/** What happens to some neighbouring vectors of columns in a block. */
interface Gatherer {
  open(state: Local, vectors: number): void;
  take(x: Local, vector: number): void;
  /** A row is done. */
  nextRow(): void;
  /** All rows are done; `again` goes through them once more. */
  check(vectors: number, again: (take: (x: Local, vector: number) => void) => void): void;
  close(state: Local, vectors: number): void;
}

function foldGatherer(b: FunctionBody, code: FoldCode, width: number): Gatherer {
  const accs = Array.from({ length: width }, () => b.local('v128'));
  const nans = code.marksNaN ? accs.map(() => b.local('v128')) : [];
  const wide = wideLocals(b, code);
  /** Everything in one sum, and the row's part of it. */
  const sum = b.local('v128');
  const row = b.local('v128');
  return {
    open: (_, vectors) => {
      for (let i = 0; i < vectors; i++) {
        code.identity(b);
        b.set(accs[i]);
      }
      if (code.marksNaN) b.i32x4(0).set(sum);
    },
    take: (x, i) => {
      code.step(b, accs[i], x);
      if (!code.marksNaN) return;
      if (i === 0) b.get(x).set(row);
      else code.watch(b, row, x);
    },
    nextRow: () => {
      if (code.marksNaN) code.watch(b, sum, row);
    },
    check: (vectors, again) => {
      if (!code.marksNaN) return;
      b.i32x4(0).set(row);
      code.mark(b, row, sum);
      b.get(row)
        .op('v128.any_true')
        .if(() => {
          for (const nan of nans.slice(0, vectors)) b.i32x4(0).set(nan);
          again((x, i) => code.mark(b, nans[i], x));
          // All ones are a NaN.
          for (let i = 0; i < vectors; i++) b.get(accs[i]).get(nans[i]).op('v128.or').set(accs[i]);
        });
    },
    close: (state, vectors) => {
      for (let i = 0; i < vectors; i++) {
        loadStates(b, code, wide, state, i * code.lanes);
        code.absorb(b, wide, accs[i]);
        storeStates(b, code, wide, state, i * code.lanes);
      }
    },
  };
}

/** `index` is the row-major place of the block's first row. */
function argGatherer(b: FunctionBody, code: ArgCode, width: number, index: Local): Gatherer {
  const pairs = Array.from({ length: width }, () => wideLocals(b, code));
  const current = b.local('i32');
  const splat = b.local('v128');
  const mask = b.local('v128');
  const showRow = (): void => {
    code.splat(b, current);
    b.set(splat);
  };
  return {
    open: (state, vectors) => {
      b.get(index).set(current);
      showRow();
      for (let i = 0; i < vectors; i++) loadStates(b, code, pairs[i], state, i * code.lanes);
    },
    take: (x, i) => {
      const [value, place] = pairs[i];
      code.better(b, x, value);
      b.set(mask);
      b.get(x).get(value).get(mask).op('v128.bitselect').set(value);
      b.get(splat).get(place).get(mask).op('v128.bitselect').set(place);
    },
    nextRow: () => {
      advance(b, current, 1);
      showRow();
    },
    check: () => undefined,
    close: (state, vectors) => {
      for (let i = 0; i < vectors; i++) storeStates(b, code, pairs[i], state, i * code.lanes);
    },
  };
}

/**
 * The kernel: states ← folds of columns. `width` vectors of columns are folded side by side; or `rowsTogether` rows,
 * a power of two, and of what is left half as many, until none is.
 */
export function columnsFunction(
  spec: MapSpec,
  code: FoldCode | ArgCode,
  access: readonly Access[],
  width: number,
  rowsTogether = 0,
): FunctionBody {
  const b = new FunctionBody('columns', ['i32'], []);
  const { lanes, stateBytes } = code;
  const strided = access.includes('strided');
  const states = loadWord(b, HEAD.state);
  const batches = loadWord(b, HEAD.batches);
  const outputs = loadWord(b, HEAD.outputs);
  const outer = loadWord(b, HEAD.outer);
  const inner = loadWord(b, HEAD.inner);
  const baseStep = loadWord(b, HEAD.baseStep);
  const reader = new Reader(b, spec, access, 'output');

  const batch = reader.start;
  const row = reader.copy(batch);
  const blockRow = reader.copy(row);
  const column = reader.copy(row);
  const cell = reader.copy(row);
  const base = b.local('i32');
  const index = b.local('i32');
  const outerLeft = b.local('i32');
  const left = b.local('i32');
  const columnsLeft = b.local('i32');
  const state = b.local('i32');
  const depth = b.local('i32');
  const rowsLeft = b.local('i32');
  const gatherer = 'extreme' in code ? argGatherer(b, code, width, index) : foldGatherer(b, code, width);

  /** Folds one block's depth of some vectors of columns. */
  const foldColumns = (vectors: number, count?: Local): void => {
    const eachRow = (take: (x: Local, vector: number) => void, nextRow: () => void): void => {
      reader.assign(cell, column);
      b.get(depth).set(rowsLeft);
      times(b, rowsLeft, () => {
        reader.loadRepeated(cell);
        for (let i = 0; i < vectors; i++) {
          const x = reader.element(cell, i, count);
          take(x, i);
          b.release(x);
        }
        nextRow();
        reader.step(cell, 'inner');
      });
    };
    gatherer.open(state, vectors);
    eachRow(gatherer.take, gatherer.nextRow);
    gatherer.check(vectors, (take) => eachRow(take, () => undefined));
    gatherer.close(state, vectors);
    reader.stepVectors(column, vectors);
    advance(b, state, vectors * lanes * stateBytes);
    advance(b, columnsLeft, -vectors * lanes);
  };

  const foldBlock = (): void => {
    reader.assign(column, blockRow);
    b.get(outputs).set(columnsLeft).get(states).set(state);
    const whileColumns = (least: number, body: () => void): void =>
      whilst(
        b,
        () => b.get(columnsLeft).i32(least).op('i32.ge_s'),
        () => body(),
      );
    if (strided) {
      whileColumns(lanes, () => foldColumns(1));
      whileColumns(1, () => foldColumns(1, columnsLeft));
    } else {
      whileColumns(width * lanes, () => foldColumns(width));
      // The last vector may reach past the outputs: there is room in memory and in the states.
      whileColumns(1, () => foldColumns(1));
    }
  };

  const together = rowsTogether > 0 && !('extreme' in code) ? new Together(b, code, reader, rowsTogether) : null;
  const foldBatch = (): void => {
    // What the batch before had in its last vector beyond its outputs is not of these.
    beginStates(b, code, states, outputs);
    b.get(b.params[0])
      .mem('i32.load', 4 * HEAD.base)
      .set(base);
    b.get(outer).set(outerLeft);
    timesOrNever(b, outerLeft, () => {
      b.get(inner).set(left).get(base).set(index);
      reader.assign(blockRow, row);
      for (let rows = rowsTogether; together !== null && rows >= 1; rows >>= 1)
        whilst(
          b,
          () => b.get(left).i32(rows).op('i32.ge_u'),
          () => {
            together.fold(blockRow, rows, states, outputs);
            advance(b, left, -rows);
            b.i32(rows).set(depth);
            reader.stepBy(blockRow, 'inner', depth);
          },
        );
      if (together === null)
        whilst(
          b,
          () => b.get(left),
          () => {
            b.get(left).i32(BLOCK_ROWS).get(left).i32(BLOCK_ROWS).op('i32.lt_u', 'select').set(depth);
            foldBlock();
            b.get(left).get(depth).op('i32.sub').set(left);
            advance(b, index, depth);
            reader.stepBy(blockRow, 'inner', depth);
          },
        );
      reader.step(row, 'outer');
      advance(b, base, baseStep);
    });
  };
  times(b, batches, () => {
    reader.assign(row, batch);
    foldBatch();
    reader.step(batch, 'batch');
    b.get(states).get(outputs).i32(stateBytes).op('i32.mul', 'i32.add').set(states);
  });
  return b;
}

function beginStates(b: FunctionBody, code: FoldCode | ArgCode, states: Local, outputs: Local): void {
  const wide = wideLocals(b, code);
  const state = copyOf(b, states);
  const left = copyOf(b, outputs);
  whilst(
    b,
    () => b.get(left).i32(0).op('i32.gt_s'),
    () => {
      code.begin(b, wide);
      storeStates(b, code, wide, state);
      advance(b, state, code.lanes * code.stateBytes);
      advance(b, left, -code.lanes);
    },
  );
  b.release(...wide, state, left);
}
