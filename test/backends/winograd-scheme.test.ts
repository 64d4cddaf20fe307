import { describe, expect, it } from 'vitest';
import type { NativeGemm } from '../../src/backends/wasm/blas/product.ts';
import {
  dense,
  denseReversed,
  type Scheme,
  strided,
  TAPS,
  type Transform,
  transposed,
  transposedFromEven,
  transposedFromOdd,
} from '../../src/backends/wasm/conv/winograd-scheme.ts';
import { worthLeaving } from '../../src/backends/wasm/conv/winograd-tiling.ts';

type Numbers = readonly (readonly number[])[];

const times = (a: Numbers, b: Numbers): Numbers =>
  a.map((row) => transposed(b).map((column) => row.reduce((s, n, i) => s + n * column[i]!, 0)));
const on = (m: Numbers, patch: Numbers): Numbers => times(times(m, patch), transposed(m));
const patch = (size: number, seed: number): Numbers =>
  Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => Math.sin(seed + 7 * i + 3 * j)));

/** Where taps meet inputs: the input that result `r` takes tap `k` from, along a dimension. */
type Meeting = (r: number, k: number) => number;

const meetings: readonly (readonly [name: string, Scheme, places: number, Meeting])[] = [
  ['stride 1', dense(), 36, (r, k) => r + k],
  ['stride 1, transposed', denseReversed(), 36, (r, k) => r + 2 - k],
  ['stride 2', strided(), 81, (r, k) => 2 * r + k],
  // x[i] = Σ y[p] w[k] over 2 p + k = i, of y from place 0 on, and of y from place −1 on.
  ['stride 2, transposed, from an odd place', transposedFromOdd(), 81, (r, k) => (r + 1 - k) / 2],
  ['stride 2, transposed, from an even place', transposedFromEven(), 81, (r, k) => (r - k) / 2 + 1],
];

/** What a transform makes of a patch, in the order of its places. */
function inOrder({ matrix, order }: Transform, x: Numbers): number[] {
  const list: number[] = [];
  on(matrix, x).forEach((row, i) => {
    row.forEach((n, j) => {
      list[order[i]![j]!] = n;
    });
  });
  return list;
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe.each(meetings)(
  '%s',
  (_name, { inputs, weights, results, stretches, places, groups, outputs }, count, meets) => {
    it('is the definition', () => {
      const [x, w] = [patch(inputs.matrix[0]!.length, 1), patch(TAPS, 2)];
      const [u, v] = [inOrder(inputs, x), inOrder(weights, w)];
      const products = stretches.flatMap(({ place, count, group, alike }) =>
        upTo(count).map((i) => u[place + i]! * v[group + (alike ? 0 : i)]!),
      );
      const y = on(
        transposed(results.matrix),
        results.order.map((row) => row.map((p) => products[p]!)),
      );
      for (const r of upTo(outputs)) {
        for (const c of upTo(outputs)) {
          let sum = 0;
          for (const k of upTo(TAPS)) {
            for (const l of upTo(TAPS)) sum += (x[meets(r, k)]?.[meets(c, l)] ?? 0) * w[k]![l]!;
          }
          expect(y[r]![c]).toBeCloseTo(sum, 12);
        }
      }
    });

    it('has as many products as it should, each at one place', () => {
      const sorted = (order: Numbers): number[] => order.flat().toSorted((a, b) => a - b);
      expect(places).toBe(count);
      expect(sorted(inputs.order)).toEqual(upTo(places));
      expect(sorted(weights.order)).toEqual(upTo(groups));
      expect(results.order).toEqual(inputs.order);
    });
  },
);

describe('a convolution that a library would take', () => {
  const library: NativeGemm = {
    gemm: () => 0,
    origin: 0,
    shared: true,
    wide: false,
    multiply: () => expect.unreachable(),
  };

  const leaves = (scheme: Scheme, size: readonly [number, number], ofPlaces: NativeGemm | null): boolean =>
    worthLeaving(scheme, [3, 3], size, 8, 32, 32, library, ofPlaces);

  it('goes by tiles where there is a library for those as well, or none at all', () => {
    for (const scheme of [dense(), denseReversed(), strided(), transposedFromEven(), transposedFromOdd()]) {
      expect(leaves(scheme, [14, 14], library)).toBe(true);
      expect(worthLeaving(scheme, [3, 3], [14, 14], 8, 32, 32, null, null)).toBe(true);
    }
  });

  it('is left to it where tiles would save less than it is quicker by', () => {
    for (const scheme of [transposedFromEven(), transposedFromOdd()]) {
      expect(leaves(scheme, [16, 31], null)).toBe(true);
      expect(leaves(scheme, [14, 14], null)).toBe(false);
    }
    expect(leaves(strided(), [16, 16], null)).toBe(false);
    expect(leaves(dense(), [14, 14], null)).toBe(true);
  });

  it('is left to it where many weights of large windows are transformed for few tiles', () => {
    const of = (taps: number, images: number, channels: number, whole: NativeGemm | null): boolean =>
      worthLeaving(dense(), [taps, taps], [14, 14], images, channels, channels, whole, whole);
    expect(of(5, 2, 128, library)).toBe(false);
    expect(of(5, 3, 128, library)).toBe(true);
    expect(of(5, 1, 256, null)).toBe(true);
    expect(of(3, 1, 512, library)).toBe(true);
  });
});
