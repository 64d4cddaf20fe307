import {
  ArgumentError,
  AssertionError,
  arange,
  assertClose,
  asTensor,
  autograd,
  promoteTypes,
  resultType,
  ShapeError,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError } from '../support/close.ts';

/* Small functions and other names that programs for PyTorch use. */

const wrong = (x: unknown): never => x as never;

describe('asTensor', () => {
  it('is the tensor itself where there is nothing to do, and keeps the graph where there is', () => {
    const x = tensor([1, 2], { requiresGrad: true });
    expect(asTensor(x)).toBe(x);
    const y: Tensor<[2]> = asTensor(x, { dtype: 'float64' });
    expect([y.dtype, y.requiresGrad]).toEqual(['float64', true]);
    expect(autograd.grad(y.sum(), x)[0]?.toArray()).toEqual([1, 1]);
  });

  it('makes tensors of everything else', () => {
    const rows: Tensor<[2, 2]> = asTensor([
      [1, 2],
      [3, 4],
    ]);
    expect(rows.dtype).toBe('float32');
    expect(asTensor(true).dtype).toBe('bool');
    expect(asTensor(new Int32Array([7])).dtype).toBe('int32');
    expect(asTensor([1.5], { dtype: 'float64' }).item()).toBe(1.5);
    expectError(() => asTensor(wrong([[1], [2, 3]])), ShapeError, 'asTensor: expected sequence of length 1');
    expectError(
      () => asTensor([1], wrong({ requiresGrad: true })),
      ArgumentError,
      'asTensor: got an unexpected option',
    );
  });
});

it('dtypes of results are those of PyTorch', () => {
  expect(promoteTypes('int32', 'float32')).toBe('float32');
  expect(promoteTypes('uint8', 'int32')).toBe('int32');
  expect(promoteTypes('bool', 'uint8')).toBe('uint8');
  expect(resultType(zeros([2], { dtype: 'int32' }), 1.5)).toBe('float32');
  expect(resultType(zeros([2]), tensor(1, { dtype: 'float64' }))).toBe('float32');
  expect(resultType(zeros([]), zeros([], { dtype: 'float64' }))).toBe('float64');
  expect(resultType(2, 3)).toBe('int32');
  expectError(() => promoteTypes('int32', wrong('int63')), ArgumentError, 'unknown dtype "int63"');
  expectError(() => resultType(wrong('x'), 1), ArgumentError, 'resultType: expected a Tensor');
});

it('bytes, and the dtype of another tensor', () => {
  expect(zeros([3, 5]).nbytes).toBe(60);
  expect(zeros([3, 5], { dtype: 'float64' }).mT.nbytes).toBe(120);
  expect(zeros([0], { dtype: 'bool' }).nbytes).toBe(0);
  const x = tensor([1.7]);
  expect(x.typeAs(zeros([], { dtype: 'int32' })).toArray()).toEqual([1]);
  expect(x.typeAs(x)).toBe(x);
  expectError(() => x.typeAs(wrong('float64')), ArgumentError, 'typeAs: expected a Tensor');
});

it('arc functions are the inverse ones, swapdims is transpose', () => {
  const x = tensor([0.25, 0.5], { dtype: 'float64' });
  expect(x.arcsin().equal(x.asin())).toBe(true);
  expect(x.arccos().equal(x.acos())).toBe(true);
  expect(x.arctan().equal(x.atan())).toBe(true);
  expect(x.arcsinh().equal(x.asinh())).toBe(true);
  expect(x.arccosh().isnan().all().item()).toBe(1);
  expect(x.arctanh().equal(x.atanh())).toBe(true);
  expect(x.arctan2(2).equal(x.atan2(2))).toBe(true);
  const turned: Tensor<[3, 2]> = zeros([2, 3]).swapdims(0, 1);
  expect(turned.shape).toEqual([3, 2]);
});

it('a clamp with its bounds in an object says how they are written', () => {
  expectError(() => zeros([2]).clamp(wrong({ min: 0 })), ArgumentError, 'got object: write x.clamp(min, max), or null');
});

describe('assertClose', () => {
  it('passes what is close by PyTorch’s tolerances, and numbers in the dtype of the tensor', () => {
    assertClose(tensor([1, 100]), tensor([1 + 1e-5, 100 + 1.3e-4]));
    assertClose(tensor([1, 2], { dtype: 'float64' }), [1 + 1e-8, 2]);
    assertClose(arange(2, { dtype: 'int32' }), [0, 1]);
    assertClose(tensor(3), 3);
    assertClose(tensor([Number.NaN]), [Number.NaN], { equalNan: true });
    assertClose(tensor([1]), tensor([1.5]), { rtol: 0, atol: 0.5 });
    assertClose(zeros([0]), zeros([0]));
    assertClose(zeros([2]), zeros([2], { dtype: 'float64' }), { checkDtype: false });
    assertClose(tensor([Number.POSITIVE_INFINITY]), [Number.POSITIVE_INFINITY]);
  });

  it('says how many elements are not, how far they are and where', () => {
    expectError(
      () => assertClose(tensor([[1, 2, 3]]), tensor([[1, 2.5, 7]])),
      AssertionError,
      'Tensor-likes are not close!\n\nMismatched elements: 2 / 3 (66.7%)\nGreatest absolute difference: 4 at index (0, 2) (up to 0.00001 allowed)\nGreatest relative difference: 0.571',
    );
    expectError(
      () => assertClose(tensor([1, 5], { dtype: 'int32' }), [1, 4]),
      AssertionError,
      'Tensor-likes are not equal!\n\nMismatched elements: 1 / 2 (50.0%)\nGreatest absolute difference: 1 at index (1,)\nGreatest relative difference: 0.25 at index (1,)',
    );
    for (const x of [Number.NaN, Number.POSITIVE_INFINITY])
      expectError(() => assertClose(tensor([0, x]), [0, 1]), AssertionError, `${x} at index (1,)`);
  });

  it('refuses other shapes, dtypes and half of the tolerances', () => {
    expectError(() => assertClose(zeros([2]), zeros([3])), AssertionError, "'shape' do not match: [2] != [3]");
    expectError(
      () => assertClose(zeros([2]), zeros([2], { dtype: 'float64' })),
      AssertionError,
      "'dtype' do not match: float32 != float64",
    );
    expectError(() => assertClose(zeros([2]), zeros([2]), { rtol: 0 }), ArgumentError, 'must both be specified');
    expectError(() => assertClose(wrong([1]), [1]), ArgumentError, 'assertClose: expected a Tensor');
  });
});
