import {
  AutogradError,
  arange,
  autograd,
  forwardAd,
  grad,
  type Index,
  jvp,
  NotImplementedError,
  noGrad,
  ones,
  ShapeError,
  slice,
  type Tensor,
  tensor,
  vjp,
  vmap,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError } from '../../support/close.ts';
import { f64, spreadTensor } from '../../support/numbers.ts';

const leaf = (values: readonly number[], shape: readonly number[] = [values.length]): Tensor =>
  f64(values, shape).requiresGrad_();
const int = (...values: number[]): Tensor => tensor(Int32Array.from(values));
const x3 = (): Tensor => leaf([1, 2, 3]);

describe('assignment', () => {
  it('AG138 of a constant stops the gradient there, of a tensor leads it to that tensor; the version goes up', () => {
    const x = x3();
    const y = x.mul(2);
    const { version } = y;
    y.setAt_([1], 5);
    expect(y.version).toBe(version + 1);
    y.sum().backward();
    expect(x.grad?.toArray()).toEqual([2, 0, 2]);

    const [a, v] = [x3(), leaf([7], [])];
    a.mul(2)
      .setAt_([1], v)
      .mul(tensor([1, 10, 100]))
      .sum()
      .backward();
    expect(a.grad?.toArray()).toEqual([2, 0, 200]);
    expect(v.grad?.item()).toBe(10);
  });

  it('AG139 of a broadcast value sums its gradient', () => {
    const [x, v] = [leaf([1, 2, 3, 4, 5, 6], [2, 3]), leaf([1], [1])];
    x.mul(1)
      .setAt_([':', slice(1)], v)
      .mul(arange(6).reshape([2, 3]))
      .sum()
      .backward();
    expect(v.grad?.toArray()).toEqual([1 + 2 + 4 + 5]);
    expect(x.grad?.toArray()).toEqual([
      [0, 0, 0],
      [3, 0, 0],
    ]);
    const w = leaf([1], []);
    (zeros([4], { dtype: 'float64' }) as Tensor)
      .setAt_([[0, 2, 3]], w)
      .sum()
      .backward();
    expect(w.grad?.item()).toBe(3);
  });

  it('AG140 into a tensor that needs none makes it require grad', () => {
    for (const index of [[0], [[0]], [slice(0, 1)]] as const) {
      const [x, v] = [zeros([3], { dtype: 'float64' }) as Tensor, leaf([2], [1])];
      x.setAt_(index as readonly Index[], v);
      expect(x.requiresGrad).toBe(true);
      expect(x.isLeaf).toBe(false);
      x.mul(3).sum().backward();
      expect(v.grad?.toArray()).toEqual([3]);
    }
  });

  it('AG141 tensor[mask] = tensor[mask]: reading does not save what is read', () => {
    const x = leaf([1, -2, 3, -4]);
    const y = x.mul(1);
    const mask = y.detach().gt(0);
    y.setAt_([mask], y.at(mask).mul(10));
    y.sum().backward();
    expect(x.grad?.toArray()).toEqual([10, 1, 10, 1]);
  });

  it('to a leaf is refused, and to a view of one; not inside noGrad', () => {
    const x = x3();
    for (const index of [[0], [[0]], [slice(1)], [tensor([true, false, true])]] as const)
      expectError(
        () => x.setAt_(index as readonly Index[], 0),
        AutogradError,
        'leaf Variable that requires grad is being used in an in-place operation',
      );
    noGrad(() => x.setAt_([0], 9));
    expect(x.detach().toArray()).toEqual([9, 2, 3]);
  });

  it('is noticed by what saved the tensor before', () => {
    const y = x3().mul(1);
    const z = y.mul(y);
    y.setAt_([[0]], 0);
    expectError(() => z.sum().backward(), AutogradError, 'modified by an inplace operation');
  });

  it('reaches the base of a view, and its other views', () => {
    const x = leaf([1, 2, 3, 4], [2, 2]);
    const base = x.mul(1);
    const [row, column] = [base.at(0), base.at(':', 1)];
    row.setAt_([[1]], tensor([50], { dtype: 'float64' }));
    expect(column.detach().toArray()).toEqual([50, 4]);
    column
      .mul(tensor([3, 5]))
      .sum()
      .backward();
    expect(x.grad?.toArray()).toEqual([
      [0, 0],
      [0, 5],
    ]);
  });

  it('of several elements of one place in memory is refused', () => {
    const y = (zeros([1]) as Tensor).expand([3]);
    expectError(() => y.setAt_([[0]], 1), ShapeError, 'refers to a single memory location');
  });
});

