/**
 * Scans: running sums, products, extremes and recurrences along a dimension. Float32 sums and products run in
 * float64, as PyTorch's do; every result is rounded once.
 *
 * A scan runs `along` vectors, each of which is scanned within itself, or `across` them, so that every
 * lane scans a column of its own: that is taken where other dimensions are contiguous.
 */
import { type Compute, dtypeInfo } from '../../../core/dtype.ts';
import { numel } from '../../../core/shape.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, loadWord, times, whilst } from '../control.ts';
import {
  lanesOf,
  loadSplat,
  loadStrided,
  loadVector,
  storeFirst,
  storeLane,
  storeStrided,
  storeVector,
} from '../emit.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { beginLaunch, i32, scratch } from '../heap.ts';
import { joinLoops, type Loop, loopsOver, memoryOrder, stridesOver, Walk } from '../loops.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { inBlocks, linesOf, tasksFor } from '../threads/share.ts';
import { startOf } from './nest.ts';
import { beginTurns, codeOf, computeOf, nextTurn, type Scan, type ScanCode } from './scan-code.ts';
import { BUNDLE, beginOr, type ScanSpec, scanPieces } from './scan-pieces.ts';

/** Columns that one call scans across; their states lie in scratch. */
const TILE = 1024;
const STATE_BYTES = 16 * TILE;
/** Columns that a thread scans across are whole lines of the cache. */
const FEWEST_COLUMNS = 16;
/** What an element takes, in steps of `tasksFor`. */
const SCAN_STEPS = 12;

/** Lines of so many elements go in pieces if there are few. */
const LONG = 2 * BUNDLE;
const FEW_LINES = 3;

/**
 * Words of the parameter block: states, or what rows begin with; lines (rows or columns) and turns of the scan; then
 * address, step from line to line and step along the scan of the output, the input, the indices and the second input;
 * the number of the first turn.
 */
const PARAM = { state: 0, lines: 1, turns: 2, out: 3, input: 6, indices: 9, second: 12, first: 15, words: 16 } as const;

interface Operand {
  readonly place: Local;
  readonly line: Local;
  readonly turn: Local;
}

function operand(b: FunctionBody, word: number): Operand {
  return { place: loadWord(b, word), line: loadWord(b, word + 1), turn: loadWord(b, word + 2) };
}

/** Pushes the index lanes as int32 lanes. */
function pushIndices(b: FunctionBody, compute: Compute, index: Local): void {
  b.get(index);
  if (compute === 'f64') b.get(index).shuffle([0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11]);
}

/** Rows one after the other, whatever their steps; `unit`: their elements lie side by side. */
function alongFunction({ scan, from, out }: ScanSpec, unit: boolean): FunctionBody {
  const b = new FunctionBody('along', ['i32'], []);
  const compute = computeOf(scan, out);
  const lanes = lanesOf(compute);
  const code = codeOf(scan, compute);
  const lines = loadWord(b, PARAM.lines);
  const turns = loadWord(b, PARAM.turns);
  const begin = loadWord(b, PARAM.state);
  const first = loadWord(b, PARAM.first);
  const target = operand(b, PARAM.out);
  const source = operand(b, PARAM.input);
  const indices = operand(b, PARAM.indices);
  const second = operand(b, PARAM.second);
  const operands = [target, source, indices, second];
  const x = b.local('v128');
  const y = b.local('v128');
  const result = b.local('v128');
  const wide = Array.from({ length: code.wide }, () => b.local('v128'));
  const carry = b.local('v128');
  const left = b.local('i32');
  const turn = b.local('v128');
  const places = operands.map(() => b.local('i32'));
  const [to, at, toIndex, atSecond] = places;
  const { within, widen } = code;

  const vectorTurn = (count?: Local): void => {
    if (unit) loadVector(b, from, compute, at);
    else loadStrided(b, from, compute, at, source.turn, count);
    b.set(x);
    widen?.(b, wide, x);
    within?.(b, wide, carry);
    code.narrow(b, wide);
    b.set(result);
    if (unit && count === undefined) storeVector(b, out, compute, 'value', result, to);
    else if (unit) storeFirst(b, out, compute, 'value', result, count as Local, to);
    else storeStrided(b, out, compute, 'value', result, to, target.turn, count);
  };
  const vectors = (): void => {
    beginOr(b, code, compute, begin, [carry]);
    whilst(
      b,
      () => b.get(left).i32(lanes).op('i32.ge_s'),
      () => {
        vectorTurn();
        for (const [place, step] of [
          [to, target.turn],
          [at, source.turn],
        ] as const) {
          b.get(place).get(step).i32(lanes).op('i32.mul', 'i32.add').set(place);
        }
        advance(b, left, -lanes);
      },
    );
    b.get(left).if(() => vectorTurn(left));
  };
  /** While whole vectors change nothing, and something is left behind them. */
  const passOver = (leaves: NonNullable<ScanCode['leaves']>): void => {
    const unchanged = b.local('i32');
    whilst(
      b,
      () => {
        b.i32(0).set(unchanged);
        b.get(left).i32(lanes).op('i32.gt_s');
        b.if(() => {
          b.get(at).mem('v128.load').set(x);
          leaves(b, wide, x);
          b.set(unchanged);
        });
        b.get(unchanged);
      },
      () => {
        b.get(to).get(wide[0]).mem('v128.store').get(toIndex);
        pushIndices(b, compute, wide[1]);
        if (compute === 'f64') b.laneMem('v128.store64_lane', 0);
        else b.mem('v128.store');
        for (const place of [to, at]) advance(b, place, 16);
        advance(b, toIndex, 4 * lanes);
        nextTurn(b, compute, turn, lanes);
        advance(b, left, -lanes);
      },
    );
  };
  const singles = (): void => {
    beginOr(b, code, compute, begin, wide);
    beginTurns(b, compute, turn, first);
    times(b, left, () => {
      if (unit && code.leaves !== undefined && dtypeInfo(from).bytes * lanes === 16) passOver(code.leaves);
      loadSplat(b, from, compute, at);
      b.set(x);
      if (code.takesSecond) {
        loadSplat(b, from, compute, atSecond);
        b.set(y);
      }
      code.join(b, wide, x, turn, y);
      storeLane(b, out, compute, 'value', wide[0], 0, to);
      if (code.tellsPlaces) storeLane(b, 'int32', 'i32', 'value', wide[1], 0, toIndex);
      for (const [k, place] of places.entries()) advance(b, place, operands[k].turn);
      if (code.tellsPlaces) nextTurn(b, compute, turn);
    });
  };
  times(b, lines, () => {
    for (const [k, place] of places.entries()) b.get(operands[k].place).set(place);
    b.get(turns).set(left);
    if (within === undefined) singles();
    else vectors();
    for (const o of operands) advance(b, o.place, o.line);
  });
  return b;
}

