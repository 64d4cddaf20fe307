/** Bits, divisors, and truth values that are written over numbers. */
import { AutogradError, arange, DTypeError, ones, type Tensor, tensor, vmap, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectError } from '../support/close.ts';
import { spread } from '../support/numbers.ts';

const int = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  tensor(Int32Array.from(values), { shape });
const listed = (t: Tensor): number[] => Array.from(t.toTypedArray());

const numbers = (n: number, seed: number): number[] => [
  ...[0, -1, 2 ** 31 - 1, -(2 ** 31)],
  ...spread(n - 4, -(2 ** 31), 2 ** 31, seed).map((x) => Math.trunc(x)),
];

function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b);
}

type Method = (x: Tensor, y: Tensor | number) => Tensor;
const methods: Readonly<Record<string, readonly [Method, Method, (a: number, b: number) => number]>> = {
  bitwiseAnd: [(x, y) => x.bitwiseAnd(y), (x, y) => x.bitwiseAnd_(y), (a, b) => a & b],
  bitwiseOr: [(x, y) => x.bitwiseOr(y), (x, y) => x.bitwiseOr_(y), (a, b) => a | b],
  bitwiseXor: [(x, y) => x.bitwiseXor(y), (x, y) => x.bitwiseXor_(y), (a, b) => a ^ b],
};

