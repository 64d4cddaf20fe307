/** Functions of probability: values by mpmath with 50 digits, ends and poles, and how far tensors are alike. */
import { functional as F, grad, type Tensor, tensor, vmap, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { f64 as float64 } from '../support/numbers.ts';

const f64 = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  float64([...values], [...shape]);
const listed = (t: Tensor): number[] => t.toArray() as number[];

const values: Readonly<Record<string, readonly (readonly [x: number, y: number])[]>> = {
  lgamma: [
    [1e-300, 690.77552789821371],
    [1e-5, 11.512919692895826],
    [0.3, 1.0957979948180756],
    [0.999999, 5.7721648738556524e-7],
    [1.0000001, -5.7721558299185071e-8],
    [1.4616321449683622, -0.12148629053584961],
    [1.9999, -4.2275208772153458e-5],
    [2.0001, 4.2281658112919946e-5],
    [2.9, 0.60286961024931137],
    [3.5, 1.2009736023470742],
    [7.999, 8.5231457861589155],
    [8.001, 8.5271770691089264],
    [123.4, 469.33609744219059],
    [10000000000.0, 220258509288.81058],
    [-1e-8, 18.420680749724522],
    [-0.5, 1.2655121234846454],
    [-1.25, 1.3664317612369762],
    [-7.7, -8.6110964437789005],
    [-100.3, -363.76620618267626],
  ],
  digamma: [
    [1e-9, -1000000000.5772156],
    [0.3, -3.5025242222001331],
    [1, -0.57721566490153286],
    [1.9, 0.35618416116405966],
    [7.999, 2.015508332090348],
    [8.001, 2.0157746061213025],
    [123.4, 4.8113737751162774],
    [1000000000000.0, 27.631021115928048],
    [-1e-9, 999999999.42278427],
    [-0.7, -2.0739527936287038],
    [-1.25, 3.7141391202135278],
    [-7.7, -0.17774844371896934],
    [-100.3, 6.895643124860435],
  ],
  'polygamma(1)': [
    [1e-5, 10000000001.644908],
    [0.3, 12.245364546107731],
    [1, 1.6449340668482264],
    [7.9, 0.13493078345663442],
    [1000000000.0, 1.0000000005e-9],
    [-1e-5, 10000000001.644956],
    [-0.7, 14.28618087263834],
    [-1.25, 19.181879647671606],
    [-7.7, 14.957612844863726],
  ],
  'polygamma(2)': [
    [1e-5, -2000000000000001.9],
    [0.3, -75.272536588726039],
    [1, -2.4041138063191886],
    [7.9, -0.018179004838322605],
    [1000000000.0, -1.000000001e-18],
    [-1e-5, 1999999999999997.1],
    [-0.7, -69.441632798638533],
    [-1.25, 123.72136678366236],
    [-7.7, -68.852360991650441],
  ],
  'polygamma(5)': [
    [1e-5, 1.1999999999999994e32],
    [0.3, 164634.84609922304],
    [1, 122.0811674381339],
    [7.9, 0.0010575825986958341],
    [1000000000.0, 2.400000006e-44],
    [-1e-5, 1.1999999999999994e32],
    [-0.7, 165654.82926950054],
    [-1.25, 492230.21062287458],
    [-7.7, 165660.17381776474],
  ],
  erfinv: [
    [1e-300, 8.8622692545275804e-301],
    [1e-5, 8.8622692547595945e-6],
    [0.3, 0.27246271472675435],
    [0.7, 0.73286907795921678],
    [0.849, 1.0154111558190085],
    [0.851, 1.0204064737926705],
    [0.99, 1.8213863677184495],
    [0.9999999, 3.7665625816384709],
    [0.9999999999999999, 5.8635847487551679],
    [-0.5, -0.47693627620446987],
    [-0.999, -2.3267537655135245],
  ],
  sinc: [
    [1e-12, 1.0],
    [0.1, 0.98363164308346597],
    [0.4, 0.75682672864065695],
    [1.25, -0.18006326323142121],
    [-2.5, 0.12732395447351627],
    [7.75, -0.029042461811519551],
  ],
  entr: [
    [1e-300, 6.9077552789821372e-298],
    [0.1, 0.23025850929940458],
    [0.9, 0.094824464092043651],
    [2.5, -2.2907268296853877],
  ],
  ndtr: [
    [-8.5, 9.4795348222033184e-18],
    [-3, 0.0013498980316300945],
    [-0.5, 0.3085375387259869],
    [0.25, 0.59870632568292372],
    [2, 0.97724986805182079],
    [9, 1.0],
  ],
  ndtri: [
    [1e-12, -7.0344838253011319],
    [0.001, -3.0902323061678135],
    [0.2, -0.84162123357291417],
    [0.4999, -0.00025066283008800749],
    [0.6, 0.25334710313579974],
    [0.99, 2.3263478740408408],
  ],
};

const functions: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  lgamma: (x) => x.lgamma(),
  digamma: (x) => x.digamma(),
  'polygamma(1)': (x) => x.polygamma(1),
  'polygamma(2)': (x) => x.polygamma(2),
  'polygamma(5)': (x) => x.polygamma(5),
  erfinv: (x) => x.erfinv(),
  sinc: (x) => x.sinc(),
  entr: (x) => x.entr(),
  ndtr: (x) => x.ndtr(),
  ndtri: (x) => x.ndtri(),
};

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

