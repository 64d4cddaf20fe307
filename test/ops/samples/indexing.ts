import { functional as F, nllLoss, segmentReduce, slice, type Tensor, tensor } from 'nabla';
import { f64, type Shape } from '../../support/numbers.ts';
import { inner, over, type Sample, sample, x } from './sample.ts';

/* Reading and writing by index, masks, and everything that puts the same elements elsewhere. */

const int = (values: readonly number[], shape: Shape): Tensor => tensor(Int32Array.from(values), { shape });
const mask = (values: readonly number[], shape: Shape): Tensor =>
  tensor(Uint8Array.from(values), { shape, dtype: 'bool' });

/** Indices of which no two in a column are equal, nor are they when they move on by a place. */
const apart = int([0, 1, 2, 0], [2, 2]);
const places = int([2, 0, 1, 1, 0, 2], [2, 3]);
const noVmap = 'the shape of the result hangs on the values of the mask';
const dynamic = (list: readonly Sample[]): readonly Sample[] => list.map((s) => ({ ...s, noVmap }));

const reading: Readonly<Record<string, readonly Sample[]>> = {
  gather: [
    sample('rows', [x([3, 3]), places], (t, i) => t.gather(0, i)),
    sample('columns, repeated', [x([2, 3]), int([2, 2, 0, 1], [2, 2])], (t, i) => t.gather(1, i)),
    sample('rank 0', [x([]), int([0], [])], (t, i) => t.gather(0, i)),
    sample('nothing', [x([2, 3]), int([], [2, 0])], (t, i) => t.gather(1, i)),
    sample('transposed', [x([3, 2]), places], (t, i) => t.T.gather(1, i)),
    sample('takeAlongDim', [x([1, 3]), int([2, 0], [2, 1])], (t, i) => t.takeAlongDim(i, 1)),
    sample('takeAlongDim of all', [x([2, 3]), int([5, 0, 3], [3])], (t, i) => t.takeAlongDim(i)),
  ],
  indexSelect: [
    sample('rows, repeated', [x([3, 2]), int([2, 0, 2], [3])], (t, i) => t.indexSelect(0, i)),
    sample('columns', [x([2, 3]), int([1], [1])], (t, i) => t.indexSelect(1, i)),
    sample('a vector by a rank-0 index', [x([3]), int([1], [])], (t, i) => t.indexSelect(0, i)),
    sample('nothing', [x([2, 3]), int([], [0])], (t, i) => t.indexSelect(1, i)),
    sample('transposed', [x([2, 3]), int([2, 1], [2])], (t, i) => t.T.indexSelect(0, i)),
    sample('repeated by counts', [x([2, 3])], (t) => t.repeatInterleave(int([2, 0, 1], [3]), 1)),
  ],
  index: [
    sample('one list, repeated', [x([3, 2]), int([2, -3, 2], [3])], (t, i) => t.at(i)),
    sample('a matrix of places', [x([3, 2]), int([2, 0, 1, -1], [2, 2])], (t, i) => t.at(i)),
    sample('of the last dimension', [x([2, 3]), int([2, 0], [2])], (t, i) => t.at('...', i)),
    sample('side by side', [x([2, 3, 4]), int([1, 0], [2]), int([3, -1], [2])], (t, i, j) => t.at(':', i, j)),
    sample('broadcast', [x([2, 3, 4]), int([1, 0], [2, 1]), int([2, 0, 1], [3])], (t, i, j) => t.at(i, j)),
    sample('apart', [x([2, 3, 4]), int([1, 0], [2]), int([3, -1], [2])], (t, i, j) => t.at(i, ':', j)),
    sample('after a number and a new axis', [x([2, 3, 4]), int([3, 0], [2])], (t, i) => t.at(1, null, slice(1), i)),
    sample('nothing', [x([2, 3]), int([], [0])], (t, i) => t.at(i)),
    sample('a number per example', [x([3, 2]), int([1], [])], (t, i) => t.at(i.reshape([1]))),
    sample('transposed', [x([3, 2]), int([1, 0], [2])], (t, i) => t.T.at(i)),
    sample('true', [x([3, 2])], (t) => t.at(true)),
    sample('take', [x([2, 3]), int([5, 0, -6, 3], [2, 2])], (t, i) => t.take(i)),
    sample('take of a scalar', [x([]), int([0, -1], [2])], (t, i) => t.take(i)),
    ...dynamic([
      sample('rows by a mask', [x([3, 2]), mask([1, 0, 1], [3])], (t, m) => t.at(m)),
      sample('a mask and places', [x([3, 2]), mask([1, 0, 1], [3]), int([1, 0], [2])], (t, m, i) => t.at(m, i)),
    ]),
  ],
  nonzero: dynamic([
    sample('a matrix', [f64([0, 1, -2, 0, 0, 3], [2, 3])], (t) => t.nonzero()),
    sample('of nothing', [f64([], [0, 2])], (t) => t.nonzero()),
    sample('a scalar', [f64([2], [])], (t) => t.nonzero()),
    sample('by dimension', [f64([0, 1, -2, 0, 0, 3], [2, 3])], (t) => t.nonzero({ asTuple: true })),
  ]),
  maskedSelect: dynamic([
    sample('same shape', [x([2, 3]), mask([1, 0, 0, 1, 1, 0], [2, 3])], (t, m) => t.maskedSelect(m)),
    sample('the mask broadcasts', [x([2, 3]), mask([1, 0, 1], [3])], (t, m) => t.maskedSelect(m)),
    sample('the tensor broadcasts', [x([3]), mask([1, 0], [2, 1])], (t, m) => t.maskedSelect(m)),
    sample('rank 0', [x([]), mask([1], [])], (t, m) => t.maskedSelect(m)),
    sample('none', [x([2, 2]), mask([0], [])], (t, m) => t.maskedSelect(m)),
  ]),
  maskedFront: [
    sample('half', [x([2, 3]), mask([1, 0, 0, 1, 1, 0], [2, 3])], inner('maskedFront', { length: 5 })),
    sample('none', [x([2]), mask([0, 0], [2])], inner('maskedFront', { length: 2 })),
  ],
  isin: [
    sample('numbers', [f64([1, 2, 3, Number.NaN, 2, 5], [2, 3]), f64([2, 5, Number.NaN, 9], [4])], (t, v) => t.isin(v)),
    sample('among none', [f64([1, 2], [2]), f64([], [0])], (t, v) => t.isin(v)),
    sample('a scalar, inverted', [f64([4], []), f64([2, 4, 6, 4], [2, 2])], (t, v) => t.isin(v, { invert: true })),
  ],
  embedding: [
    sample('a matrix of numbers', [int([2, 0, 1, 2], [2, 2]), x([3, 4])], (i, w) => F.embedding(i, w)),
    sample('one', [int([1], []), x([3, 2])], (i, w) => F.embedding(i, w)),
    sample('none', [int([], [0, 2]), x([3, 2])], (i, w) => F.embedding(i, w)),
  ],
};

