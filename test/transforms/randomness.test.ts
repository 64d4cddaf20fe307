import {
  ArgumentError,
  AutogradError,
  autograd,
  bernoulli,
  functional,
  Generator,
  grad,
  manualSeed,
  multinomial,
  NotImplementedError,
  ones,
  rand,
  randint,
  randn,
  randnLike,
  randperm,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';
import { beforeEach, describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

/* What drawing random numbers means inside a mapped function. */

const A = zeros([3, 4]);
const B = zeros([2, 3]);

const draws: Readonly<Record<string, (t: Tensor) => Tensor>> = {
  rand: (t) => rand([4]).add(t),
  randn: (t) => randn([4]).add(t),
  randnLike: (t) => randnLike(t),
  randint: (t) => randint(1000, [4]).add(t),
  randperm: (t) => randperm(50).add(t.sum()),
  bernoulli: (t) => bernoulli(ones([40]).div(2)).add(t.sum()),
  bernoulliOfExamples: (t) => bernoulli(t.sum().sigmoid().expand([40])),
  multinomial: (t) => multinomial(ones([60]), 8).add(t.sum()),
  dropout: (t) => functional.dropout(ones([40]).add(t.sum())),
  dropout2d: (t) => functional.dropout2d(ones([8, 8, 2, 2]).add(t.sum())),
  alphaDropout: (t) => functional.alphaDropout(ones([40]).add(t.sum()), { training: true }),
  uniform_: (t) => t.clone().uniform_(),
  normal_: (t) => t.clone().normal_(),
  bernoulli_: (t) => t.add(ones([40, 1])).bernoulli_(0.5),
  bernoulli_of: (t) =>
    t
      .sum()
      .add(ones([40]))
      .bernoulli_(ones([40]).div(2)),
};

beforeEach(() => {
  manualSeed(7);
});

for (const [name, draw] of Object.entries(draws)) {
  describe(name, () => {
    it('gives every example numbers of its own when asked to', () => {
      const [a, b, c] = vmap(draw, { randomness: 'different' })(A).unbind(0);
      expect(a.eq(b).all().item()).toBe(0);
      expect(b.eq(c).all().item()).toBe(0);
      expect(a.shape).toEqual(draw(zeros([4])).shape);
    });

    it('gives all the same numbers otherwise, those that are drawn outside', () => {
      const [a, b, c] = vmap(draw, { randomness: 'same' })(A).unbind(0);
      expectValues(a.eq(b).logicalAnd(b.eq(c)).all(), [], [1]);
      manualSeed(7);
      expectValues(a, a.shape, Array.from(draw(zeros([4])).toTypedArray()));
      manualSeed(7);
      const [d, e, f] = vmap(draw)(A).unbind(0);
      expectValues(d.eq(a).logicalAnd(e.eq(a)).logicalAnd(f.eq(a)).all(), [], [1]);
    });

    it('is an error where that is wanted', () => {
      const message =
        "called random operation while in randomness error mode. Please either use the 'same' or 'different'";
      expectError(() => vmap(draw, { randomness: 'error' })(A), AutogradError, message);
    });
  });
}

describe('probabilities of every example', () => {
  it('are compared with the numbers that bernoulli draws outside', () => {
    for (const dtype of ['float32', 'float64'] as const) {
      const p = rand([5, 30], { dtype });
      manualSeed(7);
      const outside = bernoulli(p);
      manualSeed(7);
      const inside = vmap((t: Tensor) => bernoulli(t), { randomness: 'different' })(p);
      expect(inside.dtype).toBe(dtype);
      expectValues(inside, [5, 30], Array.from(outside.toTypedArray()));
      manualSeed(7);
      const nested = vmap((t: Tensor) => grad((u: Tensor) => bernoulli(u).mul(u).sum())(t), {
        randomness: 'different',
      })(p);
      expectValues(nested, [5, 30], Array.from(outside.toTypedArray()));
    }
    expectError(() => vmap((t: Tensor) => bernoulli(t))(ones([2, 3]).mul(2)), ArgumentError, 'p_in <= 1 to be true');
  });
});

describe('weights of every example', () => {
  const w = rand([3, 2, 5]);
  const drawnFrom = (weights: Tensor, nested: (t: Tensor) => Tensor): void => {
    manualSeed(7);
    const outside = multinomial(weights.reshape([-1, 5]), 4);
    manualSeed(7);
    expectValues(nested(weights), [...weights.shape.slice(0, -1), 4], Array.from(outside.toTypedArray()));
  };
  const different = { randomness: 'different' } as const;

  it('are what multinomial draws from, in the order of draws outside', () => {
    drawnFrom(
      w,
      vmap(
        vmap((t: Tensor) => multinomial(t, 4), different),
        different,
      ),
    );
    drawnFrom(
      w,
      vmap((t: Tensor) => multinomial(t, 4), different),
    );
  });

  it('may be those of one map of two', () => {
    const [a, b] = [rand([2, 6]), zeros([3])];
    manualSeed(7);
    const rows = a.unbind(0).flatMap((row) => b.unbind(0).map(() => multinomial(row, 4)));
    manualSeed(7);
    const inner = (row: Tensor): Tensor => vmap((t: Tensor) => multinomial(row, 4).add(t), different)(b);
    expectValues(
      vmap(inner, different)(a),
      [2, 3, 4],
      rows.flatMap((row) => Array.from(row.toTypedArray())),
    );
    manualSeed(7);
    const columns = b.unbind(0).flatMap(() => a.unbind(0).map((row) => multinomial(row, 4)));
    manualSeed(7);
    const other = (t: Tensor): Tensor => vmap((row: Tensor) => multinomial(row, 4).add(t), different)(a);
    expectValues(
      vmap(other, different)(b),
      [3, 2, 4],
      columns.flatMap((row) => Array.from(row.toTypedArray())),
    );
  });

  it('are an error where all examples share one draw', () => {
    const call = (): Tensor => vmap((t: Tensor) => multinomial(t, 4))(rand([3, 5]));
    expectError(
      call,
      NotImplementedError,
      "multinomial: Vmap does not currently support same randomness with a batched tensor input: where every example has its own, pass { randomness: 'different' } to vmap",
    );
  });
});

describe('randomness', () => {
  it('holds for each of nested maps', () => {
    const f = (t: Tensor): Tensor => rand([]).add(t);
    const run = (outer: 'same' | 'different', inner: 'same' | 'different'): number =>
      new Set(vmap(vmap(f, { randomness: inner }), { randomness: outer })(B).toTypedArray()).size;
    expect([
      run('different', 'different'),
      run('different', 'same'),
      run('same', 'different'),
      run('same', 'same'),
    ]).toEqual([6, 2, 3, 1]);
    expectError(() => vmap(vmap(f), { randomness: 'error' })(B), AutogradError, 'randomness error mode');
  });

  it('is the same in every chunk, or different in all', () => {
    const f = (t: Tensor): Tensor => rand([]).add(t.sum());
    const count = (randomness: 'same' | 'different'): number =>
      new Set(vmap(f, { randomness, chunkSize: 2 })(A).toTypedArray()).size;
    expect([count('same'), count('different')]).toEqual([1, 3]);
  });

  it('goes with gradients and a generator', () => {
    const x = ones([3, 4]);
    const f = (t: Tensor): Tensor => functional.dropout(t).sum();
    const g = vmap(grad(f), { randomness: 'different' })(x);
    manualSeed(7);
    expectValues(
      g,
      [3, 4],
      Array.from(vmap((t: Tensor) => functional.dropout(t), { randomness: 'different' })(x).toTypedArray()),
    );
    const generator = new Generator(3);
    const own = vmap((t: Tensor) => randn([2], { generator }).add(t.sum()), { randomness: 'different' })(A);
    expectValues(own, [3, 2], Array.from(randn([3, 2], { generator: new Generator(3) }).toTypedArray()));
  });

  it('is known to the vmap rule of a function', () => {
    const seen: string[] = [];
    class Id extends autograd.Function {
      static forward(x: Tensor): Tensor {
        return x.clone();
      }
      static setupContext(): void {
        // Nothing is kept.
      }
      static vmap(info: autograd.VmapInfo, inDims: readonly (number | null)[], x: Tensor): [Tensor, number | null] {
        seen.push(info.randomness);
        return [x, inDims[0]];
      }
    }
    for (const randomness of ['error', 'different', 'same'] as const)
      vmap((t: Tensor) => Id.apply(t) as Tensor, { randomness })(A);
    expect(seen).toEqual(['error', 'different', 'same']);
  });

  it('refuses what it cannot do', () => {
    expectError(
      () => vmap((t: Tensor) => t, { randomness: 'foo' as never })(A),
      ArgumentError,
      "Only allowed values for randomness are 'error', 'different', or 'same'. Got foo",
    );
    const outside = tensor([1, 2]);
    expectError(
      () => vmap((t: Tensor) => outside.uniform_().sum().add(t), { randomness: 'different' })(A),
      AutogradError,
      'Cannot ask for different inplace randomness on an unbatched tensor',
    );
    expectValues(outside, [2], [1, 2]);
  });
});
