import { AutogradError, autograd, type DType, setWarningHandler, type Tensor, tensor, vmap } from 'nabla';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lineOf, tracebackOf } from '../../../src/core/source-line.ts';
import { expectError } from '../../support/close.ts';

/* Anomaly mode. The number in a title is the behaviour's in the list of what PyTorch's engine does. */

const { detectAnomaly, setDetectAnomaly, isAnomalyEnabled, isAnomalyCheckNanEnabled } = autograd;
const leaf = (values: readonly number[], dtype: DType = 'float64'): Tensor =>
  tensor(values, { dtype, requiresGrad: true });

const warnings: string[] = [];
beforeEach(() => {
  warnings.length = 0;
  setWarningHandler((message) => warnings.push(message));
});
afterEach(() => {
  setWarningHandler(null);
});

/** What an error says. */
function messageOf(body: () => unknown): string {
  try {
    body();
  } catch (error) {
    expect(error).toBeInstanceOf(AutogradError);
    return (error as Error).message;
  }
  return expect.fail('no error');
}

/** This file and a line, `by` lines on from where this is called. */
function line(by: number): string {
  const [, caller] = new Error('here').stack?.match(/anomaly\.test\.ts:(\d+)/g) ?? [];
  return `anomaly.test.ts:${Number(caller?.split(':')[1]) + by}:`;
}

type Ctx = autograd.FunctionContext;

/** Adds, and spoils the gradient of one of the operands. */
class N extends autograd.Function {
  static forward(ctx: Ctx, a: Tensor, b: Tensor, which: number): Tensor {
    ctx.which = which;
    return a.add(b);
  }
  static backward(ctx: Ctx, g: Tensor): [Tensor, Tensor, null] {
    const bad = g.mul(Number.NaN);
    return ctx.which === 0 ? [bad, g, null] : [g, bad, null];
  }
}

const spoilt = (which: number): Tensor => N.apply(leaf([1, 2]), leaf([3, 4]), which).sum();

describe('gradients that are no numbers', () => {
  it('AG246 stop the pass, which names the function and the output', () => {
    expectError(
      () => detectAnomaly(() => spoilt(0).backward()),
      AutogradError,
      "Function 'NBackward' returned nan values in its 0th output.",
    );
  });

  it('AG247 … the second one', () => {
    expectError(
      () => detectAnomaly(() => spoilt(1).backward()),
      AutogradError,
      "Function 'NBackward' returned nan values in its 1th output.",
    );
  });

  it('AG248 outside of anomaly mode pass silently', () => {
    spoilt(0).backward();
    setDetectAnomaly(false, {}, () => spoilt(1).backward());
    expect(warnings).toEqual([]);
  });

  it('AG252 pass with checkNan: false, which remembers calls all the same', () => {
    const x = leaf([1, 2]);
    detectAnomaly({ checkNan: false }, () => {
      expect([isAnomalyEnabled(), isAnomalyCheckNanEnabled()]).toEqual([true, false]);
      spoilt(0).backward();
      const y = x.exp();
      y.add_(1);
      expect(messageOf(() => y.sum().backward())).toContain('ExpBackward0 comes from exp(float64 [2]');
    });
  });

  it('come with the operation, what it was given, and the line of the call', () => {
    const x = leaf([0, 1, 4], 'float32');
    const here = line(2);
    const message = detectAnomaly(() => {
      const y = x.sqrt().mul(x);
      return messageOf(() => y.sum().backward());
    });
    expect(message).toContain("Function 'SqrtBackward0' returned nan values in its 0th output.");
    expect(message).toContain('has 1 of 3 elements that are NaN; the gradient that came in was float32 [3], 1 zero');
    expect(message).toContain('SqrtBackward0 comes from sqrt(float32 [3], 1 zero), called at ');
    expect(message).toContain(here);
  });

  it('may be infinite', () => {
    const x = leaf([0, 1]);
    const message = detectAnomaly(() => {
      const y = x.add(tensor([0, Number.POSITIVE_INFINITY], { dtype: 'float64' })).reciprocal();
      return messageOf(() => y.sum().backward());
    });
    expect(message).toContain("Function 'ReciprocalBackward0' returned inf values in its 0th output.");
    expect(message).toContain('reciprocal(float64 [2], 1 infinite, 1 zero)');
  });

  it('are looked for inside of transforms', () => {
    const x = leaf([-1, 4]);
    const message = detectAnomaly(() => {
      const y = vmap((t: Tensor) => t.sqrt())(x);
      return messageOf(() => y.sum().backward());
    });
    expect(message).toContain("Function 'SqrtBackward0' returned nan values");
  });

  it('are told from the numbers of a function with several inputs', () => {
    const [a, b] = [leaf([0, 1]), leaf([0, 2])];
    const message = detectAnomaly(() => messageOf(() => a.div(b).sum().backward()));
    expect(message).toContain('div(float64 [2], 1 zero; float64 [2], 1 zero)');
    expect(message).toContain("Function 'DivBackward0' returned inf values in its 0th output.");
  });
});

