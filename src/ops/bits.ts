import { type DType, isFloat } from '../core/dtype.ts';
import type { TensorBase } from '../core/tensor.ts';
import * as f from '../kernels/bits.ts';
import { IN_PYTORCH, ops } from './elementwise.ts';
import type { ElementwiseOp } from './elementwise-op.ts';
import { op } from './entry.ts';

/** What only whole numbers have, and unless `numbers` alone do, truth values. */
const integral = (kernel: string, numbers = false) => ({
  refuse: (dtype: DType): string | null =>
    isFloat(dtype) || (numbers && dtype === 'bool')
      ? `"${kernel}_cpu" not implemented for '${IN_PYTORCH[dtype]}'; convert with x.to('int32') first`
      : null,
});

/** Operations on the bits of whole numbers, and on divisors. */
export const bits = {
  and: op(f.bitwiseAnd, 'same', integral('bitwise_and')),
  or: op(f.bitwiseOr, 'same', integral('bitwise_or')),
  xor: op(f.bitwiseXor, 'same', integral('bitwise_xor')),
  not: op(f.bitwiseNot, 'same', integral('bitwise_not')),
  leftShift: op(f.bitwiseLeftShift, 'same', integral('lshift', true)),
  rightShift: op(f.bitwiseRightShift, 'same', integral('rshift', true)),
  gcd: op(f.gcd, 'same', integral('gcd', true)),
  lcm: op(f.lcm, 'same', integral('lcm', true)),
} as const;

/** Of truth values it is the contrary. */
export const notOp = ({ dtype }: TensorBase): ElementwiseOp => (dtype === 'bool' ? ops.logicalNot : bits.not);
