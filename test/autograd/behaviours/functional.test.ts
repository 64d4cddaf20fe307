import {
  ArgumentError,
  AutogradError,
  autograd,
  grad,
  NotImplementedError,
  noGrad,
  ones,
  randn,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../../support/close.ts';

const F = autograd.functional;
const f64 = (values: number[], requiresGrad = false): Tensor => tensor(values, { dtype: 'float64', requiresGrad });
const random = (...shape: number[]): Tensor => randn(shape, { dtype: 'float64' });

const expReducer = (x: Tensor): Tensor => x.exp().sum(1);
const powReducer = (x: Tensor): Tensor => x.pow(3).sum();

describe('jacobian', () => {
  it('AG351 has shape output + input; arrays of inputs and outputs give arrays', () => {
    const x = random(2, 3);
    const j = F.jacobian(expReducer, x);
    expect(j.shape).toEqual([2, 2, 3]);
    expectClose(j.select(0, 0).select(0, 0), x.select(0, 0).exp());
    expectClose(j.select(0, 0).select(0, 1), zeros([3], { dtype: 'float64' }));

    const [a, b] = [f64([1, 2]), f64([3, 4, 5])];
    const [ja, jb] = F.jacobian((u, v) => u.exp().mul(v.sum()), [a, b]);
    expectValues(ja, [2, 2], [12 * Math.E, 0, 0, 12 * Math.E ** 2]);
    expectClose(jb, a.exp().unsqueeze(1).expand([2, 3]));

    const many = F.jacobian((u, v) => [u.sum(), v.mul(2)], [a, b]);
    expect(many.map((row) => row.map((t) => t.shape))).toEqual([
      [[2], [3]],
      [
        [3, 2],
        [3, 3],
      ],
    ]);
    expectValues(many[0][1], [3], [0, 0, 0]);
    expectValues(many[1][1], [3, 3], [2, 0, 0, 0, 2, 0, 0, 0, 2]);
    const [first, second] = F.jacobian((u: Tensor) => [u.pow(2), u.sum()] as const, a);
    expectValues(first, [2, 2], [2, 0, 0, 4]);
    expectValues(second, [2], [1, 1]);
    expect(F.jacobian((u: Tensor) => u.mul(2), zeros([0], { dtype: 'float64' })).shape).toEqual([0, 0]);
    expectValues(
      F.jacobian((u: Tensor) => u.pow(2), tensor(3, { dtype: 'float64' })),
      [],
      [6],
    );
  });

  it('AG351 vectorize and forward mode give the same', () => {
    const [a, b] = [random(2, 3), random(3)];
    const f = (u: Tensor, v: Tensor) => [u.mul(v).sin(), u.sum().mul(v), v.detach()] as const;
    const expected = F.jacobian(f, [a, b]).flat();
    const vectorized = F.jacobian(f, [a, b], { vectorize: true }).flat();
    const forward = F.jacobian(f, [a, b], { vectorize: true, strategy: 'forward-mode' }).flat();
    for (const [i, t] of expected.entries()) {
      expectClose(vectorized[i], t);
      expectClose(forward[i], t);
    }
    expectClose(F.jacobian(expReducer, a, { vectorize: true, strategy: 'forward-mode' }), F.jacobian(expReducer, a));
    const constant = (): Tensor => ones([2], { dtype: 'float64' });
    for (const vectorize of [true, false])
      expectValues(F.jacobian(constant, b, { vectorize }), [2, 3], [0, 0, 0, 0, 0, 0]);
  });

  it('AG351 options that exclude each other', () => {
    const x = random(2);
    const f = (t: Tensor): Tensor => t.exp();
    const wrong = (options: Parameters<typeof F.jacobian>[2]) => () => F.jacobian(f, x, options);
    expectError(
      wrong({ strict: true, vectorize: true }),
      ArgumentError,
      '`strict=true` and `vectorize=true` are not supported together',
    );
    expectError(
      wrong({ strict: true, vectorize: true, strategy: 'forward-mode' }),
      ArgumentError,
      'are not supported together (yet)',
    );
    expectError(
      wrong({ createGraph: true, strategy: 'forward-mode' }),
      NotImplementedError,
      'are not supported together (yet)',
    );
    expectError(wrong({ strategy: 'forward-mode' }), NotImplementedError, 'only implemented for `vectorize=true`');
    expectError(
      wrong({ strategy: 'sideways' as 'forward-mode' }),
      ArgumentError,
      'Expected strategy to be either "forward-mode" or "reverse-mode"',
    );
    expectError(wrong({ strickt: true } as object), ArgumentError, "unexpected option 'strickt'");
  });
});

describe('hessian', () => {
  it('AG352 needs a function that gives one number', () => {
    expectError(
      () => F.hessian((x: Tensor) => x.exp(), random(3)),
      ArgumentError,
      'The Tensor returned by the function given to hessian should contain a single element',
    );
    const several = (x: Tensor) => [x.sum(), x.sum()];
    expectError(
      () => F.hessian(several as unknown as (x: Tensor) => Tensor, random(3)),
      ArgumentError,
      'The function given to hessian should return a single Tensor',
    );
  });

  it('AG353 of xᵀAx is A + Aᵀ', () => {
    const A = random(3, 3);
    const f = (x: Tensor): Tensor => x.dot(A.mv(x));
    const expected = A.add(A.t());
    for (const options of [
      {},
      { vectorize: true },
      { vectorize: true, outerJacobianStrategy: 'forward-mode' as const },
    ])
      expectClose(F.hessian(f, random(3), options), expected);
    // One element of any rank is a number.
    expectClose(
      F.hessian((x: Tensor) => f(x).reshape([1, 1]), random(3)),
      expected,
    );
  });

  it('AG353 of several inputs is an array of arrays', () => {
    const [x, y] = [f64([1, 2]), f64([3])];
    for (const options of [
      {},
      { vectorize: true },
      { vectorize: true, outerJacobianStrategy: 'forward-mode' as const },
    ]) {
      const [[xx, xy], [yx, yy]] = F.hessian((a, b) => a.pow(2).sum().mul(b.sum()), [x, y], options);
      expectValues(xx, [2, 2], [6, 0, 0, 6]);
      expectValues(xy, [2, 1], [2, 4]);
      expectValues(yx, [1, 2], [2, 4]);
      expectValues(yy, [1, 1], [0]);
    }
  });
});

describe('vjp', () => {
  it('AG354 gives the output and Jᵀv; v may be left out for one number', () => {
    const x = random(4, 3);
    const v = random(4);
    const [y, g] = F.vjp(expReducer, x, v);
    expectClose(y, expReducer(x));
    expectClose(g, x.exp().mul(v.unsqueeze(1)));
    const [z, h] = F.vjp(powReducer, x);
    expectClose(z, powReducer(x));
    expectClose(h, x.pow(2).mul(3));
    const [, [ga, gb]] = F.vjp((a, b) => a.mul(2).add(b.mul(3)), [f64([1, 2]), f64([3, 4])], f64([1, 10]));
    expectValues(ga, [2], [2, 20]);
    expectValues(gb, [2], [3, 30]);
    const [outs, gs] = F.vjp((a: Tensor) => [a.sum(), a.mul(2)], f64([1, 2]), [
      tensor(5, { dtype: 'float64' }),
      f64([1, 0]),
    ]);
    expect(outs).toHaveLength(2);
    expectValues(gs, [2], [7, 5]);
  });

  it('AG355 without v needs one number', () => {
    expectError(
      () => F.vjp(expReducer, random(4, 3)),
      ArgumentError,
      'The vector v can only be None if the user-provided function returns a single Tensor with a single element.',
    );
  });
});

describe('jvp', () => {
  it('AG356 gives the output and Jv', () => {
    const x = random(4, 3);
    const v = random(4, 3);
    const [y, t] = F.jvp(expReducer, x, v);
    expectClose(y, expReducer(x));
    expectClose(t, x.exp().mul(v).sum(1));
    const [, s] = F.jvp((a, b) => a.mul(b), [f64([1, 2]), f64([3, 4])], [f64([1, 0]), f64([0, 1])]);
    expectValues(s, [2], [3, 2]);
    const [, along] = F.jvp((a: Tensor) => a.pow(3), tensor(2, { dtype: 'float64' }));
    expectValues(along, [], [12]);
    const [, [p, q]] = F.jvp((a: Tensor) => [a.pow(2), a.sum()] as const, f64([1, 2]), f64([1, 1]));
    expectValues(p, [2], [2, 4]);
    expectValues(q, [], [2]);
  });

  it('AG357 without v needs one number as input', () => {
    const message =
      'The vector v can only be None if the input to the user-provided function is a single Tensor with a single element.';
    expectError(() => F.jvp(expReducer, random(4, 3)), ArgumentError, message);
    expectError(() => F.hvp(powReducer, random(2)), ArgumentError, message);
    expectError(() => F.vhp(powReducer, random(2)), ArgumentError, message);
  });

  it('AG358 v must have the shape of what it goes with', () => {
    const x = random(2);
    const f = (t: Tensor): Tensor => t.exp();
    const message = 'v has invalid size: should be [2] but got [3].';
    expectError(() => F.jvp(f, x, random(3)), ShapeError, message);
    expectError(() => F.vjp(f, x, random(3)), ShapeError, message);
    expectError(() => F.hvp(powReducer, x, random(3)), ShapeError, message);
    expectError(() => F.vhp(powReducer, x, random(3)), ShapeError, message);
    const pair = [random(2), random(2)];
    expectError(
      () => F.jvp((a, b) => a.mul(b), [x, x] as const, [random(2), random(3)]),
      ShapeError,
      'Entry 1 in v has invalid size',
    );
    const short = [random(2)] as unknown as [Tensor, Tensor];
    expectError(
      () => F.jvp((a, b) => a.mul(b), [x, x] as const, short),
      ArgumentError,
      'v is a tuple of invalid length: should be 2 but got 1.',
    );
    expectError(
      () => F.vjp(f, x, pair as unknown as Tensor),
      ArgumentError,
      'The given v should contain a single Tensor.',
    );
  });
});

describe('vhp and hvp', () => {
  it('AG359 give vᵀH and Hv with the value of the function', () => {
    const A = random(3, 3);
    const [x, v] = [random(3), random(3)];
    const f = (t: Tensor): Tensor => t.exp().dot(A.mv(t.sin()));
    const H = F.hessian(f, x);
    for (const product of [F.vhp, F.hvp]) {
      const [y, p] = product(f, x, v);
      expectClose(y, f(x));
      expectClose(p, H.mv(v));
    }
    const [, [pa, pb]] = F.hvp((a, b) => a.pow(2).mul(b).sum(), [f64([1, 2]), f64([3, 4])], [f64([1, 0]), f64([0, 1])]);
    expectValues(pa, [2], [6, 4]);
    expectValues(pb, [2], [2, 0]);
    const [, one] = F.vhp((t: Tensor) => t.pow(3).sum(), f64([2]));
    expectValues(one, [1], [12]);
    for (const product of [F.vhp, F.hvp])
      expectError(() => product((t: Tensor) => t.exp(), x, v), ArgumentError, 'should contain a single element');
  });
});

describe('strict', () => {
  const x = f64([1, 2]);
  const strict = { strict: true };

  it('AG360 an output that does not depend on the input is an error', () => {
    const constant = (): Tensor => tensor(1, { dtype: 'float64' });
    const message =
      'Output 0 of the user-provided function does not require gradients. The outputs must be computed in a differentiable manner from the input when running in strict mode.';
    expectError(() => F.jacobian(constant, x, strict), AutogradError, message);
    expectError(() => F.hessian(constant, x, strict), AutogradError, message);
    expectError(() => F.vjp(constant, x, null, strict), AutogradError, message);
    expectError(() => F.jvp(constant, x, x, strict), AutogradError, message);
    expectError(() => F.hvp(constant, x, x, strict), AutogradError, message);
    expectError(() => F.vhp(constant, x, x, strict), AutogradError, message);
  });

  it('AG360 an output independent of one of several inputs is an error', () => {
    const first = (a: Tensor, _b: Tensor): Tensor => a.exp();
    expectError(
      () => F.jacobian(first, [x, x], strict),
      AutogradError,
      'Output 0 of the user-provided function is independent of input 1. This is not allowed in strict mode.',
    );
    expectError(
      () => F.vjp(first, [x, x], x, strict),
      AutogradError,
      'The output of the user-provided function is independent of input 1.',
    );
    expectError(
      () => F.jvp(first, [x, x], [x, x], strict),
      AutogradError,
      'The output of the user-provided function is independent of input 1.',
    );
  });

  it('AG360 a linear function has no Hessian in strict mode', () => {
    const linear = (t: Tensor): Tensor => t.sum();
    const message =
      'is independent of the input. This is not allowed in strict mode. You should ensure that your function is twice differentiable';
    expectError(() => F.hessian(linear, x, strict), AutogradError, message);
    expectError(() => F.hvp(linear, x, x, strict), AutogradError, message);
    expectError(() => F.vhp(linear, x, x, strict), AutogradError, message);
    expectError(
      () => F.jacobian((t: Tensor) => t.mul(2), x, { strict: true, createGraph: true }),
      AutogradError,
      'The jacobian of the user-provided function is independent of input 0. This is not allowed in strict mode when createGraph=true.',
    );
    expectError(
      () => F.vhp((t: Tensor) => t.pow(2).sum(), f64([1, 2], true), x, { strict: true, createGraph: true }),
      AutogradError,
      'The hessian of the user-provided function is independent of input 0. This is not allowed in strict mode when createGraph=true.',
    );
  });

  it('AG361 without strict they are zeros', () => {
    const constant = (): Tensor => tensor(1, { dtype: 'float64' });
    expectValues(F.jacobian(constant, x), [2], [0, 0]);
    expectValues(F.hessian(constant, x), [2, 2], [0, 0, 0, 0]);
    expectValues(
      F.hessian((t: Tensor) => t.sum(), x),
      [2, 2],
      [0, 0, 0, 0],
    );
    expectValues(F.vjp(constant, x)[1], [2], [0, 0]);
    expectValues(F.jvp(constant, x, x)[1], [], [0]);
    expectValues(F.hvp(constant, x, x)[1], [2], [0, 0]);
    expectValues(F.vhp((t: Tensor) => t.sum(), x, x)[1], [2], [0, 0]);
  });
});

describe('what comes out and what stays', () => {
  it('AG362 results are differentiable with createGraph, and outside the graph without', () => {
    const x = f64([0.5, 1.5], true);
    const f = (t: Tensor): Tensor => t.exp().mul(t).sum();
    const results = (createGraph: boolean): Tensor[] => [
      F.jacobian((t: Tensor) => t.exp(), x, { createGraph }),
      F.jacobian((t: Tensor) => t.exp(), x, { createGraph, vectorize: true }),
      F.hessian(f, x, { createGraph }),
      F.hessian(f, x, { createGraph, vectorize: true }),
      ...F.vjp(f, x, null, { createGraph }),
      ...F.vjp(f, x, { createGraph }),
      ...F.jvp(f, x, ones([2], { dtype: 'float64' }), { createGraph }),
      ...F.hvp(f, x, ones([2], { dtype: 'float64' }), { createGraph }),
      ...F.vhp(f, x, ones([2], { dtype: 'float64' }), { createGraph }),
    ];
    expect(results(false).map((t) => t.requiresGrad)).toEqual(results(false).map(() => false));
    expect(results(true).map((t) => t.requiresGrad)).toEqual(results(true).map(() => true));
    // d/dx Σ Hᵢⱼ of Σ x eˣ
    for (const options of [{ createGraph: true }, { createGraph: true, vectorize: true }]) {
      const [g] = autograd.grad(F.hessian(f, x, options).sum(), x);
      expectValues(
        g,
        [2],
        [0.5, 1.5].map((t) => (3 + t) * Math.exp(t)),
      );
    }
    const [g] = autograd.grad(F.hvp(f, x, f64([1, 2]), { createGraph: true })[1].sum(), x);
    expectValues(g, [2], [3.5 * Math.exp(0.5), 2 * 4.5 * Math.exp(1.5)]);
  });

  it('AG362 v is differentiated by as well', () => {
    const [x, v] = [f64([0.5, 1.5]), f64([2, 3], true)];
    const f = (t: Tensor): Tensor => t.exp();
    for (const product of [F.vjp, F.jvp]) {
      const [g] = autograd.grad(product(f, x, v, { createGraph: true })[1].sum(), v);
      expectClose(g, x.exp());
    }
  });

  it('AG362 works where recording is off', () => {
    const x = f64([1, 2], true);
    noGrad(() => {
      expectValues(F.vjp(powReducer, x)[1], [2], [3, 12]);
      expect(F.jacobian((t: Tensor) => t.exp(), x, { createGraph: true }).requiresGrad).toBe(true);
      expect(autograd.isGradEnabled()).toBe(false);
    });
  });

  it('AG363 what is no tensor is an error', () => {
    const number = 1 as unknown as Tensor;
    expectError(
      () => F.jacobian((x: Tensor) => x, number),
      ArgumentError,
      'The inputs given to jacobian must be either a Tensor or a tuple of Tensors but the given inputs has type number',
    );
    expectError(
      () => F.vjp((x: Tensor, y: Tensor) => x.add(y), [random(1), number] as const),
      ArgumentError,
      'The inputs given to vjp must be either a Tensor or a tuple of Tensors but the value at index 1 has type number.',
    );
    expectError(
      () => F.jacobian(() => number, random(2)),
      ArgumentError,
      'The outputs of the user-provided function given to jacobian must be either a Tensor or a tuple of Tensors but the given outputs of the user-provided function has type number.',
    );
    expectError(
      () => F.hvp(powReducer, random(1), 1 as unknown as Tensor),
      ArgumentError,
      'The v given to hvp must be',
    );
    expectError(
      () => F.vhp(random(1) as never, random(1)),
      ArgumentError,
      'autograd.functional.vhp: expected a function',
    );
  });

  it('AG364 inputs are not modified, and get no gradient', () => {
    const x = f64([1, 2], true);
    const before = x.toArray();
    F.jacobian((t: Tensor) => t.mul(x), x);
    F.hessian(powReducer, x, { createGraph: true });
    F.vjp(powReducer, x);
    F.jvp(powReducer, x, f64([1, 1]));
    F.hvp(powReducer, x, f64([1, 1]));
    F.vhp(powReducer, x, f64([1, 1]));
    expect([x.grad, x.toArray(), x.version, x.isLeaf]).toEqual([null, before, 0, true]);
    // A tensor the function captures is a constant, also when it is the input.
    expectValues(
      F.jacobian((t: Tensor) => t.mul(x), x),
      [2, 2],
      [1, 0, 0, 2],
    );
  });

  it('AG364 inside a transform', () => {
    const x = f64([0.5, 1.5]);
    const f = (t: Tensor): Tensor => t.exp().sum();
    const g = grad((t: Tensor) => F.vjp(f, t, null, { createGraph: true })[1].pow(2).sum())(x);
    expectValues(
      g,
      [2],
      [0.5, 1.5].map((t) => 2 * Math.exp(2 * t)),
    );
  });
});
