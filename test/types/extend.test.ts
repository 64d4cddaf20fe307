/** What the compiler knows of functions and operations that users define. */
import { autograd, customJvp, customVjp, defineOperation, ones, type Tensor, zeros } from 'nabla';
import { describe, it } from 'vitest';
import { is, shaped, wrong } from './expect.ts';

type Ctx = autograd.FunctionContext;

class Rows extends autograd.Function {
  static forward(ctx: Ctx, x: Tensor<[2, 3]>, k: number): Tensor<[2]> {
    ctx.k = k;
    return x.sum(1).mul(k);
  }
  static backward(ctx: Ctx & { k: number }, g: Tensor<[2]>): [Tensor, null] {
    return [g.unsqueeze(1).expand([2, 3]).mul(ctx.k), null];
  }
}

class Split extends autograd.Function {
  static forward(x: Tensor, name: string): [Tensor, string] {
    return [x.mul(2), name];
  }
  static setupContext(_ctx: Ctx, [x, name]: [Tensor, string], [y]: [Tensor, string]): void {
    is<Tensor>()(x);
    is<string>()(name);
    is<Tensor>()(y);
  }
}

class Empty extends autograd.Function {}

describe('autograd.Function', () => {
  it('apply takes what forward takes, and returns what it returns', () => {
    shaped(Rows.apply(zeros([2, 3]), 2), [2]);
    const [y, name] = Split.apply(ones([2]), 'a');
    is<Tensor>()(y);
    is<string>()(name);
  });

  it('and nothing else', () => {
    // @ts-expect-error
    wrong(() => Rows.apply(zeros([3, 3]), 2).backward());
    // @ts-expect-error
    wrong(() => Rows.apply());
    // @ts-expect-error
    wrong(() => Rows.apply('a', 2));
    // @ts-expect-error
    wrong(() => Split.apply());
    // @ts-expect-error
    wrong(() => Empty.apply(zeros([2])));
    // @ts-expect-error
    wrong(() => new autograd.FunctionContext([]));
  });
});

describe('rules', () => {
  const f = (x: Tensor<[3]>, scale: number): Tensor<[]> => x.sum().mul(scale);

  it('have the types of the function', () => {
    const viaVjp = customVjp(f, {
      forward: (x, scale) => {
        is<Tensor<[3]>>()(x);
        return [f(x, scale), { scale, x }];
      },
      backward: (residuals, g) => {
        is<{ scale: number; x: Tensor<[3]> }>()(residuals);
        is<Tensor<[]>>()(g);
        return [g.mul(residuals.scale).expand([3]), null];
      },
    });
    shaped(viaVjp(ones([3]), 2), []);
    const viaJvp = customJvp(f, ([x, scale], [t]) => [f(x, scale), f(t, scale)]);
    shaped(viaJvp(ones([3]), 2), []);
    // @ts-expect-error
    wrong(() => viaVjp(2, 2));
    // @ts-expect-error
    wrong(() => customVjp(f, { forward: (x) => [x, x] }));
  });
});

const scaled = defineOperation({
  name: 'typedScaled',
  inputs: ['x', 'w'],
  options: { k: 1, mode: 'a' as 'a' | 'b' },
  forward: ([x, w], { k, mode }) => {
    is<Tensor>()(x);
    is<number>()(k);
    is<'a' | 'b'>()(mode);
    return x.mul(w).mul(k);
  },
  vjp: {
    x: [['w'], (g, [w], { options: { k } }) => g.mul(w).mul(k)],
    w: [['x'], (g, [x], { options: { k } }) => g.mul(x).mul(k)],
  },
  jvp: 'multilinear',
  vmap: 'elementwise',
});

describe('an operation', () => {
  it('takes its inputs and its options', () => {
    const x = ones([2]);
    is<Tensor>()(scaled(x, x));
    is<Tensor>()(scaled(x, x, { k: 2 }));
    // @ts-expect-error
    wrong(() => scaled(x));
    // @ts-expect-error
    wrong(() => scaled(x, 2));
    // @ts-expect-error
    wrong(() => scaled(x, x, { j: 2 }));
    const define = (): unknown =>
      // @ts-expect-error
      defineOperation({ name: 'lacking', inputs: ['x'], forward: ([t]) => t, jvp: 'linear', vmap: 'elementwise' });
    wrong(define);
    wrong(() =>
      defineOperation({
        name: 'mistyped',
        inputs: ['x'],
        forward: ([t]) => t,
        // @ts-expect-error
        vjp: { z: [[], (g) => g] },
        jvp: 'linear',
        vmap: 'elementwise',
      }),
    );
  });
});
