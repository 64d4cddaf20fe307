import {
  ArgumentError,
  AutogradError,
  autograd,
  cat,
  customJvp,
  GradcheckError,
  ones,
  setWarningHandler,
  type Tensor,
  tensor,
  where,
} from 'nabla';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { expectError } from '../../support/close.ts';
import { spreadTensor } from '../../support/numbers.ts';

/* autograd.gradcheck and gradgradcheck. The number in a title is the behaviour's in the list of what PyTorch's engine does. */

type Ctx = autograd.FunctionContext;
const { gradcheck, gradgradcheck } = autograd;
const leaf = (shape: number[], seed = 0): Tensor => spreadTensor(shape, 0.5, 2, seed).requiresGrad_();

let warnings: string[] = [];
beforeEach(() => {
  warnings = [];
  setWarningHandler((message) => warnings.push(message));
});
afterEach(() => {
  setWarningHandler(null);
});

/** y = x² with a backward of one's own. */
function square(backward: (x: Tensor, g: Tensor) => Tensor, jvp?: (x: Tensor, t: Tensor) => Tensor) {
  class Square extends autograd.Function {
    static forward(ctx: Ctx, x: Tensor): Tensor {
      ctx.saveForBackward(x);
      return x.square();
    }
    static backward(ctx: Ctx, g: Tensor): Tensor {
      return backward(ctx.savedTensors[0], g);
    }
    static jvp(ctx: Ctx, t: Tensor): Tensor {
      return (jvp ?? backward)(ctx.savedTensors[0], t);
    }
  }
  return (x: Tensor): Tensor => Square.apply(x);
}
const right = square((x, g) => g.mul(x).mul(2));
const wrong = square((x, g) => g.mul(x).mul(3));
const modes = [{ fastMode: false }, { fastMode: true }];