describe('reading', () => {
  it('AG315 of an index several times adds up', () => {
    const x = x3();
    x.at([0, 0, 2, 0])
      .mul(tensor([1, 2, 3, 4]))
      .sum()
      .backward();
    expect(x.grad?.toArray()).toEqual([7, 0, 3]);
  });

  it('AG316 has gradient 1 exactly where something was read, in every form', () => {
    const forms: readonly (readonly Index[])[] = [
      [1],
      [-1, 2],
      [slice(0, 2), slice(null, null, 2)],
      ['...', 0],
      [null, 1, null],
      [[2, 0]],
      [
        [0, 1],
        [1, 2],
      ],
      [tensor([true, false, true])],
      [slice(1), [0, 3]],
      [[[0], [2]], slice(1, 3)],
      ['...', arange(3, { dtype: 'int32' }), null],
    ];
    for (const form of forms) {
      const x = spreadTensor([3, 4], -1, 1).requiresGrad_();
      const places = arange(12, { dtype: 'float64' })
        .reshape([3, 4])
        .at(...form);
      x.at(...form)
        .sum()
        .backward();
      const read = new Set(places.toTypedArray());
      expect(x.grad?.reshape([12]).toArray()).toEqual(Array.from({ length: 12 }, (_, p) => Number(read.has(p))));
    }
  });

  it('AG317 duplicates of gather, indexSelect, scatterAdd and indexAdd', () => {
    const gradient = (f: (x: Tensor) => Tensor): unknown => {
      const x = x3();
      f(x)
        .mul(tensor([1, 10, 100]))
        .sum()
        .backward();
      return x.grad?.toArray();
    };
    const index = int(2, 0, 2);
    const start: Tensor = zeros([3], { dtype: 'float64' });
    expect(gradient((x) => x.gather(0, index))).toEqual([10, 0, 101]);
    expect(gradient((x) => x.indexSelect(0, index))).toEqual([10, 0, 101]);
    expect(gradient((x) => start.scatterAdd(0, index, x))).toEqual([100, 1, 100]);
    expect(gradient((x) => start.indexAdd(0, index, x))).toEqual([100, 1, 100]);
    expect(gradient((x) => start.setAt([index], x, { accumulate: true }))).toEqual([100, 1, 100]);
  });
});

