import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import { beginLaunch, free, setCacheLimit } from '../../src/backends/wasm/heap.ts';
import { memoryStats } from '../../src/backends/wasm/memory-stats.ts';
import {
  arange,
  cat,
  elementwise,
  inferenceMode,
  isDeterministic,
  noGrad,
  randn,
  setDeterministic,
  slice,
  type Tensor,
  tensor,
} from '../../src/index.ts';

const MIB = 2 ** 20;
/** Large enough for memory of its own. */
const N = 10_000;

afterEach(() => setCacheLimit(64 * MIB, 3072 * MIB));

/** Gives up everything that is in place. */
function giveUp(): void {
  beginLaunch();
  setCacheLimit(0);
  setCacheLimit(64 * MIB, 3072 * MIB);
}

/** Whether the bytes of a tensor are in no place at present, not even outside the linear memory. */
const isForgotten = (t: Tensor): boolean => t.storage.body.forgotten;

const counts = (n = N): Tensor => arange(n, { dtype: 'float64' });
const gradOf = (t: Tensor): Tensor => t.grad as Tensor;
const all = (t: Tensor): number[] => [...(t.toTypedArray() as Float64Array)];
const expected = (f: (i: number) => number, n = N): number[] => Array.from({ length: n }, (_, i) => f(i));

describe('results that can be made again', () => {
  test('are given up without a copy and are back when touched', () => {
    const x = counts();
    const y = x.mul(2);
    const before = memoryStats();
    giveUp();
    expect(isForgotten(y)).toBe(true);
    expect(y.storage.body.copy).toBe(null);
    expect(all(y)).toEqual(expected((i) => 2 * i));
    expect(isForgotten(y)).toBe(false);
    const after = memoryStats();
    expect(after.forgotten).toBeGreaterThan(before.forgotten);
    expect(after.remakes).toBe(before.remakes + 2);
  });

  test('that are large take the place of those they crowd out, but not of what they are made from', () => {
    const x = randn([1_000_000]);
    const places = new Set<number>();
    for (let i = 0; i < 20; i++) places.add(x.add(1).storage.body.place);
    expect(places.size).toBeLessThanOrEqual(2);
    const rows: Tensor = randn([1000, 1000]);
    const others: Readonly<Record<string, () => Tensor>> = {
      clone: () => rows.clone(),
      transposed: () => rows.t().contiguous(),
      cat: () => cat([rows, rows]),
      softmax: () => rows.softmax(1),
      cumsum: () => rows.cumsum(1),
      flip: () => rows.flip([0]),
    };
    for (const [name, make] of Object.entries(others)) {
      places.clear();
      for (let i = 0; i < 20; i++) places.add(make().storage.body.place);
      expect(places.size, name).toBeLessThanOrEqual(2);
    }
    const before = memoryStats();
    let y = x.add(1);
    for (let i = 0; i < 10; i++) y = y.mul(0.5);
    expect(memoryStats().remakes).toBe(before.remakes);
    expect(y.mul(1024).sub(1).sub(x).abs().max().item()).toBeLessThan(1e-5);
  });

  test('that a loop drops are never copied out', () => {
    const x = randn([100_000]);
    const before = memoryStats();
    for (let i = 0; i < 2000; i++) x.add(1).exp();
    const after = memoryStats();
    expect(after.evictedBytes - before.evictedBytes).toBeLessThan(MIB);
    expect(after.remakes).toBe(before.remakes);
    expect(after.resident - before.resident).toBeLessThan(16 * MIB);
  });

  test('that a backward pass is going to read stay, others go first, and they go when it has read them', () => {
    const w = randn([100, 100], { requiresGrad: true });
    const before = memoryStats();
    // 28 MB that are read again, among 14 MB that are not.
    let x: Tensor = randn([2500, 100]);
    const saved: Tensor[] = [];
    for (let i = 0; i < 14; i++) {
      const y = x.matmul(w);
      saved.push(y.tanh());
      x = (saved.at(-1) as Tensor).mul(0.5);
    }
    expect(saved.some(isForgotten)).toBe(false);
    const bytes = saved.map((t) => [...(t.slice(0, 0, 2).detach().toTypedArray() as Float32Array)]);
    x.sum().backward();
    expect(memoryStats().remakes).toBe(before.remakes);
    expect(saved.filter(isForgotten).length).toBeGreaterThan(10);
    // They can be had all the same, after the parameter has changed.
    noGrad(() => w.zero_());
    expect(saved.map((t) => [...(t.slice(0, 0, 2).detach().toTypedArray() as Float32Array)])).toEqual(bytes);
  });

  test('that a graph has saved go after all when nobody runs the backward pass', () => {
    const x = randn([100_000], { requiresGrad: true });
    const before = memoryStats();
    for (let i = 0; i < 500; i++) x.exp().tanh();
    const after = memoryStats();
    expect(after.evictedBytes - before.evictedBytes).toBeLessThan(MIB);
    expect(after.resident - before.resident).toBeLessThan(48 * MIB);
  });

  test('come back through chains, by several ways, in the middle of other operations', () => {
    const x = counts();
    const a = x.mul(2);
    const b = a.add(1);
    const c = b.sub(a);
    const d = cat([a.reshape([100, 100]), b.reshape([100, 100]).T], 1);
    giveUp();
    expect(isForgotten(a) && isForgotten(b) && isForgotten(c)).toBe(true);
    // Neither operand is in place, and the second is of another layout.
    const e = c.reshape([100, 100]).mul(d.narrow(1, 100, 100));
    expect(all(e)).toEqual(expected((k) => 2 * ((k % 100) * 100 + Math.floor(k / 100)) + 1));
    giveUp();
    expect(e.sum().item()).toBe(all(e).reduce((p, q) => p + q));
  });

  test('that are read by reductions, products and indexing come back', () => {
    const x = counts().div(N);
    const [m, n] = [x.add(1).reshape([100, 100]), x.sub(1).reshape([100, 100])];
    giveUp();
    const product = m.matmul(n);
    const kept = all(product);
    giveUp();
    expect(all(m.matmul(n))).toEqual(kept);
    giveUp();
    expect(m.sum(1).sum().item()).toBeCloseTo(m.sum().item(), 6);
    giveUp();
    expect(m.indexSelect(0, tensor([3], { dtype: 'int32' })).toArray()).toEqual([all(m).slice(300, 400)]);
    giveUp();
    expect(m.at(1, 2).item()).toBe(102 / N + 1);
  });

  test('one of several outputs is as good as the only one', () => {
    const x = counts().reshape([5000, 2]);
    const { values, indices } = x.cummax(1);
    giveUp();
    expect(isForgotten(values)).toBe(true);
    expect(all(values)).toEqual(expected((i) => i));
    expect([...indices.toTypedArray()]).toEqual(expected((i) => i % 2));
  });
});