describe('a check that passes', () => {
  it('AG273 returns true', () => {
    for (const mode of modes) {
      expect(gradcheck(right, [leaf([2, 3])], mode)).toBe(true);
      expect(gradcheck(right, leaf([2, 3]), mode)).toBe(true);
      expect(gradcheck((a: Tensor, b: Tensor) => a.matmul(b).tanh(), [leaf([2, 3]), leaf([3, 4], 1)], mode)).toBe(true);
    }
    expect(gradcheck((x: Tensor, k: number) => x.pow(k), [leaf([3]), 3])).toBe(true);
    expect(gradcheck((x: Tensor) => [x.max(0).values, x.argmax(), null], [leaf([3])])).toBe(true);
    expect(gradcheck((x: Tensor) => x.sum(), [leaf([0, 3])])).toBe(true);
    expect(gradcheck((x: Tensor) => x.exp(), [leaf([])])).toBe(true);
    expect(warnings).toEqual([]);
  });

  it('leaves its inputs as they were, of any layout', () => {
    const x = leaf([2, 3]);
    const y = x.mul(1).T;
    const before = [x.toArray(), y.toArray(), x.version];
    for (const mode of modes)
      expect(gradcheck((a: Tensor, b: Tensor) => a.T.view([6]).mul(b.T.view([6])), [x.T, y], mode)).toBe(true);
    expect([x.toArray(), y.toArray(), x.version]).toEqual(before);
    expect(x.grad).toBeNull();
    const failing = (): boolean =>
      gradcheck(
        (a: Tensor) => {
          if (a.select(0, 0).item() !== before0) throw new RangeError('moved');
          return a.square();
        },
        [z],
      );
    const z = leaf([3]);
    const before0 = z.select(0, 0).item();
    expectError(failing, RangeError, 'moved');
    expect(z.select(0, 0).item()).toBe(before0);
  });

  it('AG283 gradgradcheck makes random cotangents', () => {
    for (const mode of modes) {
      expect(gradgradcheck(right, [leaf([3])], mode)).toBe(true);
      expect(gradgradcheck((a: Tensor, b: Tensor) => a.matmul(b).sin(), [leaf([2, 3]), leaf([3, 2], 1)], mode)).toBe(
        true,
      );
      expect(
        gradgradcheck((x: Tensor) => [x.sin(), x.sum()], [leaf([3])], { ...mode, genNonContigGradOutputs: true }),
      ).toBe(true);
      expect(gradgradcheck((x: Tensor) => x.sin(), [leaf([3])], { ...mode, checkFwdOverRev: true })).toBe(true);
    }
    expect(gradgradcheck((x: Tensor) => x.sin(), [leaf([3])], { gradOutputs: leaf([3], 2) })).toBe(true);
    expect(gradgradcheck((x: Tensor) => x.sin(), [leaf([3])], [leaf([3], 2)], { atol: 1e-6 })).toBe(true);
    expectError(
      () => gradgradcheck((x: Tensor) => x.sin(), [leaf([3])], { gradOutputs: [] }),
      ArgumentError,
      'a Tensor for each of the 1 results',
    );
  });

  it('AG284 inputs that a result does not depend on', () => {
    for (const mode of modes) {
      const f = (x: Tensor, _y: Tensor): Tensor => x.mul(x);
      expect(gradcheck(f, [leaf([3]), leaf([2])], mode)).toBe(true);
      expect(gradgradcheck(f, [leaf([3]), leaf([2])], mode)).toBe(true);
      expect(gradgradcheck(f, [leaf([3]), leaf([2])], { ...mode, checkFwdOverRev: true })).toBe(true);
      expect(gradgradcheck((x: Tensor, y: Tensor) => x.add(y), [leaf([3]), leaf([3])], mode)).toBe(true);
    }
  });

  it('AG285 fastMode compares projections, in far fewer calls', () => {
    let calls = 0;
    const f = (x: Tensor): Tensor => {
      calls += 1;
      return x.sin();
    };
    gradcheck(f, [leaf([50])]);
    const slow = calls;
    calls = 0;
    expect(gradcheck(f, [leaf([50])], { fastMode: true })).toBe(true);
    expect([slow > 100, calls < 6]).toEqual([true, true]);
  });

  it('AG286 checkForwardAd checks forward mode too', () => {
    for (const mode of modes) {
      const options = { ...mode, checkForwardAd: true };
      expect(gradcheck((a: Tensor, b: Tensor) => a.mul(b).sin(), [leaf([3]), leaf([3], 1)], options)).toBe(true);
      expect(gradcheck(right, [leaf([3])], options)).toBe(true);
      const half = square(
        (x, g) => g.mul(x).mul(2),
        (x, t) => t.mul(x).mul(5),
      );
      expect(gradcheck(half, [leaf([3])], mode)).toBe(true);
      expectError(
        () => gradcheck(half, [leaf([3])], options),
        GradcheckError,
        'Jacobian computed with forward mode mismatch for output 0 with respect to input 0',
      );
      expectError(
        () => gradcheck(half, [leaf([3])], { ...options, checkBackwardAd: false }),
        GradcheckError,
        'forward mode mismatch',
      );
    }
  });
});

