import fc from 'fast-check';
import { type DType, functional, randint, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';

/* Convolutions of small integers, which are exact, whatever way images and weights lie in memory. */

interface Options {
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  readonly groups: number;
}

type Images = number[][][][];

/** The definition, element by element. */
function byDefinition(x: Tensor, w: Tensor, { stride, padding, dilation, groups }: Options): Tensor {
  const [, channels, height, width] = x.shape;
  const [outChannels, some, kh, kw] = w.shape;
  const [images, weights] = [x.toArray() as Images, w.toArray() as Images];
  const places = (n: number, k: number): number[] =>
    Array.from({ length: Math.floor((n + 2 * padding - dilation * (k - 1) - 1) / stride) + 1 }, (_, i) => i);
  const perGroup = outChannels / groups;
  const out = images.map((image) =>
    weights.map((weight, o) =>
      places(height, kh).map((p) =>
        places(width, kw).map((q) => {
          let sum = 0;
          for (let c = 0; c < some; c++)
            for (let u = 0; u < kh; u++)
              for (let v = 0; v < kw; v++) {
                const channel = image[Math.floor(o / perGroup) * (channels / groups) + c];
                sum +=
                  (channel[p * stride - padding + u * dilation]?.[q * stride - padding + v * dilation] ?? 0) *
                  weight[c][u][v];
              }
          return sum;
        }),
      ),
    ),
  );
  return tensor(out, { dtype: x.dtype });
}

const layouts: readonly ((shape: readonly number[], dtype: DType) => Tensor)[] = [
  (shape, dtype) => randint(-4, 5, shape, { dtype }),
  ([n, c, h, w], dtype) => randint(-4, 5, [n, c, w, h], { dtype }).transpose(2, 3),
  ([n, c, h, w], dtype) => randint(-4, 5, [n, h, w, c], { dtype }).permute([0, 3, 1, 2]),
  ([n, c, h, w], dtype) => randint(-4, 5, [c, n, h, w], { dtype }).transpose(0, 1),
  ([n, c, h, w], dtype) =>
    randint(-4, 5, [n, c, h, 2 * w], { dtype })
      .unfold(3, 1, 2)
      .squeeze(4),
];

const small = (most: number): fc.Arbitrary<number> => fc.integer({ min: 1, max: most });

const cases = fc.record({
  dtype: fc.constantFrom<DType>('float32', 'float64'),
  images: small(3),
  channels: small(5),
  perChannel: small(3),
  depthwise: fc.boolean(),
  size: fc.tuple(small(6), small(21)),
  kernel: fc.tuple(small(3), small(3)),
  stride: small(3),
  padding: fc.integer({ min: 0, max: 1 }),
  dilation: small(2),
  layout: fc.tuple(fc.nat(layouts.length - 1), fc.nat(layouts.length - 1), fc.nat(layouts.length - 1)),
});

const inner = (a: Tensor, b: Tensor): number => a.mul(b).sum().item();

describe('convolutions, however their operands lie', () => {
  it('are what the definition says, and so are their gradients', () => {
    fc.assert(
      fc.property(cases, ({ dtype, images, channels, perChannel, depthwise, size, kernel, layout, ...sizes }) => {
        const groups = depthwise ? channels : 1;
        const options = { ...sizes, groups };
        const { stride, padding, dilation } = sizes;
        fc.pre(size.every((n, d) => n + 2 * padding - dilation * (kernel[d] - 1) >= 1));
        const xShape = [images, channels, ...size];
        const wShape = [groups * perChannel, channels / groups, ...kernel];
        const x = layouts[layout[0]](xShape, dtype).requiresGrad_();
        const w = layouts[layout[1]](wShape, dtype).requiresGrad_();
        const y = functional.conv2d(x, w, null, options);
        expect(y.detach().toArray()).toEqual(byDefinition(x.detach(), w.detach(), options).toArray());
        const places = size.map((n, d) => Math.floor((n + 2 * padding - dilation * (kernel[d] - 1) - 1) / stride) + 1);
        const g = layouts[layout[2]]([images, groups * perChannel, ...places], dtype);
        y.backward({ gradient: g });
        // A convolution is linear in either operand: ⟨x̄, ẋ⟩ = ⟨ȳ, conv(ẋ, w)⟩.
        const tx = layouts[0](xShape, dtype);
        const tw = layouts[0](wShape, dtype);
        expect(inner(x.grad as Tensor, tx)).toBe(inner(g, byDefinition(tx, w.detach(), options)));
        expect(inner(w.grad as Tensor, tw)).toBe(inner(g, byDefinition(x.detach(), tw, options)));
      }),
      { numRuns: 600, seed: 20 },
    );
  });
});
