import { describe, expect, it } from 'vitest';
import { type Bias, convolve, convolveInput, convolveWeight, type Windows } from '../../src/backends/wasm/conv.ts';
import { address, allocate, free, setCacheLimit } from '../../src/backends/wasm/heap.ts';
import { memoryStats } from '../../src/backends/wasm/memory-stats.ts';
import { DTypeError } from '../../src/core/errors.ts';
import { numel } from '../../src/core/shape.ts';
import type { Strided } from '../../src/kernels/strided.ts';
import { fill, forEachIndex, type Layout, lay, room, values } from './strided.ts';

type DType = 'float32' | 'float64' | 'int32';

/** The sizes of one convolution; what is left out is one number for every dimension: 1, or 0 for padding. */
interface Case {
  readonly what: string;
  readonly images?: number;
  readonly channels: number;
  readonly outputs: number;
  readonly sizes: readonly number[];
  readonly kernel: readonly number[];
  readonly stride?: number | readonly number[];
  readonly padding?: number | readonly number[];
  readonly dilation?: number | readonly number[];
  readonly groups?: number;
}

const cases: readonly Case[] = [
  { what: 'one element', channels: 1, outputs: 1, sizes: [1], kernel: [1] },
  { what: 'one dimension', channels: 3, outputs: 5, sizes: [23], kernel: [4], stride: 2, padding: 1 },
  { what: 'few channels', channels: 3, outputs: 5, sizes: [9, 11], kernel: [3, 2], padding: 1 },
  { what: 'whole rows of vectors', channels: 4, outputs: 16, sizes: [8, 8], kernel: [3, 3], padding: 1 },
  { what: 'rows across vectors', images: 3, channels: 5, outputs: 18, sizes: [7, 7], kernel: [3, 3], padding: 1 },
  { what: 'several blocks of channels', channels: 50, outputs: 27, sizes: [6, 7], kernel: [3, 3], padding: 1 },
  { what: 'several blocks of places', channels: 3, outputs: 19, sizes: [26, 31], kernel: [2, 3], padding: 1 },
  { what: 'several blocks of rows', channels: 2, outputs: 133, sizes: [5, 6], kernel: [2, 2] },
  { what: 'many columns of weights', channels: 60, outputs: 9, sizes: [6, 6], kernel: [3, 3] },
  { what: 'stride 2', channels: 4, outputs: 20, sizes: [13, 12], kernel: [3, 3], stride: 2, padding: 1 },
  { what: 'stride 3 with gaps', channels: 3, outputs: 16, sizes: [14, 11], kernel: [2, 2], stride: 3 },
  { what: 'dilation', channels: 3, outputs: 16, sizes: [12, 13], kernel: [3, 2], dilation: 2, padding: 2 },
  { what: 'stride and dilation', channels: 3, outputs: 6, sizes: [15, 13], kernel: [3, 3], stride: 2, dilation: 2 },
  { what: 'stride 2, dilation 3', channels: 3, outputs: 6, sizes: [15, 13], kernel: [3, 3], stride: 2, dilation: 3 },
  { what: '1 × 1', channels: 33, outputs: 20, sizes: [9, 10], kernel: [1, 1] },
  { what: '1 × 1, stride 2', channels: 9, outputs: 20, sizes: [9, 10], kernel: [1, 1], stride: 2 },
  { what: 'small images', images: 40, channels: 6, outputs: 18, sizes: [3, 2], kernel: [2, 2], padding: 1 },
  { what: 'small images, few outputs', images: 37, channels: 6, outputs: 3, sizes: [3, 3], kernel: [3, 3], padding: 1 },
  { what: 'groups', channels: 8, outputs: 36, sizes: [9, 9], kernel: [3, 3], padding: 1, groups: 2 },
  { what: 'depthwise', images: 2, channels: 6, outputs: 6, sizes: [17, 20], kernel: [3, 3], padding: 1, groups: 6 },
  { what: 'depthwise, stride 2', channels: 5, outputs: 10, sizes: [40, 41], kernel: [5, 5], stride: 2, groups: 5 },
  { what: 'long sums', images: 2, channels: 1, outputs: 1, sizes: [45, 50], kernel: [2, 2] },
  { what: 'three dimensions', channels: 3, outputs: 17, sizes: [5, 6, 7], kernel: [2, 3, 3], padding: 1 },
  {
    what: 'three dimensions, few',
    channels: 2,
    outputs: 2,
    sizes: [5, 6, 7],
    kernel: [2, 2, 3],
    stride: 2,
    padding: 1,
  },
  {
    what: 'strips, places over the end of vectors',
    channels: 1,
    outputs: 16,
    sizes: [6, 15],
    kernel: [3, 3],
    padding: 1,
  },
  { what: 'strips, places of a vector', channels: 2, outputs: 7, sizes: [3, 5], kernel: [2, 2] },
  { what: 'strips, one dimension', images: 2, channels: 3, outputs: 6, sizes: [37], kernel: [8], padding: 4 },
  { what: 'strips, more taps than they take', channels: 1, outputs: 4, sizes: [3, 24], kernel: [1, 9], padding: 4 },
  {
    what: 'strips in lattices',
    images: 3,
    channels: 10,
    outputs: 10,
    sizes: [11, 17],
    kernel: [3, 3],
    stride: 2,
    padding: 1,
    groups: 10,
  },
  { what: 'one window', images: 3, channels: 4, outputs: 7, sizes: [4, 5], kernel: [4, 5], stride: 2 },
  { what: 'one window of an element', images: 2, channels: 40, outputs: 9, sizes: [1], kernel: [1], dilation: 2 },
  {
    what: 'two lattices at a time',
    images: 2,
    channels: 5,
    outputs: 5,
    sizes: [14, 22],
    kernel: [3, 4],
    stride: 2,
    padding: 1,
    groups: 5,
  },
  {
    what: 'two lattices at a time, whole lines',
    channels: 3,
    outputs: 3,
    sizes: [9, 14],
    kernel: [2, 5],
    stride: [1, 2],
    padding: [0, 3],
    groups: 3,
  },
  {
    what: 'products in lattices, of one place in each line',
    images: 3,
    channels: 1,
    outputs: 32,
    sizes: [2, 7, 2],
    kernel: [2, 2, 2],
    stride: 2,
    padding: [1, 2, 1],
  },
  {
    what: 'strips in lattices, groups',
    channels: 12,
    outputs: 6,
    sizes: [10, 24],
    kernel: [4, 5],
    stride: [3, 2],
    padding: 2,
    groups: 2,
  },
  {
    what: 'strips in lattices, one dimension',
    channels: 2,
    outputs: 5,
    sizes: [37],
    kernel: [5],
    stride: 2,
    padding: 1,
  },
  {
    what: 'lattices of lines',
    channels: 3,
    outputs: 3,
    sizes: [13, 9],
    kernel: [3, 3],
    stride: [2, 1],
    padding: 1,
    groups: 3,
  },
  {
    what: 'strips in lattices, three dimensions',
    channels: 2,
    outputs: 3,
    sizes: [4, 5, 18],
    kernel: [2, 3, 3],
    stride: 2,
    padding: 1,
  },
  {
    what: 'strips in lattices, dilation',
    channels: 2,
    outputs: 2,
    sizes: [9, 21],
    kernel: [2, 3],
    stride: 2,
    dilation: 3,
    padding: 2,
    groups: 2,
  },
  { what: 'strips of lines apart', channels: 2, outputs: 4, sizes: [3, 14, 9], kernel: [2, 2, 3], padding: 1 },
  { what: 'strips, many images', images: 45, channels: 1, outputs: 5, sizes: [12, 9], kernel: [3, 4], padding: 2 },
  {
    what: 'strips, groups',
    images: 2,
    channels: 6,
    outputs: 18,
    sizes: [9, 10],
    kernel: [3, 3],
    padding: 1,
    groups: 3,
  },
  { what: 'strips, long sums of few rows', channels: 37, outputs: 7, sizes: [6, 13], kernel: [3, 4], padding: 1 },
  { what: 'strips, a row', channels: 3, outputs: 1, sizes: [6, 37], kernel: [3, 5], padding: 1 },
  {
    what: 'strips, two rows, dilated',
    channels: 3,
    outputs: 2,
    sizes: [6, 13],
    kernel: [2, 3],
    padding: 1,
    dilation: 2,
  },
  {
    what: 'strips, strided',
    images: 3,
    channels: 3,
    outputs: 5,
    sizes: [9, 22],
    kernel: [3, 3],
    padding: 1,
    stride: 2,
  },
  {
    what: 'strips, strided and dilated',
    channels: 4,
    outputs: 6,
    sizes: [29],
    kernel: [4],
    padding: 2,
    stride: 3,
    dilation: 2,
  },
  { what: 'strips, strided, no zeros around', channels: 2, outputs: 3, sizes: [9, 22], kernel: [2, 2], stride: 2 },
  {
    what: 'strips, depthwise and strided',
    channels: 9,
    outputs: 9,
    sizes: [7, 15],
    kernel: [3, 3],
    stride: 2,
    groups: 9,
  },
  {
    what: 'strips, groups of five rows',
    channels: 6,
    outputs: 15,
    sizes: [7, 15],
    kernel: [3, 3],
    padding: 1,
    groups: 3,
  },
  { what: 'strips in waves', images: 3, channels: 3, outputs: 4, sizes: [160, 190], kernel: [2, 2], padding: 1 },
  { what: 'padding past the window', channels: 1, outputs: 2, sizes: [3, 3], kernel: [2, 2], padding: 3 },
  { what: 'no images', images: 0, channels: 2, outputs: 3, sizes: [4, 4], kernel: [2, 2] },
  { what: 'no channels', channels: 0, outputs: 3, sizes: [4, 4], kernel: [2, 2] },
];

