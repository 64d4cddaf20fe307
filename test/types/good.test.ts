import {
  arange,
  cat,
  crossEntropy,
  einsum,
  emptyLike,
  eye,
  full,
  functional,
  linalg,
  linspace,
  nllLoss,
  ones,
  onesLike,
  rand,
  randn,
  randperm,
  stack,
  Tensor,
  tensor,
  where,
  zeros,
  zerosLike,
} from 'nabla';
import { describe, it } from 'vitest';
import type { Dim, Shape, Untyped } from '../../src/tensor/shapes.ts';
import { dim, Linear } from './ahead.ts';
import { compiled, is, shaped } from './expect.ts';

// `number` and a bare `Tensor` are what a program knows of sizes that come from data.
const n = 4 as number;
const sizes: number[] = [2, 3];
const a = tensor([
  [1, 2, 3],
  [4, 5, 6],
]);
const v = ones([3]);
const w = zeros([3, 4]);
const d = randn([n, 784]);
const u: Tensor = zeros(sizes);
const x4 = zeros([2, 3, 4, 5]);

describe('creation', () => {
  it('knows literal sizes', () => {
    shaped(a, [2, 3]);
    shaped(w, [3, 4]);
    shaped(zeros([]), []);
    shaped(full([2, 2], 7), [2, 2]);
    shaped(rand([1, 5]), [1, 5]);
    shaped(zeros(a.shape), [2, 3]);
    shaped(zeros([...a.shape, 4]), [2, 3, 4]);
    shaped(zeros([2, 3], { dtype: 'float64' }), [2, 3]);
    is<readonly [2, 3]>()(a.shape);
  });

  it('leaves open what is not known', () => {
    is<Tensor<[number, 784]>>()(d);
    is<Tensor>()(zeros(sizes));
    is<Tensor>()(zeros([2, ...sizes]));
    is<readonly number[]>()(u.shape);
    is<readonly [number, 784]>()(d.shape);
    const either = n > 2 ? 3 : 5;
    is<Tensor<[3 | 5, 2]>>()(zeros([either, 2]));
  });

  it('reads data', () => {
    shaped(tensor(5), []);
    shaped(tensor(true), []);
    shaped(tensor([]), [0]);
    shaped(tensor([[], []]), [2, 0]);
    shaped(tensor([true, false]), [2]);
    shaped(tensor([[[1], [2]]]), [1, 2, 1]);
    shaped(tensor([n, n]), [2]);
    shaped(tensor([1, 2, 3, 4, 5, 6], { shape: [2, 3] }), [2, 3]);
    shaped(tensor(a), [2, 3]);
    is<Tensor<[number]>>()(tensor(sizes));
    is<Tensor<[2, number]>>()(tensor([sizes, [1, 2]]));
    is<Tensor<[number]>>()(tensor(new Float32Array(3)));
    is<Tensor<[3, 2]>>()(tensor(new Float32Array(6), { shape: [3, 2] }));
    compiled((anything: Untyped = 0) => is<Tensor>()(tensor(anything)));
    compiled((rows: number[] | number[][] = []) => is<Tensor<[number] | [number, number]>>()(tensor(rows)));
    compiled((loose: (number | number[])[] = []) => is<Tensor>()(tensor(loose)));
  });

  it('counts', () => {
    shaped(arange(12), [12]);
    shaped(arange(4, { requiresGrad: true }), [4]);
    shaped(arange(2, 10), [8]);
    shaped(arange(0, 10, 3), [4]);
    shaped(arange(0, 9, 3, { dtype: 'int32' }), [3]);
    shaped(linspace(0, 1, 101), [101]);
    shaped(eye(3), [3, 3]);
    shaped(eye(3, 4), [3, 4]);
    shaped(eye(2, { dtype: 'float64' }), [2, 2]);
    is<Tensor<[number]>>()(arange(n));
    is<Tensor<[number]>>()(arange(0, 1, 0.25));
    is<Tensor<[number]>>()(arange(5, 0, -1));
    is<Tensor<[number, number]>>()(eye(n));
  });

  it('copies shapes', () => {
    shaped(zerosLike(a), [2, 3]);
    shaped(onesLike(v), [3]);
    is<Tensor>()(emptyLike(u));
  });
});

