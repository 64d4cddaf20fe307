import { autograd, grad, hessian, jacfwd, jacrev, jvp, type Tensor, vjp, vmap } from 'nabla';
import { expectClose } from '../support/close.ts';
import { spreadTensor } from '../support/numbers.ts';

/* Every transform, alone and in pairs, of a function from vectors of three to vectors of three. */

export const x = spreadTensor([3], 0.5, 2);
export const batch = spreadTensor([4, 3], 0.5, 2, 1);
const weigh = spreadTensor([3], -1, 1, 2);
const total = (f: (x: Tensor) => Tensor) => (t: Tensor) => f(t).mul(weigh).mul(t).sum();

const programs: Record<string, (f: (x: Tensor) => Tensor) => Tensor | readonly Tensor[]> = {
  value: (f) => f(x),
  grad: (f) => grad(total(f))(x),
  vjp: (f) => vjp(f, x)[1](weigh)[0],
  jvp: (f) => jvp(f, [x], [weigh]),
  vmap: (f) => vmap(f)(batch),
  'vmap of columns': (f) => vmap((t: Tensor) => f(t), { inDims: 1 })(batch),
  jacrev: (f) => jacrev(f)(x),
  jacfwd: (f) => jacfwd(f)(x),
  hessian: (f) => hessian(total(f))(x),
  'grad of grad': (f) => grad((t: Tensor) => grad(total(f))(t).mul(weigh).sum())(x),
  'grad of grad of grad': (f) =>
    grad((s: Tensor) =>
      grad((t: Tensor) => grad(total(f))(t).mul(weigh).sum())(s)
        .mul(s)
        .sum(),
    )(x),
  'jvp of grad': (f) => jvp(grad(total(f)), [x], [weigh]),
  'grad of jvp': (f) => grad((t: Tensor) => jvp(f, [t], [weigh])[1].sum())(x),
  'jvp of jvp': (f) => jvp((t: Tensor) => jvp(f, [t], [weigh])[1], [x], [weigh]),
  'vmap of grad': (f) => vmap(grad(total(f)))(batch),
  'grad of vmap': (f) => grad((t: Tensor) => vmap(total(f))(t).square().sum())(batch),
  'grad of vmap over a shared argument': (f) =>
    grad((t: Tensor) =>
      vmap((b: Tensor) => f(t).mul(b).sum())(batch)
        .square()
        .sum(),
    )(x),
  'vmap of jvp': (f) => vmap((t: Tensor) => jvp(f, [t], [weigh])[1])(batch),
  'jvp of vmap': (f) => jvp(vmap(f), [batch], [batch])[1],
  'vmap of vmap': (f) => vmap(vmap(f))(spreadTensor([2, 4, 3], 0.5, 2)),
  'vmap of hessian': (f) => vmap(hessian(total(f)))(batch),
  'grad of vmap of grad': (f) =>
    grad((t: Tensor) =>
      vmap(grad(total(f)))(t)
        .square()
        .sum(),
    )(batch),
  'vmap of grad of vmap': (f) =>
    vmap(grad((t: Tensor) => vmap(f, { inDims: 0 })(t).square().sum()))(spreadTensor([2, 4, 3], 0.5, 2)),
  'the tape over vmap': (f) => {
    const t = batch.clone().requiresGrad_();
    vmap(total(f))(t).square().sum().backward();
    return t.grad as Tensor;
  },
  'the tape over grad': (f) => {
    const t = x.clone().requiresGrad_();
    grad(total(f))(t).square().sum().backward();
    return t.grad as Tensor;
  },
  'the tape inside grad': (f) =>
    grad((t: Tensor) => {
      const [g] = autograd.grad(total(f)(t), t, { createGraph: true });
      return g.square().sum();
    })(x),
  'the tape twice': (f) => {
    const t = x.clone().requiresGrad_();
    const [g] = autograd.grad(total(f)(t), t, { createGraph: true });
    return autograd.grad(g.square().sum(), t)[0];
  },
};

export const programNames = Object.keys(programs);

/** Fails unless two functions agree under the program. */
export function agree(name: string, f: (x: Tensor) => Tensor, expected: (x: Tensor) => Tensor): void {
  const list = (r: Tensor | readonly Tensor[]): readonly Tensor[] => (Array.isArray(r) ? r : [r as Tensor]);
  const results = list(programs[name](expected));
  list(programs[name](f)).forEach((t, i) => {
    expectClose(t, results[i], { what: name });
  });
}
