import { shapeText } from '../../core/shape.ts';
import { fromHost } from '../../tensor/data.ts';

/** A Jacobian as PyTorch's gradcheck has it: a row for every element of the input, a column for every element of the output. */
export class Jacobian {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float64Array;

  constructor(rows: number, columns: number) {
    this.rows = rows;
    this.columns = columns;
    this.values = new Float64Array(rows * columns);
  }

  setRow(i: number, row: ArrayLike<number>): void {
    this.values.set(row, i * this.columns);
  }

  setColumn(j: number, column: ArrayLike<number>): void {
    for (let i = 0; i < this.rows; i++) this.values[i * this.columns + j] = column[i];
  }

  /** As a tensor is printed. */
  toString(): string {
    return `${fromHost(this.values, [this.rows, this.columns], 'float64')}`;
  }
}

export interface Tolerances {
  readonly atol: number;
  readonly rtol: number;
}

/** How far apart two numbers may be that should be equal, the second being the reference. */
const allowed = ({ atol, rtol }: Tolerances, reference: number): number => atol + rtol * Math.abs(reference);

export function close(actual: number, reference: number, tolerances: Tolerances): boolean {
  return actual === reference || Math.abs(actual - reference) <= allowed(tolerances, reference);
}

export function allClose(actual: ArrayLike<number>, reference: ArrayLike<number>, tolerances: Tolerances): boolean {
  for (let i = 0; i < reference.length; i++) if (!close(actual[i], reference[i], tolerances)) return false;
  return actual.length === reference.length;
}

/** The index of element `k` of a shape, such as `[1, 2]`. */
function indexText(k: number, shape: readonly number[]): string {
  const index: number[] = [];
  let rest = k;
  for (let d = shape.length - 1; d >= 0; d--) {
    index.unshift(rest % shape[d]);
    rest = Math.floor(rest / shape[d]);
  }
  return shapeText(index);
}

/** The entry that exceeds what is allowed most, in words. */
export function worstEntry(
  analytical: Jacobian,
  numerical: Jacobian,
  tolerances: Tolerances,
  output: { readonly index: number; readonly shape: readonly number[] },
  input: { readonly index: number; readonly shape: readonly number[] },
): string {
  let worst = 0;
  let most = Number.NEGATIVE_INFINITY;
  let outside = 0;
  numerical.values.forEach((n, k) => {
    const a = analytical.values[k];
    if (close(a, n, tolerances)) return;
    outside += 1;
    const over = Number.isNaN(a - n) ? Number.POSITIVE_INFINITY : Math.abs(a - n) - allowed(tolerances, n);
    if (over > most) [worst, most] = [k, over];
  });
  const [i, j] = [Math.floor(worst / numerical.columns), worst % numerical.columns];
  const [a, n] = [analytical.values[worst], numerical.values[worst]];
  const number = (x: number): string => String(Number(x.toPrecision(8)));
  return (
    `The worst of ${outside} entries that differ (of ${numerical.values.length}) is the derivative of ` +
    `output ${output.index}${indexText(j, output.shape)} with respect to input ${input.index}${indexText(i, input.shape)}: ` +
    `analytical ${number(a)}, numerical ${number(n)}, which differ by ${number(Math.abs(a - n))} where ${number(allowed(tolerances, n))} is allowed.`
  );
}
