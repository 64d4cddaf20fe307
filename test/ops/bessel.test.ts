/** Modified Bessel functions and scaled tails: values by mpmath with 40 digits, ends, and slopes there. */
import { grad, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectValues } from '../support/close.ts';

type Name = 'i0' | 'i0e' | 'i1' | 'i1e' | 'erfcx' | 'logNdtr';

const values: Readonly<Record<Name, readonly (readonly [x: number, y: number])[]>> = {
  i0: [
    [0.001, 1.0000002500000156],
    [0.7, 1.1263030183068092],
    [3, 4.8807925858650241],
    [8.1, 469.50060671012147],
    [20, 43558282.559553533],
    [23.9, 1966393300.9801349],
    [24.1, 2391663194.1335827],
    [30, 781672297823.97749],
    [100, 1.0737517071310738e42],
    [-5, 27.239871823604447],
  ],
  i0e: [
    [0.001, 0.99900074958351556],
    [3, 0.2430003541618254],
    [23.9, 0.082041249954962692],
    [24.1, 0.081696416316996745],
    [700, 0.015081295651531358],
    [1000000.0, 0.00039894233026924578],
    [-50, 0.056561626647454193],
  ],
  i1: [
    [1e-8, 5.0000000000000002e-9],
    [0.7, 0.37187967777700863],
    [8.1, 439.48430891035846],
    [23.9, 1924805755.6885959],
    [24.1, 2341506023.117143],
    [100, 1.0683693903381625e42],
    [-5, -24.335642142450527],
  ],
  i1e: [
    [1e-8, 4.9999999500000004e-9],
    [3, 0.19682671329730085],
    [23.9, 0.080306147319810384],
    [24.1, 0.079983106042083096],
    [1000000.0, 0.00039894213079803078],
    [-50, -0.0559931238928954],
  ],
  erfcx: [
    [-26, 7.6577249314905684e293],
    [-5.3, 3164914574749.3398],
    [-1, 5.0089800807622835],
    [0.3, 0.73459933456765515],
    [1.7, 0.29166329707534347],
    [3.99, 0.1373240409142297],
    [4.01, 0.13667636742994915],
    [5, 0.11070463773306863],
    [12, 0.046854221014893763],
    [27, 0.020881607990420941],
    [100000000.0, 5.6418958354775626e-9],
  ],
  logNdtr: [
    [-100000.0, -5000000012.431864],
    [-38, -726.55721601882013],
    [-10, -53.231285150512471],
    [-5.7, -18.933112423224743],
    [-1.01, -1.8563130623431784],
    [-0.99, -1.8258103178428124],
    [0.5, -0.36894641528865639],
    [3, -0.0013508099647481938],
    [9, -1.1285884059538406e-19],
  ],
};
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const f64 = (xs: readonly number[]): Tensor => tensor(Float64Array.from(xs));
const listed = (t: Tensor): number[] => Array.from(t.toTypedArray());
const slope = (name: Name, xs: readonly number[]): number[] => listed(grad((t: Tensor) => t[name]().sum())(f64(xs)));

describe('values', () => {
  for (const [name, pairs] of Object.entries(values) as [Name, (typeof values)[Name]][])
    it(name, () => {
      const ys = listed(f64(pairs.map(([x]) => x))[name]());
      const floats = listed(tensor(Float32Array.from(pairs, ([x]) => x))[name]());
      pairs.forEach(([x, y], i) => {
        expect(Math.abs((ys[i] as number) / y - 1), `${name}(${x})`).toBeLessThan(2e-14);
        // What rounding x to float32 does to the value is not the function's.
        const room =
          4e-7 + 1.2e-7 * Math.abs(x) * (name === 'erfcx' || (name === 'logNdtr' && x > 0) ? 2 * Math.abs(x) : 1);
        const single = Math.fround(y);
        if (Number.isFinite(single))
          expect(Math.abs((floats[i] as number) / single - 1), `${name}(${x})`).toBeLessThan(room);
      });
    });

  it('at the ends, as in PyTorch', () => {
    expect(listed(f64([0, -inf, inf, nan]).i0e())).toEqual([1, 0, 0, nan]);
    expect(listed(f64([0, inf, nan]).i1e())).toEqual([0, 0, nan]);
    expect(listed(f64([0, -30, -inf, inf, nan]).erfcx())).toEqual([1, inf, inf, 0, nan]);
    expect(f64([0, -inf, nan]).logNdtr().toArray()).toEqual([-Math.LN2, -inf, nan]);
    expect(slope('i0', [0])).toEqual([0]);
    expect(slope('i0e', [0])).toEqual([0]);
    expect(slope('i1', [0, -0])).toEqual([0.5, 0.5]);
    expect(slope('i1e', [0])).toEqual([0.5]);
    expect(slope('erfcx', [0])).toEqual([-2 / Math.sqrt(Math.PI)]);
    expect(slope('logNdtr', [-1e6, 40])).toEqual([expect.closeTo(1e6, 3), 0]);
    // φ' = −x φ where Φ is 1.
    const second = grad((s: Tensor) => grad((t: Tensor) => t.logNdtr().sum())(s).sum());
    const [near, ...far] = listed(second(f64([10, 501, 1e9])));
    expect(near / ((-10 * Math.exp(-50)) / Math.sqrt(2 * Math.PI))).toBeCloseTo(1, 12);
    expect(far.map(Math.abs)).toEqual([0, 0]);
  });

  it('of integers are floats', () => {
    expect(tensor([1, 2], { dtype: 'int32' }).i0().dtype).toBe('float32');
    expect(tensor([true]).erfcx().dtype).toBe('float32');
    expect(() => tensor([2], { dtype: 'int32' }).i0_()).toThrow("result type float32 can't be cast");
    expectValues(tensor([2]).i0_(), [1], [2.2795853], { tol: 1e-7 });
  });
});

describe('xlog1py', () => {
  it('is 0 at 0, and PyTorch’s at the ends', () => {
    const a = f64([0, 0, 0, 0, 1, 1, -1, nan, 0]);
    const b = f64([-1, -2, 0, nan, -1, 0, 0.5, 0, inf]);
    expect(listed(a.xlog1py(b))).toEqual([0, 0, 0, nan, -inf, 0, -Math.log(1.5), nan, 0]);
    expect(listed(grad((t: Tensor) => t.xlog1py(b).sum())(a))).toEqual([0, 0, 0, nan, -inf, 0, Math.log(1.5), 0, inf]);
    const byB = listed(grad((t: Tensor) => a.xlog1py(t).sum())(b));
    expect(byB.map((x) => (Object.is(x, -0) ? 0 : x))).toEqual([
      nan,
      0,
      0,
      nan,
      inf,
      1,
      expect.closeTo(-2 / 3, 14),
      nan,
      0,
    ]);
    expect(f64([2]).xlog1py(1).item()).toBeCloseTo(2 * Math.LN2, 14);
  });
});
