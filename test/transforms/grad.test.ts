import {
  ArgumentError,
  AutogradError,
  arange,
  DTypeError,
  grad,
  noGrad,
  ShapeError,
  type Tensor,
  tensor,
  valueAndGrad,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

const x = f64([1, 2, 3], [3]);
const cube = (t: Tensor): Tensor => t.pow(3).sum();

describe('grad', () => {
  it('is the derivative as a function', () => {
    expectValues(grad(cube)(x), [3], [3, 12, 27]);
    expectValues(grad((t: Tensor) => t.sin())(f64([0], [])), [], [1]);
  });

  it('leaves its arguments alone', () => {
    const w = x.clone();
    grad(cube)(w);
    expect(w.requiresGrad).toBe(false);
    expect(w.grad).toBeNull();
    expect(w.version).toBe(0);
  });

  it('returns plain tensors outside any graph', () => {
    const g = grad(cube)(x);
    expect(g.requiresGrad).toBe(false);
    expect(g.gradFn).toBeNull();
    expect(g.item === undefined).toBe(false);
    expect(String(g)).toBe('tensor([ 3., 12., 27.], dtype=float64)');
  });

  it('gives zeros for an argument that the result does not depend on', () => {
    expectValues(grad((_t: Tensor) => f64([7], []))(x), [3], [0, 0, 0]);
    expectValues(grad((t: Tensor) => t.detach().sum())(x), [3], [0, 0, 0]);
    expectValues(grad((t: Tensor) => t.gt(2).to('float64').sum())(x), [3], [0, 0, 0]);
  });

  it('keeps the dtype of the argument', () => {
    const g = grad((t: Tensor) => t.to('float64').square().sum())(tensor([1, 2]));
    expect(g.dtype).toBe('float32');
    expectValues(g, [2], [2, 4]);
  });

  it('differentiates empty arguments', () => {
    expectValues(grad((t: Tensor) => t.exp().sum())(f64([], [0, 3])), [0, 3], []);
  });

  it('returns the argument itself differentiated by itself', () => {
    expectValues(grad((t: Tensor) => t)(f64([4], [])), [], [1]);
  });

  it('can be called again and again', () => {
    const g = grad(cube);
    expectClose(g(x), g(x));
    expectValues(g(f64([2], [1])), [1], [12]);
  });
});

describe('argnums', () => {
  const f = (a: Tensor, b: Tensor, c: Tensor): Tensor => a.mul(b).add(c.square()).sum();
  const [a, b, c] = [f64([1, 2], [2]), f64([3, 4], [2]), f64([5], [])];

  it('chooses one argument, from the front or the end', () => {
    expectValues(grad(f)(a, b, c), [2], [3, 4]);
    expectValues(grad(f, { argnums: 1 })(a, b, c), [2], [1, 2]);
    expectValues(grad(f, { argnums: -1 })(a, b, c), [], [20]);
  });

  it('chooses several, in the order asked for', () => {
    const [gc, ga] = grad(f, { argnums: [2, 0] })(a, b, c);
    expectValues(gc, [], [20]);
    expectValues(ga, [2], [3, 4]);
    expect(grad(f, { argnums: [1] })(a, b, c)).toHaveLength(1);
  });

  it('leaves the others constant, integers among them', () => {
    const pick = (t: Tensor, i: Tensor): Tensor => t.indexSelect(0, i).sum();
    expectValues(grad(pick)(x, tensor([2, 2], { dtype: 'int32' })), [3], [0, 0, 2]);
  });

  it('refuses positions there are not', () => {
    expectError(() => grad(f, { argnums: 3 })(a, b, c), ArgumentError, 'argnum=3, but only 3 positional inputs');
    expectError(() => grad(f, { argnums: -4 })(a, b, c), ArgumentError, 'argnum=-4');
    expectError(() => grad(f, { argnums: [] })(a, b, c), ArgumentError, 'argnums must be non-empty');
    expectError(() => grad(f, { argnums: 0.5 })(a, b, c), ArgumentError, 'argnums must be int or Tuple[int, ...]');
    expectError(() => grad(f, { argnums: [0, 0] })(a, b, c), ArgumentError, /argnums?.*(twice|once|unique)/);
  });
});

describe('trees', () => {
  it('are differentiated leaf by leaf and come back in the same form', () => {
    const parameters = {
      w: f64([1, 2, 3, 4], [2, 2]),
      layers: [{ b: f64([5, 6], [2]) }, { b: f64([7], []) }] as const,
    };
    const loss = (p: typeof parameters, t: Tensor): Tensor => p.w.matmul(t).mul(p.layers[0].b).sum().mul(p.layers[1].b);
    const t = f64([1, -1], [2]);
    const g = grad(loss)(parameters, t);
    expectValues(g.w, [2, 2], [35, -35, 42, -42]);
    expectValues(g.layers[0].b, [2], [-7, -7]);
    expectValues(g.layers[1].b, [], [-11]);
    expect(Object.keys(g)).toEqual(['w', 'layers']);
  });

  it('may hold things that are no tensors', () => {
    const g = grad((p: { readonly a: Tensor; readonly scale: number }) => p.a.mul(p.scale).sum())({ a: x, scale: 3 });
    expectValues(g.a, [3], [3, 3, 3]);
    expect(g.scale).toBe(3);
  });

  it('of several arguments hold tensors, each', () => {
    const pow = (t: Tensor, n: number): Tensor => t.pow(n).sum();
    expectError(() => grad(pow, { argnums: [0, 1] })(x, 2), ArgumentError, 'plain object of tensors, got number');
  });

  it('sum the gradients of a tensor that occurs twice at each place of its own', () => {
    const [g, h] = grad((p: readonly [Tensor, Tensor]) => p[0].mul(p[1]).sum())([x, x]);
    expectValues(g, [3], [1, 2, 3]);
    expectValues(h, [3], [1, 2, 3]);
  });
});

describe('valueAndGrad and hasAux', () => {
  it('give the value too', () => {
    const [value, g] = valueAndGrad(cube)(x);
    expectValues(value, [], [36]);
    expectValues(g, [3], [3, 12, 27]);
    expect(value.requiresGrad).toBe(false);
  });

  it('hand the rest of the result through', () => {
    const f = (t: Tensor) => [t.square().sum(), { doubled: t.mul(2), name: 'f' }] as const;
    const [g, aux] = grad(f, { hasAux: true })(x);
    expectValues(g, [3], [2, 4, 6]);
    expectValues(aux.doubled, [3], [2, 4, 6]);
    expect(aux.name).toBe('f');
    expect(aux.doubled.requiresGrad).toBe(false);
    const [[value, rest], g2] = valueAndGrad(f, { hasAux: true })(x);
    expectValues(value, [], [14]);
    expectValues(rest.doubled, [3], [2, 4, 6]);
    expectClose(g2, g);
  });

  it('refuse a result that is not [value, aux]', () => {
    expectError(() => grad(cube, { hasAux: true })(x), ArgumentError, 'f must return [value, aux]');
  });
});

describe('native control flow', () => {
  // Chapter 2.5 of Dive into Deep Learning.
  const f = (a: Tensor): Tensor => {
    let b: Tensor = a.mul(2);
    while (+b.norm() < 1000) b = b.mul(2);
    return (+b.sum() > 0 ? b : b.mul(100)).sum();
  };

  it('follows the branch that was taken', () => {
    const a = f64([0.75, 0.5], [2]);
    const k = f(a).item() / a.sum().item();
    expectValues(grad(f)(a), [2], [k, k]);
    expectValues(grad(f)(a.neg()), [2], [100 * k, 100 * k]);
  });

  it('reads values at every level of nesting', () => {
    const branch = (t: Tensor): Tensor => (t.item() > 1 ? t.pow(3) : t.neg());
    expectValues(grad(grad(branch))(f64([2], [])), [], [12]);
    expectValues(grad(grad(branch))(f64([0.5], [])), [], [0]);
    const values: unknown[] = [];
    grad((t: Tensor) => {
      values.push(t.toArray(), [...t.toTypedArray()]);
      return t.sum();
    })(x);
    expect(values).toEqual([
      [1, 2, 3],
      [1, 2, 3],
    ]);
  });
});

describe('grad refuses', () => {
  it('results that are no scalars', () => {
    expectError(() => grad((t: Tensor) => t.mul(2))(x), ShapeError, 'got tensor with 1 dims, shape [3]');
    expectError(() => grad((t: Tensor) => t.sum(0, { keepdim: true }))(x), ShapeError, 'to return a scalar tensor');
  });

  it('results that are no single tensor', () => {
    expectError(
      () => grad((t: Tensor) => [t.sum(), t.sum()])(x),
      ArgumentError,
      'Expected f(*args) to return a Tensor, got (*, *)',
    );
    expectError(() => grad((_t: Tensor) => 3)(x), ArgumentError, 'got number');
    expectError(() => grad((_t: Tensor) => undefined)(x), ArgumentError, 'got undefined');
    expectError(() => grad((_t: Tensor) => null)(x), ArgumentError, 'got null');
  });

  it('promises, whose code would run after the tape is closed', () => {
    expectError(() => grad(async (t: Tensor) => t.sum())(x), ArgumentError, /promise/);
  });

  it('integers', () => {
    expectError(() => grad(cube)(arange(3, { dtype: 'int32' })), DTypeError, 'only Tensors of floating point dtype');
    expectError(() => grad((t: Tensor) => t.gt(0).any())(x), DTypeError, 'floating point');
  });

  it('options it does not know', () => {
    expectError(() => grad(cube, { argnum: 1 } as object), ArgumentError, "unexpected option 'argnum'");
    expectError(() => valueAndGrad(cube, { aux: true } as object), ArgumentError, "unexpected option 'aux'");
  });

  it('requiresGrad_ inside', () => {
    expectError(
      () => grad((t: Tensor) => t.detach().requiresGrad_().sum())(x),
      AutogradError,
      'inside of a function being transformed',
    );
  });
});

describe('a tensor that escapes', () => {
  it('is refused by every operation afterwards', () => {
    let kept: Tensor = x;
    grad((t: Tensor) => {
      kept = t.mul(2);
      return kept.sum();
    })(x);
    expectError(() => kept.add(1), AutogradError, 'was used after the transform had returned');
    expectError(() => x.mul(kept), AutogradError, 'grad or vjp');
    expectError(() => kept.sum().backward(), AutogradError, 'after the transform had returned');
  });

  it('is refused also after the function threw', () => {
    let kept: Tensor = x;
    const broken = (t: Tensor): Tensor => {
      kept = t;
      throw new RangeError('broken');
    };
    expectError(() => grad(broken)(x), RangeError, 'broken');
    expectError(() => kept.add(1), AutogradError, 'after the transform had returned');
    expectValues(grad(cube)(x), [3], [3, 12, 27]);
  });
});

describe('grad modes inside', () => {
  it('noGrad makes a constant for this tape', () => {
    expectValues(
      grad((t: Tensor) =>
        noGrad(() => t.square())
          .mul(t)
          .sum(),
      )(x),
      [3],
      [1, 4, 9],
    );
  });

  it('a surrounding noGrad does not reach inside', () => {
    expectValues(
      noGrad(() => grad(cube)(x)),
      [3],
      [3, 12, 27],
    );
  });

  it('noGrad in the inner function leaves the outer derivative', () => {
    // d/dt of t · [d/ds (s · const(s²)) at s = t] = d/dt t³, as PyTorch has it: the inner noGrad hides s² from the inner tape only.
    const inner = grad((s: Tensor) =>
      noGrad(() => s.square())
        .mul(s)
        .sum(),
    );
    expectValues(grad((t: Tensor) => inner(t).mul(t).sum())(x), [3], [3, 12, 27]);
  });
});