describe('what was read and then changed', () => {
  test('still is what the result was made from, if the result was given up', () => {
    const x = counts();
    const y = x.mul(2);
    giveUp();
    x.mul_(0);
    expect(all(y)).toEqual(expected((i) => 2 * i));
    expect(all(x)).toEqual(expected(() => 0));
  });

  test('is no longer read if the result is still in place', () => {
    const x = counts();
    const y = x.mul(2);
    x.fill_(7);
    giveUp();
    expect(isForgotten(y)).toBe(false);
    expect(all(y)).toEqual(expected((i) => 2 * i));
  });

  test('through a view, by a copy, by an index, from JavaScript', () => {
    const changes: ((x: Tensor) => unknown)[] = [
      (x) => x.reshape([100, 100]).select(0, 3).zero_(),
      (x) => x.narrow(0, 5, 10).copy_(arange(10)),
      (x) => x.setAt_([slice(3, 9)], 17),
      (x) => x.indexFill_(0, tensor([1, 2], { dtype: 'int32' }), 9),
      (x) => x.normal_(),
      (x) => x.cumsum_(0),
      (x) => x.clamp_(0, 3),
    ];
    for (const change of changes) {
      for (const givenUp of [false, true]) {
        const x = counts();
        const y = x.mul(2);
        const z = y.add(x);
        if (givenUp) giveUp();
        change(x);
        giveUp();
        const now = all(x);
        expect(all(z)).toEqual(expected((i) => 3 * i));
        expect(all(y)).toEqual(expected((i) => 2 * i));
        giveUp();
        expect(all(x)).toEqual(now);
      }
    }
  });

  test('the result itself is kept when it is changed', () => {
    const x = counts();
    const y = x.mul(2);
    giveUp();
    y.add_(1);
    giveUp();
    expect(isForgotten(y)).toBe(false);
    expect(all(y)).toEqual(expected((i) => 2 * i + 1));
    const z = y.mul(2);
    giveUp();
    y.narrow(0, 0, 1).fill_(-1);
    giveUp();
    expect(all(z)).toEqual(expected((i) => 4 * i + 2));
    expect(all(y)).toEqual(expected((i) => (i === 0 ? -1 : 2 * i + 1)));
  });

  test('small tensors beside a large one are kept as well', () => {
    const x = counts();
    const bias = tensor([3], { dtype: 'float64' });
    const y = x.add(bias);
    giveUp();
    bias.zero_();
    expect(all(y)).toEqual(expected((i) => i + 3));
    expect(all(x.add(bias))).toEqual(expected((i) => i));
  });

  test('by a pass that adds to a gradient', () => {
    const x = counts().requiresGrad_();
    x.mul(2).sum().backward();
    const scaled = gradOf(x).mul(10);
    giveUp();
    x.mul(3).sum().backward();
    expect(all(scaled)).toEqual(expected(() => 20));
    expect(all(gradOf(x))).toEqual(expected(() => 5));
  });

  test('parameters whose activations are kept', () => {
    const w = counts().requiresGrad_();
    const kept: Tensor[] = [];
    for (let step = 0; step < 10; step++) {
      const h = w.mul(2);
      kept.push(h.detach());
      h.sum().backward();
      noGrad(() => w.sub_(gradOf(w)));
      w.grad = null;
      if (step % 3 === 0) giveUp();
    }
    giveUp();
    for (const [step, h] of kept.entries()) expect(all(h)).toEqual(expected((i) => 2 * (i - 2 * step)));
  });

  test('memory that several tensors share', () => {
    const x = counts();
    const y = x.mul(2);
    giveUp();
    const w = tensor([0], { dtype: 'float64' });
    w.setData(y);
    giveUp();
    w.add_(1);
    giveUp();
    expect(all(y)).toEqual(expected((i) => 2 * i + 1));
    expect(all(w)).toEqual(all(y));
    const z = w.mul(2);
    giveUp();
    y.zero_();
    giveUp();
    expect(all(z)).toEqual(expected((i) => 4 * i + 2));
  });

  test('in inference mode', () => {
    inferenceMode(() => {
      const x = counts();
      const y = x.mul(2);
      giveUp();
      x.zero_();
      expect(all(y)).toEqual(expected((i) => 2 * i));
    });
  });
});

