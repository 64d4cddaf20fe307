import { decodeTensor, type EncodedTensor, type HostTensor, type Sample } from './format.ts';
import type { Bound } from './schema.ts';

/*
 * The reference values are those of PyTorch 1.13 on an x86 machine. Here stands where they are not
 * what Nabla must give.
 */

type Grads = readonly (EncodedTensor | null)[];
type Adjust = (inputs: readonly EncodedTensor[], grads: Grads, sample: Sample) => Grads;

/** A float64 or float32 tensor with some values replaced; null leaves one as it is. */
function withValues(encoded: EncodedTensor, at: readonly (number | null)[]): EncodedTensor {
  const { values } = decodeTensor(encoded);
  at.forEach((value, i) => {
    if (value !== null) values[i] = value;
  });
  return { ...encoded, data: Buffer.from(values.buffer).toString('base64') };
}

/** The places of every line along `dim`, in row-major order; with `length`, of a tensor whose lines have that length. */
function linesOf(shape: readonly number[], dim: number, length?: number): number[][] {
  const d = dim < 0 ? dim + shape.length : dim;
  const inner = shape.slice(d + 1).reduce((n, m) => n * m, 1);
  const outer = shape.slice(0, Math.max(0, d)).reduce((n, m) => n * m, 1);
  const size = length ?? shape[d] ?? 1;
  return Array.from({ length: outer * inner }, (_, line) =>
    Array.from({ length: size }, (_x, k) => (Math.floor(line / inner) * size + k) * inner + (line % inner)),
  );
}

/** A whole number below 0. */
const isPole = (x: number): boolean => Number.isInteger(x) && x < 0;

/** Of a NaN PyTorch 1.13 takes the slope at 0, ½. */
const slopeOfNaN: Adjust = ([input], [grad]) => [
  withValues(
    grad as EncodedTensor,
    Array.from(decodeTensor(input).values, (v) => (Number.isNaN(v) ? v : null)),
  ),
];

const adjustments: Readonly<Record<string, Adjust>> = {
  // Since PyTorch 2 the gradient at (0, 0) is 0 and not NaN.
  'torch.atan2': (inputs, grads) => {
    // Where operands are broadcast a NaN may be a sum; such samples stay as they are.
    if (inputs[0]?.shape.join() !== inputs[1]?.shape.join()) return grads;
    const [y, x] = inputs.map((t) => decodeTensor(t).values);
    const origin = Array.from(y, (v, i) => (v === 0 && x[i] === 0 ? 0 : null));
    return grads.map((g) => (g === null ? null : withValues(g, origin)));
  },
  // Poles, which PyTorch's sine of a multiple of π misses.
  'torch.digamma': ([input], [grad], { vjp }) => {
    const seeds = decodeTensor(vjp?.cotangents[0] as EncodedTensor).values;
    const poles = Array.from(decodeTensor(input).values, (v, i) => (isPole(v) ? seeds[i] * Infinity : null));
    return [withValues(grad as EncodedTensor, poles)];
  },
  // The limit of the slope, 2 x erfcx(x) − 2/√π, is 0 at ∞.
  'torch.special.erfcx': ([input], [grad]) => [
    withValues(
      grad as EncodedTensor,
      Array.from(decodeTensor(input).values, (v) => (v === Infinity ? 0 : null)),
    ),
  ],
  'torch.special.i1': slopeOfNaN,
  'torch.special.i1e': slopeOfNaN,
  // The slope √(2/π) / erfcx(−x/√2), which is −x far below 0; of PyTorch's erfcx few digits are right there.
  'torch.special.log_ndtr': ([input], [grad], { vjp }) => {
    const seeds = decodeTensor(vjp?.cotangents[0] as EncodedTensor).values;
    const far = Array.from(decodeTensor(input).values, (v, i) => (v < -1e5 ? -v * (seeds[i] as number) : null));
    return [withValues(grad as EncodedTensor, far)];
  },
  // PyTorch adds what logSoftmax adds, ȳ exp(log p), and takes it for the derivative by log p (finite differences say so).
  'torch.nn.functional.ctc_loss': ([input], [grad], { args, kwargs, vjp }) => {
    const [steps, n, classes] = input.shape as [number, number, number];
    const times = args[2] as unknown as readonly number[];
    const lengths = args[3] as unknown as readonly number[];
    const seeds = decodeTensor(vjp?.cotangents[0] as EncodedTensor).values;
    const seed = (i: number): number => {
      if (kwargs.reduction === 'none') return seeds[i];
      return kwargs.reduction === 'sum' ? seeds[0] : seeds[0] / n / Math.max(1, lengths[i]);
    };
    const given = decodeTensor(grad as EncodedTensor).values;
    const logs = decodeTensor(input).values;
    // An impossible example, which counts 0, has no gradient at all.
    const none = (i: number): boolean =>
      Array.from(
        { length: steps * classes },
        (_, k) => given[(Math.floor(k / classes) * n + i) * classes + (k % classes)],
      ).every((v) => v === 0);
    const exact = Array.from(given, (g, k) => {
      const i = Math.floor(k / classes) % n;
      return Math.floor(k / classes / n) < times[i] && !none(i) ? g - Math.exp(logs[k]) * seed(i) : g;
    });
    return [withValues(grad as EncodedTensor, exact)];
  },
  // PyTorch divides by the input, which makes NaN of infinities. The gradient is
  // ∏_{j<i} x[j] s[i] with s[i] = ȳ[i] + x[i+1] s[i+1].
  'torch.cumprod': ([input], [grad], { args, kwargs, vjp }) => {
    const x = decodeTensor(input);
    const seeds = decodeTensor(vjp?.cotangents[0] as EncodedTensor).values;
    const exact = new Array<number | null>(x.values.length).fill(null);
    for (const line of linesOf(x.shape, Number(kwargs.dim ?? args[1]))) {
      if (line.every((at) => Number.isFinite(x.values[at]))) continue;
      line.forEach((at, i) => {
        const before = line.slice(0, i).reduce((p, other) => p * x.values[other], 1);
        const rest = line.slice(i).toReversed();
        exact[at] = before * rest.reduce((s, k, j) => seeds[k] + (j === 0 ? 0 : x.values[rest[j - 1]] * s), 0);
      });
    }
    return [withValues(grad as EncodedTensor, exact)];
  },
};

