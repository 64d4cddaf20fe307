import { blockDiag, cat, linalg, stack, type Tensor } from 'nabla';
import { f64, type Shape } from '../../support/numbers.ts';
import { inner, over, type Sample, sample, x } from './sample.ts';

const usual: readonly Shape[] = [[], [4], [2, 3], [0], [2, 0]];
const matrices: readonly Shape[] = [
  [2, 3],
  [3, 2, 4],
  [2, 0],
];

const slices = { dim: 1, start: 1, step: 2, length: 2 };
const views: Readonly<Record<string, readonly Sample[]>> = {
  clone: over(usual, 'clone', (t) => t.clone()),
  to: [
    // A step that float32 keeps exactly.
    ...[f64([1, -2, 0.5], [3]), f64([], [0, 2]), f64([4], [])].map((t) => ({
      ...sample(`float32 and back of [${t.shape}]`, [t], (y) => y.to('float32').to('float64')),
      check: { eps: 0.25, tol: 1e-6 },
    })),
  ],
  reshape: [
    ...over(matrices, 'flat', (t) => t.reshape([t.numel()])),
    ...over([[]], 'vector', (t) => t.reshape([1])),
    sample('transposed, so copied', [x([2, 3])], (t) => t.T.reshape([2, 3])),
    sample('expanded, so copied', [x([2, 1])], (t) => t.expand([2, 3]).reshape([6])),
    sample('inferred', [x([4, 3])], (t) => t.reshape([2, -1, 2])),
  ],
  permute: [
    ...over(matrices, 'T', (t) => t.T),
    ...over(matrices, 'mT', (t) => t.mT),
    sample('rotated', [x([2, 3, 4])], (t) => t.permute([2, 0, 1])),
    sample('t of a vector', [x([3])], (t) => t.t()),
    sample('movedim', [x([2, 3, 4])], (t) => t.movedim(0, -1)),
    sample('rank 0', [x([])], (t) => t.permute([])),
  ],
  expand: [
    sample('new dimensions', [x([3])], (t) => t.expand([2, 4, 3])),
    sample('size 1', [x([2, 1, 3])], (t) => t.expand([2, 4, -1])),
    sample('rank 0', [x([])], (t) => t.expand([2, 3])),
    sample('to nothing', [x([1, 3])], (t) => t.expand([0, 3])),
  ],
  squeeze: [
    sample('all', [x([1, 3, 1])], (t) => t.squeeze()),
    sample('one', [x([1, 3, 1])], (t) => t.squeeze(-1)),
    sample('several', [x([1, 3, 1, 2])], (t) => t.squeeze([0, 2])),
    sample('none', [x([2, 3])], (t) => t.squeeze(0)),
    sample('to rank 0', [x([1])], (t) => t.squeeze()),
  ],
  unsqueeze: [
    ...over(usual, 'front', (t) => t.unsqueeze(0)),
    ...over(matrices, 'back', (t) => t.unsqueeze(-1)),
    sample('middle', [x([2, 3])], (t) => t.unsqueeze(1)),
  ],
  slice: [
    sample('middle', [x([5])], (t) => t.slice(0, 1, 4)),
    sample('steps', [x([2, 7])], (t) => t.slice(1, 1, 7, 3)),
    sample('from the end', [x([2, 5])], (t) => t.slice(-1, -3, -1)),
    sample('nothing', [x([3, 2])], (t) => t.slice(0, 2, 2)),
    sample('narrow of a transposed', [x([3, 4])], (t) => t.T.narrow(0, 1, 2)),
  ],
  sliceBackward: [
    sample('into the middle', [x([2, 2])], inner('sliceBackward', { ...slices, size: 5 })),
    sample('of nothing', [x([2, 0])], inner('sliceBackward', { ...slices, length: 0, size: 3 })),
  ],
  select: [
    sample('row', [x([3, 2])], (t) => t.select(0, 1)),
    sample('last column', [x([3, 2])], (t) => t.select(-1, -1)),
    sample('of a vector', [x([3])], (t) => t.select(0, 2)),
    sample('of no rows', [x([0, 2])], (t) => t.select(1, 0)),
  ],
};

const product = (f: (a: Tensor, b: Tensor) => Tensor, pairs: readonly (readonly [Shape, Shape])[]): readonly Sample[] =>
  pairs.map(([p, q]) => sample(`[${p.join(', ')}] × [${q.join(', ')}]`, [x(p, 1), x(q, 2)], f));

