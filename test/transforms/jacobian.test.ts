import {
  ArgumentError,
  cat,
  DTypeError,
  grad,
  hessian,
  hvp,
  jacfwd,
  jacobian,
  jacrev,
  stack,
  type Tensor,
  tensor,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64, spreadTensor } from '../support/numbers.ts';

const x = f64([1, 2, 3], [3]);
const y = f64([4, 5], [2]);
const M = spreadTensor([2, 3], -1, 1, 5);

const both = { jacrev, jacfwd } as const;

for (const [name, jac] of Object.entries(both)) {
  describe(name, () => {
    it('has the shape of the result, then that of the argument', () => {
      expectClose(jac((t: Tensor) => M.matmul(t))(x), M);
      expect(jac((t: Tensor) => t.unsqueeze(0).mul(t.unsqueeze(1)))(x).shape).toEqual([3, 3, 3]);
      expect(jac((t: Tensor) => t.sum(0))(M).shape).toEqual([3, 2, 3]);
      expectValues(jac((t: Tensor) => t.sum())(x), [3], [1, 1, 1]);
      expectValues(jac((t: Tensor) => t.mul(x))(f64([2], [])), [3], [1, 2, 3]);
      expectValues(jac((t: Tensor) => t.square())(f64([3], [])), [], [6]);
    });

    it('differentiates by the argument asked for', () => {
      const f = (a: Tensor, b: Tensor): Tensor => a.sum().mul(b.square());
      expect(jac(f)(x, y).shape).toEqual([2, 3]);
      expectValues(jac(f, { argnum: 1 })(x, y), [2, 2], [48, 0, 0, 60]);
      expectClose(jac(f, { argnum: -1 })(x, y), jac(f, { argnum: 1 })(x, y));
      expectError(() => jac(f, { argnum: 2 })(x, y), ArgumentError, 'argnum=2, but only 2 positional inputs');
    });

    it('takes trees of arguments and results', () => {
      type Point = { readonly a: Tensor; readonly b: readonly [Tensor] };
      const f = (p: Point) => ({ s: p.a.sum().mul(p.b[0]), t: [p.a.square()] });
      const J = jac(f)({ a: x, b: [y] }) as unknown as { readonly s: Point; readonly t: readonly [Point] };
      expectValues(J.s.a, [2, 3], [4, 4, 4, 5, 5, 5]);
      expectValues(J.s.b[0], [2, 2], [6, 0, 0, 6]);
      expectValues(J.t[0].a, [3, 3], [2, 0, 0, 0, 4, 0, 0, 0, 6]);
      expectValues(J.t[0].b[0], [3, 2], [0, 0, 0, 0, 0, 0]);
    });

    it('works in chunks', () => {
      const f = (t: Tensor): Tensor => cat([t.sin(), t.prod().unsqueeze(0), t.sum().unsqueeze(0)]);
      for (const chunkSize of [1, 2, 3, 4, 100]) expectClose(jac(f, { chunkSize })(x), jac(f)(x));
      expectError(() => jac(f, { chunkSize: 0 })(x), ArgumentError, 'chunkSize');
    });

    it('gives zeros where nothing depends', () => {
      expectValues(jac((_t: Tensor) => y)(x), [2, 3], [0, 0, 0, 0, 0, 0]);
      expectValues(jac((t: Tensor) => t.detach())(y), [2, 2], [0, 0, 0, 0]);
      expectValues(jac((t: Tensor) => stack([t.floor(), t]).sum(0))(y), [2, 2], [1, 0, 0, 1]);
    });

    it('of nothing', () => {
      expect(jac((t: Tensor) => t.mul(2))(f64([], [0])).shape).toEqual([0, 0]);
      expect(jac((t: Tensor) => t.narrow(0, 0, 0))(x).shape).toEqual([0, 3]);
      expect(jac((t: Tensor) => t.sum().add(y))(f64([], [0])).shape).toEqual([2, 0]);
    });

    it('keeps float32', () => {
      const J = jac((t: Tensor) => t.mul(t))(tensor([1, 2]));
      expect(J.dtype).toBe('float32');
      expectValues(J, [2, 2], [2, 0, 0, 4]);
    });

    it('refuses integers and unknown options', () => {
      expectError(() => jac((t: Tensor) => t)(tensor([1], { dtype: 'int32' })), DTypeError, 'float');
      expectError(() => jac((t: Tensor) => t, { argNums: 1 } as object), ArgumentError, "unexpected option 'argNums'");
    });

    it('sees the outer control flow once per call', () => {
      let calls = 0;
      jac((t: Tensor) => {
        calls += 1;
        return t.mul(t);
      })(x);
      expect(calls).toBe(1);
    });
  });
}

