/**
 * What vector code asks JavaScript for, one lane at a time: rare arguments of the trigonometric
 * functions, and the exact remainder. Only operations that every engine must round alike are used
 * (`Math.sin` is not one of them), so that results have the same bits everywhere.
 */
import type { FuncType } from './encoder.ts';
import type { Imports } from './module.ts';
import type { Import } from './module-bytes.ts';

/** 2/π and π/2 in fixed point, with this many bits after the point. */
const INVERSE_BITS = 1280n;
const TWO_OVER_PI =
  0xa2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73ee88235f52ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b6babf0cfbc209af4361dn;
const HALF_PI_BITS = 190n;
const HALF_PI = 0x6487ed5110b4611a62633145c06e0e68948127044533e63an;

interface Reduced {
  /** Quadrant, modulo 4. */
  readonly quadrant: number;
  /** x − quadrant · π/2 in [−π/4, π/4], as an unevaluated sum. */
  readonly hi: number;
  readonly lo: number;
}

const view = new DataView(new ArrayBuffer(8));

/**
 * Reduction modulo π/2 in integer arithmetic, for any finite double: x = m 2ᵉ, and of m · 2/π only
 * the two bits before the point and FRACTION_BITS after it matter. 2/π is long enough for the
 * largest double; the closest a double comes to a multiple of π/2 is 2⁻⁶¹ (Kahan, Muller), which
 * leaves enough correct bits for hi + lo.
 */
const FRACTION_BITS = 190n;
function reduce(x: number): Reduced {
  view.setFloat64(0, Math.abs(x));
  const bits = view.getBigUint64(0);
  const exponent = bits >> 52n;
  const mantissa = exponent === 0n ? bits : (bits & 0xfffffffffffffn) | 0x10000000000000n;
  // x = mantissa · 2^(exponent − 1075), so x · 2/π has 1280 + 1075 − exponent bits after the point.
  const point = INVERSE_BITS + 1075n - (exponent === 0n ? 1n : exponent);
  const turns = (mantissa * TWO_OVER_PI) >> (point - FRACTION_BITS);
  const one = 1n << FRACTION_BITS;
  let quadrant = Number((turns >> FRACTION_BITS) & 3n);
  let fraction = turns & (one - 1n);
  if (fraction >= one / 2n) {
    fraction -= one;
    quadrant = (quadrant + 1) & 3;
  }
  const angle = (fraction * HALF_PI) >> HALF_PI_BITS;
  const scale = 2 ** -Number(FRACTION_BITS);
  const hi = Number(angle);
  const lo = Number(angle - BigInt(hi));
  return x < 0
    ? { quadrant: (4 - quadrant) & 3, hi: -hi * scale, lo: -lo * scale }
    : { quadrant, hi: hi * scale, lo: lo * scale };
}

/** sin(x + y) for |x| ≤ π/4 and a tail y; fdlibm's k_sin.c. */
function kernelSin(x: number, y: number): number {
  const z = x * x;
  const r =
    8.33333333332248946124e-3 +
    z *
      (-1.98412698298579493134e-4 +
        z * (2.75573137070700676789e-6 + z * (-2.50507602534068634195e-8 + z * 1.58969099521155010221e-10)));
  const v = z * x;
  return x - (z * (0.5 * y - v * r) - y - v * -1.66666666666666324348e-1);
}

/** cos(x + y); fdlibm's k_cos.c. */
function kernelCos(x: number, y: number): number {
  const z = x * x;
  const r =
    z *
    (4.16666666666666019037e-2 +
      z *
        (-1.38888888888741095749e-3 +
          z *
            (2.48015872894767294178e-5 +
              z * (-2.75573143513906633035e-7 + z * (2.0875723212981748279e-9 + z * -1.13596475577881948265e-11)))));
  const half = 0.5 * z;
  const w = 1 - half;
  return w + (1 - w - half + (z * r - x * y));
}

/** sin(x + turn · π/2). */
function sinOf(x: number, turn: number): number {
  if (!Number.isFinite(x)) return Number.NaN;
  const { quadrant, hi, lo } = reduce(x);
  const q = (quadrant + turn) & 3;
  const magnitude = (q & 1) === 0 ? kernelSin(hi, lo) : kernelCos(hi, lo);
  return q >= 2 ? -magnitude : magnitude;
}

export const slowSin = (x: number): number => sinOf(x, 0);
export const slowCos = (x: number): number => sinOf(x, 1);
export const slowTan = (x: number): number => sinOf(x, 0) / sinOf(x, 1);
/** C's fmod; JavaScript's `%` on numbers is exact. */
const slowRem = (x: number, y: number): number => x % y;

const ONE: FuncType = { params: ['f64'], results: ['f64'] };
const TWO: FuncType = { params: ['f64', 'f64'], results: ['f64'] };

/** Import numbers for `Float.call`; every module with code from `emitExprs` takes all of them, in this order. */
export const SLOW = { sin: 0, cos: 1, tan: 2, rem: 3 } as const;

export const mathImports: readonly Import[] = [
  { name: 'sin', type: ONE },
  { name: 'cos', type: ONE },
  { name: 'tan', type: ONE },
  { name: 'rem', type: TWO },
];

export const mathProvided: Imports = { sin: slowSin, cos: slowCos, tan: slowTan, rem: slowRem };
