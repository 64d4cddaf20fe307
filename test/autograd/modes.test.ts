import {
  AutogradError,
  enableGrad,
  type GradModeGuard,
  grad,
  isGradEnabled,
  noGrad,
  profile,
  setGradEnabled,
  type Tensor,
  tensor,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError, expectValues } from '../support/close.ts';

const x = tensor([1, 2], { requiresGrad: true });

describe('as a callback', () => {
  it('noGrad stops recording and returns what the callback returns', () => {
    const y = noGrad(() => x.mul(2));
    expect([y.requiresGrad, y.gradFn, y.isLeaf]).toEqual([false, null, true]);
    expectError(() => y.sum().backward(), AutogradError, 'does not require grad');
    expect(noGrad(() => 7)).toBe(7);
    expect(noGrad(() => undefined)).toBeUndefined();
  });

  it('enableGrad records again inside noGrad', () => {
    noGrad(() => {
      expect(isGradEnabled()).toBe(false);
      enableGrad(() => {
        expect(isGradEnabled()).toBe(true);
        expect(x.mul(2).requiresGrad).toBe(true);
      });
      expect(isGradEnabled()).toBe(false);
    });
    expect(isGradEnabled()).toBe(true);
  });

  it('setGradEnabled takes the mode', () => {
    expect(setGradEnabled(false, () => x.mul(2).requiresGrad)).toBe(false);
    expect(setGradEnabled(true, () => x.mul(2).requiresGrad)).toBe(true);
  });

  it('puts the mode back when the callback throws', () => {
    const broken = (): never => {
      throw new RangeError('broken');
    };
    expectError(() => noGrad(broken), RangeError, 'broken');
    expect(isGradEnabled()).toBe(true);
    noGrad(() => {
      expectError(() => enableGrad(broken), RangeError, 'broken');
      expect(isGradEnabled()).toBe(false);
    });
  });

  it('refuses a callback that returns a promise, with the mode put back', () => {
    expectError(() => noGrad(async () => x.mul(2)), AutogradError, 'noGrad: the callback returned a promise');
    expectError(() => enableGrad(async () => 1), AutogradError, 'enableGrad: the callback returned a promise');
    expectError(() => setGradEnabled(false, () => Promise.resolve(1)), AutogradError, 'setGradEnabled: the callback');
    // biome-ignore lint/suspicious/noThenProperty: a thenable that is no Promise counts as one.
    expectError(() => noGrad(() => ({ then: () => undefined })), AutogradError, 'returned a promise');
    expect(isGradEnabled()).toBe(true);
  });

  it('leaves no rejection behind that nobody could handle', async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): number => unhandled.push(reason);
    process.on('unhandledRejection', note);
    expectError(() => noGrad(async () => Promise.reject(new Error('late'))), AutogradError, 'returned a promise');
    expectError(() => profile(async () => Promise.reject(new Error('late'))), AutogradError, 'returned a promise');
    await new Promise((resolve) => setTimeout(resolve, 20));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
  });

  it('does not change what requires grad', () => {
    noGrad(() => {
      expect(x.requiresGrad).toBe(true);
      expect(tensor([1], { requiresGrad: true }).requiresGrad).toBe(true);
    });
  });
});

describe('with using', () => {
  it('holds to the end of the block', () => {
    {
      using _ = noGrad();
      expect(isGradEnabled()).toBe(false);
      {
        using _inner = enableGrad();
        expect(isGradEnabled()).toBe(true);
      }
      expect(isGradEnabled()).toBe(false);
    }
    expect(isGradEnabled()).toBe(true);
  });

  it('ends also on return and on an error', () => {
    const body = (fail: boolean): Tensor => {
      using _ = setGradEnabled(false);
      if (fail) throw new RangeError('broken');
      return x.mul(2);
    };
    expect(body(false).requiresGrad).toBe(false);
    expect(isGradEnabled()).toBe(true);
    expectError(() => body(true), RangeError, 'broken');
    expect(isGradEnabled()).toBe(true);
  });

  it('is a disposable, for hosts and code without the syntax', () => {
    const guard: GradModeGuard = noGrad();
    expect(isGradEnabled()).toBe(false);
    guard[Symbol.dispose]();
    expect(isGradEnabled()).toBe(true);
  });
});

describe('as a call', () => {
  it('setGradEnabled switches from here on', () => {
    setGradEnabled(false);
    expect(x.mul(2).requiresGrad).toBe(false);
    setGradEnabled(true);
    expect(x.mul(2).requiresGrad).toBe(true);
  });
});

describe('in a transform', () => {
  it('act on the innermost tape alone, and are undone with it', () => {
    const inside: boolean[] = [];
    grad((t: Tensor) => {
      inside.push(isGradEnabled());
      setGradEnabled(false);
      inside.push(isGradEnabled());
      return t.sum();
    })(tensor([1]));
    expect(inside).toEqual([true, false]);
    expect(isGradEnabled()).toBe(true);
    noGrad(() => {
      grad((t: Tensor) => {
        inside.push(isGradEnabled());
        return t.sum();
      })(tensor([1]));
      expect(isGradEnabled()).toBe(false);
    });
    expect(inside[2]).toBe(true);
  });

  it('do not hide a tracked tensor from the tape outside', () => {
    const w = tensor([3, 4], { requiresGrad: true });
    const g = grad((t: Tensor) => t.mul(noGrad(() => w.mul(t))).sum())(tensor([1, 2]));
    g.sum().backward();
    // g = w t, where the inner tape takes w t for a constant and the outer one does not.
    expectValues(w.grad, [2], [1, 2]);
  });
});