describe('bits', () => {
  for (const [name, [method, inPlace, f]] of Object.entries(methods)) {
    it(`${name} is JavaScript's, whatever the layout`, () => {
      for (const n of [4, 7, 33, 1000]) {
        const [a, b] = [numbers(n, 3), numbers(n, 5).toReversed()];
        const expected = a.map((x, i) => f(x, b[i]));
        expect(listed(method(int(a), int(b)))).toEqual(expected);
        expect(listed(inPlace(int(a), int(b)))).toEqual(expected);
        expect(listed(method(int(a), 5))).toEqual(a.map((x) => f(x, 5)));
      }
      const m = int(numbers(24, 7), [4, 6]);
      expect(listed(method(m.T, int([1, 2, 3, 4])))).toEqual(listed(m.T.contiguous()).map((x, i) => f(x, 1 + (i % 4))));
    });

    it(`${name} of truth values and bytes`, () => {
      const truths = [
        true,
        false,
        true,
        true,
        false,
        false,
        true,
        false,
        true,
        true,
        false,
        true,
        true,
        false,
        true,
        true,
      ];
      const others = truths.toReversed();
      const joined = truths.map((x, i) => f(Number(x), Number(others[i])));
      const found = method(tensor(truths), tensor(others));
      expect(found.dtype).toBe('bool');
      expect(listed(found)).toEqual(joined);
      expect(listed(inPlace(tensor(truths), tensor(others)))).toEqual(joined);
      const bytes = Uint8Array.from({ length: 21 }, (_, i) => 13 * i);
      const mixed = method(tensor(bytes), tensor(Uint8Array.from(bytes, (x) => x ^ 90)));
      expect(mixed.dtype).toBe('uint8');
      expect(listed(mixed)).toEqual(Array.from(bytes, (x) => f(x, x ^ 90)));
      expect(method(tensor([true]), int([6])).dtype).toBe('int32');
      expectError(
        () => inPlace(tensor([true]), int([6])),
        DTypeError,
        "result type int32 can't be cast to the desired output type bool",
      );
      expectError(() => method(ones([2]), ones([2])), DTypeError, "_cpu\" not implemented for 'Float'");
      expectError(() => method(int([1]), 1.5), DTypeError, "not implemented for 'Float'");
    });
  }

  it('bitwiseNot turns every bit, and truth values', () => {
    expect(listed(int([0, 5, -8]).bitwiseNot())).toEqual([-1, -6, 7]);
    expect(listed(tensor(Uint8Array.of(0, 5, 255)).bitwiseNot())).toEqual([255, 250, 0]);
    expect(tensor([true, false]).bitwiseNot_().toArray()).toEqual([false, true]);
    expectError(() => ones([2]).bitwiseNot(), DTypeError, '"bitwise_not_cpu" not implemented for \'Float\'');
  });

  it('shifts beyond the width leave nothing but the sign', () => {
    const x = int([1, -1, 12345678, -12345678, 2 ** 31 - 1, -(2 ** 31), 7, -7]);
    for (const by of [0, 1, 5, 16, 17, 30, 31, 32, 40, -1]) {
      const outside = by < 0 || by > 31;
      const left = listed(x).map((a) => (outside ? 0 : a << by));
      const right = listed(x).map((a) => a >> (outside ? 31 : by));
      expect(listed(x.bitwiseLeftShift(by))).toEqual(left);
      expect(listed(x.bitwiseRightShift(by))).toEqual(right);
      const places = zeros([8], { dtype: 'int32' }).fill_(by);
      expect(listed(x.bitwiseLeftShift(places))).toEqual(left);
      expect(listed(x.clone().bitwiseRightShift_(places))).toEqual(right);
    }
    expect(listed(tensor(Uint8Array.of(1, 3, 255)).bitwiseLeftShift(tensor(Uint8Array.of(7, 8, 1))))).toEqual([
      128, 0, 254,
    ]);
    expectError(
      () => tensor([true]).bitwiseLeftShift(tensor([true])),
      DTypeError,
      '"lshift_cpu" not implemented for \'Bool\'',
    );
    expectError(() => ones([1]).bitwiseRightShift(1), DTypeError, '"rshift_cpu" not implemented for \'Float\'');
  });

  it('divisors and multiples', () => {
    const [a, b] = [numbers(500, 11), numbers(500, 13).toReversed()];
    // The Fibonacci numbers take most steps; −2³¹ has no absolute value.
    const pairs = a.map((x, i) => [x, b[i]] as const).filter((p) => p.every((x) => x > -(2 ** 31)));
    pairs.push([1836311903, 1134903170], [0, 0], [0, -6], [-6, 0], [12, 18], [-12, 18]);
    const [p, q] = [int(pairs.map(([x]) => x)), int(pairs.map(([, y]) => y))];
    expect(listed(p.gcd(q))).toEqual(pairs.map(([x, y]) => gcd(x, y)));
    expect(listed(int([4, -4, 0, 0, 6]).lcm(int([6, 6, 5, 0, 6])))).toEqual([12, 12, 0, 0, 6]);
    expect(listed(int([4, 9]).gcd_(int([6])))).toEqual([2, 3]);
    expectError(() => ones([1]).gcd(ones([1])), DTypeError, '"gcd_cpu" not implemented for \'Float\'');
  });

  it('are mapped', () => {
    const x = int([1, 2, 3, 4, 5, 6], [3, 2]);
    const y = int([3, 5]);
    expect(vmap((t: Tensor) => t.bitwiseXor(y))(x).toArray()).toEqual(x.bitwiseXor(y).toArray());
    expect(vmap((t: Tensor) => t.gcd(y))(x).toArray()).toEqual(x.gcd(y).toArray());
  });
});

describe('truth values in the place of numbers', () => {
  it('are ones and zeros of the tensor’s dtype', () => {
    const x = (): Tensor => tensor([1, 2, 3]);
    expect(x().eq_(2).toArray()).toEqual([0, 1, 0]);
    expect(x().ne_(2).toArray()).toEqual([1, 0, 1]);
    expect(x().lt_(2).toArray()).toEqual([1, 0, 0]);
    expect(x().le_(2).toArray()).toEqual([1, 1, 0]);
    expect(
      x()
        .gt_(tensor([0, 2, 2]))
        .toArray(),
    ).toEqual([1, 0, 1]);
    expect(x().ge_(2).dtype).toBe('float32');
    expect(int([1, 2, 3]).lt_(2.5).toArray()).toEqual([1, 1, 0]);
    expect(
      int([1, 0, 3])
        .logicalAnd_(tensor([0.5, 1, 0]))
        .toArray(),
    ).toEqual([1, 0, 0]);
    expect(
      tensor(Uint8Array.of(1, 0, 3))
        .logicalOr_(tensor([false, true, false]))
        .toArray(),
    ).toEqual([1, 1, 1]);
    expect(
      x()
        .logicalXor_(tensor([1, 0, 0]))
        .toArray(),
    ).toEqual([0, 1, 1]);
    expect(tensor([0, 0.5]).logicalNot_().toArray()).toEqual([1, 0]);
    // @ts-expect-error: the tensor would have to grow
    expect(() => ones([2]).eq_(ones([3, 2]))).toThrow("doesn't match the broadcast shape");
  });

  it('change a view, and pass no gradient', () => {
    const x = arange(6).reshape([2, 3]);
    x.select(1, 1).gt_(2);
    expect(x.toArray()).toEqual([
      [0, 0, 2],
      [3, 1, 5],
    ]);
    const leaf = ones([2], { requiresGrad: true });
    expect(leaf.mul(2).eq_(2).requiresGrad).toBe(false);
    expect(() => leaf.lt_(3)).toThrow(AutogradError);
  });
});

