/** A few kernels of every kind, with the work they cannot do without, and what bounds them. */
import { eye, functional as F, linalg, randint, randn, type Tensor } from 'nabla';
import type { Arithmetic, Stream } from './loops.ts';

export interface Kind {
  readonly kind: string;
  readonly what: string;
  /** Bytes that must be read or written, with the loop that moves as many arrays of `n` elements. */
  readonly moves?: { readonly bytes: number; readonly as: Stream; readonly n: number };
  /** Floating point operations by the definition. */
  readonly flops?: number;
  readonly by?: Arithmetic;
  setup(): () => unknown;
}

const CACHED = 2 ** 16;
const LARGE = 10_000_000;
const size = (n: number): string => (n === CACHED ? 'in cache' : 'in memory');
const sizes = [CACHED, LARGE] as const;

const inPlace = (what: string, streams: 2 | 3, f: (x: Tensor, y: Tensor) => unknown): Kind[] =>
  sizes.map((n) => ({
    kind: 'map',
    what: `${what}, ${size(n)}`,
    moves: { bytes: streams * 4 * n, as: streams === 3 ? 'add' : 'copy', n },
    setup: () => {
      const [x, y] = [randn([n]), randn([n]).mul(1e-9)];
      return () => f(x, y);
    },
  }));

const over = (kind: string, what: string, as: Stream, streams: number, f: (x: Tensor) => unknown): Kind[] =>
  sizes.map((n) => ({
    kind,
    what: `${what}, ${size(n)}`,
    moves: { bytes: streams * 4 * n, as, n },
    setup: () => {
      const x = randn([n]);
      return () => f(x);
    },
  }));

const rows = (x: Tensor): Tensor => x.view([-1, 64]);

const products = (
  [
    ['float32', 512, 'f32 madd'],
    ['float32', 2048, 'f32 madd'],
    ['float64', 512, 'f64 madd'],
    ['float64', 2048, 'f64 madd'],
  ] as const
).map(
  ([dtype, n, by]): Kind => ({
    kind: 'product',
    what: `${n} × ${n}, ${dtype}`,
    flops: 2 * n ** 3,
    by,
    setup: () => {
      const [a, b] = [randn([n, n], { dtype }), randn([n, n], { dtype })];
      return () => a.matmul(b);
    },
  }),
);

const convolution = (what: string, images: number, channels: number, side: number, taps: number): Kind => ({
  kind: 'convolution',
  what,
  flops: 2 * images * channels ** 2 * side ** 2 * taps ** 2,
  by: 'f32 madd',
  setup: () => {
    const x: Tensor = randn([images, channels, side, side]);
    const w: Tensor = randn([channels, channels, taps, taps]);
    return () => F.conv2d(x, w, null, { padding: (taps - 1) / 2 });
  },
});

const positive = (n: number): Tensor => {
  const a: Tensor = randn([n, n]);
  return a.matmul(a.T).add(eye(n).mul(n));
};

const routine = (what: string, n: number, flops: number, f: (a: Tensor) => unknown): Kind => ({
  kind: 'routine',
  what: `${what}, ${n} × ${n}`,
  flops,
  by: 'f32 mul, add',
  setup: () => {
    const a = positive(n);
    return () => f(a);
  },
});

export const kinds: readonly Kind[] = [
  ...inPlace('x += y', 3, (x, y) => x.add_(y)),
  ...inPlace('x ← −x', 2, (x) => x.neg_()),
  ...inPlace('x ← tanh x', 2, (x) => x.tanh_()),
  ...over('map', 'new x + 1', 'copy', 2, (x) => x.add(1)),
  ...over('reduce', 'sum', 'read', 1, (x) => x.sum()),
  ...over('reduce', 'max', 'read', 1, (x) => x.max()),
  ...over('reduce', 'sums of rows of 64', 'read', 1, (x) => rows(x).sum(1)),
  ...over('reduce', 'sums of 64 columns', 'read', 1, (x) => rows(x).sum(0)),
  ...over('reduce', 'softmax of rows of 64', 'copy', 2, (x) => rows(x).softmax(1)),
  ...over('scan', 'cumsum', 'copy', 2, (x) => x.cumsum(0)),
  ...over('move', 'copy of a transpose', 'copy', 2, (x) => rows(x).T.contiguous()),
  ...over('move', 'flip', 'copy', 2, (x) => x.flip([0])),
  ...sizes.map(
    (n): Kind => ({
      kind: 'gather',
      what: `elements in random order, ${size(n)}`,
      moves: { bytes: 3 * 4 * n, as: 'add', n },
      setup: () => {
        const x = randn([n]);
        const index: Tensor = randint(0, n, [n], { dtype: 'int32' });
        return () => x.indexSelect(0, index);
      },
    }),
  ),
  ...sizes.map(
    (n): Kind => ({
      kind: 'scatter',
      what: `elements added in random order, ${size(n)}`,
      moves: { bytes: 4 * 4 * n, as: 'add', n },
      setup: () => {
        const [x, to] = [randn([n]), randn([n])];
        const index: Tensor = randint(0, n, [n], { dtype: 'int32' });
        return () => to.indexAdd_(0, index, x);
      },
    }),
  ),
  {
    kind: 'sort',
    what: '1M float32',
    moves: { bytes: 2 * 4 * 1e6, as: 'copy', n: 1e6 },
    setup: () => {
      const x = randn([1_000_000]);
      return () => x.sort(0);
    },
  },
  ...products,
  convolution('3 × 3, 64 channels, 56 × 56', 4, 64, 56, 3),
  convolution('5 × 5, 64 channels, 28 × 28', 4, 64, 28, 5),
  convolution('1 × 1, 256 channels, 14 × 14', 16, 256, 14, 1),
  ...(['maxPool2d', 'avgPool2d'] as const).map(
    (name): Kind => ({
      kind: 'pool',
      what: `${name} 2 × 2, 64 channels, 56 × 56`,
      moves: { bytes: 1.25 * 4 * 8 * 64 * 56 * 56, as: 'copy', n: 8 * 64 * 56 * 56 },
      setup: () => {
        const x: Tensor = randn([8, 64, 56, 56]);
        return () => (name === 'maxPool2d' ? F.maxPool2d(x, 2) : F.avgPool2d(x, 2));
      },
    }),
  ),
  routine('Cholesky', 512, 512 ** 3 / 3, (a) => linalg.cholesky(a)),
  routine('LU', 512, (2 * 512 ** 3) / 3, (a) => linalg.luFactor(a)),
  routine('QR', 256, (8 * 256 ** 3) / 3, (a) => linalg.qr(a)),
  routine('eigenvalues of a symmetric matrix', 256, 9 * 256 ** 3, (a) => linalg.eigh(a)),
];
