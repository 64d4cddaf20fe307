import * as fc from 'fast-check';
import { ArgumentError, einsum, grad, ShapeError, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError, expectValues } from '../support/close.ts';
import { f64, numel, spreadTensor, valuesOf } from '../support/numbers.ts';

const LABELS = 'abcdE';

interface Case {
  readonly terms: readonly string[];
  readonly output: string;
  readonly sizes: Readonly<Record<string, number>>;
  /** Which dimensions of which operand have size 1 in place of the label's. */
  readonly ones: readonly (readonly boolean[])[];
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    terms: fc.array(fc.array(fc.constantFrom(...LABELS), { maxLength: 3 }), { minLength: 1, maxLength: 4 }),
    sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: LABELS.length, maxLength: LABELS.length }),
    order: fc.shuffledSubarray([...LABELS]),
    ones: fc.array(fc.array(fc.boolean(), { minLength: 3, maxLength: 3 }), { minLength: 4, maxLength: 4 }),
    broadcast: fc.boolean(),
  })
  .map(({ terms, sizes, order, ones, broadcast }) => ({
    terms: terms.map((t) => t.join('')),
    output: order.filter((l) => terms.some((t) => t.includes(l))).join(''),
    sizes: Object.fromEntries([...LABELS].map((l, i) => [l, sizes[i]])),
    // A label that stands twice in a term has one size there.
    ones: terms.map((t, i) => t.map((l, d) => broadcast && ones[i][t.indexOf(l)] && d < 3)),
  }));

/** The sum over all labels that the output lacks, one product at a time. */
function bruteForce({ terms, output, sizes, ones }: Case, xs: readonly Tensor[]): number[] {
  const labels = [...new Set(terms.join('') + output)];
  // A label whose every dimension has size 1 has size 1.
  const sizeOf = (l: string): number =>
    terms.some((t, i) => [...t].some((m, d) => m === l && !ones[i][d])) ? sizes[l] : 1;
  const out = new Array<number>([...output].reduce((n, l) => n * sizeOf(l), 1)).fill(0);
  const values = xs.map(valuesOf);
  const visit = (k: number, at: Readonly<Record<string, number>>): void => {
    if (k < labels.length) {
      for (let i = 0; i < sizeOf(labels[k]); i++) visit(k + 1, { ...at, [labels[k]]: i });
      return;
    }
    const factor = terms.reduce((p, t, i) => {
      const place = [...t].reduce((a, l, d) => a * xs[i].shape[d] + (ones[i][d] ? 0 : at[l]), 0);
      return p * values[i][place];
    }, 1);
    out[[...output].reduce((a, l) => a * sizeOf(l) + at[l], 0)] += factor;
  };
  visit(0, {});
  return out;
}

const operands = ({ terms, sizes, ones }: Case): Tensor[] =>
  terms.map((t, i) =>
    spreadTensor(
      [...t].map((l, d) => (ones[i][d] ? 1 : sizes[l])),
      -1,
      1,
      i,
    ),
  );

