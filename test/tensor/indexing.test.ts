import * as fc from 'fast-check';
import { arange, autograd, type Index, Slice, slice, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectNear } from '../support/close.ts';
import { f64, numel, spread, valuesOf } from '../support/numbers.ts';

/*
 * x.at(…) and x.setAt_([…], v) against a model of PyTorch's rules that knows nothing of tensors: which
 * place of x every element of x[…] comes from.
 */

type Shape = readonly number[];

/** A dimension of the view: where its indices lead to. */
interface Dim {
  readonly size: number;
  place(i: number): number;
}

/** An index tensor in the model: its shape and values, or a mask. */
interface Pick {
  readonly shape: Shape;
  readonly values: readonly number[];
  readonly mask: boolean;
}

/** What stands in the brackets, and the tensors among it. */
interface Subscript {
  readonly given: Index;
  readonly pick?: Pick;
}

const strideOf = (shape: Shape, d: number): number => numel(shape.slice(d + 1));

/** Index tuples of a shape in row-major order. */
function tuples(shape: Shape): number[][] {
  return shape.reduce<number[][]>((all, n) => all.flatMap((t) => Array.from({ length: n }, (_, i) => [...t, i])), [[]]);
}

/** The element of a broadcast index at a place of the common shape. */
function broadcastAt(pick: Pick, common: Shape, at: readonly number[]): number {
  const own = at.slice(common.length - pick.shape.length).map((i, d) => (pick.shape[d] === 1 ? 0 : i));
  return pick.values[own.reduce((p, i, d) => p * pick.shape[d] + i, 0)];
}

/** The shape of x[…], and for each of its elements the place in x. */
function model(shape: Shape, subscripts: readonly Subscript[]): { readonly shape: Shape; readonly places: number[] } {
  const dims: Dim[] = [];
  const picks: { dim: number; pick: Pick }[] = [];
  let base = 0;
  let from = 0;
  const consumed = subscripts.reduce((n, { given, pick }) => {
    if (pick !== undefined) return n + (pick.mask ? pick.shape.length : 1);
    return n + (given === null || given === '...' ? 0 : 1);
  }, 0);
  const whole = (d: number): Dim => ({ size: shape[d], place: (i) => i * strideOf(shape, d) });
  for (const { given, pick } of subscripts) {
    if (pick !== undefined) {
      picks.push({ dim: dims.length, pick });
      for (let k = 0; k < (pick.mask ? pick.shape.length : 1); k++) dims.push(whole(from++));
    } else if (given === null) dims.push({ size: 1, place: () => 0 });
    else if (given === '...') for (let k = consumed; k < shape.length; k++) dims.push(whole(from++));
    else if (given === ':') dims.push(whole(from++));
    else if (given instanceof Slice) {
      const n = shape[from];
      const clip = (i: number): number => Math.min(n, Math.max(0, i < 0 ? i + n : i));
      const [start, end, step] = [clip(given.start ?? 0), clip(given.end ?? n), given.step ?? 1];
      const stride = strideOf(shape, from++);
      const size = Math.max(0, Math.ceil((end - start) / step));
      dims.push({ size, place: (i) => (start + i * step) * stride });
    } else {
      const i = given as number;
      base += (i < 0 ? i + shape[from] : i) * strideOf(shape, from);
      from++;
    }
  }
  while (from < shape.length) dims.push(whole(from++));

  // Masks are as many columns of indices as they have dimensions.
  const columns = picks.flatMap(({ dim, pick }) => {
    if (!pick.mask) return [{ dim, pick }];
    const hits = tuples(pick.shape).filter((_, k) => pick.values[k] !== 0);
    return pick.shape.map((_, k) => ({
      dim: dim + k,
      pick: { shape: [hits.length], values: hits.map((t) => t[k]), mask: false },
    }));
  });
  const rank = Math.max(0, ...columns.map((c) => c.pick.shape.length));
  const common = Array.from({ length: rank }, (_, d) =>
    columns.reduce((n, { pick }) => {
      const m = pick.shape[d - rank + pick.shape.length] ?? 1;
      return m === 1 ? n : m;
    }, 1),
  );
  const indexed = columns.map((c) => c.dim);
  const rest = dims.map((_, d) => d).filter((d) => !indexed.includes(d));
  const sideBySide = indexed.every((d, k) => k === 0 || d === indexed[k - 1] + 1);
  const at = columns.length === 0 ? 0 : sideBySide ? rest.filter((d) => d < indexed[0]).length : 0;
  const outer = rest.map((d) => dims[d].size);
  const result = columns.length === 0 ? outer : [...outer.slice(0, at), ...common, ...outer.slice(at)];
  const inside = columns.length === 0 ? 0 : rank;
  const places = tuples(result).map((t) => {
    const others = [...t.slice(0, at), ...t.slice(at + inside)];
    const chosen = t.slice(at, at + inside);
    const fixed = rest.reduce((p, d, k) => p + dims[d].place(others[k]), base);
    return columns.reduce((p, { dim, pick }) => {
      const i = broadcastAt(pick, common, chosen);
      return p + dims[dim].place(i < 0 ? i + dims[dim].size : i);
    }, fixed);
  });
  return { shape: result, places };
}

