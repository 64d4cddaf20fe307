import { functional as F, type Tensor, tensor } from 'nabla';
import { apply } from '../../../src/core/apply.ts';
import { operations } from '../../../src/core/op.ts';
import { activations, lossTerms } from '../../../src/ops/activations.ts';
import { ops } from '../../../src/ops/elementwise.ts';
import type { ElementwiseOp } from '../../../src/ops/elementwise-op.ts';
import { f64, spreadTensor } from '../../support/numbers.ts';
import { any, binary, call, type Domain, draw, kink, positive, predicate, unary, wide } from './elementwise.ts';
import { inner, type Sample, sample } from './sample.ts';

const share: Domain = { lo: 0.15, hi: 0.85 };
const away: Domain = { lo: -5, hi: 5, away: 'integers' };

/** An operation of one tensor and numbers. */
const withNumbers = (op: ElementwiseOp, domain: Domain, ...numbers: readonly number[]): readonly Sample[] => [
  ...[[7], [2, 3], [], [0, 2]].map((shape) =>
    sample(`[${shape}] with ${numbers}`, [draw(shape, domain, 3)], (x) => call(op)(x, ...numbers)),
  ),
  sample('transposed', [draw([2, 3], domain, 4)], (x) => call(op)(x.T, ...numbers)),
];

/** The same with tensors in the place of the numbers. */
const withTensors = (op: ElementwiseOp, ...domains: readonly Domain[]): readonly Sample[] => [
  sample(
    'tensors of one shape',
    domains.map((d, i) => draw([2, 3], d, i + 1)),
    call(op),
  ),
  sample(
    'tensors that broadcast',
    domains.map((d, i) => draw(i % 2 === 0 ? [2, 3] : [3], d, i + 5)),
    call(op),
  ),
];

/** Sum and mean of a loss, predictions and targets `apart`. */
const totals = (
  loss: (x: Tensor, target: Tensor, reduction: 'sum' | 'mean') => Tensor,
  apart = 0,
): readonly Sample[] => {
  const pair = (shape: readonly number[], seed: number) => [
    draw(shape, { lo: -1 + apart, hi: 1 + apart }, seed),
    draw(shape, any, seed + 1),
  ];
  return [
    sample('mean', pair([2, 3], 1), (x, y) => loss(x, y, 'mean')),
    sample('sum', pair([7], 3), (x, y) => loss(x, y, 'sum')),
    sample('transposed', pair([3, 2], 5), (x, y) => loss(x.mT, y.mT, 'mean')),
    sample('one element', pair([], 7), (x, y) => loss(x, y, 'mean')),
    sample('no elements', pair([0, 2], 9), (x, y) => loss(x, y, 'sum')),
  ];
};

/** All outputs of `standardize`. */
const standardized =
  (dims: readonly number[], eps = 1e-3) =>
  (x: Tensor): readonly Tensor[] =>
    apply(operations().get('standardize') as never, [x], { dims, eps } as never) as readonly Tensor[];

/** All outputs of `standardizeAffine`. */
const standardizedAffine =
  (dims: readonly number[], eps = 0.01) =>
  (...inputs: readonly Tensor[]): readonly Tensor[] =>
    apply(operations().get('standardizeAffine') as never, inputs, {
      dims,
      eps,
      node: 'N',
    } as never) as readonly Tensor[];

/** Both outputs of `attention`: the result and the weights. */
const attending =
  (scale: number, causal: boolean) =>
  (...inputs: readonly Tensor[]): readonly Tensor[] =>
    apply(operations().get('attention') as never, inputs, { scale, causal } as never) as readonly Tensor[];

/** Queries, keys and values. */
const ofQueries = (...shapes: readonly (readonly number[])[]): Tensor[] =>
  shapes.map((shape, i) => spreadTensor(shape, -1, 1, 11 + i));

/** An input of a layer norm, a weight and a bias. */
const ofLines = (shape: readonly number[], own: readonly number[]): Tensor[] => [
  spreadTensor(shape, -2, 2, 7),
  spreadTensor(own, 0.5, 1, 8),
  spreadTensor(own, -1, 1, 9),
];