describe('element by element', () => {
  it('keeps the shape of one operand', () => {
    shaped(a.exp(), [2, 3]);
    shaped(a.mul(2), [2, 3]);
    shaped(a.detach(), [2, 3]);
    shaped(a.clone(), [2, 3]);
    shaped(a.to('float64'), [2, 3]);
    shaped(a.softmax(-1), [2, 3]);
    shaped(tensor(1).softmax(0), []);
    is<Tensor<[2, 3]> | null>()(a.grad);
  });

  it('broadcasts', () => {
    shaped(a.add(a), [2, 3]);
    shaped(a.add(v), [2, 3]);
    shaped(v.add(a), [2, 3]);
    shaped(a.gt(v), [2, 3]);
    shaped(a.pow(2), [2, 3]);
    shaped(zeros([2, 1]).add(zeros([1, 3])), [2, 3]);
    shaped(zeros([5, 1, 1]).sub(a), [5, 2, 3]);
    shaped(a.maximum(tensor(1)), [2, 3]);
    is<Tensor<[number, 784]>>()(d.add(zeros([784])));
    is<Tensor<[32, 784]>>()(randn([32 as number, 784]).add(zeros([32, 784])));
    is<Tensor>()(a.add(u));
    is<Tensor>()(u.add(a));
    compiled((x: number | Tensor<[3]> = 1) => is<Tensor<[2, 3]>>()(a.add(x)));
    compiled((x: Untyped = 1) => a.add(x));
  });

  it('broadcasts several', () => {
    shaped(where(a.gt(2), a, 0), [2, 3]);
    shaped(where(v.gt(0), a, zeros([5, 1, 1])), [5, 2, 3]);
    shaped(where(tensor(true), 1, 0), []);
    shaped(a.where(v.gt(0), 0), [2, 3]);
    shaped(a.clamp(0), [2, 3]);
    shaped(a.clamp(null, 1), [2, 3]);
    shaped(v.clamp(zeros([2, 1]), ones([3])), [2, 3]);
    is<Tensor>()(where(u.ne(0), a, 0));
  });

  it('writes in place', () => {
    shaped(zeros([2, 3]).add_(v), [2, 3]);
    shaped(zeros([2, 3]).mul_(2), [2, 3]);
    shaped(zeros([2, 3]).copy_(a), [2, 3]);
    compiled(() => [d.add_(zeros([32, 784])), u.add_(a), zeros([2, 3]).add_(u)]);
  });
});

describe('reductions', () => {
  it('over all dims', () => {
    shaped(a.sum(), []);
    shaped(a.sum([]), []);
    shaped(a.mean(undefined, { keepdim: true }), [1, 1]);
    shaped(a.max(), []);
    shaped(a.argmax(), []);
    shaped(a.norm(), []);
    shaped(u.sum(), []);
  });

  it('over some', () => {
    shaped(a.sum(0), [3]);
    shaped(a.sum(-1), [2]);
    shaped(a.mean(-1, { keepdim: true }), [2, 1]);
    shaped(a.sum([0, 1]), []);
    shaped(x4.sum([0, -1]), [3, 4]);
    shaped(x4.amax([0, -1], { keepdim: true }), [1, 3, 4, 1]);
    shaped(x4.logsumexp(2), [2, 3, 5]);
    shaped(a.norm(2, 0), [3]);
    shaped(a.prod(1), [2]);
    shaped(a.argmin(1), [2]);
    shaped(a.max(1).values, [2]);
    shaped(a.min(0, { keepdim: true }).indices, [1, 3]);
    shaped(tensor(2).sum(0), []);
    shaped(tensor(2).sum(-1), []);
  });

  it('over what is not known', () => {
    is<Tensor<[number]>>()(a.sum(1 as number));
    is<Tensor<[number, number]>>()(a.sum(1 as number, { keepdim: true }));
    is<Tensor<[number]>>()(d.sum(1));
    is<Tensor>()(u.sum(0));
    compiled((keepdim = true) => is<Tensor<[2] | [2, 1]>>()(a.sum(1, { keepdim })));
    compiled((dims: number[] = []) => is<Tensor>()(a.sum(dims)));
    compiled((axis: 0 | 1 = 0) => a.sum(axis).add(1).softmax(axis));
    compiled((axis?: number) => a.sum(axis));
    compiled((x: Untyped = 0) => a.sum(x));
  });
});

