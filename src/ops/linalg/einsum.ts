import { ArgumentError, ShapeError } from '../../core/errors.ts';
import { checkList, numel, sameShape, shapeText } from '../../core/shape.ts';
import { checkTensors, type TensorBase } from '../../core/tensor.ts';
import { mul } from '../elementwise.ts';
import { bmm, mm } from '../matmul.ts';
import { diagonal } from '../paths.ts';
import { sumOver } from '../reduce.ts';
import { permute, reshape, squeeze, unsqueeze } from '../view.ts';

/*
 * Einstein's summation. Operands carry the labels of their dimensions; two are contracted at a time,
 * as one (batched) product of matrices. Dimensions of an ellipsis are labels too: `.0`, `.1`, …
 * counted from the last.
 */

/** A tensor, and a label for each of its dimensions. */
interface Labelled {
  readonly x: TensorBase;
  readonly labels: readonly string[];
}

const isLetter = (c: string): boolean => (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

/** The labels of one term; an ellipsis is one entry. */
function readTerm(term: string, where: string): string[] {
  const labels: string[] = [];
  for (let i = 0; i < term.length; i++) {
    const c = term[i];
    if (c === ' ') continue;
    if (c === '.') {
      if (labels.includes('...'))
        throw new ArgumentError(`einsum: einsum(): found '.' for ${where} for which an ellipsis was already found`);
      if (term.slice(i, i + 3) !== '...')
        throw new ArgumentError(`einsum: einsum(): found '.' for ${where} that is not part of any ellipsis`);
      labels.push('...');
      i += 2;
    } else if (isLetter(c)) labels.push(c);
    else {
      throw new ArgumentError(
        `einsum: einsum(): invalid subscript given at index ${i} in '${term}' (${where}), subscripts must be in [a-zA-Z]`,
      );
    }
  }
  return labels;
}

/** Labels for the dimensions that an ellipsis stands for. */
const ellipsis = (rank: number): string[] => Array.from({ length: rank }, (_, i) => `.${rank - 1 - i}`);

const spread = (labels: readonly string[], rank: number): string[] =>
  labels.flatMap((l) => (l === '...' ? ellipsis(rank) : [l]));

/** The labels of an operand's dimensions, once its rank is known. */
function labelled(x: TensorBase, term: readonly string[], i: number): Labelled {
  const rank = x.shape.length;
  const named = term.filter((l) => l !== '...').length;
  if (term.includes('...') ? named > rank : named !== rank) {
    throw new ShapeError(
      `einsum: einsum(): the number of subscripts in the equation (${named}) ${term.includes('...') ? 'is more than' : 'does not match'} the number of dimensions (${rank}) for operand ${i}${term.includes('...') ? '' : ' and no ellipsis was given'}; its shape is ${shapeText(x.shape)}`,
    );
  }
  return { x, labels: spread(term, rank - named) };
}

/** Labels that an operand has twice are one dimension, along the diagonal. */
function diagonals({ x, labels }: Labelled, operand: number): Labelled {
  const twice = labels.findIndex((l, d) => labels.indexOf(l) !== d);
  if (twice < 0) return { x, labels };
  const first = labels.indexOf(labels[twice]);
  const [m, n] = [x.shape[first], x.shape[twice]];
  if (m !== n) {
    throw new ShapeError(
      `einsum: einsum(): subscript ${labels[twice]} is repeated for operand ${operand} but the sizes don't match, ${n} != ${m}`,
    );
  }
  const rest = labels.filter((_, d) => d !== first && d !== twice);
  return diagonals({ x: diagonal(x, 0, first, twice), labels: [...rest, labels[twice]] }, operand);
}

/** Refuses sizes of one label that neither agree nor are 1. */
function checkSizes(operands: readonly Labelled[]): void {
  const seen = new Map<string, number>();
  operands.forEach(({ x, labels }, i) => {
    labels.forEach((l, d) => {
      const [n, before] = [x.shape[d], seen.get(l) ?? 1];
      if (n !== 1 && before !== 1 && n !== before) {
        throw new ShapeError(
          `einsum: einsum(): subscript ${l} has size ${n} for operand ${i} which does not broadcast with previously seen size ${before}`,
        );
      }
      if (n !== 1 || !seen.has(l)) seen.set(l, n);
    });
  });
}

/** Without an arrow: the ellipsis, then every label that occurs once, capitals first. */
function impliedOutput(terms: readonly (readonly string[])[]): string[] {
  const all = terms.flat();
  const once = all.filter((l) => l !== '...' && all.indexOf(l) === all.lastIndexOf(l)).sort();
  return all.includes('...') ? ['...', ...once] : once;
}

function checkOutput(output: readonly string[], terms: readonly (readonly string[])[]): void {
  output.forEach((l, i) => {
    if (output.indexOf(l) !== i)
      throw new ArgumentError(`einsum: einsum(): output subscript ${l} appears more than once in the output`);
    if (l !== '...' && !terms.some((t) => t.includes(l))) {
      throw new ArgumentError(
        `einsum: einsum(): output subscript ${l} does not appear in the equation for any input operand`,
      );
    }
  });
}

/** Sums over the dimensions whose labels nobody needs any more. */
function summed({ x, labels }: Labelled, needed: (label: string) => boolean): Labelled {
  const dims = labels.map((_, d) => d).filter((d) => !needed(labels[d]));
  return dims.length === 0 ? { x, labels } : { x: sumOver(x, dims, false), labels: labels.filter(needed) };
}

function without({ x, labels }: Labelled, label: string): Labelled {
  return { x: squeeze(x, labels.indexOf(label)), labels: labels.filter((l) => l !== label) };
}

const sizeOf = ({ x, labels }: Labelled, label: string): number => x.shape[labels.indexOf(label)];

const sameOrder = (dims: readonly number[]): boolean => dims.every((d, i) => d === i);

/** The dimensions in another order; what lies right already is not touched. */
const ordered = (x: TensorBase, dims: readonly number[]): TensorBase => (sameOrder(dims) ? x : permute(x, dims));

const shaped = (x: TensorBase, shape: readonly number[]): TensorBase =>
  sameShape(x.shape, shape) ? x : reshape(x, shape);

/** The product of two operands, summed over labels that are not needed afterwards. */
function contract(left: Labelled, right: Labelled, needed: (label: string) => boolean): Labelled {
  let [a, b] = [left, right];
  // A size of 1 beside another size is no dimension at all.
  for (const l of left.labels) {
    if (!right.labels.includes(l)) continue;
    const [m, n] = [sizeOf(left, l), sizeOf(right, l)];
    if (m === n) continue;
    if (m === 1) a = without(a, l);
    else b = without(b, l);
  }
  a = summed(a, (l) => needed(l) || b.labels.includes(l));
  b = summed(b, (l) => needed(l) || a.labels.includes(l));
  const shared = a.labels.filter((l) => b.labels.includes(l));
  const [batch, inside] = [shared.filter(needed), shared.filter((l) => !needed(l))];
  const onlyA = a.labels.filter((l) => !shared.includes(l));
  const onlyB = b.labels.filter((l) => !shared.includes(l));
  const labels = [...batch, ...onlyA, ...onlyB];
  const order = (t: Labelled, ls: readonly string[]): TensorBase =>
    ordered(
      t.x,
      ls.map((l) => t.labels.indexOf(l)),
    );
  if (inside.length === 0) {
    const columns = onlyB.map((l) => b.labels.indexOf(l));
    let x = order(a, [...batch, ...onlyA]);
    for (const _ of columns) x = unsqueeze(x, -1);
    let y = order(b, [...batch, ...onlyB]);
    for (const _ of onlyA) y = unsqueeze(y, batch.length);
    return { x: mul(x, y), labels };
  }
  const sizes = (t: Labelled, ls: readonly string[]): number[] => ls.map((l) => sizeOf(t, l));
  const [p, m, k, n] = [sizes(a, batch), sizes(a, onlyA), sizes(a, inside), sizes(b, onlyB)];
  const flat = (t: Labelled, ls: readonly string[], shape: readonly number[]): TensorBase =>
    shaped(order(t, ls), batch.length === 0 ? shape : [numel(p), ...shape]);
  const x = flat(a, [...batch, ...onlyA, ...inside], [numel(m), numel(k)]);
  const y = flat(b, [...batch, ...inside, ...onlyB], [numel(k), numel(n)]);
  return { x: shaped(batch.length === 0 ? mm(x, y) : bmm(x, y), [...p, ...m, ...n]), labels };
}

/** The pair to contract next: the one whose product is smallest beside its factors. */
function bestPair(operands: readonly Labelled[], output: readonly string[]): readonly [number, number] {
  let best: readonly [number, number] = [0, 1];
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < operands.length; i++) {
    for (let j = i + 1; j < operands.length; j++) {
      const [a, b] = [operands[i], operands[j]];
      const left = new Set([...a.labels, ...b.labels]);
      let size = 1;
      for (const l of left) {
        const kept = output.includes(l) || operands.some((t, k) => k !== i && k !== j && t.labels.includes(l));
        if (kept) size *= Math.max(...[a, b].filter((t) => t.labels.includes(l)).map((t) => sizeOf(t, l)));
      }
      const growth = size - a.x.count - b.x.count;
      if (growth < least) {
        least = growth;
        best = [i, j];
      }
    }
  }
  return best;
}

