import { functional as F, grad, jvp, type Tensor, tensor, vmap } from 'nabla';
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