describe('the mode', () => {
  it('AG249 warns that it is for debugging', () => {
    detectAnomaly(() => undefined);
    expect(warnings).toEqual([
      'Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.',
    ]);
  });

  it('AG253 is a function, a block and a callback, and tells whether it is on', () => {
    expect(isAnomalyEnabled()).toBe(false);
    {
      using _ = setDetectAnomaly(true);
      expect([isAnomalyEnabled(), isAnomalyCheckNanEnabled()]).toEqual([true, true]);
      setDetectAnomaly(false, {}, () => expect(isAnomalyEnabled()).toBe(false));
      {
        using __ = detectAnomaly({ checkNan: false });
        expect([isAnomalyEnabled(), isAnomalyCheckNanEnabled()]).toEqual([true, false]);
      }
      expect(isAnomalyCheckNanEnabled()).toBe(true);
    }
    expect(isAnomalyEnabled()).toBe(false);
    setDetectAnomaly(true);
    expect(isAnomalyEnabled()).toBe(true);
    setDetectAnomaly(false);
    expect([isAnomalyEnabled(), isAnomalyCheckNanEnabled()]).toEqual([false, false]);
  });

  it('ends when the callback throws, and refuses promises and misspelt options', () => {
    expect(() =>
      detectAnomaly(() => {
        throw new Error('mine');
      }),
    ).toThrow('mine');
    expect(isAnomalyEnabled()).toBe(false);
    expectError(() => detectAnomaly(async () => undefined), AutogradError, 'returned a promise');
    expect(() => detectAnomaly({ checkNaN: false } as never, () => undefined)).toThrow('checkNaN');
    expect(() => setDetectAnomaly(1 as never)).toThrow('expected true or false');
    expect(isAnomalyEnabled()).toBe(false);
  });
});

