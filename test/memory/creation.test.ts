import { afterEach, describe, expect, test } from 'vitest';
import { setCacheLimit } from '../../src/backends/wasm/heap.ts';
import { memoryStats } from '../../src/backends/wasm/memory-stats.ts';
import {
  arange,
  type DType,
  eye,
  full,
  linspace,
  ones,
  setNumThreads,
  type Tensor,
  type TypedArray,
  zeros,
} from '../../src/index.ts';

const N = 100_003;

const makers: Readonly<Record<string, (n: number) => Tensor>> = {
  zeros: (n) => zeros([n]),
  ones: (n) => ones([n]),
  full: (n) => full([n], -2.5),
  arange: (n) => arange(n),
  linspace: (n) => linspace(-1, 2, n),
  eye: (n) => eye(Math.floor(Math.sqrt(n))),
};

// What a test leaves is copied out here, and not while the next one counts.
afterEach(() => {
  setCacheLimit(0);
  setCacheLimit(64 * 2 ** 20, 2 ** 31);
});

describe.each(Object.entries(makers))('%s', (_, make) => {
  test('dropped in a loop costs no copy', () => {
    const { evictions } = memoryStats();
    for (let i = 0; i < 400; i++) make(N).add(1);
    expect(memoryStats().evictions).toBe(evictions);
  });

  test('is made again where it was given up, and not where it was changed before', () => {
    const [kept, changed] = [make(N), make(N)];
    const before = kept.toTypedArray();
    changed.add_(1);
    const after = changed.toTypedArray();
    for (let i = 0; i < 40; i++) make(N);
    setCacheLimit(0);
    setCacheLimit(64 * 2 ** 20, 2 ** 31);
    expect(kept.toTypedArray()).toEqual(before);
    expect(changed.toTypedArray()).toEqual(after);
    kept.mul_(2);
    expect(kept.toTypedArray()).toEqual(before.map((x) => 2 * x));
  });

  test('as a parameter is changed step by step', () => {
    const p = make(N).requiresGrad_();
    p.mul(3).sum().backward();
    p.detach().sub_(p.grad as Tensor);
    expect(p.toTypedArray()).toEqual(make(N).sub(3).toTypedArray());
  });
});

const rounded: Readonly<Partial<Record<DType, (x: number) => number>>> = {
  float32: Math.fround,
  float64: (x) => x,
  int32: Math.trunc,
  uint8: Math.trunc,
};

function expectNumbers(t: Tensor, values: (i: number) => number): void {
  const made: TypedArray = t.toTypedArray();
  for (let i = 0; i < made.length; i++)
    if (!Object.is(made[i], values(i))) expect([i, made[i]]).toEqual([i, values(i)]);
}

describe.each(Object.entries(rounded))('ramps of %s', (dtype, round) => {
  test.each([0, 1, 2, 3, 4, 5, 7, 8, 9, 127])('of %i elements', (n) => {
    const options = { dtype: dtype as DType };
    expectNumbers(arange(3, 3 + n, 1, options), (i) => 3 + i);
    // Of whole numbers the step is one, too.
    const by = dtype.startsWith('float') ? 0.75 : 2;
    expectNumbers(arange(0, by * n, by, options), (i) => round(by * i));
    const t = linspace(1, 200, n, options);
    expect(t.shape).toEqual([n]);
    const step = dtype === 'float32' ? Math.fround(199 / (n - 1)) : 199 / (n - 1);
    const half = Math.max(1, Math.floor(n / 2));
    if (n > 1) expectNumbers(t, (i) => round(i < half ? 1 + step * i : 200 - step * (n - 1 - i)));
  });
});

test('have the same bits with any number of threads', () => {
  const all = (): TypedArray[] => Object.values(makers).map((make) => make(1_000_001).toTypedArray());
  setNumThreads(1);
  const alone = all();
  try {
    for (const n of [2, 3, 5]) {
      setNumThreads(n);
      expect(all().map((t, k) => t.every((x, i) => x === alone[k][i]))).toEqual(alone.map(() => true));
    }
  } finally {
    setNumThreads(1);
  }
});