/** Small whole numbers: sums are exact in every dtype and order. */
function wholes(n: number, seed: number): number[] {
  let state = seed;
  return Array.from({ length: n }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state >>> 28) - 8;
  });
}

interface Problem {
  readonly windows: Windows;
  readonly xShape: readonly number[];
  readonly wShape: readonly number[];
  readonly yShape: readonly number[];
}

function problemOf({ images = 1, channels, outputs, sizes, kernel, groups = 1, ...c }: Case): Problem {
  const all = (n: number | readonly number[]): readonly number[] => (typeof n === 'number' ? sizes.map(() => n) : n);
  const [stride, padding, dilation] = [all(c.stride ?? 1), all(c.padding ?? 0), all(c.dilation ?? 1)];
  const places = sizes.map((n, d) => {
    return Math.floor((n + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1) / stride[d]) + 1;
  });
  return {
    windows: { stride, padding, dilation, groups },
    xShape: [images, channels, ...sizes],
    wShape: [outputs, channels / groups, ...kernel],
    yShape: [images, outputs, ...places],
  };
}

const flat = (index: readonly number[], shape: readonly number[]): number =>
  index.reduce((at, i, d) => at * shape[d] + i, 0);

/** Calls back with the places in x, w and y of every product of the trilinear form. */
function eachProduct(p: Problem, visit: (x: number, w: number, y: number) => void): void {
  const { stride, padding, dilation, groups } = p.windows;
  const [perGroup, inputs] = [p.wShape[0] / groups, p.wShape[1]];
  forEachIndex(p.yShape, ([n, o, ...place], y) => {
    forEachIndex(p.wShape.slice(1), ([c, ...tap]) => {
      const at = place.map((q, d) => q * stride[d] - padding[d] + tap[d] * dilation[d]);
      if (at.some((i, d) => i < 0 || i >= p.xShape[d + 2])) return;
      const channel = Math.floor(o / perGroup) * inputs + c;
      visit(flat([n, channel, ...at], p.xShape), flat([o, c, ...tap], p.wShape), y);
    });
  });
}

