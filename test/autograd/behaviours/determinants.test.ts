import { linalg, type Tensor, tensor } from 'nabla';
import { expect, it } from 'vitest';
import { expectClose } from '../../support/close.ts';

it('AG325 slogdet: the logarithm has the gradient A⁻ᵀ, the sign contributes zero', () => {
  const a = tensor(
    [
      [2, 1, 0],
      [0.5, -3, 1],
      [1, 0, 4],
    ],
    { dtype: 'float64', requiresGrad: true },
  ) as Tensor;
  const { sign, logabsdet } = linalg.slogdet(a);
  expect(sign.item()).toBe(-1);
  logabsdet.backward({ retainGraph: true });
  expectClose(a.grad as Tensor, linalg.inv(a.detach()).mT);
  const alone = (a.grad as Tensor).clone();
  a.grad = null;
  logabsdet.add(sign.mul(5)).backward();
  expectClose(a.grad as unknown as Tensor, alone);
});
