import { GradcheckError } from '../../core/errors.ts';
import { Generator } from '../../tensor/generator.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { allClose, close, Jacobian, worstEntry } from './jacobian.ts';
import {
  checkReentrant,
  forwardJacobians,
  gradients,
  like,
  numericalJacobians,
  randoms,
  reverseJacobians,
  tangentsAlong,
} from './modes.ts';
import type { Settings } from './options.ts';
import { floats, type Subject, values } from './subject.ts';

/* The comparison itself: entry by entry, or of random projections. */

type Mode = 'reverse' | 'forward';

/** A result's position among the floating point results, and among the differentiable ones. */
interface Output {
  readonly tensor: Tensor;
  readonly at: number;
  readonly index: number;
}

function differentiable(results: readonly Tensor[]): Output[] {
  return floats(results)
    .map((tensor, at) => ({ tensor, at }))
    .filter(({ tensor }) => tensor.requiresGrad)
    .map((o, index) => ({ ...o, index }));
}

function mismatch(analytical: Jacobian, numerical: Jacobian, output: number, input: number, mode: Mode): string {
  const how = mode === 'forward' ? 'computed with forward mode ' : '';
  return `Jacobian ${how}mismatch for output ${output} with respect to input ${input},\nnumerical:${numerical}\nanalytical:${analytical}\n`;
}

/** Nothing is differentiable: then nothing may change either. */
export function checkConstant(subject: Subject, results: readonly Tensor[], { eps }: Settings): void {
  for (const row of numericalJacobians(subject, results, eps))
    for (const j of row)
      if (j.values.some((v) => v !== 0))
        throw new GradcheckError(
          `Numerical gradient for function expected to be zero: no result requires grad, but one depends on an input,\nnumerical:${j}\n`,
        );
}

/** Compares every entry of every Jacobian. */
export function compareAll(subject: Subject, results: readonly Tensor[], mode: Mode, settings: Settings): void {
  const outputs = differentiable(results);
  const numerical = numericalJacobians(subject, results, settings.eps);
  const forward = mode === 'forward' ? forwardJacobians(subject, results) : null;
  for (const output of outputs) {
    const reverse = forward === null ? reverseJacobians(subject, output.tensor, settings) : null;
    subject.inputs.forEach((input, i) => {
      const expected = numerical[i][output.at];
      const actual = reverse === null ? (forward as Jacobian[][])[i][output.at] : reverse[i];
      if (allClose(actual.values, expected.values, settings)) return;
      const worst = worstEntry(
        actual,
        expected,
        settings,
        { index: output.index, shape: output.tensor.shape },
        { index: i, shape: input.tensor.shape },
      );
      throw new GradcheckError(mismatch(actual, expected, output.index, i, mode) + worst);
    });
  }
}

/** A random direction: of length 1, with no negative component, so that differences of one sign do not cancel. */
function direction(t: Tensor, random: Generator): Float64Array {
  const v = randoms(t.numel(), random);
  const length = Math.sqrt(dot(v, v));
  return v.map((x) => (length === 0 ? 0 : x / length));
}

const dot = (a: Float64Array, b: Float64Array): number => a.reduce((s, x, k) => s + x * b[k], 0);
const total = (a: Float64Array): number => a.reduce((s, x) => s + x, 0);

/** Compares vᵀ J u for one random u of every input and v of every output. */
export function compareProjections(subject: Subject, results: readonly Tensor[], mode: Mode, settings: Settings): void {
  const random = new Generator(0);
  const outputs = differentiable(results);
  const us = subject.inputs.map(({ tensor }) => direction(tensor, random));
  const vs = outputs.map(({ tensor }) => direction(tensor, random));
  const numerical = subject.inputs.map((input, i) => {
    const moved = subject.difference(input, us[i], settings.eps, results);
    return outputs.map(({ at }, o) => dot(vs[o], moved[at]));
  });
  const analytical =
    mode === 'forward'
      ? subject.inputs.map((input, i) => {
          const tangents = tangentsAlong(subject, [[input, like(input.tensor, us[i])]]);
          return outputs.map(({ at }, o) => dot(vs[o], values(tangents[at])));
        })
      : byReverse(subject, outputs, us, vs, settings);
  outputs.forEach((output, o) => {
    subject.inputs.forEach((_, i) => {
      const [a, n] = [analytical[i][o], numerical[i][o]];
      const atol = settings.atol * total(us[i]) * total(vs[o]);
      if (!close(a, n, { atol, rtol: settings.rtol }))
        throw projected(subject, results, output, i, [a, n], mode, settings);
    });
  });
}

function byReverse(
  subject: Subject,
  outputs: readonly Output[],
  us: readonly Float64Array[],
  vs: readonly Float64Array[],
  settings: Settings,
): number[][] {
  const found = subject.inputs.map((): number[] => []);
  outputs.forEach(({ tensor }, o) => {
    const [first, second] = [0, 1].map(() =>
      gradients(tensor, subject.inputs, like(tensor, vs[o])).map((g, i) => (g === null ? 0 : dot(values(g), us[i]))),
    );
    checkReentrant(first, second, settings);
    first.forEach((x, i) => {
      found[i].push(x);
    });
  });
  return found;
}

/** The error of a projection that does not agree, with the whole Jacobians. */
function projected(
  subject: Subject,
  results: readonly Tensor[],
  output: Output,
  i: number,
  [a, n]: readonly [number, number],
  mode: Mode,
  settings: Settings,
): GradcheckError {
  const numerical = numericalJacobians(subject, results, settings.eps)[i][output.at];
  const analytical =
    mode === 'forward'
      ? forwardJacobians(subject, results)[i][output.at]
      : reverseJacobians(subject, output.tensor, settings)[i];
  const largest = numerical.values.reduce((m, x, k) => Math.max(m, Math.abs(x - analytical.values[k])), 0);
  const one = (x: number): Jacobian => {
    const j = new Jacobian(1, 1);
    j.values[0] = x;
    return j;
  };
  const input = subject.inputs[i].tensor;
  const rest = allClose(analytical.values, numerical.values, settings)
    ? "Fast gradcheck failed but element-wise differences are small. This means that the\ntest might've passed in slow_mode!\n"
    : worstEntry(
        analytical,
        numerical,
        settings,
        { index: output.index, shape: output.tensor.shape },
        { index: i, shape: input.shape },
      );
  return new GradcheckError(
    `${mismatch(one(a), one(n), output.index, i, mode)}\nThe above quantities relating the numerical and analytical jacobians are computed \nin fast mode. Below, we recompute numerical and analytical jacobians in slow mode:\n\nNumerical:\n ${numerical}\nAnalytical:\n${analytical}\n\nThe max per-element difference (slow mode) is: ${largest}.\n${rest}`,
  );
}
