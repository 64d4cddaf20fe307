/**
 * Bundle adjustment: how far observed features are from where the cameras would see the points, and
 * the sparse Jacobian of these errors by cameras, points and weights.
 */
import { arange, cat, elementwise, grad, type Scalar, stack, type Tensor, tensor, vmap, zeros } from 'nabla';
import { defined, type Fields, float64, int32, type Module } from './eval.ts';

/** Camera: rotation (3), centre (3), focal length, principal point (2), radial distortion (2). */
const CAMERA = 11;
const POINT = 3;
/** What one observation depends on: a camera, a point and a weight. */
const INPUTS = CAMERA + POINT + 1;

interface Input {
  readonly n: number;
  readonly m: number;
  readonly p: number;
  /** [11, n] */
  readonly cameras: Tensor;
  /** [3, m] */
  readonly points: Tensor;
  /** [p] */
  readonly weights: Tensor;
  /** [2, p] */
  readonly features: Tensor;
  /** The camera and the point of each observation, int32 [p] */
  readonly camera: Tensor;
  readonly point: Tensor;
}

type Vector = readonly [Scalar, Scalar, Scalar];

const dot = (a: Vector, b: Vector): Scalar => a[0].mul(b[0]).add(a[1].mul(b[1])).add(a[2].mul(b[2]));

const cross = (a: Vector, b: Vector): Vector => [
  a[1].mul(b[2]).sub(a[2].mul(b[1])),
  a[2].mul(b[0]).sub(a[0].mul(b[2])),
  a[0].mul(b[1]).sub(a[1].mul(b[0])),
];

/** Rodrigues' rotation of v by |r| about r; to first order where r is 0. */
function rotated(r: Vector, v: Vector): Vector {
  const square = dot(r, r);
  const still = square.eq(0);
  const angle = still.where(1, square).sqrt();
  const axis = r.map((x) => x.div(angle)) as unknown as Vector;
  const along = dot(axis, v).mul(angle.cos().neg().add(1));
  const turned = cross(axis, v);
  const little = cross(r, v);
  return v.map((x, i) =>
    still.where(x.add(little[i]), x.mul(angle.cos()).add(turned[i].mul(angle.sin())).add(axis[i].mul(along))),
  ) as unknown as Vector;
}

/** The error of one observation in direction `axis` of the image, before it is weighted. */
function projected(axis: 0 | 1, camera: readonly Scalar[], point: Vector): Scalar {
  const [r1, r2, r3, c1, c2, c3, focal, u, v, k1, k2] = camera;
  const seen = rotated([r1, r2, r3], [point[0].sub(c1), point[1].sub(c2), point[2].sub(c3)]);
  const plane = [seen[0].div(seen[2]), seen[1].div(seen[2])];
  const square = plane[0].square().add(plane[1].square());
  const distortion = k1.mul(square).add(k2.mul(square.square())).add(1);
  return plane[axis].mul(distortion).mul(focal).add([u, v][axis]);
}

/** The weighted error of observations, of an argument for each of their 15 inputs and the feature. */
const reprojection = (axis: 0 | 1): ((...inputs: readonly Tensor[]) => Tensor) =>
  elementwise(
    // biome-ignore format: the fifteen inputs and the feature, as `elementwise` counts its parameters
    (r1: Scalar, r2: Scalar, r3: Scalar, c1: Scalar, c2: Scalar, c3: Scalar, f: Scalar, u: Scalar, v: Scalar, k1: Scalar, k2: Scalar, x: Scalar, y: Scalar, z: Scalar, w: Scalar, feature: Scalar) =>
      projected(axis, [r1, r2, r3, c1, c2, c3, f, u, v, k1, k2], [x, y, z]).sub(feature).mul(w),
    'reprojection',
  ) as (...inputs: readonly Tensor[]) => Tensor;

const reprojections = [reprojection(0), reprojection(1)];
const weightError = elementwise((w) => w.square().neg().add(1), 'weightError');

/** Observations that are computed at once: few enough for what is computed on the way to need little room. */
const BLOCK = 2 ** 18;

/** Some of the observations: the fifteen inputs and the two coordinates of the feature of each, vectors [count]. */
interface Block {
  readonly start: number;
  readonly count: number;
  readonly camera: Tensor;
  readonly point: Tensor;
  readonly inputs: readonly Tensor[];
  readonly feature: readonly Tensor[];
}

