/**
 * Gradients of the parts of a tensor may be written where they belong in the gradient of the whole. Nobody may be able
 * to tell: here the same gradients are made beside it, where hooks on the parts keep each of them a tensor by itself.
 */
import { autograd, elementwise, functional as F, type Scalar, stack, type Tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';
import { spreadTensor } from '../support/numbers.ts';

type Seen = (part: Tensor) => Tensor;

const [LENGTH, BATCH, SIZE] = [5, 3, 4];

const cell = elementwise((i: Scalar, f: Scalar, g: Scalar, c: Scalar) => {
  const next = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
  return [next.tanh(), next] as const;
}, 'cellOfRooms');
const product = elementwise((a: Scalar, b: Scalar, c: Scalar) => a.mul(b).mul(c.sin()), 'productOfRooms');
const hidden = elementwise((a: Scalar, b: Scalar, c: Scalar) => [a.sin().mul(b), c.exp()] as const, 'twoOfRooms');

interface Leaves {
  readonly x: Tensor;
  readonly wx: Tensor;
  readonly wh: Tensor;
}

const leaf = (shape: readonly number[], seed: number, dtype: 'float32' | 'float64'): Tensor =>
  spreadTensor(shape, -1, 1, seed).to(dtype).detach().requiresGrad_();

const leaves = (dtype: 'float32' | 'float64' = 'float32'): Leaves => ({
  x: leaf([LENGTH, BATCH, SIZE], 1, dtype),
  wx: leaf([3 * SIZE, SIZE], 2, dtype),
  wh: leaf([3 * SIZE, SIZE], 3, dtype),
});

type Three = [Tensor, Tensor, Tensor];

function recurrent({ x, wx, wh }: Leaves, seen: Seen, times = 1): Tensor {
  let h: Tensor = zeros([BATCH, SIZE], { dtype: x.dtype });
  let c: Tensor = h;
  const states: Tensor[] = [];
  for (const gates of F.linear(x, wx, zeros([3 * SIZE], { dtype: x.dtype }))
    .unbind(0)
    .map(seen)) {
    for (let k = 0; k < times; k++) {
      const [i, f, g] = gates.addmm(h, wh.t()).chunk(3, 1).map(seen) as Three;
      [h, c] = cell(i, f, g, c);
      states.push(h);
    }
  }
  return stack(states).square().sum();
}

const programs: Readonly<Record<string, (l: Leaves, seen: Seen) => Tensor>> = {
  'of a recurrence': (l, seen) => recurrent(l, seen),
  'of a recurrence that uses every part twice': (l, seen) => recurrent(l, seen, 2),
  'of what is taken apart itself': ({ x }, seen) => {
    const [a, b, c, d, e] = x.unbind(0).map(seen) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    return product(a, b, c)
      .add(product(c, d, e))
      .sum();
  },
  'of which some are not used': ({ x }, seen) => {
    const [a, b, c] = x.unbind(1).map(seen) as Three;
    return product(a, b, 2)
      .sum()
      .add(c.sum().mul(0))
      .add(x.unbind(0).map(seen)[1]?.sum() as Tensor);
  },
  'of splits of splits': ({ wx }, seen) => {
    const [a, b] = wx.split([4, 8]).map(seen) as [Tensor, Tensor];
    const [c, d] = b.chunk(2).map(seen) as [Tensor, Tensor];
    return product(a, c, d).sum();
  },
  'of parts that are broadcast': ({ x, wx }, seen) => {
    const [a, b] = wx.split([1, 11]).map(seen) as [Tensor, Tensor];
    return product(a, x, x.mul(2)).sum().add(b.sum());
  },
  'of functions of several results': ({ x }, seen) => {
    const [a, b, c] = x.unbind(1).map(seen) as Three;
    const [u, v] = hidden(a, b, c);
    return u.mul(v).sum();
  },
  'of one part': ({ wx }, seen) => {
    const [a] = wx.chunk(1).map(seen) as [Tensor];
    return product(a, a, a).sum().add(a.sum());
  },
};

const parameters = ({ x, wx, wh }: Leaves): Tensor[] => [x, wx, wh];
const numbers = (list: readonly (Tensor | null)[]): unknown[] => list.map((g) => g?.toArray() ?? null);

/** Each part by itself, and everything else as it is. */
const apart: Seen = (part) => {
  part.registerHook(() => undefined);
  return part;
};

describe.each(Object.entries(programs))('gradients %s', (_, program) => {
  it.each(['float32', 'float64'] as const)('are what they are apart, in %s', (dtype) => {
    const [together, others] = [leaves(dtype), leaves(dtype)];
    for (let pass = 0; pass < 2; pass++) {
      program(together, (part) => part).backward();
      program(others, apart).backward();
    }
    expect(numbers(parameters(together).map((p) => p.grad))).toEqual(numbers(parameters(others).map((p) => p.grad)));
  });

  it('are those of a pass that is recorded', () => {
    const l = leaves();
    const given = parameters(l);
    const options = { allowUnused: true };
    const plain = autograd.grad(
      program(l, (part) => part),
      given,
      options,
    );
    const recorded = autograd.grad(
      program(l, (part) => part),
      given,
      { ...options, createGraph: true },
    );
    expect(numbers(plain)).toEqual(numbers(recorded));
  });
});

describe('gradients of parts that somebody asks for', () => {
  it('share no memory with those of the whole', () => {
    const { x } = leaves();
    const parts = x.unbind(0);
    const [a, b, c, d, e] = parts as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const loss = product(a, b, c)
      .add(product(c, d, e))
      .sum();
    const [gx, ga, gd] = autograd.grad(loss, [x, a, d]) as Three;
    const before = gx.toArray();
    ga.zero_();
    gd.add_(1);
    expect(gx.toArray()).toEqual(before);
  });

  it('are kept by themselves where they are retained', () => {
    const { x } = leaves();
    const [a, b, c] = x.unbind(1) as Three;
    b.retainGrad();
    product(a, b, c).sum().backward();
    const [whole, part] = [x.grad as Tensor, b.grad as Tensor];
    const before = whole.toArray();
    expect(part.toArray()).toEqual(whole.select(1, 1).toArray());
    part.zero_();
    expect(whole.toArray()).toEqual(before);
  });

  it('are freed, and made again, when a pass ends early', () => {
    const { x } = leaves();
    const [a, b, c] = x.unbind(1) as Three;
    const early = c.mul(1);
    let fails = true;
    early.registerHook(() => {
      if (fails) throw new Error('enough');
    });
    const loss = product(a, b, early)
      .sum()
      .add(product(a, b, 1).sum());
    expect(() => loss.backward({ retainGraph: true })).toThrow('enough');
    fails = false;
    loss.backward();
    const other = leaves().x;
    const [u, v, w] = other.unbind(1) as Three;
    product(u, v, w)
      .sum()
      .add(product(u, v, 1).sum())
      .backward();
    expect(x.grad?.toArray()).toEqual(other.grad?.toArray());
  });
});
