/** Things that throw in the middle of something, each with what it throws. */
import {
  autograd,
  checkpoint,
  crossEntropy,
  customVjp,
  enableGrad,
  functional as F,
  forwardAd,
  grad,
  hessian,
  inferenceMode,
  jacrev,
  jvp,
  linalg,
  noGrad,
  ones,
  profile,
  setGradEnabled,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';

export class Accident extends Error {
  override readonly name = 'Accident';
}

export const accident = (): never => {
  throw new Accident('on purpose');
};

interface Case {
  readonly body: () => unknown;
  /** In the message, if it is the library that throws. */
  readonly message?: RegExp;
}

/** A leaf, of a page or of a block of its own. */
const leaf = (large: boolean): Tensor => ones(large ? [200, 100] : [8, 6], { requiresGrad: true });

/** Throws in backward, and nothing else. */
class Refuses extends autograd.Function {
  static forward(ctx: autograd.FunctionContext, x: Tensor): Tensor {
    ctx.saveForBackward(x);
    return x.exp();
  }
  static backward(ctx: autograd.FunctionContext, g: Tensor): Tensor {
    ctx.savedTensors[0]?.mul(g).tanh();
    return accident();
  }
}

class RefusesForward extends autograd.Function {
  static forward(_: autograd.FunctionContext, x: Tensor): Tensor {
    x.exp().sin();
    return accident();
  }
  static backward(_: autograd.FunctionContext, g: Tensor): Tensor {
    return g;
  }
}

const ruined = customVjp((x: Tensor) => x.sin(), {
  forward: (x) => [x.sin(), x.cos()],
  backward: accident,
});

/** A forward with room for something in the middle. */
function model(x: Tensor, middle: (h: Tensor) => Tensor): Tensor {
  const h = x.mul(2).tanh();
  return middle(h).matmul(h.T).softmax(1).square().sum();
}

const same = (h: Tensor): Tensor => h;
const throws = (h: Tensor): Tensor => {
  h.exp();
  return accident();
};

/** By name; each is to throw, and to leave no trace. */
export const accidents = (large: boolean): Readonly<Record<string, Case>> => ({
  'in forward': { body: () => model(leaf(large), throws) },
  'shapes that do not fit': { body: () => model(leaf(large), (h) => h.T.exp()), message: /shape|size/ },
  'an index out of range in a kernel': {
    body: () => model(leaf(large), (h) => h.indexSelect(0, tensor([0, 1_000_000], { dtype: 'int32' }))),
    message: /out of range/,
  },
  'inside an operation made of operations': {
    body: () => crossEntropy(leaf(large), zeros([large ? 200 : 8], { dtype: 'int32' }).add(1000) as Tensor),
    message: /out of/,
  },
  'a matrix that is not positive definite': {
    body: () => linalg.cholesky(leaf(false).matmul(leaf(false).T).neg()),
    message: /positive-definite/,
  },
  'more memory than there is': {
    body: () => model(leaf(large), (h) => h.expand([100_000_000, ...h.shape]).mul(2)),
    message: /4 GiB|memory/,
  },

  'in a hook of a tensor': {
    body: () =>
      model(leaf(large), (h) => {
        h.registerHook(accident);
        return h;
      }).backward(),
  },
  'in a hook of a leaf, after other gradients were accumulated': {
    body: () => {
      const x = leaf(large);
      x.registerPostAccumulateGradHook(accident);
      model(x, same).backward();
    },
  },
  'in a hook of a node': {
    body: () =>
      model(leaf(large), (h) => {
        h.gradFn?.registerHook(accident);
        return h;
      }).backward(),
  },
  'in a pass inside a hook': {
    body: () => {
      const inner = (): void =>
        model(leaf(large), (h) => {
          h.registerHook(accident);
          return h;
        }).backward();
      model(leaf(large), (h) => {
        h.registerHook(() => enableGrad(inner));
        return h;
      }).backward();
    },
  },
  'in the backward of a function': { body: () => model(leaf(large), (h) => Refuses.apply(h)).backward() },
  'in the forward of a function': { body: () => model(leaf(large), (h) => RefusesForward.apply(h)) },
  'in a rule of customVjp': { body: () => model(leaf(large), ruined).backward() },
  'in a backward that is recorded': {
    body: () => {
      const x = leaf(large);
      const y = model(x, (h) => Refuses.apply(h));
      autograd.grad(y, x, { createGraph: true });
    },
  },
  'a saved tensor that was changed': {
    body: () => {
      const x = leaf(large);
      const h = x.exp();
      const y = h.mul(h).sum();
      noGrad(() => h.add_(1));
      y.backward();
    },
    message: /inplace operation/,
  },
  'a second pass over a graph': {
    body: () => {
      const y = model(leaf(large), same);
      y.backward();
      y.backward();
    },
    message: /second time/,
  },

  'an update in place whose shape does not fit': {
    body: () => {
      const x = leaf(large);
      model(x, same).backward();
      noGrad(() => x.sub_((x.grad as Tensor).T.exp()));
    },
    message: /shape|size/,
  },
  'an update in place of a leaf': { body: () => leaf(large).add_(1), message: /leaf Variable that requires grad/ },
  'a write in place that fails half way': {
    body: () => {
      const x: Tensor = zeros(large ? [200, 100] : [8, 6]);
      x.indexCopy_(0, tensor([1, 1_000_000], { dtype: 'int32' }), ones([2, x.shape[1] as number]));
    },
    message: /out of range/,
  },

  'inside noGrad': { body: () => noGrad(() => model(leaf(large), throws)) },
  'inside enableGrad inside noGrad': { body: () => noGrad(() => enableGrad(() => model(leaf(large), throws))) },
  'inside setGradEnabled(false)': { body: () => setGradEnabled(false, () => model(leaf(large), throws)) },
  'inside inference mode': { body: () => inferenceMode(() => inferenceMode(false, () => model(leaf(large), throws))) },
  'inside anomaly mode': { body: () => autograd.withAnomalyDetection(() => model(leaf(large), throws)) },
  'in backward, in anomaly mode': {
    body: () => autograd.withAnomalyDetection(() => model(leaf(large), (h) => Refuses.apply(h)).backward()),
  },
  'inside a profile': { body: () => profile(() => model(leaf(large), throws), { print: false }) },

  'inside vmap': { body: () => vmap((x: Tensor) => x.exp().mul(2).add(accident()))(leaf(large)) },
  'a value of a batch': { body: () => vmap((x: Tensor) => x.mul(x.sum().item()))(leaf(large)), message: /item\(\)/ },
  'inside grad': { body: () => grad((x: Tensor) => model(x, throws))(leaf(large)) },
  'a gradient of what is no number': { body: () => grad((x: Tensor) => x.exp())(leaf(large)), message: /scalar/ },
  'in a hook inside grad': {
    body: () =>
      grad((x: Tensor) =>
        model(x, (h) => {
          h.registerHook(accident);
          return h;
        }),
      )(leaf(large)),
  },
  'inside jvp': { body: () => jvp((x: Tensor) => model(x, throws), [leaf(large)], [leaf(large)]) },
  'inside all of them': {
    body: () =>
      vmap((x: Tensor) => jvp((y: Tensor) => grad((z: Tensor) => z.sin().mul(y).sum().add(accident()))(y), [x], [x]))(
        leaf(large),
      ),
  },
  'inside a Jacobian and a Hessian': {
    body: () => jacrev((x: Tensor) => hessian((y: Tensor) => y.pow(3).sum().mul(accident()))(x))(ones([3])),
  },
  'in noGrad inside grad': { body: () => grad((x: Tensor) => noGrad(() => model(x, throws)))(leaf(large)) },
  'inside a dual level': {
    body: () => forwardAd.dualLevel(() => model(forwardAd.makeDual(leaf(large), leaf(large).detach()), throws)),
  },

  'inside a checkpoint': { body: () => checkpoint((x: Tensor) => model(x, throws), leaf(large)) },
  'when a checkpoint runs again': {
    body: () => {
      let runs = 0;
      const f = (x: Tensor): Tensor => model(x, (h) => (runs++ === 0 ? h : throws(h)));
      checkpoint(f, leaf(large)).backward();
    },
  },
  'in a checkpoint inside a checkpoint inside grad': {
    body: () => {
      let runs = 0;
      const inner = (x: Tensor): Tensor => model(x, (h) => (runs++ === 0 ? h : throws(h)));
      grad((x: Tensor) => checkpoint((y: Tensor) => checkpoint(inner, y.mul(2)), x))(leaf(large));
    },
  },
  'when a tensor is packed': {
    body: () => autograd.graph.savedTensorsHooks(accident, same, () => model(leaf(large), same)),
  },
  'when a tensor is unpacked': {
    body: () => autograd.graph.savedTensorsHooks(same, accident, () => model(leaf(large), same)).backward(),
  },
  'where saved tensors may be changed': {
    body: () =>
      autograd.graph.allowMutationOnSavedTensors(() =>
        model(leaf(large), (h) => {
          h.exp().mul_(2);
          return throws(h);
        }),
      ),
  },
  'in a dropout': { body: () => model(leaf(large), (h) => throws(F.dropout(h, { p: 0.5 }) as Tensor)) },
});