describe('in place', () => {
  const index = int(2, 0);
  const src = f64([10, 20], [2]);
  /** Each form in place, and out of place. */
  const forms: Readonly<Record<string, readonly [(x: Tensor, s: Tensor) => Tensor, (x: Tensor, s: Tensor) => Tensor]>> =
    {
      scatter: [(x, s) => x.scatter_(0, index, s), (x, s) => x.scatter(0, index, s)],
      'scatter a number': [(x) => x.scatter_(0, index, 7), (x) => x.scatter(0, index, 7)],
      'scatter, adding': [
        (x, s) => x.scatter_(0, index, s, { reduce: 'add' }),
        (x, s) => x.scatter(0, index, s, { reduce: 'add' }),
      ],
      scatterAdd: [(x, s) => x.scatterAdd_(0, index, s), (x, s) => x.scatterAdd(0, index, s)],
      scatterReduce: [
        (x, s) => x.scatterReduce_(0, index, s, 'prod', { includeSelf: false }),
        (x, s) => x.scatterReduce(0, index, s, 'prod', { includeSelf: false }),
      ],
      indexAdd: [(x, s) => x.indexAdd_(0, index, s, { alpha: 3 }), (x, s) => x.indexAdd(0, index, s, { alpha: 3 })],
      indexCopy: [(x, s) => x.indexCopy_(0, index, s), (x, s) => x.indexCopy(0, index, s)],
      indexFill: [(x) => x.indexFill_(0, index, 7), (x) => x.indexFill(0, index, 7)],
      indexReduce: [(x, s) => x.indexReduce_(0, index, s, 'amax'), (x, s) => x.indexReduce(0, index, s, 'amax')],
      indexPut: [(x, s) => x.indexPut_([index], s), (x, s) => x.indexPut([index], s)],
      put: [(x, s) => x.put_(index, s), (x, s) => x.put(index, s)],
      maskedFill: [
        (x) => x.maskedFill_(tensor([true, false, true]), 7),
        (x) => x.maskedFill(tensor([true, false, true]), 7),
      ],
      maskedScatter: [
        (x, s) => x.maskedScatter_(tensor([true, false, true]), s),
        (x, s) => x.maskedScatter(tensor([true, false, true]), s),
      ],
      tril: [(x) => x.reshape([1, 3]).tril_(1).reshape([3]), (x) => x.reshape([1, 3]).tril(1).reshape([3])],
      triu: [(x) => x.reshape([1, 3]).triu_(1).reshape([3]), (x) => x.reshape([1, 3]).triu(1).reshape([3])],
    };

  for (const [name, [inPlace, outOfPlace]] of Object.entries(forms)) {
    it(`${name}: values and gradients are those of the form out of place, on tensors and on views`, () => {
      const w = f64([1, 10, 100], [3]);
      const run = (f: (x: Tensor, s: Tensor) => Tensor): Tensor[] => {
        const [x, s] = [x3(), src.clone().requiresGrad_()];
        const y = f(x.mul(2), s);
        return [y.detach(), ...autograd.grad(y, [x, s], { gradOutputs: w, materializeGrads: true })];
      };
      const expected = run(outOfPlace);
      for (const [i, t] of run(inPlace).entries()) expectClose(t, expected[i], { what: `${name}, ${i}` });
      const ofView = (f: (x: Tensor, s: Tensor) => Tensor): Tensor[] =>
        run((x, s) => {
          const base = x.unsqueeze(0).repeat([2, 1]);
          f(base.at(1), s);
          return base.at(1);
        });
      for (const [i, t] of ofView(inPlace).entries()) expectClose(t, expected[i], { what: `${name} on a view, ${i}` });
    });
  }

  it('touches nothing but what is written', () => {
    const x = zeros([3], { dtype: 'float64' }) as Tensor;
    const before = x.detach();
    expect(x.indexPut_([int(1)], f64([5], [1]))).toBe(x);
    expect(before.toArray()).toEqual([0, 5, 0]);
  });
});

