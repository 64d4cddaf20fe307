/** Products as CBLAS has them: the types of its functions and the numbers it knows layouts by. */

/** `c = op(a) op(b)` in the row-major order of CBLAS; operands are addresses of the process. */
export type Gemm = (
  order: typeof ROW_MAJOR,
  transposeA: Transpose,
  transposeB: Transpose,
  m: number,
  n: number,
  k: number,
  alpha: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
  beta: number,
  c: number,
  ldc: number,
) => void;

/** `y = op(a) x` for a matrix of m times n elements. */
export type Gemv = (
  order: typeof ROW_MAJOR,
  transpose: Transpose,
  m: number,
  n: number,
  alpha: number,
  a: number,
  lda: number,
  x: number,
  incrementX: number,
  beta: number,
  y: number,
  incrementY: number,
) => void;

/** `b = a⁻¹ b` for a triangle `a` of m rows, or its transpose, and n columns of sides. */
export type Trsm = (
  order: typeof ROW_MAJOR,
  side: typeof LEFT,
  triangle: typeof UPPER | typeof LOWER,
  transpose: Transpose,
  diagonal: typeof GIVEN | typeof ONES,
  m: number,
  n: number,
  alpha: number,
  a: number,
  lda: number,
  b: number,
  ldb: number,
) => void;

export const ROW_MAJOR = 101;
export const NO_TRANSPOSE = 111;
export const TRANSPOSE = 112;
type Transpose = typeof NO_TRANSPOSE | typeof TRANSPOSE;
export const [UPPER, LOWER] = [121, 122] as const;
export const [GIVEN, ONES] = [131, 132] as const;
export const [LEFT, RIGHT] = [141, 142] as const;