describe('other names', () => {
  it('are those of the same operations', () => {
    const x = tensor([-1.5, 0.5, 2], { dtype: 'float64', requiresGrad: true });
    const same = (a: Tensor, b: Tensor): void => expect(String(a)).toBe(String(b));
    same(x.clip(-1, 1), x.clamp(-1, 1));
    same(x.clampMin(0), x.clamp(0));
    same(x.clampMax(1), x.clamp(null, 1));
    same(x.floorDivide(2), x.div(2, { roundingMode: 'floor' }));
    same(x.multiply(3), x.mul(3));
    same(x.subtract(3, { alpha: 2 }), x.sub(3, { alpha: 2 }));
    same(x.divide(3, { roundingMode: 'trunc' }), x.div(3, { roundingMode: 'trunc' }));
    same(x.negative(), x.neg());
    same(x.absolute(), x.abs());
    same(x.greater(0.5), x.gt(0.5));
    same(x.greaterEqual(0.5), x.ge(0.5));
    same(x.less(0.5), x.lt(0.5));
    same(x.lessEqual(0.5), x.le(0.5));
    same(x.notEqual(0.5), x.ne(0.5));
    same(x.ldexp(tensor([1, 0, 3], { dtype: 'int32' })), x.mul(tensor([2, 1, 8], { dtype: 'float64' })));
    same(x.detach().clone().clip_(-1, 1), x.detach().clamp(-1, 1));
    same(x.detach().clone().clampMax_(1), x.detach().clamp(null, 1));
    const m = arange(6).reshape([1, 2, 3]);
    expect(m.moveaxis(0, 2).shape).toEqual([2, 3, 1]);
    expect(m.swapaxes(0, 2).shape).toEqual([3, 2, 1]);
  });

  it('in place keep what a gradient by the other operand takes', () => {
    const f64 = { dtype: 'float64' } as const;
    for (const [name, expected] of [
      ['floatPower_', 4 * Math.log(2)],
      ['ldexp_', 8 * Math.log(2)],
    ] as const) {
      const y = tensor([2], { ...f64, requiresGrad: true });
      const x: Tensor = tensor([2], f64);
      x[name](y).sum().backward();
      expect(y.grad?.item()).toBeCloseTo(expected, 12);
    }
    for (const name of ['floatPower', 'ldexp'] as const)
      expect(() => ones([2])[name]('2' as never)).toThrow(`${name}: expected a Tensor`);
  });

  it('floatPower computes in float64', () => {
    expect(String(int([1, 2, 3]).floatPower(2))).toBe('tensor([1., 4., 9.], dtype=float64)');
    expect(
      tensor([2], { dtype: 'float32' })
        .floatPower(tensor([0.5]))
        .item(),
    ).toBeCloseTo(Math.SQRT2, 14);
    expectError(() => ones([2]).floatPower_(2), DTypeError, "operation's result requires dtype float64");
    expectError(
      () => int([2]).ldexp_(int([2])),
      DTypeError,
      "result type float32 can't be cast to the desired output type int32",
    );
  });
});