/** Up to TILE columns side by side, row by row, with the states in memory. */
function acrossFunction({ scan, from, out }: ScanSpec): FunctionBody {
  const b = new FunctionBody('across', ['i32'], []);
  const compute = computeOf(scan, out);
  const lanes = lanesOf(compute);
  const code = codeOf(scan, compute);
  const states = loadWord(b, PARAM.state);
  const lines = loadWord(b, PARAM.lines);
  const turns = loadWord(b, PARAM.turns);
  const target = operand(b, PARAM.out);
  const source = operand(b, PARAM.input);
  const indices = operand(b, PARAM.indices);
  const second = operand(b, PARAM.second);
  const operands = [target, source, indices, second];
  const x = b.local('v128');
  const y = b.local('v128');
  const result = b.local('v128');
  const carry = Array.from({ length: code.wide }, () => b.local('v128'));
  const state = b.local('i32');
  const left = b.local('i32');
  const turn = b.local('v128');
  const places = operands.map(() => b.local('i32'));
  const [to, at, toIndex, atSecond] = places;

  const eachVector = (body: () => void): void => {
    b.get(states).set(state).get(lines).set(left);
    whilst(
      b,
      () => b.get(left).i32(0).op('i32.gt_s'),
      () => {
        body();
        advance(b, state, 16 * code.wide);
        advance(b, left, -lanes);
      },
    );
  };
  const storeStates = (): void => {
    for (const [i, c] of carry.entries())
      b.get(state)
        .get(c)
        .mem('v128.store', 16 * i);
  };
  code.begin(b, carry);
  beginTurns(b, compute, turn);
  eachVector(storeStates);
  times(b, turns, () => {
    for (const [k, place] of places.entries()) b.get(operands[k].place).set(place);
    eachVector(() => {
      for (const [i, c] of carry.entries())
        b.get(state)
          .mem('v128.load', 16 * i)
          .set(c);
      loadVector(b, from, compute, at);
      b.set(x);
      if (code.takesSecond) {
        loadVector(b, from, compute, atSecond);
        b.set(y);
      }
      code.join(b, carry, x, turn, y);
      storeStates();
      code.narrow(b, carry);
      b.set(result);
      b.get(left).i32(lanes).op('i32.ge_s');
      b.if(
        () => storeVector(b, out, compute, 'value', result, to),
        () => storeFirst(b, out, compute, 'value', result, left, to),
      );
      if (code.tellsPlaces) {
        pushIndices(b, compute, carry[1]);
        b.set(result);
        const count = copyOf(b, left);
        b.get(left).i32(lanes).get(left).i32(lanes).op('i32.lt_s', 'select').set(count);
        storeFirst(b, 'int32', 'i32', 'value', result, count, toIndex);
        b.release(count);
      }
      advance(b, to, lanes * dtypeInfo(out).bytes);
      advance(b, at, lanes * dtypeInfo(from).bytes);
      advance(b, toIndex, lanes * 4);
      advance(b, atSecond, lanes * dtypeInfo(from).bytes);
    });
    for (const o of operands) advance(b, o.place, o.turn);
    if (code.tellsPlaces) nextTurn(b, compute, turn);
  });
  return b;
}

const kernels = new Map<string, WasmFunction>();

