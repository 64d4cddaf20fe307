import {
  ArgumentError,
  AutogradError,
  cat,
  IndexError,
  ShapeError,
  stack,
  type Tensor,
  tensor,
  vmap,
  where,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64, spreadTensor } from '../support/numbers.ts';

const A = spreadTensor([4, 3], -1, 1, 1);
const B = spreadTensor([4, 3], -1, 1, 2);
const v = f64([1, 2, 3], [3]);

describe('vmap', () => {
  it('shows the function one example', () => {
    const shapes: unknown[] = [];
    const y = vmap((a: Tensor) => {
      shapes.push(a.shape, a.ndim, a.numel());
      return a.sum();
    })(A);
    expect(shapes).toEqual([[3], 1, 3]);
    expectClose(y, A.sum(1));
  });

  it('maps several arguments together, and tensors from outside stay whole', () => {
    expectClose(vmap((a: Tensor, b: Tensor) => a.dot(b))(A, B), A.mul(B).sum(1));
    expectClose(vmap((a: Tensor) => a.mul(v).sum())(A), A.matmul(v));
  });

  it('takes the batch from any dimension, or from none', () => {
    expectClose(vmap((a: Tensor) => a.sum(), { inDims: 1 })(A), A.sum(0));
    expectClose(vmap((a: Tensor) => a.mul(2), { inDims: -1 })(A), A.T.mul(2));
    expectClose(vmap((a: Tensor, b: Tensor) => a.mul(b), { inDims: [0, null] })(A, v), A.mul(v));
    expectClose(vmap((a: Tensor, b: Tensor) => a.add(b), { inDims: [null, 1] })(v, A.T), A.add(v));
  });

  it('puts the batch where outDims says', () => {
    const f = (a: Tensor): Tensor => a.unsqueeze(0);
    expect(vmap(f)(A).shape).toEqual([4, 1, 3]);
    expect(vmap(f, { outDims: 1 })(A).shape).toEqual([1, 4, 3]);
    expect(vmap(f, { outDims: -1 })(A).shape).toEqual([1, 3, 4]);
    expectClose(vmap((a: Tensor) => a, { outDims: 1 })(A), A.T);
  });

  it('takes and returns trees', () => {
    const f = (p: { readonly a: Tensor; readonly b: readonly Tensor[] }) => ({ s: p.a.add(p.b[0]), t: [p.a.sum()] });
    const { s, t } = vmap(f)({ a: A, b: [B] });
    expectClose(s, A.add(B));
    expectClose(t[0], A.sum(1));
  });

  it('repeats a result that does not depend on the batch', () => {
    expectClose(vmap((_a: Tensor) => v)(A), v.expand([4, 3]));
  });

  it('works in chunks', () => {
    let calls = 0;
    const f = (a: Tensor, b: Tensor): Tensor => {
      calls += 1;
      return a.mul(b);
    };
    expectClose(vmap(f, { chunkSize: 3 })(A, B), A.mul(B));
    expect(calls).toBe(2);
    expectClose(vmap(f, { chunkSize: 1, inDims: [1, null] })(A.T, v), A.mul(v));
    expectClose(vmap(f, { chunkSize: 3, outDims: 1 })(A, B), A.mul(B).T);
    expectClose(vmap(f, { chunkSize: 99 })(A, B), A.mul(B));
    expect(calls).toBe(2 + 4 + 2 + 1);
  });

  it('maps over no examples', () => {
    expectValues(vmap((a: Tensor) => a.sum())(f64([], [0, 3])), [0], []);
    expectValues(vmap((a: Tensor) => a.mul(2))(f64([], [0, 3])), [0, 3], []);
  });

  it('aligns examples of different rank as broadcasting does', () => {
    const rows = spreadTensor([4, 2, 3], -1, 1, 3);
    expectClose(vmap((a: Tensor, b: Tensor) => a.add(b))(A, rows), A.unsqueeze(1).add(rows));
    expectClose(
      vmap((a: Tensor, b: Tensor) => a.mul(b))(A.select(1, 0), rows),
      A.select(1, 0).reshape([4, 1, 1]).mul(rows),
    );
  });

  it('promotes dtypes as for one example, where a rank of 0 counts less', () => {
    const rows = A.float();
    const scalars = B.select(1, 0);
    const int = tensor([1, 2, 3, 4], { dtype: 'int32' });
    const check = (f: (...ts: Tensor[]) => Tensor, ...args: Tensor[]): void => {
      for (const dims of [
        args.map(() => 0),
        args.map((_, i) => (i === 0 ? 0 : null)),
        args.map((_, i) => (i ? 0 : null)),
      ]) {
        const given = args.map((t, i) => (dims[i] === null ? t.select(0, 0) : t));
        const expected = f(...given.map((t, i) => (dims[i] === null ? t : t.select(0, 0))));
        const y = vmap(f, { inDims: dims })(...given);
        expect(y.dtype).toBe(expected.dtype);
        expectClose(y.select(0, 0), expected);
      }
    };
    check((a, b) => a.mul(b), rows, scalars);
    check((a, b) => b.sub(a), rows, scalars);
    check((a, b) => where(a.gt(0), a, b), rows, scalars);
    check((a, b, c) => a.addcmul(b, c), rows, scalars, scalars);
    check((a, b) => a.add(b), int, scalars);
    check((a, b) => a.add(b), int.to('uint8').unsqueeze(1), int);
    check((a, b) => a.div(b), rows.select(1, 0), scalars);
    check((a, b) => a.lt(b), rows, scalars);
  });

  it('chooses per example with where', () => {
    const relu = vmap((a: Tensor) => where(a.gt(0), a, a.mul(0)));
    expectClose(relu(A), A.relu());
    const pick = vmap((c: Tensor, a: Tensor, b: Tensor) => where(c, a, b));
    expectClose(pick(A.select(1, 0).gt(0), A, B), where(A.select(1, 0).gt(0).unsqueeze(1), A, B));
  });

  it('joins batched tensors and others', () => {
    expectClose(vmap((a: Tensor) => cat([a, v]))(A), cat([A, v.expand([4, 3])], 1));
    expectClose(vmap((a: Tensor) => stack([v, a], 1))(A), stack([v.expand([4, 3]), A], 2));
  });

  it('keeps integers and truth values what they are', () => {
    const places = vmap((a: Tensor) => a.argmax())(A);
    expect(places.dtype).toBe('int32');
    expect(places.toArray()).toEqual(A.argmax(1).toArray());
    expect(vmap((a: Tensor) => a.gt(0).all())(A).toArray()).toEqual(A.gt(0).all(1).toArray());
  });
});

