import {
  AutogradError,
  autograd,
  DTypeError,
  IndexError,
  NotImplementedError,
  noGrad,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64 } from '../support/numbers.ts';

/* In-place operations and the version counter, as PyTorch has them. */

/** Zeros whose shape the compiler does not know. */
const z = (shape: readonly number[]): Tensor => zeros(shape);
const leaf = (values: readonly number[]): Tensor => f64(values, [values.length]).requiresGrad_();
const modified = 'one of the variables needed for gradient computation has been modified by an inplace operation';

/** Gradients by each input of the sum of squares of what a function makes of copies of them. */
function gradients(f: (...xs: Tensor[]) => Tensor, inputs: readonly Tensor[]): Tensor[] {
  const leaves = inputs.map((x) => x.clone().requiresGrad_());
  const y = f(...leaves);
  return [y.detach(), ...autograd.grad(y.square().sum(), leaves, { materializeGrads: true })];
}

/** Fails unless the in-place form and the functional one agree in value and gradients. */
function agree(
  inPlace: (...xs: Tensor[]) => Tensor,
  functional: (...xs: Tensor[]) => Tensor,
  inputs: readonly Tensor[],
): void {
  const expected = gradients(functional, inputs);
  gradients(inPlace, inputs).forEach((t, i) => {
    expectClose(t, expected[i], { what: i === 0 ? 'value' : `gradient ${i - 1}` });
  });
}

const a = f64([0.5, 1.5, 2.5, 0.75, 1.25, 2], [2, 3]);
const b = f64([2, 0.5, 1.5], [3]);

describe('every in-place operation is its functional form', () => {
  const unary = [
    'neg',
    'abs',
    'exp',
    'expm1',
    'log',
    'log1p',
    'sqrt',
    'rsqrt',
    'square',
    'reciprocal',
    'sin',
    'cos',
    'tan',
    'sinh',
    'cosh',
    'tanh',
    'sigmoid',
    'relu',
    'erf',
    'floor',
    'ceil',
    'round',
    'trunc',
    'sign',
  ] as const;
  for (const name of unary) {
    it(`${name}_`, () => {
      agree(
        (x) => x.mul(1)[`${name}_`](),
        (x) => x.mul(1)[name](),
        [a],
      );
    });
  }

  for (const name of ['add', 'sub', 'mul', 'div', 'pow'] as const) {
    it(`${name}_ with a tensor, a number, and itself`, () => {
      agree(
        (x, y) => x.mul(1)[`${name}_`](y),
        (x, y) => x[name](y),
        [a, b],
      );
      agree(
        (x) => x.mul(1)[`${name}_`](1.5),
        (x) => x[name](1.5),
        [a],
      );
      agree(
        (x) => {
          const t = x.mul(1);
          return t[`${name}_`](t);
        },
        (x) => x[name](x),
        [a],
      );
    });
  }

  it('add_ and sub_ with alpha, div_ with roundingMode, clamp_', () => {
    agree(
      (x, y) => x.mul(1).add_(y, { alpha: 2.5 }).sub_(y, { alpha: -2 }),
      (x, y) => x.add(y, { alpha: 2.5 }).sub(y, { alpha: -2 }),
      [a, b],
    );
    agree(
      (x, y) => x.mul(1).div_(y, { roundingMode: 'floor' }),
      (x, y) => x.div(y, { roundingMode: 'floor' }),
      [a, b],
    );
    agree(
      (x) => x.mul(1).clamp_(0.6, 2.2),
      (x) => x.clamp(0.6, 2.2),
      [a],
    );
  });

  it('fill_, zero_ and copy_ cut what was there before', () => {
    agree(
      (x, y) => x.mul(1).copy_(y),
      (x, y) => x.mul(0).add(y),
      [a, b],
    );
    agree(
      (x) => x.mul(1).zero_(),
      (x) => x.mul(0),
      [a],
    );
    agree(
      (x, y) => x.mul(1).fill_(y.sum()),
      (x, y) => x.mul(0).add(y.sum()),
      [a, b],
    );
  });

  it('several in a row', () => {
    agree(
      (x, y) => x.mul(1).sin_().add_(y).mul_(x).cos_(),
      (x, y) => x.sin().add(y).mul(x).cos(),
      [a, b],
    );
  });
});

