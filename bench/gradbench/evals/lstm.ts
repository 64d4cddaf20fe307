/** The loss of a long short-term memory whose weight matrices are diagonal, reading a sequence of characters. */
import { elementwise, grad, type Scalar, stack, type Tensor } from 'nabla';
import { defined, type Fields, list, type Module, value } from './eval.ts';

interface Parameters {
  /** [2 l, 4 b]: for each layer weights, then biases, of the forget, input, output and change gates */
  readonly main: Tensor;
  /** [3, b]: input weights, output weights, output biases */
  readonly extra: Tensor;
}

interface Input {
  readonly parameters: Parameters;
  /** [2 l, b]: for each layer hidden state, then cell */
  readonly state: Tensor;
  /** [c, b] */
  readonly sequence: Tensor;
}

/** One step of a layer: the new hidden state and cell. What the gates get from the input is there already. */
const step = elementwise(
  (forget: Scalar, out: Scalar, h: Scalar, c: Scalar, wi: Scalar, bi: Scalar, wc: Scalar, bc: Scalar) => {
    const change = h.mul(wc).add(bc).tanh();
    const cell = c.mul(forget.sigmoid()).add(h.mul(wi).add(bi).sigmoid().mul(change));
    return [out.sigmoid().mul(cell.tanh()), cell];
  },
  'lstmStep',
);

/** A layer over the whole sequence, [t, b] → [t, b]. Forget and output gates see the input alone: all steps at once. */
function layer(x: Tensor, weights: Tensor, biases: Tensor, hidden: Tensor, cell: Tensor): Tensor {
  const b = x.shape[1];
  const [wf, wi, wo, wc] = weights.reshape([4, b]).unbind(0);
  const [bf, bi, bo, bc] = biases.reshape([4, b]).unbind(0);
  const forget = x.mul(wf).add(bf).unbind(0);
  const out = x.mul(wo).add(bo).unbind(0);
  let [h, c] = [hidden, cell];
  return stack(
    forget.map((f, t) => {
      [h, c] = step(f, out[t], h, c, wi, bi, wc, bc);
      return h;
    }),
  );
}

function objective({ parameters, state, sequence }: Input): Tensor {
  const [inWeights, outWeights, outBiases] = parameters.extra.unbind(0);
  const [count, b] = [sequence.shape[0] - 1, sequence.shape[1]];
  let x: Tensor = sequence.narrow(0, 0, count).mul(inWeights);
  const rows = parameters.main.unbind(0);
  for (let i = 0; i < rows.length; i += 2) {
    x = layer(x, rows[i], rows[i + 1], state.select(0, i), state.select(0, i + 1));
  }
  const predicted = x.mul(outWeights).add(outBiases);
  // ADBench adds 2 under the logarithm.
  const norm = predicted.exp().sum(1, { keepdim: true }).add(2).log();
  const next = sequence.narrow(0, 1, count);
  return next
    .mul(predicted.sub(norm))
    .sum()
    .mul(-1 / (count * b));
}

function prepare(input: Fields): Input {
  return {
    parameters: { main: input.tensor('main_params', 2), extra: input.tensor('extra_params', 2) },
    state: input.tensor('state', 2),
    sequence: input.tensor('sequence', 2),
  };
}

const gradient = (input: Input): Parameters =>
  grad((parameters: Parameters) => objective({ ...input, parameters }))(input.parameters);

export const lstm: Module = {
  objective: defined(prepare, objective, value),
  jacobian: defined(prepare, gradient, ({ main, extra }) => [
    ...(list(main.flatten()) as number[]),
    ...(list(extra.flatten()) as number[]),
  ]),
};
