import {
  AutogradError,
  cat,
  grad,
  hessian,
  jacfwd,
  jacrev,
  jvp,
  noGrad,
  ShapeError,
  type Tensor,
  vjp,
  vmap,
  zeros,
} from 'nabla';
import { describe, expect, it } from 'vitest';
import { expectClose, expectError } from '../support/close.ts';
import { spread, spreadTensor } from '../support/numbers.ts';

/*
 * In-place changes of views inside transformed functions. Values are immutable there, and yet what a view
 * changes its base and all other views see, with gradients, tangents and for every example.
 */

type Change = (b: Tensor, x: Tensor) => void;

/** Ways to see a 3 × 4 matrix, written to. */
const views: Readonly<Record<string, (b: Tensor) => Tensor>> = {
  select: (b) => b.select(0, 1),
  'select of a transposed': (b) => b.T.select(0, -1),
  slice: (b) => b.slice(1, 0, 4, 2),
  narrow: (b) => b.narrow(0, 1, 2).narrow(1, 2, 1),
  transposed: (b) => b.mT,
  reshape: (b) => b.reshape([2, 6]).select(0, 0),
  'view of a view': (b) => b.view([4, 3]).T.slice(0, 1),
  diagonal: (b) => b.diagonal(1),
  unflatten: (b) => b.unflatten(1, [2, 2]).select(2, 1),
  squeezed: (b) => b.unsqueeze(1).squeeze(1).select(1, 0),
  strided: (b) => b.asStrided([2, 2], [5, 2], 1),
  'strided of a view': (b) => b.T.asStrided([3], [4], 2),
  'by index': (b) => b.at('...', 2),
};

const changes: Readonly<Record<string, (v: Tensor, x: Tensor) => unknown>> = {
  'mul_ by a number': (v) => v.mul_(3),
  'add_ of what depends on the input': (v, x) => v.add_(x.sum()),
  sin_: (v) => v.sin_(),
  'copy_ of what depends on the input': (v, x) => v.copy_(x.mean().exp()),
  zero_: (v) => v.zero_(),
};

/** The same program twice: with a view in place, and with a mask on the whole. */
function both(view: (b: Tensor) => Tensor, change: (v: Tensor, x: Tensor) => unknown) {
  const mark = zeros([3, 4], { dtype: 'float64' });
  view(mark).fill_(1);
  const run = (how: Change) => (x: Tensor) => {
    const b = x.mul(2).add(0.5);
    const early = b.view([12]).slice(0, 1, 11);
    how(b, x);
    return cat([b.square().reshape([12]), early.exp(), b.T.reshape([12]).mul(0.1)]);
  };
  const inPlace = run((b, x) => {
    change(view(b), x);
  });
  const functional = (x: Tensor): Tensor => {
    const b = x.mul(2).add(0.5);
    const changed = b.clone();
    change(changed, x);
    const c = changed.mul(mark).add(b.mul(mark.neg().add(1)));
    return cat([c.square().reshape([12]), c.view([12]).slice(0, 1, 11).exp(), c.T.reshape([12]).mul(0.1)]);
  };
  return { inPlace, functional };
}

const x = spreadTensor([3, 4], -1, 1, 3);

