/**
 * What several nodes deliver to one place is added up. Products add to what is there while they are made, and so do
 * gradients of parts; nobody may be able to tell but by the last bits.
 */
import { autograd, type Tensor } from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose } from '../support/close.ts';
import { spreadTensor } from '../support/numbers.ts';

const [M, K, N] = [9, 7, 11];
const leaf = (shape: readonly number[], seed: number): Tensor => spreadTensor(shape, -1, 1, seed).requiresGrad_();

interface Leaves {
  readonly w: Tensor;
  readonly v: Tensor;
  readonly x: Tensor;
  readonly bias: Tensor;
}

const leaves = (): Leaves => ({
  w: leaf([K, N], 1),
  v: leaf([N, K], 2),
  x: leaf([M, K], 3),
  bias: leaf([N], 4),
});

/** Functions in which a matrix is a factor of several products, or read in parts, so that its gradient arrives in parts. */
const programs: Readonly<Record<string, (l: Leaves) => Tensor>> = {
  'the right factor of several': ({ w, x }) =>
    x.mm(w).sin().sum().add(x.cos().mm(w).cos().sum()).add(x.exp().mm(w).sum()),
  'the left factor of several': ({ w, x }) => x.mm(w).sum().add(x.mm(w.sin()).sin().sum()),
  'by columns': ({ v, x }) => {
    const w = v.t();
    return x.mm(w).sin().sum().add(x.cos().mm(w).cos().sum());
  },
  'by columns in one and by rows in another': ({ v, x, w }) =>
    x.mm(v.t()).sin().sum().add(w.t().mm(v.t()).cos().sum()).add(v.mm(w).exp().sum()),
  'with a bias': ({ w, x, bias }) => {
    const step = (h: Tensor): Tensor => bias.addmm(h, w);
    return step(x)
      .sin()
      .sum()
      .add(step(x.mul(2)).cos().sum());
  },
  scaled: ({ w, x, bias }) =>
    bias
      .addmm(x, w, { alpha: 2 })
      .sin()
      .sum()
      .add(bias.addmm(x, w, { alpha: -1, beta: 3 }).cos().sum()),
  'by itself': ({ x }) => {
    const s = x.t().mm(x);
    return s.mm(s).add(s.mm(s.sin())).sum();
  },
  'beside other operations': ({ w, x }) => w.sin().sum().add(x.mm(w).cos().sum()).add(w.sum()).add(x.mm(w).sum()),
  'a gradient that arrives twice as it is': ({ w, x }) => {
    const y = x.mm(w);
    return y.add(y).sin().add(y.clone()).add(x.sin().mm(w)).sum();
  },
  'few rows, few terms': ({ w, x }) =>
    x
      .slice(0, 0, 1)
      .mm(w)
      .sin()
      .sum()
      .add(x.slice(0, 0, 3).mm(w).cos().sum()),
  'read in slices that overlap': ({ x }) =>
    x
      .slice(0, 1)
      .mul(x.slice(0, 0, -1))
      .sum()
      .add(
        x
          .slice(1, 0, -1, 2)
          .sin()
          .mul(x.narrow(1, 2, 3))
          .sum(),
      ),
  'read row by row': ({ w, bias }) => {
    let h = bias;
    for (let i = 0; i < K; i++) h = h.mul(w.select(0, i)).add(w.select(0, K - 1 - i).cos());
    return h.sum();
  },
  'read by columns of its transpose, whole and in parts': ({ v }) => {
    const w = v.t();
    return w
      .select(0, 2)
      .mul(w.select(-1, 0).sum())
      .sum()
      .add(w.sin().sum())
      .add(w.slice(1, 3, 5).cos().sum())
      .add(w.sum().square());
  },
  'read through views of views': ({ x }) =>
    x
      .slice(0, 2)
      .select(1, 3)
      .exp()
      .sum()
      .add(
        x
          .select(0, 4)
          .slice(0, 1, 4)
          .mul(x.at(5, [0, 3, 3]))
          .sum(),
      ),
  'read element by element': ({ bias }) =>
    bias
      .at(0)
      .mul(bias.at(3))
      .add(bias.at(3).sin())
      .sub(bias.at(-1).mul(bias.at(0))),
};