describe('vmap refuses', () => {
  const sum = (a: Tensor): Tensor => a.sum();

  it('reading a value, which differs by example', () => {
    expectError(() => vmap((a: Tensor) => a.mul(a.sum().item()))(A), AutogradError, 'vmap over calling .item()');
    expectError(() => vmap((a: Tensor) => (+a.sum() > 0 ? a : a.neg()))(A), AutogradError, 'vmap over calling .item()');
    expectError(
      () => vmap((a: Tensor) => tensor(a.toArray()))(A),
      AutogradError,
      'toArray() inside a vmapped function',
    );
    expectError(() => vmap((a: Tensor) => tensor(a.toTypedArray()))(A), AutogradError, 'toTypedArray() inside');
  });

  it('batch dimensions that are not there', () => {
    expectError(() => vmap(sum, { inDims: 2 })(A), IndexError, 'Got in_dim=2');
    expectError(() => vmap(sum, { inDims: -3 })(A), IndexError, 'Got in_dim=-3');
    expectError(() => vmap(sum, { inDims: 0.5 })(A), IndexError, 'Got in_dim=0.5');
    expectError(() => vmap(sum)(f64([1], [])), IndexError, 'that input is a Tensor of dimensionality 0');
    expectError(() => vmap(sum, { inDims: null })(A), ArgumentError, 'at least one Tensor to vmap over');
    expectError(
      () => vmap(sum, { inDims: [0, 0] })(A),
      ArgumentError,
      'in_dims has structure (*, *) but inputs has structure (*)',
    );
    expectError(() => vmap(sum, { outDims: 3 })(A), IndexError, 'Dimension out of range');
  });

  it('batches of different sizes', () => {
    const add = (a: Tensor, b: Tensor): Tensor => a.add(b);
    expectError(() => vmap(add)(A, A.T), ShapeError, 'same size in the mapped dimension, got sizes [4, 3]');
  });

  it('tensors where nobody looks for them', () => {
    const model = new (class Model {
      readonly w = A;
    })();
    const f = (m: typeof model, t: Tensor): Tensor => m.w.sum(0).mul(t);
    expectError(() => vmap(f)(model, A), ArgumentError, 'vmap: an instance of a class, a map or a set holds tensors');
    expect(vmap(f, { inDims: [null, 0] })(model, A).shape).toEqual(A.shape);
  });

  it('results that are no tensors', () => {
    expectError(() => vmap((_a: Tensor) => 3)(A), ArgumentError, 'got type number');
    expectError(() => vmap((_a: Tensor) => undefined)(A), ArgumentError, 'got type undefined');
    expectError(() => vmap(async (a: Tensor) => a)(A), ArgumentError, /promise/);
  });

  it('options it does not know, and chunks that are no size', () => {
    expectError(() => vmap(sum, { inDim: 0 } as object), ArgumentError, "unexpected option 'inDim'");
    expectError(() => vmap(sum, { chunkSize: 0 })(A), ArgumentError, 'chunk_size should be None or greater than 0');
    expectError(() => vmap(sum, { chunkSize: 1.5 })(A), ArgumentError, 'chunk_size');
  });

  it('writing per-example values into a tensor from outside', () => {
    const out = zeros([3], { dtype: 'float64' });
    expectError(() => vmap((a: Tensor) => out.add_(a))(A), AutogradError, 'inplace arithmetic');
    expectValues(out, [3], [0, 0, 0]);
  });

  it('a tensor that escaped', () => {
    let kept: Tensor = v;
    vmap((a: Tensor) => {
      kept = a;
      return a;
    })(A);
    expectError(() => kept.add(1), AutogradError, 'transformed by vmap was used after');
  });
});

describe('in place inside vmap', () => {
  it('changes a tensor of the function', () => {
    const f = (a: Tensor): Tensor => {
      const b = a.mul(2);
      b.add_(1).mul_(a);
      return b;
    };
    expectClose(vmap(f)(A), A.mul(2).add(1).mul(A));
  });

  it('accumulates into zeros made inside from a batched tensor', () => {
    const f = (a: Tensor): Tensor => {
      const total = a.mul(0);
      for (let i = 0; i < 3; i++) total.add_(a);
      return total;
    };
    expectClose(vmap(f)(A), A.mul(3));
  });
});