describe('in-place operations', () => {
  it('return their tensor and change its memory', () => {
    const x = tensor([1, 2, 3]);
    const { storage } = x;
    expect(x.add_(1)).toBe(x);
    expect(x.storage).toBe(storage);
    expectValues(x, [3], [2, 3, 4]);
  });

  it('make a tensor require grad when an operand does', () => {
    const x = leaf([1, 2]);
    const y = zeros([2], { dtype: 'float64' });
    y.add_(x);
    expect([y.requiresGrad, y.isLeaf, y.gradFn?.name]).toEqual([true, false, 'AddBackward0']);
    y.mul(2).sum().backward();
    expectValues(x.grad, [2], [2, 2]);
  });

  it('before requiresGrad is set are no part of the graph', () => {
    const x = tensor([1, 2]);
    x.mul_(3);
    x.requiresGrad_();
    x.sum().backward();
    expectValues(x.grad, [2], [1, 1]);
  });

  it('use a scalar of the book’s gradient descent', () => {
    const w = tensor([1, 2], { requiresGrad: true });
    w.square().sum().backward();
    noGrad(() => w.sub_((w.grad as Tensor).mul(0.5)));
    expectValues(w, [2], [0, 0]);
    expect([w.isLeaf, w.requiresGrad, w.gradFn]).toEqual([true, true, null]);
    w.add(1).sum().backward();
    expectValues(w.grad, [2], [3, 5]);
  });

  it('keep their shape', () => {
    const x = z([1, 3]);
    expectError(
      () => x.add_(z([2, 3])),
      ShapeError,
      "output with shape [1, 3] doesn't match the broadcast shape [2, 3]",
    );
    expectError(() => z([3]).mul_(z([1, 3])), ShapeError, "doesn't match the broadcast shape [1, 3]");
    expectError(() => z([]).mul_(z([1])), ShapeError, "doesn't match the broadcast shape [1]");
  });

  it('fill with one value, which may be differentiated by', () => {
    expectError(
      () => z([2]).fill_(tensor([1, 2])),
      ShapeError,
      'fill_ only supports 0-dimension value tensor but got tensor with 1 dimensions',
    );
    const w = tensor(3, { requiresGrad: true });
    z([2]).fill_(w).sum().backward();
    expectValues(w.grad, [], [2]);
  });

  it('keep their dtype, where the result can be stored in it', () => {
    const i = zeros([2], { dtype: 'int32' });
    expectError(() => i.add_(0.5), DTypeError, "result type float32 can't be cast to the desired output type int32");
    expectError(() => i.div_(2), DTypeError, "can't be cast");
    expectError(() => zeros([2], { dtype: 'bool' }).add_(1), DTypeError, "can't be cast");
    expect(i.add_(2).dtype).toBe('int32');
    const x = tensor([1, 2]);
    x.add_(f64([0.5, 0.5], [2]));
    expect(x.dtype).toBe('float32');
    expectValues(x, [2], [1.5, 2.5]);
    expect(
      zeros([2], { dtype: 'uint8' })
        .add_(tensor([3, 4], { dtype: 'int32' }))
        .toArray(),
    ).toEqual([3, 4]);
  });

  it('across dtypes give gradients of the operand’s dtype', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    const y = leaf([3, 4]);
    const z = x.mul(1);
    z.mul_(y);
    z.sum().backward();
    expect([x.grad?.dtype, y.grad?.dtype]).toEqual(['float32', 'float64']);
    expectValues(x.grad, [2], [3, 4]);
    expectValues(y.grad, [2], [1, 2]);
  });

  it('leave nothing changed when they are refused', () => {
    const x = leaf([1, 2]);
    const y = zeros([2], { dtype: 'int32' });
    expectError(() => y.add_(0.5), DTypeError, "can't be cast");
    expectError(() => x.add_(1), AutogradError, 'leaf');
    expect([x.version, y.version]).toEqual([0, 0]);
    expectValues(x.detach(), [2], [1, 2]);
    const z = tensor([1, 2], { dtype: 'int32' });
    expectError(() => z.logit_(0), DTypeError, "can't be cast");
    expectValues(z, [2], [1, 2]);
  });

  it('leave nothing changed where a view cannot lead to its base', () => {
    const factor = leaf([2, 2]);
    const places = tensor([0], { dtype: 'int32' });
    for (const change of [
      (v: Tensor) => v.mul_(factor),
      (v: Tensor) => v.cumsum_(0).mul_(factor),
      (v: Tensor) => v.indexAdd_(0, places, factor.narrow(0, 0, 1)),
      (v: Tensor) => v.lerp_(v, factor),
    ]) {
      const view = f64([1, 2], [2]).expand([2, 2]).detach().select(0, 1);
      expectError(() => change(view), NotImplementedError, 'share memory');
      expectValues(view, [2], view.version === 0 ? [1, 2] : [1, 3]);
    }
    const base = f64([1, 2], [2]);
    const view = base.narrow(0, 0, 2);
    base.setData(f64([5, 6], [2]));
    expectError(() => view.mul_(factor), AutogradError, 'given other memory');
    expectValues(view, [2], [1, 2]);
    expectValues(base, [2], [5, 6]);
  });

  it('of places count as changes where an index is out of range, for those before it are written', () => {
    const x = leaf([1, 2, 3]);
    const y = x.mul(1);
    const z = y.square().sum();
    const places = tensor([0, 3], { dtype: 'int32' });
    expect(() => noGrad(() => y.indexFill_(0, places, 7))).toThrow(IndexError);
    expect(y.version).toBe(1);
    expectError(() => z.backward(), AutogradError, modified);
  });
});

