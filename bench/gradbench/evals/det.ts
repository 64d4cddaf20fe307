/**
 * The determinant by expansion in minors: along the first row, then each minor along its first row,
 * and so on. Minors of the last rows that the expansion meets again and again are computed once.
 */
import { grad, type Tensor, tensor } from 'nabla';
import { defined, type Fields, float64, int32, list, type Module, value } from './eval.ts';

/**
 * Which numbers a level of the expansion takes: for each set of m columns, and each column of it, the
 * element of row ℓ − m there, and the minor without that column.
 */
interface Level {
  readonly row: number;
  /** [sets, m] */
  readonly columns: Tensor;
  readonly minors: Tensor;
  /** + − + −…, [m] */
  readonly signs: Tensor;
}

interface Input {
  /** [ℓ, ℓ] */
  readonly a: Tensor;
  readonly levels: readonly Level[];
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
function expansion(ell: number): Level[] {
  const levels: Level[] = [];
  let smaller = sets(ell, 1);
  for (let m = 2; m <= ell; m++) {
    const all = sets(ell, m);
    const place = new Map(smaller.map((set, i) => [set, i]));
    const columns = all.map(members);
    levels.push({
      row: ell - m,
      columns: tensor(columns, int32),
      minors: tensor(
        all.map((set, i) => columns[i].map((j) => place.get(set & ~(1 << j)) as number)),
        int32,
      ),
      signs: tensor(
        Array.from({ length: m }, (_, j) => (j % 2 === 0 ? 1 : -1)),
        float64,
      ),
    });
    smaller = all;
  }
  return levels;
}

function determinant({ a, levels }: Input): Tensor {
  let minors: Tensor = a.select(0, a.shape[0] - 1);
  for (const { row, columns, minors: without, signs } of levels) {
    minors = a.select(0, row).take(columns).mul(minors.take(without)).mul(signs).sum(1);
  }
  return minors.reshape([]);
}

function prepare(input: Fields): Input {
  const ell = input.integer('ell');
  return { a: input.tensor('A', 1).reshape([ell, ell]), levels: expansion(ell) };
}

const gradient = ({ a, levels }: Input): Tensor => grad((b: Tensor) => determinant({ a: b, levels }))(a);

export const det: Module = {
  primal: defined(prepare, determinant, value),
  gradient: defined(prepare, gradient, (g) => list(g.flatten())),
};
