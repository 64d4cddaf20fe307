/**
 * Graphs in every state: hooks that hold what they hang on, graphs that are kept and dropped, passes that
 * are recorded, chains of many thousand nodes. None may outlive its last holder.
 */
import { autograd, checkpoint, manualSeed, rand, type Tensor, tensor } from 'nabla';
import type { Scenario, Soak } from '../scenario.ts';

const VALUES = [1, 2, 3];

/** A leaf, with so many elements more that its results are large. */
const leafOf = (extra: number): Tensor =>
  tensor(
    Float64Array.from({ length: VALUES.length + extra }, (_, i) => VALUES[i] ?? 0),
    { requiresGrad: true },
  );

/** Keeps, through its context, its own result. */
class Cube extends autograd.Function {
  static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
    const y = x.pow(3);
    ctx.saveForBackward(x, y);
    return y;
  }
  static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
    const [x] = ctx.savedTensors as [Tensor, Tensor];
    return g.mul(x.square()).mul(3);
  }
}

const head = (t: Tensor | null): ArrayLike<number> => (t as Tensor).detach().narrow(0, 0, VALUES.length).toTypedArray();

/** Each is one step on a new leaf x, and gives what ∂(Σ x³)/∂x must be or what was said beside it. */
const kinds: Readonly<Record<string, (x: Tensor) => Tensor | null>> = {
  'hooks that hold their tensors'(x) {
    const y = x.pow(3);
    const loss = y.sum();
    y.registerHook((g) => (y.numel() > 0 && loss.requiresGrad ? g : null));
    y.gradFn?.registerHook(() => {
      loss.numel();
    });
    x.registerPostAccumulateGradHook(() => {
      y.numel();
    });
    loss.backward();
    return x.grad;
  },
  'retained gradients'(x) {
    const y = x.square();
    y.retainGrad();
    const z = y.mul(x);
    z.retainGrad();
    z.sum().backward();
    return (y.grad as Tensor).mul((z.grad as Tensor).add(2)).mul(x.detach());
  },
  'graphs that nobody differentiates'(x) {
    x.exp().sin().mul(x).sum();
    x.pow(3).sum().backward();
    return x.grad;
  },
  'a retained graph'(x) {
    const loss = x.pow(3).sum();
    loss.backward({ retainGraph: true });
    x.grad = null;
    loss.backward({ retainGraph: true });
    return x.grad;
  },
  'a pass that is recorded'(x) {
    const [g] = autograd.grad(x.pow(3).sum(), x, { createGraph: true });
    const [h] = autograd.grad(g.sum(), x, { createGraph: true });
    // h = 6 x
    return h.mul(x).div(2);
  },
  'a cycle through the gradient'(x) {
    x.pow(3).sum().backward({ createGraph: true });
    // The leaf holds its gradient, which holds the graph, which holds the leaf.
    return x.grad;
  },
  'a function of its own'(x) {
    Cube.apply(x).sum().backward();
    return x.grad;
  },
  'a checkpoint'(x) {
    checkpoint((t: Tensor) => t.square().mul(t).sum(), x).backward();
    return x.grad;
  },
  'changes of saved tensors'(x) {
    return autograd.graph.allowMutationOnSavedTensors(() => {
      const y = x.mul(1);
      const loss = y.square().mul(y).sum();
      y.zero_();
      loss.backward();
      return x.grad;
    });
  },
  'a multi-tensor hook'(x) {
    const [y, z] = [x.mul(x), x.mul(1)];
    const seen: (Tensor | null)[] = [];
    autograd.graph.registerMultiGradHook([y, z], (grads) => {
      seen.push(...grads);
    });
    y.mul(z).sum().backward();
    return seen.length === 2 ? x.grad : null;
  },
  'a chain'(x) {
    let y: Tensor = x.square();
    for (let i = 0; i < 100; i++) y = y.neg();
    y.mul(x).sum().backward();
    return x.grad;
  },
};

function run(soak: Soak): void {
  manualSeed(0);
  const all = Object.entries(kinds);
  const expected = VALUES.map((v) => 3 * v * v);
  for (let step = 0; step < soak.steps; step++) {
    const [name, make] = all[step % all.length] as (typeof all)[number];
    const x = leafOf(step % 16 === 0 ? 20_000 : 5);
    soak.near(`${name}, step ${step}`, head(make(x)), expected, 1e-12);
    if (step % 500 === 0) {
      // A chain that no stack would hold, and one that is dropped as it is.
      const leaf: Tensor = rand([4]).requiresGrad_();
      let y = leaf.mul(1);
      for (let i = 0; i < 20_000; i++) y = y.add(1);
      if (step % 1000 === 0) {
        y.sum().backward();
        soak.equal(`a long chain, step ${step}`, (leaf.grad as Tensor).toTypedArray(), [1, 1, 1, 1]);
      }
    }
    soak.after(step);
  }
}

export const graphs: Scenario = {
  name: 'graphs of every kind',
  steps: 400_000,
  shortSteps: 5500,
  // Long chains leave pages behind that are used in part; the linear memory grows by 16 MB at a time.
  limits: { buffers: 48, heap: 48, resident: 96, linear: 20 },
  run,
};
