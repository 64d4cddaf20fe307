/** Folds of a few elements each: maps of as many operands, which need no states and no turns for every output. */
import { contiguousStrides, numel } from '../../../core/shape.ts';
import { substitute } from '../../../kernels/dag.ts';
import { arg, binary, type Expr, logic } from '../../../kernels/expr.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { stridesOver } from '../loops.ts';
import { MapKernel } from '../map.ts';
import { weight } from '../weight.ts';
import type { Fold } from './fold.ts';
import { asMask, asValue, type ReduceSpec } from './kernels.ts';

/** Terms of a fold that is made as a map, and elements of its inputs from which on it is worth that. */
const MOST_TERMS = 4;
const FEWEST_ELEMENTS = 2 ** 13;
/** The same where terms do not lie side by side, and take a few instructions. */
const MOST_APART = 8;
const MOST_WEIGHT = 8;
const FEWEST_APART = 2 ** 15;
/** The same where there are so many results that it does not matter how long many operands take to be passed. */
const MOST_OF_MANY = 16;
const MANY_RESULTS = 9 * 2 ** 10;

const JOINED: Readonly<Record<Exclude<Fold, 'argmax' | 'argmin'>, (a: Expr, b: Expr) => Expr>> = {
  sum: (a, b) => binary('add', a, b),
  prod: (a, b) => binary('mul', a, b),
  max: (a, b) => binary('max', a, b),
  min: (a, b) => binary('min', a, b),
  any: (a, b) => logic('or', a, b),
  all: (a, b) => logic('and', a, b),
};

export class Terms {
  readonly #spec: ReduceSpec;
  /** By the number of terms. */
  readonly #maps = new Map<number, MapKernel>();

  constructor(spec: ReduceSpec) {
    this.#spec = spec;
  }

  /** Runs a fold of the arguments of `ReduceKernel.run` if it is of a few terms; else says that it does not. */
  run(
    out: Strided,
    ins: readonly (Strided | number)[],
    inShape: readonly number[],
    axes: readonly number[],
    postScalars: readonly number[],
  ): boolean {
    let terms = 1;
    for (let i = 0; i < axes.length; i++) terms *= inShape[axes[i]];
    const { fold, pre } = this.#spec;
    if (terms < 2 || terms > MOST_OF_MANY || fold === 'argmax' || fold === 'argmin') return false;
    const many = terms > MOST_TERMS;
    const fewest = terms > MOST_APART ? terms * MANY_RESULTS : many ? FEWEST_APART : FEWEST_ELEMENTS;
    if (numel(inShape) < fewest) return false;
    const sideBySide = (x: Strided | number): boolean =>
      typeof x !== 'number' && axes.some((d) => inShape[d] > 1 && stridesOver(x, inShape)[d] === 1);
    if (many && (weight([pre]) > MOST_WEIGHT || ins.some(sideBySide))) return false;
    const kept = (list: readonly number[]): number[] => list.filter((_, d) => !axes.includes(d));
    const shape = kept(inShape);
    const step = (strides: readonly number[], term: number): number => {
      let [rest, at] = [term, 0];
      for (const d of axes) {
        at += (rest % inShape[d]) * strides[d];
        rest = Math.floor(rest / inShape[d]);
      }
      return at;
    };
    const operands = ins.flatMap((x): (Strided | number)[] => {
      if (typeof x === 'number') return [x];
      const { storage, offset, dtype } = x;
      const all = stridesOver(x, inShape);
      const strides = kept(all);
      return Array.from({ length: terms }, (_, k) => ({
        storage,
        shape,
        strides,
        offset: offset + step(all, k),
        dtype,
      }));
    });
    const { storage, offset, dtype } = out;
    const to = { storage, shape, strides: contiguousStrides(shape), offset, dtype };
    this.#map(terms, JOINED[fold]).run([to], [...operands, ...postScalars]);
    return true;
  }

  #map(terms: number, join: (a: Expr, b: Expr) => Expr): MapKernel {
    const known = this.#maps.get(terms);
    if (known !== undefined) return known;
    const { name, fold, pre, post, compute, ins, out, postScalars = 0 } = this.#spec;
    // Tensors have an argument for every term, numbers one.
    let args = 0;
    const firsts = ins.map((t) => {
      const first = args;
      args += t === 'scalar' ? 1 : terms;
      return first;
    });
    const term = (k: number): Expr => {
      const own = firsts.map((first, i) => arg(ins[i] === 'scalar' ? first : first + k));
      const [mapped] = substitute({ name, args: [], outs: [pre] }, own);
      return fold === 'any' || fold === 'all' ? asMask(mapped) : asValue(mapped);
    };
    // A sum begins with 0: of zeros below zero it is one above.
    const first = fold === 'sum' ? binary('add', 0, term(0)) : term(0);
    let folded = [first, ...Array.from({ length: terms - 1 }, (_, k) => term(k + 1))];
    // Neighbours join each other, so that errors are those of a few additions.
    while (folded.length > 1)
      folded = folded.flatMap((x, k) => (k % 2 > 0 ? [] : k + 1 < folded.length ? join(x, folded[k + 1]) : x));
    const further = Array.from({ length: postScalars }, (_, k) => arg(args + k));
    const outs = substitute({ name, args: [], outs: [post ?? arg(0)] }, [...folded, ...further]);
    const dtypes = [
      ...ins.flatMap((t) => (t === 'scalar' ? [t] : Array.from({ length: terms }, () => t))),
      ...further.map(() => 'scalar' as const),
    ];
    const map = new MapKernel({ name, args: dtypes.map(() => 'value'), outs }, compute, dtypes, [out]);
    this.#maps.set(terms, map);
    return map;
  }
}
