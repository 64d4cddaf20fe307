import {
  arange,
  blockDiag,
  cartesianProd,
  functional as F,
  hstack,
  meshgrid,
  randint,
  slice,
  type Tensor,
  tensor,
  vstack,
  zeros,
} from 'nabla';
import { describe, it } from 'vitest';
import { compiled, is, shaped, wrong } from './expect.ts';

const a = zeros([2, 3]);
const v = zeros([3]);
const x4 = zeros([2, 3, 4, 5]);
const n: number = 4;
const d = zeros([n, 784]);
const u: Tensor = zeros([2, 3]);
const i = tensor([0, 1, 0], { dtype: 'int32' });

describe('brackets', () => {
  it('numbers, slices, new axes and the ellipsis', () => {
    shaped(a.at(0), [3]);
    shaped(a.at(-1, 2), []);
    shaped(a.at(), [2, 3]);
    shaped(a.at(':', 1), [2]);
    shaped(a.at(null, 0, null), [1, 1, 3]);
    shaped(a.at('...', 0), [2]);
    shaped(a.at('...'), [2, 3]);
    shaped(x4.at(0, '...', -1), [3, 4]);
    shaped(x4.at('...', null, 0), [2, 3, 4, 1]);
    shaped(x4.at(':', slice(1), '...', slice(0, 5, 2)), [2, 2, 4, 3]);
    shaped(a.at(slice(null, -1), slice(-2, null)), [1, 2]);
    shaped(a.at(slice(), slice(0, 100)), [2, 3]);
    shaped(a.at(slice(5)), [0, 3]);
    compiled(() => {
      is<Tensor<[784]>>()(d.at(n));
      is<Tensor<[number, 10]>>()(d.at(slice(1), slice(0, 10)));
      is<Tensor<[number]>>()(a.at(slice(n), 0));
      is<Tensor>()(u.at(0));
      is<Tensor>()(a.at(...([0] as (number | null)[])));
    });
  });

  it('one list of places is computed, more and tensors are left open', () => {
    shaped(a.at([0, 1, 0]), [3, 3]);
    shaped(a.at(':', [2, 0]), [2, 2]);
    shaped(
      a.at([
        [0, 1],
        [1, 0],
      ]),
      [2, 2, 3],
    );
    is<Tensor>()(a.at([0, 1], [1, 2]));
    is<Tensor>()(a.at(i));
    is<Tensor>()(a.at(a.gt(0)));
    is<Tensor>()(a.at(true));
  });

  it('what does not fit is refused', () => {
    // @ts-expect-error
    wrong(() => a.at(2));
    // @ts-expect-error
    wrong(() => a.at(0, -4));
    // @ts-expect-error
    wrong(() => a.at(0, 0, 0));
    // @ts-expect-error
    wrong(() => a.at('...', 0, 3));
    // @ts-expect-error
    wrong(() => a.at('1'));
    // @ts-expect-error
    wrong(() => a.setAt_([0, 3], 1));
    // @ts-expect-error
    wrong(() => a.setAt_([0], zeros([2])));
    // @ts-expect-error
    wrong(() => a.setAt_([':', slice(1)], zeros([3])));
    is<Tensor<[2, 3]>>()(a.clone().setAt_([0], v));
    is<Tensor<[2, 3]>>()(a.setAt([':', 0], 1));
    is<Tensor<[2, 3]>>()(a.setAt([i.eq(0).at(slice(0, 2))], zeros([3])));
  });
});

describe('picking and placing', () => {
  it('by index tensors and masks', () => {
    shaped(a.take(zeros([2, 2], { dtype: 'int32' })), [2, 2]);
    shaped(a.takeAlongDim(zeros([2, 2], { dtype: 'int32' })), [4]);
    is<Tensor<[number]>>()(a.maskedSelect(a.eq(0)));
    is<Tensor<[number, 2]>>()(a.nonzero());
    is<Tensor<[number]>[]>()(a.nonzero({ asTuple: true }));
    shaped(v.maskedFill(a.eq(0), 1), [2, 3]);
    shaped(a.scatter(0, zeros([1, 3], { dtype: 'int32' }), 1), [2, 3]);
    is<Tensor<[2, 3]>>()(a.isin(3));
    // @ts-expect-error
    wrong(() => a.maskedFill(zeros([2]).eq(0), 1));
  });
});

describe('arranging', () => {
  it('repeats', () => {
    shaped(a.repeat([2, 3]), [4, 9]);
    shaped(a.repeat([2, 1, 1]), [2, 2, 3]);
    shaped(a.tile([2]), [2, 6]);
    shaped(a.tile([5, 1, 2]), [5, 2, 6]);
    shaped(a.repeatInterleave(2), [12]);
    shaped(a.repeatInterleave(2, 1), [2, 6]);
    compiled(() => is<Tensor<[number, 3]>>()(a.repeatInterleave(randint(3, [2]), 0)));
    // @ts-expect-error
    wrong(() => a.repeat([2]));
  });

  it('turns, flips and diagonals', () => {
    shaped(a.flip([0, 1]), [2, 3]);
    shaped(a.roll(1, 0), [2, 3]);
    shaped(a.tril(), [2, 3]);
    shaped(v.diag(), [3, 3]);
    is<Tensor<[number]>>()(a.diag());
    // @ts-expect-error
    wrong(() => a.flip([2]));
    // @ts-expect-error
    wrong(() => x4.diag());
  });

  it('joins and grids', () => {
    shaped(hstack([a, zeros([2, 1])]), [2, 4]);
    shaped(hstack([v, v]), [6]);
    shaped(vstack([a, zeros([1, 3])]), [3, 3]);
    const [x, y] = meshgrid([arange(2), arange(3)]);
    shaped(x, [2, 3]);
    shaped(y, [2, 3]);
    shaped(meshgrid([arange(2), arange(3)], { indexing: 'xy' })[0], [3, 2]);
    is<Tensor<[number, number]>>()(blockDiag([a, v]));
    is<Tensor>()(cartesianProd([v, v]));
    // @ts-expect-error
    wrong(() => hstack([a, zeros([3, 1])]));
    // @ts-expect-error
    wrong(() => meshgrid([a]));
  });

  it('padding, pixels, tables', () => {
    shaped(F.pad(a, [1, 2]), [2, 6]);
    shaped(F.pad(a, [1, 2, 3, 0]), [5, 6]);
    shaped(F.pixelShuffle(zeros([1, 8, 2, 3]), 2), [1, 2, 4, 6]);
    shaped(F.pixelUnshuffle(zeros([1, 2, 4, 6]), 2), [1, 8, 2, 3]);
    shaped(F.embedding(zeros([2, 5], { dtype: 'int32' }), zeros([7, 16])), [2, 5, 16]);
    shaped(F.oneHot(i, 4), [3, 4]);
    // @ts-expect-error
    wrong(() => F.pad(v, [1, 1, 1, 1]));
    // @ts-expect-error
    wrong(() => F.pixelShuffle(zeros([1, 6, 2, 3]), 2));
  });

  it('new tensors', () => {
    shaped(a.newZeros([4, 5]), [4, 5]);
    shaped(a.newFull([1], 3), [1]);
  });
});
