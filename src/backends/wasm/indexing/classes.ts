/**
 * What target classes pick out of scores, and the other way round. Scores are [outer, classes, inner],
 * targets [outer, inner] (int32), both in order; a target that is `ignored` picks nothing.
 */
import { dtypeInfo } from '../../../core/dtype.ts';
import { IndexError } from '../../../core/errors.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { clear } from '../clear.ts';
import { advance, copyOf, timesOrNever } from '../control.ts';
import { FunctionBody, type Local } from '../encoder.ts';
import { beginLaunchBeside, i32, isSettled, scratch } from '../heap.ts';
import { parameterDoubles } from '../linear-memory.ts';
import { instantiate, trapped, type WasmFunction } from '../module.ts';
import { joinWorkers } from '../threads/pending.ts';
import { callInTurn } from '../threads/queue.ts';
import { startOf } from './nest.ts';

/** How scores lie, and which target picks nothing. */
export interface Classes {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly ignored: number;
}

/** What a count gives back where a target is no class; the others are called with what was counted, and trap. */
const NO_CLASS = -1;

/** Parameters: scores, the other operand and its step in bytes, where a divisor is, targets, outer, classes, inner, ignored. */
const PARAMS = ['i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32', 'i32'] as const;

interface Visit {
  /** Where the score of the target is, the other operand's element, and what that is divided by, a float64. */
  readonly score: Local;
  readonly other: Local;
  readonly divisor: Local;
}

/** Walks all targets and gives back how many count. */
function walk(
  name: string,
  bytes: number,
  found: (b: FunctionBody, at: Visit) => void,
  ignored: (b: FunctionBody, at: Visit) => void,
): FunctionBody {
  const b = new FunctionBody(name, PARAMS, ['i32']);
  const [scores, other, step, divisor, targets, outer, classes, inner, ignore] = b.params;
  const target = b.local('i32');
  const counted = b.local('i32');
  const at: Visit = { score: b.local('i32'), other, divisor };
  timesOrNever(b, outer, () => {
    const left = copyOf(b, inner);
    timesOrNever(b, left, () => {
      b.get(targets).mem('i32.load').tee(target).get(ignore).op('i32.eq');
      b.if(
        () => ignored(b, at),
        () => {
          b.get(target).get(classes).op('i32.ge_u');
          b.if(() => (name === 'count' ? b.i32(NO_CLASS).op('return') : b.op('unreachable')));
          b.get(scores).get(target).get(inner).op('i32.mul').i32(bytes).op('i32.mul', 'i32.add').set(at.score);
          found(b, at);
          advance(b, counted, 1);
        },
      );
      advance(b, scores, bytes);
      advance(b, targets, 4);
      advance(b, other, step);
    });
    // Past the scores of the other classes.
    b.get(scores).get(classes).i32(1).op('i32.sub').get(inner).op('i32.mul').i32(bytes);
    b.op('i32.mul', 'i32.add').set(scores);
    b.release(left);
  });
  if (name === 'count') b.get(divisor).get(counted).op('f64.convert_i32_s').mem('f64.store');
  b.get(counted);
  return b;
}

interface Kernels {
  /** other ← −score, 0 where the target is ignored */
  readonly pick: WasmFunction;
  /** score ← −(other / divisor) */
  readonly spread: WasmFunction;
  readonly count: WasmFunction;
}

function compile(float: 'f32' | 'f64'): Kernels {
  const bytes = float === 'f32' ? 4 : 8;
  const nothing = (): void => undefined;
  const pick = walk(
    'pick',
    bytes,
    (b, { score, other }) => b.get(other).get(score).mem(`${float}.load`).op(`${float}.neg`).mem(`${float}.store`),
    (b, { other }) => {
      b.get(other);
      (float === 'f32' ? b.f32(0) : b.f64(0)).mem(`${float}.store`);
    },
  );
  const spread = walk(
    'spread',
    bytes,
    (b, { score, other, divisor }) => {
      b.get(score).get(other).mem(`${float}.load`).get(divisor).mem('f64.load');
      if (float === 'f32') b.op('f32.demote_f64');
      b.op(`${float}.div`, `${float}.neg`).mem(`${float}.store`);
    },
    nothing,
  );
  return instantiate([pick, spread, walk('count', bytes, nothing, nothing)]) as Readonly<
    Record<keyof Kernels, WasmFunction>
  >;
}

const compiled: { f32?: Kernels; f64?: Kernels } = {};

/** Calls a kernel, behind what is queued unless it is to be at once, and gives back what one called at once does. */
function run(
  which: keyof Kernels,
  scores: Strided | null,
  other: Strided | null,
  divisor: number,
  targets: Strided,
  c: Classes,
  atOnce = false,
): number {
  const float = scores?.dtype === 'float64' ? 'f64' : 'f32';
  compiled[float] ??= compile(float);
  const kernel = compiled[float][which];
  const step = other === null || other.shape.length === 0 ? 0 : dtypeInfo(other.dtype).bytes;
  const start = (t: Strided | null): number => (t === null ? 0 : startOf(t));
  const args = [start(scores), start(other), step, divisor, startOf(targets), c.outer, c.classes, c.inner, c.ignored];
  if (atOnce) return kernel(...args);
  if (trapped(() => callInTurn(0, kernel, ...args))) refuse(startOf(targets), c);
  return 0;
}

/**
 * How many targets are not ignored.
 *
 * @throws {IndexError} if a target is no class.
 */
export function countClasses(targets: Strided, c: Classes): number {
  beginLaunchBeside();
  if (!isSettled(targets.storage)) joinWorkers();
  const counted = run('count', null, null, scratch(8), targets, c, true);
  if (counted === NO_CLASS) refuse(startOf(targets), c);
  return counted;
}

function refuse(targets: number, { outer, classes, inner, ignored }: Classes): never {
  const all = i32().subarray(targets >>> 2, (targets >>> 2) + outer * inner);
  const bad = all.find((t) => t !== ignored && !(t >= 0 && t < classes));
  throw new IndexError(`nllLoss or crossEntropy: Target ${bad} is out of bounds: there are ${classes} classes`);
}

/**
 * out[o, i] = −scores[o, targets[o, i], i], 0 where the target is ignored; all others were classes when they were counted
 * (`countClasses`). If one no longer is, that is an error where the work is done, which may be later.
 */
export function pickClasses(out: Strided, scores: Strided, targets: Strided, c: Classes): void {
  beginLaunchBeside();
  run('pick', scores, out, 0, targets, c);
}

/**
 * out[o, targets[o, i], i] = −g[o, i] and 0 elsewhere, for targets as above. `g` may be one number (of rank 0) for all;
 * with `mean` it is divided by how many targets count.
 */
export function spreadClasses(out: Strided, g: Strided, targets: Strided, c: Classes, mean: boolean): void {
  beginLaunchBeside();
  clear(startOf(out), c.outer * c.classes * c.inner * dtypeInfo(out.dtype).bytes);
  const divisor = scratch(8);
  if (mean) run('count', out, null, divisor, targets, c);
  else parameterDoubles()[divisor >>> 3] = 1;
  run('spread', out, g, divisor, targets, c);
}
