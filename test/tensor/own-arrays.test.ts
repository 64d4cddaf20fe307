import { arange, empty, functional as F, full, ones, rand, randint, randn, type Tensor, tensor, zeros } from 'nabla';
import { describe, expect, it } from 'vitest';

/* Arrays that a caller hands over stay the caller's: other numbers written into them later change nothing. */

const x: Tensor = arange(24, { dtype: 'float32' });

const shaped: Readonly<Record<string, (shape: number[]) => Tensor>> = {
  zeros: (s) => zeros(s),
  ones: (s) => ones(s),
  full: (s) => full(s, 3),
  empty: (s) => empty(s),
  rand: (s) => rand(s),
  randn: (s) => randn(s),
  randint: (s) => randint(0, 5, s),
  'tensor of a typed array': (s) => tensor(new Float32Array(24), { shape: s }),
  'tensor of numbers': (s) => tensor(new Array(24).fill(1), { shape: s }),
  newZeros: (s) => x.newZeros(s),
  newOnes: (s) => x.newOnes(s),
  newFull: (s) => x.newFull(s, 3),
  newEmpty: (s) => x.newEmpty(s),
  reshape: (s) => x.reshape(s),
  view: (s) => x.view(s),
  unflatten: (s) => x.unflatten(0, s),
  expand: (s) => ones([1, 6]).expand(s) as Tensor,
  broadcastTo: (s) => ones([1, 6]).broadcastTo(s) as Tensor,
  sumToSize: (s) => ones([5, 4, 6]).sumToSize(s) as Tensor,
  resize_: (s) => x.clone().resize_(s) as Tensor,
  asStrided: (s) => x.asStrided(s, [6, 1]) as Tensor,
  repeat: (s) => ones([1, 1]).repeat(s) as Tensor,
  tile: (s) => ones([1, 1]).tile(s) as Tensor,
};

describe('a shape that is written over', () => {
  it.each(Object.entries(shaped))('%s', (_, f) => {
    const shape = [4, 6];
    const t = f(shape);
    const values = t.toTypedArray();
    shape[0] = 2;
    shape[1] = 1;
    expect(t.shape).toEqual([4, 6]);
    expect(t.toTypedArray()).toEqual(values);
  });
});

it('strides that are written over', () => {
  const strides = [6, 1];
  const t = x.asStrided([4, 6], strides);
  strides[0] = 1;
  expect(t.stride()).toEqual([6, 1]);
  expect(t.at(1, 0).item()).toBe(6);
});

it('dimensions, shifts and repeats that are written over before backward', () => {
  const calls: readonly ((t: Tensor, list: number[]) => Tensor)[] = [
    (t, d) => t.sum(d) as Tensor,
    (t, d) => t.flip(d),
    (t, d) => t.amax(d) as Tensor,
    (t, d) => t.roll([1], d),
    (t, d) => t.roll(d, [1]),
    (t, d) => t.permute([1, ...d]) as Tensor,
    (t, d) => t.logsumexp(d) as Tensor,
  ];
  for (const f of calls) {
    const gradient = (write: boolean): ArrayLike<number> => {
      const t = x.reshape([4, 6]).clone().requiresGrad_();
      const list = [0];
      const y = f(t, list);
      if (write) list[0] = 1;
      const weights = arange(y.numel(), { dtype: 'float32' }).reshape(y.shape as number[]);
      y.mul(weights).sum().backward();
      return (t.grad as Tensor).toTypedArray();
    };
    expect(gradient(true)).toEqual(gradient(false));
  }
});

describe('what windows are like, written over before backward', () => {
  const image = arange(72, { dtype: 'float32' }).reshape([1, 2, 6, 6]);
  const weight = arange(16, { dtype: 'float32' }).reshape([2, 2, 2, 2]);
  const calls: Readonly<Record<string, (t: Tensor, list: number[]) => Tensor>> = {
    stride: (t, stride) => F.conv2d(t, weight, null, { stride }) as Tensor,
    padding: (t, padding) => F.conv2d(t, weight, null, { padding }) as Tensor,
    dilation: (t, dilation) => F.conv2d(t, weight, null, { dilation }) as Tensor,
    'stride of a transposed one': (t, stride) => F.convTranspose2d(t, weight, null, { stride }) as Tensor,
    'padding of a transposed one': (t, padding) => F.convTranspose2d(t, weight, null, { padding }) as Tensor,
    'pooled windows': (t, size) => F.maxPool2d(t, size) as Tensor,
    'windows of means': (t, size) => F.avgPool2d(t, size) as Tensor,
    blocks: (t, size) => F.unfold(t, size) as Tensor,
    'unpooled size': (t, outputSize) => {
      const [y, places] = F.maxPool2d(t, 2, { returnIndices: true });
      return F.maxUnpool2d(y as Tensor, places as Tensor, 2, { outputSize }) as Tensor;
    },
  };
  it.each(Object.entries(calls))('%s', (name, f) => {
    const gradient = (write: boolean): ArrayLike<number> => {
      const t = image.clone().requiresGrad_();
      const list = name === 'unpooled size' ? [6, 7] : [1, 2];
      const y = f(t, list);
      if (write) list.reverse();
      const weights = arange(y.numel(), { dtype: 'float32' }).reshape(y.shape as number[]);
      y.mul(weights).sum().backward();
      return (t.grad as Tensor).toTypedArray();
    };
    expect(gradient(true)).toEqual(gradient(false));
  });
});