describe('functions of probability', () => {
  it.each(Object.keys(values))('%s', (name) => {
    const points = values[name];
    const f = functions[name];
    const actual = f(f64(points.map(([x]) => x))).toArray() as number[];
    points.forEach(([x, y], i) => {
      // Where a value is the difference of two, by those; of one that falls like e^(−x²/2), with x rounded.
      const scale = name === 'lgamma' && x < 0 ? 1 : 0;
      const bound = name === 'ndtr' ? 4e-15 + x ** 2 * 2 ** -53 : 4e-15;
      expect(Math.abs(actual[i] - y) / Math.max(Math.abs(y), scale), `${name}(${x})`).toBeLessThan(bound);
    });
  });

  it.each(Object.keys(values))('%s of float32', (name) => {
    const points = values[name].filter(
      ([x, y]) => Math.abs(x) > 1e-30 && Math.abs(y) < 1e30 && x > -1 && Math.fround(x) < 1,
    );
    const x = tensor(points.map(([x]) => x));
    const rounded = x.to('float64');
    const actual = functions[name](x).to('float64').sub(functions[name](rounded)).toArray() as number[];
    const expected = functions[name](rounded).toArray() as number[];
    actual.forEach((error, i) => {
      expect(Math.abs(error) / Math.abs(expected[i]), `${name}(${points[i][0]})`).toBeLessThan(2e-6);
    });
  });

  it('ends and poles', () => {
    const at = (name: string, ...xs: number[]): unknown => functions[name](f64(xs)).toArray();
    expect(at('lgamma', 0, -0, -1, -2, 1, 2, inf, -inf, nan)).toEqual([inf, inf, inf, inf, 0, 0, inf, inf, nan]);
    expect(at('digamma', 0, -0, -1, -2, inf, nan)).toEqual([-inf, inf, nan, nan, inf, nan]);
    expect(at('polygamma(1)', 0, -0, -1, inf)).toEqual([inf, inf, inf, 0]);
    expect(at('polygamma(2)', 0, -1, inf)).toEqual([-inf, -inf, 0]);
    expect(at('erfinv', 0, 1, -1, 1.5, -2, nan)).toEqual([0, inf, -inf, nan, nan, nan]);
    expect(at('sinc', 0, -0, inf)).toEqual([1, 1, nan]);
    expect(at('entr', 0, 1, -1, inf, nan)).toEqual([0, -0, -inf, -inf, nan]);
    expect(at('ndtr', 0, inf, -inf, nan)).toEqual([0.5, 1, 0, nan]);
    expect(at('ndtri', 0, 1, 0.5, -1, 2)).toEqual([-inf, inf, 0, nan, nan]);
  });

  it('slopes at the middle of sinc and at the ends of the others', () => {
    const slope = (name: string, ...xs: number[]): unknown =>
      grad((x: Tensor) => functions[name](x).sum())(f64(xs)).toArray();
    const second = grad((y: Tensor) => grad((x: Tensor) => x.sinc().sum())(y).sum())(f64([0, 1e-9]));
    expect(slope('sinc', 0, -0)).toEqual([-0, 0]);
    for (const y of listed(second)) expect(y).toBeCloseTo(-(Math.PI ** 2) / 3, 12);
    expect(slope('erfinv', 1, -1)).toEqual([inf, inf]);
    expect(slope('entr', 0, 1, -1)).toEqual([inf, -1, nan]);
    expect(slope('lgamma', 0, -0, -1)).toEqual([-inf, inf, nan]);
  });

  it('whole numbers become float32, and in place they are refused', () => {
    expect(tensor([3, 4], { dtype: 'int32' }).lgamma().toString()).toBe('tensor([0.6931, 1.7918])');
    expect(() => tensor([3, 4], { dtype: 'int32' }).lgamma_()).toThrow("can't be cast to the desired output type");
    const x = f64([1.5, 2]);
    expect(x.polygamma_(1)).toBe(x);
    expect(listed(x)[1]).toBeCloseTo(Math.PI ** 2 / 6 - 1, 14);
  });

  it('orders of polygamma', () => {
    const x = f64([0.7, 3]);
    expect(x.polygamma(0).equal(x.digamma())).toBe(true);
    const third = grad((t: Tensor) => t.polygamma(2).sum())(x);
    expect(third.allclose(x.polygamma(3), { rtol: 1e-14 })).toBe(true);
    // −ψ⁽²⁰⁾(1) = 20! ζ(21)
    expect((f64([1]).polygamma(20).item() as number) / -2432902008176640000).toBeCloseTo(1.0000004769329868, 12);
    expect(() => x.polygamma(-1)).toThrow('polygamma(n, x) does not support negative n');
    expect(() => x.polygamma(1.5)).toThrow('whole number');
    expect(() => x.polygamma(129)).toThrow('orders go up to 128');
    expect(f64([2.5]).polygamma(128).isfinite().item()).toBe(1);
  });

  it('the multivariate gamma function', () => {
    expect(f64([3.2]).mvlgamma(4).item()).toBeCloseTo(4.7555548077417869, 13);
    expect(() => f64([3]).mvlgamma(0)).toThrow('p has to be greater than or equal to 1');
    expect(() => tensor([true]).mvlgamma(1)).toThrow('The input tensor may not be a boolean tensor');
  });
});

