import type { Tensor } from 'nabla';
import { type Binary, type Calls, type Operand, type Pair, type Self, tensorFirst } from './arguments.ts';

interface PairOf {
  readonly self: Operand;
  readonly other: Operand;
}
interface Eps extends Self {
  readonly eps?: number;
}
interface Replacing extends Self {
  readonly nan?: number;
  readonly posinf?: number;
  readonly neginf?: number;
}
interface Product extends Self {
  readonly tensor1: Tensor;
  readonly tensor2: Tensor;
  readonly value?: number;
}
interface Close extends Self {
  readonly other: Tensor;
  readonly rtol?: number;
  readonly atol?: number;
  readonly equal_nan?: boolean;
}
interface Ordered extends Self {
  readonly n: number;
}
interface Multivariate extends Self {
  readonly p: number;
}
interface Between extends Self {
  readonly end: Tensor;
  readonly weight: Operand;
}

export const special: Calls = {
  'torch.isposinf': ({ self }: Self) => self.isposinf(),
  'torch.isneginf': ({ self }: Self) => self.isneginf(),
  'torch.signbit': ({ self }: Self) => self.signbit(),
  'torch.logit': ({ self, eps }: Eps) => self.logit(eps),
  'Tensor.logit_': ({ self, eps }: Eps) => self.logit_(eps),
  'torch.lgamma': ({ self }: Self) => self.lgamma(),
  'Tensor.lgamma_': ({ self }: Self) => self.lgamma_(),
  'torch.digamma': ({ self }: Self) => self.digamma(),
  'Tensor.digamma_': ({ self }: Self) => self.digamma_(),
  'torch.erfinv': ({ self }: Self) => self.erfinv(),
  'Tensor.erfinv_': ({ self }: Self) => self.erfinv_(),
  'torch.sinc': ({ self }: Self) => self.sinc(),
  'Tensor.sinc_': ({ self }: Self) => self.sinc_(),
  'torch.special.entr': ({ self }: Self) => self.entr(),
  'torch.special.ndtr': ({ self }: Self) => self.ndtr(),
  'torch.special.ndtri': ({ self }: Self) => self.ndtri(),
  'torch.deg2rad': ({ self }: Self) => self.deg2rad(),
  'Tensor.deg2rad_': ({ self }: Self) => self.deg2rad_(),
  'torch.rad2deg': ({ self }: Self) => self.rad2deg(),
  'Tensor.rad2deg_': ({ self }: Self) => self.rad2deg_(),
  'torch.polygamma': ({ self, n }: Ordered) => self.polygamma(n),
  'torch.special.polygamma': ({ self, n }: Ordered) => self.polygamma(n),
  'Tensor.polygamma_': ({ self, n }: Ordered) => self.polygamma_(n),
  'torch.mvlgamma': ({ self, p }: Multivariate) => self.mvlgamma(p),
  'Tensor.mvlgamma_': ({ self, p }: Multivariate) => self.mvlgamma_(p),
  'torch.isclose': ({ self, other, rtol, atol, equal_nan }: Close) =>
    self.isclose(other, { rtol, atol, equalNan: equal_nan }),
  'torch.allclose': ({ self, other, rtol, atol, equal_nan }: Close) =>
    self.allclose(other, { rtol, atol, equalNan: equal_nan }),
  'torch.equal': ({ self, other }: { readonly self: Tensor; readonly other: Tensor }) => self.equal(other),
  'torch.nan_to_num': ({ self, nan, posinf, neginf }: Replacing) => self.nanToNum({ nan, posinf, neginf }),
  'Tensor.nan_to_num_': ({ self, nan, posinf, neginf }: Replacing) => self.nanToNum_({ nan, posinf, neginf }),
  'torch.i0': ({ self }: Self) => self.i0(),
  'torch.special.i0e': ({ self }: Self) => self.i0e(),
  'torch.special.i1': ({ self }: Self) => self.i1(),
  'torch.special.i1e': ({ self }: Self) => self.i1e(),
  'torch.special.erfcx': ({ self }: Self) => self.erfcx(),
  'torch.special.log_ndtr': ({ self }: Self) => self.logNdtr(),
  'Tensor.i0_': ({ self }: Self) => self.i0_(),
  'torch.special.xlog1py': ({ self, other }: PairOf) => tensorFirst(self).xlog1py(other),
  'torch.xlogy': ({ self, other }: PairOf) => tensorFirst(self).xlogy(other),
  'Tensor.xlogy_': ({ self, other }: PairOf) => tensorFirst(self).xlogy_(other),
  'torch.hypot': ({ self, other }: Pair) => self.hypot(other),
  'Tensor.hypot_': ({ self, other }: Pair) => self.hypot_(other),
  'torch.logaddexp': ({ self, other }: Pair) => self.logaddexp(other),
  'torch.logaddexp2': ({ self, other }: Pair) => self.logaddexp2(other),
  'torch.copysign': ({ self, other }: PairOf) => tensorFirst(self).copysign(other),
  'Tensor.copysign_': ({ self, other }: PairOf) => tensorFirst(self).copysign_(other),
  'torch.fmax': ({ self, other }: Pair) => self.fmax(other),
  'torch.fmin': ({ self, other }: Pair) => self.fmin(other),
  'torch.heaviside': ({ self, values }: Self & { readonly values: Tensor }) => self.heaviside(values),
  'Tensor.heaviside_': ({ self, values }: Self & { readonly values: Tensor }) => self.heaviside_(values),
  'torch.lerp': ({ self, end, weight }: Between) => self.lerp(end, weight),
  'Tensor.lerp_': ({ self, end, weight }: Between) => self.lerp_(end, weight),
  'torch.addcmul': ({ self, tensor1, tensor2, value }: Product) => self.addcmul(tensor1, tensor2, { value }),
  'Tensor.addcmul_': ({ self, tensor1, tensor2, value }: Product) => self.addcmul_(tensor1, tensor2, { value }),
  'torch.addcdiv': ({ self, tensor1, tensor2, value }: Product) => self.addcdiv(tensor1, tensor2, { value }),
  'Tensor.addcdiv_': ({ self, tensor1, tensor2, value }: Product) => self.addcdiv_(tensor1, tensor2, { value }),
  'Tensor.acosh_': ({ self }: Self) => self.acosh_(),
  'Tensor.asinh_': ({ self }: Self) => self.asinh_(),
  'Tensor.atanh_': ({ self }: Self) => self.atanh_(),
  'Tensor.erfc_': ({ self }: Self) => self.erfc_(),
  'Tensor.exp2_': ({ self }: Self) => self.exp2_(),
  'Tensor.log2_': ({ self }: Self) => self.log2_(),
  'Tensor.log10_': ({ self }: Self) => self.log10_(),
  'Tensor.frac_': ({ self }: Self) => self.frac_(),
  'Tensor.sgn_': ({ self }: Self) => self.sgn_(),
  'Tensor.fmod_': ({ self, other }: Binary) => self.fmod_(other),
  'Tensor.remainder_': ({ self, other }: Binary) => self.remainder_(other),
  'Tensor.atan2_': ({ self, other }: Pair) => self.atan2_(other),
};
