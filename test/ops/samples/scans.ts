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
  cumsum: [...along((t, d) => t.cumsum(d)), expanded((t, d) => t.cumsum(d))],
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
  ],
  argsort: [...along((t, d) => t.argsort(d)), sample('ties', [f64([1, 0, 1, 0, 1], [5])], (t) => t.argsort(0))],
  topk: [
    ...along((t, d) => pair(t.topk(t.ndim === 0 ? 1 : Math.ceil(t.size(d) / 2), d))),
    sample('smallest', [x([3, 4])], (t) => pair(t.topk(2, 0, { largest: false }))),
    sample('all', [x([3, 4])], (t) => pair(t.topk(4))),
    sample('none', [x([3, 4])], (t) => pair(t.topk(0))),
  ],
};

export const scanSamples: Readonly<Record<string, readonly Sample[]>> = { ...scans, ...sorts };
