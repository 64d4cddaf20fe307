import type { Tensor } from 'nabla';
import * as nabla from 'nabla';
import type { AlongDim, Calls, Pair, Self, Signatures } from './arguments.ts';

interface Blend extends Self {
  readonly beta?: number;
  readonly alpha?: number;
}
interface Matrices extends Blend {
  readonly mat1: Tensor;
  readonly mat2: Tensor;
}
interface Batches extends Blend {
  readonly batch1: Tensor;
  readonly batch2: Tensor;
}
interface MatrixVector extends Blend {
  readonly mat: Tensor;
  readonly vec: Tensor;
}
interface Vectors extends Blend {
  readonly vec1: Tensor;
  readonly vec2: Tensor;
}

export const products: Calls = {
  'torch.matmul': ({ self, other }: Pair) => self.matmul(other),
  'torch.mm': ({ self, mat2 }: Self & { readonly mat2: Tensor }) => self.mm(mat2),
  'torch.bmm': ({ self, mat2 }: Self & { readonly mat2: Tensor }) => self.bmm(mat2),
  'torch.mv': ({ self, vec }: Self & { readonly vec: Tensor }) => self.mv(vec),
  'torch.dot': ({ self, tensor }: Self & { readonly tensor: Tensor }) => self.dot(tensor),
  'torch.vdot': ({ self, other }: Pair) => self.vdot(other),
  'torch.inner': ({ self, other }: Pair) => self.inner(other),
  'torch.outer': ({ self, vec2 }: Self & { readonly vec2: Tensor }) => self.outer(vec2),
  'torch.ger': ({ self, vec2 }: Self & { readonly vec2: Tensor }) => self.outer(vec2),
  'torch.kron': ({ self, other }: Pair) => self.kron(other),
  'torch.cross': ({ self, other, dim }: Pair & AlongDim) => self.cross(other, dim),
  'torch.trace': ({ self }: Self) => self.trace(),
  'torch.einsum': ({ equation, tensors }: { readonly equation: string; readonly tensors: readonly Tensor[] }) =>
    nabla.einsum(equation, ...tensors),
  'torch.tensordot': (a: Pair & { readonly dims: number | readonly (readonly number[])[] }) =>
    nabla.tensordot(a.self, a.other, a.dims as Parameters<typeof nabla.tensordot>[2]),

  // ── a product added ──
  'torch.addmm': ({ self, mat1, mat2, beta, alpha }: Matrices) => self.addmm(mat1, mat2, { beta, alpha }),
  'torch.addmv': ({ self, mat, vec, beta, alpha }: MatrixVector) => self.addmv(mat, vec, { beta, alpha }),
  'torch.addr': ({ self, vec1, vec2, beta, alpha }: Vectors) => self.addr(vec1, vec2, { beta, alpha }),
  'torch.baddbmm': ({ self, batch1, batch2, beta, alpha }: Batches) => self.baddbmm(batch1, batch2, { beta, alpha }),
  'torch.addbmm': ({ self, batch1, batch2, beta, alpha }: Batches) => self.addbmm(batch1, batch2, { beta, alpha }),
  'Tensor.addmm_': ({ self, mat1, mat2, beta, alpha }: Matrices) => self.addmm_(mat1, mat2, { beta, alpha }),
  'Tensor.addmv_': ({ self, mat, vec, beta, alpha }: MatrixVector) => self.addmv_(mat, vec, { beta, alpha }),
  'Tensor.addr_': ({ self, vec1, vec2, beta, alpha }: Vectors) => self.addr_(vec1, vec2, { beta, alpha }),
  'Tensor.baddbmm_': ({ self, batch1, batch2, beta, alpha }: Batches) => self.baddbmm_(batch1, batch2, { beta, alpha }),
  'Tensor.addbmm_': ({ self, batch1, batch2, beta, alpha }: Batches) => self.addbmm_(batch1, batch2, { beta, alpha }),
};

export const productsSignatures: Signatures = {
  'torch.einsum': ['einsum(str equation, Tensor[] tensors)', 'einsum(str equation, Any tensors)'],
  'torch.tensordot': ['tensordot(Tensor self, Tensor other, Any dims=2)'],
};
