import { functional as F, type Tensor } from 'nabla';
import type { Calls } from './arguments.ts';

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
};
