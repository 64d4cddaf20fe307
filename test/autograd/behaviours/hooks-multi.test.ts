import { ArgumentError, AutogradError, autograd, grad, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../../support/close.ts';
import { leaf } from '../../support/numbers.ts';

/* Hooks on several tensors, callbacks at the end of a pass, hooks that keep what they see. */

const { registerMultiGradHook, queueCallback } = autograd.graph;

describe('registerMultiGradHook', () => {
  it('AG113 fires once per pass, when all gradients that the pass computes are there', () => {
    const [a, b, c] = [leaf(1), leaf(2), leaf(3)];
    const d = a.mul(2);
    const seen: (number | null)[][] = [];
    const handle = registerMultiGradHook([a, b, c, d], (gs) => {
      seen.push(gs.map((g) => g?.item() ?? null));
    });
    d.mul(b).sum().backward();
    expect(seen).toEqual([[4, 2, null, 2]]);
    a.add(c)
      .sum()
      .backward({ inputs: [c] });
    expect(seen[1]).toEqual([null, null, 1, null]);
    autograd.grad(a.add(b).sum(), [a]);
    expect(seen[2]).toEqual([1, null, null, null]);
    handle.remove();
    a.sum().backward();
    expect(seen).toHaveLength(3);
  });

  it('AG113 counts afresh after a pass that failed', () => {
    const [a, b] = [leaf(1), leaf(2)];
    let calls = 0;
    registerMultiGradHook([a, b], () => {
      calls += 1;
    });
    const y = a.exp();
    const h = y.registerHook(() => {
      throw new RangeError('stop');
    });
    const z = b.mul(3).mul(y).sum();
    expectError(() => z.backward({ retainGraph: true }), RangeError, 'stop');
    h.remove();
    expect(calls).toBe(0);
    z.backward();
    expect(calls).toBe(1);
  });

  it('AG114 with mode any it fires once, with the first gradient', () => {
    const [a, b] = [leaf(1), leaf(2)];
    const seen: number[] = [];
    registerMultiGradHook([a, tensor([1]), b], (g) => void seen.push(g.item()), { mode: 'any' });
    const z = a.mul(3).add(b.mul(5)).sum();
    z.backward();
    expect(seen).toHaveLength(1);
    expect([3, 5]).toContain(seen[0]);
    b.mul(7).sum().backward();
    expect(seen[1]).toBe(7);
  });

  it('AG115 another mode is refused', () => {
    expectError(
      () => registerMultiGradHook([leaf(1)], () => undefined, { mode: 'foo' as never }),
      ArgumentError,
      "Expects mode to be one of ('all', 'any') but got foo",
    );
    const x = leaf(1);
    expectError(
      () => registerMultiGradHook([x, tensor([1])], () => expect.fail('half registered')),
      AutogradError,
      "doesn't require gradient",
    );
    x.sum().backward();
    expectError(() => registerMultiGradHook(3 as never, () => undefined), ArgumentError, 'an array of Tensors');
  });
});

describe('queueCallback', () => {
  it('AG338 callbacks run once at the end of the pass, and may queue further ones', () => {
    const x = leaf(1);
    const y = x.mul(2);
    const log: string[] = [];
    y.registerHook(() => {
      log.push('hook');
      queueCallback(() => {
        log.push(`end, grad ${x.grad?.item()}`);
        queueCallback(() => void log.push('and after'));
      });
    });
    y.sum().backward({ retainGraph: true });
    expect(log).toEqual(['hook', 'end, grad 2', 'and after']);
    y.sum().backward();
    expect(log).toHaveLength(6);
  });

  it('AG338 belong to the innermost pass', () => {
    const log: string[] = [];
    const inner = leaf(1);
    inner.registerHook(() => queueCallback(() => void log.push('inner end')));
    const x = leaf(1);
    x.registerHook(() => {
      queueCallback(() => void log.push('outer end'));
      inner.mul(1).sum().backward();
      log.push('hook end');
    });
    x.sum().backward({ createGraph: true });
    expect(log).toEqual(['inner end', 'hook end', 'outer end']);
  });

  it('AG338 are refused outside a pass', () => {
    const message = 'Final callbacks can only be installed during backward pass';
    expectError(() => queueCallback(() => undefined), AutogradError, message);
    const x = leaf(1);
    x.registerHook(() => {
      throw new RangeError('stop');
    });
    expectError(() => x.sum().backward(), RangeError, 'stop');
    expectError(() => queueCallback(() => undefined), AutogradError, message);
  });
});

it('AG085 what a hook keeps stays, whatever the pass frees and later passes reuse', () => {
  const x = tensor(new Float32Array(3000).fill(1)).requiresGrad_();
  const kept: Tensor[] = [];
  const y = x.mul(2);
  const z = y.square();
  y.registerHook((g) => void kept.push(g));
  (z.gradFn as autograd.graph.Node).registerPrehook(([g]) => void kept.push(g as Tensor));
  (z.gradFn as autograd.graph.Node).registerHook(([g]) => void kept.push(g as Tensor));
  const loss = z.sum();
  for (let i = 0; i < 20; i++) loss.backward({ retainGraph: true });
  expect(kept).toHaveLength(60);
  for (let i = 0; i < kept.length; i += 3) {
    const [outputs, inputs, atY] = kept.slice(i, i + 3).map((g) => [g.min().item(), g.max().item()]);
    expect([outputs, inputs, atY]).toEqual([
      [1, 1],
      [4, 4],
      [4, 4],
    ]);
  }
  expectValues(x.grad?.slice(0, 0, 2), [2], [160, 160]);
});

describe('hooks inside transforms', () => {
  it('change the gradients that the transform computes', () => {
    const f = (x: Tensor): Tensor => {
      const y = x.square();
      y.registerHook((g) => g.mul(10));
      return y.sum();
    };
    expectValues(grad(f)(tensor([1, 2])), [2], [20, 40]);
    const batch = tensor([
      [1, 2],
      [3, 4],
    ]);
    expectValues(vmap(grad(f))(batch), [2, 2], [20, 40, 60, 80]);
    const dfdx = (x: Tensor): Tensor => grad(f)(x).sum();
    expectValues(grad(dfdx)(tensor([1, 2])), [2], [20, 20]);
  });

  it('are part of the graph that createGraph records', () => {
    const x = leaf(2);
    const y = x.square();
    y.registerHook((g) => g.mul(x));
    const [g] = autograd.grad(y, x, { createGraph: true });
    // x · 2x, and its derivative 4x
    expect(g.item()).toBe(8);
    expect(autograd.grad(g, x)[0].item()).toBe(8);
  });

  it('see batched gradients one by one with isGradsBatched', () => {
    const x = leaf(1, 2);
    const y = x.mul(3);
    const shapes: unknown[] = [];
    y.registerHook((g) => {
      shapes.push(g.shape);
      return g.mul(2);
    });
    const gradOutputs = tensor([
      [1, 0],
      [0, 1],
    ]);
    expectValues(autograd.grad(y, x, { gradOutputs, isGradsBatched: true })[0], [2, 2], [6, 0, 0, 6]);
    expect(shapes).toEqual([[2]]);
  });
});