const products: Readonly<Record<string, readonly Sample[]>> = {
  cross: [
    sample('rows', [x([2, 3]), x([2, 3], 2)], (s, t) => s.cross(t, 1)),
    sample('columns, broadcast', [x([3, 4]), x([3, 1], 2)], (s, t) => s.cross(t, 0)),
    sample('transposed', [x([2, 3]), x([3, 2], 2)], (s, t) => s.T.cross(t, 0)),
    sample('of nothing', [x([0, 3]), x([0, 3], 2)], (s, t) => s.cross(t, 1)),
  ],
  vecdot: [
    sample('rows', [x([2, 3]), x([3], 2)], (s, t) => linalg.vecdot(s, t)),
    sample('columns, broadcast', [x([3, 4]), x([2, 3, 1], 2)], (s, t) => linalg.vecdot(s, t, { dim: -2 })),
    sample('transposed', [x([2, 3]), x([3, 2], 2)], (s, t) => linalg.vecdot(s.T, t, { dim: 0 })),
    sample('of nothing', [x([2, 0]), x([2, 0], 2)], (s, t) => linalg.vecdot(s, t)),
  ],
  dot: product(
    (a, b) => a.dot(b),
    [
      [[5], [5]],
      [[0], [0]],
    ],
  ),
  mm: [
    ...product(
      (a, b) => a.matmul(b),
      [
        [
          [2, 3],
          [3, 4],
        ],
        [
          [1, 3],
          [3, 1],
        ],
        [
          [2, 0],
          [0, 3],
        ],
        [
          [0, 3],
          [3, 2],
        ],
        [[3], [3, 2]],
        [
          [2, 2, 3],
          [3, 4],
        ],
      ],
    ),
    sample('both transposed', [x([3, 2], 1), x([4, 3], 2)], (a, b) => a.T.matmul(b.T)),
    sample('a square by itself', [x([3, 3])], (a) => a.matmul(a)),
    sample('expanded', [x([1, 3], 1), x([3, 1], 2)], (a, b) => a.expand([2, 3]).matmul(b.expand([3, 4]))),
  ],
  mv: [
    ...product(
      (a, b) => a.matmul(b),
      [
        [[2, 3], [3]],
        [[2, 0], [0]],
        [[2, 4, 3], [3]],
      ],
    ),
    sample('transposed', [x([3, 2], 1), x([3], 2)], (a, b) => a.T.mv(b)),
  ],
  bmm: product(
    (a, b) => a.matmul(b),
    [
      [
        [2, 2, 3],
        [2, 3, 4],
      ],
      [
        [2, 1, 2, 3],
        [3, 3, 2],
      ],
      [
        [2, 3],
        [2, 3, 2],
      ],
      [[3], [2, 3, 2]],
      [
        [2, 2, 0],
        [2, 0, 3],
      ],
      [
        [0, 2, 3],
        [0, 3, 2],
      ],
    ],
  ),
};

const joins: Readonly<Record<string, readonly Sample[]>> = {
  cat: [
    sample('rows', [x([2, 3], 1), x([1, 3], 2)], (a, b) => cat([a, b])),
    sample('columns', [x([2, 3], 1), x([2, 1], 2)], (a, b) => cat([a, b.expand([2, 2]), a], -1)),
    sample('with nothing', [x([2, 3], 1), x([0, 3], 2)], (a, b) => cat([a, b])),
    sample('blocks along a diagonal', [x([2, 1]), x([3], 2), x([], 3)], (...ts) => blockDiag(ts)),
    sample('transposed', [x([3, 2], 1), x([2, 2], 2)], (a, b) => cat([a.T, b], 1)),
  ],
  stack: [
    sample('front', [x([2, 3], 1), x([2, 3], 2)], (a, b) => stack([a, b])),
    sample('back', [x([2, 3], 1), x([3, 2], 2)], (a, b) => stack([a, b.T, a], -1)),
    sample('rank 0', [x([], 1), x([], 2)], (a, b) => stack([a, b])),
    sample('empty', [x([0], 1), x([0], 2)], (a, b) => stack([a, b], 1)),
  ],
};

export const structuralSamples: Readonly<Record<string, readonly Sample[]>> = {
  ...views,
  ...products,
  ...joins,
};
