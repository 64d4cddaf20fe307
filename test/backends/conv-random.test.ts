/** Convolutions of random sizes and their gradients against plain loops, by the system's BLAS and by generated kernels. */
import fc from 'fast-check';
import { functional as F, setNumThreads, type Tensor, tensor } from 'nabla';
import { describe, it } from 'vitest';
import { numel } from '../../src/core/shape.ts';
import { generated, systemBlas, useBlas } from '../support/blas.ts';

const seed = Number(process.env.NABLA_SEED ?? 20261);
useBlas(systemBlas());

/** More multiplications than this take plain loops too long; fewer never reach a library. */
const MOST_WORK = 3e6;

interface Dimension {
  readonly size: number;
  readonly taps: number;
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
}

interface Case {
  readonly dimensions: readonly Dimension[];
  readonly images: number;
  readonly groups: number;
  /** Channels of a group. */
  readonly inputs: number;
  readonly outputs: number;
  readonly dtype: 'float32' | 'float64';
  readonly threads: number;
  readonly seed: number;
}

const oneOf = <T>(...values: T[]): fc.Arbitrary<T> => fc.constantFrom(...values);
const dimension = (most: number): fc.Arbitrary<Dimension> =>
  fc.record({
    size: fc.integer({ min: 1, max: most }),
    taps: oneOf(1, 1, 2, 3, 3, 3, 4, 5, 7),
    stride: oneOf(1, 1, 1, 2, 2, 3, 4),
    padding: oneOf(0, 0, 1, 2, 3),
    dilation: oneOf(1, 1, 1, 2, 3),
  });
/** Places of the result along a dimension. */
const placesOf = ({ size, taps, stride, padding, dilation }: Dimension): number =>
  Math.floor((size + 2 * padding - dilation * (taps - 1) - 1) / stride) + 1;
const tapsOf = (c: Case): number[] => c.dimensions.map(({ taps }) => taps);
const work = (c: Case): number =>
  c.images * c.groups * c.outputs * c.inputs * numel(tapsOf(c)) * numel(c.dimensions.map(placesOf));

const cases: fc.Arbitrary<Case> = fc
  .record({
    dimensions: fc.oneof(
      fc.tuple(dimension(300)),
      fc.tuple(dimension(40), dimension(40)),
      fc.tuple(dimension(10), dimension(10), dimension(10)),
    ),
    images: oneOf(1, 1, 2, 3, 5),
    groups: oneOf(1, 1, 1, 2, 4, 16),
    inputs: oneOf(1, 2, 3, 7, 16, 32, 64),
    outputs: oneOf(1, 2, 5, 16, 32, 48, 64),
    dtype: oneOf<'float32' | 'float64'>('float32', 'float64'),
    threads: oneOf(1, 1, 2, 3),
    seed: fc.integer({ min: 1, max: 1e6 }),
  })
  .filter((c) => c.dimensions.every((d) => placesOf(d) > 0) && work(c) <= MOST_WORK);

/** Calls `each` with the places of an element of the input, of the weight and of the result, for every product of the convolution. */
function forEachProduct(c: Case, each: (x: number, w: number, y: number) => void): void {
  const { dimensions, images, groups, inputs, outputs } = c;
  const taps = numel(tapsOf(c));
  const sizes = dimensions.map(({ size }) => size);
  const places = dimensions.map(placesOf);
  // Pairs of a place in one image and in one result, by tap.
  const pairs = Array.from({ length: taps }, (_, tap) => {
    let found: [number, number][] = [[0, 0]];
    let rest = tap;
    const index = dimensions.map((_d, d) => {
      const block = numel(tapsOf(c).slice(d + 1));
      const k = Math.floor(rest / block);
      rest -= k * block;
      return k;
    });
    dimensions.forEach(({ size, stride, padding, dilation }, d) => {
      found = found.flatMap(([x, y]) =>
        Array.from({ length: places[d] }, (_, p): [number, number] => [p * stride - padding + index[d] * dilation, p])
          .filter(([at]) => at >= 0 && at < size)
          .map(([at, p]): [number, number] => [x * sizes[d] + at, y * places[d] + p]),
      );
    });
    return found;
  });
  for (let image = 0; image < images; image++) {
    for (let o = 0; o < groups * outputs; o++) {
      const y = (image * groups * outputs + o) * numel(places);
      for (let i = 0; i < inputs; i++) {
        const x = (image * groups * inputs + Math.floor(o / outputs) * inputs + i) * numel(sizes);
        pairs.forEach((list, tap) => {
          for (const [p, q] of list) each(x + p, (o * inputs + i) * taps + tap, y + q);
        });
      }
    }
  }
}