/** What an equation says before the tensors are known. */
interface Equation {
  readonly terms: readonly (readonly string[])[];
  readonly output: readonly string[];
}

/** Programs have few equations and use them often. */
const equations = new Map<string, Equation>();
const MOST_EQUATIONS = 64;

function readEquation(equation: string): Equation {
  const known = equations.get(equation);
  if (known !== undefined) return known;
  const [inputs, out, ...more] = equation.split('->');
  if (more.length > 0) throw new ArgumentError(`einsum: einsum(): more than one arrow '->' in '${equation}'`);
  const terms = inputs.split(',').map((term, i) => readTerm(term, `operand ${i}`));
  const output = out === undefined ? impliedOutput(terms) : readTerm(out, 'the output');
  checkOutput(output, terms);
  if (equations.size === MOST_EQUATIONS) equations.clear();
  equations.set(equation, { terms, output });
  return { terms, output };
}

/** Σ over the labels that the output lacks, of the product of the operands. */
export function einsum(equation: string, tensors: readonly TensorBase[]): TensorBase {
  if (typeof equation !== 'string')
    throw new ArgumentError(`einsum: expected an equation such as 'ij,jk->ik' first, got ${typeof equation}`);
  if (!Array.isArray(tensors) || tensors.length === 0)
    throw new ArgumentError('einsum: einsum(): must provide at least one operand, in an array');
  checkTensors('einsum', ...tensors);
  const { terms, output: given } = readEquation(equation);
  if (terms.length !== tensors.length) {
    throw new ArgumentError(
      `einsum: einsum(): ${tensors.length < terms.length ? 'fewer' : 'more'} operands were provided than specified in the equation: ${tensors.length} for '${equation}'`,
    );
  }
  const full = tensors.map((x, i) => labelled(x, terms[i], i));
  const rank = Math.max(0, ...full.map((t) => t.labels.filter((l) => l.startsWith('.')).length));
  const output = spread(given, rank);
  let operands = full.map(diagonals);
  checkSizes(operands);
  const usedBy = (rest: readonly Labelled[]) => (l: string) =>
    output.includes(l) || rest.some((t) => t.labels.includes(l));
  while (operands.length > 1) {
    const [i, j] = operands.length === 2 ? [0, 1] : bestPair(operands, output);
    const rest = operands.filter((_, k) => k !== i && k !== j);
    operands = [contract(operands[i], operands[j], usedBy(rest)), ...rest];
  }
  const last = summed(operands[0], (l) => output.includes(l));
  const dims = output.map((l) => last.labels.indexOf(l));
  // The result of one operand shares its memory, but is another tensor.
  return tensors.includes(last.x) ? permute(last.x, dims) : ordered(last.x, dims);
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** The labels of one operand as numbers from 0 to 51, with '...' for an ellipsis. */
export type Sublist = readonly (number | '...')[];

/** The equation of operands that come with their labels as numbers. */
export function equationOf(terms: readonly Sublist[], output?: Sublist): string {
  const letters = (term: Sublist): string => {
    checkList('einsum', 'labels', term);
    return term
      .map((l) => {
        if (l === '...') return l;
        if (!Number.isInteger(l) || l < 0 || l >= LETTERS.length)
          throw new ArgumentError(`einsum: not within the valid range [0, 52), got ${String(l)}`);
        return LETTERS[l];
      })
      .join('');
  };
  return terms.map(letters).join(',') + (output === undefined ? '' : `->${letters(output)}`);
}