describe('einsum', () => {
  it('is the sum it says, for any equation', () => {
    fc.assert(
      fc.property(cases, (c) => {
        const xs = operands(c);
        const y = einsum(`${c.terms.join(',')}->${c.output}`, ...xs) as Tensor;
        expect(y.numel()).toBe(numel(y.shape));
        expectValues(y, y.shape, bruteForce(c, xs), { tol: 1e-12, what: JSON.stringify(c) });
      }),
      { numRuns: 300 },
    );
  });

  it('without an arrow keeps labels that stand once, capitals first', () => {
    const [a, b] = [spreadTensor([2, 3], -1, 1), spreadTensor([3, 4], -1, 1, 2)];
    expectClose(einsum('ij,jk', a, b) as Tensor, a.mm(b));
    expectClose(einsum('ba', a) as Tensor, a.T);
    expectClose(einsum('bA', a) as Tensor, a.T);
    expectClose(einsum('ii', f64([1, 2, 3, 4], [2, 2])) as Tensor, f64([5], []));
  });

  it('lets an ellipsis stand for dimensions, which broadcast', () => {
    const [a, b] = [spreadTensor([5, 1, 2, 3], -1, 1), spreadTensor([4, 3], -1, 1, 2)];
    expectClose(einsum('...ij,...j->...i', a, b) as Tensor, a.mul(b.unsqueeze(1)).sum(-1));
    expectClose(einsum('i...->...', a) as Tensor, a.sum(0));
    expectClose(
      einsum('...ii->...i', spreadTensor([2, 3, 3], -1, 1)) as Tensor,
      einsum('aii->ai', spreadTensor([2, 3, 3], -1, 1)),
    );
    expectClose(einsum('...', a) as Tensor, a);
  });

  it('takes labels as numbers', () => {
    const [a, b] = [spreadTensor([2, 3], -1, 1), spreadTensor([3, 4], -1, 1, 2)];
    expectClose(einsum(a, [0, 1], b, [1, 2], [2, 0]), a.mm(b).T);
    expectClose(einsum(a, [5, 1], b, [1, 51]), a.mm(b));
    expectClose(einsum(spreadTensor([2, 2, 3], -1, 1), ['...', 0], ['...']), spreadTensor([2, 2, 3], -1, 1).sum(-1));
  });

  it('multiplies whole numbers', () => {
    const [a, b] = [tensor(Int32Array.from([1, 2, 3])), tensor(Int32Array.from([4, 5, 6]))];
    expectValues(einsum('i,i->', a, b) as Tensor, [], [32]);
    expectValues(einsum('i,j->ji', a, b) as Tensor, [3, 3], [4, 8, 12, 5, 10, 15, 6, 12, 18]);
  });

  it('works under transforms', () => {
    const [a, b] = [spreadTensor([4, 2, 3], -1, 1), spreadTensor([3, 2], -1, 1, 2)];
    const f = (x: Tensor, y: Tensor): Tensor => einsum('ij,jk->ik', x, y) as Tensor;
    expectClose(vmap(f, { inDims: [0, null] })(a, b), a.matmul(b));
    const [x, m] = [spreadTensor([3, 3], -1, 1, 3), spreadTensor([3, 3], -1, 1, 4)];
    const trace = grad((t: Tensor) => einsum('ij,jk,ki->', t, m, t) as Tensor);
    expectClose(trace(x), m.mm(x).add(x.mm(m)).T);
  });

  it('refuses what makes no sense', () => {
    const [a, b] = [spreadTensor([2, 3], -1, 1), spreadTensor([4, 5], -1, 1)];
    const says = (equation: string, xs: readonly Tensor[], type: typeof ArgumentError, message: string): void =>
      expectError(() => einsum(equation as string, ...xs), type, message);
    says('ij,jk->ik', [a], ArgumentError, 'einsum(): fewer operands were provided than specified in the equation');
    says('ij->ij', [a, a], ArgumentError, 'einsum(): more operands were provided than specified in the equation');
    says(
      'ij,jk->ik',
      [a, b],
      ShapeError,
      'einsum(): subscript j has size 4 for operand 1 which does not broadcast with previously seen size 3',
    );
    says('ii->i', [a], ShapeError, "einsum(): subscript i is repeated for operand 0 but the sizes don't match, 3 != 2");
    says(
      'ij->ik',
      [a],
      ArgumentError,
      'einsum(): output subscript k does not appear in the equation for any input operand',
    );
    says('ij->ii', [a], ArgumentError, 'einsum(): output subscript i appears more than once in the output');
    says(
      'ijk->i',
      [a],
      ShapeError,
      'einsum(): the number of subscripts in the equation (3) does not match the number of dimensions (2)',
    );
    says(
      'ijk...->i',
      [a],
      ShapeError,
      'einsum(): the number of subscripts in the equation (3) is more than the number of dimensions (2)',
    );
    says('i.j->i', [a], ArgumentError, "einsum(): found '.' for operand 0 that is not part of any ellipsis");
    says('...i...->i', [a], ArgumentError, "einsum(): found '.' for operand 0 for which an ellipsis was already found");
    says('i1->i', [a], ArgumentError, 'subscripts must be in [a-zA-Z]');
    expectError(() => einsum('' as string), ArgumentError, 'must provide at least one operand');
    expectError(() => einsum(a, [0, 52]), ArgumentError, 'not within the valid range [0, 52)');
  });
});