describe('leaves', () => {
  it('that require grad may not be changed while recording', () => {
    const x = leaf([1, 2]);
    const message = 'a leaf Variable that requires grad is being used in an in-place operation';
    for (const change of [
      () => x.add_(1),
      () => x.zero_(),
      () => x.copy_(tensor([1, 2])),
      () => x.exp_(),
      () => x.uniform_(),
      () => x.normal_(),
    ])
      expectError(change, AutogradError, message);
    expect(x.version).toBe(0);
  });

  it('may not be changed through a view either', () => {
    const x = leaf([1, 2]);
    const message = 'a view of a leaf Variable that requires grad is being used in an in-place operation';
    expectError(() => x.slice(0, 0, 1).add_(1), AutogradError, message);
    expectError(() => x.view([2, 1]).T.zero_(), AutogradError, message);
  });

  it('may be changed inside noGrad, and stay leaves', () => {
    const x = leaf([1, 2]);
    noGrad(() => {
      x.mul_(3);
      x.slice(0, 0, 1).add_(10);
    });
    expectValues(x.detach(), [2], [13, 6]);
    expect([x.isLeaf, x.requiresGrad]).toEqual([true, true]);
    x.square().sum().backward();
    expectValues(x.grad, [2], [26, 12]);
  });
});

describe('versions', () => {
  it('count in-place changes, shared by views and detached tensors', () => {
    const x = tensor([1, 2, 3, 4]);
    const v = x.slice(0, 1, 3);
    const d = x.detach();
    expect([x.version, v.version, d.version]).toEqual([0, 0, 0]);
    x.add_(1);
    v.mul_(2);
    d.zero_();
    noGrad(() => x.fill_(5));
    x.copy_(tensor([1, 2, 3, 4]));
    expect([x.version, v.version, d.version]).toEqual([5, 5, 5]);
    expect(x.clone().version).toBe(0);
  });

  it('count random fills', () => {
    const x = zeros([3]);
    x.uniform_();
    x.normal_();
    expect(x.version).toBe(2);
  });

  it('of a saved input are checked', () => {
    const x = leaf([1, 2]);
    const y = x.mul(1);
    const z = y.square().sum();
    y.add_(1);
    expectError(() => z.backward(), AutogradError, modified);
    expectError(() => z.backward(), AutogradError, 'is at version 1; expected version 0 instead');
  });

  it('of a saved output are checked', () => {
    const x = leaf([1, 2]);
    const y = x.exp();
    y.add_(1);
    expectError(() => y.sum().backward(), AutogradError, 'which is output 0 of ExpBackward0');
    expectError(() => y.sum().backward(), AutogradError, '[float64 [2]]');
  });

  it('do not matter where nothing was saved', () => {
    const x = leaf([1, 2]);
    const y = x.mul(1);
    const z = y.add(3).add(y.sum());
    y.mul_(5);
    z.sum().backward();
    expectValues(x.grad, [2], [3, 3]);
  });

  it('of an input do not matter where the output was saved, and the other way round', () => {
    const x = leaf([1, 2]);
    const y = x.mul(1);
    const z = y.exp();
    y.add_(1);
    z.sum().backward();
    expectClose(x.grad as Tensor, x.detach().exp());
    const u = leaf([1, 2]);
    const v = u.square();
    v.add_(1);
    v.sum().backward();
    expectValues(u.grad, [2], [2, 4]);
  });

  it('changed inside noGrad, through a detached tensor or through a view, are noticed', () => {
    const changes: ((y: Tensor) => void)[] = [
      (y) => noGrad(() => y.add_(1)),
      (y) => y.detach().zero_(),
      (y) => y.slice(0, 0, 1).mul_(2),
      (y) => noGrad(() => y.view([2, 1]).fill_(3)),
      (y) => y.detach().uniform_(),
    ];
    for (const change of changes) {
      const x = leaf([1, 2]);
      const y = x.mul(1);
      const z = y.square().sum();
      change(y);
      expectError(() => z.backward(), AutogradError, modified);
    }
  });

  it('of a leaf updated between the passes are noticed', () => {
    const w = leaf([1, 2]);
    const y = w.square().sum();
    noGrad(() => w.add_(1));
    expectError(() => y.backward(), AutogradError, modified);
  });

  it('a factor that is a number is not saved', () => {
    const x = leaf([1, 2]);
    const y = x.mul(1);
    const z = y.mul(3);
    y.zero_();
    z.sum().backward();
    expectValues(x.grad, [2], [3, 3]);
  });

  it('an in-place activation saves its own output', () => {
    const x = leaf([-1, 2]);
    const y = x.mul(1).relu_();
    y.sum().backward();
    expectValues(x.grad, [2], [0, 1]);
  });
});