interface Given {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly y: readonly number[];
}

function expectedOf(p: Problem, { x, w, y }: Given) {
  const sums = { x: x.map(() => 0), w: w.map(() => 0), y: y.map(() => 0) };
  eachProduct(p, (i, j, k) => {
    sums.y[k] += x[i] * w[j];
    sums.x[i] += y[k] * w[j];
    sums.w[j] += x[i] * y[k];
  });
  return sums;
}

const given = (p: Problem): Given => ({
  x: wholes(numel(p.xShape), 1),
  w: wholes(numel(p.wShape), 2),
  y: wholes(numel(p.yShape), 3),
});

const spaced = (rank: number): Layout => ({
  order: Array.from({ length: rank }, (_, d) => (d + 1) % rank),
  gaps: Array.from({ length: rank }, (_, d) => 1 + (d % 2)),
  offset: 3,
});

/** A bias for the channels of a result, laid out with a gap, and what it is at every place. */
function biasFor(y: Strided): { readonly bias: Bias; readonly everywhere: readonly number[] } {
  const channels = y.shape[1];
  const numbers = wholes(channels, 4);
  const places = numel(y.shape.slice(2));
  const everywhere = Array.from({ length: numel(y.shape) }, (_, i) => numbers[Math.floor(i / places) % channels]);
  const values = lay(y.dtype as DType, [channels], numbers, { order: [0], gaps: [2], offset: 1 });
  const typed = { float32: Float32Array, float64: Float64Array, int32: Int32Array }[y.dtype as DType];
  return { bias: { values, spread: () => fill(y, typed.from(everywhere)) }, everywhere };
}

