/** Results of pure operations: what may be thrown away and computed again while its inputs are as they were. */
import {
  autograd,
  cat,
  functional as F,
  grad,
  inferenceMode,
  rand,
  type Scalar,
  stack,
  type Tensor,
  elementwise as userDefined,
  vmap,
  where,
} from 'nabla';
import { type Cell, frac, type Pool, rounding, valuesOf, type World } from './world.ts';

/** One thing that a program does, with tensors of a pool. */
export type Action = (world: World, pool: Pool) => void;

/** Element by element of one, two or three tensors of the pool. */
function elementwise(
  name: string,
  operands: number,
  f: (...t: Tensor[]) => Tensor,
  shadow: (round: (x: number) => number, ...x: number[]) => number,
): Action {
  return (world, pool) => {
    const cells = Array.from({ length: operands }, () => world.pick(pool));
    const inputs = cells.map(valuesOf);
    const t = f(...cells.map(detached));
    const round = rounding(pool);
    world.add(
      pool,
      t,
      (inputs[0] as Float64Array).map((_, i) => shadow(round, ...inputs.map((x) => x[i] as number))),
      name,
    );
  };
}

/** Outside of any graph, so that nothing keeps the history of the whole program. */
const detached = (cell: Cell): Tensor => (cell.frozen ? cell.tensor.detach() : cell.tensor);

/** An operation whose roundings are its own: the shadow is what it gave, read at once. */
function asRead(name: string, f: (a: Tensor, b: Tensor) => Tensor): Action {
  return (world, pool) => {
    const [a, b] = [world.pick(pool), world.pick(pool)];
    const t = f(detached(a), detached(b));
    world.add(pool, t, t.toTypedArray(), name);
  };
}

/** Parts of tensors put in another order; `rows[i]` is the number of a tensor and of one of its rows. */
function fromRows(pool: Pool, cells: readonly Cell[], rows: readonly (readonly [number, number])[]): Float64Array {
  const columns = pool.shape[1];
  const inputs = cells.map(valuesOf);
  const out = new Float64Array(pool.size);
  rows.forEach(([k, row], i) => {
    out.set((inputs[k] as Float64Array).subarray(row * columns, (row + 1) * columns), i * columns);
  });
  return out;
}

const scaled: Action = (world, pool) => {
  const c = world.factor();
  elementwise(
    `mul(${c}).frac()`,
    1,
    (a) => a.mul(c).frac(),
    (round, x) => frac(round(x! * c)),
  )(world, pool);
};

/** Ten operations, each of the last result; all but the last are dropped. */
const chain: Action = (world, pool) => {
  const [a, b] = [world.pick(pool), world.pick(pool)];
  const round = rounding(pool);
  let t = detached(a);
  let values: Float64Array = Float64Array.from(valuesOf(a));
  const other = valuesOf(b);
  for (let k = 0; k < 10; k++) {
    const c = world.factor();
    t = t.mul(c).add(detached(b)).frac();
    values = values.map((x, i) => frac(round(round(x * c) + other[i]!)));
  }
  world.add(pool, t, values, 'a chain');
};

/** A result and, of that, results that stay while it goes. */
const branches: Action = (world, pool) => {
  const [a, b] = [world.pick(pool), world.pick(pool)];
  const round = rounding(pool);
  const t = detached(a).sub(detached(b)).frac();
  const other = valuesOf(b);
  const values = Float64Array.from(valuesOf(a), (x, i) => frac(round(x - other[i]!)));
  for (const c of [world.factor(), world.factor(), world.factor()]) {
    world.add(
      pool,
      t.mul(c).frac(),
      values.map((x) => frac(round(x * c))),
      `a branch, mul(${c}).frac()`,
    );
  }
};

/** A row or a column of a tensor against the whole of another: inputs that are views. */
const broadcast: Action = (world, pool) => {
  const [a, b] = [world.pick(pool), world.pick(pool)];
  const [rows, columns] = pool.shape;
  const round = rounding(pool);
  const [x, y] = [valuesOf(a), valuesOf(b)];
  if (world.below(2) === 0) {
    const k = world.below(rows);
    const t = detached(a).add(detached(b).select(0, k)).frac();
    world.add(
      pool,
      t,
      Float64Array.from(x, (v, i) => frac(round(v + y[k * columns + (i % columns)]!))),
      'add of a row',
    );
  } else {
    const k = world.below(columns);
    const t = detached(a)
      .sub(detached(b).narrow(1, k, 1))
      .frac();
    const of = (i: number): number => y[Math.floor(i / columns) * columns + k]!;
    world.add(
      pool,
      t,
      Float64Array.from(x, (v, i) => frac(round(v - of(i)))),
      'sub of a column',
    );
  }
};

