import { functional as F, type Tensor } from 'nabla';
import type { Calls, Signatures } from './arguments.ts';

/* Convolutions, poolings and resampling of torch.nn.functional. */

type PerDim = number | readonly number[];

interface Convolution {
  readonly input: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor;
  readonly stride?: PerDim;
  readonly padding?: PerDim | 'same' | 'valid';
  readonly dilation?: PerDim;
  readonly groups?: number;
}
interface Transposed extends Convolution {
  readonly padding?: PerDim;
  readonly output_padding?: PerDim;
}

const windows = ({ stride, padding, dilation, groups }: Convolution) => ({ stride, padding, dilation, groups });
const transposed = ({ stride, padding, output_padding, groups, dilation }: Transposed) => {
  return { stride, padding, outputPadding: output_padding, groups, dilation };
};

interface Pooling {
  readonly self: Tensor;
  readonly kernel_size: PerDim;
  readonly stride?: PerDim;
  readonly padding?: PerDim;
  readonly dilation?: PerDim;
  readonly ceil_mode?: boolean;
  readonly return_indices?: boolean;
  readonly count_include_pad?: boolean;
  readonly divisor_override?: number;
}
interface Adaptive {
  readonly self: Tensor;
  readonly output_size: number | readonly (number | null)[];
  readonly return_indices?: boolean;
}
interface Unpooling {
  readonly input: Tensor;
  readonly indices: Tensor;
  readonly kernel_size: PerDim;
  readonly stride?: PerDim;
  readonly padding?: PerDim;
  readonly output_size?: readonly number[];
}

const maxima = ({ stride, padding, dilation, ceil_mode, return_indices }: Pooling) => {
  return { stride, padding, dilation, ceilMode: ceil_mode, returnIndices: return_indices };
};
const means = ({ stride, padding, ceil_mode, count_include_pad }: Pooling) => {
  return { stride, padding, ceilMode: ceil_mode, countIncludePad: count_include_pad };
};
const divided = (a: Pooling) => ({ ...means(a), divisorOverride: a.divisor_override });
const found = ({ return_indices }: Adaptive) => ({ returnIndices: return_indices });
const undone = ({ stride, padding, output_size }: Unpooling) => ({ stride, padding, outputSize: output_size });

interface Blocks {
  readonly input: Tensor;
  readonly output_size: PerDim;
  readonly kernel_size: PerDim;
  readonly dilation?: PerDim;
  readonly padding?: PerDim;
  readonly stride?: PerDim;
}
interface Resizing {
  readonly input: Tensor;
  readonly size?: PerDim;
  readonly scale_factor?: PerDim;
  readonly mode?: F.InterpolateOptions['mode'];
  readonly align_corners?: boolean;
  readonly recompute_scale_factor?: boolean;
  readonly antialias?: boolean;
}
interface Sampling {
  readonly input: Tensor;
  readonly grid: Tensor;
  readonly mode?: F.GridSampleOptions['mode'];
  readonly padding_mode?: F.GridSampleOptions['paddingMode'];
  readonly align_corners?: boolean;
}
interface Response {
  readonly input: Tensor;
  readonly size: number;
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
}

const sizes = ({ size, scale_factor }: Resizing) => ({ size, scaleFactor: scale_factor });
const blocks = ({ dilation, padding, stride }: Blocks) => ({ dilation, padding, stride });

