/**
 * Hand tracking: how far the points of a skinned mesh are from measured ones, by the 26 parameters of
 * the hand's pose and, where points lie inside triangles, by their two coordinates there.
 */
import { cat, elementwise, eye, jvp, type Scalar, stack, type Tensor, tensor, vmap, zeros } from 'nabla';
import { defined, type Fields, float64, int32, list, type Module } from './eval.ts';

/** Bones whose parents are known, and the places of these among the bones before. */
interface Generation {
  readonly bones: Tensor;
  readonly parents: Tensor;
}

interface Input {
  /** [26]: rotation (3) and translation (3) of the hand, then the fingers */
  readonly theta: Tensor;
  /** Coordinates in the triangles, [2, c]; null where points are vertices */
  readonly us: Tensor | null;
  /** For each bone, which element of [theta, 0] turns it about x, y and z: [3, bones] */
  readonly angles: Tensor;
  readonly generations: readonly Generation[];
  /** Puts the bones, generation after generation, in their own order. */
  readonly order: Tensor;
  /** [bones, 4, 4] */
  readonly baseRelatives: Tensor;
  readonly inverseBaseAbsolutes: Tensor;
  /** [4, v] */
  readonly basePositions: Tensor;
  /** [bones, v] */
  readonly weights: Tensor;
  /** −1 for the first coordinate of a mirrored hand: [3, 1] */
  readonly mirror: Tensor;
  /** The vertices of each point: one, or the three of its triangle. [c] each */
  readonly vertices: readonly Tensor[];
  /** [3, c] */
  readonly points: Tensor;
}

const about = elementwise((x: Scalar, y: Scalar, z: Scalar) => {
  const [sx, cx, sy, cy, sz, cz] = [x.sin(), x.cos(), y.sin(), y.cos(), z.sin(), z.cos()];
  // Rz Ry Rx
  return [
    cz.mul(cy),
    cz.mul(sy).mul(sx).sub(sz.mul(cx)),
    cz.mul(sy).mul(cx).add(sz.mul(sx)),
    sz.mul(cy),
    sz.mul(sy).mul(sx).add(cz.mul(cx)),
    sz.mul(sy).mul(cx).sub(cz.mul(sx)),
    sy.neg(),
    cy.mul(sx),
    cy.mul(cx),
  ];
}, 'about');

/** The rotation by |a| about a. */
const axisAngle = elementwise((a: Scalar, b: Scalar, c: Scalar) => {
  const angle = a.square().add(b.square()).add(c.square()).sqrt();
  const [x, y, z] = [a.div(angle), b.div(angle), c.div(angle)];
  const [s, co] = [angle.sin(), angle.cos()];
  const rest = co.neg().add(1);
  return [
    x.mul(x).mul(rest).add(co),
    x.mul(y).mul(rest).sub(z.mul(s)),
    x.mul(z).mul(rest).add(y.mul(s)),
    x.mul(y).mul(rest).add(z.mul(s)),
    y.mul(y).mul(rest).add(co),
    y.mul(z).mul(rest).sub(x.mul(s)),
    x.mul(z).mul(rest).sub(y.mul(s)),
    z.mul(y).mul(rest).add(x.mul(s)),
    z.mul(z).mul(rest).add(co),
  ];
}, 'axisAngle');

/** Below this angle the hand is not turned. */
const STILL = 1e-4;

function globalRotation(theta: Tensor): Tensor {
  const [a, b, c] = theta.narrow(0, 0, 3).unbind(0);
  if (Math.hypot(a.item(), b.item(), c.item()) < STILL) return eye(3, float64);
  return stack(axisAngle(a, b, c)).reshape([3, 3]);
}

/** Where each bone takes what was at rest, in the frame of the hand: [bones, 4, 4]. */
function boneTransforms(theta: Tensor, input: Input): Tensor {
  const { angles, generations, order, baseRelatives, inverseBaseAbsolutes } = input;
  const bones = baseRelatives.shape[0];
  const [x, y, z] = cat([theta, zeros([1], float64)])
    .take(angles)
    .unbind(0);
  const turns = stack(about(x, y, z), 1).reshape([bones, 3, 3]);
  const relatives = cat([baseRelatives.narrow(2, 0, 3).bmm(turns), baseRelatives.narrow(2, 3, 1)], 2);
  let before: Tensor | null = null;
  const absolutes = generations.map(({ bones: born, parents }) => {
    const own: Tensor = relatives.indexSelect(0, born);
    before = before === null ? own : before.indexSelect(0, parents).bmm(own);
    return before;
  });
  return cat(absolutes).indexSelect(0, order).bmm(inverseBaseAbsolutes);
}

/**
 * The vertices, [3, v]. A vertex is Σ over bones of weight × transform × base position, which for all
 * vertices is the product of the transforms, side by side, with the weighted base positions, and the
 * hand's own rotation is multiplied to the smaller of the two.
 */
