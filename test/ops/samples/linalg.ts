import { linalg, stack, type Tensor, tensor } from 'nabla';
import { apply1 } from '../../../src/core/apply.ts';
import { operations } from '../../../src/core/op.ts';
import { f64, type Shape, spreadTensor } from '../../support/numbers.ts';
import { type Sample, sample } from './sample.ts';

const x = (shape: Shape, seed = 1): Tensor => spreadTensor(shape, -1, 1, seed);

/** 1 on the diagonal, or on the other one. */
function ones(rows: number, columns: number, other = false): Tensor {
  const values = new Float64Array(rows * columns);
  for (let i = 0; i < Math.min(rows, columns); i++) values[i * columns + (other ? columns - 1 - i : i)] = 2 + i;
  return f64(values, [rows, columns]);
}

/** Whatever the elements of `a`, far from singular and from ties between pivots. */
const sure = (a: Tensor, other = false): Tensor => {
  const [rows, columns] = a.shape.slice(-2);
  return a.mul(0.3).add(ones(rows, columns, other).to(a.dtype));
};

/** Whatever the elements of `a`, symmetric and positive definite. */
const positive = (a: Tensor): Tensor => a.matmul(a.mT).add(ones(a.shape[a.ndim - 1], a.shape[a.ndim - 1]).to(a.dtype));

const squares: readonly Shape[] = [
  [3, 3],
  [1, 1],
  [2, 2, 2],
  [0, 0],
  [0, 2, 2],
];

const rectangles: readonly Shape[] = [
  [2, 4],
  [4, 2],
  [2, 3, 2],
  [0, 2],
  [2, 0],
];

/** An operation that has no method of its own. */
const inner =
  (name: string, attrs: unknown) =>
  (...xs: Tensor[]): Tensor =>
    apply1(operations().get(name) as never, xs, attrs as never) as Tensor;

const of = (shapes: readonly Shape[], label: string, f: (a: Tensor) => Tensor | readonly Tensor[]): readonly Sample[] =>
  shapes.map((s) => sample(`${label} of [${s}]`, [x(s)], f));

const systems: readonly (readonly [a: Shape, b: Shape])[] = [
  [
    [3, 3],
    [3, 2],
  ],
  [
    [2, 2, 2],
    [2, 2, 1],
  ],
  [
    [2, 2],
    [3, 2, 2],
  ],
  [
    [3, 3],
    [3, 0],
  ],
  [
    [0, 0],
    [0, 2],
  ],
];

const pairs = (label: string, f: (a: Tensor, b: Tensor) => Tensor): readonly Sample[] =>
  systems.map(([a, b]) => sample(`${label} of [${a}] and [${b}]`, [x(a, 1), x(b, 2)], f));

const pivots = (values: readonly number[], shape: Shape): Tensor => tensor(Int32Array.from(values), { shape });

/** The lower triangle. */
const lower = (a: Tensor): Tensor => {
  const n = a.size(-1);
  const mask = Float64Array.from({ length: n * n }, (_, i) => (i % n <= Math.floor(i / n) ? 1 : 0));
  return a.mul(f64(mask, [n, n]).to(a.dtype));
};

const triangles = [
  { upper: false },
  { upper: true },
  { upper: false, unitriangular: true },
  { upper: true, left: false },
];

