import { expect, it, vi } from 'vitest';
import * as own from '../../src/index.ts';

// A program may hold two copies of the library (two versions of it among its dependencies), each with a memory of its
// own; and structuredClone, which postMessage uses, leaves of a tensor what has no memory at all.
const { functional: F, grad, linalg, noGrad, tensor, vmap } = own;

vi.resetModules();
const other = await import('../../src/index.ts');

/** Some only see that it is no tensor of theirs. */
const strange =
  /another copy of the library|gradients can be|expected a Tensor|return a Tensor|at least one Tensor|valid indices/i;

const programs: Record<string, (a: own.Tensor, x: own.Tensor) => unknown> = {
  add: (a, x) => a.add(x),
  'a number of it': (a, x) => a.add(x.sum()),
  add_: (a, x) => a.clone().add_(x),
  mul: (a, x) => a.mul(x.as([3])),
  'mul of a scalar': (a, x) => a.mul(x.at(0)),
  'matmul of vectors': (a, x) => a.matmul(x),
  'matmul of matrices': (a, x) => a.reshape([1, 3]).matmul(x.reshape([3, 1])),
  eq: (a, x) => a.eq(x),
  where: (a, x) => own.where(x.gt(1), a, a),
  cat: (a, x) => own.cat([a, x]),
  at: (a, x) => a.at(x.to('int32').sub(1)),
  indexSelect: (a, x) => a.indexSelect(0, x.to('int32').sub(1)),
  copy_: (a, x) => a.clone().copy_(x),
  relu: (_, x) => F.relu(x),
  softmax: (_, x) => F.softmax(x, 0),
  mseLoss: (a, x) => F.mseLoss(a, x),
  linear: (a, x) => F.linear(a, x.reshape([1, 3])),
  'linalg.norm': (_, x) => linalg.norm(x),
  'backward with its gradient': (a, x) => a.clone().requiresGrad_().mul(2).backward({ gradient: x }),
  grad: (_, x) => grad((t: own.Tensor) => t.mul(t).sum())(x),
  vmap: (_, x) => vmap((t: own.Tensor) => t.mul(2))(x),
  'autograd.grad': (_, x) => own.autograd.grad(x.clone().requiresGrad_().mul(x).sum(), [x]),
  'a function of this copy inside a transform of the other': (a, x) =>
    other.grad(
      (t) =>
        F.relu(t as never)
          .add(a)
          .sum() as never,
    )(x as never),
};

for (const [name, program] of Object.entries(programs)) {
  it(`a tensor of another copy of the library is refused: ${name}`, () => {
    const a = tensor([1, 2, 3]);
    const x = other.tensor([1, 2, 3]) as unknown as own.Tensor;
    expect(() => program(a, x)).toThrow(strange);
    // Also where both copies have been told the same so far.
    expect(() => program(a, (other.tensor([1, 2, 3]) as unknown as own.Tensor).mul(1))).toThrow(strange);
    expect(a.add(1).toArray()).toEqual([2, 3, 4]);
  });
}

it('what structuredClone leaves of a tensor is refused, and the message says what to do', () => {
  const a = tensor([1, 2, 3]);
  const husk = structuredClone(a);
  for (const use of [() => a.add(husk), () => a.matmul(husk), () => F.relu(husk), () => own.cat([a, husk])])
    expect(use).toThrow(/structuredClone and postMessage.*toTypedArray/);
  noGrad(() => expect(tensor(structuredClone(a.toTypedArray())).toArray()).toEqual([1, 2, 3]));
});
