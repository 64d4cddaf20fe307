import type { DType, Tensor } from 'nabla';
import * as nabla from 'nabla';
import { Unsupported } from '../format.ts';
import { type Calls, type Reduction, type Self, type Signatures, without } from './arguments.ts';

const F = nabla.functional;

interface Slope {
  readonly negative_slope?: number;
}
interface Alpha {
  readonly alpha?: number;
}
interface Bounds {
  readonly min_val?: number;
  readonly max_val?: number;
}
interface Lambda {
  readonly lambd?: number;
}
interface Loss {
  readonly input: Tensor;
  readonly target: Tensor;
  readonly size_average?: boolean;
  readonly reduce?: boolean;
  readonly reduction?: Reduction;
}
interface Weighted extends Loss {
  readonly weight?: Tensor;
}
interface Margin extends Loss {
  readonly margin?: number;
}
interface Triplet extends Omit<Margin, 'input' | 'target'> {
  readonly anchor: Tensor;
  readonly positive: Tensor;
  readonly negative: Tensor;
  readonly swap?: boolean;
}
interface Affine {
  readonly input: Tensor;
  readonly weight?: Tensor;
  readonly bias?: Tensor;
  readonly eps?: number;
}
interface Running extends Affine {
  readonly running_mean?: Tensor;
  readonly running_var?: Tensor;
  readonly momentum?: number;
}
interface Bilinear {
  readonly input1: Tensor;
  readonly input2: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor;
}
interface Dropout {
  readonly input: Tensor;
  readonly p?: number;
  readonly training?: boolean;
  readonly inplace?: boolean;
}

/** What a loss does with its elements; the options that PyTorch gave up are not here. */
function reducing({ size_average, reduce, reduction }: Pick<Loss, 'size_average' | 'reduce' | 'reduction'>) {
  without('size_average', size_average);
  without('reduce', reduce);
  return { reduction };
}