export const convolutions: Calls = {
  'torch.nn.functional.conv1d': (a: Convolution) => F.conv1d(a.input, a.weight, a.bias, windows(a)),
  'torch.nn.functional.conv2d': (a: Convolution) => F.conv2d(a.input, a.weight, a.bias, windows(a)),
  'torch.nn.functional.conv3d': (a: Convolution) => F.conv3d(a.input, a.weight, a.bias, windows(a)),
  'torch.nn.functional.conv_transpose1d': (a: Transposed) => {
    return F.convTranspose1d(a.input, a.weight, a.bias, transposed(a));
  },
  'torch.nn.functional.conv_transpose2d': (a: Transposed) => {
    return F.convTranspose2d(a.input, a.weight, a.bias, transposed(a));
  },
  'torch.nn.functional.conv_transpose3d': (a: Transposed) => {
    return F.convTranspose3d(a.input, a.weight, a.bias, transposed(a));
  },
  'torch.nn.functional.max_pool1d': (a: Pooling) => F.maxPool1d(a.self, a.kernel_size, maxima(a)),
  'torch.nn.functional.max_pool2d': (a: Pooling) => F.maxPool2d(a.self, a.kernel_size, maxima(a)),
  'torch.nn.functional.max_pool3d': (a: Pooling) => F.maxPool3d(a.self, a.kernel_size, maxima(a)),
  'torch.nn.functional.avg_pool1d': (a: Pooling) => F.avgPool1d(a.self, a.kernel_size, means(a)),
  'torch.nn.functional.avg_pool2d': (a: Pooling) => F.avgPool2d(a.self, a.kernel_size, divided(a)),
  'torch.nn.functional.avg_pool3d': (a: Pooling) => F.avgPool3d(a.self, a.kernel_size, divided(a)),
  'torch.nn.functional.adaptive_avg_pool1d': (a: Adaptive) => F.adaptiveAvgPool1d(a.self, a.output_size),
  'torch.nn.functional.adaptive_avg_pool2d': (a: Adaptive) => F.adaptiveAvgPool2d(a.self, a.output_size),
  'torch.nn.functional.adaptive_avg_pool3d': (a: Adaptive) => F.adaptiveAvgPool3d(a.self, a.output_size),
  'torch.nn.functional.adaptive_max_pool1d': (a: Adaptive) => F.adaptiveMaxPool1d(a.self, a.output_size, found(a)),
  'torch.nn.functional.adaptive_max_pool2d': (a: Adaptive) => F.adaptiveMaxPool2d(a.self, a.output_size, found(a)),
  'torch.nn.functional.adaptive_max_pool3d': (a: Adaptive) => F.adaptiveMaxPool3d(a.self, a.output_size, found(a)),
  'torch.nn.functional.max_unpool1d': (a: Unpooling) => F.maxUnpool1d(a.input, a.indices, a.kernel_size, undone(a)),
  'torch.nn.functional.max_unpool2d': (a: Unpooling) => F.maxUnpool2d(a.input, a.indices, a.kernel_size, undone(a)),
  'torch.nn.functional.max_unpool3d': (a: Unpooling) => F.maxUnpool3d(a.input, a.indices, a.kernel_size, undone(a)),
  'torch.nn.functional.unfold': (a: Blocks) => F.unfold(a.input, a.kernel_size, blocks(a)),
  'torch.nn.functional.fold': (a: Blocks) => F.fold(a.input, a.output_size, a.kernel_size, blocks(a)),
  'torch.nn.functional.interpolate': (a: Resizing) =>
    F.interpolate(a.input, {
      ...sizes(a),
      mode: a.mode,
      alignCorners: a.align_corners,
      recomputeScaleFactor: a.recompute_scale_factor,
      antialias: a.antialias,
    }),
  'torch.nn.functional.upsample_nearest': (a: Resizing) => F.upsampleNearest(a.input, sizes(a)),
  'torch.nn.functional.upsample_bilinear': (a: Resizing) => F.upsampleBilinear(a.input, sizes(a)),
  'torch.nn.functional.grid_sample': (a: Sampling) =>
    F.gridSample(a.input, a.grid, { mode: a.mode, paddingMode: a.padding_mode, alignCorners: a.align_corners }),
  'torch.nn.functional.local_response_norm': ({ input, size, ...options }: Response) =>
    F.localResponseNorm(input, size, options),
};

export const convolutionsSignatures: Signatures = {
  'torch.nn.functional.max_pool1d': [
    'max_pool1d(Tensor self, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[1] dilation=1, bool ceil_mode=False, bool return_indices=False)',
  ],
  'torch.nn.functional.max_pool2d': [
    'max_pool2d(Tensor self, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, int[2] dilation=1, bool ceil_mode=False, bool return_indices=False)',
  ],
  'torch.nn.functional.max_pool3d': [
    'max_pool3d(Tensor self, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, int[3] dilation=1, bool ceil_mode=False, bool return_indices=False)',
  ],
  'torch.nn.functional.adaptive_max_pool1d': [
    'adaptive_max_pool1d(Tensor self, Any output_size, bool return_indices=False)',
  ],
  'torch.nn.functional.adaptive_max_pool2d': [
    'adaptive_max_pool2d(Tensor self, Any output_size, bool return_indices=False)',
  ],
  'torch.nn.functional.adaptive_max_pool3d': [
    'adaptive_max_pool3d(Tensor self, Any output_size, bool return_indices=False)',
  ],
  'torch.nn.functional.adaptive_avg_pool2d': ['adaptive_avg_pool2d(Tensor self, Any output_size)'],
  'torch.nn.functional.adaptive_avg_pool3d': ['adaptive_avg_pool3d(Tensor self, Any output_size)'],
  'torch.nn.functional.max_unpool1d': [
    'max_unpool1d(Tensor input, Tensor indices, int[1] kernel_size, int[1]? stride=None, int[1] padding=0, int[]? output_size=None)',
  ],
  'torch.nn.functional.max_unpool2d': [
    'max_unpool2d(Tensor input, Tensor indices, int[2] kernel_size, int[2]? stride=None, int[2] padding=0, int[]? output_size=None)',
  ],
  'torch.nn.functional.max_unpool3d': [
    'max_unpool3d(Tensor input, Tensor indices, int[3] kernel_size, int[3]? stride=None, int[3] padding=0, int[]? output_size=None)',
  ],
  'torch.nn.functional.unfold': [
    'unfold(Tensor input, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1)',
  ],
  'torch.nn.functional.fold': [
    'fold(Tensor input, int[2] output_size, int[2] kernel_size, int[2] dilation=1, int[2] padding=0, int[2] stride=1)',
  ],
  'torch.nn.functional.interpolate': [
    "interpolate(Tensor input, Any? size=None, Any? scale_factor=None, str mode='nearest', bool? align_corners=None, bool? recompute_scale_factor=None, bool antialias=False)",
  ],
  'torch.nn.functional.upsample_nearest': ['upsample_nearest(Tensor input, Any? size=None, Any? scale_factor=None)'],
  'torch.nn.functional.upsample_bilinear': ['upsample_bilinear(Tensor input, Any? size=None, Any? scale_factor=None)'],
};