describe('views changed in place', () => {
  for (const [where, view] of Object.entries(views)) {
    for (const [what, change] of Object.entries(changes)) {
      it(`${where}: ${what}`, () => {
        const { inPlace, functional } = both(view, change);
        expectClose(inPlace(x), functional(x), { what: 'outside of transforms' });
        const sum = (f: (t: Tensor) => Tensor) => (t: Tensor) => f(t).sum();
        expectClose(grad(sum(inPlace))(x), grad(sum(functional))(x), { what: 'grad' });
        const u = spreadTensor([3, 4], -1, 1, 7);
        const [y, dy] = jvp(inPlace, [x], [u]);
        const [z, dz] = jvp(functional, [x], [u]);
        expectClose(y, z, { what: 'value under jvp' });
        expectClose(dy, dz, { what: 'jvp' });
        for (const dim of [0, 1, 2]) {
          const batch = spreadTensor([5, 3, 4], -1, 1, 9).movedim(0, dim);
          expectClose(vmap(inPlace, { inDims: dim })(batch), vmap(functional, { inDims: dim })(batch), {
            what: `vmap over ${dim}`,
          });
        }
      });
    }
  }

  it('under nested transforms', () => {
    for (const name of ['select of a transposed', 'diagonal', 'reshape']) {
      const { inPlace, functional } = both(views[name], changes['add_ of what depends on the input']);
      const scalar = (f: (t: Tensor) => Tensor) => (t: Tensor) => f(t).tanh().sum();
      const batch = spreadTensor([2, 3, 4], -1, 1, 9);
      expectClose(vmap(grad(scalar(inPlace)))(batch), vmap(grad(scalar(functional)))(batch), { what: 'vmap of grad' });
      const mapped = (f: (t: Tensor) => Tensor) => (t: Tensor) => vmap(scalar(f))(t).sum();
      expectClose(grad(mapped(inPlace))(batch), grad(mapped(functional))(batch), { what: 'grad of vmap' });
      expectClose(hessian(scalar(inPlace))(x), hessian(scalar(functional))(x), { what: 'hessian' });
      expectClose(jacfwd(inPlace)(x), jacrev(functional)(x), { what: 'jacfwd' });
      expectClose(jacrev(inPlace)(x), jacfwd(functional)(x), { what: 'jacrev' });
    }
  });

  it('by operations that are no scalar function, and by setAt_', () => {
    const program = (b: Tensor): Tensor => {
      b.select(0, 0).cumsum_(0);
      b.T.select(0, 1).setAt_([0], b.select(0, 2).sum());
      b.slice(0, 1).triu_();
      return b;
    };
    const functional = (b: Tensor): Tensor => {
      const rows = [b.select(0, 0).cumsum(0), b.select(0, 1), b.select(0, 2)];
      rows[0] = rows[0].setAt([1], rows[2].sum());
      const below = cat([rows[1].unsqueeze(0), rows[2].unsqueeze(0)]).triu();
      return cat([rows[0].unsqueeze(0), below]);
    };
    const of = (f: (t: Tensor) => Tensor) => (t: Tensor) => f(t.mul(1)).sin().sum();
    expectClose(grad(of(program))(x), grad(of(functional))(x));
    expectClose(
      vmap((t: Tensor) => program(t.mul(1)))(spreadTensor([2, 3, 4], -1, 1)),
      vmap((t: Tensor) => functional(t.mul(1)))(spreadTensor([2, 3, 4], -1, 1)),
    );
  });

  it('in random programs', () => {
    for (let seed = 0; seed < 25; seed++) {
      const r = spread(60, 0, 1, seed);
      let k = 0;
      const next = (n: number): number => Math.floor(r[k++ % r.length] * n);
      const list = Object.values(views);
      const steps = Array.from({ length: 4 }, () => {
        const [view, kind, factor] = [list[next(list.length)], next(3), 1 + r[k++ % r.length]];
        return both(view, (v, t) => (kind === 0 ? v.mul_(factor) : kind === 1 ? v.add_(t.mean()) : v.sin_()));
      });
      // Each step is its own function; composed they change views of views of what came before.
      const shaped = (f: (t: Tensor) => Tensor) => (t: Tensor) => f(t).slice(0, 0, 12).view([3, 4]).tanh();
      const run = (pick: 'inPlace' | 'functional') => (t: Tensor) =>
        steps.reduce((now, s) => shaped(s[pick])(now), t).sum();
      expectClose(grad(run('inPlace'))(x), grad(run('functional'))(x), { what: `grad of program ${seed}` });
    }
  });
});

describe('what views see', () => {
  it('a view follows the tensor it views', () => {
    const f = (t: Tensor): Tensor => {
      const y = t.mul(1);
      const view = y.reshape([4, 3]).T;
      y.mul_(10);
      return view.select(0, 0).sum().add(view.detach().sum().mul(0));
    };
    const functional = (t: Tensor): Tensor => t.mul(10).reshape([4, 3]).select(1, 0).sum();
    expectClose(grad(f)(x), grad(functional)(x));
    expectClose(vmap(f)(x.unsqueeze(0)), vmap(functional)(x.unsqueeze(0)));
    expectClose(jvp(f, [x], [x])[1], jvp(functional, [x], [x])[1]);
  });

  it('isView, base and isContiguous tell it', () => {
    vjp((t: Tensor) => {
      const y = t.mul(1);
      const v = y.T.select(0, 1);
      expect([v.isView(), v.base === y, y.isView(), y.T.isContiguous(), y.isContiguous()]).toEqual([
        true,
        true,
        false,
        false,
        true,
      ]);
      expect(y.T.contiguous().isView()).toBe(false);
      expect(y.T.reshape([12]).isView()).toBe(false);
      expect(y.reshape([12]).isView()).toBe(true);
      expectError(() => y.T.view([12]), ShapeError, 'Use .reshape(...) instead.');
      return y.sum();
    }, x);
  });

  it('a tensor that became its own view keeps its other views', () => {
    const f = (t: Tensor): Tensor => {
      const y = t.mul(2);
      const row = y.select(0, 1);
      y.t_();
      y.select(0, 0).mul_(10);
      row.add_(1);
      return y.square().sum().add(row.sum());
    };
    const functional = (t: Tensor): Tensor => {
      const mark = zeros([3, 4], { dtype: 'float64' });
      mark.select(1, 0).fill_(1);
      const row = zeros([3, 4], { dtype: 'float64' });
      row.select(0, 1).fill_(1);
      const c = t.mul(2).mul(mark.mul(9).add(1)).add(row);
      return c.square().sum().add(c.mul(row).sum());
    };
    expectClose(f(x), functional(x));
    expectClose(grad(f)(x), grad(functional)(x));
    expectClose(vmap(f)(x.unsqueeze(0)), vmap(functional)(x.unsqueeze(0)));
  });
});