/** Numbers between −1 and 1 that float32 has. */
function numbers(count: number, from: number): Float64Array {
  let state = from;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(state / 2 ** 31 - 1);
  });
}

function expectSame(what: string, actual: Tensor | null, expected: Float64Array, dtype: string): void {
  const values = actual?.flatten().toArray() as number[];
  const largest = expected.reduce((m, v) => Math.max(m, Math.abs(v)), 1);
  const allowed = largest * (dtype === 'float32' ? 1e-4 : 1e-12);
  const at = expected.findIndex((v, i) => !(Math.abs(values[i] - v) <= allowed));
  if (at >= 0) throw new Error(`${what}: element ${at} is ${values[at]} and should be ${expected[at]}`);
}

type Call = (x: Tensor, w: Tensor, bias: null, options: F.ConvOptions & F.ConvTransposeOptions) => Tensor;
const forward = [F.conv1d, F.conv2d, F.conv3d] as unknown as Call[];
const transposed = [F.convTranspose1d, F.convTranspose2d, F.convTranspose3d] as unknown as Call[];

/**
 * With y = Σ x w over all products, gradients are x̄ = Σ ȳ w and w̄ = Σ ȳ x. The transposed convolution of ȳ is x̄,
 * and for the cotangent x its gradients are y and w̄.
 */
function check(c: Case): void {
  setNumThreads(c.threads);
  const { dimensions: ds, dtype, images, groups, inputs, outputs } = c;
  const shapes = {
    x: [images, groups * inputs, ...ds.map(({ size }) => size)],
    w: [groups * outputs, inputs, ...tapsOf(c)],
    y: [images, groups * outputs, ...ds.map(placesOf)],
  };
  const x = numbers(numel(shapes.x), c.seed);
  const w = numbers(numel(shapes.w), c.seed + 1);
  const cotangent = numbers(numel(shapes.y), c.seed + 2);
  const y = new Float64Array(cotangent.length);
  const byX = new Float64Array(x.length);
  const byW = new Float64Array(w.length);
  forEachProduct(c, (i, j, k) => {
    y[k] += x[i] * w[j];
    byX[i] += cotangent[k] * w[j];
    byW[j] += cotangent[k] * x[i];
  });
  const leaf = (values: Float64Array, shape: number[]): Tensor =>
    (tensor(values, { dtype }).reshape(shape) as Tensor).requiresGrad_();
  const options = {
    stride: ds.map(({ stride }) => stride),
    padding: ds.map(({ padding }) => padding),
    dilation: ds.map(({ dilation }) => dilation),
    groups,
  };
  const outputPadding = ds.map((d) => (d.size + 2 * d.padding - d.dilation * (d.taps - 1) - 1) % d.stride);
  for (const [calls, more, a, b, result, byA] of [
    [forward, options, 'x', 'y', y, byX],
    [transposed, { ...options, outputPadding }, 'y', 'x', byX, y],
  ] as const) {
    const values = { x, y: cotangent };
    const input = leaf(values[a], shapes[a]);
    const weight = leaf(w, shapes.w);
    const made = calls[ds.length - 1](input, weight, null, more);
    made.backward({ gradient: leaf(values[b], shapes[b]).detach() as Tensor });
    expectSame('result', made, result, dtype);
    expectSame('gradient by the input', input.grad, byA, dtype);
    expectSame('gradient by the weight', weight.grad, byW, dtype);
  }
}

const holds = (): void => fc.assert(fc.property(cases, check), { numRuns: 150, seed });

describe('convolutions of random sizes are what plain loops make', () => {
  it('by the BLAS', holds);
  it('by generated kernels', () => generated(holds));
});
