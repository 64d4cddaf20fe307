import { Taps } from '../kernels/taps.ts';

/*
 * The weights of interpolations along one dimension, as PyTorch has them
 * (aten/src/ATen/native/UpSample.h and cpu/UpSampleKernel.cpp).
 */

/** How one dimension is resized. */
export interface Resize {
  readonly from: number;
  readonly to: number;
  /** The factor, if sizes came from one that counts: places are then spaced by it and not by the sizes. */
  readonly factor: number | null;
  /** The first and the last element stay where they are. */
  readonly alignCorners: boolean;
  /** Rounds as arithmetic in the tensor's precision does, so that places at boundaries fall as in PyTorch. */
  readonly round: (x: number) => number;
}

/** How far apart the places of neighbouring outputs are, in inputs. */
function spacing({ from, to, factor, alignCorners, round }: Resize): number {
  if (alignCorners) return to > 1 ? round((from - 1) / (to - 1)) : 0;
  return round(factor !== null && factor > 0 ? 1 / factor : from / to);
}

/** The place among the inputs that output `o` stands for; below zero only where cubic weights reach beyond. */
function placeOf(o: number, scale: number, { alignCorners, round }: Resize, cubic: boolean): number {
  if (alignCorners) return round(scale * o);
  const at = round(round(scale * (o + 0.5)) - 0.5);
  return !cubic && at < 0 ? 0 : at;
}

const outputs = (n: number): number[] => Array.from({ length: n }, (_, o) => o);
const clip = (i: number, n: number): number => Math.min(n - 1, Math.max(0, i));

/** The element at or before each place; with `exact`, places are the middles of outputs. */
export function nearestTaps(resize: Resize, exact: boolean): Taps {
  const { from, to, factor, round } = resize;
  const scale = round(factor !== null && factor > 0 ? 1 / factor : from / to);
  return Taps.of(
    from,
    outputs(to).map((o) => {
      const place = exact ? round((o + 0.5) * scale) : round(o * scale);
      return [[Math.min(Math.floor(Math.fround(place)), from - 1), 1]];
    }),
  );
}

export function linearTaps(resize: Resize): Taps {
  const { from, to, round } = resize;
  const scale = spacing(resize);
  return Taps.of(
    from,
    outputs(to).map((o) => {
      if (from === to) return [[o, 1]];
      const place = placeOf(o, scale, resize, false);
      const i = Math.min(Math.floor(place), from - 1);
      const t = Math.min(1, Math.max(0, round(place - i)));
      return [
        [i, round(1 - t)],
        [Math.min(i + 1, from - 1), t],
      ];
    }),
  );
}

/** Keys's cubic convolution with a = −3/4: the weights of four neighbours, for a place `t` after the second. */
function cubicWeights(t: number): [number, number, number, number] {
  const a = -0.75;
  const near = (x: number): number => ((a + 2) * x - (a + 3)) * x * x + 1;
  const far = (x: number): number => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return [far(t + 1), near(t), near(1 - t), far(2 - t)];
}

export function cubicTaps(resize: Resize): Taps {
  const { from, to, round } = resize;
  const scale = spacing(resize);
  return Taps.of(
    from,
    outputs(to).map((o) => {
      const place = placeOf(o, scale, resize, true);
      const i = Math.floor(place);
      return cubicWeights(round(place - i)).map((w, k) => [clip(i + k - 1, from), w] as const);
    }),
  );
}

/** Filters as wide as outputs, where these are wider than inputs: nothing between them is lost. */
export function smoothTaps(resize: Resize, kind: 'linear' | 'cubic'): Taps {
  const { from, to } = resize;
  const scale = spacing(resize);
  const [radius, filter] = kind === 'linear' ? [1, triangle] : [2, catmullRom];
  const wide = Math.max(1, scale);
  return Taps.of(
    from,
    outputs(to).map((o) => {
      const center = scale * (o + 0.5);
      const first = Math.max(0, Math.trunc(center - radius * wide + 0.5));
      const end = Math.min(from, Math.trunc(center + radius * wide + 0.5));
      const weights = Array.from({ length: end - first }, (_, k) => filter((k + first - center + 0.5) / wide));
      const total = weights.reduce((a, b) => a + b, 0);
      return weights.map((w, k) => [first + k, total === 0 ? w : w / total] as const);
    }),
  );
}

const triangle = (x: number): number => Math.max(0, 1 - Math.abs(x));

/** The cubic convolution with a = −1/2. */
function catmullRom(x: number): number {
  const [a, t] = [-0.5, Math.abs(x)];
  if (t < 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? (((t - 5) * t + 8) * t - 4) * a : 0;
}