describe('a check that fails', () => {
  it('AG275 shows both Jacobians and the worst entry', () => {
    const f = (a: Tensor, b: Tensor): Tensor[] => [a.sum(), wrong(b)];
    const x = tensor([1, 2], { dtype: 'float64', requiresGrad: true });
    expectError(() => gradcheck(wrong, [x]), GradcheckError, 'Jacobian mismatch for output 0 with respect to input 0');
    expectError(() => gradcheck(wrong, [x]), AutogradError, 'Jacobian mismatch');
    expect(() => gradcheck(f, [leaf([3]), x])).toThrow(
      `Jacobian mismatch for output 1 with respect to input 1,
numerical:tensor([[2.0000, 0.0000],
        [0.0000, 4.0000]], dtype=float64)
analytical:tensor([[3., 0.],
        [0., 6.]], dtype=float64)
The worst of 2 entries that differ (of 4) is the derivative of output 1[1] with respect to input 1[1]: analytical 6, numerical 4, which differ by 2 where 0.00401 is allowed.`,
    );
  });

  it('AG275 fastMode shows the projections, then the Jacobians', () => {
    const fails = (): boolean => gradcheck(wrong, [leaf([2])], { fastMode: true });
    expectError(fails, GradcheckError, 'Jacobian mismatch for output 0 with respect to input 0');
    expectError(fails, GradcheckError, 'Below, we recompute numerical and analytical jacobians in slow mode');
    expectError(fails, GradcheckError, 'The max per-element difference (slow mode) is');
    expectError(fails, GradcheckError, 'The worst of 2 entries that differ (of 4)');
  });

  it('of second order', () => {
    // The gradient is right, its own is not: the saved slope is a constant.
    class Flat extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.saveForBackward(x.cos());
        return x.sin();
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return g.mul(ctx.savedTensors[0]);
      }
    }
    const f = (x: Tensor): Tensor => Flat.apply(x);
    expect(gradcheck(f, [leaf([3])])).toBe(true);
    for (const mode of modes)
      expectError(() => gradgradcheck(f, [leaf([3])], mode), GradcheckError, 'Jacobian mismatch for output 0');
    expect(gradgradcheck(f, [leaf([3])], { raiseException: false })).toBe(false);
  });

  it('AG276 raiseException: false returns false, and lets other errors through', () => {
    for (const mode of modes) expect(gradcheck(wrong, [leaf([3])], { ...mode, raiseException: false })).toBe(false);
    const broken = square(() => {
      throw new RangeError('Not a GradcheckError!');
    });
    expectError(() => gradcheck(broken, [leaf([3])], { raiseException: false }), RangeError, 'Not a GradcheckError!');
  });

  it('AG277 a backward that is not linear in the gradient', () => {
    const affine = square((x, g) => g.mul(x).mul(2).add(g.eq(0).all().double().mul(1e-3)));
    for (const mode of modes)
      expectError(() => gradcheck(affine, [leaf([1])], mode), GradcheckError, 'backward not multiplied by grad_output');
  });

  it('AG278 a backward that is not the same every time', () => {
    let jitter = 0;
    const random = square((x, g) => {
      jitter += 1e-8;
      return g.mul(x).mul(2 + jitter);
    });
    for (const mode of modes) {
      expectError(() => gradcheck(random, [leaf([2])], mode), GradcheckError, 'Backward is not reentrant');
      expect(gradcheck(random, [leaf([2])], { ...mode, nondetTol: 1e-4 })).toBe(true);
    }
  });

  it('AG281 a result that is not differentiable and depends on an input', () => {
    const hidden = (x: Tensor): Tensor => x.detach().square();
    for (const mode of modes)
      expectError(
        () => gradcheck(hidden, [leaf([2])], mode),
        GradcheckError,
        'Numerical gradient for function expected to be zero',
      );
    expect(gradcheck((x: Tensor) => x.detach().mul(0), [leaf([2])])).toBe(true);
    expect(gradcheck((x: Tensor) => x.argmax(), [leaf([2])])).toBe(true);
  });

  it('AG282 a backward that cannot do without a gradient', () => {
    class Needy extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor[] {
        ctx.setMaterializeGrads(false);
        return [x.mul(2), x.mul(3)];
      }
      static backward(_ctx: Ctx, a: Tensor | null, b: Tensor | null): Tensor {
        return (a as Tensor).mul(2).add((b as Tensor).mul(3));
      }
    }
    // Only one of the results is looked at, so gradients are missing from the start.
    const message = 'Expected backward function to handle undefined output grads';
    const both = (x: Tensor): Tensor[] => Needy.apply(x);
    expect(() => gradcheck(both, [leaf([2])])).toThrow();
    class Alone extends autograd.Function {
      static forward(ctx: Ctx, x: Tensor): Tensor {
        ctx.setMaterializeGrads(false);
        return x.mul(2);
      }
      static backward(_ctx: Ctx, g: Tensor | null): Tensor {
        return (g as Tensor).mul(2);
      }
    }
    const f = (x: Tensor): Tensor => Alone.apply(x);
    expectError(() => gradcheck(f, [leaf([2])]), GradcheckError, message);
    expect(warnings.join()).toContain('New undefined gradient support checking feature is enabled by default');
    expect(gradcheck(f, [leaf([2])], { checkUndefinedGrad: false })).toBe(true);
    class Inventive extends Alone {
      static override backward(_ctx: Ctx, g: Tensor | null): Tensor {
        return g === null ? ones([2], { dtype: 'float64' }) : g.mul(2);
      }
    }
    expectError(
      () => gradcheck((x: Tensor) => Inventive.apply(x), [leaf([2])]),
      GradcheckError,
      'Expected all input grads to be undefined or zero when all output grads are undefined or zero.',
    );
  });

  it('AG288 a result whose shape or dtype depends on the values', () => {
    const x = tensor([1, 0], { dtype: 'float64', requiresGrad: true });
    const shapes = (t: Tensor): Tensor => (t.select(0, 1).item() > 0 ? cat([t, t]) : t.mul(2));
    expectError(
      () => gradcheck(shapes, [x]),
      ArgumentError,
      'return outputs with the same shape when inputs are perturbed',
    );
    const dtypes = (t: Tensor): Tensor => (t.select(0, 1).item() > 0 ? t.float() : t.mul(2));
    expectError(
      () => gradcheck(dtypes, [x]),
      ArgumentError,
      'return outputs with the same dtype when inputs are perturbed',
    );
    const numbers = (t: Tensor): Tensor[] => (t.select(0, 1).item() > 0 ? [t.mul(2), t] : [t.mul(2)]);
    expectError(() => gradcheck(numbers, [x]), ArgumentError, 'return outputs with the same number');
  });

  it('a tangent rule that mistakes a missing tangent', () => {
    class Odd extends autograd.Function {
      static forward(ctx: Ctx, a: Tensor, b: Tensor): Tensor {
        ctx.setMaterializeGrads(false);
        return a.add(b);
      }
      static backward(_ctx: Ctx, g: Tensor | null): (Tensor | null)[] {
        return [g, g];
      }
      static jvp(_ctx: Ctx, a: Tensor | null, b: Tensor | null): Tensor {
        if (a !== null && b !== null && b.eq(0).all().item() === 1) return a.mul(2);
        return a === null ? (b as Tensor) : b === null ? a : a.add(b);
      }
    }
    const f = (a: Tensor, b: Tensor): Tensor => Odd.apply(a, b);
    expectError(
      () => gradcheck(f, [leaf([2]), leaf([2], 1)], { checkForwardAd: true }),
      GradcheckError,
      'has an undefined tangent value',
    );
  });

  it('rules that do not work under vmap', () => {
    const good = { checkBatchedGrad: true, checkForwardAd: true, checkBatchedForwardGrad: true };
    expect(gradcheck((a: Tensor, b: Tensor) => a.matmul(b), [leaf([2, 3]), leaf([3, 2], 1)], good)).toBe(true);
    expect(gradgradcheck((a: Tensor) => a.sin(), [leaf([3])], { checkBatchedGrad: true })).toBe(true);
    const reading = square((x, g) => g.mul(x).mul(2 + 0 * g.sum().item()));
    expect(gradcheck(reading, [leaf([2])], { checkForwardAd: true })).toBe(true);
    expectError(
      () => gradcheck(reading, [leaf([2])], { checkBatchedGrad: true }),
      GradcheckError,
      'While computing batched gradients',
    );
    expectError(
      () => gradcheck(reading, [leaf([2])], { checkForwardAd: true, checkBatchedForwardGrad: true }),
      GradcheckError,
      'While computing batched tangents',
    );
  });
});

