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

/** How many steps of the recurrence are one fused operation. */
const STEPS = 8;

type Steps = (...inputs: readonly Tensor[]) => Tensor[];
const made = new Map<number, Steps>();

/**
 * `n` steps of a layer as one operation: from the forget and output gates of each step, hidden state and
 * cell before, and the weights and biases of the two gates that see the hidden state, to the hidden
 * states after each step and the last cell.
 */
function steps(n: number): Steps {
  const known = made.get(n);
  if (known !== undefined) return known;
  const f = (...inputs: readonly Scalar[]): Scalar[] => {
    const [before, cell, wi, bi, wc, bc] = inputs.slice(2 * n);
    const hidden: Scalar[] = [];
    let [h, c] = [before, cell];
    for (let t = 0; t < n; t++) {
      const change = h.mul(wc).add(bc).tanh();
      c = c.mul(inputs[t]).add(h.mul(wi).add(bi).sigmoid().mul(change));
      h = inputs[n + t].mul(c.tanh());
      hidden.push(h);
    }
    return [...hidden, c];
  };
  const op = elementwise(f, 'lstmSteps', 2 * n + 6) as Steps;
  made.set(n, op);
  return op;
}

/** A layer over the whole sequence, [t, b] → [t, b]. Forget and output gates see the input alone: all steps at once. */
function layer(x: Tensor, weights: Tensor, biases: Tensor, hidden: Tensor, cell: Tensor): Tensor {
  const b = x.shape[1];
  const [wf, wi, wo, wc] = weights.reshape([4, b]).unbind(0);
  const [bf, bi, bo, bc] = biases.reshape([4, b]).unbind(0);
  const forget = gate(x, wf, bf).unbind(0);
  const out = gate(x, wo, bo).unbind(0);
  const states: Tensor[] = [];
  let [h, c] = [hidden, cell];
  for (let t = 0; t < forget.length; t += STEPS) {
    const n = Math.min(STEPS, forget.length - t);
    const after = steps(n)(...forget.slice(t, t + n), ...out.slice(t, t + n), h, c, wi, bi, wc, bc);
    states.push(...after.slice(0, n));
    [h, c] = after.slice(n - 1);
  }
  return stack(states);
}

const gate = elementwise((x, w, b) => x.mul(w).add(b).sigmoid(), 'gate');

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
