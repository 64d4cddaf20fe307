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
import { beginLaunch, i32 } from '../heap.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { startOf } from './nest.ts';

/** How scores lie, and which target picks nothing. */
export interface Classes {
  readonly outer: number;
  readonly classes: number;
  readonly inner: number;
  readonly ignored: number;
}

/** What a walk gives back where a target is no class. */
const NO_CLASS = -1;

/** Parameters: scores, the other operand and its step in bytes, a divisor, targets, outer, classes, inner, ignored. */
const PARAMS = ['i32', 'i32', 'i32', 'f64', 'i32', 'i32', 'i32', 'i32', 'i32'] as const;

interface Visit {
  /** Where the score of the target is, the other operand's element, and what that is divided by. */
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
          b.if(() => b.i32(NO_CLASS).op('return'));
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
      b.get(score).get(other).mem(`${float}.load`).get(divisor);
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

function run(
  which: keyof Kernels,
  scores: Strided,
  other: Strided | null,
  divisor: number,
  targets: Strided,
  c: Classes,
): number {
  const float = scores.dtype === 'float64' ? 'f64' : 'f32';
  compiled[float] ??= compile(float);
  const step = other === null || other.shape.length === 0 ? 0 : dtypeInfo(other.dtype).bytes;
  const [toScores, toOther, toTargets] = [startOf(scores), other === null ? 0 : startOf(other), startOf(targets)];
  const counted = compiled[float][which](
    toScores,
    toOther,
    step,
    divisor,
    toTargets,
    c.outer,
    c.classes,
    c.inner,
    c.ignored,
  );
  if (counted === NO_CLASS) refuse(toTargets, c);
  return counted;
}

function refuse(targets: number, { outer, classes, inner, ignored }: Classes): never {
  const all = i32().subarray(targets >>> 2, (targets >>> 2) + outer * inner);
  const bad = all.find((t) => t !== ignored && !(t >= 0 && t < classes));
  throw new IndexError(`nllLoss: Target ${bad} is out of bounds: there are ${classes} classes`);
}

/**
 * out[o, i] = −scores[o, targets[o, i], i], 0 where the target is ignored. Gives back how many are not.
 *
 * @throws {IndexError} if a target is no class.
 */
export function pickClasses(out: Strided, scores: Strided, targets: Strided, c: Classes): number {
  beginLaunch();
  return run('pick', scores, out, 1, targets, c);
}

/**
 * out[o, targets[o, i], i] = −g[o, i] and 0 elsewhere. `g` may be one number (of rank 0) for all; with
 * `mean` it is divided by how many targets count.
 *
 * @throws {IndexError} if a target is no class.
 */
export function spreadClasses(out: Strided, g: Strided, targets: Strided, c: Classes, mean: boolean): void {
  beginLaunch();
  clear(startOf(out), c.outer * c.classes * c.inner * dtypeInfo(out.dtype).bytes);
  const divisor = mean ? run('count', out, null, 1, targets, c) : 1;
  run('spread', out, g, divisor, targets, c);
}
