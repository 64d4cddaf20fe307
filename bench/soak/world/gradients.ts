/** Gradients over tensors of which most are not in place: pending graphs, accumulation, updates of parameters. */
import { AutogradError, noGrad, type Tensor } from 'nabla';
import type { Action } from './results.ts';
import { type Cell, frac, type Memory, rounding, valuesOf, type World } from './world.ts';

const savable = (cell: Cell): boolean => !cell.inference && !cell.frozen;

/** A graph whose backward pass is still to come, and what its gradient must be. */
interface Pending {
  readonly loss: Tensor;
  readonly leaf: Tensor;
  /** What it saved, and how often that had been changed. */
  readonly memory: Memory;
  readonly writes: number;
  readonly gradient: Float64Array;
  readonly story: string;
}

const pending = new WeakMap<World, Pending[]>();
const MOST = 24;

function listOf(world: World): Pending[] {
  let list = pending.get(world);
  if (list === undefined) {
    list = [];
    pending.set(world, list);
  }
  return list;
}

/** Builds a graph for later; the oldest is differentiated now, unless what it saved has been changed. */
const later: Action = (world, pool) => {
  const [a, b] = [world.pick(pool, savable), world.pick(pool, (c) => savable(c) && !c.memory.uncounted)];
  if (b.memory.uncounted) return;
  const leaf = a.tensor.detach().clone().requiresGrad_();
  const c = world.factor();
  const values = valuesOf(b);
  const round = rounding(pool);
  const list = listOf(world);
  list.push({
    loss: leaf.mul(b.tensor.detach()).mul(c).sum(),
    leaf,
    memory: b.memory,
    writes: b.memory.writes,
    gradient: Float64Array.from(values, (x) => round(x * c)),
    story: `the gradient of a graph made at step ${world.now} of ${b.story}`,
  });
  if (list.length > MOST) differentiate(world, list.shift() as Pending);
};

function differentiate(world: World, { loss, leaf, memory, writes, gradient, story }: Pending): void {
  if (memory.uncounted) return;
  if (memory.writes === writes) {
    loss.backward();
    world.soak.near(`${story}, at step ${world.now}`, (leaf.grad as Tensor).toTypedArray(), gradient, 0);
    return;
  }
  try {
    loss.backward();
    world.soak.holds(`${story} must be refused: what it saved was changed`, false);
  } catch (error) {
    world.soak.holds(`${story}: ${error}`, error instanceof AutogradError && /inplace operation/.test(error.message));
  }
}

/** Accumulates into a gradient that is kept, as are results made of it. */
const accumulation: Action = (world, pool) => {
  const [a, b, d] = [world.pick(pool, savable), world.pick(pool, savable), world.pick(pool, savable)];
  const round = rounding(pool);
  const leaf = a.tensor.detach().clone().requiresGrad_();
  leaf.mul(b.tensor.detach()).sum().backward();
  const g = leaf.grad as Tensor;
  const first = Float64Array.from(valuesOf(b));
  world.add(
    pool,
    g.mul(0.5),
    first.map((x) => x / 2),
    'a gradient, mul',
  );
  leaf.mul(d.tensor.detach()).sum().backward();
  const other = valuesOf(d);
  const second = first.map((x, i) => round(x + other[i]!));
  world.add(pool, g.frac(), second.map(frac), 'an accumulated gradient, frac');
  world.add(
    pool,
    g.mul(0.5),
    second.map((x) => x / 2),
    'an accumulated gradient, mul',
  );
  if (world.below(2) === 0) g.zero_();
  else leaf.grad = null;
};

/** A result becomes the gradient of a leaf: a pass adds to it where it lies. */
const ownGradient: Action = (world, pool) => {
  const [a, b] = [world.pick(pool, savable), world.pick(pool, savable)];
  const leaf = a.tensor.detach().clone().requiresGrad_();
  const result = a.tensor.detach().mul(0.5);
  const before = result.add(0);
  const half = Float64Array.from(valuesOf(a), (x) => x / 2);
  leaf.grad = result;
  leaf.mul(b.tensor.detach().mul(0.5)).sum().backward();
  const other = valuesOf(b);
  const round = rounding(pool);
  world.add(pool, before, half, 'a result of what became a gradient');
  world.add(
    pool,
    leaf.grad as Tensor,
    half.map((x, i) => round(x + round(other[i]! / 2))),
    'a result that became a gradient',
  );
};

/** An update of a parameter whose activation is kept: the activation stays what it was. */
const update: Action = (world, pool) => {
  const [a, b] = [world.pick(pool, savable), world.pick(pool, savable)];
  const w = a.tensor.detach().clone().requiresGrad_();
  const round = rounding(pool);
  const [x, y] = [valuesOf(a), valuesOf(b)];
  const h = w.mul(b.tensor.detach());
  const k = h.mul(2).frac();
  const activation = Float64Array.from(x, (v, i) => round(v * y[i]!));
  h.sum().backward();
  noGrad(() => {
    w.sub_((w.grad as Tensor).mul(0.5));
    w.frac_();
  });
  world.add(pool, h, activation, 'an activation', { frozen: true });
  world.add(
    pool,
    k,
    activation.map((v) => frac(2 * v)),
    'an activation of one',
    { frozen: true },
  );
  world.add(
    pool,
    w.detach(),
    Float64Array.from(x, (v, i) => frac(round(v - y[i]! / 2))),
    'an updated parameter',
  );
};

/** Second derivatives: d/dx (Σ x² b)' · 1 = 2 b. */
const second: Action = (world, pool) => {
  const [a, b] = [world.pick(pool, savable), world.pick(pool, savable)];
  const leaf = a.tensor.detach().clone().requiresGrad_();
  const y = leaf.square().mul(b.tensor.detach()).sum();
  y.backward({ createGraph: true });
  const g = leaf.grad as Tensor;
  leaf.grad = null;
  g.sum().backward();
  world.add(pool, (leaf.grad as unknown as Tensor).mul(0.5), valuesOf(b), 'a second derivative, mul');
};

export const gradients: Readonly<Record<string, Action>> = { later, accumulation, ownGradient, update, second };
