import { functional as F, getNumThreads, grad, jvp, ones, setNumThreads, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../support/close.ts';
import { spreadTensor } from '../support/numbers.ts';

describe('attention of queries that a mask shows no key', () => {
  const [q, k, v] = [1, 2, 3].map((seed) => spreadTensor([3, 4], -1, 1, seed)) as [Tensor, Tensor, Tensor];
  const shown = [
    [true, false, true],
    [false, false, false],
    [true, true, true],
  ];
  const added = shown.map((row) => row.map((b) => (b ? 0.25 : Number.NEGATIVE_INFINITY)));
  const masks = { bool: tensor(shown), float64: tensor(added, { dtype: 'float64' }) };

  for (const [dtype, attnMask] of Object.entries(masks)) {
    const attend = (q: Tensor, k: Tensor, v: Tensor): Tensor => F.scaledDotProductAttention(q, k, v, { attnMask });
    const others = (t: Tensor): Tensor => t.indexSelect(0, tensor([0, 2], { dtype: 'int32' }));
    const of = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
      F.scaledDotProductAttention(others(q), k, v, { attnMask: others(attnMask) });

    it(`is 0 and has no derivative, ${dtype}`, () => {
      const y = attend(q, k, v);
      expect(y.at(1).toArray()).toEqual([0, 0, 0, 0]);
      expectClose(others(y), of(q, k, v));
      for (const argnums of [0, 1, 2]) {
        const total = (f: typeof of) => grad((a: Tensor, b: Tensor, c: Tensor) => f(a, b, c).sin().sum(), { argnums });
        expectClose(total(attend)(q, k, v), total(of)(q, k, v));
      }
      const [, along] = jvp(attend, [q, k, v], [k, v, q]);
      expect(along.at(1).toArray()).toEqual([0, 0, 0, 0]);
      const batch = q.unsqueeze(0).mul(tensor([[[1]], [[2]]], { dtype: 'float64' }));
      expectClose(vmap((a: Tensor) => attend(a, k, v))(batch).at(1), attend(q.mul(2), k, v));
    });
  }
});

describe('causal attention in bands', () => {
  const causally = (q: Tensor, k: Tensor, v: Tensor): Tensor =>
    F.scaledDotProductAttention(q, k, v, { isCausal: true });
  const masked = (q: Tensor, k: Tensor, v: Tensor): Tensor => {
    const shown = ones([q.shape.at(-2) ?? 0, k.shape.at(-2) ?? 0], { dtype: 'bool' }).tril();
    const scores = q.matmul(k.mT).div(Math.sqrt(q.shape.at(-1) ?? 1));
    return scores.maskedFill(shown.logicalNot(), Number.NEGATIVE_INFINITY).softmax(-1).matmul(v);
  };
  const operands = (queries: number, keys: number, width: number, values: number): [Tensor, Tensor, Tensor] => [
    spreadTensor([2, 2, queries, width], -1, 1, 1),
    spreadTensor([2, 2, keys, width], -1, 1, 2),
    spreadTensor([2, 2, keys, values], -1, 1, 3),
  ];
  const sizes = [
    [150, 150, 6, 5],
    [130, 70, 3, 1],
    [70, 200, 1, 4],
    [1, 100, 3, 2],
    [200, 1, 3, 2],
    [64, 65, 4, 4],
    [65, 64, 4, 4],
  ] as const;

  it.each(sizes)('%i queries, %i keys: values and gradients', (...size) => {
    const all = operands(...size);
    expectClose(causally(...all), masked(...all));
    const total = (f: typeof causally) =>
      grad((q: Tensor, k: Tensor, v: Tensor) => f(q, k, v).sin().sum(), { argnums: [0, 1, 2] });
    const [found, expected] = [total(causally)(...all), total(masked)(...all)];
    for (const i of [0, 1, 2]) expectClose(found[i], expected[i]);
  });

  it('second derivatives, and along tangents', () => {
    const all = operands(130, 130, 3, 2);
    const twice = (f: typeof causally) =>
      grad((q: Tensor) =>
        grad((x: Tensor) => f(x, all[1], all[2]).sin().sum())(q)
          .square()
          .sum(),
      );
    expectClose(twice(causally)(all[0]), twice(masked)(all[0]));
    const tangents: [Tensor, Tensor, Tensor] = [all[1], all[0], all[2].cos()];
    expectClose(jvp(causally, all, tangents)[1], jvp(masked, all, tangents)[1]);
  });

  it('what no query sees does not spread: keys and values that are not numbers', () => {
    const [q, k, v] = operands(100, 200, 4, 4);
    const hole = k.clone();
    hole.narrow(2, 130, 70).fill_(Number.NaN);
    const values = v.clone();
    values.narrow(2, 130, 70).fill_(Number.NaN);
    expectClose(causally(q, hole, values), causally(q, k, v));
  });

  it('the same bits with any number of threads', () => {
    const all = operands(300, 300, 32, 32).map((t) => t.to('float32').requiresGrad_()) as [Tensor, Tensor, Tensor];
    const run = (threads: number): number[][] => {
      setNumThreads(threads);
      for (const t of all) t.grad = null;
      const y = causally(...all);
      y.sin().sum().backward();
      return [y, ...all.map((t) => t.grad as Tensor)].map((t) => [...t.detach().flatten().toTypedArray()] as number[]);
    };
    const before = getNumThreads();
    try {
      const one = run(1);
      for (const threads of [2, 3, 5]) expect(run(threads)).toEqual(one);
    } finally {
      setNumThreads(before);
    }
  });
});
