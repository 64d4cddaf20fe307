import type { Tensor } from 'nabla';
import { apply1 } from '../../../src/core/apply.ts';
import { operations } from '../../../src/core/op.ts';
import { type Shape, spreadTensor } from '../../support/numbers.ts';
import { type Sample, sample } from './sample.ts';

/* Regions of memory, views along other paths, and one tensor as several. */

const x = (shape: Shape, seed = 1): Tensor => spreadTensor(shape, -2, 2, seed);

/** An operation that has no method of its own: a step inside the rules of others. */
const inner =
  (name: string, attrs: unknown) =>
  (...xs: Tensor[]): Tensor =>
    apply1(operations().get(name) as never, xs, attrs as never) as Tensor;

const whole = { shape: [3, 2], strides: [2, 1], offset: 0 };
/** Regions of a 3 × 2 matrix: rows 0 and 2, transposed; the same of a matrix that lies transposed among other things. */
const regions = {
  'in order': { whole, part: { shape: [2, 2], strides: [1, 4], offset: 0 }, extent: 6 },
  'among others': {
    whole: { shape: [3, 2], strides: [2, 7], offset: 1 },
    part: { shape: [2, 2], strides: [7, 4], offset: 1 },
    extent: 14,
  },
};
/** Windows of two elements of a vector, one moved on from the other; and of a number repeated. */
const windows = {
  overlapping: {
    whole: { shape: [4], strides: [1], offset: 0 },
    part: { shape: [3, 2], strides: [1, 1], offset: 0 },
    extent: 4,
  },
  repeated: {
    whole: { shape: [3, 2], strides: [0, 1], offset: 0 },
    part: { shape: [2], strides: [1], offset: 1 },
    extent: 3,
  },
};
const nothing = {
  whole: { shape: [0, 2], strides: [2, 1], offset: 0 },
  part: { shape: [0], strides: [1], offset: 0 },
  extent: 0,
};
const ofRegions = (name: string, list: Readonly<Record<string, unknown>>, ...xs: readonly Tensor[]): Sample[] =>
  Object.entries(list).map(([label, attrs]) => sample(label, xs, inner(name, attrs)));

const replaced = (name: string, xs: readonly Tensor[], f: (x: Tensor, src: Tensor) => Tensor): Sample =>
  sample(name, xs, (t, src) => f(t, src));

export const viewSamples: Readonly<Record<string, readonly Sample[]>> = {
  asStrided: [
    sample('as a method', [x([3, 4])], (t) => t.contiguous().asStrided([2, 3], [2, 3])),
    sample('as a method, repeating', [x([5])], (t) => t.contiguous().asStrided([3, 2, 2], [1, 0, 2])),
    ...ofRegions('asStrided', regions, x([3, 2])),
    sample('windows', [x([4])], inner('asStrided', windows.overlapping)),
    sample('of one repeated', [x([3, 2])], inner('asStrided', windows.repeated)),
    sample('of nothing', [x([0, 2])], inner('asStrided', nothing)),
  ],
  intoRegion: [
    ...ofRegions('intoRegion', regions, x([2, 2])),
    sample('windows', [x([3, 2])], inner('intoRegion', windows.overlapping)),
    sample('of one repeated', [x([2])], inner('intoRegion', windows.repeated)),
    sample('of nothing', [x([0])], inner('intoRegion', nothing)),
  ],
  replaceRegion: [
    ...ofRegions('replaceRegion', regions, x([3, 2]), x([2, 2], 2)),
    replaced('selectScatter', [x([3, 4]), x([3], 2)], (t, s) => t.selectScatter(s, 1, -2)),
    replaced('sliceScatter', [x([2, 7]), x([2, 3], 2)], (t, s) => t.sliceScatter(s, 1, 1, 7, 2)),
    replaced('sliceScatter of nothing', [x([2, 3]), x([0, 3], 2)], (t, s) => t.sliceScatter(s, 0, 2)),
    replaced('diagonalScatter', [x([3, 2, 4]), x([2, 3], 2)], (t, s) => t.diagonalScatter(s, 1, 0, 2)),
    replaced('asStridedScatter', [x([3, 4]), x([2, 2], 2)], (t, s) =>
      t.contiguous().asStridedScatter(s, [2, 2], [5, 2], 1),
    ),
  ],
  clearRegion: ofRegions('clearRegion', regions, x([3, 2])),
  diagonal: [
    sample('of a wide matrix', [x([2, 4])], (t) => t.diagonal()),
    sample('above', [x([3, 3])], (t) => t.diagonal(1)),
    sample('below', [x([4, 2])], (t) => t.diagonal(-2)),
    sample('of other dims', [x([2, 3, 4])], (t) => t.diagonal(-1, -1, 0)),
    sample('outside', [x([2, 3])], (t) => t.diagonal(5)),
    sample('of no rows', [x([0, 3])], (t) => t.diagonal()),
    sample('of a transposed', [x([2, 4])], (t) => t.T.diagonal(-1)),
  ],
  unfold: [
    sample('overlapping windows', [x([6])], (t) => t.unfold(0, 3, 1)),
    sample('windows apart', [x([2, 7])], (t) => t.unfold(1, 2, 3)),
    sample('in the middle', [x([2, 4, 3])], (t) => t.unfold(-2, 3, 1)),
    sample('whole', [x([3, 2])], (t) => t.unfold(0, 3, 1)),
    sample('of nothing', [x([3])], (t) => t.unfold(0, 0, 2)),
    sample('of no rows', [x([3, 0])], (t) => t.unfold(0, 2, 1)),
  ],
  split: [
    sample('equal parts', [x([4, 3])], (t) => t.split(2)),
    sample('the last one smaller', [x([2, 5])], (t) => t.split(2, -1)),
    sample('by sizes', [x([6])], (t) => t.split([1, 0, 3, 2])),
    sample('some parts alone', [x([2, 6])], (t) => t.chunk(3, 1).slice(1)),
    sample('chunks of nothing', [x([0, 2])], (t) => t.chunk(2)),
    sample('of a transposed', [x([2, 4])], (t) => t.T.split([1, 3])),
    sample('unsafe', [x([4, 2])], (t) => t.unsafeSplit(3)),
    sample('unsafe chunks', [x([2, 3])], (t) => t.unsafeChunk(2, 1)),
  ],
  unbind: [
    sample('rows', [x([3, 2])], (t) => t.unbind()),
    sample('columns', [x([2, 3])], (t) => t.unbind(-1)),
    sample('a vector', [x([3])], (t) => t.unbind()),
    sample('one alone', [x([2, 3, 2])], (t) => t.unbind(1)[1]),
    sample('of no columns', [x([2, 0])], (t) => t.unbind()),
    sample('of a transposed', [x([3, 2])], (t) => t.T.unbind()),
  ],
};
