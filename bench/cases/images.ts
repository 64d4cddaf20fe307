/** Convolutions and poolings, forward and backward, at sizes that a ResNet has for a batch of eight. */
import { functional as F, randn, type Tensor } from 'nabla';
import { type Case, onThreads } from '../case.ts';

const BATCH = 8;
const LAYERS = [
  [64, 56],
  [128, 28],
  [256, 14],
] as const;

const convolutions: readonly Case[] = LAYERS.map(
  ([channels, side]): Case => ({
    name: `conv2d 3×3, ${channels} channels, ${side}×${side}, forward + backward`,
    unit: 'GFLOP/s',
    // Forward, and the gradients of the images and of the weights.
    work: 3 * 2 * 9 * BATCH * channels ** 2 * side ** 2,
    minCalls: 3,
    setup: () => {
      const x: Tensor = randn([BATCH, channels, side, side], { requiresGrad: true });
      const w: Tensor = randn([channels, channels, 3, 3], { requiresGrad: true });
      const g: Tensor = randn([BATCH, channels, side, side]);
      return () => {
        F.conv2d(x, w, null, { padding: 1 }).backward({ gradient: g });
        x.grad = null;
        w.grad = null;
      };
    },
  }),
);

const pools = {
  maxPool2d: (x: Tensor): Tensor => F.maxPool2d(x, 2),
  avgPool2d: (x: Tensor): Tensor => F.avgPool2d(x, 2),
};

const poolings: readonly Case[] = Object.entries(pools).map(
  ([name, pool]): Case => ({
    name: `${name} 2×2, 64 channels, 56×56, forward + backward`,
    unit: 'G elements/s',
    work: BATCH * 64 * 56 ** 2,
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

export const images: readonly Case[] = [...convolutions, ...poolings, ...onThreads(2, convolutions)];
