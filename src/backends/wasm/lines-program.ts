/** What line kernels are made from: operands and passes. */
import type { DType } from '../../core/dtype.ts';
import type { Expr } from '../../kernels/expr.ts';
import { BLOCK_STEPS } from './reduce/rows.ts';

/**
 * What an operand has for a line: an element for each of its places, one for all of them, or (an input) the same
 * elements for every line; or (an output) an element for each place of a block of lines, `BLOCK_LINES` of them, in
 * which what passes map is added up.
 */
type Extent = 'each' | 'line' | 'shared' | 'block';

/** Lines whose elements are added up in one sum: as many as folds along lines have in an accumulator. */
export const BLOCK_LINES = BLOCK_STEPS;

export interface LineOperand {
  readonly dtype: DType;
  readonly extent: Extent;
}

/**
 * One pass over a line, or, if it neither stores nor folds, a value of the line made of others. Arguments of expressions
 * are the inputs, the scalars, the outputs as they are by then, and the values of the line in the order in which passes
 * gave them.
 */
export interface Pass {
  readonly map: Expr;
  /** The output that the mapped elements are stored in, or added to those of its block. */
  readonly store?: number;
  /** Gives a value of the line; `greatest` is the maximum of what is a number. */
  readonly fold?: 'sum' | 'greatest';
  /** What is folded if the sum of `map` is NaN, of a pass that goes by itself. */
  readonly instead?: Expr;
  /** Maps the folded value, which is the last argument. */
  readonly post?: Expr;
  /** The output, one element per line, that the value is stored in. */
  readonly keep?: number;
}

export interface LineProgram {
  readonly name: string;
  readonly compute: 'f32' | 'f64';
  readonly ins: readonly LineOperand[];
  /** How many numbers come after the inputs. */
  readonly scalars: number;
  readonly outs: readonly LineOperand[];
  /** Some that go over a line at once do not use what each other gives. */
  readonly passes: readonly (Pass | readonly Pass[])[];
}