describe('how far tensors are alike', () => {
  it('isclose', () => {
    const a = f64([1, inf, nan, -inf, 0, 1e300]);
    const b = f64([1 + 5e-6, inf, nan, inf, 1e-8, -1e300]);
    expect(a.isclose(b).toArray()).toEqual([true, true, false, false, true, false]);
    expect(a.isclose(b, { equalNan: true }).toArray()).toEqual([true, true, true, false, true, false]);
    expect(a.isclose(b, { rtol: 0, atol: 0 }).toArray()).toEqual([false, true, false, false, false, false]);
    const bytes = (...xs: number[]): Tensor => tensor(xs, { dtype: 'uint8' });
    expect(
      bytes(1, 2, 200)
        .isclose(bytes(2, 4, 202), { rtol: 0.01, atol: 1 })
        .toArray(),
    ).toEqual([true, false, true]);
    expect(
      f64([1, 2])
        .isclose(f64([1, 2], [2, 1]))
        .toArray(),
    ).toEqual([
      [true, false],
      [false, true],
    ]);
  });

  it('allclose and equal say it of all elements', () => {
    expect(f64([1, 2]).allclose(f64([1, 2 + 1e-9]))).toBe(true);
    expect(f64([1, 2]).allclose(f64([1, 2.1]))).toBe(false);
    expect(zeros([0]).allclose(zeros([0]))).toBe(true);
    expect(f64([1, 2]).equal(f64([1, 2]))).toBe(true);
    expect(f64([1, 2]).equal(tensor([1, 2], { dtype: 'int32' }))).toBe(true);
    expect(f64([1, nan]).equal(f64([1, nan]))).toBe(false);
    expect(f64([1, 1]).equal(f64([1]))).toBe(false);
    expect(zeros([0, 2]).equal(zeros([0, 3]))).toBe(false);
  });

  it('what is refused', () => {
    expect(() => f64([1]).isclose(tensor([1]))).toThrow('float64 did not match float32');
    expect(() => f64([1]).allclose(f64([1]), { rtol: -1 })).toThrow('rtol must be greater than or equal to zero');
    expect(() => f64([1]).isclose(f64([1]), { atol: nan })).toThrow('atol must be greater than or equal to zero');
    expect(() => vmap((x: Tensor) => (x.equal(x) ? x : x.neg()))(f64([1, 2]))).toThrow('value per example');
  });

  it('decides under grad', () => {
    const f = (x: Tensor): Tensor => (x.allclose(x.detach()) ? x.square() : x).sum();
    expect(grad(f)(f64([3])).toArray()).toEqual([6]);
  });
});

describe('bilinear', () => {
  it('is Σ x₁ᵢ Wₒᵢⱼ x₂ⱼ + bₒ', () => {
    const y = F.bilinear(f64([1, 2]), f64([3, 4]), f64([1, 0, 0, 1, 0, 1, -1, 0], [2, 2, 2]), f64([0.5, 0]));
    expect(y.toArray()).toEqual([11.5, -2]);
  });

  it('refuses sizes that do not fit', () => {
    const w = zeros([5, 3, 4]);
    expect(() => F.bilinear(zeros([2, 3]), zeros([3, 4]), w)).toThrow(
      'input batch dimensions do not match at dim 0: got 2 and 3',
    );
    expect(() => F.bilinear(zeros([2, 2]), zeros([2, 4]), w)).toThrow(
      'input1 size does not match weight size: got 2 but expected 3',
    );
    expect(() => F.bilinear(zeros([2, 3]), zeros([2, 3]), w)).toThrow(
      'input2 size does not match weight size: got 3 but expected 4',
    );
    expect(() => F.bilinear(zeros([2, 3]), zeros([2, 4]), w, zeros([4]))).toThrow(
      'bias size does not match weight size: got 4 but expected 5',
    );
    expect(() => F.bilinear(zeros([2, 3]), zeros([4]), w)).toThrow('input dimensions do not match: got 2 and 1');
  });
});
