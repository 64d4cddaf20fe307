/**
 * Decimal text of a float64, rounded from its exact binary value, an exact tie to even: what C's and Python's
 * `%.4f` and `%.4e` print. JavaScript's own toFixed and toExponential round ties up, and toFixed gives up at 10²¹.
 */

const float64 = new Float64Array(1);
const bits64 = new BigUint64Array(float64.buffer);

/** The integer nearest to |x| 10ᵖ, for finite x. */
function scaled(x: number, power: number): bigint {
  // |x| = numerator / denominator = significand · 2ᵉ.
  float64[0] = x;
  const bits = bits64[0]!;
  const exponent = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  let numerator = exponent === 0 ? fraction : fraction | (1n << 52n);
  let denominator = 1n;
  const e = Math.max(exponent, 1) - 1075;
  if (e >= 0) numerator <<= BigInt(e);
  else denominator <<= BigInt(-e);
  if (power >= 0) numerator *= 10n ** BigInt(power);
  else denominator *= 10n ** BigInt(-power);

  const quotient = numerator / denominator;
  const twiceRest = 2n * (numerator - quotient * denominator);
  const up = twiceRest > denominator || (twiceRest === denominator && (quotient & 1n) === 1n);
  return up ? quotient + 1n : quotient;
}

const sign = (x: number): string => (x < 0 || Object.is(x, -0) ? '-' : '');

/** `nan`, `inf` and `-inf` as C spells them. */
function special(x: number): string {
  return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
}

function point(digits: string, precision: number): string {
  const at = digits.length - precision;
  return precision === 0 ? digits : `${digits.slice(0, at)}.${digits.slice(at)}`;
}

/** `%.{precision}f`. */
export function fixed(x: number, precision: number): string {
  if (!Number.isFinite(x)) return special(x);
  return (
    sign(x) +
    point(
      scaled(x, precision)
        .toString()
        .padStart(precision + 1, '0'),
      precision,
    )
  );
}

/** `%.{precision}e`, with at least two digits of exponent. */
export function scientific(x: number, precision: number): string {
  if (!Number.isFinite(x)) return special(x);
  let exponent = 0;
  let digits = '0'.repeat(precision + 1);
  if (x !== 0) {
    // The shortest text may have been rounded up to a power of ten, from one exponent below; rounding here may
    // carry to one above.
    const [mantissa, shortest] = Math.abs(x).toExponential().split('e');
    exponent = Number(shortest) - (mantissa === '1' ? 1 : 0);
    digits = scaled(x, precision - exponent).toString();
    while (digits.length > precision + 1) digits = scaled(x, precision - ++exponent).toString();
  }
  const power = String(Math.abs(exponent)).padStart(2, '0');
  return `${sign(x)}${point(digits, precision)}e${exponent < 0 ? '-' : '+'}${power}`;
}
