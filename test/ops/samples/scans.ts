import type { Tensor } from 'nabla';
import { f64 } from '../../support/numbers.ts';
import { inner, type Sample, sample, x } from './sample.ts';

/** Along one dimension: every rank, every position, nothing, and other layouts than the usual one. */
function along(f: (t: Tensor, dim: number) => Tensor | readonly Tensor[]): readonly Sample[] {
  return [
    sample('rank 0', [x([])], (t) => f(t, 0)),
    sample('a vector', [x([5])], (t) => f(t, -1)),
    sample('columns', [x([3, 4])], (t) => f(t, 0)),
    sample('rows', [x([3, 4])], (t) => f(t, 1)),
    sample('middle', [x([2, 3, 4])], (t) => f(t, 1)),
    sample('last of a transposed', [x([3, 4])], (t) => f(t.T, -1)),
    sample('one element', [x([3, 1])], (t) => f(t, 1)),
    sample('no rows', [x([0, 3])], (t) => f(t, 1)),
    sample('rows of nothing', [x([3, 0])], (t) => f(t, 1)),
  ];
}

const expanded = (f: (t: Tensor, dim: number) => Tensor | readonly Tensor[]): Sample =>
  sample('expanded', [x([3, 1])], (t) => f(t.expand([3, 4]), 0));

const pair = (r: object): readonly Tensor[] => Object.values(r);

const scans: Readonly<Record<string, readonly Sample[]>> = {
  cumsum: [
    ...along((t, d) => t.cumsum(d)),
    expanded((t, d) => t.cumsum(d)),
    sample('cumulativeTrapezoid', [x([3, 4]), x([4], 2)], (y, at) => y.cumulativeTrapezoid(at)),
    sample('cumulativeTrapezoid, evenly', [x([3, 4])], (y) => y.cumulativeTrapezoid(0.5, 0)),
  ],
  cumprod: [
    ...along((t, d) => t.cumprod(d)),
    expanded((t, d) => t.cumprod(d)),
    sample('zeros', [f64([2, 0, -3, 0, 0.5], [5])], (t) => t.cumprod(0)),
    sample('zeros by columns', [f64([2, 0, 0, 0, 1, -3], [2, 3])], (t) => t.cumprod(0)),
  ],
  logcumsumexp: [
    ...along((t, d) => t.logcumsumexp(d)),
    expanded((t, d) => t.logcumsumexp(d)),
    sample('far apart', [f64([-1000, 0, 1000, 900, -1000], [5])], (t) => t.logcumsumexp(0)),
  ],
  recurrence: [
    ...along((t, d) => inner('recurrence', { dim: d < 0 ? d + t.ndim : d, reverse: false })(t.sin(), t)),
    ...along((t, d) => inner('recurrence', { dim: d < 0 ? d + t.ndim : d, reverse: true })(t, t.cos())),
    sample('two inputs', [x([3, 4]), x([3, 4], 2)], inner('recurrence', { dim: 1, reverse: false })),
  ],
  cummax: along((t, d) => pair(t.cummax(d))),
  cummin: along((t, d) => pair(t.cummin(d))),
};

const sorts: Readonly<Record<string, readonly Sample[]>> = {
  sort: [
    ...along((t, d) => pair(t.sort(d))),
    ...along((t, d) => pair(t.sort(d, { descending: true, stable: true }))).slice(1, 4),
    sample('msort', [x([3, 4])], (t) => t.msort()),
    sample('quantile', [x([3, 4]), f64([0.1, 0.65], [2])], (t, q) => t.quantile(q, 1)),
    sample('quantile of all, kept', [x([3, 4]), f64([0.3], [])], (t, q) => t.quantile(q, undefined, { keepdim: true })),
    sample('midpoint', [x([3, 4])], (t) => t.quantile(0.4, 0, { interpolation: 'midpoint', keepdim: true })),
    sample('higher', [x([2, 3, 2])], (t) => t.quantile(0.7, 1, { interpolation: 'higher' })),
    sample('nanquantile', [x([3, 4]), f64([0.1, 0.65], [2])], (t, q) => t.nanquantile(q, 1)),
  ],
  argsort: [...along((t, d) => t.argsort(d)), sample('ties', [f64([1, 0, 1, 0, 1], [5])], (t) => t.argsort(0))],
  topk: [
    ...along((t, d) => pair(t.topk(t.ndim === 0 ? 1 : Math.ceil(t.size(d) / 2), d))),
    sample('smallest', [x([3, 4])], (t) => pair(t.topk(2, 0, { largest: false }))),
    sample('all', [x([3, 4])], (t) => pair(t.topk(4))),
    sample('none', [x([3, 4])], (t) => pair(t.topk(0))),
  ],
};

const searches: Readonly<Record<string, readonly Sample[]>> = {
  searchsorted: [
    sample('a vector', [f64([-1, 0, 0, 1.5], [4]), x([2, 3])], (s, v) => s.searchsorted(v)),
    sample('rows', [f64([-1, 0, 1, 0, 0, 2], [2, 3]), x([2, 2])], (s, v) => s.searchsorted(v, { right: true })),
    sample('sorter', [f64([1, -1, 0], [3]), x([4])], (s, v) => s.searchsorted(v, { sorter: s.argsort() })),
    sample('a number', [f64([-1, 0, 1], [3])], (s) => s.searchsorted(0, { side: 'right' })),
    sample('in nothing', [f64([], [0]), x([2])], (s, v) => s.searchsorted(v)),
    sample('bucketize', [x([2, 3]), f64([-1, 0, 1], [3])], (v, s) => v.bucketize(s)),
  ],
  groups: [
    sample('elements', [f64([2, 1, 2, -1, 1], [5])], (t) =>
      places(t.unique({ returnInverse: true, returnCounts: true })),
    ),
    sample('rows', [f64([1, 2, 0, 5, 1, 2], [3, 2])], (t) =>
      places(t.unique({ returnInverse: true, returnCounts: true, dim: 0 })),
    ),
    sample('runs', [f64([1, 1, 2, 1], [2, 2])], (t) =>
      places(t.uniqueConsecutive({ returnInverse: true, returnCounts: true })),
    ),
    sample('nothing', [f64([], [0])], (t) => places(t.unique({ returnInverse: true, returnCounts: true }))),
  ].map((s) => ({ ...s, noVmap: 'the size of the result hangs on the values' })),
};

/** What is not the output, through which gradients pass. */
const places = (u: { readonly inverseIndices: Tensor; readonly counts: Tensor }): readonly Tensor[] => [
  u.inverseIndices,
  u.counts,
];

export const scanSamples: Readonly<Record<string, readonly Sample[]>> = { ...scans, ...sorts, ...searches };