describe('what is refused', () => {
  it('views of leaves, of several, and from noGrad, as outside', () => {
    const f = (change: (t: Tensor) => unknown) =>
      grad((t: Tensor) => {
        change(t);
        return t.sum();
      });
    expectError(
      () => f((t) => t.select(0, 0).add_(1))(x),
      AutogradError,
      'a view of a leaf Variable that requires grad',
    );
    expectError(
      () => f((t) => t.mul(1).unbind()[1].add_(1))(x),
      AutogradError,
      'Output 1 of UnbindBackward0 is a view and is being modified inplace.',
    );
    expectError(
      () =>
        f((t) => {
          const y = t.mul(1);
          noGrad(() => y.T).add_(1);
        })(x),
      AutogradError,
      'A view was created in no_grad mode',
    );
    expectError(
      () =>
        f((t) => {
          const y = t.mul(1);
          const [v] = y.split(1);
          y.add_(1);
          v.add(1);
        })(x),
      AutogradError,
      'its base or another view of its base has been modified inplace',
    );
  });

  it('elements that share memory', () => {
    const message = 'more than one element of the written-to tensor refers to a single memory location';
    expectError(() => grad((t: Tensor) => t.sum().expand([3]).add_(1).sum())(x), ShapeError, message);
    expectError(() => vmap((t: Tensor) => t.unfold(0, 2, 1).zero_().sum())(x), ShapeError, message);
  });

  it('a view from outside that would have to hold values from inside', () => {
    const outside = zeros([3, 4], { dtype: 'float64' });
    expectError(() => vmap((t: Tensor) => outside.select(0, 0).add_(t).sum())(x), AutogradError, 'inplace arithmetic');
  });
});

describe('arguments that do not lie in row-major order', () => {
  const ways: Readonly<Record<string, (x: Tensor) => Tensor>> = {
    flatten: (x) => x.flatten(),
    'flatten of a transposed': (x) => x.T.flatten(),
    reshape: (x) => x.reshape([3, 4]),
    'reshape of a part': (x) => x.narrow(0, 0, 2).reshape([6]),
    contiguous: (x) => x.contiguous(),
    select: (x) => x.select(0, 1),
    diagonal: (x) => x.diagonal(),
  };
  /** Two 4 × 3 matrices. */
  const layouts: Readonly<Record<string, () => Tensor>> = {
    contiguous: () => spreadTensor([2, 4, 3], -1, 1),
    transposed: () => spreadTensor([2, 3, 4], -1, 1).transpose(1, 2),
    'with gaps': () => spreadTensor([2, 4, 6], -1, 1).slice(2, 0, 6, 2),
    'with others between': () => spreadTensor([4, 3, 2], -1, 1).permute([2, 0, 1]),
  };
  for (const [way, see] of Object.entries(ways))
    for (const [layout, make] of Object.entries(layouts))
      it(`a change of ${way} of one that is ${layout} changes what it does outside`, () => {
        const change = (x: Tensor): Tensor => {
          see(x).add_(100);
          return x.clone();
        };
        const [first, second] = [0, 1].map((k) => change(make().select(0, k)));
        const both = make();
        const x = both.select(0, 1);
        const [y, tangent] = jvp(change, [x], [x]);
        expectClose(y, second);
        expectClose(tangent, x);
        expectClose(grad((c: Tensor, t: Tensor) => change(t).mul(c).sum())(x, x), second);
        expectClose(vmap(change)(both).select(0, 0), first);
        expectClose(vmap((t: Tensor) => jvp(change, [t], [t])[0])(both).select(0, 1), second);
        expectClose(both, make());
      });
});
