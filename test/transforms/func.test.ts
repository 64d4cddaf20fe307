import {
  ArgumentError,
  AutogradError,
  autograd,
  DTypeError,
  eye,
  grad,
  hessian,
  inferenceMode,
  isInferenceModeEnabled,
  jacfwd,
  jacrev,
  jvp,
  linearize,
  noGrad,
  ones,
  ShapeError,
  slice,
  type Tensor,
  valueAndGrad,
  vjp,
  vmap,
  vstack,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

/* What torch.func does beyond the mathematics: which arguments, what else is returned, how trees are matched. */

const x = f64([1, 2, 3], [3]);
const y = f64([4, 5, 6], [3]);
const one = f64([1], []);
const E3 = eye(3, { dtype: 'float64' });
const sin = (t: Tensor): Tensor => t.sin();
const mul = (a: Tensor, b: Tensor): Tensor => a.mul(b);
/** A function, or what it gives, past the compiler. */
const wild = (f: unknown): never => f as never;

for (const [name, jac] of Object.entries({ jacrev, jacfwd })) {
  describe(name, () => {
    it('differentiates by several arguments, in the order asked for', () => {
      const [a, b] = jac(mul, { argnums: [0, 1] })(x, y);
      expectClose(a, y.diag());
      expectClose(b, x.diag());
      expectClose(jac(mul, { argnums: [1, 0] })(x, y)[0], x.diag());
      expect(jac(mul, { argnums: [0] })(x, y)).toHaveLength(1);
      expectClose(jac(mul, { argnums: -1 })(x, y), x.diag());
    });

    it('gives every output its blocks, by several arguments too', () => {
      const f = (a: Tensor, b: Tensor) => ({ left: a.mul(2).add(b.mul(3)), right: [a.mul(4)] });
      const J = jac(f, { argnums: [0, 1] })(x, y) as { left: Tensor[]; right: Tensor[][] };
      expectClose(J.left[0], E3.mul(2));
      expectClose(J.left[1], E3.mul(3));
      expectClose(J.right[0][0], E3.mul(4));
      expectClose(J.right[0][1], E3.mul(0));
    });

    it('hands aux through', () => {
      const [J, aux] = jac((t: Tensor) => [t.clone(), { c: t.cos() }] as const, { hasAux: true })(x);
      expectClose(J, E3);
      expectClose(aux.c, x.cos());
      expectError(
        () =>
          jac(
            wild((t: Tensor) => [t, t, t]),
            { hasAux: true },
          )(wild(x)),
        ArgumentError,
        'output of function f should be a tuple: [output, aux] if hasAux is true',
      );
    });

    it('lets the function change its arguments in place, and what was given stays', () => {
      const b = f64([7, 8, 9], [3]);
      expectClose(jac((a: Tensor, t: Tensor) => t.copy_(a))(x, b), E3);
      expectValues(b, [3], [7, 8, 9]);
      const f = (a: Tensor, t: Tensor): Tensor =>
        vstack([
          a
            .setAt_([slice(null, 3)], t)
            .square()
            .sum(),
          t.sum(),
        ]).reshape([2]);
      expectValues(jac(f, { argnums: 1 })(b, x), [2, 3], [2, 4, 6, 1, 1, 1]);
      expectValues(b, [3], [7, 8, 9]);
    });

    it('passes on what is no tensor', () => {
      expectClose(jac((t: Tensor, n: number) => t.mul(n))(x, 3), E3.mul(3));
    });

    it('refuses positions there are not', () => {
      expectError(() => jac(sin, { argnums: [] })(x), ArgumentError, 'argnums must be non-empty');
      expectError(() => jac(sin, { argnums: 2 })(x), ArgumentError, 'Got argnum=2, but only 1 positional inputs');
      expectError(() => jac(sin, { argnums: -2 })(x), ArgumentError, 'but only 1 positional inputs');
      expectError(() => jac(mul, { argnums: [0, -2] })(x, y), ArgumentError, 'argnums elements must be unique');
      expectError(() => jac(sin, { argnums: 0.5 })(x), ArgumentError, 'argnums must be int or Tuple[int, ...]');
      expectError(() => jac(mul, { argnums: [1, 0.5] })(x, y), ArgumentError, 'argnum must be int, got: 0.5');
    });

    it('refuses results that are nothing, or no tensors', () => {
      for (const nothing of [null, []])
        expectError(
          () => jac(wild(() => nothing))(wild(x)),
          ArgumentError,
          /(vjp|jvp).+: Expected f to be a function that has non-empty output/,
        );
      for (const other of [1, true, 'abc'])
        expectError(
          () => jac(wild(() => other))(wild(x)),
          ArgumentError,
          /(vjp|jvp).+: expected f\(\*primals\) to return only tensors/,
        );
    });

    it('refuses chunks that are no size', () => {
      for (const chunkSize of [0, -2, 1.5])
        expectError(() => jac(sin, { chunkSize })(x), ArgumentError, '`chunk_size` should be greater than 0.');
    });
  });
}

describe('hessian', () => {
  it('gives blocks by pairs of arguments', () => {
    const H = hessian((a: Tensor, b: Tensor) => a.square().mul(b).sum(), { argnums: [0, 1] })(x, y);
    expectClose(H[0][0], y.mul(2).diag());
    expectClose(H[0][1], x.mul(2).diag());
    expectClose(H[1][0], x.mul(2).diag());
    expectClose(H[1][1], E3.mul(0));
  });
});

describe('vjp', () => {
  it('hands aux through, outside of the graph', () => {
    const [out, pull, aux] = vjp((t: Tensor) => [t.sin(), { c: t.cos() }] as const, x, { hasAux: true });
    expectClose(out, x.sin());
    expectClose(aux.c, x.cos());
    expectClose(pull(y)[0], y.mul(x.cos()));
    expectError(
      () =>
        vjp(
          wild((t: Tensor) => [t, t, t]),
          x,
          { hasAux: true } as never,
        ),
      ArgumentError,
      'output of function f should be a tuple',
    );
  });

  it('matches cotangents with results by name, not by order', () => {
    const [, pull] = vjp((t: Tensor) => ({ a: t.mul(2), b: t.mul(3) }), x);
    expectValues(pull({ b: ones([3], { dtype: 'float64' }).mul(0), a: x })[0], [3], [2, 4, 6]);
    expectError(
      () => pull(wild({ a: x, c: x })),
      ArgumentError,
      'Expected pytree structure of cotangents to be the same as pytree structure of outputs to the function. cotangents: {a: *, c: *}, primal output: {a: *, b: *}',
    );
    const [, two] = vjp((t: Tensor) => [t, [t]] as const, x);
    expectError(() => two(wild([[x, [x]]])), ArgumentError, 'Expected pytree structure');
    expectError(() => two(wild([x, x])), ArgumentError, 'Expected pytree structure');
  });

  it('refuses results that have no derivative', () => {
    const places = (t: Tensor): Tensor => t.argmax();
    const message = 'All outputs of f must be floating-point or complex Tensors, got Tensor with dtype int32';
    expectError(() => vjp(places, x), DTypeError, message);
    expectError(() => jacrev(places)(x), DTypeError, message);
    expectValues(jacfwd(places)(x), [3], [0, 0, 0]);
  });
});

describe('jvp', () => {
  it('hands aux through', () => {
    const [out, tangent, aux] = jvp((t: Tensor) => [t.sin(), t.cos()] as const, [x], [y], { hasAux: true });
    expectClose(out, x.sin());
    expectClose(tangent, x.cos().mul(y));
    expectClose(aux, x.cos());
  });

  it('refuses, when strict, what does not depend on the primals', () => {
    const f = (t: Tensor) => [t.mul(2), y] as const;
    expectError(
      () => jvp(f, [x], [x], { strict: true }),
      AutogradError,
      'The output of f is independent of the inputs. This is not allowed with strict',
    );
    expectValues(jvp(f, [x], [x])[1][1], [3], [0, 0, 0]);
    expectClose(jvp(sin, [x], [x], { strict: true })[0], x.sin());
  });

  it('matches tangents with primals by name', () => {
    const f = (p: { readonly a: Tensor; readonly b: Tensor }): Tensor => p.a.mul(2).add(p.b);
    expectClose(jvp(f, [{ a: x, b: y }], [{ b: y, a: x }])[1], x.mul(2).add(y));
  });

  it('refuses primals and tangents that do not fit', () => {
    const id = wild((t: unknown) => t);
    const refuses = (primals: unknown, tangents: unknown, message: string): void =>
      expectError(() => jvp(id, wild(primals), wild(tangents)), ArgumentError, message);
    refuses(one, one, 'Expected primals to be a tuple');
    refuses([[one, one], one], [one, one], 'Expected primals and tangents to have the same python structure');
    refuses([[one, one], 1], [[one, one], one], 'Expected primals to only contain Tensors, got number');
    refuses([[one, one], one], [[1, one], one], 'Expected tangents to only contain Tensors');
    refuses([[]], [[]], 'Expected primals to contain at least one Tensor');
    refuses([], [], 'Expected primals to contain at least one Tensor');
  });
});

describe('linearize', () => {
  it('runs the function once and gives its derivative as a linear function', () => {
    let calls = 0;
    const f = (a: Tensor, p: { readonly b: Tensor }) => {
      calls += 1;
      return { s: a.mul(p.b), t: [a.sin().sum()] };
    };
    const [out, push] = linearize(f, x, { b: y });
    expectClose(out.s, x.mul(y));
    for (const k of [1, 2]) {
      const moved = push(y.mul(k), { b: x });
      const [, tangent] = jvp(f, [x, { b: y }], [y.mul(k), { b: x }]);
      expectClose(moved.s, tangent.s);
      expectClose(moved.t[0], tangent.t[0]);
    }
    expect(calls).toBe(1 + 2);
  });

  it('is under other transforms what it is outside', () => {
    const along = (t: Tensor, u: Tensor): Tensor => linearize((s: Tensor) => s.pow(3), t)[1](u);
    expectClose(vmap(along)(x, y), x.square().mul(3).mul(y));
    expectClose(grad((t: Tensor) => along(t, y).sum())(x), x.mul(6).mul(y));
    expectClose(jvp((t: Tensor) => along(t, y), [x], [x])[1], x.square().mul(6).mul(y));
    const leaf = f64([1, 2, 3], [3]).requiresGrad_();
    expectClose(autograd.grad(along(leaf, y).sum(), leaf)[0], x.mul(6).mul(y));
    expectClose(linearize((_t: Tensor) => y, x)[1](x), y.mul(0));
  });

  it('refuses tangents that do not fit', () => {
    const [, push] = linearize(sin, x);
    expectError(
      () => push(f64([1, 2], [2])),
      ShapeError,
      "tangent:0 with shape [2] in flattened pytree doesn't match the shape [3] of the corresponding primal",
    );
    expectError(() => push(x.float()), DTypeError, "doesn't match the dtype float64 of the corresponding primal");
    expectError(
      () => (push as (...ts: Tensor[]) => Tensor)(x, x),
      ArgumentError,
      'Expected the tangents (*, *) to have the same argspec as the primals (*)',
    );
  });
});

describe('grad', () => {
  it('refuses an aux that is not there, and what is no tensor', () => {
    expectError(
      () =>
        grad(
          wild((t: Tensor) => [t, t, t]),
          { hasAux: true },
        )(wild(x)),
      ArgumentError,
      'output of function f should be a tuple',
    );
    for (const other of [null, 2])
      expectError(() => grad(wild(() => other))(wild(x)), ArgumentError, 'Expected f(*args) to return a Tensor, got');
    expectError(() => grad(mul, { argnums: wild(['0']) })(x, y), ArgumentError, 'argnum must be int');
  });

  it('says what a change of a captured tensor would be', () => {
    const captured = f64([1, 2, 3], [3]);
    const f = (t: Tensor): Tensor => captured.copy_(t).mul(t).sum();
    expectError(() => grad(f)(x), AutogradError, 'mutate a captured Tensor');
    expectError(() => jvp(f, [x], [x]), AutogradError, 'mutate a captured Tensor');
    expectError(() => vmap((t: Tensor) => captured.at(0).add_(t))(x), AutogradError, 'vmap: inplace arithmetic');
  });

  it('lets results follow what they are views of', () => {
    const f = (t: Tensor, u: Tensor): readonly [Tensor, Tensor] => {
      const base = t.clone();
      const view = base.at(slice(null, null, 2));
      base.copy_(u);
      return [base, view];
    };
    const expected = [
      [4, 5, 6],
      [4, 6],
    ];
    const values = (ts: readonly Tensor[]) => ts.map((t) => t.detach().toArray());
    expect(values(jvp(f, [x, y], [x, y])[1])).toEqual(expected);
    expect(values(vjp(f, x, y)[0])).toEqual(expected);
    expect(
      values(
        vjp(f, x, y)[1]([x, f64([10, 100], [2])])[1]
          .unsqueeze(0)
          .unbind(0),
      ),
    ).toEqual([[11, 2, 103]]);
    const mapped = vmap(f)(x.unsqueeze(0), y.unsqueeze(0));
    expect(values(mapped.map((t) => t.squeeze(0)))).toEqual(expected);
    const both = vmap((t: Tensor, u: Tensor) => jvp(f, [t, u], [t, u])[1])(x.unsqueeze(0), y.unsqueeze(0));
    expect(values(both.map((t) => t.squeeze(0)))).toEqual(expected);
  });

  it('makes an argument the function may change of what it does not differentiate by', () => {
    const b = f64([0, 0, 0], [3]);
    expectClose(grad((a: Tensor, t: Tensor) => t.copy_(a).square().sum())(x, b), x.mul(2));
    expectValues(b, [3], [0, 0, 0]);
  });
});

describe('inference mode', () => {
  it('around a transform leaves its tape alone', () => {
    const cube = (t: Tensor): Tensor => t.pow(3).sum();
    inferenceMode(() => {
      expectClose(grad(cube)(x), x.square().mul(3));
      expectClose(grad(cube)(f64([1, 2, 3], [3])), x.square().mul(3));
      expectClose(vjp(cube, x)[1](one)[0], x.square().mul(3));
      expectClose(jacrev(grad(cube))(x), x.mul(6).diag());
      expectClose(vmap(grad((t: Tensor) => t.pow(3)))(x), x.square().mul(3));
      expectClose(jvp(cube, [x], [y])[1], x.square().mul(3).mul(y).sum());
      expect(isInferenceModeEnabled()).toBe(true);
      const half = (t: Tensor): Tensor => t.mul(inferenceMode(() => t.mul(1))).sum();
      expectClose(grad(half)(x), x);
    });
    expect(isInferenceModeEnabled()).toBe(false);
  });

  it('does not let a change of what was saved pass', () => {
    inferenceMode(() => {
      const c = f64([1, 2, 3], [3]).mul(1);
      const f = (t: Tensor): Tensor => {
        const product = t.mul(c);
        c.add_(1);
        return product.sum();
      };
      expectError(() => grad(f)(x), AutogradError, 'modified by an inplace operation');
    });
  });
});

describe('noGrad', () => {
  it('holds for the tapes around, not for those inside', () => {
    const leaf = f64([2], []).requiresGrad_();
    expect(noGrad(() => grad((t: Tensor) => t.square())(leaf)).requiresGrad).toBe(false);
    const h = (t: Tensor): Tensor => t.pow(3).sub(noGrad(() => valueAndGrad((s: Tensor) => s.pow(3))(t)[0]));
    const g = grad(h)(leaf);
    expectValues(g, [], [12]);
    expectValues(autograd.grad(g, leaf)[0], [], [12]);
    const [out, pull] = noGrad(() => vjp((t: Tensor) => t.square(), leaf));
    expect(out.requiresGrad).toBe(false);
    expectValues(autograd.grad(pull(one)[0], leaf)[0], [], [2]);
  });
});

describe('vmap', () => {
  const A = f64([1, 2, 3, 4, 5, 6], [2, 3]);
  type Pair = { readonly a: Tensor; readonly b: Tensor };

  it('takes dimensions for the parts of an argument', () => {
    const f = (p: Pair): Tensor => p.a.mul(p.b);
    const b = f64([10, 20], [2]);
    expectClose(vmap(f, { inDims: [{ a: 1, b: null }] })({ a: A, b }), A.T.mul(b));
    expectClose(vmap(f, { inDims: [{ b: null, a: 1 }], chunkSize: 2 })({ a: A, b }), A.T.mul(b));
    expectClose(vmap((ts: readonly Tensor[]) => ts[0].add(ts[1].sum()), { inDims: [[0, 1]] })([x, A]), x.add(A.sum(0)));
  });

  it('puts the batch where outDims says for each result', () => {
    const f = (t: Tensor) => [t, [t, { c: y }]] as const;
    const [a, [b, { c }]] = vmap(f, { outDims: [0, [1, { c: null }]] })(A);
    expectClose(a, A);
    expectClose(b, A.T);
    expectValues(c, [3], [4, 5, 6]);
    const chunked = vmap(f, { outDims: [0, [1, { c: null }]], chunkSize: 1 })(A);
    expectClose(chunked[1][0], A.T);
    expectValues(chunked[1][1].c, [3], [4, 5, 6]);
    expectClose(vmap((t: Tensor) => t, { outDims: [1] })(A), A.T);
    expect(vmap((t: Tensor) => [t, 5] as const, { outDims: [0, null] })(A)[1]).toBe(5);
  });

  it('refuses dimensions that do not fit', () => {
    const id = (t: Tensor): Tensor => t;
    expectError(() => vmap(wild(id))(), ArgumentError, 'got no inputs. Maybe you forgot to add inputs');
    expectError(
      () => vmap(id, { inDims: wild('a') })(A),
      ArgumentError,
      'expected `in_dims` to be int or a (potentially nested) tuple matching the structure of inputs, got: string',
    );
    expectError(
      () => vmap((ts: readonly Tensor[]) => ts[0], { inDims: [[0, 0, 0]] })([A, A]),
      ArgumentError,
      'in_dims is not compatible with the structure of `inputs`. in_dims has structure ((*, *, *)) but inputs has structure ((*, *))',
    );
    expectError(
      () => vmap(id, { outDims: [0, 0] })(A),
      ArgumentError,
      'out_dims is not compatible with the structure of `outputs`. out_dims has structure (*, *) but outputs has structure *',
    );
    expectError(
      () => vmap((t: Tensor) => [t, t] as const, { outDims: [0, null] })(A),
      ArgumentError,
      '`f` can not return a BatchedTensor when out_dim is None',
    );
    expectError(
      () => vmap(id, { outDims: wild('a') })(A),
      ArgumentError,
      '`out_dims` must be an int, None or a python collection of ints',
    );
    expectError(() => vmap((t: Tensor) => t.nonzero())(A), Error as never, 'We do not support batching operators');
  });

  it('shows at which level a tensor is', () => {
    const shown: string[] = [];
    vmap(
      grad((t: Tensor) => {
        shown.push(String(t));
        return t;
      }),
    )(zeros([1]));
    expect(shown[0]).toBe(
      'GradTrackingTensor(lvl=2, value=\n    BatchedTensor(lvl=1, bdim=0, value=\n        tensor([0.])\n    )\n)',
    );
  });
});