const picked = (pick: Pick): Subscript => ({
  pick,
  given: tensor(Int32Array.from(pick.values), { shape: pick.shape }).to(pick.mask ? 'bool' : 'int32'),
});

/** Subscripts that fit the dimensions from `d` on. */
function subscriptsFor(shape: Shape, indexShape: Shape): fc.Arbitrary<Subscript[]> {
  const one = (n: number): fc.Arbitrary<Subscript> =>
    fc.oneof(
      fc.constant<Subscript>({ given: ':' }),
      fc.integer({ min: -n, max: n - 1 }).map((given): Subscript => ({ given })),
      fc
        .tuple(
          fc.integer({ min: -n - 1, max: n + 1 }),
          fc.integer({ min: -n - 1, max: n + 1 }),
          fc.integer({ min: 1, max: 3 }),
        )
        .map(([a, b, c]): Subscript => ({ given: slice(a, b, c) })),
      fc
        .constantFrom<Index>(slice(), slice(1), slice(null, -1), slice(null, null, 2))
        .map((given): Subscript => ({ given })),
      fc
        .array(fc.integer({ min: -n, max: n - 1 }), { minLength: numel(indexShape), maxLength: numel(indexShape) })
        .map((values) => picked({ shape: indexShape, values, mask: false })),
      // An index that broadcasts with the others.
      fc.integer({ min: -n, max: n - 1 }).map((i) => picked({ shape: [1], values: [i], mask: false })),
    );
  const each = fc.tuple(...shape.map(one));
  const extras = fc.array(fc.tuple(fc.nat(4), fc.constantFrom<Index>(null, '...')), { maxLength: 2 });
  return fc.tuple(each, fc.nat(shape.length), extras).map(([all, kept, more]) => {
    const list: Subscript[] = all.slice(0, kept);
    let ellipsis = false;
    for (const [at, given] of more) {
      if (given === '...' && ellipsis) continue;
      ellipsis ||= given === '...';
      list.splice(Math.min(at, list.length), 0, { given });
    }
    return list;
  });
}

const cases = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }).chain((shape) =>
  fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 2 }).chain((indexShape) =>
    fc.record({
      shape: fc.constant(shape as Shape),
      // The last subscript that lies under an ellipsis stands for another dimension than its own.
      subscripts: subscriptsFor(
        shape.map(() => Math.min(...shape)),
        indexShape,
      ),
      turned: fc.boolean(),
    }),
  ),
);

/** The same values in another order of memory. */
const layout = (t: Tensor, turned: boolean): Tensor => (turned ? t.T.clone().T : t);
const given = (subscripts: readonly Subscript[]): Index[] => subscripts.map((s) => s.given);