const clean = (list: readonly number[]): number[] => list.map((n) => n + 0);

describe('convolutions', () => {
  for (const c of cases) {
    const p = problemOf(c);
    const data = given(p);
    const expected = expectedOf(p, data);
    for (const dtype of ['float32', 'float64', 'int32'] as const) {
      for (const layout of ['contiguous', 'spaced'] as const) {
        const put = (shape: readonly number[], numbers: readonly number[]): Strided =>
          layout === 'spaced' ? lay(dtype, shape, numbers, spaced(shape.length)) : lay(dtype, shape, numbers);
        it(`${c.what}, ${dtype}, ${layout}`, () => {
          const [x, w, y] = [put(p.xShape, data.x), put(p.wShape, data.w), put(p.yShape, data.y)];
          const [toX, toW, toY] = [p.xShape, p.wShape, p.yShape].map((s) => room(dtype, s));
          convolve(toY, x, w, p.windows, null);
          convolveInput(toX, y, w, p.windows, null);
          convolveWeight(toW, x, y, p.windows);
          expect(clean(values(toY)), 'y').toEqual(clean(expected.y));
          expect(clean(values(toX)), 'x').toEqual(clean(expected.x));
          expect(clean(values(toW)), 'w').toEqual(clean(expected.w));
        });
      }
    }
  }

  it('sums over all images where they come in waves', () => {
    // The last wave has fewer lots of images than there are parts of the sum.
    const p = problemOf({ what: '', images: 161, channels: 8, outputs: 8, sizes: [28, 28], kernel: [2, 2], stride: 8 });
    const data = given(p);
    const put = (shape: readonly number[], numbers: readonly number[]): Strided => lay('float32', shape, numbers);
    const w = room('float32', p.wShape);
    convolveWeight(w, put(p.xShape, data.x), put(p.yShape, data.y), p.windows);
    expect(clean(values(w))).toEqual(clean(expectedOf(p, data).w));
  });

  it('adds a bias', () => {
    for (const c of cases) {
      const p = problemOf(c);
      const data = given(p);
      const expected = expectedOf(p, data);
      for (const dtype of ['float32', 'float64', 'int32'] as const) {
        const put = (shape: readonly number[], numbers: readonly number[]): Strided => lay(dtype, shape, numbers);
        const [x, w, y] = [put(p.xShape, data.x), put(p.wShape, data.w), put(p.yShape, data.y)];
        const [toX, toY] = [room(dtype, p.xShape), room(dtype, p.yShape)];
        const [toAllX, toAllY] = [biasFor(toX), biasFor(toY)];
        convolve(toY, x, w, p.windows, toAllY.bias);
        convolveInput(toX, y, w, p.windows, toAllX.bias);
        expect(clean(values(toY)), c.what).toEqual(toAllY.everywhere.map((n, i) => n + expected.y[i]));
        expect(clean(values(toX)), c.what).toEqual(toAllX.everywhere.map((n, i) => n + expected.x[i]));
      }
    }
  });
});

describe('what lies beside the operands', () => {
  it('is not read into results, and not written', () => {
    // NaNs around every operand: one that got into a sum would show.
    const p = problemOf({ what: '', images: 3, channels: 3, outputs: 18, sizes: [5, 7], kernel: [3, 3], padding: 1 });
    const data = given(p);
    const expected = expectedOf(p, data);
    const inside = (shape: readonly number[], numbers: readonly number[]): Strided => {
      const all = Float32Array.from([
        ...new Array<number>(8).fill(Number.NaN),
        ...numbers,
        ...new Array<number>(8).fill(Number.NaN),
      ]);
      const t = { ...room('float32', [all.length]), shape, offset: 8 };
      fill(t, all);
      return { ...t, strides: room('float32', shape).strides };
    };
    const [x, w, y] = [inside(p.xShape, data.x), inside(p.wShape, data.w), inside(p.yShape, data.y)];
    const [toX, toW, toY] = [inside(p.xShape, data.x), inside(p.wShape, data.w), inside(p.yShape, data.y)];
    convolve(toY, x, w, p.windows, null);
    convolveInput(toX, y, w, p.windows, null);
    convolveWeight(toW, x, y, p.windows);
    for (const [t, sums] of [[toX, expected.x] as const, [toW, expected.w] as const, [toY, expected.y] as const]) {
      expect(clean(values(t))).toEqual(clean(sums));
      const whole = values({ ...t, shape: [8], strides: [1], offset: 0 });
      const behind = values({ ...t, shape: [8], strides: [1], offset: 8 + numel(t.shape) });
      expect([...whole, ...behind].every(Number.isNaN)).toBe(true);
    }
  });
});