describe('statistics, scans and sorts', () => {
  it('reduce as reductions do', () => {
    shaped(a.var(), []);
    shaped(a.std(0, { unbiased: false }), [3]);
    shaped(a.varMean(1, { keepdim: true }).mean, [2, 1]);
    shaped(a.nansum([0, 1]), []);
    shaped(a.nanmean(0), [3]);
    shaped(a.countNonzero(1), [2]);
    shaped(a.aminmax(0).min, [3]);
    shaped(a.median(), []);
    shaped(a.median(1).indices, [2]);
    shaped(a.mode().values, [2]);
    shaped(a.kthvalue(1, 0, { keepdim: true }).values, [1, 3]);
    shaped(a.sumToSize([1, 3]), [1, 3]);
    shaped(a.dist(v), []);
    is<Tensor<[number]>>()(a.histc({ bins: 3 }));
  });

  it('keep the shape along a dim', () => {
    shaped(a.cumsum(0), [2, 3]);
    shaped(a.logcumsumexp(-1), [2, 3]);
    shaped(a.cummax(1).values, [2, 3]);
    shaped(a.sort().indices, [2, 3]);
    shaped(a.argsort(0, { descending: true }), [2, 3]);
    shaped(a.msort(), [2, 3]);
    shaped(a.renorm(2, 0, 1), [2, 3]);
    shaped(functional.normalize(a), [2, 3]);
    shaped(tensor(1).cumsum(0), []);
    is<Tensor>()(u.cumsum(0));
  });

  it('find as many as are asked for', () => {
    shaped(a.topk(2).values, [2, 2]);
    shaped(a.topk(1, 0).indices, [1, 3]);
    compiled(() => is<Tensor<[2, number]>>()(a.topk(n).values));
    is<Tensor>()(u.topk(2).values);
  });

  it('search for what is given', () => {
    shaped(v.searchsorted(a), [2, 3]);
    shaped(v.searchsorted(1), []);
    shaped(a.bucketize(v), [2, 3]);
    is<Tensor>()(a.unique());
    is<{ readonly output: Tensor; readonly counts: Tensor<[number]> }>()(a.unique({ returnCounts: true }));
    is<Tensor>()(a.unique({ returnInverse: true }).inverseIndices);
  });
});