describe('reports', () => {
  it('AG250 a warning brings the stack of the forward call', () => {
    const x = leaf([-1, 1]);
    function model(t: Tensor): Tensor {
      return t.pow(0.5);
    }
    detectAnomaly(() => {
      const y = model(x).sum();
      messageOf(() => y.backward());
    });
    expect(warnings).toHaveLength(2);
    expect(warnings[1]).toContain(
      'Error detected in PowBackward0. Traceback of forward call that caused the error:\n  at model (',
    );
    expect(warnings[1]).toContain('anomaly.test.ts');
    expect(warnings[1]).not.toContain('/src/');
  });

  it('AG251 … or that there is none, when forward ran outside of the mode', () => {
    const y = spoilt(0);
    const message = detectAnomaly(() => messageOf(() => y.backward()));
    const none =
      'No forward pass information available. Enable detect anomaly during forward pass for more information.';
    expect(message).toContain(none);
    expect(warnings[1]).toContain(`Error detected in NBackward. ${none}`);
  });

  it('AG254 the forward call of a node made by backward, and that of the node whose backward it was', () => {
    class Spoils extends autograd.Function {
      static forward(_ctx: Ctx, a: Tensor): Tensor {
        return a.mul(2);
      }
      static backward(_ctx: Ctx, g: Tensor): Tensor {
        return g.mul(Number.NaN);
      }
    }
    class Outer extends autograd.Function {
      static forward(ctx: Ctx, a: Tensor): Tensor {
        ctx.saveForBackward(a);
        return a.sum();
      }
      static backward(ctx: Ctx, g: Tensor): Tensor {
        return Spoils.apply(ctx.savedTensors[0].mul(g));
      }
    }
    const x = leaf([1, 2]);
    const here = line(2);
    const message = detectAnomaly(() => {
      const y = Outer.apply(x);
      const [g] = autograd.grad(y, x, { createGraph: true });
      return messageOf(() => g.sum().backward());
    });
    expect(message).toContain("Function 'SpoilsBackward' returned nan values in its 0th output.");
    expect(message).toContain('Previous calculation was induced by OuterBackward, called at ');
    expect(message).toContain(here);
    expect(warnings[1]).toContain('Error detected in SpoilsBackward. Traceback of forward call that caused the error:');
    expect(warnings[1]).toContain('anomaly.test.ts');
    expect(warnings[2]).toContain(
      'Previous calculation was induced by OuterBackward. Traceback of forward call that induced the previous calculation:',
    );
  });

  it('a change in place comes with what saved, what changed, and both lines', () => {
    const x = leaf([1, 2]);
    const saved = line(3);
    const message = detectAnomaly(() => {
      const y = x.mul(1);
      const z = y.mul(y);
      y.add_(1);
      return messageOf(() => z.sum().backward());
    });
    expect(message).toContain('MulBackward0 saved the tensor for backward.');
    expect(message).toMatch(/What changed it last was add_, called at .*anomaly\.test\.ts:\d+:\d+\./);
    expect(message).toMatch(/MulBackward0 comes from mul\(float64 \[2\], .*called at .*anomaly\.test\.ts/);
    expect(message).toContain(saved);
    expect(message).toContain('Hint: the backtrace further above shows the operation that failed');
  });

  it('a second pass over a freed graph comes with the line of the operation', () => {
    const x = leaf([1, 2]);
    const here = line(2);
    const message = detectAnomaly(() => {
      const y = x.exp().sum();
      y.backward();
      return messageOf(() => y.backward());
    });
    expect(message).toContain('Trying to backward through the graph a second time');
    expect(message).toContain(here);
  });

  it('a view that may not be changed comes with the line it was taken at', () => {
    const here = line(3);
    const message = detectAnomaly(() => {
      const y = leaf([1, 2]).mul(1);
      const [v] = y.unbind();
      return messageOf(() => v.add_(1));
    });
    expect(message).toMatch(/The view was taken at .*anomaly\.test\.ts:\d+:\d+\./);
    expect(message).toContain(here);
  });

  it('errors of other code pass as they are, with a warning', () => {
    const mine = new RangeError('mine');
    class Throws extends autograd.Function {
      static forward(_ctx: Ctx, a: Tensor): Tensor {
        return a.mul(2);
      }
      static backward(): null {
        throw mine;
      }
    }
    const y = detectAnomaly(() => Throws.apply(leaf([1])).sum());
    expect(() => detectAnomaly(() => y.backward())).toThrow(mine);
    expect(mine.message).toBe('mine');
    expect(warnings[1]).toContain('Error detected in ThrowsBackward. Traceback of forward call');
  });
});

describe('stacks', () => {
  const error = (stack: string): Error => Object.assign(new Error('stack'), { stack });

  it('as V8 writes them, with the library in a package', () => {
    const stack = error(`Error: stack
    at captureStack (file:///app/node_modules/nabla/dist/index.js:10:3)
    at Tensor.mul (file:///app/node_modules/nabla/dist/chunk.js:20:5)
    at loss (file:///app/train.mjs:7:12)
    at async main (file:///app/train.mjs:30:3)
    at node:internal/main:1:1`);
    expect(lineOf(stack, '/app/node_modules/nabla/dist/')).toBe('/app/train.mjs:7:12');
    expect(tracebackOf(stack, '/app/node_modules/nabla/dist/').split('\n')).toHaveLength(2);
  });

  it('as Firefox and Safari write them', () => {
    const stack = error(`captureStack@https://a.org/lib/nabla.js:1:2
mul@https://a.org/lib/nabla.js:3:4
loss@https://a.org/main.js?v=1:5:6
@https://a.org/main.js?v=1:9:1`);
    expect(lineOf(stack, 'https://a.org/lib/')).toBe('https://a.org/main.js:5:6');
  });

  it('bundled into one file with the user’s code', () => {
    const stack = error(`Error: stack
    at captureStack (/app/out.js:1:10)
    at record (/app/out.js:1:20)
    at Tensor.mul (/app/out.js:1:30)
    at loss (/app/out.js:1:40)
    at Tensor.step (/app/out.js:1:50)
    at /app/out.js:1:60`);
    expect(lineOf(stack, '/app/')).toBe('/app/out.js:1:40');
  });

  it('that the host does not tell', () => {
    expect(lineOf(error(''), '/app/')).toBe('a place that the host does not tell');
    expect(tracebackOf(error(''), '/app/')).toContain('the host tells no stack');
  });
});

it('AG253 withAnomalyDetection is the same function', () => {
  const message = autograd.withAnomalyDetection(() => {
    expect(isAnomalyEnabled()).toBe(true);
    return 'inside';
  });
  expect([message, isAnomalyEnabled()]).toEqual(['inside', false]);
});