/** Where several elements of `src` are joined at a place. */
const crowd = int([0, 2, 0, 1, 0, 2, 2, 0], [4, 2]);
const zeros = f64([2, 0, 0, 1.5, 0, 3, -1, 0.5], [4, 2]);

const writing: Readonly<Record<string, readonly Sample[]>> = {
  scatterAdd: [
    sample('rows', [x([3, 3]), places, x([2, 3], 2)], (t, i, s) => t.scatterAdd(0, i, s)),
    sample('larger source', [x([2, 3]), int([2, 2, 0, 1], [2, 2]), x([2, 4], 2)], (t, i, s) => t.scatterAdd(1, i, s)),
    sample('nothing', [x([2, 3]), int([], [2, 0]), x([2, 0], 2)], (t, i, s) => t.scatterAdd(1, i, s)),
    sample('mean', [x([3, 2]), crowd, x([4, 2], 2)], (t, i, s) => t.scatterReduce(0, i, s, 'mean')),
    sample('mean of what comes alone', [x([3, 2]), crowd, x([4, 2], 2)], (t, i, s) =>
      t.scatterReduce(0, i, s, 'mean', { includeSelf: false }),
    ),
  ],
  scatter: [
    sample('rows', [x([3, 2]), apart, x([2, 2], 2)], (t, i, s) => t.scatter(0, i, s)),
    sample('larger source', [x([3, 2]), apart, x([3, 2], 2)], (t, i, s) => t.scatter(0, i, s)),
    sample('rank 0', [x([]), int([0], []), x([], 2)], (t, i, s) => t.scatter(0, i, s)),
    sample('nothing', [x([2, 3]), int([], [2, 0]), x([2, 0], 2)], (t, i, s) => t.scatter(1, i, s)),
  ],
  scatterValue: [
    sample('rows', [x([3, 2]), apart], (t, i) => t.scatter(0, i, 7)),
    sample('rank 0', [x([]), int([0], [])], (t, i) => t.scatter(0, i, 7)),
  ],
  scatterReduce: [
    ...(['prod', 'amax', 'amin'] as const).flatMap((how) => [
      sample(how, [x([3, 2]), crowd, x([4, 2], 2)], (t, i, s) => t.scatterReduce(0, i, s, how)),
      sample(`${how} of what comes alone`, [x([3, 2]), crowd, x([4, 2], 2)], (t, i, s) =>
        t.scatterReduce(0, i, s, how, { includeSelf: false }),
      ),
      sample(`${how} of slices`, [x([2, 3]), int([2, 0, 2], [3]), x([2, 3], 2)], (t, i, s) =>
        t.indexReduce(1, i, s, how),
      ),
    ]),
    sample('prod with zeros', [x([3, 2]), crowd, zeros], (t, i, s) => t.scatterReduce(0, i, s, 'prod')),
    sample('prod with zeros on both sides', [f64([0, 1, 2, 0, 3, 0], [3, 2]), crowd, zeros], (t, i, s) =>
      t.scatterReduce(0, i, s, 'prod'),
    ),
    sample('prod of zeros alone', [x([3, 2]), crowd, zeros], (t, i, s) =>
      t.scatterReduce(0, i, s, 'prod', { includeSelf: false }),
    ),
    sample('larger source', [x([3, 2]), apart, x([3, 2], 2)], (t, i, s) => t.scatterReduce(0, i, s, 'prod')),
    sample('segments', [x([5, 2])], (t) => segmentReduce(t, 'prod', { lengths: int([2, 0, 3], [3]) })),
    sample('scatter that multiplies', [x([3, 2]), apart, x([2, 2], 2)], (t, i, s) =>
      t.scatter(0, i, s, { reduce: 'multiply' }),
    ),
  ],
  indexAdd: [
    sample('rows, repeated', [x([3, 2]), int([2, 0, 2], [3]), x([3, 2], 2)], (t, i, s) => t.indexAdd(0, i, s)),
    sample('columns', [x([2, 3]), int([1, 1], [2]), x([2, 2], 2)], (t, i, s) => t.indexAdd(1, i, s, { alpha: -2 })),
    sample('nothing', [x([2, 3]), int([], [0]), x([2, 0], 2)], (t, i, s) => t.indexAdd(1, i, s)),
  ],
  indexCopy: [
    sample('rows', [x([3, 2]), int([2, 0], [2]), x([2, 2], 2)], (t, i, s) => t.indexCopy(0, i, s)),
    sample('columns', [x([2, 3]), int([1], [1]), x([2, 1], 2)], (t, i, s) => t.indexCopy(1, i, s)),
    sample('rank 0', [x([]), int([0], [1]), x([], 2)], (t, i, s) => t.indexCopy(0, i, s)),
  ],
  indexFill: [
    sample('rows', [x([3, 2]), int([2, 0], [2])], (t, i) => t.indexFill(0, i, 7)),
    sample('columns', [x([2, 3]), int([1], [1])], (t, i) => t.indexFill(-1, i, 7)),
    sample('nothing', [x([2, 3]), int([], [0])], (t, i) => t.indexFill(1, i, 7)),
  ],
  indexPut: [
    sample('rows', [x([3, 2]), int([2, -3], [2]), x([2, 2], 2)], (t, i, v) => t.setAt([i], v)),
    sample('broadcast', [x([3, 2]), int([2, 0], [2]), x([2], 2)], (t, i, v) => t.setAt([i], v)),
    sample('side by side', [x([2, 3]), int([1, 0], [2]), int([2, 1], [2]), x([2], 2)], (t, i, j, v) =>
      t.indexPut([i, j], v),
    ),
    sample('apart, within a view', [x([2, 2, 3]), int([1, 0], [2]), int([2, 0], [2]), x([2, 2], 2)], (t, i, j, v) =>
      t.setAt([i, slice(0, 2), j], v),
    ),
    sample('after a number', [x([2, 3]), int([2, 0], [2]), x([2], 2)], (t, i, v) => t.setAt([1, i], v)),
    sample('added, repeated', [x([3, 2]), int([2, 0, 2], [3]), x([3, 2], 2)], (t, i, v) =>
      t.indexPut([i], v, { accumulate: true }),
    ),
    sample('added to the columns', [x([2, 3]), int([1, 1], [2]), x([2, 2], 2)], (t, i, v) =>
      t.indexPut([null, i], v, { accumulate: true }),
    ),
    sample('nothing', [x([2, 3]), int([], [0]), x([0, 3], 2)], (t, i, v) => t.setAt([i], v)),
    sample('put', [x([2, 3]), int([5, 0, -4], [3]), x([3], 2)], (t, i, v) => t.put(i, v)),
    sample('put, added', [x([2, 3]), int([5, 0, 5], [3]), x([3], 2)], (t, i, v) => t.put(i, v, { accumulate: true })),
  ],
  maskedScatter: [
    sample('same shape', [x([2, 3]), mask([1, 0, 0, 1, 1, 0], [2, 3]), x([4], 2)], (t, m, s) => t.maskedScatter(m, s)),
    sample('the mask broadcasts', [x([2, 3]), mask([1, 0, 1], [3]), x([2, 3], 2)], (t, m, s) => t.maskedScatter(m, s)),
    sample('the tensor broadcasts', [x([3]), mask([1, 0], [2, 1]), x([2, 3], 2)], (t, m, s) => t.maskedScatter(m, s)),
    sample('rank 0', [x([]), mask([1], []), x([2], 2)], (t, m, s) => t.maskedScatter(m, s)),
    sample('none', [x([2]), mask([0, 0], [2]), x([0], 2)], (t, m, s) => t.maskedScatter(m, s)),
  ],
};

