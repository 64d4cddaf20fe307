/** Layers of long short-term memory (Hochreiter and Schmidhuber 1997), step by step; the loss is the mean square of the last outputs. */
import { randn, type Tensor, zeros } from 'nabla';
import { bias, seeded, type Training, weight } from './layers.ts';

const PER_LAYER = 4;

/** One layer over a list of inputs [batch, inputs]. */
function layer(parameters: readonly Tensor[], inputs: readonly Tensor[], size: number): Tensor[] {
  const [wx, bx, wh, bh] = parameters as [Tensor, Tensor, Tensor, Tensor];
  const batch = inputs[0]?.shape[0] as number;
  let h: Tensor = zeros([batch, size]);
  let c: Tensor = zeros([batch, size]);
  const [tx, th] = [wx.t(), wh.t()];
  return inputs.map((x) => {
    const gates: Tensor = x.mm(tx).add(bx).add(h.mm(th)).add(bh);
    const [i, f, g, o] = [0, 1, 2, 3].map((j) => gates.slice(1, j * size, (j + 1) * size)) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    h = o.sigmoid().mul(c.tanh());
    return h;
  });
}

export function lstmTraining(layers: number, size: number, length: number, batch: number): Training {
  return seeded(() => {
    const x: Tensor = randn([length, batch, size]);
    const steps = Array.from({ length }, (_, t): Tensor => x.select(0, t));
    return {
      parameters: Array.from({ length: layers }, () => [
        weight([4 * size, size], size),
        bias(4 * size),
        weight([4 * size, size], size),
        bias(4 * size),
      ]).flat(),
      loss: (parameters) => {
        let h = steps;
        for (let i = 0; i < layers; i++) h = layer(parameters.slice(i * PER_LAYER, (i + 1) * PER_LAYER), h, size);
        return (h.at(-1) as Tensor).square().mean();
      },
    };
  });
}
