/** The types of what runs functions in a mode, again, or for their derivatives. */
import { autograd, checkpoint, forwardAd, inferenceMode, noGrad, ones, type Tensor, zeros } from 'nabla';
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
});
