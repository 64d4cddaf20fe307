import { functional as F, type Tensor, tensor } from 'nabla';
import { Taps } from '../../../src/kernels/taps.ts';
import type { ConvAttrs } from '../../../src/ops/conv.ts';
import type { Shape } from '../../support/numbers.ts';
import { inner, type Sample, sample, x } from './sample.ts';

interface Case {
  readonly label: string;
  readonly input: Shape;
  readonly weight: Shape;
  readonly bias?: number;
  readonly options?: F.ConvOptions | F.ConvTransposeOptions;
}

type Convolution = (x: Tensor, w: Tensor, b: Tensor | null, options?: never) => Tensor;

const of =
  (f: Convolution) =>
  ({ label, input, weight, bias, options }: Case): Sample => {
    const xs = [x(input), x(weight, 2), ...(bias === undefined ? [] : [x([bias], 3)])];
    return sample(label, xs, (a, w, b) => f(a, w, b ?? null, options as never));
  };

const one = of(F.conv1d as Convolution);
const two = of(F.conv2d as Convolution);
const three = of(F.conv3d as Convolution);
const oneBack = of(F.convTranspose1d as Convolution);
const twoBack = of(F.convTranspose2d as Convolution);
const threeBack = of(F.convTranspose3d as Convolution);

const forward: readonly Sample[] = [
  one({ label: '1d', input: [2, 3, 5], weight: [2, 3, 2] }),
  one({ label: '1d without a batch', input: [2, 4], weight: [3, 2, 3], bias: 3, options: { padding: 'same' } }),
  two({
    label: '2d',
    input: [2, 2, 4, 3],
    weight: [3, 2, 2, 3],
    bias: 3,
    options: { padding: [1, 0], stride: [2, 1] },
  }),
  two({ label: 'an even window, same sizes', input: [1, 1, 3, 4], weight: [2, 1, 2, 4], options: { padding: 'same' } }),
  two({
    label: 'groups',
    input: [1, 4, 3, 3],
    weight: [6, 2, 2, 2],
    bias: 6,
    options: { groups: 2, dilation: [1, 2] },
  }),
  two({ label: 'depthwise', input: [1, 2, 3, 3], weight: [2, 1, 2, 2], options: { groups: 2 } }),
  two({ label: 'no examples', input: [0, 2, 3, 3], weight: [1, 2, 2, 2], bias: 1 }),
  three({ label: '3d', input: [1, 1, 2, 3, 3], weight: [2, 1, 2, 1, 2], bias: 2, options: { padding: [0, 1, 0] } }),
];

const transposed: readonly Sample[] = [
  oneBack({ label: '1d', input: [2, 2, 3], weight: [2, 3, 2], options: { stride: 2 } }),
  oneBack({ label: '1d without a batch', input: [2, 3], weight: [2, 2, 3], bias: 2, options: { padding: 1 } }),
  twoBack({
    label: '2d',
    input: [2, 2, 2, 3],
    weight: [2, 3, 3, 2],
    bias: 3,
    options: { stride: [2, 3], padding: [1, 0], outputPadding: [1, 2] },
  }),
  twoBack({ label: 'groups', input: [1, 4, 2, 2], weight: [4, 2, 2, 2], bias: 4, options: { groups: 2, dilation: 2 } }),
  twoBack({ label: 'no examples', input: [0, 2, 2, 2], weight: [2, 1, 2, 2] }),
  threeBack({ label: '3d', input: [1, 2, 2, 1, 2], weight: [2, 1, 1, 2, 2], bias: 1, options: { stride: [1, 2, 2] } }),
];

/** The gradient by the weights, of input and cotangent. */
const byWeight = (label: string, input: Shape, output: Shape, attrs: ConvAttrs): Sample =>
  sample(label, [x(input), x(output, 2)], inner('convolutionWeight', attrs));

const plain = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };

const weights: readonly Sample[] = [
  byWeight('2d', [2, 2, 4, 3], [2, 3, 2, 2], {
    ...plain,
    stride: [2, 1],
    padding: [1, 0],
    input: [4, 3],
    kernel: [3, 2],
    output: [2, 2],
  }),
  byWeight('groups', [1, 4, 3, 3], [1, 2, 2, 2], {
    ...plain,
    groups: 2,
    input: [3, 3],
    kernel: [2, 2],
    output: [2, 2],
  }),
  byWeight('1d', [2, 1, 4], [2, 2, 3], {
    stride: [1],
    padding: [0],
    dilation: [1],
    groups: 1,
    input: [4],
    kernel: [2],
    output: [3],
  }),
];

const places = (values: readonly number[], shape: Shape): Tensor => tensor(Int32Array.from(values), { shape });

const maxima: readonly Sample[] = [
  sample('1d', [x([2, 1, 7])], (t) => F.maxPool1d(t, 3, { stride: 2, padding: 1, returnIndices: true })),
  sample('2d', [x([1, 2, 4, 5])], (t) => F.maxPool2d(t, [2, 3], { stride: [1, 2], dilation: [2, 1] })),
  sample(
    '2d, windows over the end',
    [x([2, 3, 4])],
    (t) => F.maxPool2d(t, 2, { ceilMode: true, padding: 1 }) as Tensor,
  ),
  sample('3d', [x([1, 1, 2, 3, 4])], (t) => F.maxPool3d(t, [1, 2, 2], { returnIndices: true }) as readonly Tensor[]),
  sample('of as many windows', [x([1, 2, 3, 5])], (t) => F.adaptiveMaxPool2d(t, [2, 3])),
  sample('no examples', [x([0, 2, 3, 3])], (t) => F.maxPool2d(t, 2)),
];

