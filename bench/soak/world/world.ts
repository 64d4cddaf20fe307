/**
 * Many tensors, each with a shadow: typed arrays that hold what its elements must be and that only
 * plain JavaScript writes. Random programs work on both, far more of them alive than the cache holds.
 *
 * Values stay in [−1, 1], and nearly all operations are such that every rounding is known: shadows are
 * compared to the bit.
 */
import {
  autograd,
  type DType,
  forwardAd,
  getRngState,
  grad,
  inferenceMode,
  isDeterministic,
  isGradEnabled,
  jvp,
  noGrad,
  ones,
  profile,
  setCacheLimit,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';
import { numbers } from '../reference.ts';
import type { Soak } from '../scenario.ts';

export type Values = Float32Array | Float64Array;

/** What the memory of some tensors must hold. */
export interface Memory {
  readonly values: Values;
  /** Changes in place that the library counts. */
  writes: number;
  /** Whether it was changed in a way that nobody counts. */
  uncounted: boolean;
}

/** A tensor and where its elements lie in its memory's shadow. */
export interface Cell {
  readonly tensor: Tensor;
  readonly memory: Memory;
  /** Of every element in order; null if it is the memory as it stands. */
  readonly places: Int32Array | null;
  readonly inference: boolean;
  /** Has a history of its own: it is read, and not changed or saved. */
  readonly frozen: boolean;
  /** How it came about, for whoever looks for a fault. */
  readonly story: string;
}

/** Tensors of one shape and dtype. */
export interface Pool {
  readonly shape: readonly [rows: number, columns: number];
  readonly dtype: 'float32' | 'float64';
  readonly size: number;
  /** How many are kept alive. */
  readonly most: number;
  readonly cells: Cell[];
}

type Way = readonly [name: string, read: (t: Tensor) => ArrayLike<number>];

/** Ways to read a tensor: from where it lies, and as an operand in whatever is going on. */
const WAYS: readonly Way[] = [
  ['as it is', (t) => t.toTypedArray()],
  ['flat', (t) => t.detach().reshape([-1]).toTypedArray()],
  ['by a copy', (t) => t.clone().toTypedArray()],
  ['transposed', (t) => t.T.contiguous().T.toTypedArray()],
  ['without recording', (t) => noGrad(() => t.clone().toTypedArray())],
  ['in inference mode', (t) => inferenceMode(() => t.clone().toTypedArray())],
  ['in vmap', (t) => vmap((row: Tensor) => row.clone())(t.detach()).toTypedArray()],
  ['in vmap, from outside', (t) => vmap((x: Tensor) => t.detach().mul(x))(ones([1])).toTypedArray()],
  ['in jvp', (t) => jvp((x: Tensor) => t.detach().mul(x), [ones([1])], [ones([1])])[1].toTypedArray()],
  ['in a dual level', (t) => forwardAd.dualLevel(() => t.clone().toTypedArray())],
  ['in a hook', (t) => inHook(() => t.clone().toTypedArray())],
  ['in a profile', (t) => profile(() => t.clone().toTypedArray(), { print: false }).value],
  ['where anomalies are looked for', (t) => autograd.withAnomalyDetection(() => t.clone().toTypedArray())],
];

/** Tensors of inference mode are not saved. */
const WAYS_THAT_SAVE: readonly Way[] = [
  ...WAYS,
  ['in grad', (t) => grad((x: Tensor) => t.detach().mul(x).sum())(ones(t.shape, { dtype: t.dtype })).toTypedArray()],
  ['on its way to be saved', (t) => savedOf(t.detach())],
];

/** What saved-tensor hooks are given. */
function savedOf(t: Tensor): ArrayLike<number> {
  let seen: ArrayLike<number> = [];
  const pack = (x: Tensor): Tensor => {
    seen = x.toTypedArray();
    return x;
  };
  const leaf = ones([1], { requiresGrad: true });
  autograd.graph.savedTensorsHooks(
    pack,
    (x) => x,
    () => t.mul(leaf),
  );
  return seen;
}

/** Runs something in the middle of a backward pass. */
function inHook<R>(body: () => R): R {
  const results: R[] = [];
  const x = ones([1], { requiresGrad: true });
  const y = x.mul(2);
  y.registerHook(() => {
    results.push(body());
  });
  y.sum().backward();
  return results[0] as R;
}

export class World {
  readonly soak: Soak;
  readonly pools: readonly Pool[];
  /** In (−1, 1). */
  readonly next: () => number;
  /** The step, for stories. */
  now = 0;

  constructor(
    soak: Soak,
    seed: number,
    pools: readonly (readonly [rows: number, columns: number, dtype: 'float32' | 'float64', most: number])[],
  ) {
    this.soak = soak;
    this.next = numbers(seed);
    this.pools = pools.map(([rows, columns, dtype, most]) => ({
      shape: [rows, columns],
      dtype,
      size: rows * columns,
      most,
      cells: [],
    }));
    for (const pool of this.pools) while (pool.cells.length < pool.most) this.data(pool);
  }

  /** A whole number below n. */
  below(n: number): number {
    return Math.min(n - 1, Math.floor(((this.next() + 1) / 2) * n));
  }

  oneOf<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }

  /** A number with few binary digits, in [−4, 4] and not 0: products with it are rounded once. */
  factor(): number {
    return this.oneOf([-4, -3.5, -2.75, -1.5, -0.5, 0.25, 0.625, 1.75, 3.25, 4]);
  }

  /** A tensor of a pool, one that may be changed if need be. */
  pick(pool: Pool, fit: (cell: Cell) => boolean = () => true): Cell {
    for (let tries = 0; tries < 8; tries++) {
      const cell = this.oneOf(pool.cells);
      if (fit(cell)) return cell;
    }
    return this.data(pool);
  }

  /** Enters a tensor with memory of its own. */
  add(pool: Pool, t: Tensor, values: ArrayLike<number>, story: string, rest: Partial<Cell> = {}): Cell {
    const array = pool.dtype === 'float32' ? new Float32Array(values) : new Float64Array(values);
    return this.enter(pool, {
      tensor: t,
      memory: { values: array, writes: 0, uncounted: false },
      places: null,
      inference: false,
      frozen: false,
      story: `${story} at step ${this.now}`,
      ...rest,
    });
  }

  /** Enters a cell in the place of a random one if the pool is full. */
  enter(pool: Pool, cell: Cell): Cell {
    if (pool.cells.length < pool.most) pool.cells.push(cell);
    else {
      const i = this.below(pool.most);
      if (this.below(2) === 0) this.check(pool.cells[i] as Cell);
      pool.cells[i] = cell;
    }
    return cell;
  }

  /** New data, from JavaScript. */
  data(pool: Pool): Cell {
    const values = Float64Array.from({ length: pool.size }, this.next);
    return this.add(pool, tensor(values, { shape: pool.shape, dtype: pool.dtype as DType }), values, 'data');
  }

  /** Compares a tensor with its shadow, read in one way or another. */
  check(cell: Cell): void {
    const random = this.below(50) === 0 ? getRngState() : null;
    const deterministic = isDeterministic();
    const [way, read] = this.below(2) === 0 ? (WAYS[0] as Way) : this.oneOf(cell.inference ? WAYS : WAYS_THAT_SAVE);
    const what = `${cell.story}, read ${way} at step ${this.now}`;
    // A tolerance of 0 takes −0 for 0, which is what minima and maxima may give.
    this.soak.near(what, read(cell.tensor), valuesOf(cell), 0);
    if (random !== null) this.soak.equal(`random numbers to come, ${what}`, getRngState(), random);
    this.soak.holds(`modes, ${what}`, isDeterministic() === deterministic && isGradEnabled());
  }

  checkAll(): void {
    for (const { cells } of this.pools) for (const cell of cells) this.check(cell);
  }
}

export const frac = (x: number): number => x - Math.trunc(x);

/** Rounds as the pool's dtype does; every step of a formula of several operations is rounded. */
export const rounding = (pool: Pool): ((x: number) => number) => (pool.dtype === 'float32' ? Math.fround : (x) => x);

/** The elements that a tensor must have. */
export function valuesOf({ memory, places }: Cell): Values {
  if (places === null) return memory.values.slice();
  const { values } = memory;
  return values.slice(0, places.length).map((_, i) => values[places[i]!]!);
}

/** Where elements of a view lie, from where those of the tensor do. */
export function placesOf({ places }: Cell, viewed: Int32Array | null): Int32Array | null {
  if (places === null || viewed === null) return places ?? viewed;
  return viewed.map((i) => places[i] as number);
}

/** Lets everything move out that can. What the last launch used stays until another one begins. */
export function press(after: number): void {
  zeros([1]);
  setCacheLimit(0);
  setCacheLimit(after);
}
