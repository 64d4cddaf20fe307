import { ArgumentError, AutogradError, DTypeError, ShapeError, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf } from '../../support/numbers.ts';

/* Hooks and retainGrad. The number in a title is the behaviour's in the list of what PyTorch's engine does. */

const times = (k: number) => (g: Tensor) => g.mul(k);

describe('hooks of tensors', () => {
  it('AG085 a hook receives the gradient; returning nothing keeps it', () => {
    const x = leaf(1, 2);
    const seen: (readonly number[])[] = [];
    const y = x.mul(3);
    y.registerHook((g) => {
      seen.push([...g.toTypedArray()]);
    });
    y.registerHook(() => null);
    y.square().sum().backward();
    expect(seen).toEqual([[6, 12]]);
    expectValues(x.grad, [2], [18, 36]);
  });

  it('AG086 a tensor it returns replaces the gradient', () => {
    const x = leaf(1, 2);
    const y = x.mul(3);
    y.registerHook(times(10));
    y.sum().backward();
    expectValues(x.grad, [2], [30, 30]);
  });

  it('AG087 on a leaf it runs before accumulation and can rewrite the gradient', () => {
    const x = leaf(1, 2);
    x.registerHook((g) => {
      expect(x.grad).toBeNull();
      return g.mul(2);
    });
    x.sum().backward();
    expectValues(x.grad, [2], [2, 2]);
  });

  it('AG088 several run in registration order, each seeing the result of the one before', () => {
    const x = leaf(1);
    const seen: number[] = [];
    const record = (k: number) => (g: Tensor) => {
      seen.push(g.item());
      return g.add(k);
    };
    const y = x.mul(1);
    for (const k of [1, 10, 100]) y.registerHook(record(k));
    y.sum().backward();
    expect(seen).toEqual([1, 2, 12]);
    expectValues(x.grad, [1], [112]);
  });

  it('AG089 a handle takes its hook off, once or twice, and at the end of a block', () => {
    const x = leaf(1);
    const calls: string[] = [];
    const hook = (): void => void calls.push('a');
    const y = x.mul(1);
    const first = y.registerHook(hook);
    const second = y.registerHook(hook);
    const run = (): void => y.sum().backward({ retainGraph: true });
    run();
    expect(calls).toEqual(['a', 'a']);
    first.remove();
    first.remove();
    run();
    expect(calls).toHaveLength(3);
    second.remove();
    run();
    expect(calls).toHaveLength(3);
    const third = y.registerHook(hook);
    run();
    third[Symbol.dispose]();
    run();
    expect(calls).toHaveLength(4);
  });

  it('AG089 hooks that are removed or added while hooks run stay for this time', () => {
    const x = leaf(1);
    const calls: string[] = [];
    const y = x.mul(1);
    y.registerHook(() => {
      calls.push('first');
      second.remove();
      y.registerHook(() => void calls.push('third'));
    });
    const second = y.registerHook(() => void calls.push('second'));
    y.sum().backward();
    expect(calls).toEqual(['first', 'second']);
  });

  it('AG090 one on a tensor that does not require grad is refused', () => {
    expectError(
      () => tensor([1]).registerHook(() => null),
      AutogradError,
      "cannot register a hook on a tensor that doesn't require gradient",
    );
    expectError(() => leaf(1).registerHook(3 as never), ArgumentError, 'expected a function');
  });

  it('AG091 one fires once per backward with the fully summed gradient', () => {
    const x = leaf(1);
    const seen: number[] = [];
    const y = x.mul(2);
    y.registerHook((g) => void seen.push(g.item()));
    const z = y.mul(3).add(y.mul(4)).add(y).sum();
    z.backward({ retainGraph: true });
    z.backward();
    expect(seen).toEqual([8, 8]);
  });

  it('AG092 one on an unused output of a node with several still fires, with its own output only', () => {
    const x = tensor([1, 2, 3], { requiresGrad: true });
    const { var: variance, mean } = x.varMean(0);
    const seen: (number | null)[] = [];
    variance.registerHook((g: Tensor | null) => void seen.push(g === null ? null : g.item()));
    variance.mul(5).backward({ retainGraph: true });
    expectValues(x.grad, [3], [-5, 0, 5]);
    mean.backward();
    expect(seen).toEqual([5, null]);
    expectValues(x.grad, [3], [-5 + 1 / 3, 1 / 3, 5 + 1 / 3], { tol: 1e-6 });
  });

  it('AG093 one that returns another shape or dtype is an error', () => {
    const x = leaf(1, 2);
    const named = (g: Tensor): Tensor => g.sum();
    const y = x.mul(1);
    const h = y.registerHook(named);
    expectError(() => y.sum().backward(), ShapeError, "hook 'named' has changed the size of value");
    h.remove();
    y.registerHook((g) => g.double());
    expectError(() => y.sum().backward(), DTypeError, 'has changed the type of value');
    expect(x.grad).toBeNull();
  });

  it('AG094 one that returns no tensor is an error', () => {
    const x = leaf(1);
    x.registerHook((() => 3) as never);
    expectError(() => x.sum().backward(), ArgumentError, "expected Variable, but hook returned 'number'");
  });

  it('AG095 anything that can be called is a hook, also without a name', () => {
    const x = leaf(1);
    x.registerHook((() => times(2))());
    x.registerHook(times(3).bind(null));
    x.sum().backward();
    expectValues(x.grad, [1], [6]);
  });
});