describe('what can be checked', () => {
  it('AG274 some input must require grad', () => {
    expectError(
      () => gradcheck(right, [spreadTensor([2], 0, 1)]),
      ArgumentError,
      'gradcheck expects at least one input tensor to require gradient, but none of the them have requires_grad=True.',
    );
    expectError(
      () => gradcheck(right, [spreadTensor([2], 0, 1)], { raiseException: false }),
      ArgumentError,
      'at least one',
    );
    expectError(() => gradgradcheck(right, [spreadTensor([2], 0, 1)]), ArgumentError, 'at least one input tensor');
  });

  it('AG279 single precision is warned of', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    gradcheck(right, [x], { raiseException: false });
    expect(warnings[0]).toContain(
      'Input #0 requires gradient and is not a double precision floating point or complex. This check will likely fail if all the inputs are not of double precision floating point or complex.',
    );
    expect(gradcheck(right, [x], { eps: 1e-2, atol: 1e-2 })).toBe(true);
  });

  it('AG280 inputs whose elements share memory are refused', () => {
    expectError(
      () => gradcheck((a: Tensor, b: Tensor) => a.mul(b), [leaf([3, 1]).expand([3, 3]), leaf([3])]),
      AutogradError,
      'The 0th input has a dimension with stride 0. gradcheck only supports inputs that are non-overlapping to be able to compute the numerical gradients correctly.',
    );
  });

  it('AG287 one of the modes must be checked', () => {
    expectError(
      () => gradcheck(right, [leaf([2])], { checkBackwardAd: false }),
      ArgumentError,
      'Expected at least one of',
    );
    expectError(
      () => gradcheck(right, [leaf([2])], { checkBackwardAd: false, checkForwardAd: true, checkBatchedGrad: true }),
      ArgumentError,
      'Setting check_batched_grad=True requires check_backward_ad to be True',
    );
    expectError(
      () => gradgradcheck(right, [leaf([2])], { checkRevOverRev: false }),
      ArgumentError,
      'Expected at least one of',
    );
  });

  it('other mistakes', () => {
    expectError(() => gradcheck(3 as never, [leaf([2])] as never), ArgumentError, 'expected a function, got int');
    expectError(() => gradcheck(right, [leaf([2])], { esp: 1 } as never), ArgumentError, "unexpected option 'esp'");
    expectError(() => gradcheck(right, [leaf([2])], { eps: 0 }), ArgumentError, 'eps must be positive');
    expectError(() => gradcheck(right, [leaf([2])], { atol: '1' as never }), ArgumentError, 'atol must be a number');
  });

  it('results in an object, as those of max, or in nested arrays are checked too', () => {
    const wrong = square((x, g) => g.mul(x).mul(3));
    const x = leaf([2]);
    expect(gradcheck((t: Tensor) => t.max(0), [x], { checkForwardAd: true })).toBe(true);
    expect(gradgradcheck((t: Tensor) => t.square().sort(0), [x])).toBe(true);
    for (const f of [(t: Tensor) => wrong(t).max(0), (t: Tensor) => [[wrong(t)]], (t: Tensor) => ({ y: wrong(t) })])
      expectError(() => gradcheck(f, [x]), GradcheckError, 'Jacobian mismatch');
  });

  it('where no tensor is returned, nothing would be checked', () => {
    const x = leaf([2]);
    for (const f of [async (t: Tensor) => t.square(), (t: Tensor) => t.sum().item(), (t: Tensor) => void t.square()])
      expectError(() => gradcheck(f, [x]), ArgumentError, 'expected the function to return Tensors, got');
  });

  it('a function with rules of its own, or with a kink', () => {
    const relu = customJvp(
      (x: Tensor) => where(x.gt(0), x, x.mul(0)),
      ([x], [t]) => [where(x.gt(0), x, x.mul(0)), where(x.gt(0), t, t.mul(0))],
    );
    const x = tensor([-1, 2], { dtype: 'float64', requiresGrad: true });
    expect(gradcheck(relu, [x], { checkForwardAd: true })).toBe(true);
    expect(gradgradcheck(relu, [x], { checkFwdOverRev: true })).toBe(true);
    const atKink = tensor([0], { dtype: 'float64', requiresGrad: true });
    expect(gradcheck(relu, [atKink], { raiseException: false })).toBe(false);
  });
});
