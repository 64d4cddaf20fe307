/** Shapes that differ from step to step and grow and shrink over the run: what memory falls to pieces by. */
import { cat, full, rand, setCacheLimit, type Tensor } from 'nabla';
import { numbers } from '../reference.ts';
import type { Scenario, Soak } from '../scenario.ts';
import { MB } from '../verdict.ts';

/** A tensor whose elements are all the same whole number, which sums and products keep exact. */
interface Kept {
  readonly tensor: Tensor;
  readonly value: number;
}

const KEPT = 48;
/** How often sizes go up and down again. */
const WAVES = 30;

function run(soak: Soak): void {
  const next = numbers(51);
  const below = (n: number): number => Math.floor(((next() + 1) / 2) * n);
  const kept: Kept[] = [];
  for (let step = 0; step < soak.steps; step++) {
    const phase = (WAVES * step) / soak.steps;
    const height = 1 - Math.abs(2 * (phase % 1) - 1);
    // From a few elements to some hundred thousand.
    const elements = 2 ** (3 + 14 * height + 2 * next());
    const rows = 1 + below(Math.sqrt(elements) * 2);
    const columns = 1 + Math.floor(elements / rows);
    const value = 1 + below(3);
    const what = `step ${step}, ${rows} × ${columns}`;

    const x: Tensor = full([rows, columns], value);
    const y = x.mul(2).add(1);
    soak.equal(`a sum, ${what}`, [y.sum().item()], [Math.fround(rows * columns * (2 * value + 1))]);
    const inner = 1 + below(40);
    const narrow: Tensor = full([columns, inner], 1);
    const p = x.matmul(narrow);
    soak.equal(`a product, ${what}`, [p.min().item(), p.max().item()], [columns * value, columns * value]);

    const w: Tensor = rand([columns]).requiresGrad_();
    w.mul(x).sum().backward();
    const g = w.grad as Tensor;
    soak.equal(`a gradient, ${what}`, [g.min().item(), g.max().item()], [rows * value, rows * value]);

    const other = kept[below(kept.length)];
    if (other !== undefined) {
      const flat = cat([x.reshape([-1]), other.tensor.reshape([-1]), y.reshape([-1])]);
      soak.equal(
        `several joined, ${what}`,
        [flat.min().item(), flat.max().item()],
        [Math.min(value, other.value), Math.max(2 * value + 1, other.value)],
      );
      const { tensor: t, value: v } = other;
      soak.equal(`a tensor kept until ${what}`, [t.min().item(), t.max().item()], [v, v]);
    }
    kept[below(KEPT)] = { tensor: [x, y, x.T][step % 3] as Tensor, value: step % 3 === 1 ? 2 * value + 1 : value };
    for (let i = 0; i < KEPT; i++) kept[i] ??= { tensor: x, value };
    soak.after(step);
  }
}

/** How much is alive goes up and down with the sizes, and memory grows in steps. */
const limits = { linear: 48, buffers: 48, leakedBuffers: 24 };

export const shapes: readonly Scenario[] = [
  {
    name: 'many shapes',
    steps: 150_000,
    shortSteps: 1500,
    // Where free memory is in pieces too small, the cache may spread over half as much again.
    limits,
    run: (soak) => {
      // A cache that does not grow with what is missed: memory is to grow by nothing but the pieces it falls to.
      setCacheLimit((soak.short ? 4 : 64) * MB);
      run(soak);
    },
  },
  {
    // Old tensors are missed between much garbage, at every size of the cache, and that must not raise it on and on.
    name: 'shapes, the cache left to itself',
    steps: 150_000,
    shortSteps: 1500,
    limits,
    run: (soak) => {
      if (soak.short) setCacheLimit(4 * MB, 1024 * MB);
      run(soak);
    },
  },
];
