/** The types of what runs functions in a mode, again, or for their derivatives. */
import {
  autograd,
  checkpoint,
  forwardAd,
  hessian,
  inferenceMode,
  jacfwd,
  jacobian,
  jacrev,
  noGrad,
  ones,
  type Tensor,
  vmap,
  zeros,
} from 'nabla';
import { describe, it } from 'vitest';
import { compiled, is, shaped, wrong } from './expect.ts';

const { functional, graph } = autograd;
const a = ones([2, 3]);
const v = ones([3]);

describe('types', () => {
  it('of modes and saved-tensor hooks are those of the callback', () => {
    const quiet = noGrad(() => a.sum(1));
    shaped(quiet, [2]);
    const inferred = inferenceMode(() => a.t());
    shaped(inferred, [3, 2]);
    const kept = graph.saveOnCpu(() => a.mul(v));
    shaped(kept, [2, 3]);
    is<string>()(
      graph.savedTensorsHooks(
        (t) => [t] as const,
        ([t]) => t,
        () => 'x',
      ),
    );
    const length = (t: string): Tensor => zeros([t.length]);
    // @ts-expect-error: unpack takes what pack returns
    compiled(() => graph.savedTensorsHooks((t) => [t], length));
  });

  it('of checkpoint are those of its function', () => {
    const f = (x: Tensor<[2, 3]>, y: Tensor<[3]>, scale: number): Tensor<[2]> => x.mul(y).sum(1).mul(scale);
    shaped(checkpoint(f, a, v, 2), [2]);
    shaped(checkpoint(f, a, v, 2, { earlyStop: false }), [2]);
    is<{ y: Tensor<[3]>; n: number }>()(checkpoint((x: Tensor<[2, 3]>) => ({ y: x.sum(0), n: 1 }), a));
    // @ts-expect-error
    compiled(() => checkpoint(f, a, v));
    // @ts-expect-error
    compiled(() => checkpoint(f, v, v, 2));
    // @ts-expect-error
    compiled(() => checkpoint(f, a, v, 2, { earlyStopp: false }));
  });

  it('of duals are those of their primals', () => {
    forwardAd.dualLevel(() => {
      const d = forwardAd.makeDual(a, ones([2, 3]));
      shaped(d, [2, 3]);
      const { primal, tangent } = forwardAd.unpackDual(d.sum(0));
      shaped(primal, [3]);
      is<Tensor<[3]> | null>()(tangent);
      // @ts-expect-error
      wrong(() => forwardAd.makeDual(a, v));
    });
  });

  it('of Jacobians and products follow from what is one tensor and what is several', () => {
    const f = (x: Tensor): Tensor => x.sin();
    const g = (x: Tensor, y: Tensor): [Tensor, Tensor] => [x.mul(y), y.sum()];
    is<Tensor>()(functional.jacobian(f, v as Tensor));
    is<[[Tensor, Tensor], [Tensor, Tensor]]>()(functional.jacobian(g, [v as Tensor, v as Tensor]));
    is<[Tensor, Tensor]>()(functional.jacobian((x: Tensor, y: Tensor) => x.mul(y), [v as Tensor, v as Tensor]));
    const [y, [gx, gy]] = functional.vjp((x: Tensor, z: Tensor) => x.mul(z).sum(), [v, v]);
    is<Tensor<[]>>()(y);
    is<Tensor>()(gx);
    is<Tensor>()(gy);
    // @ts-expect-error
    compiled(() => functional.hessian(g, [v, v]));
    // @ts-expect-error
    wrong(() => functional.vjp(f, 3));
  });

  it('of transforms are trees of trees', () => {
    type Model = {
      readonly w: Tensor;
      readonly layers: readonly [{ b: Tensor }];
      scale: number;
      act: (t: Tensor) => Tensor;
    };
    const model: Model = { w: v, layers: [{ b: v }], scale: 2, act: (t) => t.sin() };
    const f = (m: Model, x: Tensor): Tensor => m.act(m.w.mul(m.layers[0].b).mul(x)).mul(m.scale);
    const j = jacrev(f)(model, v);
    is<Tensor>()(j.layers[0].b);
    is<number>()(j.scale);
    is<[Tensor, { w: Tensor; layers: [{ b: Tensor }]; scale: number; act: (t: Tensor) => Tensor }]>()(
      jacobian(f, { argnums: [1, 0] })(model, v),
    );
    is<Tensor>()(jacrev(f, { argnum: 1 })(model, v));
    is<Tensor>()(vmap(jacfwd(f, { argnums: 1 }), { inDims: [null, 0] })(model, a));
    const tensors = { w: v, b: v };
    const g = (m: { w: Tensor; b: Tensor }): { y: Tensor; z: [Tensor] } => ({ y: m.w.mul(m.b), z: [m.b] });
    is<{ y: { w: Tensor; b: Tensor }; z: [{ w: Tensor; b: Tensor }] }>()(jacfwd(g)(tensors));
    const h = hessian((m: { w: Tensor; b: Tensor }) => m.w.mul(m.b).sum())(tensors);
    is<{ w: { w: Tensor; b: Tensor }; b: { w: Tensor; b: Tensor } }>()(h);
    is<Tensor>()(hessian((t: Tensor) => t.square().sum())(v));
    const [[hxx, hxm]] = hessian((x: Tensor, m: { b: Tensor }) => x.mul(m.b).sum(), { argnums: [0, 1] })(v, { b: v });
    is<Tensor>()(hxx);
    is<{ b: Tensor }>()(hxm);
    const [jy, aux] = jacrev((t: Tensor): [Tensor, { n: number }] => [t.sin(), { n: 3 }], { hasAux: true })(v);
    is<Tensor>()(jy);
    is<{ n: number }>()(aux);
    // @ts-expect-error: a tree is no tensor
    wrong(() => jacrev(f)(model, v).sum());
  });

  it('of autograd.grad are one for each input', () => {
    const x = ones([3], { requiresGrad: true });
    const y: Tensor[] = [x, x];
    is<[Tensor]>()(autograd.grad(x.sum(), x));
    is<[Tensor, Tensor]>()(autograd.grad(x.sum(), [x, x]));
    is<Tensor[]>()(autograd.grad(x.sum(), y));
    is<[Tensor | null]>()(autograd.grad(x.sum(), x, { allowUnused: true }));
  });
});
