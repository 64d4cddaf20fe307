import {
  type Binary,
  type Bounded,
  type Calls,
  type Divide,
  type Operand,
  type Rounding,
  type Scaled,
  type Self,
  type Signatures,
  without,
} from './arguments.ts';

export const inplace: Calls = {
  'Tensor.abs_': ({ self }: Self) => self.abs_(),
  'Tensor.acos_': ({ self }: Self) => self.acos_(),
  'Tensor.add_': ({ self, other, alpha }: Scaled) => self.add_(other, { alpha }),
  'Tensor.asin_': ({ self }: Self) => self.asin_(),
  'Tensor.atan_': ({ self }: Self) => self.atan_(),
  'Tensor.ceil_': ({ self }: Self) => self.ceil_(),
  'Tensor.clamp_': ({ self, min, max }: Bounded) => self.clamp_(min, max),
  'Tensor.clamp_max_': ({ self, max }: Bounded) => self.clamp_(null, max),
  'Tensor.clamp_min_': ({ self, min }: Bounded) => self.clamp_(min),
  'Tensor.cos_': ({ self }: Self) => self.cos_(),
  'Tensor.cosh_': ({ self }: Self) => self.cosh_(),
  'Tensor.div_': ({ self, other, rounding_mode }: Divide) => self.div_(other, { roundingMode: rounding_mode }),
  'Tensor.erf_': ({ self }: Self) => self.erf_(),
  'Tensor.exp_': ({ self }: Self) => self.exp_(),
  'Tensor.expm1_': ({ self }: Self) => self.expm1_(),
  'Tensor.fill_': ({ self, value }: Self & { readonly value: Operand }) => self.fill_(value),
  'Tensor.floor_': ({ self }: Self) => self.floor_(),
  'Tensor.log1p_': ({ self }: Self) => self.log1p_(),
  'Tensor.log_': ({ self }: Self) => self.log_(),
  'Tensor.mul_': ({ self, other }: Binary) => self.mul_(other),
  'Tensor.neg_': ({ self }: Self) => self.neg_(),
  'Tensor.pow_': ({ self, exponent }: Self & { readonly exponent: Operand }) => self.pow_(exponent),
  'Tensor.reciprocal_': ({ self }: Self) => self.reciprocal_(),
  'Tensor.round_': ({ self, decimals }: Rounding) => {
    without('decimals', decimals, 0);
    return self.round_();
  },
  'Tensor.rsqrt_': ({ self }: Self) => self.rsqrt_(),
  'Tensor.sigmoid_': ({ self }: Self) => self.sigmoid_(),
  'Tensor.sign_': ({ self }: Self) => self.sign_(),
  'Tensor.sin_': ({ self }: Self) => self.sin_(),
  'Tensor.sinh_': ({ self }: Self) => self.sinh_(),
  'Tensor.sqrt_': ({ self }: Self) => self.sqrt_(),
  'Tensor.square_': ({ self }: Self) => self.square_(),
  'Tensor.sub_': ({ self, other, alpha }: Scaled) => self.sub_(other, { alpha }),
  'Tensor.tan_': ({ self }: Self) => self.tan_(),
  'Tensor.tanh_': ({ self }: Self) => self.tanh_(),
  'Tensor.true_divide_': ({ self, other }: Binary) => self.div_(other),
  'Tensor.trunc_': ({ self }: Self) => self.trunc_(),
  'Tensor.zero_': ({ self }: Self) => self.zero_(),
};

export const inplaceSignatures: Signatures = {
  'Tensor.zero_': ['zero_(Tensor self)'],
};