describe('products', () => {
  it('of all ranks', () => {
    shaped(a.matmul(w), [2, 4]);
    shaped(a.matmul(v), [2]);
    shaped(v.matmul(w), [4]);
    shaped(v.matmul(v), []);
    shaped(zeros([8, 2, 3]).matmul(w), [8, 2, 4]);
    shaped(zeros([8, 1, 2, 3]).matmul(zeros([5, 3, 4])), [8, 5, 2, 4]);
    shaped(v.matmul(zeros([5, 3, 4])), [5, 4]);
    shaped(zeros([5, 2, 3]).matmul(v), [5, 2]);
    is<Tensor<[number, 10]>>()(d.matmul(zeros([784, 10])));
    is<Tensor>()(u.matmul(w));
    is<Tensor<[3, number]>>()(w.matmul(zeros([n, n])));
  });

  it('by name', () => {
    shaped(v.dot(v), []);
    shaped(a.mm(w), [2, 4]);
    shaped(zeros([5, 2, 3]).bmm(zeros([5, 3, 4])), [5, 2, 4]);
    shaped(a.mv(v), [2]);
    shaped(v.dot(zeros(sizes).as([2, -1]).select(0, 0)), []);
    is<Tensor<[number, 10]>>()(d.mm(zeros([784, 10])));
    is<Tensor<[number, number]>>()(u.mm(w));
  });

  it('with something added', () => {
    shaped(v.outer(zeros([4])), [3, 4]);
    shaped(v.inner(v), []);
    shaped(a.inner(zeros([5, 3])), [2, 5]);
    shaped(a.kron(w), [6, 12]);
    shaped(zeros([4]).addmm(a, w), [2, 4]);
    shaped(zeros([2]).addmv(a, v), [2]);
    shaped(tensor(1).addr(v, v), [3, 3]);
    shaped(zeros([5, 1, 4]).baddbmm(zeros([5, 2, 3]), zeros([5, 3, 4])), [5, 2, 4]);
    shaped(zeros([4]).addbmm(zeros([5, 2, 3]), zeros([5, 3, 4])), [2, 4]);
    compiled(() => is<Tensor<[number, number]>>()(u.outer(v)));
  });

  it('of square matrices', () => {
    const square = eye(3).expand([2, 3, 3]);
    shaped(linalg.inv(square), [2, 3, 3]);
    shaped(square.matrixPower(2), [2, 3, 3]);
    shaped(linalg.cholesky(square), [2, 3, 3]);
    shaped(linalg.solve(eye(3), v), [3]);
    shaped(linalg.solve(eye(3), w), [3, 4]);
    shaped(linalg.solve(square, zeros([2, 3])), [2, 3]);
    shaped(linalg.solve(square, zeros([5, 1, 3, 4])), [5, 2, 3, 4]);
    shaped(linalg.det(square), [2]);
    shaped(eye(3).logdet(), []);
    shaped(linalg.matrixExp(square), [2, 3, 3]);
    shaped(linalg.eigh(square).eigenvalues, [2, 3]);
    shaped(linalg.eigh(square).eigenvectors, [2, 3, 3]);
    compiled(() => is<Tensor>()(linalg.solve(u, w)));
  });

  it('taken apart', () => {
    shaped(linalg.qr(zeros([5, 4, 2])).Q, [5, 4, 2]);
    shaped(linalg.qr(zeros([5, 4, 2])).R, [5, 2, 2]);
    shaped(linalg.qr(zeros([4, 2]), 'complete').Q, [4, 4]);
    shaped(zeros([2, 4]).qr().Q, [2, 2]);
    shaped(linalg.svd(eye(4, 2)).U, [4, 4]);
    shaped(linalg.svd(eye(4, 2), { fullMatrices: false }).U, [4, 2]);
    shaped(linalg.svd(eye(2, 4)).Vh, [4, 4]);
    shaped(linalg.svdvals(eye(2, 4)), [2]);
    shaped(linalg.pinv(zeros([5, 4, 2])), [5, 2, 4]);
    shaped(linalg.cond(eye(3).expand([2, 3, 3])), [2]);
    is<Tensor<[number]>>()(linalg.svdvals(d));
    compiled(() => is<Tensor>()(linalg.svd(u).U));
  });

  it('by letter', () => {
    compiled(() => {
      is<Tensor<[2, 4]>>()(einsum('ij,jk->ik', a, w));
      is<Tensor<[8, 2, 4]>>()(einsum('b i j, j k -> b i k', zeros([8, 2, 3]), w));
      is<Tensor<[3, 2]>>()(einsum('ij->ji', a));
      is<Tensor<[]>>()(einsum('ij,ij->', a, a));
      is<Tensor<[2, 3]>>()(einsum('ij,ij->ij', a, zeros([2, 1])));
      is<Tensor<[number, 4]>>()(einsum('ij,jk->ik', u, w));
      is<Tensor>()(einsum('ij,jk', a, w));
    });
  });
});

describe('dims', () => {
  it('move', () => {
    shaped(a.transpose(0, 1), [3, 2]);
    shaped(x4.transpose(-1, -2), [2, 3, 5, 4]);
    shaped(x4.transpose(1, 2), [2, 4, 3, 5]);
    shaped(x4.permute([0, 2, 3, 1]), [2, 4, 5, 3]);
    shaped(x4.permute([-1, 0, 1, 2]), [5, 2, 3, 4]);
    shaped(x4.movedim(1, -1), [2, 4, 5, 3]);
    shaped(x4.movedim(3, 0), [5, 2, 3, 4]);
    shaped(a.t(), [3, 2]);
    shaped(v.t(), [3]);
    shaped(x4.mT, [2, 3, 5, 4]);
    shaped(a.T, [3, 2]);
    shaped(x4.T, [5, 4, 3, 2]);
    is<Tensor<[784, number]>>()(d.mT);
    is<Tensor>()(u.mT);
    is<Tensor<[number, number]>>()(a.transpose(n - 4, 1));
  });

  it('come and go', () => {
    shaped(a.unsqueeze(0), [1, 2, 3]);
    shaped(a.unsqueeze(-1), [2, 3, 1]);
    shaped(a.unsqueeze(1), [2, 1, 3]);
    shaped(a.unsqueeze(-2), [2, 1, 3]);
    shaped(tensor(1).unsqueeze(0), [1]);
    shaped(zeros([1, 2, 1, 3]).squeeze(), [2, 3]);
    shaped(zeros([1, 2, 1, 3]).squeeze(0), [2, 1, 3]);
    shaped(zeros([1, 2, 1, 3]).squeeze([0, 1, -2]), [2, 3]);
    shaped(a.squeeze(0), [2, 3]);
    is<Tensor>()(d.squeeze());
    is<Tensor<[number]>>()(zeros([1, n]).squeeze(0));
  });

  it('have sizes', () => {
    is<3>()(a.size(1));
    is<2>()(a.size(-2));
    is<number>()(d.size(0));
    is<number>()(u.size(0));
  });
});

