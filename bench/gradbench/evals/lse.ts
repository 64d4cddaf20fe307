/** log Σ exp(x), out of its elements: a maximum, exponentials, a sum, a logarithm. */
import { grad, type Tensor } from 'nabla';
import { defined, type Fields, list, type Module, value } from './eval.ts';

function logSumExp(x: Tensor): Tensor {
  const a = x.max();
  return a.add(x.sub(a).exp().sum().log());
}

const prepare = (input: Fields): Tensor => input.tensor('x', 1);

export const lse: Module = {
  primal: defined(prepare, logSumExp, value),
  gradient: defined(prepare, grad(logSumExp), list),
};