/** The gradients PyTorch gives today, from those on file. */
export function adjustGradients(inputs: readonly EncodedTensor[], grads: Grads, sample: Sample): Grads {
  return adjustments[sample.call]?.(inputs, grads, sample) ?? grads;
}

/** Why second derivatives on file are of no use, null if they are. */
export function unusableSecond(call: string, grads: Grads): string | null {
  // Float32 weights beside float64 observations: sums cancel, and what is left is their rounding errors.
  const rounding = (g: EncodedTensor | null): boolean =>
    g?.dtype === 'float32' && decodeTensor(g).values.some((v) => v !== 0 && Math.abs(v) < 1e-4);
  return call === 'torch.cov' && grads.some(rounding) ? 'a second derivative that is rounding error' : null;
}

/** What finds elements along a dimension, and may find any of several that are equal: PyTorch does not say which. */
const choosing: ReadonlySet<string> = new Set(['torch.topk']);

const sameNumber = (a: number, b: number): boolean => a === b || Object.is(a, b);

/**
 * Indices that PyTorch would give had it chosen as `actual` does: those of `expected`, exchanged where
 * the input holds the same value at both.
 */
export function adjustIndices(call: string, bound: Bound, actual: HostTensor, expected: HostTensor): HostTensor {
  if (!choosing.has(call) || expected.dtype !== 'int32') return expected;
  const x = decodeTensor(bound.self as EncodedTensor);
  const dim = Number(bound.dim ?? -1);
  const lines = linesOf(x.shape, dim);
  const values = expected.values.slice();
  linesOf(x.shape, dim, values.length / lines.length).forEach((found, i) => {
    const at = (index: number): number => x.values[lines[i][index]];
    for (const k of found) if (sameNumber(at(values[k]), at(actual.values[k]))) values[k] = actual.values[k];
  });
  return { ...expected, values };
}

type Reason = (bound: Bound) => string | null;

const isFloat64 = ({ self }: Bound): boolean => (self as EncodedTensor).dtype === 'float64';

/** PyTorch's kernel takes the order of a norm in single precision, its gradient in double. */
const roundedOrder: Reason = (bound) => {
  const p = bound.p ?? bound.ord;
  const rounded = typeof p === 'number' && Math.fround(p) !== p && isFloat64(bound);
  return rounded ? 'a norm whose order PyTorch rounds to float32' : null;
};

/** What becomes of NaN, infinities and numbers out of range is undefined in C++ and differs between machines. */
const outOfRange: Reason = ({ self }) => {
  const { values } = decodeTensor(self as EncodedTensor);
  const fits = (x: number): boolean => Math.trunc(x) >= -(2 ** 31) && Math.trunc(x) < 2 ** 31;
  return values.every(fits) ? null : 'numbers out of range made integers';
};

/** The slope 1/6 is a float32 in PyTorch's kernel, for float64 too. */
const roundedSlope: Reason = (bound) => (isFloat64(bound) ? 'a slope that PyTorch rounds to float32' : null);

/** PyTorch 1.13 makes 0 of NaN here, newer versions let it pass. */
const lostNaN: Reason = ({ self }) =>
  decodeTensor(self as EncodedTensor).values.some(Number.isNaN) ? 'NaN, which PyTorch 1.13 makes 0 of' : null;

/** Without the shape of the result, PyTorch's method gives its tensor another size, under every view of it. */
const resizing: Reason = (bound) => {
  const shapes = [bound.self, bound.batch1, bound.batch2].map((t) => (t as EncodedTensor).shape);
  const fits = shapes[0].join() === [shapes[1][1], shapes[2][2]].join();
  return fits ? null : 'a change in place that resizes the tensor';
};

/** At a pole PyTorch has a finite number, its sine of a multiple of π not being 0. */
const missedPole: Reason = ({ self, n }) =>
  n === 1 && decodeTensor(self as EncodedTensor).values.some(isPole) ? 'a pole that PyTorch misses' : null;

const reasons: Readonly<Record<string, Reason>> = {
  'Tensor.addbmm_': resizing,
  'torch.nn.functional.hardsigmoid': roundedSlope,
  'torch.nn.functional.softshrink': lostNaN,
  'torch.polygamma': missedPole,
  'torch.special.polygamma': missedPole,
  'torch.norm': roundedOrder,
  'torch.linalg.vector_norm': roundedOrder,
  'Tensor.int': outOfRange,
};

/** Why the reference values of a call are of no use, null if they are. */
export function unusable(call: string, bound: Bound): string | null {
  return reasons[call]?.(bound) ?? null;
}
