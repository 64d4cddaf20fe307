/** log Σ exp(x), out of its elements: a maximum, exponentials, a sum, a logarithm. */
import { elementwise, grad, type Tensor } from 'nabla';
import { defined, type Fields, list, type Module, value } from './eval.ts';

const shifted = elementwise((x, a) => x.sub(a).exp(), 'shiftedExp');

/** Whatever a is, this is the same number: no gradient has to pass through the maximum. */
function logSumExp(x: Tensor): Tensor {
  const a = x.detach().max();
  return shifted(x, a).sum().log().add(a);
}

const prepare = (input: Fields): Tensor => input.tensor('x', 1);

export const lse: Module = {
  primal: defined(prepare, logSumExp, value),
  gradient: defined(prepare, grad(logSumExp), list),
};