function skinned(theta: Tensor, input: Input): Tensor {
  const { weights, basePositions, mirror } = input;
  const [bones, v] = weights.shape;
  const weighted = weights
    .unsqueeze(1)
    .mul(basePositions)
    .reshape([4 * bones, v]);
  const transforms = boneTransforms(theta, input)
    .narrow(1, 0, 3)
    .permute([1, 0, 2])
    .reshape([3, 4 * bones]);
  const translation = theta.narrow(0, 3, 3).unsqueeze(1);
  return globalRotation(theta).mm(transforms.mul(mirror)).mm(weighted).add(translation);
}

const inTriangle = elementwise(
  (u: Scalar, v: Scalar, a: Scalar, b: Scalar, c: Scalar, point: Scalar) =>
    point.sub(u.mul(a)).sub(v.mul(b)).sub(u.add(v).neg().add(1).mul(c)),
  'inTriangle',
);

/** The errors, [3, c]. */
function errors(theta: Tensor, us: Tensor | null, input: Input): Tensor {
  const positions = skinned(theta, input);
  const [a, b, c] = input.vertices.map((index): Tensor => positions.indexSelect(1, index));
  if (us === null) return input.points.sub(a);
  return inTriangle(us.select(0, 0), us.select(0, 1), a, b, c, input.points);
}

const objective = (input: Input): Tensor => errors(input.theta, input.us, input);

/**
 * A column for each parameter, all of them tangents of one vmapped jvp. A point depends on no other
 * point's u and v, so that all u share a column, and all v; these two come first.
 */
function jacobian(input: Input): Tensor {
  const { theta, us } = input;
  const unit: Tensor = eye(theta.shape[0], float64);
  const along =
    us === null
      ? vmap((t: Tensor) => jvp((x: Tensor) => errors(x, null, input), [theta], [t])[1])(unit)
      : vmap((t: Tensor, u: Tensor) => jvp((x: Tensor, y: Tensor) => errors(x, y, input), [theta, us], [t, u])[1])(
          cat([zeros([2, theta.shape[0]], float64), unit]),
          cat([eye(2, float64).unsqueeze(2), zeros([theta.shape[0], 2, 1], float64)]).expand([-1, 2, us.shape[1]]),
        );
  return along;
}

/** Which element of [theta, 0] is which angle of which bone, for fingers of one bone that stays and three that bend. */
function angleIndex(bones: number, zero: number): Tensor {
  const index = [0, 1, 2].map(() => new Array<number>(bones).fill(zero));
  let next = 6;
  for (let finger = 0; finger < 5; finger++) {
    for (let joint = 0; joint < 3; joint++) {
      const bone = 2 + 4 * finger + joint;
      index[0][bone] = next++;
      // The first joint of a finger moves sideways as well.
      if (joint === 0) index[2][bone] = next++;
    }
  }
  return tensor(index, int32);
}

/** Bones by how many ancestors they have. */
function generationsOf(parents: readonly number[]): { generations: Generation[]; order: Tensor } {
  const depth: number[] = [];
  parents.forEach((parent, bone) => {
    if (parent >= bone) throw new Error(`input.data.model.parents: bone ${bone} stands before its parent ${parent}`);
    depth.push(parent < 0 ? 0 : depth[parent] + 1);
  });
  const born = Array.from({ length: Math.max(...depth) + 1 }, (_, d) =>
    parents.map((_, bone) => bone).filter((bone) => depth[bone] === d),
  );
  const sequence = born.flat();
  return {
    generations: born.map((bones, d) => ({
      bones: tensor(bones, int32),
      parents: tensor(d === 0 ? [] : bones.map((bone) => born[d - 1].indexOf(parents[bone])), int32),
    })),
    order: tensor(
      parents.map((_, bone) => sequence.indexOf(bone)),
      int32,
    ),
  };
}

function prepare(input: Fields): Input {
  const data = input.fields('data');
  const model = data.fields('model');
  const parents = model.integers('parents');
  const theta = input.tensor('theta', 1);
  const us = input.tensor('us', 2);
  const inside = us.shape[0] > 0;
  const correspondences = data.indices('correspondences', 1);
  return {
    theta,
    us: inside ? us.t().contiguous() : null,
    angles: angleIndex(parents.length, theta.shape[0]),
    ...generationsOf(parents),
    baseRelatives: model.tensor('base_relatives', 3),
    inverseBaseAbsolutes: model.tensor('inverse_base_absolutes', 3),
    basePositions: model.tensor('base_positions', 2).t().contiguous(),
    weights: model.tensor('weights', 2).t().contiguous(),
    mirror: tensor([[model.boolean('is_mirrored') ? -1 : 1], [1], [1]], float64),
    vertices: inside
      ? model.indices('triangles', 2).indexSelect(0, correspondences).t().contiguous().unbind(0)
      : [correspondences],
    points: data.tensor('points', 2).t().contiguous(),
  };
}

/** Error j of point i is row 3 i + j. */
export const ht: Module = {
  objective: defined(prepare, objective, (e) => list(e.t().flatten())),
  jacobian: defined(prepare, jacobian, (columns) => list(columns.permute([2, 1, 0]).flatten(0, 1))),
};