describe('other sizes', () => {
  it('reshape', () => {
    shaped(a.reshape([3, 2]), [3, 2]);
    shaped(a.view([6]), [6]);
    shaped(arange(12).reshape([3, 4]), [3, 4]);
    shaped(a.reshape([-1]), [6]);
    shaped(zeros([32, 28, 28]).reshape([32, -1]), [32, 784]);
    shaped(zeros([32, 28, 28]).reshape([-1, 784]), [32, 784]);
    shaped(zeros([6, 35]).reshape([-1, 14]), [15, 14]);
    shaped(x4.reshape([2, -1, 5]), [2, 12, 5]);
    shaped(zeros([0, 3]).reshape([0, 5]), [0, 5]);
    shaped(zeros([0, 3]).reshape([3, -1]), [3, 0]);
    shaped(tensor(1).reshape([1, 1]), [1, 1]);
    shaped(tensor(1).reshape([-1]), [1]);
    compiled(() => {
      is<Tensor<[38597376]>>()(zeros([50257, 768]).reshape([-1]));
      is<Tensor<[number, 28, 28]>>()(d.reshape([n, 28, 28]));
      is<Tensor<[number, number]>>()(d.reshape([n, -1]));
      is<Tensor<[number, 4]>>()(u.reshape([-1, 4]));
      is<Tensor>()(a.reshape(sizes));
      is<Tensor>()(a.reshape(sizes as readonly number[]));
      is<Tensor<[3, 2]>>()(a.reshape([3, -1]).add(zeros([3, n])));
    });
  });

  it('flatten', () => {
    shaped(x4.flatten(), [120]);
    shaped(x4.flatten(1), [2, 60]);
    shaped(x4.flatten(1, 2), [2, 12, 5]);
    shaped(x4.flatten(-3, -2), [2, 12, 5]);
    shaped(x4.flatten(2, 2), [2, 3, 4, 5]);
    shaped(tensor(1).flatten(), [1]);
    is<Tensor<[number, 9408]>>()(zeros([n, 28, 28, 12]).flatten(1));
    is<Tensor>()(u.flatten(1));
  });

  it('expand', () => {
    shaped(zeros([3, 1]).expand([3, 4]), [3, 4]);
    shaped(zeros([3, 1]).expand([2, -1, 4]), [2, 3, 4]);
    shaped(tensor(1).expand([2, 2]), [2, 2]);
    shaped(v.expand([2, -1]), [2, 3]);
    is<Tensor<[number, 3]>>()(v.expand([n, 3]));
    is<Tensor<[2, number]>>()(u.reshape([-1]).expand([2, -1]));
    is<Tensor>()(v.expand([2, ...v.shape, ...sizes].slice(0, 2)));
  });
});