describe('recipes', () => {
  test('are cut, so that a long loop lets go of where it began', () => {
    const deepest = (shape: readonly number[], links: number): number => {
      let state: Tensor = randn(shape);
      const depths: number[] = [];
      for (let i = 0; i < links; i++) {
        state = state.add(1);
        depths.push(state.storage.recipe?.depth ?? 0);
      }
      // At the cut it begins anew.
      expect(depths.slice(depths.indexOf(0)).some((depth) => depth > 0)).toBe(true);
      return Math.max(...depths);
    };
    expect(deepest([N], 300)).toBe(64);
    expect(deepest([2 ** 21], 40)).toBe(16);
    // All of a chain must have room at once, which is one GiB.
    expect(deepest([2 ** 25], 12)).toBe(8);
    let state = counts();
    for (let i = 0; i < 300; i++) state = state.add(1);
    giveUp();
    expect(all(state)).toEqual(expected((i) => i + 300));
  });

  test('keep no more alive than their results are worth', () => {
    const x = randn([1000, 100]);
    expect(x.amax([1]).storage.recipe).toBe(null);
    expect(x.narrow(0, 0, 50).mul(2).storage.recipe).toBe(null);
    expect(x.mul(2).storage.recipe).not.toBe(null);
  });

  test('count parameters once that every step of a recurrence reads', () => {
    const n = 128;
    const w: Tensor = randn([n, n], { requiresGrad: true });
    let h: Tensor = randn([32, n]);
    const states: Tensor[] = [];
    for (let i = 0; i < 30; i++) {
      h = h.matmul(w).tanh();
      states.push(h);
    }
    // A 64 KiB matrix, and states of 16 KiB: thirty times its bytes would be too much for them.
    expect(states.every((x) => x.storage.recipe !== null)).toBe(true);
    const counted = states.map((x) => x.storage.recipe?.parameters ?? 0);
    expect(Math.max(...counted)).toBe(n * n * 4);
    const bits = states.map((x) => [...x.toTypedArray()]);
    giveUp();
    noGrad(() => w.zero_());
    for (const [i, x] of states.entries()) expect([...x.toTypedArray()]).toEqual(bits[i]);
  });

  test('of several results of one operation count shares of what they are all made from', () => {
    const split = elementwise((x, y) => [x.add(y), x.sub(y)] as const);
    const [x, y]: [Tensor, Tensor] = [randn([N]), randn([N])];
    const [a, b] = split(x, y) as [Tensor, Tensor];
    expect([a, b].map((t) => t.storage.recipe?.needs)).toEqual([N * 4, N * 4]);
  });

  test('for products of short sums are followed soon, for others at need', () => {
    const soon = (y: Tensor): boolean => y.storage.recipe !== null && !y.storage.body.atNeed;
    const atNeed = (y: Tensor): boolean => y.storage.recipe !== null && y.storage.body.atNeed;
    const short = randn([100, 50]);
    expect(soon(short.matmul(short.T))).toBe(true);
    const weight = randn([500, 50], { requiresGrad: true });
    expect(weight.T.storage.recipe).toBe(null);
    expect(soon(short.matmul(weight.T))).toBe(true);
    const square = randn([600, 600]);
    expect(atNeed(square.matmul(square))).toBe(true);
    // Operands of many times the size are not kept for a result, nor copied for it when they change.
    const long = randn([100, 1000]);
    expect(long.matmul(long.T).storage.recipe).toBe(null);
    const wide = randn([1000, 1000], { requiresGrad: true });
    expect(long.matmul(wide).storage.recipe).toBe(null);
  });

  test('at need wait until results would be copied', () => {
    const x = randn([600, 600]);
    const first = x.matmul(x);
    const bits = first.toTypedArray().slice();
    for (let i = 0; i < 10; i++) x.matmul(x);
    expect(isForgotten(first)).toBe(false);
    setCacheLimit(8 * MIB, 3072 * MIB);
    const before = memoryStats();
    for (let i = 0; i < 20; i++) x.matmul(x);
    expect(memoryStats().evictedBytes - before.evictedBytes).toBeLessThan(MIB);
    expect(isForgotten(first)).toBe(true);
    x.zero_();
    expect(first.toTypedArray()).toEqual(bits);
    const second = x.matmul(x);
    x.add_(1);
    giveUp();
    expect(second.storage.body.copy).not.toBe(null);
    expect(second.sum().item()).toBe(0);
  });

  test('are not needed for what is small', () => {
    expect(arange(10).mul(2).storage.recipe).toBe(null);
  });

  test('keep what they read from being freed by hand', () => {
    const x = counts();
    const y = x.mul(2);
    free(x.storage);
    giveUp();
    expect(all(y)).toEqual(expected((i) => 2 * i));
  });

  test('compute as the host was told to at the time', () => {
    const was = isDeterministic();
    try {
      setDeterministic(true);
      const y = counts().div(N).to('float32').sigmoid();
      const kept = [...y.toTypedArray()];
      giveUp();
      setDeterministic(false);
      expect([...y.toTypedArray()]).toEqual(kept);
      expect(isDeterministic()).toBe(false);
    } finally {
      setDeterministic(was);
    }
  });

  test('gradients are right whatever was given up in between', () => {
    const x = counts().div(N).requiresGrad_();
    const loss = (): Tensor =>
      x
        .reshape([100, 100])
        .exp()
        .softmax(1)
        .mul(x.sin().reshape([100, 100]).T)
        .cumsum(1)
        .sum();
    loss().backward();
    const kept = all(gradOf(x));
    x.grad = null;
    const l = loss();
    giveUp();
    l.backward({ createGraph: true });
    giveUp();
    // With createGraph a gradient may be composed of several operations, which round one by one.
    all(gradOf(x)).forEach((g, i) => {
      expect(Math.abs(g - (kept[i] as number))).toBeLessThan(1e-12);
    });
    gradOf(x).sum().backward();
  });

  test('programs with in-place changes give the same with and without', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('make' as const), a: fc.nat(20), b: fc.nat(20), how: fc.nat(5) }),
      fc.record({ kind: fc.constant('write' as const), a: fc.nat(20), b: fc.nat(20), how: fc.nat(3) }),
      fc.record({ kind: fc.constant('drop' as const), a: fc.nat(20) }),
      fc.record({ kind: fc.constant('giveUp' as const) }),
    );
    const n = 2100;
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (program) => {
        const run = (really: boolean): number[][] => {
          const live: Tensor[] = [counts(n).div(n), counts(n).neg()];
          const pick = (i: number): Tensor => live[i % live.length] as Tensor;
          for (const s of program) {
            if (s.kind === 'giveUp') {
              if (really) giveUp();
            } else if (s.kind === 'drop') {
              if (live.length > 2) live.splice(s.a % live.length, 1);
            } else if (s.kind === 'make') {
              const [a, b] = [pick(s.a), pick(s.b)];
              live.push(
                [
                  () => a.add(b),
                  () => a.sin(),
                  () => a.flip([0]),
                  () => a.cumsum(0),
                  () => a.maximum(b).mul(0.5),
                  () =>
                    a
                      .reshape([n / 2, 2])
                      .softmax(1)
                      .reshape([n]),
                ][s.how]?.() as Tensor,
              );
            } else {
              const [a, b] = [pick(s.a), pick(s.b)];
              [() => a.mul_(0.5), () => a.copy_(b), () => a.narrow(0, 3, 10).add_(1), () => a.sub_(b)][s.how]?.();
            }
          }
          if (really) giveUp();
          return live.map(all);
        };
        expect(run(true)).toEqual(run(false));
      }),
      { numRuns: 60 },
    );
  });
});
