import {
  ArgumentError,
  AutogradError,
  DTypeError,
  ones,
  ShapeError,
  setWarnAlways,
  setWarningHandler,
  type Tensor,
  tensor,
} from 'nabla';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf, spreadTensor } from '../../support/numbers.ts';

/* `.grad`: how it comes about, what may be assigned, what is warned of. */

describe('.grad', () => {
  it('AG069 AG070 starts as null, is made by the first pass, and later ones add to it', () => {
    const x = leaf(1, 2);
    expect(x.grad).toBeNull();
    const y = x.square().sum();
    y.backward({ retainGraph: true });
    expectValues(x.grad, [2], [2, 4]);
    y.backward();
    expectValues(x.grad, [2], [4, 8]);
  });

  it('AG071 is added to in place: the same tensor changes', () => {
    const x = leaf(1, 2);
    const y = x.square().sum();
    y.backward({ retainGraph: true });
    const g = x.grad as Tensor;
    const { version } = g;
    y.backward();
    expect(x.grad).toBe(g);
    expect(g.version).toBe(version + 1);
    expectValues(g, [2], [4, 8]);
  });

  it('AG072 with createGraph it is replaced: the earlier tensor is untouched', () => {
    const x = leaf(1, 2);
    const y = x.square().sum();
    y.backward({ createGraph: true });
    const g = x.grad as Tensor;
    y.backward({ createGraph: true });
    expect(x.grad).not.toBe(g);
    expectValues(g, [2], [2, 4]);
    expectValues(x.grad, [2], [4, 8]);
  });

  it('AG073 null resets it', () => {
    const x = leaf(1);
    x.sum().backward();
    x.grad = null;
    expect(x.grad).toBeNull();
    x.sum().backward();
    x.grad = undefined as never;
    expect(x.grad).toBeNull();
  });

  it('AG074 AG075 AG076 AG077 takes a tensor of the same shape and dtype, and not the tensor itself', () => {
    const x = leaf(1, 2);
    const set = (g: unknown) => () => {
      x.grad = g as Tensor;
    };
    expectError(set(3), ArgumentError, 'assigned grad expected to be a Tensor or None but got grad of type number');
    expectError(set(ones([3])), ShapeError, 'assigned grad has data of a different size');
    expectError(set(ones([2], { dtype: 'float64' })), DTypeError, 'assigned grad has data of a different type');
    expectError(set(x), AutogradError, "can't assign Variable as its own grad");
    const g = ones([2]);
    x.grad = g;
    expect(x.grad).toBe(g);
    x.sum().backward();
    expectValues(g, [2], [2, 2]);
  });

  it('AG080 takes the layout of the leaf, where that has no gaps', () => {
    const x = spreadTensor([3, 2, 4], -1, 1).permute([2, 0, 1]).detach().requiresGrad_();
    const y = x.square().sum();
    y.backward();
    expect(x.grad?.strides).toEqual(x.strides);
    expectValues(x.grad, x.shape, [...x.detach().mul(2).toTypedArray()]);
    x.sum().backward();
    expectValues(x.grad, x.shape, [...x.detach().mul(2).add(1).toTypedArray()]);
    const gaps = spreadTensor([3, 4], -1, 1).slice(1, 0, 4, 2).detach().requiresGrad_();
    gaps.sum().backward();
    expect(gaps.grad?.isContiguous()).toBe(true);
    expectValues(gaps.grad, [3, 2], [1, 1, 1, 1, 1, 1]);
  });
});

describe('warnings', () => {
  afterEach(() => {
    setWarningHandler(null);
    setWarnAlways(false);
    vi.restoreAllMocks();
  });

  it('AG078 reading .grad of a result that does not retain it warns', () => {
    const given: [string, string][] = [];
    setWarningHandler((message, kind) => void given.push([kind, message]));
    const y = leaf(1).mul(2);
    expect(y.grad).toBeNull();
    expect(given).toHaveLength(1);
    expect(given[0][1]).toContain('The .grad attribute of a Tensor that is not a leaf Tensor is being accessed');
    // Once a kind.
    expect(y.mul(2).grad).toBeNull();
    expect(given).toHaveLength(1);
  });

  it('AG079 reading that of a leaf, or after retainGrad, does not', () => {
    const given: string[] = [];
    setWarningHandler((message) => void given.push(message));
    const x = leaf(1);
    const y = x.mul(2);
    y.retainGrad();
    expect([x.grad, y.grad, tensor(1).grad]).toEqual([null, null, null]);
    y.sum().backward();
    expectValues(y.grad, [1], [1]);
    expect(given).toEqual([]);
  });

  it('go to the console, or to a handler; every time on request', () => {
    const console = vi.spyOn(globalThis.console, 'warn').mockImplementation(() => undefined);
    setWarningHandler(null);
    const y = leaf(1).mul(2);
    const read = (): void => {
      for (let i = 0; i < 3; i++) expect(y.grad).toBeNull();
    };
    read();
    expect(console).toHaveBeenCalledTimes(1);
    const given: string[] = [];
    const handler = (message: string): void => void given.push(message);
    expect(setWarningHandler(handler)).toBeNull();
    read();
    expect(given).toHaveLength(1);
    setWarnAlways(true);
    read();
    expect(given).toHaveLength(4);
    expect(setWarningHandler(null)).toBe(handler);
    expect(console).toHaveBeenCalledTimes(1);
  });
});
