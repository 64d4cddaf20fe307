import type { DType } from '../core/dtype.ts';
import * as f from '../kernels/functions.ts';
import type { ElementwiseOptions } from './elementwise-op.ts';
import { onlyFloats, op } from './entry.ts';

const numbers = (kernel: string): Partial<ElementwiseOptions> => ({
  refuse: (dtype: DType) => (dtype === 'bool' ? `"${kernel}" not implemented for 'bool'` : null),
});

/** The activation functions beyond relu, sigmoid and tanh. Parameters (bounds, slopes) are inputs like x. */
export const activations = {
  relu6: op(f.relu6, 'same', { ...numbers('relu6'), node: 'HardtanhBackward0' }),
  hardtanh: op(f.hardtanh, 'same', numbers('hardtanh')),
  leakyRelu: op(f.leakyRelu, 'same', onlyFloats('leaky_relu_cpu')),
  prelu: op(f.prelu, 'same', onlyFloats('prelu_cpu')),
  threshold: op(f.threshold, 'same', numbers('threshold')),
  hardshrink: op(f.hardshrink, 'same', onlyFloats('hardshrink_cpu')),
  softshrink: op(f.softshrink, 'same', onlyFloats('softshrink_cpu')),
  elu: op(f.elu, 'same', onlyFloats('elu_cpu')),
  selu: op(f.selu, 'same', { ...onlyFloats('elu_cpu'), node: 'EluBackward0' }),
  celu: op(f.celu, 'same', { ...onlyFloats('celu_cpu'), node: 'CeluBackward0' }),
  softplus: op(f.softplus, 'same', onlyFloats('softplus_cpu')),
  logSigmoid: op(f.logSigmoid, 'same', onlyFloats('log_sigmoid_cpu')),
  silu: op(f.silu, 'same', onlyFloats('silu_cpu')),
  mish: op(f.mish, 'same', onlyFloats('mish_cpu')),
  gelu: op(f.gelu, 'same', onlyFloats('GeluKernelImpl')),
  geluTanh: op(f.geluTanh, 'same', { ...onlyFloats('GeluKernelImpl'), node: 'GeluBackward0' }),
  hardsigmoid: op(f.hardsigmoid, 'same', onlyFloats('hardsigmoid_cpu')),
  hardswish: op(f.hardswish, 'same', onlyFloats('hardswish_cpu')),
  softsign: op(f.softsign, 'float', { node: 'DivBackward0', reuse: false }),
  tanhshrink: op(f.tanhshrink, 'float', { node: 'SubBackward0' }),
} as const;

/** Losses element by element: x the prediction, y the target. */
export const lossTerms = {
  squaredError: op(f.squaredError, 'same', { ...numbers('mse_cpu'), node: 'MseLossBackward0' }),
  absoluteError: op(f.absoluteError, 'same', { node: 'AbsBackward0' }),
  smoothL1: op(f.smoothL1, 'same', { ...numbers('smooth_l1_cpu'), node: 'SmoothL1LossBackward0' }),
  huber: op(f.huber, 'same', { ...onlyFloats('huber_cpu'), node: 'HuberLossBackward0' }),
  binaryCrossEntropy: op(f.binaryCrossEntropy, 'same', {
    ...onlyFloats('binary_cross_entropy'),
    node: 'BinaryCrossEntropyBackward0',
  }),
  binaryCrossEntropyWithLogits: op(f.binaryCrossEntropyWithLogits, 'float', {
    node: 'BinaryCrossEntropyWithLogitsBackward0',
  }),
  softMargin: op(f.softMargin, 'float', { node: 'SoftMarginLossBackward0' }),
} as const;
