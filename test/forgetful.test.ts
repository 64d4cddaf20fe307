import { memoryStats, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectValues } from './support/close.ts';
import { f64 } from './support/numbers.ts';

describe('where every result is forgotten', () => {
  it('results of cheap operations are made again when they are asked for', () => {
    const before = memoryStats();
    const x = f64([0, 1, 2, 3, 4, 5, 6, 7, 8], [9]);
    const y: Tensor = x.mul(2);
    const z: Tensor = y.add(1);
    for (let i = 0; i < 3; i++) x.sin();
    const after = memoryStats();
    expect(after.forgotten - before.forgotten).toBeGreaterThanOrEqual(4);
    const { remakes } = after;
    expect(z.toArray()).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17]);
    // z, and y that it is made of.
    expect(memoryStats().remakes - remakes).toBe(2);
  });

  it('so are those that share pages, one by one', () => {
    const { forgotten } = memoryStats();
    const x = f64([0, 1, 2, 3, 4], [5]);
    const y: Tensor = x.mul(2);
    const z: Tensor = y.add(1);
    // Wherever on their page y and z lie, what follows fills it and the next ones.
    for (let i = 0; i < 500; i++) x.sin();
    const after = memoryStats();
    expect(after.forgotten - forgotten).toBeGreaterThanOrEqual(2);
    const { remakes } = after;
    expect(z.toArray()).toEqual([1, 3, 5, 7, 9]);
    expect(memoryStats().remakes - remakes).toBe(2);
    expect(y.toArray()).toEqual([0, 2, 4, 6, 8]);
  });

  it('what was changed in place is not made again, and what was made from it before is as it was', () => {
    const x = f64([1, 2, 3], [3]);
    const y = x.mul(10);
    const z = y.add(1);
    x.add_(100);
    y.zero_();
    for (let i = 0; i < 3; i++) x.sin();
    expect(x.toArray()).toEqual([101, 102, 103]);
    expect(y.toArray()).toEqual([0, 0, 0]);
    expect(z.toArray()).toEqual([11, 21, 31]);
  });

  it('what has no recipe is moved out and brought back', () => {
    const { restores } = memoryStats();
    const x = tensor([1, 2, 3]);
    // Two pages of eight and more: what is in an open one stays.
    for (let i = 0; i < 24; i++) tensor([i, i, i]).sin();
    expect(x.toArray()).toEqual([1, 2, 3]);
    expect(x.mul(2).toArray()).toEqual([2, 4, 6]);
    expect(memoryStats().restores).toBeGreaterThan(restores);
  });

  it('gradients are those of what was computed', () => {
    const x = f64([0.5, 1.5], [2]).requiresGrad_();
    const y = x.exp().mul(x).tanh();
    y.sum().backward();
    const slopes = [0.5, 1.5].map((v) => (1 - Math.tanh(v * Math.exp(v)) ** 2) * Math.exp(v) * (1 + v));
    expectValues(x.grad as Tensor, [2], slopes);
  });
});