export const functionalSamples: Readonly<Record<string, readonly Sample[]>> = {
  relu6: unary(activations.relu6, away, false),
  hardtanh: withNumbers(activations.hardtanh, { lo: -3, hi: 3, away: 'integers' }, -1, 2),
  leakyRelu: withNumbers(activations.leakyRelu, kink, 0.1),
  prelu: withTensors(activations.prelu, kink, any),
  threshold: withNumbers(activations.threshold, kink, 0.01, -7),
  hardshrink: withNumbers(activations.hardshrink, kink, 0.05),
  softshrink: withNumbers(activations.softshrink, kink, 0.05),
  elu: [...withNumbers(activations.elu, kink, 1.3), ...withTensors(activations.elu, kink, positive)],
  selu: unary(activations.selu, kink),
  celu: [...withNumbers(activations.celu, kink, 1.3), ...withTensors(activations.celu, kink, positive)],
  softplus: withNumbers(activations.softplus, wide, 1.5, 20),
  logSigmoid: unary(activations.logSigmoid, wide),
  silu: unary(activations.silu, wide),
  mish: unary(activations.mish, wide),
  gelu: unary(activations.gelu, wide),
  geluTanh: unary(activations.geluTanh, wide),
  hardsigmoid: unary(activations.hardsigmoid, away, false),
  hardswish: unary(activations.hardswish, away, false),
  softsign: unary(activations.softsign, kink),
  tanhshrink: unary(activations.tanhshrink, any),

  squaredError: binary(lossTerms.squaredError, any, any, 0.7),
  absoluteError: binary(lossTerms.absoluteError, { lo: 1, hi: 2 }, { lo: -1, hi: 0 }, 0.1),
  smoothL1: withTensors(lossTerms.smoothL1, any, any, { lo: 0.03, hi: 0.04 }).map((s) => ({
    ...s,
    xs: s.xs.slice(0, 2),
    f: (x: Tensor, y: Tensor) => call(lossTerms.smoothL1)(x, y, 0.7),
  })),
  huber: withTensors(lossTerms.huber, any, any).map((s) => ({
    ...s,
    f: (x: Tensor, y: Tensor) => call(lossTerms.huber)(x, y, 0.7),
  })),
  binaryCrossEntropy: binary(lossTerms.binaryCrossEntropy, share, share),
  binaryCrossEntropyWithLogits: withTensors(lossTerms.binaryCrossEntropyWithLogits, any, share, positive),
  softMargin: binary(lossTerms.softMargin, any, any),

  squaredErrorTotal: totals((x, y, reduction) => F.mseLoss(x, y, { reduction })),
  absoluteErrorTotal: totals((x, y, reduction) => F.l1Loss(x, y, { reduction }), 3),
  smoothL1Total: totals((x, y, reduction) => F.smoothL1Loss(x, y, { reduction, beta: 0.7 })),
  huberTotal: totals((x, y, reduction) => F.huberLoss(x, y, { reduction, delta: 0.7 })),

  standardize: [
    sample('rows', [spreadTensor([3, 4], -2, 2, 1)], standardized([1])),
    sample('columns', [spreadTensor([5, 2], -2, 2, 2)], standardized([0])),
    sample('batch and places', [spreadTensor([2, 3, 2, 2], -2, 2, 3)], standardized([0, 2, 3])),
    sample('everything', [spreadTensor([2, 3], -2, 2, 4)], standardized([0, 1], 0.1)),
    sample('transposed', [spreadTensor([4, 3], -2, 2, 5)], (x) => standardized([1])(x.T)),
    sample('no rows', [spreadTensor([0, 3], -2, 2, 6)], standardized([1])),
  ],
  rmsNorm: [
    sample('rows', ofLines([2, 3], [3]).slice(0, 2), (x, weight) => F.rmsNorm(x, [3], { weight })),
    sample('without a weight', [spreadTensor([2, 3], -2, 2, 7)], (x) => F.rmsNorm(x, [3])),
    sample('several dimensions, transposed', ofLines([3, 2, 2], [2, 3]).slice(0, 2), (x, weight) =>
      F.rmsNorm(x.permute([1, 2, 0]), [2, 3], { weight, eps: 0.1 }),
    ),
    sample('no lines', ofLines([0, 3], [3]).slice(0, 2), (x, weight) => F.rmsNorm(x, [3], { weight })),
    sample(
      'with the mean square',
      ofLines([3, 4], [4]).slice(0, 2),
      (...xs) => apply(operations().get('rmsNorm') as never, xs, { dims: [1], eps: 0.1 } as never) as readonly Tensor[],
    ),
  ],
  attention: [
    sample('one head', ofQueries([3, 2], [4, 2], [4, 3]), attending(0.7, false)),
    sample('causal', ofQueries([2, 4, 2], [2, 4, 2], [2, 4, 3]), attending(1, true)),
    sample('causal, more keys', ofQueries([2, 1, 2, 3], [2, 1, 4, 3], [2, 1, 4, 2]), attending(0.5, true)),
    sample('heads side by side', ofQueries([2, 3, 12]), (x) => {
      const [q, k, v] = x.split(4, 2).map((t: Tensor) => t.reshape([2, 3, 2, 2]).transpose(1, 2)) as Tensor[];
      return F.scaledDotProductAttention(q as Tensor, k as Tensor, v as Tensor, { isCausal: true });
    }),
    sample('no heads', ofQueries([0, 3, 2], [0, 3, 2], [0, 3, 2]), attending(1, true)),
    sample('no queries', ofQueries([0, 2], [3, 2], [3, 2]), attending(1, false)),
    sample('no keys', ofQueries([2, 2], [0, 2], [0, 3]), attending(1, false)),
  ],
  standardizeAffine: [
    sample('rows', ofLines([2, 3], [3]), (x, weight, bias) => F.layerNorm(x, [3], { weight, bias })),
    sample('weight without bias', ofLines([2, 3], [3]).slice(0, 2), (x, weight) => F.layerNorm(x, [3], { weight })),
    sample('several dimensions', ofLines([2, 3, 2, 3], [2, 3]), (x, weight, bias) =>
      F.layerNorm(x, [2, 3], { weight, bias, eps: 0.1 }),
    ),
    sample('one line', ofLines([11], [11]), (x, weight, bias) => F.layerNorm(x, [11], { weight, bias })),
    sample('transposed', ofLines([4, 3], [4]), (x, weight, bias) => F.layerNorm(x.T, [4], { weight, bias })),
    sample('no lines', ofLines([0, 3], [3]), (x, weight, bias) => F.layerNorm(x, [3], { weight, bias })),
    sample('with mean and variance', ofLines([3, 4], [4]), standardizedAffine([1])),
    sample('channels', ofLines([3, 2, 2, 2], [2]), (x, weight, bias) =>
      F.batchNorm(x, null, null, { weight, bias, training: true }),
    ),
    sample('channels of rows', ofLines([4, 3], [3]), (x, weight, bias) =>
      F.batchNorm(x, null, null, { weight, bias, training: true }),
    ),
    sample('groups of channels', ofLines([2, 4, 3], [4]), (x, weight, bias) => F.groupNorm(x, 2, { weight, bias })),
    sample('channels by themselves', ofLines([2, 3, 4], [3]), (x, weight, bias) => F.instanceNorm(x, { weight, bias })),
    sample('channels, transposed', ofLines([2, 3, 4], [4]), (x, weight, bias) =>
      F.batchNorm(x.transpose(1, 2), null, null, { weight, bias, training: true }),
    ),
    sample('channels, with mean and variance', ofLines([3, 2, 2], [1, 2, 1]), standardizedAffine([0, 2])),
    sample('one weight', ofLines([3, 4], [1, 1]), standardizedAffine([1])),
  ],

  isposinf: predicate(ops.isposinf),
  isneginf: predicate(ops.isneginf),
  signbit: predicate(ops.signbit),
  logit: unary(ops.logit, share),
  xlogy: binary(ops.xlogy, positive, positive, 1.5),
  hypot: binary(ops.hypot, kink, kink, 2),
  logaddexp: binary(ops.logaddexp, any, any, 0.5),
  logaddexp2: binary(ops.logaddexp2, any, any, 0.5),
  copysign: binary(ops.copysign, kink, kink, -1),
  fmax: binary(ops.fmax, { lo: 1, hi: 2 }, { lo: -1, hi: 0 }, 0.1),
  fmin: binary(ops.fmin, { lo: 1, hi: 2 }, { lo: -1, hi: 0 }, 0.1),
  heaviside: [
    sample('same shape', [f64([-1, 0, 2, 0], [2, 2]), f64([5, 6, 7, 8], [2, 2])], call(ops.heaviside)),
    sample('broadcast', [f64([-1, 0, 2], [3]), tensor(0.5, { dtype: 'float64' })], call(ops.heaviside)),
  ],
  nanToNum: withNumbers(ops.nanToNum, any, 0, 10, -10),
  lerp: [
    ...withTensors(ops.lerp, any, any, { lo: 0.6, hi: 0.9 }),
    ...withTensors(ops.lerp, any, any, { lo: 0.1, hi: 0.4 }),
  ],
  addcmul: withTensors(ops.addcmul, any, any, any, any),
  addcdiv: withTensors(ops.addcdiv, any, any, positive, any),
  ctc: [
    sample(
      'of several lengths',
      [draw([4, 3, 3], { lo: -2, hi: -0.5 }, 1)],
      inner('ctc', { labels: [[1, 1], [2, 1], []], times: [4, 3, 2], blank: 0 }),
    ),
    sample(
      'of as many steps as labels, and of none',
      [draw([2, 3, 4], { lo: -2, hi: -0.5 }, 2)],
      inner('ctc', { labels: [[1, 0], [2], []], times: [2, 2, 0], blank: 3 }),
    ),
  ],
};