const factorisations: Readonly<Record<string, readonly Sample[]>> = {
  rowOrder: [
    sample('of exchanges', [pivots([2, 3, 3], [3])], inner('rowOrder', { rows: 3, inverse: false })),
    sample('that undoes exchanges', [pivots([2, 3, 1, 2], [2, 2])], inner('rowOrder', { rows: 3, inverse: true })),
    sample('of none', [pivots([], [2, 0])], inner('rowOrder', { rows: 2, inverse: false })),
  ],
  lu: [
    ...of(squares, 'L and U', (a) => {
      const { L, U } = linalg.lu(sure(a));
      return [L, U];
    }),
    ...of(rectangles, 'packed, with exchanges', (a) => linalg.luFactor(sure(a, true)).LU),
  ],
  cholesky: [
    ...of(squares, 'lower', (a) => linalg.cholesky(positive(a))),
    ...of(squares.slice(0, 1), 'upper', (a) => linalg.cholesky(positive(a), { upper: true })),
  ],
  choleskySolve: [
    ...pairs('solution', (a, b) => b.choleskySolve(lower(sure(a)))),
    ...of(squares.slice(0, 1), 'inverse', (a) => lower(sure(a)).choleskyInverse()),
  ],
  solveTriangular: [
    ...triangles.map((t) =>
      sample(`upper ${t.upper}, ${JSON.stringify(t)}`, [x([3, 3], 1), x([3, 3], 2)], (a, b) =>
        linalg.solveTriangular(sure(a), b, t),
      ),
    ),
    ...pairs('lower', (a, b) => linalg.solveTriangular(sure(a), b, { upper: false })),
    sample(
      'older form',
      [x([2, 3], 1), x([2, 2], 2)],
      (b, a) => b.triangularSolve(sure(a), { transpose: true }).solution,
    ),
  ],
  inv: of(squares, 'inverse', (a) => linalg.inv(sure(a, true))),
  solve: [
    ...pairs('solution', (a, b) => linalg.solve(sure(a, true), b)),
    sample('of a vector', [x([3, 3], 1), x([3], 2)], (a, b) => linalg.solve(sure(a), b)),
    sample('on the right', [x([2, 3, 3], 1), x([2, 1, 3], 2)], (a, b) => linalg.solve(sure(a), b, { left: false })),
  ],
};

/** Symmetric, whatever the elements. */
const symmetric = (a: Tensor): Tensor => a.add(a.mT);

/** Far from equal eigenvalues or singular values, whatever the elements. */
const spreadOut = (a: Tensor): Tensor => {
  const [rows, columns] = a.shape.slice(-2);
  return a.mul(0.2).add(ones(rows, columns).to(a.dtype));
};

/** What does not depend on the signs of vectors. */
const signless = (v: Tensor): Tensor => v.mul(v);

const spectra: Readonly<Record<string, readonly Sample[]>> = {
  qr: [
    ...of(squares, 'QR', (a) => Object.values(linalg.qr(sure(a)))),
    ...of(rectangles, 'reduced', (a) => Object.values(linalg.qr(sure(a)))),
    sample('complete, wide', [x([2, 4])], (a) => Object.values(linalg.qr(sure(a), 'complete'))),
    sample('complete, square', [x([2, 2])], (a) => Object.values(a.qr({ some: false }))),
  ],
  eigh: [
    ...of(squares, 'values and vectors', (a) => {
      const { eigenvalues, eigenvectors } = linalg.eigh(symmetric(spreadOut(a)));
      return [eigenvalues, signless(eigenvectors)];
    }),
    sample('values, upper triangle', [x([3, 3])], (a) => linalg.eigvalsh(symmetric(spreadOut(a)), { UPLO: 'U' })),
    sample('projections', [x([3, 3])], (a) => {
      const { eigenvectors: v } = linalg.eigh(symmetric(spreadOut(a)));
      return v.slice(-1, 0, 2).matmul(v.slice(-1, 0, 2).mT);
    }),
  ],
  svd: [
    ...of([...squares, ...rectangles], 'reduced', (a) => {
      const { U, S, Vh } = linalg.svd(spreadOut(a), { fullMatrices: false });
      return [signless(U), S, signless(Vh)];
    }),
    sample('all vectors', [x([4, 2])], (a) => {
      const { U, S, Vh } = linalg.svd(spreadOut(a));
      return [signless(U.slice(-1, 0, 2)), S, U.slice(-1, 0, 2).matmul(Vh)];
    }),
    sample('values', [x([2, 3, 2])], (a) => linalg.svdvals(spreadOut(a))),
    sample('nuclear norm', [x([3, 2])], (a) => spreadOut(a).norm('nuc')),
  ],
  det: [
    ...of(squares, 'regular', (a) => linalg.det(sure(a, true))),
    sample('of rank 2', [x([3, 2], 1), x([2, 3], 2)], (a, b) => linalg.det(a.matmul(b))),
    sample('one regular, one not', [x([2, 2])], (a) =>
      linalg.det(stack([sure(a), a.slice(1, 0, 1).matmul(a.slice(0, 1, 2))])),
    ),
  ],
  slogdet: of(squares, 'logarithm', (a) => sure(a, true).slogdet().logabsdet),
  pinv: [
    ...of([...squares, ...rectangles], 'pseudoinverse', (a) => linalg.pinv(spreadOut(a))),
    sample('of rank 1', [x([3, 1], 1), x([1, 2], 2)], (a, b) => linalg.pinv(a.add(2).matmul(b.add(2)), { rtol: 1e-4 })),
    sample('symmetric', [x([3, 3])], (a) => linalg.pinv(symmetric(spreadOut(a)), { hermitian: true })),
    sample('tolerances', [x([2, 3, 3])], (a) =>
      linalg.pinv(spreadOut(a), { atol: f64([0.1, 0.2], [2]), rtol: f64([0.01], []) }),
    ),
  ],
  matrixExp: [
    ...of(squares, 'exponential', (a) => linalg.matrixExp(a)),
    sample('of a large one', [x([2, 2])], (a) => linalg.matrixExp(a.mul(8)).mul(1e-3)),
  ],
  geqrf: of(rectangles, 'reflections', (a) => Object.values(sure(a.detach()).geqrf())),
  ldlFactor: of(squares, 'factors', (a) => Object.values(linalg.ldlFactor(symmetric(sure(a.detach(), true))))),
  ldlSolve: pairs('solution', (a, b) => {
    const { LD, pivots } = linalg.ldlFactor(symmetric(sure(a.detach(), true)));
    return linalg.ldlSolve(LD, pivots, b.detach());
  }),
};