describe('jacobian', () => {
  it('is reverse mode unless asked otherwise', () => {
    const f = (t: Tensor): Tensor => M.matmul(t.exp());
    expectClose(jacobian(f)(x), jacrev(f)(x));
    expectClose(jacobian(f, { mode: 'forward' })(x), jacfwd(f)(x));
    expectClose(jacobian(f, { mode: 'reverse', chunkSize: 1 })(x), jacrev(f)(x));
  });
});

describe('hessian', () => {
  const A = spreadTensor([3, 3], -1, 1, 6);

  it('of xᵀ A x is A + Aᵀ', () => {
    expectClose(hessian((t: Tensor) => t.dot(A.matmul(t)))(x), A.add(A.T));
  });

  it('by one of several arguments, in chunks', () => {
    const f = (a: Tensor, b: Tensor): Tensor => a.sum().mul(b.pow(3).sum());
    expectValues(hessian(f, { argnum: 1 })(x, y), [2, 2], [144, 0, 0, 180]);
    expectValues(hessian(f, { argnum: 1, chunkSize: 1 })(x, y), [2, 2], [144, 0, 0, 180]);
    expectValues(hessian(f)(x, y), [3, 3], new Array<number>(9).fill(0));
  });

  it('of a matrix argument has its shape twice', () => {
    const H = hessian((t: Tensor) => t.pow(3).sum())(M);
    expect(H.shape).toEqual([2, 3, 2, 3]);
    expectClose(H.reshape([6, 6]).mul(eye(6)).sum(0), M.flatten().mul(6));
    expectValues(H.sum(), [], [M.sum().item() * 6]);
  });

  it('of several results has one for each', () => {
    const H = hessian((t: Tensor) => t.pow(3))(y);
    expectValues(H, [2, 2, 2], [24, 0, 0, 0, 0, 0, 0, 30]);
  });

  it('is symmetric where the function is smooth', () => {
    const H = hessian((t: Tensor) => t.softmax(0).mul(t.sin()).sum().exp())(x);
    expectClose(H, H.T.contiguous());
  });
});

describe('hvp', () => {
  it('gives the value and the Hessian times a direction', () => {
    const f = (t: Tensor): Tensor => t.sin().prod();
    const v = f64([1, -1, 0.5], [3]);
    const [value, [product]] = hvp(f, [x], [v]);
    expectClose(value, f(x));
    expectClose(product, hessian(f)(x).matmul(v));
  });

  it('by several arguments and trees of them', () => {
    const f = (p: { readonly a: Tensor }, b: Tensor): Tensor => p.a.sum().mul(b.square().sum());
    const [, [pa, pb]] = hvp(f, [{ a: x }, y], [{ a: f64([1, 0, 0], [3]) }, f64([0, 1], [2])]);
    // ∂²/∂a∂b = 2b, ∂²/∂b² = 2 Σa
    expectValues(pa.a, [3], [10, 10, 10]);
    expectValues(pb, [2], [8, 10 + 12]);
  });

  it('is the derivative of the gradient', () => {
    const f = (t: Tensor): Tensor => t.pow(4).sum();
    const v = f64([1, 2, 3], [3]);
    expectClose(hvp(f, [x], [v])[1][0], grad((t: Tensor) => grad(f)(t).dot(v))(x));
  });
});

function eye(n: number): Tensor {
  const values = new Float64Array(n * n);
  for (let i = 0; i < n; i++) values[i * (n + 1)] = 1;
  return f64(values, [n, n]);
}