describe('picking', () => {
  it('along a dim', () => {
    shaped(a.select(0, 1), [3]);
    shaped(a.select(-1, -3), [2]);
    shaped(a.narrow(1, 1, 2), [2, 2]);
    shaped(a.narrow(1, -2, 2), [2, 2]);
    shaped(a.slice(1, 1), [2, 2]);
    shaped(a.slice(1, 0, -1), [2, 2]);
    shaped(a.slice(1, 0, 100), [2, 3]);
    shaped(a.slice(1, -2), [2, 2]);
    shaped(a.slice(1, 2, 1), [2, 0]);
    shaped(arange(10).slice(0, 1, 9, 3), [3]);
    shaped(arange(10).slice(0, 0, 10, 4), [3]);
    is<Tensor<[3]>>()(a.select(0, n - 4));
    is<Tensor<[2, number]>>()(a.narrow(1, 0, n - 2));
    is<Tensor<[number, 784]>>()(d.slice(0, 1));
    is<Tensor<[number, 784]>>()(d.slice(0));
    is<Tensor>()(u.select(0, 0));
  });

  it('by index', () => {
    shaped(a.indexSelect(1, tensor([0, 2, 2, 1], { dtype: 'int32' })), [2, 4]);
    shaped(a.gather(1, tensor([[0, 1]], { dtype: 'int32' })), [1, 2]);
    is<Tensor<[2, number]>>()(a.indexSelect(1, randperm(n - 1)));
    is<Tensor>()(u.gather(1, zeros(sizes, { dtype: 'int32' })));
  });

  it('along other paths', () => {
    shaped(w.diagonal(), [3]);
    shaped(w.diagonal(2), [2]);
    shaped(w.diagonal(-1), [2]);
    shaped(w.diagonal(9), [0]);
    shaped(x4.diagonal(1, -1, 0), [3, 4, 1]);
    shaped(x4.unfold(3, 2, 2), [2, 3, 4, 2, 2]);
    shaped(v.unfold(0, 2, 1), [2, 2]);
    shaped(zeros([2, 6]).unflatten(1, [3, -1]), [2, 3, 2]);
    shaped(zeros([2, 6]).unflatten(-2, [1, 2]), [1, 2, 6]);
    shaped(zeros([2, 6]).asStrided([3, 2], [1, 1]), [3, 2]);
    shaped(x4.ravel(), [120]);
    shaped(v.expandAs(a), [2, 3]);
    shaped(a.viewAs(zeros([6])), [6]);
    shaped(a.reshapeAs(zeros([3, 2])), [3, 2]);
    shaped(v.atleast1d(), [3]);
    shaped(v.atleast2d(), [1, 3]);
    shaped(v.atleast3d(), [1, 3, 1]);
    shaped(a.H, [3, 2]);
    shaped(x4.mH, [2, 3, 5, 4]);
    shaped(a.clone().t_(), [3, 2]);
    shaped(a.clone().unsqueeze_(1), [2, 1, 3]);
    shaped(a.narrow(1, tensor(1, { dtype: 'int32' }), 2), [2, 2]);
    is<Tensor<[number]>>()(zeros([n, 3]).diagonal());
    is<Tensor<[number, 784, number]>>()(d.unfold(0, n, 1));
  });

  it('as several', () => {
    const [first, second] = a.unbind();
    shaped(first, [3]);
    shaped(second, [3]);
    is<[Tensor<[2]>, Tensor<[2]>, Tensor<[2]>]>()(a.unbind(-1));
    is<Tensor<[784]>[]>()(d.unbind());
    is<[Tensor<[2, 4]>, Tensor<[1, 4]>]>()(w.split(2));
    is<[Tensor<[3, 1]>, Tensor<[3, 0]>, Tensor<[3, 3]>]>()(w.split([1, 0, 3], 1));
    is<Tensor<[number, 4]>[]>()(w.split(n));
    is<[Tensor<[3, 2]>, Tensor<[3, 2]>]>()(w.chunk(2, 1));
    is<[Tensor<[2, 4]>, Tensor<[1, 4]>]>()(w.chunk(2));
    is<[Tensor<[2, 4]>, Tensor<[1, 4]>]>()(w.tensorSplit(2));
    is<Tensor<[number, 784]>[]>()(d.chunk(3));
    is<[Tensor<[3, 2]>, Tensor<[3, 2]>]>()(w.hsplit(2));
    is<[Tensor<[1]>, Tensor<[1]>, Tensor<[1]>]>()(v.hsplit(3));
    is<Tensor[]>()(u.split(2));
    is<Tensor<[1]>[]>()(zeros([100, 1]).unbind());
    is<[Tensor<[number, 784]>, Tensor<[3, 784]>]>()(d.split([n - 3, 3]));
  });

  it('joins', () => {
    shaped(cat([a, zeros([4, 3])]), [6, 3]);
    shaped(cat([a, zeros([2, 3]), zeros([2, 4])], 1), [2, 10]);
    shaped(cat([a, zeros([2, 4])], -1), [2, 7]);
    shaped(cat([a]), [2, 3]);
    shaped(cat([zeros([0]), a]), [2, 3]);
    shaped(stack([a, a]), [2, 2, 3]);
    shaped(stack([a, a, a], -1), [2, 3, 3]);
    is<Tensor<[number, 3]>>()(cat([a, zeros([n, 3])]));
    const list = [a, a, a];
    is<Tensor<[number, 3]>>()(cat(list));
    is<Tensor<[number, 2, 3]>>()(stack(list));
    is<Tensor>()(cat([u, a]));
    is<Tensor>()(stack([u, a]));
  });
});