export const functional: Calls = {
  // ── activations ──
  'torch.nn.functional.relu6': ({ self }: Self) => F.relu6(self),
  'torch.nn.functional.hardtanh': ({ self, min_val, max_val }: Self & Bounds) =>
    F.hardtanh(self, { minVal: min_val, maxVal: max_val }),
  'torch.nn.functional.leaky_relu': ({ self, negative_slope }: Self & Slope) =>
    F.leakyRelu(self, { negativeSlope: negative_slope }),
  'torch.nn.functional.prelu': ({ self, weight }: Self & { readonly weight: Tensor }) => F.prelu(self, weight),
  'torch.nn.functional.threshold': ({ self, threshold, value }: Self & { threshold: number; value: number }) =>
    F.threshold(self, threshold, value),
  'torch.nn.functional.hardshrink': ({ self, lambd }: Self & Lambda) => F.hardshrink(self, { lambd }),
  'torch.nn.functional.softshrink': ({ self, lambd }: Self & Lambda) => F.softshrink(self, { lambd }),
  'torch.nn.functional.elu': ({ self, alpha }: Self & Alpha) => F.elu(self, { alpha }),
  'torch.nn.functional.selu': ({ self }: Self) => F.selu(self),
  'torch.nn.functional.celu': ({ self, alpha }: Self & Alpha) => F.celu(self, { alpha }),
  'torch.nn.functional.softplus': ({ self, beta, threshold }: Self & { beta?: number; threshold?: number }) =>
    F.softplus(self, { beta, threshold }),
  'torch.nn.functional.logsigmoid': ({ self }: Self) => F.logsigmoid(self),
  'torch.nn.functional.silu': ({ self }: Self) => F.silu(self),
  'torch.nn.functional.mish': ({ self }: Self) => F.mish(self),
  'torch.nn.functional.gelu': ({ self, approximate }: Self & { readonly approximate?: 'none' | 'tanh' }) =>
    F.gelu(self, { approximate }),
  'torch.nn.functional.hardsigmoid': ({ self }: Self) => F.hardsigmoid(self),
  'torch.nn.functional.hardswish': ({ self }: Self) => F.hardswish(self),
  'torch.nn.functional.softsign': ({ self }: Self) => F.softsign(self),
  'torch.nn.functional.tanhshrink': ({ self }: Self) => F.tanhshrink(self),
  'torch.nn.functional.glu': ({ self, dim }: Self & { readonly dim?: number }) => F.glu(self, dim),
  'torch.nn.functional.softmin': ({ self, dim, dtype }: Self & { readonly dim: number; readonly dtype?: DType }) =>
    F.softmin(self, dim, { dtype }),

  'torch.nn.functional.elu_': ({ self, alpha }: Self & Alpha) => F.elu_(self, { alpha }),
  'torch.nn.functional.celu_': ({ self, alpha }: Self & Alpha) => F.celu_(self, { alpha }),
  'torch.nn.functional.selu_': ({ self }: Self) => F.selu_(self),
  'torch.nn.functional.silu_': ({ self }: Self) => F.silu_(self),
  'torch.nn.functional.mish_': ({ self }: Self) => F.mish_(self),
  'torch.nn.functional.relu6_': ({ self }: Self) => F.relu6_(self),
  'torch.nn.functional.hardsigmoid_': ({ self }: Self) => F.hardsigmoid_(self),
  'torch.nn.functional.hardswish_': ({ self }: Self) => F.hardswish_(self),
  'torch.nn.functional.hardtanh_': ({ self, min_val, max_val }: Self & Bounds) =>
    F.hardtanh_(self, { minVal: min_val, maxVal: max_val }),
  'torch.nn.functional.leaky_relu_': ({ self, negative_slope }: Self & Slope) =>
    F.leakyRelu_(self, { negativeSlope: negative_slope }),
  'torch.nn.functional.threshold_': ({ self, threshold, value }: Self & { threshold: number; value: number }) =>
    F.threshold_(self, threshold, value),

  // ── losses ──
  'torch.nn.functional.mse_loss': (a: Loss) => F.mseLoss(a.input, a.target, reducing(a)),
  'torch.nn.functional.l1_loss': (a: Loss) => F.l1Loss(a.input, a.target, reducing(a)),
  'torch.nn.functional.smooth_l1_loss': ({ beta, ...a }: Loss & { readonly beta?: number }) =>
    F.smoothL1Loss(a.input, a.target, { ...reducing(a), beta }),
  'torch.nn.functional.huber_loss': ({ delta, ...a }: Loss & { readonly delta?: number }) =>
    F.huberLoss(a.input, a.target, { ...reducing(a), delta }),
  'torch.nn.functional.binary_cross_entropy': (a: Weighted) =>
    F.binaryCrossEntropy(a.input, a.target, { ...reducing(a), weight: a.weight }),
  'torch.nn.functional.binary_cross_entropy_with_logits': (a: Weighted & { readonly pos_weight?: Tensor }) =>
    F.binaryCrossEntropyWithLogits(a.input, a.target, { ...reducing(a), weight: a.weight, posWeight: a.pos_weight }),
  'torch.nn.functional.kl_div': (
    a: Omit<Loss, 'reduction'> & { readonly reduction?: Reduction | 'batchmean'; readonly log_target?: boolean },
  ) => {
    without('size_average', a.size_average);
    return F.klDiv(a.input, a.target, { reduction: a.reduction, logTarget: a.log_target });
  },
  'torch.nn.functional.poisson_nll_loss': (a: Loss & { log_input?: boolean; full?: boolean; eps?: number }) =>
    F.poissonNllLoss(a.input, a.target, { ...reducing(a), logInput: a.log_input, full: a.full, eps: a.eps }),
  'torch.nn.functional.gaussian_nll_loss': (a: Loss & { var: Tensor; full?: boolean; eps?: number }) =>
    F.gaussianNllLoss(a.input, a.target, a.var, { ...reducing(a), full: a.full, eps: a.eps }),
  'torch.nn.functional.soft_margin_loss': (a: Loss) => F.softMarginLoss(a.input, a.target, reducing(a)),
  'torch.nn.functional.hinge_embedding_loss': ({ margin, ...a }: Margin) =>
    F.hingeEmbeddingLoss(a.input, a.target, { ...reducing(a), margin }),
  'torch.nn.functional.margin_ranking_loss': ({
    margin,
    ...a
  }: Omit<Margin, 'input'> & { readonly input1: Tensor; readonly input2: Tensor }) =>
    F.marginRankingLoss(a.input1, a.input2, a.target, { ...reducing(a), margin }),
  'torch.nn.functional.cosine_embedding_loss': ({
    margin,
    ...a
  }: Omit<Margin, 'input'> & { readonly input1: Tensor; readonly input2: Tensor }) =>
    F.cosineEmbeddingLoss(a.input1, a.input2, a.target, { ...reducing(a), margin }),
  'torch.nn.functional.triplet_margin_loss': ({
    p,
    eps,
    ...a
  }: Triplet & { readonly p?: number; readonly eps?: number }) =>
    F.tripletMarginLoss(a.anchor, a.positive, a.negative, { ...reducing(a), margin: a.margin, p, eps, swap: a.swap }),
  'torch.nn.functional.triplet_margin_with_distance_loss': (a: Triplet & { readonly distance_function?: unknown }) => {
    if (a.distance_function !== undefined) throw new Unsupported('a distance function of Python');
    return F.tripletMarginWithDistanceLoss(a.anchor, a.positive, a.negative, {
      ...reducing(a),
      margin: a.margin,
      swap: a.swap,
    });
  },
  'torch.nn.functional.multilabel_soft_margin_loss': (a: Weighted) =>
    F.multilabelSoftMarginLoss(a.input, a.target, { ...reducing(a), weight: a.weight }),
  'torch.nn.functional.ctc_loss': (a: {
    readonly log_probs: Tensor;
    readonly targets: Tensor;
    readonly input_lengths: Tensor | readonly number[];
    readonly target_lengths: Tensor | readonly number[];
    readonly blank?: number;
    readonly reduction?: Reduction;
    readonly zero_infinity?: boolean;
  }) =>
    F.ctcLoss(a.log_probs, a.targets, a.input_lengths, a.target_lengths, {
      blank: a.blank,
      reduction: a.reduction,
      zeroInfinity: a.zero_infinity,
    }),
  'torch.nn.functional.multi_margin_loss': ({ p, margin, ...a }: Weighted & Margin & { readonly p?: 1 | 2 }) =>
    F.multiMarginLoss(a.input, a.target, { ...reducing(a), margin, p, weight: a.weight }),

  // ── normalisation ──
  'torch.nn.functional.layer_norm': ({ input, normalized_shape, ...a }: Affine & { normalized_shape: number[] }) =>
    F.layerNorm(input, normalized_shape, { weight: a.weight, bias: a.bias, eps: a.eps }),
  'torch.nn.functional.group_norm': ({ input, num_groups, ...a }: Affine & { readonly num_groups: number }) =>
    F.groupNorm(input, num_groups, { weight: a.weight, bias: a.bias, eps: a.eps }),
  'torch.nn.functional.batch_norm': ({ input, ...a }: Running & { readonly training?: boolean }) =>
    F.batchNorm(input, a.running_mean ?? null, a.running_var ?? null, {
      weight: a.weight,
      bias: a.bias,
      training: a.training,
      momentum: a.momentum,
      eps: a.eps,
    }),
  'torch.nn.functional.instance_norm': ({ input, ...a }: Running & { readonly use_input_stats?: boolean }) =>
    F.instanceNorm(input, {
      runningMean: a.running_mean,
      runningVar: a.running_var,
      weight: a.weight,
      bias: a.bias,
      useInputStats: a.use_input_stats,
      momentum: a.momentum,
      eps: a.eps,
    }),

  // ── the rest ──
  'torch.nn.functional.linear': ({ input, weight, bias }: { input: Tensor; weight: Tensor; bias?: Tensor }) =>
    F.linear(input, weight, bias),
  'torch.nn.functional.bilinear': ({ input1, input2, weight, bias }: Bilinear) =>
    F.bilinear(input1, input2, weight, bias),
  'torch.nn.functional.dropout': ({ input, p, training }: Dropout) => F.dropout(input, { p, training }),
  'torch.nn.functional.dropout2d': ({ input, p, training }: Dropout) => F.dropout2d(input, { p, training }),
  'torch.nn.functional.dropout3d': ({ input, p, training }: Dropout) => F.dropout3d(input, { p, training }),
  'torch.nn.functional.feature_alpha_dropout': ({ input, p, training }: Dropout) =>
    F.featureAlphaDropout(input, { p, training }),
  'torch.nn.functional.dropout_': ({ input, p, training }: Dropout) => F.dropout_(input, { p, training }),
  'torch.nn.functional.dropout2d_': ({ input, p, training }: Dropout) => F.dropout2d_(input, { p, training }),
  'torch.nn.functional.dropout3d_': ({ input, p, training }: Dropout) => F.dropout3d_(input, { p, training }),
  'torch.nn.functional.feature_alpha_dropout_': ({ input, p, training }: Dropout) =>
    F.featureAlphaDropout_(input, { p, training }),
  'torch.nn.functional.scaled_dot_product_attention': (a: {
    readonly query: Tensor;
    readonly key: Tensor;
    readonly value: Tensor;
    readonly attn_mask?: Tensor;
    readonly dropout_p?: number;
    readonly need_attn_weights?: boolean;
    readonly is_causal?: boolean;
  }) => {
    without('need_attn_weights', a.need_attn_weights, false);
    return F.scaledDotProductAttention(a.query, a.key, a.value, {
      attnMask: a.attn_mask,
      dropoutP: a.dropout_p,
      isCausal: a.is_causal,
    });
  },
};