/** The operand is a view in another order of memory, and so is what is kept. */
const transposed: Action = (world, pool) => {
  const a = world.pick(pool);
  const c = world.factor();
  const round = rounding(pool);
  const t = detached(a).T.mul(c).frac().T;
  world.add(
    pool,
    t,
    valuesOf(a).map((x) => frac(round(x * c))),
    `T.mul(${c}).frac().T`,
  );
};

/** Many operands in one launch, most of which must be brought back for it. */
const joined: Action = (world, pool) => {
  const rows = pool.shape[0];
  const parts = Math.min(16, rows);
  const cells = Array.from({ length: parts }, () => world.pick(pool));
  const each = rows / parts;
  const starts = cells.map(() => world.below(rows - each + 1));
  const t = cat(
    cells.map((cell, k) => detached(cell).narrow(0, starts[k] as number, each)),
    0,
  );
  const order = Array.from({ length: rows }, (_, i) => {
    const k = Math.floor(i / each);
    return [k, (starts[k] as number) + (i % each)] as const;
  });
  world.add(pool, t, fromRows(pool, cells, order), `cat of ${parts}`);
};

/** The arrays an operation was called with are the caller's, who uses them again. */
const ownArrays: Action = (world, pool) => {
  const a = world.pick(pool);
  const rows = pool.shape[0];
  const k = world.below(rows);
  const shifts = [k];
  const dims = [0];
  const t = detached(a).roll(shifts, dims);
  shifts[0] = k + 1;
  dims[0] = 1;
  const order = Array.from({ length: rows }, (_, i) => [0, (i - k + rows) % rows] as const);
  world.add(pool, t, fromRows(pool, [a], order), 'roll, its arrays written over');
  const [size, stride] = [[...pool.shape], [0, 1]];
  const u = detached(a).contiguous().asStrided(size, stride).clone();
  stride[0] = 1;
  const same = Array.from({ length: rows }, () => [0, 0] as const);
  world.add(pool, u, fromRows(pool, [a], same), 'asStrided, its arrays written over');
};

/** What a hook makes of the gradient it sees, which the pass gives up afterwards. */
const inHook: Action = (world, pool) => {
  const [a, b] = [world.pick(pool, (c) => !c.inference), world.pick(pool, (c) => !c.inference)];
  const x = a.tensor.detach().clone().requiresGrad_();
  const y = x.mul(1);
  const seen: Tensor[] = [];
  y.registerHook((g) => {
    seen.push(g.mul(0.5), g.neg());
  });
  // Two gradients arrive, and are added up.
  y.mul(b.tensor.detach()).sum().add(y.sum().mul(0)).backward();
  const values = Float64Array.from(valuesOf(b));
  world.add(
    pool,
    seen[0] as Tensor,
    values.map((v) => v / 2),
    'made in a hook',
  );
  world.add(
    pool,
    seen[1] as Tensor,
    values.map((v) => -v),
    'made in a hook',
  );
};

const stacked: Action = (world, pool) => {
  const [rows] = pool.shape;
  const cells = [world.pick(pool), world.pick(pool), world.pick(pool)];
  const t = stack(cells.map(detached)).amax(0);
  const inputs = cells.map(valuesOf);
  world.add(
    pool,
    t,
    Float64Array.from({ length: pool.size }, (_, i) => Math.max(...inputs.map((x) => x[i]!))),
    'stack, amax',
  );
  const k = world.below(rows);
  const u = detached(cells[0] as Cell).roll(k, 0);
  const order = Array.from({ length: rows }, (_, i) => [0, (i - k + rows) % rows] as const);
  world.add(pool, u, fromRows(pool, cells, order), `roll by ${k}`);
};

/** Random numbers among the operands: made again, they would be others. */
const random: Action = (world, pool) => {
  const a = world.pick(pool);
  const [rows, columns] = pool.shape;
  const r: Tensor = rand([rows, columns], { dtype: pool.dtype });
  world.add(pool, r, r.toTypedArray(), 'rand');
  const d = F.dropout(detached(a), { p: 0.5 }) as Tensor;
  const kept = d.toTypedArray();
  const x = valuesOf(a);
  world.soak.holds(
    `dropout of ${a.story}`,
    Array.from(kept).every((v, i) => v === 0 || v === 2 * x[i]!),
  );
  world.add(
    pool,
    d.mul(0.5),
    Float64Array.from(kept, (v) => v / 2),
    'dropout, mul',
  );
};