describe('losses', () => {
  it('reduce to a scalar, or to the shape of the classes', () => {
    const logits = zeros([2, 5]);
    const classes = tensor([0, 4], { dtype: 'int32' });
    shaped(crossEntropy(logits, classes), []);
    shaped(crossEntropy(logits, classes, { reduction: 'none' }), [2]);
    shaped(crossEntropy(logits, logits.softmax(1)), []);
    shaped(crossEntropy(zeros([5]), tensor(3, { dtype: 'int32' }), { reduction: 'none' }), []);
    shaped(crossEntropy(zeros([2, 5, 7]), zeros([2, 7], { dtype: 'int32' }), { reduction: 'none' }), [2, 7]);
    shaped(nllLoss(logits.logSoftmax(1), classes, { reduction: 'sum' }), []);
    compiled(() => is<Tensor<[number]>>()(crossEntropy(d, u, { reduction: 'none' })));
  });
});

describe('layers', () => {
  it('map the last dim', () => {
    compiled(() => {
      const l1 = new Linear(784, 128);
      const l2 = new Linear(128, 10);
      is<Tensor<[number, 10]>>()(l2.forward(l1.forward(d).relu()));
      is<Tensor<[7, 5, 10]>>()(l2.forward(zeros([7, 5, 128])));
      is<Tensor<[number, number]>>()(new Linear(784, n).forward(d));
      is<Tensor>()(l1.forward(u));
      const layers: Linear[] = [l1, l2];
      let h: Tensor = d;
      for (const layer of layers) h = layer.forward(h).relu();
      const parameters = [l1.weight, l1.bias, l2.weight];
      for (const p of parameters) p.sub(p.mul(0.1)).sum().backward();
      return parameters.map((p) => p.sub(p.mul(0.1)));
    });
  });
});