describe('inside transforms', () => {
  it('reads and writes under grad, jvp and vmap', () => {
    const x = f64([1, 2, 3, 4], [4]);
    const f = (t: Tensor): Tensor => {
      const y = t.mul(t);
      y.setAt_([slice(0, 2)], t.at([3, 3]));
      y.setAt_([t.gt(3)], 0);
      return y.sum();
    };
    expect(grad(f)(x).toArray()).toEqual([0, 0, 6, 2]);
    expect(grad((t: Tensor) => grad(f)(t).at(2))(x).toArray()).toEqual([0, 0, 2, 0]);
    expect(jvp(f, [x], [f64([1, 1, 1, 1], [4])])[1].item()).toBe(8);
    const many = spreadTensor([3, 4], 0, 6);
    const each = Array.from({ length: 3 }, (_, b) => f(many.at(b)).item());
    expect(vmap(f)(many).toArray()).toEqual(each);
  });

  it('reads and writes at places of each example', () => {
    const x = spreadTensor([3, 4, 2], -1, 1);
    const index = tensor(Int32Array.from([0, 3, 1, 1, 2, -1]), { shape: [3, 2] });
    const examples = (f: (t: Tensor, i: Tensor) => Tensor): Tensor[] =>
      Array.from({ length: 3 }, (_, b) => f(x.at(b), index.at(b)));
    const programs: Readonly<Record<string, (t: Tensor, i: Tensor) => Tensor>> = {
      rows: (t, i) => t.at(i),
      'columns of rows': (t, i) => t.at(i, i.abs().fmod(2)),
      'a number of each': (t, i) => t.at(i.at(0)),
      'a number of each, and places apart from it': (t, i) => t.reshape([2, 2, 2]).at(i.at(0).fmod(2), ':', [0, 1, 1]),
      'written at a number of each': (t, i) => t.setAt([i.at(0)], t.at(0)),
      'written rows': (t, i) => t.setAt([i.at(slice(0, 1))], t.at([0])),
      added: (t, i) => t.setAt([i, 1], t.at([0, 1], 0), { accumulate: true }),
    };
    for (const [name, f] of Object.entries(programs)) {
      const mapped = vmap(f)(x, index);
      for (const [b, y] of examples(f).entries()) expectClose(mapped.at(b), y, { what: name });
      const g = spreadTensor(mapped.shape, -1, 1, 4);
      const [gradient] = vjp((t: Tensor) => vmap(f)(t, index), x)[1](g);
      const singly = Array.from({ length: 3 }, (_, b) => vjp((t: Tensor) => f(t, index.at(b)), x.at(b))[1](g.at(b))[0]);
      for (const [b, y] of singly.entries()) expectClose(gradient.at(b), y, { what: `gradient of ${name}` });
    }
  });

  it('selects by one mask for all examples, and refuses a mask of each', () => {
    const x = spreadTensor([3, 4], -1, 1);
    const mask = tensor([true, false, true, true]);
    expectClose(vmap((t: Tensor) => t.maskedSelect(mask))(x), x.at(':', [0, 2, 3]));
    expectError(
      () => vmap((t: Tensor) => t.at(t.gt(0)))(x),
      NotImplementedError,
      'do not support batching operators that can output dynamic shape',
    );
    // One number needs no places.
    expect(vmap((t: Tensor) => t.setAt([t.gt(0)], 0).sum())(x).toArray()).toEqual(x.minimum(0).sum(1).toArray());
  });

  it('does not put what is inside into what is outside', () => {
    const outside: Tensor = ones([2], { dtype: 'float64' });
    expectError(
      () => grad((t: Tensor) => outside.setAt_([0], t.at(0)).sum())(f64([1, 2], [2])),
      AutogradError,
      'setAt_',
    );
    expectError(
      () => vmap((t: Tensor) => outside.setAt_([[0]], t))(f64([1, 2], [2])),
      AutogradError,
      'vmap: inplace arithmetic(self, *extra_args) is not possible',
    );
  });
});

describe('at a dual level', () => {
  it('tangents follow reading and writing, in place and on views', () => {
    const x = f64([1, 2, 3, 4], [2, 2]);
    const u = f64([10, 20, 30, 40], [2, 2]);
    const programs: Readonly<Record<string, (t: Tensor) => Tensor>> = {
      read: (t) => t.at([1, 0, 1], 1),
      'by a mask': (t) => t.at(t.gt(2)),
      'set a number': (t) => t.mul(t).setAt_([0, 1], 7),
      'set a row': (t) => t.mul(t).setAt_([0], t.at(1)),
      'set places': (t) =>
        t.mul(t).setAt_(
          [
            [1, 0],
            [0, 1],
          ],
          t.at(':', 1),
        ),
      'set by a mask': (t) => t.mul(t).setAt_([t.gt(3)], 0),
      added: (t) => t.mul(t).setAt_([[1, 1]], t, { accumulate: true }),
      scattered: (t) => t.mul(t).scatter_(1, int(1, 0).unsqueeze(1), t),
      filled: (t) => t.mul(t).maskedFill_(t.gt(3), 0),
    };
    for (const [name, f] of Object.entries(programs)) {
      const [, expected] = jvp(f, [x], [u]);
      forwardAd.dualLevel(() => {
        const { tangent } = forwardAd.unpackDual(f(forwardAd.makeDual(x, u)));
        expectClose(tangent as Tensor, expected, { what: name });
      });
    }
    forwardAd.dualLevel(() => {
      const y = forwardAd.makeDual(x, u).mul(1);
      y.at(1).indexFill_(0, int(0), 5);
      expect(forwardAd.unpackDual(y).tangent?.toArray()).toEqual([
        [10, 20],
        [0, 40],
      ]);
    });
  });
});
