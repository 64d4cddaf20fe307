import type { Tensor } from 'nabla';
import * as nabla from 'nabla';
import {
  type Binary,
  type Bounded,
  type Calls,
  type Divide,
  type Operand,
  type Pair,
  type Rounding,
  type Scaled,
  type Self,
  type Signatures,
  tensorFirst,
} from './arguments.ts';

export const elementwise: Calls = {
  // ── elementwise, one operand ──
  'torch.abs': ({ self }: Self) => self.abs(),
  'torch.acos': ({ self }: Self) => self.acos(),
  'torch.acosh': ({ self }: Self) => self.acosh(),
  'torch.asin': ({ self }: Self) => self.asin(),
  'torch.asinh': ({ self }: Self) => self.asinh(),
  'torch.atan': ({ self }: Self) => self.atan(),
  'torch.atanh': ({ self }: Self) => self.atanh(),
  'torch.ceil': ({ self }: Self) => self.ceil(),
  'torch.cos': ({ self }: Self) => self.cos(),
  'torch.cosh': ({ self }: Self) => self.cosh(),
  'torch.erf': ({ self }: Self) => self.erf(),
  'torch.erfc': ({ self }: Self) => self.erfc(),
  'torch.exp': ({ self }: Self) => self.exp(),
  'torch.exp2': ({ self }: Self) => self.exp2(),
  'torch.expm1': ({ self }: Self) => self.expm1(),
  'torch.floor': ({ self }: Self) => self.floor(),
  'torch.frac': ({ self }: Self) => self.frac(),
  'torch.isfinite': ({ self }: Self) => self.isfinite(),
  'torch.isinf': ({ self }: Self) => self.isinf(),
  'torch.isnan': ({ self }: Self) => self.isnan(),
  'torch.log': ({ self }: Self) => self.log(),
  'torch.log10': ({ self }: Self) => self.log10(),
  'torch.log1p': ({ self }: Self) => self.log1p(),
  'torch.log2': ({ self }: Self) => self.log2(),
  'torch.logical_not': ({ self }: Self) => self.logicalNot(),
  'torch.neg': ({ self }: Self) => self.neg(),
  'torch.reciprocal': ({ self }: Self) => self.reciprocal(),
  'torch.round': ({ self, decimals }: Rounding) => self.round({ decimals }),
  'torch.rsqrt': ({ self }: Self) => self.rsqrt(),
  'torch.sgn': ({ self }: Self) => self.sgn(),
  'torch.sigmoid': ({ self }: Self) => self.sigmoid(),
  'torch.sign': ({ self }: Self) => self.sign(),
  'torch.sin': ({ self }: Self) => self.sin(),
  'torch.sinh': ({ self }: Self) => self.sinh(),
  'torch.sqrt': ({ self }: Self) => self.sqrt(),
  'torch.square': ({ self }: Self) => self.square(),
  'torch.tan': ({ self }: Self) => self.tan(),
  'torch.tanh': ({ self }: Self) => self.tanh(),
  'torch.trunc': ({ self }: Self) => self.trunc(),
  'torch.nn.functional.relu': ({ self }: Self) => self.relu(),

  // ── elementwise, several operands ──
  'torch.add': ({ self, other, alpha }: Scaled) => self.add(other, { alpha }),
  'torch.sub': ({ self, other, alpha }: Scaled) => self.sub(other, { alpha }),
  'torch.rsub': ({ self, other, alpha }: Scaled) => tensorFirst(other).sub(self, { alpha }),
  'torch.mul': ({ self, other }: Binary) => self.mul(other),
  'torch.div': ({ self, other, rounding_mode }: Divide) => self.div(other, { roundingMode: rounding_mode }),
  'torch.true_divide': ({ self, other }: Binary) => self.div(other),
  'torch.floor_divide': ({ self, other }: Binary) => self.floorDivide(other),
  'torch.pow': ({ self, exponent }: { readonly self: Operand; readonly exponent: Operand }) =>
    tensorFirst(self).pow(exponent),
  'torch.remainder': ({ self, other }: { readonly self: Operand; readonly other: Operand }) =>
    tensorFirst(self).remainder(other),
  'torch.fmod': ({ self, other }: Binary) => self.fmod(other),
  'torch.atan2': ({ self, other }: Pair) => self.atan2(other),
  'torch.maximum': ({ self, other }: Pair) => self.maximum(other),
  'torch.minimum': ({ self, other }: Pair) => self.minimum(other),
  'torch.clamp': ({ self, min, max }: Bounded) => self.clamp(min, max),
  'torch.clamp_min': ({ self, min }: Bounded) => self.clampMin(min as Operand),
  'torch.clamp_max': ({ self, max }: Bounded) => self.clampMax(max as Operand),
  'torch.float_power': ({ self, exponent }: { readonly self: Operand; readonly exponent: Operand }) =>
    tensorFirst(self).floatPower(exponent),
  'torch.ldexp': ({ self, other }: Pair) => self.ldexp(other),
  'torch.bitwise_and': ({ self, other }: { readonly self: Operand; readonly other: Operand }) =>
    tensorFirst(self).bitwiseAnd(other),
  'torch.bitwise_or': ({ self, other }: { readonly self: Operand; readonly other: Operand }) =>
    tensorFirst(self).bitwiseOr(other),
  'torch.bitwise_xor': ({ self, other }: { readonly self: Operand; readonly other: Operand }) =>
    tensorFirst(self).bitwiseXor(other),
  'torch.bitwise_left_shift': ({ self, other }: { readonly self: Operand; readonly other: Operand }) =>
    tensorFirst(self).bitwiseLeftShift(other),
  'torch.bitwise_right_shift': ({ self, other }: { readonly self: Operand; readonly other: Operand }) =>
    tensorFirst(self).bitwiseRightShift(other),
  'torch.bitwise_not': ({ self }: Self) => self.bitwiseNot(),
  'torch.gcd': ({ self, other }: Pair) => self.gcd(other),
  'torch.lcm': ({ self, other }: Pair) => self.lcm(other),
  'torch.where': (a: { readonly condition: Tensor; readonly self?: Operand; readonly other?: Operand }) => {
    if (a.self === undefined || a.other === undefined) return nabla.where(a.condition);
    return nabla.where(a.condition, a.self, a.other);
  },
  'torch.eq': ({ self, other }: Binary) => self.eq(other),
  'torch.ne': ({ self, other }: Binary) => self.ne(other),
  'torch.lt': ({ self, other }: Binary) => self.lt(other),
  'torch.le': ({ self, other }: Binary) => self.le(other),
  'torch.gt': ({ self, other }: Binary) => self.gt(other),
  'torch.ge': ({ self, other }: Binary) => self.ge(other),
  'torch.logical_and': ({ self, other }: Pair) => self.logicalAnd(other),
  'torch.logical_or': ({ self, other }: Pair) => self.logicalOr(other),
  'torch.logical_xor': ({ self, other }: Pair) => self.logicalXor(other),
  'Tensor.__radd__': ({ self, other }: Binary) => tensorFirst(other).add(self),
  'Tensor.__rsub__': ({ self, other }: Binary) => tensorFirst(other).sub(self),
  'Tensor.__rmul__': ({ self, other }: Binary) => tensorFirst(other).mul(self),
  'Tensor.__rdiv__': ({ self, other }: Binary) => tensorFirst(other).div(self),
  'Tensor.__rmod__': ({ self, other }: Binary) => tensorFirst(other).remainder(self),
  // PyTorch takes the base out of the graph here.
  'Tensor.__rpow__': ({ self, other }: Binary) => tensorFirst(other).detach().pow(self),
  'Tensor.__rmatmul__': ({ self, other }: Pair) => other.matmul(self),
};

export const elementwiseSignatures: Signatures = {
  'Tensor.__radd__': ['__radd__(Tensor self, Any other)'],
  'Tensor.__rsub__': ['__rsub__(Tensor self, Any other)'],
  'Tensor.__rmul__': ['__rmul__(Tensor self, Any other)'],
  'Tensor.__rdiv__': ['__rdiv__(Tensor self, Any other)'],
  'Tensor.__rmod__': ['__rmod__(Tensor self, Any other)'],
  'Tensor.__rpow__': ['__rpow__(Tensor self, Any other)'],
  'Tensor.__rmatmul__': ['__rmatmul__(Tensor self, Tensor other)'],
};
