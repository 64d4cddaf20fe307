import { functional as F, type Tensor, tensor } from 'nabla';
import { f64, spreadTensor } from '../../support/numbers.ts';
import { over, type Sample, sample, x } from './sample.ts';

/** Reductions over everything, one dimension (first, last, negative), several, with and without keeping them. */
function reductions(
  f: (t: Tensor, dim?: number | number[], keepdim?: boolean) => Tensor | readonly Tensor[],
): readonly Sample[] {
  return [
    ...over([[], [5], [3, 4]], 'all', (t) => f(t)),
    sample('rows', [x([3, 4])], (t) => f(t, 1)),
    sample('columns', [x([3, 4])], (t) => f(t, 0, true)),
    sample('last of a transposed', [x([3, 4])], (t) => f(t.T, -1)),
    sample('expanded', [x([3, 1])], (t) => f(t.expand([3, 4]), 0)),
    sample('middle', [x([2, 3, 4])], (t) => f(t, 1, true)),
    sample('no rows', [x([0, 3])], (t) => f(t, 1)),
    sample('with zeros', [f64([0, 1, 0, -2, 3, 0.5], [2, 3])], (t) => f(t, 1)),
  ];
}

/** What selects an element along one dimension. */
function selections(f: (t: Tensor, dim: number, keepdim: boolean) => object): readonly Sample[] {
  const pair = (t: Tensor, dim: number, keepdim = false): readonly Tensor[] => Object.values(f(t, dim, keepdim));
  return [
    sample('rank 0', [x([])], (t) => pair(t, 0)),
    sample('a vector', [x([5])], (t) => pair(t, 0)),
    sample('rows', [x([3, 4])], (t) => pair(t, 1)),
    sample('columns, kept', [x([4, 3])], (t) => pair(t, 0, true)),
    sample('last of a transposed', [x([3, 4])], (t) => pair(t.T, -1)),
    sample('middle', [x([2, 3, 4])], (t) => pair(t, 1)),
    sample('no rows', [x([0, 3])], (t) => pair(t, 1)),
  ];
}

const several = (f: (t: Tensor, dim: number[], keepdim?: boolean) => Tensor | readonly Tensor[]): readonly Sample[] => [
  sample('outer two', [x([2, 3, 4])], (t) => f(t, [0, 2])),
  sample('last two, kept', [x([2, 3, 4])], (t) => f(t, [-1, -2], true)),
];
const overNothing = (f: (t: Tensor, dim?: number) => Tensor): readonly Sample[] => [
  sample('of nothing', [x([0])], (t) => f(t)),
  sample('over no rows', [x([0, 3])], (t) => f(t, 0)),
];
type Dim = number | number[];
const sum = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.sum(dim, { keepdim });
const mean = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.mean(dim, { keepdim });
const prod = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.prod(dim as number | undefined, { keepdim });
const amax = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.amax(dim, { keepdim });
const amin = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.amin(dim, { keepdim });
const logsumexp = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.logsumexp(dim, { keepdim });
const any = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.any(dim, { keepdim });
const all = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.all(dim, { keepdim });
const norm =
  (p: number | 'fro') =>
  (t: Tensor, dim?: Dim, keepdim = false): Tensor =>
    t.norm(p, dim, { keepdim });
const argmax = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.argmax(dim as number | undefined, { keepdim });
const variance =
  (correction: number) =>
  (t: Tensor, dim?: Dim, keepdim = false): Tensor =>
    t.var(dim, { correction, keepdim });
const deviation = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.std(dim, { unbiased: false, keepdim });
const varMean = (t: Tensor, dim?: Dim, keepdim = false) => Object.values(t.varMean(dim, { keepdim }));
const stdMean = (t: Tensor, dim?: Dim, keepdim = false) => Object.values(t.stdMean(dim, { keepdim }));
const nansum = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.nansum(dim, { keepdim });
const nanmean = (t: Tensor, dim?: Dim, keepdim = false): Tensor => t.nanmean(dim, { keepdim });
/** Where nothing is spread a deviation has a kink, and without freedom a variance is no number. */
const spread = (s: Sample): boolean => s.label !== 'expanded' && s.label !== 'all of []';
/** At ties the derivative jumps. */
const withoutTies = (s: Sample): boolean => s.label !== 'expanded' && s.label !== 'with zeros';
const int = (values: readonly number[]): Tensor => tensor(Int32Array.from(values));
const noVmap = 'the size of the result hangs on the values';
const inf = Number.POSITIVE_INFINITY;