/** Numbers of all three results, from operands that `lay` brings into memory. */
function run(
  p: Problem,
  put: (shape: readonly number[], numbers: readonly number[]) => Strided,
  data: Given,
): number[][] {
  const [x, w, y] = [put(p.xShape, data.x), put(p.wShape, data.w), put(p.yShape, data.y)];
  const [toX, toW, toY] = [p.xShape, p.wShape, p.yShape].map((s) => room(x.dtype, s));
  convolve(toY, x, w, p.windows, null);
  convolveInput(toX, y, w, p.windows, null);
  convolveWeight(toW, x, y, p.windows);
  return [values(toX), values(toW), values(toY)];
}

const irregular = (p: Problem): Given => {
  const numbers = (shape: readonly number[], seed: number): number[] =>
    wholes(numel(shape), seed).map((n, i) => Math.fround(Math.sin(n + i)));
  return { x: numbers(p.xShape, 1), w: numbers(p.wShape, 2), y: numbers(p.yShape, 3) };
};

/**
 * The largest error of float32 results, in roundings of the sum of magnitudes: each element's own, or,
 * since tiles are computed together, the largest.
 */
function roundings(p: Problem, scale: 'own' | 'largest', layout?: (rank: number) => Layout): number[] {
  const data = irregular(p);
  const of = (dtype: DType, f: (n: number) => number) =>
    run(p, (shape, list) => lay(dtype, shape, list.map(f), layout?.(shape.length)), data);
  const [narrow, wide, magnitudes] = [of('float32', (n) => n), of('float64', (n) => n), of('float64', Math.abs)];
  return narrow.map((list, i) => {
    expect(list.length).toBe(wide[i].length);
    const largest = magnitudes[i].reduce((a, b) => Math.max(a, b), 0);
    const errors = list.map((n, k) => Math.abs(n - wide[i][k]) / (scale === 'own' ? magnitudes[i][k] : largest));
    expect(errors.every(Number.isFinite)).toBe(true);
    return errors.reduce((a, b) => Math.max(a, b), 0) / 2 ** -24;
  });
}

describe('precision', () => {
  it('of float32 is that of a product in blocks', () => {
    const p = problemOf({
      what: '',
      images: 4,
      channels: 64,
      outputs: 16,
      sizes: [28, 28],
      kernel: [5, 3],
      padding: 2,
      dilation: 2,
    });
    for (const error of roundings(p, 'own')) expect(error).toBeLessThan(8);
  });
});

