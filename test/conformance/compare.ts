import { decodeFloat, decodeTensor, type Encoded, type EncodedTensor, type HostTensor } from './format.ts';

/** A value that is not what PyTorch gives. */
export class Mismatch extends Error {
  override name = 'Mismatch';
}

/** `err32` is the error of PyTorch's own float32 result against float64. */
function tolerance(dtype: HostTensor['dtype'], err32: number): number {
  switch (dtype) {
    case 'float64':
      return 1e-9;
    case 'float32':
      return Math.max(1e-5, 20 * err32);
    default:
      return 0;
  }
}

const text = (shape: readonly number[]): string => `[${shape.join(', ')}]`;
const sameShape = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/**
 * Checks |a − b| ≤ tol · max(1, max |b|) over finite reference values b; NaN must meet NaN, and
 * infinities one of the same sign. dtype and shape must be the same.
 *
 * @throws {Mismatch}
 */
export function compareTensors(what: string, actual: HostTensor, expected: HostTensor, err32 = 0): void {
  if (actual.dtype !== expected.dtype) throw new Mismatch(`${what}: dtype ${actual.dtype}, expected ${expected.dtype}`);
  if (!sameShape(actual.shape, expected.shape))
    throw new Mismatch(`${what}: shape ${text(actual.shape)}, expected ${text(expected.shape)}`);
  const [a, b] = [actual.values, expected.values];
  if (a.length !== b.length) throw new Mismatch(`${what}: ${a.length} values, expected ${b.length}`);
  let scale = 1;
  for (const x of b) if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
  const allowed = tolerance(expected.dtype, err32) * scale;
  for (let i = 0; i < b.length; i++) {
    const close = Number.isFinite(b[i]) ? Math.abs(a[i] - b[i]) <= allowed : Object.is(a[i], b[i]);
    if (!close) {
      const off = Number.isFinite(a[i]) && Number.isFinite(b[i]);
      const by = off ? `, off by ${Math.abs(a[i] - b[i]).toExponential(1)} of ${allowed.toExponential(1)} allowed` : '';
      throw new Mismatch(`${what}: element ${i} of ${text(expected.shape)} is ${a[i]}, expected ${b[i]}${by}`);
    }
  }
}

/** Checks a gradient or tangent. None in PyTorch means that nothing flows, which may also be said by zeros. */
export function compareDerivative(
  what: string,
  actual: HostTensor | null,
  expected: EncodedTensor | null,
  err32 = 0,
): void {
  if (expected === null) {
    const at = actual === null ? -1 : actual.values.findIndex((x) => x !== 0);
    if (at >= 0) throw new Mismatch(`${what}: element ${at} is ${actual?.values[at]}, expected no derivative`);
    return;
  }
  const reference = decodeTensor(expected);
  if (actual !== null) {
    compareTensors(what, actual, reference, err32);
    return;
  }
  // PyTorch may have computed its zeros, give or take a rounding.
  const at = reference.values.findIndex((x) => !(Math.abs(x) <= 2 ** -52));
  if (at >= 0) throw new Mismatch(`${what}: no derivative, expected ${reference.values[at]} at element ${at}`);
}

/** Checks a result that is no tensor. */
export function compareScalar(what: string, actual: unknown, expected: Encoded): void {
  if (Array.isArray(expected) && Array.isArray(actual)) {
    compareScalar(`length of ${what}`, actual.length, expected.length);
    for (const [i, x] of (expected as readonly Encoded[]).entries()) compareScalar(`${what}[${i}]`, actual[i], x);
    return;
  }
  const float = typeof expected === 'object' && expected !== null && 'float' in expected;
  const value = float ? decodeFloat(expected.float) : expected;
  if (!Object.is(actual, value)) throw new Mismatch(`${what}: ${String(actual)}, expected ${String(value)}`);
}
