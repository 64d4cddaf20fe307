/**
 * Reductions, scans and normalisations of the elements that a mask lets take part, PyTorch's
 * `torch.masked` in camel case. `import { masked } from 'nabla'`.
 */
export * from './along.ts';
export type { Masking } from './fill.ts';
export {
  amax,
  amin,
  argmax,
  argmin,
  logsumexp,
  type MaskedReduction,
  type MaskedSpread,
  mean,
  median,
  norm,
  prod,
  std,
  sum,
  variance,
  variance as var,
} from './reductions.ts';