function kernelFor(spec: ScanSpec, kind: 'unit' | 'strided' | 'across'): WasmFunction {
  const key = `${spec.scan} ${spec.from} ${spec.out} ${kind}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel =
      kind === 'across'
        ? instantiate([acrossFunction(spec)]).across
        : instantiate([alongFunction(spec, kind === 'unit')]).along;
    kernels.set(key, kernel);
  }
  return kernel;
}

function run(
  scan: Scan,
  out: Strided,
  indices: Strided | null,
  input: Strided,
  dim: number,
  second: Strided | null = null,
): void {
  beginLaunch();
  const { shape } = input;
  if (shape.includes(0)) return;
  const turns = shape[dim] ?? 1;
  const tensors = [out, input, indices ?? out, second ?? input];
  const strides = tensors.map((t) => stridesOver(t, shape));
  const others = shape.map((_, d) => d).filter((d) => d !== dim);
  const around = joinLoops(memoryOrder(loopsOver(shape, others, strides)));
  const steps = strides.map((s) => s[dim] ?? 1);
  const lanes = lanesOf(computeOf(scan, out.dtype));
  const innermost = around.at(-1);
  const across = innermost !== undefined && innermost.size >= lanes && innermost.steps.every((s) => s === 1);
  const unit = steps.slice(0, 3).every((step) => step === 1);
  const kind = across ? 'across' : unit ? 'unit' : 'strided';
  const lines: Loop = (across ? around.pop() : around.splice(longest(around), 1)[0]) ?? {
    size: 1,
    steps: [0, 0, 0, 0],
  };
  const spec = { scan, from: input.dtype, out: out.dtype };
  const kernel = kernelFor(spec, kind);
  const bytes = tensors.map((t) => dtypeInfo(t.dtype).bytes);
  const starts = tensors.map(startOf);
  const positions = around.reduce((p, { size }) => p * size, 1);
  const least = across ? FEWEST_COLUMNS : 1;
  const tasks = tasksFor(SCAN_STEPS * numel(shape), positions * Math.ceil(lines.size / least));
  const piece = linesOf(lines.size, positions, tasks, least);
  const tile = across ? Math.min(TILE, piece) : piece;
  const tiles = Math.ceil(lines.size / tile);
  const walk = new Walk(around, 4);
  /** Writes the parameters for some lines, from the turn `first` on, at the word `w`. */
  const write = (w: number, state: number, line: number, count: number, first = 0): void => {
    const words = i32();
    words[w + PARAM.state] = state;
    words[w + PARAM.turns] = turns - first;
    words[w + PARAM.lines] = count;
    words[w + PARAM.first] = first;
    for (let k = 0; k < 4; k++) {
      const v = w + PARAM.out + 3 * k;
      words[v] = starts[k] + (walk.places[k] + line * lines.steps[k] + first * steps[k]) * bytes[k];
      words[v + 1] = lines.steps[k] * bytes[k];
      words[v + 2] = steps[k] * bytes[k];
    }
  };
  if (!across && turns >= LONG && positions * lines.size <= FEW_LINES) {
    const params = scratch(4 * PARAM.words);
    const strides = steps.map((step, k) => step * bytes[k]);
    do {
      for (let l = 0; l < lines.size; l++) {
        const places = starts.map((start, k) => start + (walk.places[k] + l * lines.steps[k]) * bytes[k]);
        const [done, state] = scanPieces(spec, { turns, places, steps: strides, unit: steps.every((s) => s === 1) });
        write(params >>> 2, state, l, 1, done);
        if (done < turns) kernel(params);
      }
    } while (walk.next());
    return;
  }
  const states = across ? Array.from({ length: tasks }, () => scratch(STATE_BYTES)) : [];
  inBlocks(kernel, PARAM.words, positions * tiles, tasks, (i, task, w) => {
    const line = (i % tiles) * tile;
    if (line === 0 && i > 0) walk.next();
    write(w, states[task] ?? 0, line, Math.min(tile, lines.size - line));
  });
}

function longest(loops: readonly Loop[]): number {
  return loops.reduce((best, loop, i) => (loop.size > loops[best].size ? i : best), 0);
}

/** out[i] = Σ input[0…i] along `dim`, in out's dtype. */
export function cumsum(out: Strided, input: Strided, dim: number): void {
  run('sum', out, null, input, dim);
}

/** out[i] = Π input[0…i] along `dim`, in out's dtype. */
export function cumprod(out: Strided, input: Strided, dim: number): void {
  run('prod', out, null, input, dim);
}

/** The running maximum along `dim` and, in int32, where it stands: the latest of equals. NaN stays. */
export function cummax(out: Strided, indices: Strided, input: Strided, dim: number): void {
  run('max', out, indices, input, dim);
}

/** The running minimum along `dim` and, in int32, where it stands: the latest of equals. NaN stays. */
export function cummin(out: Strided, indices: Strided, input: Strided, dim: number): void {
  run('min', out, indices, input, dim);
}

/** The recurrence out[i] = factors[i] out[i − 1] + input[i] along `dim`, with out[−1] = 0; all have one dtype. */
export function recurrence(out: Strided, factors: Strided, input: Strided, dim: number): void {
  run('linear', out, null, input, dim, factors);
}