const fills: readonly Sample[] = [
  sample('same shape', [x([2, 3]), mask([1, 0, 0, 1, 1, 0], [2, 3]), x([], 2)], (t, m, v) => t.maskedFill(m, v)),
  sample('both broadcast', [x([3]), mask([1, 0], [2, 1]), x([], 2)], (t, m, v) => t.maskedFill(m, v)),
  sample('rank 0', [x([]), mask([1], []), x([], 2)], (t, m, v) => t.maskedFill(m, v)),
];

const arranging: Readonly<Record<string, readonly Sample[]>> = {
  maskedFillTensor: fills,
  maskedFill: fills.map(({ label, xs: [t, m] }) => sample(label, [t, m], (y, n) => y.maskedFill(n, -7))),
  flip: [
    ...over([[4], [2, 3], [0, 2]], 'first', (t) => t.flip([0])),
    sample('all', [x([2, 3, 2])], (t) => t.flip([0, 1, -1])),
    sample('none', [x([2, 3])], (t) => t.flip([])),
    sample('rank 0', [x([])], (t) => t.flip([])),
    sample('transposed', [x([2, 3])], (t) => t.T.flip([1])),
  ],
  roll: [
    sample('as one row', [x([2, 3])], (t) => t.roll(2)),
    sample('along both', [x([2, 3])], (t) => t.roll([1, -1], [0, 1])),
    sample('transposed', [x([2, 3])], (t) => t.T.roll(-1, 0)),
    sample('part of a tensor', [x([3, 4])], (t) => t.narrow(1, 1, 3).roll(1, 1)),
  ],
  tril: [
    ...over(
      [
        [3, 3],
        [2, 4],
        [4, 2],
        [2, 3, 3],
        [0, 3],
      ],
      'main',
      (t) => t.tril(),
    ),
    sample('above', [x([3, 4])], (t) => t.tril(1)),
    sample('far below', [x([3, 4])], (t) => t.tril(-5)),
    sample('transposed', [x([3, 4])], (t) => t.T.tril(-1)),
  ],
  triu: [
    ...over(
      [
        [3, 3],
        [2, 4],
        [4, 2],
        [2, 3, 3],
        [0, 3],
      ],
      'main',
      (t) => t.triu(),
    ),
    sample('below', [x([3, 4])], (t) => t.triu(-1)),
    sample('transposed', [x([3, 4])], (t) => t.T.triu(1)),
  ],
  constantPad: [
    sample('around', [x([2, 3])], (t) => F.pad(t, [1, 2, 0, 1], { value: 5 })),
    sample('cut off', [x([3, 5])], (t) => F.pad(t, [-1, 1, 1, -2])),
    sample('of nothing', [x([0, 2])], (t) => F.pad(t, [0, 0, 1, 1])),
    sample('to nothing', [x([2, 2])], (t) => F.pad(t, [-1, -1])),
    sample('rank 0', [x([])], (t) => F.pad(t, [])),
  ],
  borderPad: (['reflect', 'replicate', 'circular'] as const).flatMap((mode) => [
    sample(`${mode}, two of three`, [x([1, 3, 4])], (t) => F.pad(t, [2, 1, 1, 2], { mode })),
    sample(`${mode}, one dimension`, [x([2, 4])], (t) => F.pad(t, [2, 3], { mode })),
    sample(`${mode}, two, one of them on one side`, [x([2, 3, 2])], (t) => F.pad(t, [1, 1, 0, 2], { mode })),
    sample(`${mode}, three, transposed`, [x([2, 1, 3, 2])], (t) =>
      F.pad(t.unsqueeze(2).expand([2, 1, 2, 3, 2]).transpose(2, 3), [1, 0, 1, 1, 2, 1], { mode }),
    ),
    sample(`${mode}, added and cut off`, [x([2, 5])], (t) => F.pad(t, [2, -1], { mode })),
    sample(`${mode}, cut off and added`, [x([1, 3, 4])], (t) => F.pad(t, [-1, 2, 1, 0], { mode })),
    sample(`${mode} of no examples`, [x([0, 2, 3])], (t) => F.pad(t, [1, 2], { mode })),
  ]),
  nllLoss: [
    ...(['none', 'sum', 'mean'] as const).flatMap((reduction) => [
      sample(`classes, ${reduction}`, [x([3, 4]), int([1, -100, 3], [3])], (t, i) => nllLoss(t, i, { reduction })),
      sample(`one, ${reduction}`, [x([4]), int([2], [])], (t, i) => nllLoss(t, i, { reduction })),
      sample(`of an image, ${reduction}`, [x([2, 3, 2, 2]), int([0, 2, 1, 1, 2, 0, 2, 1], [2, 2, 2])], (t, i) =>
        nllLoss(t, i, { reduction, ignoreIndex: 1 }),
      ),
    ]),
    sample('transposed', [x([4, 3]), int([1, 0, 3], [3])], (t, i) => nllLoss(t.T, i)),
    sample('nothing, sum', [x([0, 3]), int([], [0])], (t, i) => nllLoss(t, i, { reduction: 'sum' })),
  ],
  nllLossBackward: (['none', 'sum', 'mean'] as const).flatMap((reduction) => [
    sample(
      `classes, ${reduction}`,
      [x(reduction === 'none' ? [3] : []), int([1, -100, 3], [3])],
      inner('nllLossBackward', { shape: [3, 4], ignoreIndex: -100, reduction, spatial: false }),
    ),
    sample(
      `of an image, ${reduction}`,
      [x(reduction === 'none' ? [2, 2, 2] : []), int([0, 2, 1, 1, 2, 0, 2, 1], [2, 2, 2])],
      inner('nllLossBackward', { shape: [2, 3, 2, 2], ignoreIndex: 1, reduction, spatial: true }),
    ),
  ]),
  named: [
    sample('identity', [x([2, 3])], inner('named', { node: 'NameBackward0' })),
    sample('a loss with weights', [x([3, 4])], (t) =>
      nllLoss(t, int([1, 0, 3], [3]), { weight: tensor([1, 2, 0.5, 3]).to(t.dtype) }),
    ),
    sample('rolled not at all', [x([2, 3])], (t) => t.roll(3, 1)),
    ...[-1, 0, 1, 2].map((k) => sample(`turned by ${k}`, [x([2, 3])], (t) => t.rot90(k))),
    sample('repeated', [x([2, 3])], (t) => t.repeat([2, 1, 2])),
    sample('repeated, a row', [x([1, 3])], (t) => t.repeat([2, 1])),
    sample('repeated never', [x([2])], (t) => t.repeat([0])),
    sample('tiled', [x([2, 3])], (t) => t.tile([2])),
    sample('each repeated', [x([2, 3])], (t) => t.repeatInterleave(2, 1)),
    ...over([[], [2, 3]], 'each repeated, one row', (t) => t.repeatInterleave(3)),
    sample('on a diagonal', [x([3])], (t) => t.diag(1)),
    sample('the diagonal', [x([2, 4])], (t) => t.diag(1)),
    sample('matrices of vectors', [x([2, 3])], (t) => t.diagEmbed(-1, 0, 2)),
    sample('all on a diagonal', [x([2, 2])], (t) => t.diagflat(-1)),
    sample('pairs', [x([4])], (t) => t.combinations()),
    sample('threes with repetition', [x([2])], (t) => t.combinations(3, { withReplacement: true })),
    sample('mirrored and cut', [x([1, 3, 4])], (t) => F.pad(t, [2, -1, 1, 2], { mode: 'reflect' })),
    sample('continued and cut', [x([1, 3, 4])], (t) => F.pad(t, [2, -1], { mode: 'replicate' })),
    sample('round, only cut', [x([1, 3, 4])], (t) => F.pad(t, [-1, 0], { mode: 'circular' })),
    sample('finer', [x([4, 2, 3])], (t) => F.pixelShuffle(t, 2)),
    sample('coarser', [x([2, 4, 2])], (t) => F.pixelUnshuffle(t, 2)),
    ...(['sum', 'mean'] as const).map((mode) =>
      sample(`bags, ${mode}`, [x([4, 2])], (w) =>
        F.embeddingBag(int([1, 3, 3, 0, 1], [5]), w, int([0, 2, 2], [3]), { mode, paddingIdx: 0 }),
      ),
    ),
    sample('bags, max', [x([4, 2])], (w) =>
      F.embeddingBag(int([1, 3, 2, 0, 1], [5]), w, int([0, 2, 2], [3]), { mode: 'max' }),
    ),
    sample('bags with weights', [x([4, 2]), x([2, 2], 2)], (w, p) =>
      F.embeddingBag(int([1, 3, 3, 0], [2, 2]), w, null, { mode: 'sum', perSampleWeights: p }),
    ),
    ...(['sum', 'mean', 'max', 'min'] as const).map((how) =>
      sample(`segments, ${how}`, [x([2, 4])], (t) =>
        segmentReduce(t, how, { offsets: int([0, 1, 1, 4, 0, 2, 3, 4], [2, 4]), axis: 1, initial: 0.1 }),
      ),
    ),
  ],
};

export const indexingSamples: Readonly<Record<string, readonly Sample[]>> = { ...reading, ...writing, ...arranging };