const inference: Action = (world, pool) => {
  const [a, b] = [world.pick(pool), world.pick(pool)];
  const c = world.factor();
  const round = rounding(pool);
  const t = inferenceMode(() => a.tensor.mul(c).sub(b.tensor).frac());
  const y = valuesOf(b);
  const values = Float64Array.from(valuesOf(a), (x, i) => frac(round(round(x * c) - y[i]!)));
  world.add(pool, t, values, 'inference mode', { inference: true });
};

/** What a backward pass made and gave away: its operands are the pass's own and are freed. */
const gradient: Action = (world, pool) => {
  const fit = (cell: Cell): boolean => !cell.inference;
  const [a, b] = [world.pick(pool, fit), world.pick(pool, fit)];
  const c = world.factor();
  const round = rounding(pool);
  const x = a.tensor.detach().clone().requiresGrad_();
  const y = valuesOf(b);
  const values = Float64Array.from(y, (v) => round(c * v));
  const product = (t: Tensor): Tensor => t.mul(b.tensor.detach()).mul(c).sum();
  const g: Tensor =
    world.below(2) === 0
      ? (autograd.grad(product(x), x, { createGraph: world.below(2) === 0 })[0] as Tensor).detach()
      : grad(product)(x.detach());
  world.add(
    pool,
    g.mul(0.25),
    values.map((v) => v / 4),
    'grad, mul',
  );
};

const batched: Action = (world, pool) => {
  const [a, b] = [world.pick(pool), world.pick(pool)];
  const round = rounding(pool);
  const t = vmap((u: Tensor, v: Tensor) => u.mul(2).sub(v).frac())(detached(a), detached(b));
  const y = valuesOf(b);
  world.add(
    pool,
    t,
    Float64Array.from(valuesOf(a), (x, i) => frac(round(2 * x - y[i]!))),
    'vmap',
  );
};

/** Two results of one kernel, of which at times only one is kept. */
const both = userDefined((x: Scalar, y: Scalar) => [x.sub(y).mul(0.5), x.mul(y)] as const, 'both');
const ofOwn: Action = (world, pool) => {
  const [a, b] = [world.pick(pool), world.pick(pool)];
  const round = rounding(pool);
  const [x, y] = [valuesOf(a), valuesOf(b)];
  const [difference, product] = both(detached(a), detached(b));
  world.add(
    pool,
    product,
    Float64Array.from(x, (v, i) => round(v * y[i]!)),
    'the second result of a function',
  );
  if (world.below(2) === 0) {
    world.add(
      pool,
      difference,
      Float64Array.from(x, (v, i) => round(v - y[i]!) / 2),
      'the first result of a function',
    );
  }
};

export const results: Readonly<Record<string, Action>> = {
  scaled,
  chain,
  branches,
  broadcast,
  transposed,
  joined,
  stacked,
  random,
  inference,
  gradient,
  batched,
  ofOwn,
  ownArrays,
  inHook,
  add: elementwise(
    'add, frac',
    2,
    (a, b) => a!.add(b!).frac(),
    (round, x, y) => frac(round(x! + y!)),
  ),
  mul: elementwise(
    'mul',
    2,
    (a, b) => a!.mul(b!),
    (round, x, y) => round(x! * y!),
  ),
  minimum: elementwise(
    'minimum',
    2,
    (a, b) => a!.minimum(b!),
    (_, x, y) => Math.min(x!, y!),
  ),
  root: elementwise(
    'abs, sqrt',
    1,
    (a) => a!.abs().sqrt(),
    (round, x) => round(Math.sqrt(Math.abs(x!))),
  ),
  where: elementwise(
    'where',
    3,
    (a, b, c) => where(a!.gt(b!), b!, c!),
    (_, x, y, z) => (x! > y! ? y! : z!),
  ),
  clone: elementwise(
    'clone',
    1,
    (a) => a!.clone(),
    (_, x) => x!,
  ),
  softmax: asRead('softmax', (a) => a.softmax(1)),
  tanh: asRead('tanh of a sum', (a, b) => a.add(b).tanh()),
  norm: asRead('layer norm, tanh', (a) => F.layerNorm(a, [a.shape[1] as number]).tanh()),
  cumsum: asRead('cumsum, sin', (a, b) => a.cumsum(0).sub(b).sin()),
  product: asRead('matmul, sigmoid', (a, b) => a.matmul(b.T.matmul(a).softmax(0)).sigmoid()),
  sorted: asRead('sort', (a) => a.sort(1).values),
};