describe('x.at(…)', () => {
  it('reads what PyTorch reads, and its gradient arrives there', () => {
    fc.assert(
      fc.property(cases, ({ shape, subscripts, turned }) => {
        const x = layout(f64(spread(numel(shape), -1, 1), shape), turned).requiresGrad_();
        const want = model(shape, subscripts);
        const y = x.at(...given(subscripts));
        const source = valuesOf(x.detach());
        expect(y.shape).toEqual(want.shape);
        expect(valuesOf(y.detach())).toEqual(want.places.map((p) => source[p]));
        // Places that are read several times add up.
        const w = f64(spread(numel(want.shape), -1, 1, 3), want.shape);
        const [g] = autograd.grad(y, x, { gradOutputs: w });
        const sums = new Array<number>(source.length).fill(0);
        valuesOf(w).forEach((v, k) => {
          sums[want.places[k]] += v;
        });
        expectNear(valuesOf(g), sums);
      }),
      { numRuns: 500 },
    );
  });

  it('reads by masks of any rank, alone and beside others', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 1, maxLength: 4 }),
        fc.nat(3),
        fc.nat(3),
        fc.nat(50),
        (shape, before, over, seed) => {
          const from = Math.min(before, shape.length - 1);
          const masked = shape.slice(from, from + 1 + over);
          const values = spread(numel(masked), 0, 1, seed).map((v) => Number(v > 0.4));
          const hits = values.filter((v) => v !== 0).length;
          const subscripts: Subscript[] = [
            ...shape.slice(0, from).map((): Subscript => ({ given: ':' })),
            picked({ shape: masked, values, mask: true }),
          ];
          // One more index along what is left, as long as the mask has hits.
          if (from + masked.length < shape.length && hits > 0)
            subscripts.push(picked({ shape: [hits], values: new Array<number>(hits).fill(-1), mask: false }));
          const x = arange(numel(shape), { dtype: 'float64' }).reshape(shape);
          const want = model(shape, subscripts);
          const y = x.at(...given(subscripts));
          expect(y.shape).toEqual(want.shape);
          expect(valuesOf(y)).toEqual(want.places);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('is a view for numbers, slices and new axes, and a copy otherwise', () => {
    const x: Tensor = zeros([3, 4]);
    for (const [index, view] of [
      [[], true],
      [['...'], true],
      [[1], true],
      [[null, slice(0, 2), -1], true],
      [[tensor(1, { dtype: 'int32' })], true],
      [[[0, 1]], false],
      [[x.eq(0)], false],
      [[true], false],
    ] as const) {
      const y = x.at(...(index as readonly Index[]));
      y.add_(1);
      expect(valuesOf(x).some((v) => v !== 0)).toBe(view);
      x.zero_();
    }
  });

  it('names its nodes as PyTorch does', () => {
    const x: Tensor = zeros([3, 4], { requiresGrad: true });
    const name = (...index: readonly Index[]): string | undefined => x.at(...index).gradFn?.name;
    expect(name()).toBe('AliasBackward0');
    expect(name(0)).toBe('SelectBackward0');
    expect(name(slice(1))).toBe('SliceBackward0');
    expect(name(null)).toBe('UnsqueezeBackward0');
    expect(name([0, 1])).toBe('IndexBackward0');
    expect(name(x.eq(0))).toBe('IndexBackward0');
  });

  it('takes truth values as new dimensions of size 1 or 0, and as masks in arrays', () => {
    const x = arange(6).reshape([2, 3]);
    expect(x.at(true).shape).toEqual([1, 2, 3]);
    expect(x.at(false).shape).toEqual([0, 2, 3]);
    expect(x.at('...', true).shape).toEqual([2, 3, 1]);
    expect(x.at(tensor(true)).shape).toEqual([1, 2, 3]);
    expect(x.at([true, false]).toArray()).toEqual([[0, 1, 2]]);
    expect(
      x
        .at([
          [true, false, false],
          [false, false, true],
        ])
        .toArray(),
    ).toEqual([0, 5]);
    expect(tensor(5).at(true).toArray()).toEqual([5]);
    expect(tensor(5).at(tensor(true)).toArray()).toEqual([5]);
  });

  it('reads of nothing', () => {
    const x: Tensor = zeros([0, 3]);
    expect(x.at([]).shape).toEqual([0, 3]);
    expect(x.at(':', [2, 0]).shape).toEqual([0, 2]);
    expect(x.at(x.gt(0)).shape).toEqual([0]);
    expect((zeros([2, 3]) as Tensor).at([]).shape).toEqual([0, 3]);
    expect((zeros([2, 3]) as Tensor).at(slice(5)).shape).toEqual([0, 3]);
  });
});

