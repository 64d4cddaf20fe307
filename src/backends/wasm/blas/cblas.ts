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

export const ROW_MAJOR = 101;
export const NO_TRANSPOSE = 111;
export const TRANSPOSE = 112;
export type Transpose = typeof NO_TRANSPOSE | typeof TRANSPOSE;
