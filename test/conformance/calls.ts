import type { Calls, Signatures } from './calls/arguments.ts';
import { convolutions, convolutionsSignatures } from './calls/conv.ts';
import { creations, creationsSignatures } from './calls/creation.ts';
import { elementwise, elementwiseSignatures } from './calls/elementwise.ts';
import { functional, functionalSignatures } from './calls/functional.ts';
import { inplace, inplaceSignatures } from './calls/inplace.ts';
import { linearAlgebra, linearAlgebraSignatures } from './calls/linalg.ts';
import { losses, lossesSignatures } from './calls/losses.ts';
import { maskedCalls, maskedSignatures } from './calls/masked.ts';
import { picking, pickingSignatures } from './calls/picking.ts';
import { products, productsSignatures } from './calls/products.ts';
import { reductions, reductionsSignatures } from './calls/reductions.ts';
import { scans, scansSignatures } from './calls/scans.ts';
import { special } from './calls/special.ts';
import { views, viewsSignatures } from './calls/views.ts';

/*
 * PyTorch's calls in Nabla's words: argument order and option names, and nothing else. Arguments come
 * by the names of PyTorch's signatures; what was not given, or None, is undefined. A file a family.
 */

export const calls: Calls = {
  ...elementwise,
  ...reductions,
  ...scans,
  ...maskedCalls,
  ...products,
  ...linearAlgebra,
  ...picking,
  ...views,
  ...creations,
  ...losses,
  ...functional,
  ...special,
  ...convolutions,
  ...inplace,
};

/** Signatures of Python functions that have none in ATen, or another one. */
export const pythonSignatures: Signatures = {
  ...elementwiseSignatures,
  ...reductionsSignatures,
  ...scansSignatures,
  ...maskedSignatures,
  ...pickingSignatures,
  ...viewsSignatures,
  ...productsSignatures,
  ...linearAlgebraSignatures,
  ...creationsSignatures,
  ...lossesSignatures,
  ...convolutionsSignatures,
  ...functionalSignatures,
  ...inplaceSignatures,
};