describe.each(Object.entries(programs))('a matrix is %s', (_, f) => {
  /** Gradients as a graph: every part is a tensor of its own. */
  const apart = (l: Leaves): readonly (Tensor | null)[] =>
    autograd.grad(f(l), Object.values(l) as Tensor[], { createGraph: true, allowUnused: true }) as (Tensor | null)[];

  const compare = (got: readonly (Tensor | null)[]): void => {
    const expected = apart(leaves());
    for (const [i, g] of got.entries()) {
      if (expected[i] === null || expected[i] === undefined) expect(g).toBeNull();
      else expectClose(g as Tensor, (expected[i] as Tensor).detach(), { tol: 1e-12 });
    }
  };

  it('backward()', () => {
    const l = leaves();
    f(l).backward();
    compare(Object.values(l).map((t: Tensor) => t.grad));
  });

  it('autograd.grad, twice over one graph', () => {
    const l = leaves();
    const y = f(l);
    const all = Object.values(l) as Tensor[];
    const first = autograd.grad(y, all, { retainGraph: true, allowUnused: true }) as (Tensor | null)[];
    compare(autograd.grad(y, all, { allowUnused: true }) as (Tensor | null)[]);
    // What was returned before is nobody's to add to.
    compare(first);
  });

  it('in anomaly mode', () => {
    const l = leaves();
    autograd.detectAnomaly(() => f(l).backward());
    compare(Object.values(l).map((t: Tensor) => t.grad));
  });
});

describe('who looks on', () => {
  it('hooks of the matrix see the sum, once', () => {
    const { w, x } = leaves();
    const seen: Tensor[] = [];
    w.registerHook((g: Tensor) => {
      seen.push(g);
    });
    x.mm(w).sin().sum().add(x.cos().mm(w).sum()).backward();
    expect(seen).toHaveLength(1);
    expectClose(seen[0], w.grad as Tensor, { tol: 0 });
  });

  it('retainGrad keeps the sum', () => {
    const { w, x } = leaves();
    const u = w.mul(2);
    u.retainGrad();
    x.mm(u).sin().sum().add(x.cos().mm(u).sum()).backward();
    expectClose((u.grad as Tensor).mul(2), w.grad as Tensor, { tol: 1e-14 });
  });

  it('hooks of a node see its own part', () => {
    const { w, x } = leaves();
    const u = w.mul(1);
    const [first, second] = [x.mm(u), x.cos().mm(u)];
    const parts: Tensor[] = [];
    for (const y of [first, second]) {
      y.gradFn?.registerHook((inputs: readonly (Tensor | null)[]) => {
        parts.push(inputs[1] as Tensor);
      });
    }
    first.sum().add(second.sum()).backward();
    const ones = first.detach().mul(0).add(1);
    // The later product comes first.
    expectClose(parts[0], x.detach().cos().t().mm(ones), { tol: 1e-13 });
    expectClose(parts[1], x.detach().t().mm(ones), { tol: 1e-13 });
    expectClose(w.grad as Tensor, parts[0].add(parts[1]), { tol: 1e-13 });
  });

  it('a part that a hook has kept stays as it was', () => {
    const { w, x } = leaves();
    const u = w.mul(1);
    const v = u.clone();
    const kept: Tensor[] = [];
    v.registerHook((g: Tensor) => {
      kept.push(g);
    });
    // The gradient of v goes on to u as it is, where a product is to be added to it.
    x.mm(u).sum().add(v.sin().sum()).backward();
    expectClose(kept[0], w.detach().cos(), { tol: 1e-14 });
  });
});
