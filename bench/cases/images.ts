/** Convolutions and poolings, forward and backward, at sizes that a ResNet has for a batch of eight. */
import { functional as F, randn, type Tensor } from 'nabla';
import { type Case, ofPyTorch, onTwoThreads } from '../case.ts';

const BATCH = 8;

interface Layer {
  readonly name: string;
  readonly channels: readonly [inputs: number, outputs: number];
  readonly side: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
  /** The first layer's images need no gradient. */
  readonly first?: boolean;
}

const square = (channels: number, side: number): Layer => ({
  name: `conv2d 3×3, ${channels} channels, ${side}×${side}`,
  channels: [channels, channels],
  side,
  kernel: 3,
});

const LAYERS: readonly Layer[] = [
  square(64, 56),
  square(128, 28),
  square(256, 14),
  {
    name: 'conv2d 7×7 stride 2, 3 to 64 channels, 224×224',
    channels: [3, 64],
    side: 224,
    kernel: 7,
    stride: 2,
    first: true,
  },
  { name: 'conv2d 3×3 stride 2, 128 channels, 56×56', channels: [128, 128], side: 56, kernel: 3, stride: 2 },
  { name: 'conv2d 1×1, 256 channels, 14×14', channels: [256, 256], side: 14, kernel: 1 },
  { name: 'conv2d 3×3 depthwise, 144 channels, 56×56', channels: [144, 144], side: 56, kernel: 3, groups: 144 },
];

const convolutions: readonly Case[] = LAYERS.map((layer): Case => {
  const { name, channels, side, kernel, stride = 1, groups = 1, first = false } = layer;
  const [inputs, outputs] = channels;
  const places = (side / stride) ** 2;
  return {
    name: `${name}, forward + backward`,
    unit: 'GFLOP/s',
    // Forward, and the gradients of the images and of the weights.
    work: (first ? 2 : 3) * 2 * BATCH * places * outputs * (inputs / groups) * kernel ** 2,
    minCalls: 3,
    goals: [ofPyTorch(1.2)],
    setup: () => {
      const x: Tensor = randn([BATCH, inputs, side, side], { requiresGrad: !first });
      const w: Tensor = randn([outputs, inputs / groups, kernel, kernel], { requiresGrad: true });
      const g: Tensor = randn([BATCH, outputs, side / stride, side / stride]);
      return () => {
        const y: Tensor = F.conv2d(x, w, null, { padding: (kernel - 1) / 2, stride, groups });
        y.backward({ gradient: g });
        x.grad = null;
        w.grad = null;
      };
    },
  };
});

const pools: Readonly<Record<string, (x: Tensor) => Tensor>> = {
  'maxPool2d 2×2': (x) => F.maxPool2d(x, 2),
  'avgPool2d 2×2': (x) => F.avgPool2d(x, 2),
  'maxPool2d 3×3 stride 2': (x) => F.maxPool2d(x, 3, { stride: 2, padding: 1 }),
  'avgPool2d 3×3 stride 2': (x) => F.avgPool2d(x, 3, { stride: 2, padding: 1 }),
};

const poolings: readonly Case[] = Object.entries(pools).map(
  ([name, pool]): Case => ({
    name: `${name}, 64 channels, 56×56, forward + backward`,
    unit: 'G elements/s',
    work: BATCH * 64 * 56 ** 2,
    goals: [ofPyTorch(1.2)],
    setup: () => {
      const x: Tensor = randn([BATCH, 64, 56, 56], { requiresGrad: true });
      const g: Tensor = randn([BATCH, 64, 28, 28]);
      return () => {
        pool(x).backward({ gradient: g });
        x.grad = null;
      };
    },
  }),
);

export const images: readonly Case[] = [...convolutions, ...poolings, ...onTwoThreads(convolutions)];
