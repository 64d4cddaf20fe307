/** Chains of elementwise operations as one kernel of the user's own, against the same chain operation by operation. */
import { elementwise, randn, type Scalar, type Tensor } from 'nabla';
import { type Case, type Goal, ofPyTorch } from '../case.ts';

const N = 1_000_000;

interface Value<T> {
  mul(other: T | number): T;
  add(other: T | number): T;
  tanh(): T;
  sigmoid(): T;
}

/** tanh(σ(x) x + y / 2) y: six operations, two of them transcendental. */
const chain = <T extends Value<T>>(x: T, y: T): T => x.sigmoid().mul(x).add(y.mul(0.5)).tanh().mul(y);

const fusedChain = elementwise((x: Scalar, y: Scalar) => chain(x, y), 'chain');

function operands(requiresGrad: boolean): [Tensor, Tensor] {
  return [randn([N], { requiresGrad }), randn([N], { requiresGrad })];
}

function backward(f: (x: Tensor, y: Tensor) => Tensor): () => void {
  const [x, y] = operands(true);
  return () => {
    f(x, y).sum().backward();
    x.grad = null;
    y.grad = null;
  };
}

const forward = (f: (x: Tensor, y: Tensor) => Tensor): (() => unknown) => {
  const [x, y] = operands(false);
  return () => f(x, y);
};

interface Way {
  readonly of: (x: Tensor, y: Tensor) => Tensor;
  readonly goals: readonly Goal[];
}

const ways: Readonly<Record<string, Way>> = {
  'one by one': { of: (x, y) => chain<Tensor>(x, y), goals: [] },
  fused: { of: fusedChain, goals: [ofPyTorch(0.7)] },
};

export const fused: readonly Case[] = Object.entries(ways).flatMap(([way, { of, goals }]): Case[] => [
  { name: `chain of 6, ${way}, 1M`, unit: 'ms', work: 1, goals, setup: () => forward(of) },
  { name: `chain of 6, ${way}, forward + backward, 1M`, unit: 'ms', work: 1, goals, setup: () => backward(of) },
]);