export const reductionSamples: Readonly<Record<string, readonly Sample[]>> = {
  sum: [...reductions(sum), ...several(sum), ...overNothing(sum)],
  mean: [...reductions(mean), ...several(mean)],
  nansum: [
    ...reductions(nansum),
    ...several(nansum),
    ...overNothing(nansum),
    ...reductions(nanmean),
    ...several(nanmean),
  ],
  countNonzero: [
    ...reductions((t, dim) => t.sign().relu().countNonzero(dim)),
    ...overNothing((t, dim) => t.countNonzero(dim)),
  ],
  prod: [
    ...reductions(prod),
    ...overNothing(prod),
    sample('one zero', [f64([2, 0, -3, 1.5, 0.5], [5])], (t) => t.prod()),
    sample('two zeros', [f64([2, 0, -3, 0, 0.5], [5])], (t) => t.prod()),
    sample('zeros by columns', [f64([2, 0, 0, 0, 1, -3], [2, 3])], (t) => t.prod(0)),
  ],
  amax: [...reductions(amax).filter(withoutTies), ...several(amax)],
  amin: [...reductions(amin).filter(withoutTies), ...several(amin)],
  maxAll: over([[], [5], [3, 4]], 'max', (t) => t.max()),
  minAll: over([[], [5], [3, 4]], 'min', (t) => t.min()),
  extremeAlong: [
    sample('max of rows', [x([3, 4])], (t) => Object.values(t.max(1))),
    sample('min of columns, kept', [x([3, 4])], (t) => Object.values(t.min(0, { keepdim: true }))),
    sample('max of a transposed', [x([2, 3, 4])], (t) => Object.values(t.T.max(1))),
    sample('rank 0', [x([])], (t) => Object.values(t.max(0))),
    sample('no rows', [x([0, 3])], (t) => Object.values(t.max(1))),
  ],
  kthvalue: [
    ...selections((t, dim, keepdim) => t.kthvalue(t.ndim === 0 ? 1 : t.size(dim), dim, { keepdim })),
    sample('the second', [x([3, 4])], (t) => Object.values(t.kthvalue(2))),
  ],
  medianAlong: [
    ...selections((t, dim, keepdim) => t.median(dim, { keepdim })),
    ...selections((t, dim, keepdim) => t.nanmedian(dim, { keepdim })),
  ],
  median: [...over([[], [5], [3, 4]], 'median', (t) => t.median()), ...over([[4]], 'nanmedian', (t) => t.nanmedian())],
  mode: selections((t, dim, keepdim) => t.mode(dim, { keepdim })),
  argExtreme: [
    ...reductions(argmax),
    sample('argmin', [x([3, 4])], (t) => t.argmin()),
    sample('argmin, kept', [x([3, 4])], (t) => t.argmin(0, { keepdim: true })),
  ],
  any: [...reductions(any), ...several(any), ...overNothing(any)],
  all: [...reductions(all), ...several(all), ...overNothing(all)],
  norm: [
    ...reductions(norm(2)),
    ...[1, 3, 1.5, 0.5, 0].flatMap((p) => [
      sample(`p = ${p}`, [spreadTensor([2, 3], 0.5, 2)], (t) => t.neg().norm(p)),
      sample(`rows, p = ${p}`, [spreadTensor([2, 3], 0.5, 2)], (t) => t.norm(p, 1)),
    ]),
    ...several(norm('fro')),
    ...[inf, -inf].map((p) => sample(`p = ${p}`, [x([3, 4])], (t) => t.norm(p, 1))),
    ...[1, 2, 3].map((p) => sample(`dist, p = ${p}`, [x([3, 2]), x([2], 2)], (s, t) => s.dist(t, p))),
    sample('renorm', [x([3, 2, 2])], (t) => t.renorm(2, 0, 2)),
    sample('renorm of nothing large', [x([3, 2])], (t) => t.renorm(3, 1, 100)),
    sample('normalize', [x([3, 2])], (t) => F.normalize(t, { p: 3 })),
    sample('normalize what is short', [x([3, 2])], (t) => F.normalize(t, { dim: 0, eps: 100 })),
    sample('cosineSimilarity', [x([3, 1, 2]), x([4, 2], 2)], (s, t) => F.cosineSimilarity(s, t, { dim: -1 })),
    sample('pairwiseDistance', [x([3, 2]), x([2], 2)], (s, t) => F.pairwiseDistance(s, t, { p: 3, keepdim: true })),
  ],
  var: [
    ...reductions(variance(1)).filter(spread),
    ...several(variance(0)),
    sample('a fraction less', [x([3, 4])], (t) => t.var(0, { correction: 0.5 })),
  ],
  std: [...reductions(deviation), ...several(deviation)].filter(spread),
  varMean: [...reductions(varMean), ...several(varMean)].filter(spread),
  stdMean: [...reductions(stdMean), ...several(stdMean)].filter(spread),
  logsumexp: [...reductions(logsumexp), ...several(logsumexp)],
  softmax: [
    ...over([[], [4], [3, 4], [2, 0], [0, 3]], 'first', (t) => t.softmax(0)),
    sample('middle', [x([2, 3, 4])], (t) => t.softmax(1)),
    sample('transposed', [x([2, 3])], (t) => t.T.softmax(-1)),
    sample('large', [f64([1000, 1001, 999, -1000], [4])], (t) => t.softmax(0)),
  ],
  logSoftmax: [
    ...over([[], [4], [3, 4], [2, 0], [0, 3]], 'first', (t) => t.logSoftmax(0)),
    sample('middle', [x([2, 3, 4])], (t) => t.logSoftmax(1)),
    sample('transposed', [x([2, 3])], (t) => t.T.logSoftmax(-1)),
  ],
  bincount: [
    { ...sample('whole numbers', [int([3, 0, 3, 1])], (t) => t.bincount()), noVmap },
    { ...sample('at least', [int([])], (t) => t.bincount({ minlength: 3 })), noVmap },
    { ...sample('weights', [int([2, 0, 2]), x([3])], (t, weights) => t.bincount({ weights })), noVmap },
  ],
  histc: [
    sample('of what is there', [x([3, 4])], (t) => t.histc({ bins: 5 })),
    sample('from and to', [x([12])], (t) => t.histc({ bins: 3, min: -1, max: 1 })),
    sample('of one number', [x([])], (t) => t.histc({ bins: 4 })),
    sample('of nothing', [x([0])], (t) => t.histc({ bins: 2 })),
  ],
  cdist: [
    sample('p = 0.5', [spreadTensor([3, 2], 2, 4), spreadTensor([4, 2], 0, 1)], (s, t) => s.cdist(t, 0.5)),
    ...[1, 1.5, 2, 3, inf].map((p) => sample(`p = ${p}`, [x([3, 2]), x([4, 2], 2)], (s, t) => s.cdist(t, p))),
    sample('batches', [x([2, 1, 3, 2]), x([2, 4, 2], 2)], (s, t) => s.cdist(t)),
    sample('transposed', [x([2, 3]), x([4, 2], 2)], (s, t) => s.T.cdist(t)),
    sample('no rows', [x([0, 2]), x([4, 2], 2)], (s, t) => s.cdist(t)),
    sample('of no size', [x([3, 0]), x([4, 0], 2)], (s, t) => s.cdist(t)),
  ],
  pdist: [
    ...[1, 2, 3, inf].map((p) => sample(`p = ${p}`, [x([4, 3])], (t) => F.pdist(t, p))),
    ...[0.5, 1.5, 2.5].map((p) => sample(`p = ${p}`, [spreadTensor([3, 2], 0, 3)], (t) => F.pdist(t, p))),
    sample('two bands', [x([18, 2])], (t) => F.pdist(t, 3)),
  ],
};
