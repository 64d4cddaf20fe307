import { autograd, functional as F, getNumThreads, manualSeed, randn, setNumThreads, type Tensor } from 'nabla';
import { afterAll, describe, expect, it } from 'vitest';
import { planFor } from '../../src/backends/wasm/plan.ts';

manualSeed(11);
const threads = getNumThreads();
afterAll(() => setNumThreads(threads));

const noise = (shape: number[]): Tensor => randn(shape, { dtype: 'float64' }) as Tensor;
const conv = (x: Tensor, w: Tensor, b: Tensor | null = null): number[] =>
  (F.conv1d(x, w, b, { padding: 1 }) as Tensor).flatten().toArray() as number[];

/** The definition, for one channel. */
const naive = (x: number[], w: number[]): number[] =>
  x.map((_, p) => w.reduce((sum, v, k) => sum + v * (x[p - 1 + k] ?? 0), 0));
const close = (a: readonly number[], b: readonly number[]): void =>
  a.forEach((v, i) => void expect(v).toBeCloseTo(b[i] as number, 10));

describe('a plan that is run again', () => {
  it('tells operands apart that were one tensor when it was made', () => {
    const same = noise([1, 1, 3]);
    const values = same.flatten().toArray() as number[];
    close(conv(same, same), naive(values, values));
    const [x, w] = [noise([1, 1, 3]), noise([1, 1, 3])];
    close(conv(x, w), naive(x.flatten().toArray() as number[], w.flatten().toArray() as number[]));
    close(conv(same, same), naive(values, values));
  });

  it('finds operands where they are: in parts of others, and with other biases', () => {
    const all = noise([5, 1, 9]);
    const w = noise([1, 1, 3]);
    const taps = w.flatten().toArray() as number[];
    for (let i = 0; i < 5; i++) {
      const b = noise([1]);
      const x = all.slice(0, i, i + 1) as Tensor;
      close(
        conv(x, w, b),
        naive(x.flatten().toArray() as number[], taps).map((v) => v + (b.item() as number)),
      );
    }
  });

  it('has the bits of the first time, on each number of threads in turn', () => {
    const leaves = [noise([3, 5, 20]), noise([7, 5, 3])].map((t) => t.requiresGrad_() as Tensor);
    const g = noise([3, 7, 20]);
    const step = (): number[][] => {
      const y = F.conv1d(leaves[0] as Tensor, leaves[1] as Tensor, null, { padding: 1 }) as Tensor;
      return autograd.grad(y, leaves, { gradOutputs: g }).map((t) => t.flatten().toArray() as number[]);
    };
    const first = step();
    for (const n of [2, 1, 3, 1]) {
      setNumThreads(n);
      expect(step()).toEqual(first);
    }
  });
});

describe('plans', () => {
  const dropped = (bytes: number, others: number): boolean => {
    const x = noise([1]);
    let made = 0;
    const plan = (key: string): void =>
      void planFor(key, [x], (its) => {
        made += 1;
        its.place(new Int32Array(bytes / 4));
      });
    const name = `${bytes} ${others}`;
    plan(name);
    for (let i = 0; i < others; i++) plan(`${name} ${i}`);
    made = 0;
    plan(name);
    return made === 1;
  };

  it('are kept, so many and of so many bytes', () => {
    expect(dropped(64, 100)).toBe(false);
    expect(dropped(64, 1100)).toBe(true);
    expect(dropped(2 ** 20, 8)).toBe(false);
    expect(dropped(2 ** 20, 40)).toBe(true);
  });
});