const unpooled: readonly Sample[] = [
  sample('1d', [x([1, 2, 2]), places([0, 3, 2, 1], [1, 2, 2])], (t, i) => F.maxUnpool1d(t, i, 2)),
  sample('2d', [x([2, 1, 2]), places([4, 1, 0, 5], [2, 1, 2])], (t, i) =>
    F.maxUnpool2d(t, i, [2, 1], { outputSize: [2, 3], stride: 2 }),
  ),
  sample('sums', [x([1, 1, 3]), places([2, 0, 2], [1, 1, 3])], inner('maxUnpool', { size: [4], adds: true })),
  sample('nothing', [x([0, 1, 2]), places([], [0, 1, 2])], (t, i) => F.maxUnpool1d(t, i, 2)),
];

/** Weights from 3 to 4, with an input that is taken twice, an output without any, and one that is taken by none. */
const taps = Taps.of(3, [
  [
    [0, 0.5],
    [2, -1],
  ],
  [],
  [
    [2, 1],
    [2, 0.25],
  ],
  [[0, 3]],
]);

const weighted: readonly Sample[] = [
  sample('the last dimension', [x([2, 3])], inner('resample', { op: 'resample', steps: [{ dim: 1, taps }] })),
  sample('the first dimension', [x([3, 2])], inner('resample', { op: 'resample', steps: [{ dim: 0, taps }] })),
  sample('in the middle', [x([2, 3, 5])], inner('resample', { op: 'resample', steps: [{ dim: 1, taps }] })),
  sample(
    'two dimensions, divided',
    [x([3, 2, 3])],
    inner('resample', {
      op: 'resample',
      steps: [
        { dim: 2, taps: Taps.ofWindows(3, [0, 1], [2, 2], [2, 3]) },
        { dim: 0, taps: Taps.ofWindows(3, [0, 2], [1, 1], 7) },
      ],
    }),
  ),
  sample('of nothing', [x([0, 3])], inner('resample', { op: 'resample', steps: [{ dim: 1, taps }] })),
  sample('means', [x([1, 2, 4, 5])], (t) => F.avgPool2d(t, [2, 3], { stride: [1, 2], padding: 1 })),
  sample('means without zeros', [x([2, 7])], (t) => F.avgPool1d(t, 3, { padding: 1, countIncludePad: false })),
  sample('means of as many windows', [x([1, 3, 5])], (t) => F.adaptiveAvgPool2d(t, [2, 3])),
];

const blended: readonly Sample[] = [
  sample(
    'some planes',
    [x([2, 2, 3]), places([2, 0, -1, 0, 1, 1, -5, 2, 2, 1, 0, 2, 2, 2, 1, 0, 1, -1, 2, 0], [2, 2, 5]), x([2, 2, 5], 2)],
    inner('blend', undefined),
  ),
  sample(
    'fewer places than lanes',
    [x([1, 3, 2]), places([1, -1, 0], [1, 3, 1]), x([1, 3, 1], 2)],
    inner('blend', undefined),
  ),
  sample('of nothing', [x([2, 0, 2]), places([0, 1, 1, -1], [2, 1, 2]), x([2, 1, 2], 2)], inner('blend', undefined)),
  sample('nowhere', [x([1, 2, 2]), places([], [1, 2, 0]), x([1, 2, 0], 2)], inner('blend', undefined)),
];

const blocks: readonly Sample[] = [
  sample('blocks', [x([2, 2, 3, 4])], (t) => F.unfold(t, [2, 3])),
  sample('blocks apart, over the edge', [x([1, 4, 3])], (t) => F.unfold(t, 2, { padding: [1, 0], stride: [2, 1] })),
  sample('blocks with gaps', [x([1, 1, 4, 5])], (t) => F.unfold(t, 2, { dilation: [2, 3] })),
  sample('no examples', [x([0, 2, 3, 3])], (t) => F.unfold(t, 2)),
];

const added: readonly Sample[] = [
  sample('blocks', [x([2, 6, 4])], (t) => F.fold(t, [3, 4], [2, 3])),
  sample('blocks apart, over the edge', [x([8, 4])], (t) => F.fold(t, [4, 3], 2, { padding: [1, 0], stride: [3, 1] })),
  sample('blocks with gaps', [x([1, 4, 4])], (t) => F.fold(t, [4, 5], 2, { dilation: [2, 3] })),
  sample('no examples', [x([0, 4, 4])], (t) => F.fold(t, 3, 2)),
];

export const convolutionSamples: Readonly<Record<string, readonly Sample[]>> = {
  convolution: forward,
  convolutionInput: transposed,
  convolutionWeight: weights,
  maxPool: maxima,
  maxUnpool: unpooled,
  resample: weighted,
  blend: blended,
  im2col: blocks,
  col2im: added,
};
