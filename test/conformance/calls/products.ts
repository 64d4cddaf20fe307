import type { Tensor } from 'nabla';
import type { Calls, Pair, Self } from './arguments.ts';

export const products: Calls = {
  'torch.matmul': ({ self, other }: Pair) => self.matmul(other),
  'torch.mm': ({ self, mat2 }: Self & { readonly mat2: Tensor }) => self.mm(mat2),
  'torch.bmm': ({ self, mat2 }: Self & { readonly mat2: Tensor }) => self.bmm(mat2),
  'torch.mv': ({ self, vec }: Self & { readonly vec: Tensor }) => self.mv(vec),
  'torch.dot': ({ self, tensor }: Self & { readonly tensor: Tensor }) => self.dot(tensor),
  'torch.vdot': ({ self, other }: Pair) => self.dot(other),
};