function* blocks({ p, cameras, points, weights, features, ...of }: Input): Generator<Block> {
  for (let start = 0; start < p; start += BLOCK) {
    const count = Math.min(BLOCK, p - start);
    const part = (t: Tensor): Tensor => t.narrow(-1, start, count);
    const [camera, point] = [part(of.camera), part(of.point)];
    const inputs = [...cameras.indexSelect(1, camera).unbind(0), ...points.indexSelect(1, point).unbind(0)];
    yield { start, count, camera, point, inputs: [...inputs, part(weights)], feature: part(features).unbind(0) };
  }
}

interface Errors {
  /** [2, p] */
  readonly reprojection: Tensor;
  /** [p] */
  readonly weight: Tensor;
}

function objective(input: Input): Errors {
  const reprojection = zeros([2, input.p], float64);
  for (const { start, count, inputs, feature } of blocks(input)) {
    const errors = stack(reprojections.map((f, axis) => f(...inputs, feature[axis])));
    reprojection.narrow(1, start, count).copy_(errors);
  }
  return { reprojection, weight: weightError(input.weights) };
}

/** Compressed sparse rows: row i has the elements `rows[i] … rows[i + 1] − 1` of `cols` and `vals`. */
interface Sparse {
  readonly rows: Tensor;
  readonly cols: Tensor;
  readonly vals: Tensor;
}

const all = Array.from({ length: INPUTS }, (_, i) => i);
const slopes = reprojections.map(
  (f) => vmap(grad(f, { argnums: all })) as unknown as (...inputs: readonly Tensor[]) => Tensor[],
);

/** The gradient of each error by its fifteen inputs, for all observations of a block at once, and where these stand. */
function jacobian(input: Input): Sparse {
  const { n, m, p, weights } = input;
  const weightColumns = arange(p, int32).add(CAMERA * n + POINT * m);
  const [ofCamera, ofPoint] = [arange(CAMERA, int32), arange(POINT, int32).add(CAMERA * n)];
  const [vals, cols] = [zeros([(2 * INPUTS + 1) * p], float64), zeros([(2 * INPUTS + 1) * p], int32)];
  const [rowsOfVals, rowsOfCols] = [vals, cols].map((t) => t.narrow(0, 0, 2 * INPUTS * p).reshape([p, 2 * INPUTS]));
  for (const { start, count, camera, point, inputs, feature } of blocks(input)) {
    const gradients = slopes.flatMap((f, axis) => f(...inputs, feature[axis]));
    rowsOfVals.narrow(0, start, count).copy_(stack(gradients).t());
    const places = [
      camera.mul(CAMERA).unsqueeze(1).add(ofCamera),
      point.mul(POINT).unsqueeze(1).add(ofPoint),
      weightColumns.narrow(0, start, count).unsqueeze(1),
    ];
    rowsOfCols.narrow(0, start, count).copy_(cat([...places, ...places], 1));
  }
  vals.narrow(0, 2 * INPUTS * p, p).copy_(vmap(grad((w: Tensor) => weightError(w)))(weights));
  cols.narrow(0, 2 * INPUTS * p, p).copy_(weightColumns);
  return {
    rows: cat([arange(2 * p + 1, int32).mul(INPUTS), arange(p, int32).add(2 * INPUTS * p + 1)]),
    cols,
    vals,
  };
}

/** The file gives one camera, point, weight and feature for all; each observation has its own all the same. */
function prepare(input: Fields): Input {
  const [n, m, p] = [input.integer('n'), input.integer('m'), input.integer('p')];
  const many = (name: string, count: number): Tensor => input.tensor(name, 1).unsqueeze(1).repeat([1, count]);
  return {
    n,
    m,
    p,
    cameras: many('cam', n),
    points: many('x', m),
    weights: tensor(new Float64Array(p).fill(input.number('w')), float64),
    features: many('feat', p),
    camera: arange(p, int32).remainder(n),
    point: arange(p, int32).remainder(m),
  };
}

/** GradBench undoes the repetition of its inputs. */
const repeated = ({ reprojection: r, weight }: Errors): unknown => ({
  reproj_error: { elements: r.select(1, 0).toArray(), repeated: r.shape[1] },
  w_err: { element: weight.select(0, 0).item(), repeated: weight.shape[0] },
});

/** The first thirty elements of each list and the last. */
function ends(t: Tensor): unknown {
  const first = t.narrow(0, 0, Math.min(2 * INPUTS, t.shape[0])).toArray() as number[];
  return [...first, t.select(0, t.shape[0] - 1).item()];
}

export const ba: Module = {
  objective: defined(prepare, objective, repeated),
  jacobian: defined(prepare, jacobian, ({ rows, cols, vals }) => ({
    rows: ends(rows),
    cols: ends(cols),
    vals: ends(vals),
  })),
};
