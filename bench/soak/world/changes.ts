/** Changes in place: of tensors, through views of them, and by ways round the counting of versions. */
import { elementwise, inferenceMode, type Scalar, type Tensor } from 'nabla';
import type { Action } from './results.ts';
import { type Cell, frac, type Pool, placesOf, valuesOf, type World } from './world.ts';

const changeable = (cell: Cell): boolean => !cell.frozen;

/** Writes what a change makes of each element into the shadow. */
function write(cell: Cell, f: (x: number, i: number) => number): void {
  const { memory, places } = cell;
  const { values } = memory;
  const n = places === null ? values.length : places.length;
  for (let i = 0; i < n; i++) {
    const at = places === null ? i : places[i]!;
    values[at] = f(values[at]!, i);
  }
  memory.writes += 1;
}

/** Does to a tensor, and to its shadow, something that leaves it in [−1, 1]. */
function change(world: World, cell: Cell): void {
  const t = cell.tensor;
  const c = world.factor();
  const kinds: readonly (() => void)[] = [
    () => {
      t.mul_(c).frac_();
      write(cell, (x) => x * c);
      write(cell, frac);
    },
    () => {
      t.neg_();
      write(cell, (x) => -x);
    },
    () => {
      t.fill_(0.5 / c);
      write(cell, () => 0.5 / c);
    },
    () => {
      t.add_(0.5).frac_();
      write(cell, (x) => x + 0.5);
      write(cell, frac);
    },
    () => {
      t.uniform_(-1, 1);
      const drawn = t.toTypedArray();
      write(cell, (_, i) => drawn[i] as number);
    },
    () => {
      t.maskedFill_(t.gt(0.25), -0.125);
      write(cell, (x) => (x > 0.25 ? -0.125 : x));
    },
    () => {
      t.clamp_(-0.75, 0.75);
      write(cell, (x) => Math.min(0.75, Math.max(-0.75, x)));
    },
  ];
  const run = world.oneOf(kinds);
  // Tensors of inference mode are changed there and nowhere else; others may be.
  if (cell.inference || world.below(8) === 0) inferenceMode(run);
  else run();
}

const whole: Action = (world, pool) => change(world, world.pick(pool, changeable));

/** Where the elements of a part lie in a tensor of the pool, in order. */
const indices = (length: number, of: (i: number) => number): Int32Array => Int32Array.from({ length }, (_, i) => of(i));

/** A view of a tensor, and where its elements lie. */
function viewOf(world: World, pool: Pool, t: Tensor): readonly [Tensor, Int32Array] {
  const [rows, columns] = pool.shape;
  const k = world.below(rows - 1);
  const l = world.below(columns);
  return world.oneOf<() => readonly [Tensor, Int32Array]>([
    () => [t.select(0, k), indices(columns, (i) => k * columns + i)],
    () => [t.select(1, l), indices(rows, (i) => i * columns + l)],
    () => [t.narrow(0, k, rows - k), indices((rows - k) * columns, (i) => k * columns + i)],
    () => [t.T, indices(pool.size, (i) => (i % rows) * columns + Math.floor(i / rows))],
    () => [
      t.slice(0, 1, rows, 3),
      indices(Math.ceil((rows - 1) / 3) * columns, (i) => (1 + 3 * Math.floor(i / columns)) * columns + (i % columns)),
    ],
    () => [t.T.select(0, l).unsqueeze(0), indices(rows, (i) => i * columns + l)],
  ])();
}

const throughView: Action = (world, pool) => {
  const cell = world.pick(pool, changeable);
  const [view, viewed] = viewOf(world, pool, cell.tensor);
  change(world, { ...cell, tensor: view, places: placesOf(cell, viewed) });
};

/** The same memory under another name, of the pool's shape, that lives as long as any tensor. */
const alias: Action = (world, pool) => {
  const cell = world.pick(pool, (c) => !c.frozen && !c.inference);
  const t = world.oneOf([
    () => cell.tensor.detach(),
    () => cell.tensor.T.T,
    () => cell.tensor.unsqueeze(1).squeeze(1),
    () => cell.tensor.narrow(0, 0, pool.shape[0]),
  ])() as Tensor;
  world.enter(pool, { ...cell, tensor: t, story: `an alias of ${cell.story}` });
};

/** Through `variableData`, no version counts the change. */
const uncounted: Action = (world, pool) => {
  const cell = world.pick(pool, (c) => !c.frozen && !c.inference);
  change(world, { ...cell, tensor: cell.tensor.variableData() });
  cell.memory.uncounted = true;
};

/** The tensor of one cell gets the memory of another's; what was made of it before stays as it is. */
const setData: Action = (world, pool) => {
  const fit = (c: Cell): boolean => !c.frozen && !c.inference && c.tensor.isLeaf;
  const cell = world.pick(pool, fit);
  const other = world.pick(pool, fit);
  const i = pool.cells.indexOf(cell);
  if (i < 0 || cell === other || pool.cells.some((c) => c !== cell && c.tensor === cell.tensor)) return;
  cell.tensor.setData(other.tensor);
  // Each counts the writes to what is now the other's.
  cell.memory.uncounted = true;
  other.memory.uncounted = true;
  pool.cells[i] = { ...other, tensor: cell.tensor, story: `setData of ${cell.story} to ${other.story}` };
};

/** In place with other tensors: the operands may be the target's own memory under another name. */
const withOther: Action = (world, pool) => {
  const cell = world.pick(pool, (c) => !c.frozen && !c.inference);
  const other = world.pick(pool, (c) => c.memory !== cell.memory);
  const values = valuesOf(other);
  const operand = other.tensor.detach();
  if (world.below(2) === 0) {
    cell.tensor.copy_(operand);
    write(cell, (_, i) => values[i]!);
  } else {
    cell.tensor.sub_(operand).frac_();
    write(cell, (x, i) => x - values[i]!);
    write(cell, frac);
  }
};

/** By index: one row of another tensor. */
const byIndex: Action = (world, pool) => {
  const [rows, columns] = pool.shape;
  const cell = world.pick(pool, (c) => !c.frozen && !c.inference);
  const other = world.pick(pool, (c) => c.memory !== cell.memory);
  const [k, l] = [world.below(rows), world.below(rows)];
  const values = valuesOf(other).subarray(l * columns, (l + 1) * columns);
  cell.tensor.setAt_([k], other.tensor.detach().select(0, l));
  const row = indices(columns, (i) => k * columns + i);
  write({ ...cell, places: placesOf(cell, row) }, (_, i) => values[i]!);
};

const both = elementwise((x: Scalar, y: Scalar) => [x.sub(y).mul(0.5), x.mul(y)] as const, 'both');

/** One kernel writes over two tensors that it reads. */
const severalAtOnce: Action = (world, pool) => {
  const fit = (c: Cell): boolean => !c.frozen && !c.inference;
  const cell = world.pick(pool, fit);
  const other = world.pick(pool, (c) => fit(c) && c.memory !== cell.memory);
  if (other.memory === cell.memory) return;
  const [x, y] = [valuesOf(cell), valuesOf(other)];
  both.into([cell.tensor, other.tensor], cell.tensor, other.tensor);
  write(cell, (_, i) => x[i]! - y[i]!);
  write(cell, (v) => v / 2);
  write(other, (_, i) => x[i]! * y[i]!);
};

export const changes: Readonly<Record<string, Action>> = {
  whole,
  throughView,
  alias,
  uncounted,
  setData,
  withOther,
  byIndex,
  severalAtOnce,
};
