/** log Σ exp(x), relative to the largest element. */
import { grad, type Tensor } from 'nabla';
import { defined, type Fields, list, type Module, value } from './eval.ts';

const logSumExp = (x: Tensor): Tensor => x.logsumexp();

const prepare = (input: Fields): Tensor => input.tensor('x', 1);

export const lse: Module = {
  primal: defined(prepare, logSumExp, value),
  gradient: defined(prepare, grad(logSumExp), list),
};
