/** Layers of long short-term memory (Hochreiter and Schmidhuber 1997), step by step; the loss is the mean square of the last outputs. */
import { elementwise, functional as F, randn, type Scalar, stack, type Tensor, zeros } from 'nabla';
import { bias, seeded, type Training, weight } from './layers.ts';

const PER_LAYER = 4;

/** The new hidden and cell states from the gates (before their sigmoids and tanh) and the cell state. */
const cell = elementwise((i: Scalar, f: Scalar, g: Scalar, o: Scalar, c: Scalar) => {
  const next = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
  return [o.sigmoid().mul(next.tanh()), next] as const;
}, 'lstmCell');

type Four = [Tensor, Tensor, Tensor, Tensor];

/** One layer over a sequence [length, batch, inputs]; what the inputs give to the gates is one product for all steps. */
function layer(parameters: readonly Tensor[], x: Tensor, size: number): Tensor {
  const [wx, bx, wh, bh] = parameters as Four;
  const batch = x.shape[1] as number;
  let h: Tensor = zeros([batch, size]);
  let c: Tensor = zeros([batch, size]);
  const th: Tensor = wh.t();
  const steps = F.linear(x, wx, bx.add(bh))
    .unbind(0)
    .map((gates: Tensor) => {
      const [i, f, g, o] = gates.addmm(h, th).chunk(4, 1) as Four;
      [h, c] = cell(i, f, g, o, c);
      return h;
    });
  return stack(steps);
}

export function lstmTraining(layers: number, size: number, length: number, batch: number): Training {
  return seeded(() => {
    const x: Tensor = randn([length, batch, size]);
    return {
      parameters: Array.from({ length: layers }, () => [
        weight([4 * size, size], size),
        bias(4 * size),
        weight([4 * size, size], size),
        bias(4 * size),
      ]).flat(),
      loss: (parameters) => {
        let h = x;
        for (let i = 0; i < layers; i++) h = layer(parameters.slice(i * PER_LAYER, (i + 1) * PER_LAYER), h, size);
        return h.select(0, -1).square().mean();
      },
    };
  });
}