describe('gradual shapes', () => {
  it('pass in both directions', () => {
    const t1: Tensor = a;
    const t2: Tensor<[2, 3]> = t1;
    const t3: Tensor<[number, 3]> = a;
    const t4: Tensor<readonly [2, 3]> = a;
    const t5: Tensor<[2, 3]> = t4;
    class Parameter<S extends Shape = Untyped> extends Tensor<S> {}
    compiled((p?: Parameter<[2, 3]>) => p && [is<Tensor<[2, 3]>>()(p.add(p)), is<Tensor<[2, 4]>>()(p.matmul(w))]);
    shaped(t2.add(t5).add(t3.add(t1)).as([2, 3]), [2, 3]);
  });

  it('let plain tensors through', () => {
    function untyped(x: Tensor, y: Tensor): Tensor {
      const [rows, columns] = x.shape;
      return x.matmul(y).add(1).reshape([columns, rows]).transpose(0, 1).sum(-1, { keepdim: true }).select(0, 0);
    }
    is<Tensor>()(untyped(a, zeros([3, 3])));
    const known: Tensor<[1]> = untyped(a, zeros([3, 3]));
    shaped(known, [1]);
  });

  it('survive loops', () => {
    let b = a.mul(2);
    while (b.norm().item() < 1000) b = b.mul(2);
    shaped(b, [2, 3]);
    let sum = zeros([1]);
    for (let i = 0; i < 3; i++) sum = sum.add(1);
    shaped(sum, [1]);
    let changing: Tensor = a;
    changing = changing.matmul(w);
    changing = changing.sum();
  });

  it('take hooks that give a gradient or nothing', () => {
    const seen: unknown[] = [];
    const nothing = (t: unknown): void => {
      seen.push(t);
    };
    compiled(() => {
      a.registerHook(nothing);
      a.registerHook((g) => nothing(g));
      a.registerHook((g) => (n > 2 ? g.mul(2) : undefined));
      a.registerPostAccumulateGradHook(nothing);
      a.gradFn?.registerHook(([g]) => [g?.mul(2) ?? null]);
      a.gradFn?.registerPrehook(nothing);
    });
  });

  it('make unions callable', () => {
    const either = n > 2 ? a : zeros([2, 5]);
    is<Tensor<[]>>()(either.sum());
    either.add(1).relu().sum().reshape([1]);
    const loose = n > 2 ? a : u;
    is<Tensor>()(loose.matmul(w));
    // What a list of parameters holds may be any of its members: nothing is refused for one that does not fit.
    const model = [zeros([8, 3, 3, 3]), zeros([8]), zeros([10, 8]), zeros([10])];
    compiled(() => {
      for (const p of model) p.mul_(0.9).add_(p, { alpha: 0.1 }).sub_(p.div(2));
      functional.linear(zeros([4, 8]), model[2]!, model[3]!);
      functional.maxPool2d(functional.conv2d(zeros([2, 3, 8, 8]), model[0]!), 2).flatten(1);
      zeros([4, 8]).mv(model[1]!).dot(model[3]!);
      crossEntropy(zeros([4, 10]), model[1]!);
      model[2]!.softmax(1).select(1, 0).outer(model[1]!).sum(1).unsqueeze(1).backward();
      return model[2]!.transpose(0, 1).permute([1, 0]).max(1).values;
    });
    compiled(async () => d.matmul(await (async (): Promise<Tensor<[784, 10]>> => zeros([784, 10]))()));
  });

  it('work in generic functions', () => {
    function gelu<S extends Shape>(x: Tensor<S>): Tensor<S> {
      return x.mul(0.5).mul(x.mul(0.79).tanh().add(1));
    }
    function residual<S extends Shape>(x: Tensor<S>, f: (x: Tensor<S>) => Tensor<S>): Tensor<S> {
      return x.add(f(x));
    }
    function standardize<S extends Shape>(x: Tensor<S>): Tensor<S> {
      const t: Tensor = x;
      return t.sub(t.mean(-1, { keepdim: true }));
    }
    function head<N extends number>(x: Tensor<[N, 3]>): Tensor<[N, 4]> {
      return x.matmul(w).add(zeros([4]));
    }
    function bias<N extends number, M extends number>(x: Tensor<[N, M]>, y: Tensor<[M]>): Tensor<[N, M]> {
      return x.add(y);
    }
    function square<N extends number>(size: N) {
      return zeros([size, size]);
    }
    shaped(gelu(a), [2, 3]);
    shaped(residual(a, gelu), [2, 3]);
    shaped(standardize(a), [2, 3]);
    shaped(head(a), [2, 4]);
    shaped(bias(a, v), [2, 3]);
    shaped(square(4), [4, 4]);
    is<Tensor<[number, 4]>>()(head(zeros([n, 3])));
  });

  it('name sizes', () => {
    compiled(() => {
      const batch = dim('batch', 32);
      const seq = dim('seq', 16);
      const x = randn([batch, seq, 768]);
      is<Tensor<[Dim<'batch'>, Dim<'seq'>, 10]>>()(x.matmul(zeros([768, 10])));
      is<Tensor<[Dim<'batch'>, Dim<'seq'>, 768]>>()(x.add(zeros([seq, 768])));
      is<Tensor<[Dim<'batch'>, number]>>()(x.reshape([batch, -1]));
      const plain: Tensor<[number, number, 768]> = x;
      return plain;
    });
  });

  it('are refined by what is seen at run time', () => {
    shaped(u.as([2, 3]), [2, 3]);
    shaped(d.as([4, 784]), [4, 784]);
    is<Tensor<[number, 784]>>()(d.as([-1, 784]));
    is<Tensor<[2, number]>>()(u.as([2, -1]));
    is<Tensor<[2, 3]>>()(a.as([-1, -1]));
    is<Tensor>()(a.as(sizes));
  });
});

describe('scalars', () => {
  it('have gradients and values', () => {
    const x = ones([2, 3], { requiresGrad: true });
    const y = x.mul(2);
    y.sum().reshape([1, 1]).backward({ retainGraph: true });
    y.sum().backward({ retainGraph: true });
    y.backward({ gradient: ones([2, 3]) });
    const z: Tensor = x.mul(2).sum();
    z.backward({ gradient: null });
    is<number>()(x.sum().item());
    is<number>()(z.item());
    is<number>()(+x.norm());
    compiled(() => zeros([n]).backward());
    compiled((options: { gradient?: Tensor } = {}) => x.backward(options));
  });

  it('may have more than eight dims', () => {
    const x9 = zeros([1, 1, 1, 1, 1, 1, 1, 1, 2]);
    is<Tensor>()(x9.sum(8));
    is<Tensor>()(x9.transpose(0, 8));
    is<Tensor>()(x9.unsqueeze(8));
  });
});
