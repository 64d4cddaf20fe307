/**
 * The determinant by expansion in minors: along the first row, then each minor along its first row,
 * and so on. Minors of the last rows that the expansion meets again and again are computed once.
 */
import { type Tensor, tensor } from 'nabla';
import { defined, type Fields, float64, gradientAt, int32, list, type Module, value } from './eval.ts';

/** The expansion of all minors of the last m rows. */
interface Level {
  readonly m: number;
  /** How many there are: one for each set of m columns. */
  readonly sets: number;
  /** For each set, and each column of it, which minor of the last m − 1 rows lacks that column. */
  readonly minors: Tensor;
}

interface Input {
  /** [ℓ²] */
  readonly a: Tensor;
  readonly levels: readonly Level[];
  /** Which elements the levels multiply their minors with, one level after the other, and with which signs. */
  readonly factors: Tensor;
  readonly signs: Tensor;
}

/** Sets of `m` out of the first `n` columns, as bits, in increasing order. */
function sets(n: number, m: number): number[] {
  if (m === 0) return [0];
  if (n < m) return [];
  return [...sets(n - 1, m), ...sets(n - 1, m - 1).map((set) => set | (1 << (n - 1)))];
}

const members = (set: number): number[] => {
  const columns: number[] = [];
  for (let j = 0; set >>> j !== 0; j++) if ((set >>> j) & 1) columns.push(j);
  return columns;
};

/** The levels from the smallest minors, of two rows, to the whole determinant. */
function expansion(ell: number): Omit<Input, 'a'> {
  const levels: Level[] = [];
  const factors: number[] = [];
  const signs: number[] = [];
  let smaller = sets(ell, 1);
  for (let m = 2; m <= ell; m++) {
    const all = sets(ell, m);
    const place = new Map(smaller.map((set, i) => [set, i]));
    const minors: number[] = [];
    for (const set of all) {
      members(set).forEach((column, j) => {
        factors.push((ell - m) * ell + column);
        signs.push(j % 2 === 0 ? 1 : -1);
        minors.push(place.get(set & ~(1 << column)) as number);
      });
    }
    levels.push({ m, sets: all.length, minors: tensor(minors, int32) });
    smaller = all;
  }
  return { levels, factors: tensor(factors, int32), signs: tensor(signs, float64) };
}

function determinant({ a, levels, factors, signs }: Input): Tensor {
  const ell = levels.length + 1;
  let minors: Tensor = a.narrow(0, ell * (ell - 1), ell);
  if (levels.length === 0) return minors.reshape([]);
  const parts = a
    .indexSelect(0, factors)
    .mul(signs)
    .split(levels.map(({ m, sets }) => m * sets));
  levels.forEach(({ m, sets, minors: without }, i) => {
    minors = minors.indexSelect(0, without).mul(parts[i]).reshape([sets, m]).sum(1);
  });
  return minors.reshape([]);
}

function prepare(input: Fields): Input {
  return { a: input.tensor('A', 1), ...expansion(input.integer('ell')) };
}

const gradient = (input: Input): Tensor => gradientAt((a) => determinant({ ...input, a }), input.a);

export const det: Module = {
  primal: defined(prepare, determinant, value),
  gradient: defined(prepare, gradient, list),
};
