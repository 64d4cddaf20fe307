/*
 * Numbers of IEEE 754 half precision (binary16) as their 16 bits: sign, 5 bits of exponent with bias
 * 15, 10 bits of significand.
 */

/** From here on a number rounds to infinity: halfway between the largest, 65504, and the next power of two. */
const OVERFLOW = 65520;
const SMALLEST_NORMAL = 2 ** -14;
/** Adding it to a smaller positive number, and taking it away again, rounds to an integer, ties to even. */
const INTEGERS = 2 ** 52;

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Which word has the exponent depends on the order of bytes. */
const HIGH = (() => {
  double[0] = 1;
  return words[1] === 0 ? 0 : 1;
})();

/**
 * The numbers rounded to half precision, to nearest with ties to even; from float64 in one step. Null
 * when a finite number among them is too large.
 */
export function toHalf(values: ArrayLike<number>): Uint16Array | null {
  const bits = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const x = values[i];
    double[0] = x;
    const high = words[HIGH];
    const sign = (high >>> 16) & 0x8000;
    const a = Math.abs(x);
    if (a < SMALLEST_NORMAL) bits[i] = sign | (a * 2 ** 24 + INTEGERS - INTEGERS);
    else if (a < OVERFLOW) {
      const exponent = ((high >>> 20) & 0x7ff) - 1023;
      // Between 1024 and 2048; the latter carries into the exponent.
      const significand = a * 2 ** (10 - exponent) + INTEGERS - INTEGERS;
      bits[i] = sign | (((exponent + 14) << 10) + significand);
    } else if (Number.isNaN(a)) bits[i] = sign | 0x7e00;
    else if (a === Number.POSITIVE_INFINITY) bits[i] = sign | 0x7c00;
    else return null;
  }
  return bits;
}

const single = new Float32Array(1);
const pattern = new Uint32Array(single.buffer);

/** Writes the numbers with these bits to `out`. */
export function fromHalf(bits: Uint16Array, out: { [i: number]: number }): void {
  for (let i = 0; i < bits.length; i++) {
    const h = bits[i];
    const special = (h & 0x7c00) === 0x7c00;
    // As a float32 with the exponent still biased by 15; 2¹¹² makes up for it, also for subnormal numbers.
    pattern[0] = ((h & 0x8000) << 16) | ((h & 0x7fff) << 13) | (special ? 0x7f800000 : 0);
    out[i] = special ? single[0] : single[0] * 2 ** 112;
  }
}