const ELU = 'elu(Tensor self, float alpha=1.0, bool inplace=False)';
const FEATURE = '(Tensor input, float p=0.5, bool training=False, bool inplace=False)';
const LOSS = 'Tensor input, Tensor target, bool? size_average=None, bool? reduce=None';
const TAIL = "bool? size_average=None, bool? reduce=None, str reduction='mean'";
const DROPOUT = '(Tensor input, float p=0.5, bool training=True, bool inplace=False)';
const RUNNING =
  'Tensor input, Tensor? running_mean=None, Tensor? running_var=None, Tensor? weight=None, Tensor? bias=None';

export const functionalSignatures: Signatures = {
  'torch.nn.functional.elu': [ELU],
  'torch.nn.functional.elu_': [ELU],
  'torch.nn.functional.logsigmoid': ['logsigmoid(Tensor self)'],
  'torch.nn.functional.softsign': ['softsign(Tensor self)'],
  'torch.nn.functional.tanhshrink': ['tanhshrink(Tensor self)'],
  'torch.nn.functional.softmin': ['softmin(Tensor self, int dim, int _stacklevel=3, ScalarType? dtype=None)'],
  'torch.nn.functional.mse_loss': [`mse_loss(${LOSS}, str reduction='mean')`],
  'torch.nn.functional.l1_loss': [`l1_loss(${LOSS}, str reduction='mean')`],
  'torch.nn.functional.smooth_l1_loss': [`smooth_l1_loss(${LOSS}, str reduction='mean', float beta=1.0)`],
  'torch.nn.functional.huber_loss': ["huber_loss(Tensor input, Tensor target, str reduction='mean', float delta=1.0)"],
  'torch.nn.functional.binary_cross_entropy': [
    `binary_cross_entropy(Tensor input, Tensor target, Tensor? weight=None, ${TAIL})`,
  ],
  'torch.nn.functional.binary_cross_entropy_with_logits': [
    `binary_cross_entropy_with_logits(Tensor input, Tensor target, Tensor? weight=None, ${TAIL}, Tensor? pos_weight=None)`,
  ],
  'torch.nn.functional.kl_div': [`kl_div(${LOSS}, str reduction='mean', bool log_target=False)`],
  'torch.nn.functional.poisson_nll_loss': [
    "poisson_nll_loss(Tensor input, Tensor target, bool log_input=True, bool full=False, bool? size_average=None, float eps=1e-8, bool? reduce=None, str reduction='mean')",
  ],
  'torch.nn.functional.gaussian_nll_loss': [
    "gaussian_nll_loss(Tensor input, Tensor target, Tensor var, bool full=False, float eps=1e-6, str reduction='mean')",
  ],
  'torch.nn.functional.soft_margin_loss': [`soft_margin_loss(${LOSS}, str reduction='mean')`],
  'torch.nn.functional.hinge_embedding_loss': [
    `hinge_embedding_loss(Tensor input, Tensor target, float margin=1.0, ${TAIL})`,
  ],
  'torch.nn.functional.margin_ranking_loss': [
    `margin_ranking_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, ${TAIL})`,
  ],
  'torch.nn.functional.cosine_embedding_loss': [
    `cosine_embedding_loss(Tensor input1, Tensor input2, Tensor target, float margin=0, ${TAIL})`,
  ],
  'torch.nn.functional.triplet_margin_loss': [
    `triplet_margin_loss(Tensor anchor, Tensor positive, Tensor negative, float margin=1.0, float p=2, float eps=1e-6, bool swap=False, ${TAIL})`,
  ],
  'torch.nn.functional.triplet_margin_with_distance_loss': [
    "triplet_margin_with_distance_loss(Tensor anchor, Tensor positive, Tensor negative, *, Any? distance_function=None, float margin=1.0, bool swap=False, str reduction='mean')",
  ],
  'torch.nn.functional.multilabel_soft_margin_loss': [
    `multilabel_soft_margin_loss(Tensor input, Tensor target, Tensor? weight=None, ${TAIL})`,
  ],
  'torch.nn.functional.ctc_loss': [
    "ctc_loss(Tensor log_probs, Tensor targets, int[] input_lengths, int[] target_lengths, int blank=0, str reduction='mean', bool zero_infinity=False)",
  ],
  'torch.nn.functional.multi_margin_loss': [
    `multi_margin_loss(Tensor input, Tensor target, int p=1, float margin=1.0, Tensor? weight=None, ${TAIL})`,
  ],
  'torch.nn.functional.group_norm': [
    'group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-5)',
  ],
  'torch.nn.functional.layer_norm': [
    'layer_norm(Tensor input, int[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-5)',
  ],
  'torch.nn.functional.batch_norm': [
    'batch_norm(Tensor input, Tensor? running_mean, Tensor? running_var, Tensor? weight=None, Tensor? bias=None, bool training=False, float momentum=0.1, float eps=1e-5)',
  ],
  'torch.nn.functional.instance_norm': [
    `instance_norm(${RUNNING}, bool use_input_stats=True, float momentum=0.1, float eps=1e-5)`,
  ],
  'torch.nn.functional.dropout': [`dropout${DROPOUT}`],
  'torch.nn.functional.dropout2d': [`dropout2d${DROPOUT}`],
  'torch.nn.functional.dropout3d': [`dropout3d${DROPOUT}`],
  'torch.nn.functional.dropout_': [`dropout_${DROPOUT}`],
  'torch.nn.functional.dropout2d_': [`dropout2d_${DROPOUT}`],
  'torch.nn.functional.dropout3d_': [`dropout3d_${DROPOUT}`],
  'torch.nn.functional.feature_alpha_dropout': [`feature_alpha_dropout${FEATURE}`],
  'torch.nn.functional.feature_alpha_dropout_': [`feature_alpha_dropout_${FEATURE}`],
  'torch.nn.functional.scaled_dot_product_attention': [
    'scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None, float dropout_p=0.0, bool need_attn_weights=False, bool is_causal=False)',
  ],
};
