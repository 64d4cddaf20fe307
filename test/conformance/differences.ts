import { decodeTensor, type EncodedTensor, type HostTensor } from './format.ts';
import type { Bound } from './schema.ts';

/*
 * The reference values are those of PyTorch 1.13 on an x86 machine. Here stands where they are not
 * what Nabla must give.
 */

type Grads = readonly (EncodedTensor | null)[];
type Adjust = (inputs: readonly EncodedTensor[], grads: Grads) => Grads;

function withZeros(encoded: EncodedTensor, at: readonly boolean[]): EncodedTensor {
  const { values } = decodeTensor(encoded);
  at.forEach((zero, i) => {
    if (zero) values[i] = 0;
  });
  return { ...encoded, data: Buffer.from(values.buffer).toString('base64') };
}

const adjustments: Readonly<Record<string, Adjust>> = {
  // Since PyTorch 2 the gradient at (0, 0) is 0 and not NaN.
  'torch.atan2': (inputs, grads) => {
    const [y, x] = inputs.map((t) => decodeTensor(t).values);
    // Where operands are broadcast a NaN may be a sum; such samples stay as they are.
    if (y?.length !== x?.length) return grads;
    const origin = Array.from(y, (v, i) => v === 0 && x[i] === 0);
    return grads.map((g) => (g === null ? null : withZeros(g, origin)));
  },
};

/** The gradients PyTorch gives today, from those on file. */
export function adjustGradients(call: string, inputs: readonly EncodedTensor[], grads: Grads): Grads {
  return adjustments[call]?.(inputs, grads) ?? grads;
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
  const rank = x.shape.length;
  const dim = (Number(bound.dim ?? -1) + rank) % rank || 0;
  const inner = x.shape.slice(dim + 1).reduce((n, m) => n * m, 1);
  const size = x.shape[dim] ?? 1;
  const picks = expected.values.length / (x.values.length / size);
  const at = (k: number, index: number): number => {
    const outer = Math.floor(k / (inner * picks));
    return x.values[(outer * size + index) * inner + (k % inner)];
  };
  const values = expected.values.map((index, k) =>
    sameNumber(at(k, index), at(k, actual.values[k])) ? actual.values[k] : index,
  );
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

const reasons: Readonly<Record<string, Reason>> = {
  'torch.norm': roundedOrder,
  'torch.linalg.vector_norm': roundedOrder,
  'Tensor.int': outOfRange,
};

/** Why the reference values of a call are of no use, null if they are. */
export function unusable(call: string, bound: Bound): string | null {
  return reasons[call]?.(bound) ?? null;
}
