/** Shapes of convolutions and poolings, for the compiler and at run time. */
import { functional as F, type Tensor, zeros } from 'nabla';
import { describe, it } from 'vitest';
import { compiled, is, shaped, wrong } from './expect.ts';

const n = 4 as number;
const u: Tensor = zeros([n, 3, 8, 8]);
const image = zeros([2, 3, 28, 30]);
const w = zeros([6, 3, 5, 3]);

describe('convolutions', () => {
  it('know their sizes', () => {
    shaped(F.conv2d(image, w), [2, 6, 24, 28]);
    shaped(F.conv2d(image, w, zeros([6])), [2, 6, 24, 28]);
    shaped(F.conv2d(image, w, null, { padding: [2, 1] }), [2, 6, 28, 30]);
    shaped(F.conv2d(image, w, null, { stride: 2, padding: 1 }), [2, 6, 13, 15]);
    shaped(F.conv2d(image, w, null, { dilation: [2, 1], stride: [1, 3] }), [2, 6, 20, 10]);
    shaped(F.conv2d(image, w, null, { padding: 'same' }), [2, 6, 28, 30]);
    shaped(F.conv2d(zeros([3, 28, 30]), w), [6, 24, 28]);
    shaped(F.conv2d(image, zeros([9, 1, 1, 1]), null, { groups: 3 }), [2, 9, 28, 30]);
    shaped(F.conv1d(zeros([3, 100]), zeros([5, 3, 10]), null, { stride: [4] }), [5, 23]);
    shaped(F.conv3d(zeros([1, 2, 4, 5, 6]), zeros([3, 2, 1, 2, 3])), [1, 3, 4, 4, 4]);
    shaped(F.convTranspose2d(image, zeros([3, 6, 4, 2]), null, { stride: 2, padding: 1 }), [2, 6, 56, 58]);
    shaped(F.convTranspose1d(zeros([2, 4]), zeros([2, 3, 3]), null, { groups: 2, dilation: 2 }), [6, 8]);
  });

  it('leave open what is not known', () => {
    is<Tensor<[number, 6, 24, 28]>>()(F.conv2d(zeros([n, 3, 28, 30]), w));
    is<Tensor<[2, number, 24, 28]>>()(F.conv2d(image, zeros([n, 3, 5, 3])));
    is<Tensor<[2, 6, number, 28]>>()(F.conv2d(zeros([2, 3, n + 4, 30]), w));
    is<Tensor>()(F.conv2d(u, w));
    const stride = 2 as number;
    is<Tensor<[2, 6, number, number]>>()(F.conv2d(image, w, null, { stride }));
  });

  it('refuse mistakes', () => {
    // @ts-expect-error
    wrong(() => F.conv2d(image, zeros([6, 4, 5, 3])));
    // @ts-expect-error
    wrong(() => F.conv2d(zeros([3, 4, 2]), w));
    // @ts-expect-error
    wrong(() => F.conv2d(zeros([3, 28]), w));
    // @ts-expect-error
    wrong(() => F.conv2d(image, zeros([6, 3, 5])));
    // @ts-expect-error
    wrong(() => F.conv2d(image, w, zeros([5])));
    // @ts-expect-error
    wrong(() => F.conv2d(image, w, null, { padding: 'full' }));
    // @ts-expect-error
    wrong(() => F.convTranspose2d(image, w));
    // @ts-expect-error
    compiled(() => F.conv2d(image));
  });
});

describe('poolings', () => {
  it('know their sizes', () => {
    shaped(F.maxPool2d(image, 2), [2, 3, 14, 15]);
    shaped(F.maxPool2d(image, [4, 3], { stride: 2, padding: 1 }), [2, 3, 14, 15]);
    shaped(F.avgPool2d(zeros([3, 28, 30]), 3, { stride: [1, 3] }), [3, 26, 10]);
    shaped(F.maxPool1d(zeros([3, 9]), 3, { dilation: 2, stride: 1 }), [3, 5]);
    shaped(F.avgPool3d(zeros([1, 2, 4, 5, 6]), [1, 2, 3]), [1, 2, 4, 2, 2]);
    shaped(F.adaptiveAvgPool2d(image, 7), [2, 3, 7, 7]);
    shaped(F.adaptiveAvgPool2d(image, [null, 5]), [2, 3, 28, 5]);
    const [values, indices] = F.maxPool2d(image, 2, { returnIndices: true });
    shaped(values, [2, 3, 14, 15]);
    shaped(indices, [2, 3, 14, 15]);
    shaped(F.adaptiveMaxPool1d(zeros([3, 9]), 4, { returnIndices: true })[1], [3, 4]);
  });

  it('leave open what is not known', () => {
    is<Tensor<[2, 3, number, number]>>()(F.maxPool2d(image, 3, { ceilMode: true }));
    is<Tensor<[number, 3, 14, 15]>>()(F.maxPool2d(zeros([n, 3, 28, 30]), 2));
    is<Tensor>()(F.maxPool2d(u, 2));
  });

  it('refuse mistakes', () => {
    // @ts-expect-error
    wrong(() => F.maxPool2d(zeros([3, 4, 4]), 5));
    // @ts-expect-error
    wrong(() => F.avgPool2d(zeros([4, 4]), 2));
    // @ts-expect-error
    wrong(() => F.adaptiveAvgPool2d(zeros([4, 4]), 2));
  });
});

describe('blocks, sizes and places', () => {
  it('know their sizes', () => {
    shaped(F.unfold(image, [3, 2]), [2, 18, 754]);
    shaped(F.fold(zeros([2, 12, 27]), [4, 10], 2), [2, 3, 4, 10]);
    shaped(F.interpolate(image, { size: [7, 9] }), [2, 3, 7, 9]);
    shaped(F.interpolate(image, { scaleFactor: 2, mode: 'bilinear' }), [2, 3, 56, 60]);
    shaped(F.upsampleNearest(zeros([1, 2, 3, 4, 5]), { size: 2 }), [1, 2, 2, 2, 2]);
    shaped(F.gridSample(image, zeros([2, 5, 6, 2])), [2, 3, 5, 6]);
  });

  it('leave open what is not known', () => {
    is<Tensor<[2, 3, number, number]>>()(F.interpolate(image, { scaleFactor: 1.5 }));
    is<Tensor<[number, 18, 754]>>()(F.unfold(zeros([n, 3, 28, 30]), [3, 2]));
  });

  it('refuse mistakes', () => {
    // @ts-expect-error
    wrong(() => F.unfold(zeros([3, 4, 4]), 5));
    // @ts-expect-error
    wrong(() => F.gridSample(image, zeros([1, 5, 6, 2])));
    // @ts-expect-error
    wrong(() => F.gridSample(image, zeros([2, 5, 6, 3])));
    // @ts-expect-error
    wrong(() => F.interpolate(zeros([3, 4]), { size: 2 }));
  });
});