/** The same with matrices of any shape: β x + α a b. */
const blend = (
  f: (x: Tensor, a: Tensor, b: Tensor, options?: { beta?: number; alpha?: number }) => Tensor,
  shapes: readonly (readonly [Shape, Shape, Shape])[],
): readonly Sample[] =>
  shapes.flatMap(([s, a, b]) => [
    sample(`[${s}], [${a}] and [${b}]`, [x(s, 1), x(a, 2), x(b, 3)], (t, u, v) => f(t, u, v)),
    sample(`[${s}], [${a}] and [${b}] with factors`, [x(s, 1), x(a, 2), x(b, 3)], (t, u, v) =>
      f(t, u, v, { beta: 0.5, alpha: -2 }),
    ),
  ]);

const added: Readonly<Record<string, readonly Sample[]>> = {
  addmm: blend(
    (t, a, b, o) => t.addmm(a, b, o),
    [
      [
        [2, 4],
        [2, 3],
        [3, 4],
      ],
      [[4], [2, 3], [3, 4]],
      [[], [2, 3], [3, 1]],
      [
        [2, 4],
        [2, 0],
        [0, 4],
      ],
      [
        [0, 4],
        [0, 3],
        [3, 4],
      ],
    ],
  ),
  addmv: blend(
    (t, a, b, o) => t.addmv(a, b, o),
    [
      [[2], [2, 3], [3]],
      [[], [2, 3], [3]],
      [[2], [2, 0], [0]],
    ],
  ),
  addr: blend(
    (t, a, b, o) => t.addr(a, b, o),
    [
      [[2, 3], [2], [3]],
      [[3], [2], [3]],
      [[], [2], [0]],
    ],
  ),
  baddbmm: blend(
    (t, a, b, o) => t.baddbmm(a, b, o),
    [
      [
        [2, 2, 3],
        [2, 2, 2],
        [2, 2, 3],
      ],
      [
        [2, 1],
        [2, 2, 2],
        [2, 2, 3],
      ],
      [[], [0, 2, 2], [0, 2, 3]],
    ],
  ),
  addbmm: blend(
    (t, a, b, o) => t.addbmm(a, b, o),
    [
      [
        [2, 3],
        [2, 2, 2],
        [2, 2, 3],
      ],
      [[3], [2, 2, 2], [2, 2, 3]],
      [
        [2, 3],
        [0, 2, 2],
        [0, 2, 3],
      ],
    ],
  ),
};

export const linalgSamples: Readonly<Record<string, readonly Sample[]>> = {
  ...factorisations,
  ...spectra,
  ...added,
};