describe('windows by tiles', () => {
  const base = { images: 4, channels: 16, outputs: 20, kernel: [3, 3], padding: 1 };
  const strided = { ...base, stride: 2 };
  const tiled: readonly Case[] = [
    { ...base, what: 'whole tiles', sizes: [12, 16] },
    { ...base, what: 'tiles over the end', sizes: [11, 14] },
    { ...base, what: 'no zeros around', sizes: [14, 18], padding: 0 },
    { ...base, what: 'more zeros than needed', sizes: [10, 13], padding: 3 },
    { ...base, what: 'many small images', images: 50, sizes: [7, 5] },
    { ...base, what: 'several blocks of tiles', images: 3, sizes: [50, 45] },
    { ...base, what: 'groups', channels: 48, outputs: 32, groups: 2, sizes: [13, 12] },
    { ...base, what: 'several blocks of channels', images: 2, channels: 404, outputs: 16, sizes: [15, 16] },
    { ...base, what: 'several blocks of rows', images: 2, channels: 320, outputs: 260, sizes: [16, 15] },
    { ...base, what: '5 × 5', kernel: [5, 5], padding: 2, sizes: [13, 14] },
    { ...base, what: '5 × 3, no zeros around', kernel: [5, 3], padding: 0, sizes: [15, 9] },
    { ...base, what: '2 × 3', kernel: [2, 3], sizes: [9, 10] },
    { ...base, what: '3 × 8', kernel: [3, 8], padding: 2, sizes: [11, 17] },
    { ...base, what: '7 × 7', kernel: [7, 7], padding: 3, sizes: [12, 11] },
    {
      ...base,
      what: '5 × 6, groups',
      kernel: [5, 6],
      padding: 2,
      channels: 32,
      outputs: 52,
      groups: 2,
      sizes: [9, 10],
    },
    { ...base, what: '5 × 5, several blocks', images: 2, channels: 68, outputs: 18, kernel: [5, 5], sizes: [17, 15] },
    { ...base, what: 'three dimensions', images: 2, kernel: [3, 3, 3], sizes: [5, 9, 10] },
    { ...base, what: 'three dimensions, dilated', dilation: [2, 1, 1], kernel: [3, 3, 3], sizes: [8, 9, 10] },
    { ...base, what: 'three dimensions, stride', stride: [2, 1, 1], kernel: [3, 3, 3], sizes: [8, 9, 10] },
    { ...base, what: 'three dimensions, 2 × 5 × 3', images: 1, kernel: [2, 5, 3], sizes: [4, 11, 7] },
    {
      ...base,
      what: 'three dimensions, groups',
      channels: 32,
      outputs: 36,
      groups: 2,
      kernel: [4, 3, 3],
      sizes: [6, 8, 7],
    },
    { ...strided, what: 'stride 2, whole tiles', sizes: [24, 32] },
    { ...strided, what: 'stride 2, tiles over the end', sizes: [23, 30] },
    { ...strided, what: 'stride 2, no zeros around', sizes: [31, 34], padding: 0 },
    { ...strided, what: 'stride 2, nothing left over', images: 5, sizes: [33, 17], padding: 0 },
    { ...strided, what: 'stride 2, zeros of either kind', sizes: [24, 27], padding: [1, 0] },
    { ...strided, what: 'stride 2, more zeros than needed', sizes: [21, 19], padding: 2 },
    { ...strided, what: 'stride 2, zeros past the window', sizes: [17, 20], padding: 3 },
    { ...strided, what: 'stride 2, many small images', images: 50, sizes: [7, 6] },
    { ...strided, what: 'stride 2, several blocks of tiles', images: 3, sizes: [70, 61] },
    { ...strided, what: 'stride 2, groups', channels: 48, outputs: 32, groups: 2, sizes: [26, 23] },
    { ...strided, what: 'stride 2, several blocks of rows', outputs: 132, sizes: [50, 49] },
    { ...strided, what: 'stride 2, dilated', dilation: 2, sizes: [24, 25] },
    { ...strided, what: 'stride 2, 5 × 5', kernel: [5, 5], sizes: [24, 25] },
    { ...strided, what: 'stride 2, few tiles', channels: 64, outputs: 64, sizes: [24, 25] },
    { ...strided, what: 'strides 1 and 2', stride: [1, 2], sizes: [13, 25] },
    { ...strided, what: 'three dimensions, stride 2', images: 2, kernel: [3, 3, 3], sizes: [9, 24, 23] },
    { ...strided, what: 'three dimensions, strides 1, 2, 2', stride: [1, 2, 2], kernel: [2, 3, 3], sizes: [4, 24, 15] },
    {
      ...strided,
      what: 'three dimensions, strides 1, 2, 2, several blocks of channels',
      stride: [1, 2, 2],
      channels: 140,
      outputs: 16,
      kernel: [3, 3, 3],
      sizes: [8, 18, 16],
    },
  ];
  for (const c of tiled) {
    it(c.what, () => {
      for (const error of roundings(problemOf(c), 'largest')) expect(error).toBeLessThan(8);
      if (c.channels < 100)
        for (const error of roundings(problemOf(c), 'largest', spaced)) expect(error).toBeLessThan(8);
    });
  }

  it.each(['tiles over the end', 'stride 2, tiles over the end', 'stride 2, no zeros around'])(
    'adds a bias, %s',
    (what) => {
      const p = problemOf(tiled.find((c) => c.what === what) as Case);
      const data = irregular(p);
      const put = (shape: readonly number[], list: readonly number[]): Strided => lay('float32', shape, list);
      const [x, w, y] = [put(p.xShape, data.x), put(p.wShape, data.w), put(p.yShape, data.y)];
      const [toX, toY] = [room('float32', p.xShape), room('float32', p.yShape)];
      const [toAllX, toAllY] = [biasFor(toX), biasFor(toY)];
      convolve(toY, x, w, p.windows, toAllY.bias);
      convolveInput(toX, y, w, p.windows, toAllX.bias);
      const [sumX, , sumY] = run(p, put, data);
      const near = (a: readonly number[], b: readonly number[], c: readonly number[]): void =>
        a.forEach((n, i) => void expect(Math.abs(n - b[i] - c[i])).toBeLessThan(1e-5));
      near(values(toX), sumX, toAllX.everywhere);
      near(values(toY), sumY, toAllY.everywhere);
    },
  );

  it.each([1, 2])('are taken from 16 channels on, stride %i', (stride) => {
    // Fewer channels of the result are summed as they are defined, with other roundings.
    const [more, few] = [16, 15].map((outputs) => problemOf({ ...base, what: '', stride, sizes: [24, 24], outputs }));
    const data = irregular(more);
    const put = (shape: readonly number[], list: readonly number[]): Strided => lay('float32', shape, list);
    const first = (p: Problem, list: readonly number[]): readonly number[] => list.slice(0, numel(p.yShape.slice(2)));
    const [, , byTiles] = run(more, put, data);
    const [, , direct] = run(few, put, {
      x: data.x,
      w: data.w.slice(0, numel(few.wShape)),
      y: data.y.slice(0, numel(few.yShape)),
    });
    const [a, b] = [first(more, byTiles), first(few, direct)];
    expect(a).not.toEqual(b);
    a.forEach((n, i) => void expect(n).toBeCloseTo(b[i], 3));
  });

  it.each([1, 2])('lets infinities and NaN reach only what their windows reach, stride %i', (stride) => {
    const side = 12 * stride;
    const p = problemOf({ ...base, images: 4, what: '', sizes: [side, side], stride });
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, 3e38]) {
      const data = irregular(p);
      const x = data.x.with(5 * side ** 2 + 65, odd);
      const y = data.y.with(7 * 144 + 66, odd);
      const of = (dtype: DType): number[][] => run(p, (shape, list) => lay(dtype, shape, list), { x, w: data.w, y });
      const [narrow, wide] = [of('float32'), of('float64')];
      narrow.forEach((list, i) => {
        const kind = (n: number): string => (Math.abs(n) < 1e30 ? 'usual' : Number.isNaN(n) ? 'NaN' : 'large');
        expect(list.map(kind)).toEqual(wide[i].map(Math.fround).map(kind));
      });
    }
  });

  it('gives the same numbers every time', () => {
    const p = problemOf(tiled[4]);
    const put = (shape: readonly number[], list: readonly number[]): Strided => lay('float32', shape, list);
    const first = run(p, put, irregular(p));
    // Other calls leave other numbers in memory.
    run(problemOf(tiled[0]), put, irregular(problemOf(tiled[0])));
    expect(run(p, put, irregular(p))).toEqual(first);
  });
});

describe('limits', () => {
  it('refuses dtypes that have no products', () => {
    const p = problemOf(cases[0]);
    const [x, w] = [lay('uint8', p.xShape, [1]), lay('uint8', p.wShape, [1])];
    expect(() => convolve(room('uint8', p.yShape), x, w, p.windows, null)).toThrow(DTypeError);
  });

  it('keeps operands in place while it makes room', () => {
    const before = memoryStats().cacheLimit;
    const p = problemOf({ what: '', images: 2, channels: 8, outputs: 16, sizes: [32, 32], kernel: [3, 3], padding: 1 });
    const data = given(p);
    const expected = expectedOf(p, data);
    try {
      setCacheLimit(2 ** 20);
      const [x, w, y] = [lay('float32', p.xShape, data.x), lay('float32', p.wShape, data.w), room('float32', p.yShape)];
      const others = Array.from({ length: 8 }, () => allocate(2 ** 18));
      for (const s of others) address(s);
      convolve(y, x, w, p.windows, null);
      expect(values(y)).toEqual(expected.y);
      for (const s of others) free(s);
    } finally {
      setCacheLimit(before);
    }
  });
});