describe('x.setAt_([…], v) and x.setAt([…], v)', () => {
  it('write where at reads, and pass gradients on', () => {
    fc.assert(
      fc.property(cases, fc.boolean(), fc.boolean(), ({ shape, subscripts, turned }, wide, accumulate) => {
        const want = model(shape, subscripts);
        // Of several values for one place any may stay.
        fc.pre(accumulate || new Set(want.places).size === want.places.length);
        const start = f64(spread(numel(shape), -1, 1), shape);
        const valueShape = wide ? want.shape : want.shape.map((n, d) => (d === 0 ? 1 : n));
        const x = start.clone().requiresGrad_();
        const v = f64(spread(numel(valueShape), -1, 1, 3), valueShape).requiresGrad_();
        const index = given(subscripts);
        const full = valuesOf(v.detach().expand(want.shape));
        const expected = valuesOf(start);
        want.places.forEach((p, k) => {
          expected[p] = accumulate ? expected[p] + full[k] : full[k];
        });
        const w = f64(spread(numel(shape), -1, 1, 5), shape);
        const weights = valuesOf(w);
        const ofX = weights.map((c, p) => (accumulate || !want.places.includes(p) ? c : 0));
        const ofV = f64(
          want.places.map((p) => weights[p]),
          want.shape,
        );

        const target = layout(x.mul(1), turned);
        const version = target.version;
        expect(target.setAt_(index, v, { accumulate })).toBe(target);
        expect(target.version).toBeGreaterThan(version);
        for (const y of [target, x.setAt(index, v, { accumulate })]) {
          expectNear(valuesOf(y.detach()), expected);
          const [gx, gv] = autograd.grad(y, [x, v], { gradOutputs: w, materializeGrads: true });
          expectNear(valuesOf(gx), ofX);
          expectNear(valuesOf(gv), valuesOf(reducedTo(ofV, valueShape)));
        }
        expect(valuesOf(x.detach())).toEqual(valuesOf(start));
      }),
      { numRuns: 500 },
    );
  });

  /** Summed over the dimensions that were broadcast. */
  function reducedTo(t: Tensor, shape: Shape): Tensor {
    return t.ndim > 0 && t.shape[0] !== shape[0] ? t.sum(0, { keepdim: true }) : t;
  }

  it('takes numbers and truth values, and converts what is copied', () => {
    const x: Tensor = zeros([2, 3]);
    x.setAt_([0], 1).setAt_(['...', -1], true);
    expect(x.toArray()).toEqual([
      [1, 1, 1],
      [0, 0, 1],
    ]);
    x.setAt_([1, slice(0, 2)], tensor([7, 8], { dtype: 'float64' }));
    expect(x.toArray()).toEqual([
      [1, 1, 1],
      [7, 8, 1],
    ]);
    const i: Tensor = zeros([3], { dtype: 'int32' });
    i.setAt_([[0, 2]], 5);
    expect(i.toArray()).toEqual([5, 0, 5]);
  });

  it('lets leading dimensions of size 1 of the value go', () => {
    const x: Tensor = zeros([2, 3]);
    x.setAt_([0], tensor([[[1, 2, 3]]]));
    x.setAt_([[1]], tensor([[[4, 5, 6]]]));
    expect(x.toArray()).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
  });

  it('shares no memory with the value', () => {
    const [x, v] = [zeros([2, 2]) as Tensor, tensor([1, 2])];
    for (const index of [['...'], [0], [[0]], []] as const) x.setAt(index as readonly Index[], v).add_(5);
    expect(v.toArray()).toEqual([1, 2]);
    expect(valuesOf(x)).toEqual([0, 0, 0, 0]);
  });

  it('writes from itself', () => {
    const x = arange(6).reshape([2, 3]) as Tensor;
    x.setAt_([0], x.at(1));
    x.setAt_([1, [2, 0]], x.at(1, [0, 2]));
    expect(x.toArray()).toEqual([
      [3, 4, 5],
      [5, 4, 3],
    ]);
    const y = arange(4) as Tensor;
    y.setAt_([slice(1)], y.at(slice(0, -1)));
    expect(y.toArray()).toEqual([0, 0, 1, 2]);
  });
});
