/** What an operation costs before any arithmetic: recording it and walking back over it. */
import { arange, randn, type Tensor, tensor } from 'nabla';
import type { Case } from '../case.ts';

const CHAIN = 1000;
const LONG_CHAIN = 1_000_000;

function chain(x: Tensor, length: number): Tensor {
  let y: Tensor = x;
  for (let i = 0; i < length; i++) y = y.mul(1.0001);
  return y;
}

function seedExample(): () => void {
  const x: Tensor = arange(4, { requiresGrad: true });
  return () => {
    x.grad = null;
    x.dot(x).mul(2).backward();
  };
}

/** Calls many operations on many shapes, so that the engine's inline caches have seen what a real program shows them. */
function mixedProgram(): void {
  for (let i = 0; i < 300; i++) {
    const a: Tensor = randn([3, 4], { requiresGrad: true });
    const b: Tensor = randn([4, 5], { requiresGrad: true, dtype: 'float32' });
    const h: Tensor = a.matmul(b).tanh();
    const p: Tensor = h.softmax(1).log().sum(0).exp();
    p.mul(p).sub(1).transpose(0, 0).slice(0, 1, 4).mean().backward();
    a.double().sin().add(a).sum().backward();
  }
}

export const overhead: readonly Case[] = [
  {
    name: 'seed example, forward + backward',
    unit: 'µs',
    work: 1,
    goals: [{ atMost: 2 }],
    setup: seedExample,
  },
  {
    name: 'seed example inside a larger program',
    unit: 'µs',
    work: 1,
    goals: [{ atMost: 2 }],
    setup: () => {
      mixedProgram();
      return seedExample();
    },
  },
  {
    name: 'chain of 1,000 mul, per operation',
    unit: 'µs',
    work: CHAIN,
    goals: [{ atMost: 0.7 }],
    setup: () => {
      const x: Tensor = tensor(1, { requiresGrad: true });
      return () => {
        x.grad = null;
        chain(x, CHAIN).backward();
      };
    },
  },
  {
    name: 'chain of 1,000 mul of two tensors, per operation',
    unit: 'µs',
    work: CHAIN,
    setup: () => {
      const x: Tensor = tensor(1, { requiresGrad: true });
      const w: Tensor = tensor(1.0001, { requiresGrad: true });
      return () => {
        x.grad = null;
        w.grad = null;
        let y = x;
        for (let i = 0; i < CHAIN; i++) y = y.mul(w);
        y.backward();
      };
    },
  },
  {
    name: 'chain of 1,000,000 mul',
    unit: 'ms',
    work: 1,
    minCalls: 1,
    setup: () => {
      const x: Tensor = tensor(1, { requiresGrad: true });
      return () => {
        x.grad = null;
        chain(x, LONG_CHAIN).backward();
      };
    },
  },
];
