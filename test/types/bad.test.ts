/**
 * Mistakes. Each is an error for the compiler, on the line marked, and (where the library can know) at
 * run time. A type that starts to let one pass makes the mark itself an error.
 */
import {
  arange,
  cat,
  crossEntropy,
  einsum,
  nllLoss,
  onesLike,
  randn,
  stack,
  type Tensor,
  tensor,
  where,
  zeros,
} from 'nabla';
import { describe, it } from 'vitest';
import type { Shape } from '../../src/tensor/shapes.ts';
import { dim, Linear } from './ahead.ts';
import { compiled, wrong } from './expect.ts';

const a = zeros([2, 3]);
const b = zeros([4, 3]);
const v = zeros([3]);
const x4 = zeros([2, 3, 4, 5]);
const one = tensor(1);
const x = randn([4 as number, 784]);
const long = (...sizes: number[]): Tensor => zeros(sizes, { dtype: 'int32' });

describe('mistakes', () => {
  it('in what hooks give', () => {
    const seen: Tensor[] = [];
    const t = zeros([], { requiresGrad: true });
    wrong(() => {
      // @ts-expect-error `push` gives a number, which is no gradient.
      t.registerHook((g) => seen.push(g));
      t.backward();
    });
    const u = zeros([], { requiresGrad: true });
    wrong(() => {
      // @ts-expect-error
      u.registerPostAccumulateGradHook((p) => p.grad);
      u.backward();
    });
  });

  it('in data', () => {
    // @ts-expect-error
    wrong(() => tensor([[1, 2], [3]]));
    // @ts-expect-error
    wrong(() => tensor([1, [2]]));
    // @ts-expect-error
    wrong(() => tensor('1'));
    // @ts-expect-error
    wrong(() => tensor([1, 2, 3, 4], { shape: [3, 2] }));
    // @ts-expect-error
    wrong(() => zeros('3'));
  });

  it('in arithmetic', () => {
    // @ts-expect-error
    wrong(() => a.add(b));
    // @ts-expect-error
    wrong(() => a.mul(zeros([4])));
    // @ts-expect-error
    wrong(() => zeros([5, 2, 3]).sub(zeros([4, 1, 3])));
    // @ts-expect-error
    wrong(() => x.add(zeros([100])));
    // @ts-expect-error
    wrong(() => a.gt(b));
    // @ts-expect-error
    wrong(() => a.maximum(b));
    // @ts-expect-error
    wrong(() => a.add('2'));
    // @ts-expect-error
    wrong(() => a.clamp(zeros([4])));
    // @ts-expect-error
    wrong(() => a.clamp(0, zeros([4])));
    // @ts-expect-error
    wrong(() => where(a.gt(0), b, 0));
    // @ts-expect-error
    wrong(() => where(v.gt(0), a, b));
  });

  it('in place', () => {
    // @ts-expect-error
    wrong(() => v.clone().add_(a));
    // @ts-expect-error
    wrong(() => a.clone().mul_(b));
    // @ts-expect-error
    wrong(() => zeros([2, 1]).copy_(a));
  });

  it('in reductions', () => {
    // @ts-expect-error
    wrong(() => a.sum(2));
    // @ts-expect-error
    wrong(() => a.mean([0, -3]));
    // @ts-expect-error
    wrong(() => x4.sum([1, -3]));
    // @ts-expect-error
    wrong(() => one.sum(1));
    // @ts-expect-error
    wrong(() => a.argmax(-3));
    // @ts-expect-error
    wrong(() => a.max(2));
    // @ts-expect-error
    wrong(() => a.norm(2, 2));
    // @ts-expect-error
    wrong(() => a.softmax(5));
    // @ts-expect-error
    compiled(() => a.max(0).add(1));
    // @ts-expect-error
    wrong(() => a.var(2));
    // @ts-expect-error
    wrong(() => a.median(-3));
    // @ts-expect-error
    wrong(() => a.countNonzero([0, 2]));
  });

  it('along a dim', () => {
    // @ts-expect-error
    wrong(() => a.cumsum(2));
    // @ts-expect-error
    wrong(() => a.sort(-3));
    // @ts-expect-error
    wrong(() => a.topk(4));
    // @ts-expect-error
    wrong(() => a.topk(3, 0));
    // @ts-expect-error
    compiled(() => a.unique().counts);
    // @ts-expect-error
    compiled(() => a.unique({ returnCounts: true }).inverseIndices);
  });

  it('in products', () => {
    // @ts-expect-error
    wrong(() => a.matmul(b));
    // @ts-expect-error
    wrong(() => x.matmul(zeros([128, 10])));
    // @ts-expect-error
    wrong(() => zeros([2, 3, 4]).matmul(zeros([5, 4, 6])));
    // @ts-expect-error
    wrong(() => a.matmul(one));
    // @ts-expect-error
    compiled(() => a.matmul(2));
    // @ts-expect-error
    wrong(() => v.dot(zeros([4])));
    // @ts-expect-error
    wrong(() => a.dot(a));
    // @ts-expect-error
    wrong(() => a.mm(v));
    // @ts-expect-error
    wrong(() => a.mm(b));
    // @ts-expect-error
    wrong(() => zeros([2, 3, 4]).bmm(zeros([1, 4, 5])));
    // @ts-expect-error
    wrong(() => a.bmm(a));
    // @ts-expect-error
    wrong(() => a.outer(v));
    // @ts-expect-error
    wrong(() => a.inner(zeros([2])));
    // @ts-expect-error
    wrong(() => v.addmm(a, zeros([3, 4])));
    // @ts-expect-error
    wrong(() => v.addmm(a, b));
    // @ts-expect-error
    wrong(() => linalg.inv(a));
    // @ts-expect-error
    wrong(() => linalg.det(a));
    // @ts-expect-error
    wrong(() => linalg.eigh(a));
    // @ts-expect-error
    wrong(() => linalg.svd(v));
    // @ts-expect-error
    wrong(() => a.matrixPower(2));
    // @ts-expect-error
    wrong(() => linalg.solve(eye(3), zeros([2])));
    // @ts-expect-error
    wrong(() => a.mv(zeros([2])));
    // @ts-expect-error
    compiled(() => einsum('ij,jk->ik', a, b));
    // @ts-expect-error
    compiled(() => einsum('ij->ik', a));
    // @ts-expect-error
    compiled(() => einsum('ijk->ik', a));
    // @ts-expect-error
    compiled(() => einsum('i->i', a));
    // @ts-expect-error
    compiled(() => einsum('ij,jk->ik', a));
  });

  it('in sizes', () => {
    // @ts-expect-error
    wrong(() => a.reshape([4, 2]));
    // @ts-expect-error
    wrong(() => zeros([32, 784]).reshape([32, 28, 29]));
    // @ts-expect-error
    wrong(() => a.reshape([4, -1]));
    // @ts-expect-error
    wrong(() => a.reshape([-1, -1]));
    // @ts-expect-error
    wrong(() => arange(12).view([3, 5]));
    // @ts-expect-error
    wrong(() => a.expand([2, 4]));
    // @ts-expect-error
    wrong(() => a.expand([3]));
    // @ts-expect-error
    wrong(() => a.expand([-1, 2, 3]));
    // @ts-expect-error
    wrong(() => x4.flatten(2, 1));
    // @ts-expect-error
    wrong(() => a.flatten(2));
    // @ts-expect-error
    wrong(() => a.flatten(0, 2));
    // @ts-expect-error
    wrong(() => a.as([3, 2]));
    // @ts-expect-error
    wrong(() => a.as([2, 3, 1]));
  });

  it('in dims', () => {
    // @ts-expect-error
    wrong(() => a.transpose(0, 2));
    // @ts-expect-error
    wrong(() => a.permute([0, 0, 1]));
    // @ts-expect-error
    wrong(() => a.permute([1, 1]));
    // @ts-expect-error
    wrong(() => a.permute([1, -1]));
    // @ts-expect-error
    wrong(() => a.permute([0, 3]));
    // @ts-expect-error
    wrong(() => x4.t());
    // @ts-expect-error
    wrong(() => a.movedim(0, 2));
    // @ts-expect-error
    wrong(() => a.unsqueeze(4));
    // @ts-expect-error
    wrong(() => a.squeeze(2));
    // @ts-expect-error
    wrong(() => a.squeeze([0, 5]));
    // @ts-expect-error
    wrong(() => a.size(2));
  });

  it('in picking and joining', () => {
    // @ts-expect-error
    wrong(() => a.select(2, 0));
    // @ts-expect-error
    wrong(() => a.select(0, 2));
    // @ts-expect-error
    wrong(() => a.select(1, -4));
    // @ts-expect-error
    wrong(() => one.select(0, 0));
    // @ts-expect-error
    wrong(() => a.narrow(1, 1, 3));
    // @ts-expect-error
    wrong(() => a.unbind(2));
    // @ts-expect-error
    wrong(() => a.split([1, 1], 1));
    // @ts-expect-error
    wrong(() => a.hsplit(2));
    // @ts-expect-error
    wrong(() => v.vsplit(3));
    // @ts-expect-error
    wrong(() => a.chunk(2, 2));
    // @ts-expect-error
    wrong(() => a.diagonal(0, 0, -2));
    // @ts-expect-error
    wrong(() => a.diagonal(0, 0, 2));
    // @ts-expect-error
    wrong(() => a.unfold(1, 4, 1));
    // @ts-expect-error
    wrong(() => a.unflatten(1, [2, 2]));
    // @ts-expect-error
    wrong(() => a.expandAs(b));
    // @ts-expect-error
    wrong(() => a.viewAs(b));
    // @ts-expect-error
    wrong(() => a.slice(2, 0, 1));
    // @ts-expect-error
    wrong(() => a.indexSelect(0, tensor([[0]], { dtype: 'int32' })));
    // @ts-expect-error
    wrong(() => a.gather(1, tensor([0], { dtype: 'int32' })));
    // @ts-expect-error
    wrong(() => a.gather(1, zeros([3, 1], { dtype: 'int32' })));
    // @ts-expect-error
    wrong(() => cat([a, zeros([2, 4])]));
    // @ts-expect-error
    wrong(() => cat([a, zeros([2, 3, 1])]));
    // @ts-expect-error
    wrong(() => cat([a, a], 2));
    // @ts-expect-error
    wrong(() => cat([]));
    // @ts-expect-error
    wrong(() => stack([a, b]));
    // @ts-expect-error
    wrong(() => stack([a, a], 3));
  });

  it('in losses and layers', () => {
    // @ts-expect-error
    wrong(() => crossEntropy(a, zeros([3], { dtype: 'int32' })));
    // @ts-expect-error
    wrong(() => crossEntropy(a, zeros([2, 4])));
    // @ts-expect-error
    wrong(() => nllLoss(a, zeros([2, 3], { dtype: 'int32' })));
    // @ts-expect-error
    compiled(() => new Linear(784, 128).forward(zeros([32, 100])));
    // @ts-expect-error
    compiled(() => new Linear(784, 128).forward(new Linear(784, 128).forward(x)));
  });

  it('in gradients and values', () => {
    const y = zeros([2, 3], { requiresGrad: true }).mul(2);
    // @ts-expect-error
    wrong(() => y.backward());
    // @ts-expect-error
    wrong(() => y.sum(0).backward());
    // @ts-expect-error
    wrong(() => y.backward({ retainGraph: true }));
    // @ts-expect-error
    wrong(() => y.backward({ gradient: null }));
    // @ts-expect-error
    wrong(() => y.backward({ gradient: onesLike(v) }));
    // @ts-expect-error
    wrong(() => y.sum().backward({ retainGrpah: true }));
    // @ts-expect-error
    wrong(() => x.backward());
    // @ts-expect-error
    wrong(() => a.item());
  });

  it('in annotations', () => {
    // @ts-expect-error
    compiled((c: Tensor<[3, 2]> = a) => c);
    // @ts-expect-error
    compiled((c: Tensor<[2, 3, 1]> = a) => c);
    // @ts-expect-error
    compiled((c: Tensor<[32, 784]> = x) => c);
    let h = zeros([2, 3]);
    // @ts-expect-error
    compiled(() => (h = h.matmul(zeros([3, 4]))));
    const take = (w: Tensor<[784, 10]>): Tensor => w;
    // @ts-expect-error
    compiled(() => take(zeros([10, 784])));
  });

  it('in names', () => {
    const batch = (): ReturnType<typeof dim<'batch'>> => dim('batch', 8);
    const seq = (): ReturnType<typeof dim<'seq'>> => dim('seq', 8);
    // @ts-expect-error
    compiled(() => zeros([batch(), 3]).add(zeros([seq(), 3])));
    // @ts-expect-error
    compiled(() => zeros([3, batch()]).matmul(zeros([seq(), 3])));
  });

  it('in operators', () => {
    // @ts-expect-error
    compiled(() => a.norm() < 1000);
    // @ts-expect-error
    compiled(() => a.mul(2) * 2);
  });

  it('that are none, but that no compiler can follow', () => {
    // Inside a function that is generic in S nothing is known of S: a plain Tensor helps (see good.test.ts).
    // @ts-expect-error
    compiled(<S extends Shape>(t: Tensor<S>): Tensor<S> => t.sub(t.mean(-1, { keepdim: true })));
    // An unknown rank is never refused at compile time.
    wrong(() => (a as Tensor).add(long(4)));
  });
});
