import {
  ArgumentError,
  AutogradError,
  autograd,
  defineOperation,
  elementwise,
  grad,
  jvp,
  NotImplementedError,
  notDifferentiable,
  ones,
  operations,
  type Tensor,
  tensor,
  vmap,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { gradcheck, gradgradcheck } from '../support/gradcheck.ts';
import { spreadTensor } from '../support/numbers.ts';
import { agree, batch, programNames, x } from './programs.ts';

/* Operations defined from outside the library. */

const sines = elementwise((t) => t.sin().mul(t), 'sines');
const slopes = elementwise((t) => t.cos().mul(t).add(t.sin()), 'slopes');

// y = k x sin x        x̄ = k (x cos x + sin x) ȳ
const kernel = defineOperation({
  name: 'kernelSines',
  inputs: ['x'],
  options: { k: 1 },
  forward: ([t], { k }) => sines(t).mul(k),
  vjp: { x: [['x'], (g, [t], { options: { k } }) => g.mul(slopes(t)).mul(k)] },
  jvp: ({ inputs: [t], tangents: [d], options: { k } }) => (d === null ? null : d.mul(slopes(t)).mul(k)),
  vmap: 'elementwise',
});

// The same, opaque to the library: forward reads values.
const sequential = defineOperation({
  name: 'sequentialSines',
  inputs: ['x'],
  forward: ([t]) =>
    tensor(
      t.toTypedArray().map((v) => 2 * v * Math.sin(v)),
      { dtype: t.dtype, shape: t.shape },
    ),
  vjp: { x: [['x', 'y'], (g, [t, y]) => g.mul(t.cos().mul(t).mul(2).add(y.div(t)))] },
  jvp: ({ inputs: [t], outputs: [y], tangents: [d] }) => d?.mul(t.cos().mul(t).mul(2).add(y.div(t))) ?? null,
  vmap: 'sequential',
});

// y = a bᵀ, an outer product; linear in each
const outer: (a: Tensor, b: Tensor) => Tensor = defineOperation({
  name: 'outerProduct',
  node: 'OuterBackward',
  inputs: ['a', 'b'],
  forward: ([a, b]) => a.unsqueeze(1).mul(b.unsqueeze(0)),
  vjp: {
    a: [['b'], (g, [b]) => g.mv(b)],
    b: [['a'], (g, [a]) => g.T.mv(a)],
  },
  jvp: 'multilinear',
  vmap: ([a, b], [inA, inB]) => {
    const left = inA ? a.unsqueeze(2) : a.unsqueeze(1);
    const right = inB ? b.unsqueeze(1) : b.unsqueeze(0);
    return left.mul(right);
  },
});

describe('a defined operation', () => {
  const plain = (t: Tensor): Tensor => t.sin().mul(t).mul(2);
  describe.each([
    ['elementwise', (t: Tensor) => kernel(t, { k: 2 })],
    ['sequential', (t: Tensor) => sequential(t)],
  ])('%s', (_, f) => {
    it.each(programNames)('agrees with its formula under: %s', (name) => agree(name, f, plain));
  });

  it('of two inputs', () => {
    const [a, b] = [spreadTensor([3], -1, 1), spreadTensor([4], -1, 1, 1)];
    gradcheck(outer, [a, b]);
    gradgradcheck(outer, [a, b]);
    expectClose(jvp(outer, [a, b], [b.slice(0, 0, 3), b])[1], outer(b.slice(0, 0, 3), b).add(outer(a, b)));
    const many = spreadTensor([5, 3], -1, 1);
    expectClose(vmap((t: Tensor) => outer(t, b))(many).select(0, 2), outer(many.select(0, 2), b));
    expectClose(vmap((t: Tensor) => outer(a, t))(many).select(0, 2), outer(a, many.select(0, 2)));
    const y = outer(a.requiresGrad_(), b);
    expect([y.gradFn?.name, outer.name]).toEqual(['OuterBackward', 'outerProduct']);
  });

  it('of two results', () => {
    const polar = defineOperation({
      name: 'polarPair',
      inputs: ['x', 'y'],
      forward: ([a, b]) => [a.square().add(b.square()).sqrt(), b.atan2(a)],
      vjp: {
        saves: ['x', 'y', 'y0'],
        rule: ([gr, ga], [a, b, r]) => {
          const zero = r.mul(0);
          const [u, v] = [gr ?? zero, ga ?? zero];
          const square = r.square();
          return [u.mul(a).div(r).sub(v.mul(b).div(square)), u.mul(b).div(r).add(v.mul(a).div(square))];
        },
      },
      jvp: notDifferentiable,
      vmap: 'elementwise',
    });
    const [a, b] = [spreadTensor([3], 0.5, 1), spreadTensor([3], 0.5, 1, 1)];
    gradcheck((s, t) => polar(s, t), [a, b]);
    gradcheck((s, t) => polar(s, t)[1], [a, b]);
    gradgradcheck((s, t) => polar(s, t), [a, b]);
    expectClose(
      vmap((s: Tensor) => polar(s, b)[0])(batch),
      vmap((s: Tensor) => s.square().add(b.square()).sqrt())(batch),
    );
  });

  it('is listed with the others, and names are unique', () => {
    expect(operations().has('kernelSines')).toBe(true);
    expect(operations().get('mm')?.name).toBe('mm');
    const again = (name: string) => () =>
      defineOperation({
        name,
        inputs: ['x'],
        forward: ([t]) => t.exp(),
        vjp: notDifferentiable,
        jvp: notDifferentiable,
        vmap: 'elementwise',
      });
    expectError(again('kernelSines'), ArgumentError, "operation 'kernelSines' is registered already");
    expectError(again('mm'), ArgumentError, "operation 'mm' is registered already");
  });

  it('lets no gradient through where it is not differentiable', () => {
    const steps = defineOperation({
      name: 'steps',
      inputs: ['x'],
      forward: ([t]) => t.floor(),
      vjp: notDifferentiable,
      jvp: notDifferentiable,
      vmap: 'elementwise',
    });
    expect(steps(ones([2], { requiresGrad: true })).requiresGrad).toBe(false);
    expectValues(jvp((t: Tensor) => steps(t), [x], [x])[1], [3], [0, 0, 0]);
    const half = defineOperation({
      name: 'halfDifferentiable',
      inputs: ['x', 'w'],
      forward: ([t, w]) => t.mul(w),
      vjp: { x: [['w'], (g, [w]) => g.mul(w)] },
      jvp: 'multilinear',
      vmap: 'elementwise',
    });
    const [t, w] = [ones([2], { requiresGrad: true }), ones([2], { requiresGrad: true })];
    half(t, w).sum().backward();
    expect([t.grad?.sum().item(), w.grad]).toEqual([2, null]);
  });

  it('has results of its own, whatever forward returns', () => {
    const same = defineOperation({
      name: 'sameAgain',
      inputs: ['x'],
      forward: ([t]) => t,
      vjp: { x: [[], (g) => g.mul(2)] },
      jvp: 'linear',
      vmap: 'elementwise',
    });
    const t = x.clone().requiresGrad_();
    const y = same(t);
    y.mul_(3);
    expectClose(t.detach(), x);
    y.sum().backward();
    expectValues(t.grad, [3], [6, 6, 6]);
  });

  it('broadcasts: the gradient is summed', () => {
    const weigh = defineOperation({
      name: 'weigh',
      inputs: ['x', 'w'],
      forward: ([t, w]) => t.mul(w),
      vjp: { x: [['w'], (g, [w]) => g.mul(w)], w: [['x'], (g, [t]) => g.mul(t)] },
      jvp: 'multilinear',
      vmap: 'elementwise',
    });
    const w = ones([3], { dtype: 'float64', requiresGrad: true });
    weigh(batch, w).sum().backward();
    expectClose(w.grad as Tensor, batch.sum(0));
    // Examples of ranks 0 and 1 meet.
    expectClose(
      vmap((s: Tensor, t: Tensor) => weigh(s, t))(batch.select(1, 0), batch),
      batch.mul(batch.slice(1, 0, 1)),
    );
  });
});

describe('mistakes', () => {
  const define = (change: object) => () =>
    defineOperation({
      name: 'mistaken',
      inputs: ['x'],
      forward: ([t]: readonly [Tensor]) => t.exp(),
      vjp: { x: [['y'], (g: Tensor, [y]: readonly Tensor[]) => g.mul(y)] },
      jvp: 'linear',
      vmap: 'elementwise',
      ...change,
    } as never);

  it('in a definition', () => {
    expectError(define({ name: 'a b' }), ArgumentError, 'name must be an identifier');
    expectError(define({ inputs: [] }), ArgumentError, 'inputs must be an array of names');
    expectError(define({ forward: 1 }), ArgumentError, 'forward must be a function');
    expectError(define({ vjp: undefined }), ArgumentError, "vjp must be 'not differentiable' or an object of rules");
    expectError(define({ jvp: 'bilinear' }), ArgumentError, "jvp must be 'not differentiable', 'linear'");
    expectError(define({ vmap: null }), ArgumentError, "vmap must be 'elementwise', 'sequential' or a function");
    expectError(define({ vjp: { z: [[], (g: Tensor) => g] } }), ArgumentError, "'z', which is no input");
    expectError(define({ vjp: { x: [['w'], (g: Tensor) => g] } }), ArgumentError, "a rule saves 'w'");
    expectError(define({ vmpa: 'elementwise' }), ArgumentError, "unexpected option 'vmpa'");
    expect(operations().has('mistaken')).toBe(false);
  });

  it('in a call', () => {
    const call = kernel as unknown as (...args: unknown[]) => Tensor;
    expectError(() => call(), ArgumentError, 'takes 1 tensors (x)');
    expectError(() => call(2), ArgumentError, 'expected a Tensor for x, got int');
    expectError(() => call(x, { j: 1 }), ArgumentError, "unexpected option 'j'");
    expectError(() => call(x, {}, 1), ArgumentError, 'got 3 arguments');
    expectError(() => (outer as unknown as typeof call)(x, x, { k: 1 }), ArgumentError, 'has no options');
  });

  it('in what rules return', () => {
    const wrong = defineOperation({
      name: 'wrongRules',
      inputs: ['x'],
      options: { forward: true },
      forward: ([t], options) => (options.forward ? t.exp() : ('no' as never)),
      vjp: { x: [[], () => ones([2, 2])] },
      jvp: 'linear',
      vmap: ([t]) => t.sum(),
    });
    expectError(() => wrong(x, { forward: false }), AutogradError, 'forward must return a Tensor');
    expectError(
      () => grad((t: Tensor) => wrong(t).sum())(x),
      AutogradError,
      'got [2, 2] but expected shape compatible with [3]',
    );
    expectError(() => vmap((t: Tensor) => wrong(t))(batch), AutogradError, 'first dimension is the batch, of size 4');
    expectError(
      () => vmap((t: Tensor) => sequential(t))(zeros([0, 3])),
      NotImplementedError,
      'cannot tell the shapes of an empty batch',
    );
  });

  it('an error in forward leaves recording on', () => {
    const failing = defineOperation({
      name: 'failing',
      inputs: ['x'],
      forward: (): Tensor => {
        throw new RangeError('no');
      },
      vjp: notDifferentiable,
      jvp: notDifferentiable,
      vmap: 'elementwise',
    });
    expectError(() => failing(x), RangeError, 'no');
    expect(autograd.isGradEnabled()).toBe(true);
  });
});
