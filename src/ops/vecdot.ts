import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1 } from '../core/apply.ts';
import { byDType, dtypeInfo, isFloat, promote } from '../core/dtype.ts';
import { defineOp, type Op } from '../core/op.ts';
import { broadcastShapes, sameShape, wrapDim } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { mul } from './elementwise.ts';
import { onBatch } from './matmul.ts';
import { sum } from './reduce.ts';
import { expand, unsqueeze } from './view.ts';

const kernelOf = byDType((dtype): ReduceKernel => {
  const { compute } = dtypeInfo(dtype);
  const pre = binary('mul', arg(0), arg(1));
  return new ReduceKernel({ name: 'vecdot', fold: 'sum', pre, compute, ins: [dtype, dtype], out: dtype });
});

// y = Σ a b        ā = ȳ b,  b̄ = ȳ a
const vecdotOp: Op<{ readonly dim: number }> = defineOp({
  name: 'vecdot',
  node: 'SumBackward1',
  cheap: true,
  inputs: ['a', 'b'],
  forward: ([a, b], { dim }) => {
    const y = fresh(a.shape.toSpliced(dim, 1), a.dtype);
    kernelOf(a.dtype).run(y, [a, b], a.shape, [dim]);
    return y;
  },
  vjp: {
    a: [['b'], (g, [b], { attrs }) => mul(unsqueeze(g, attrs.dim), b)],
    b: [['a'], (g, [a], { attrs }) => mul(unsqueeze(g, attrs.dim), a)],
  },
  jvp: 'multilinear',
  vmap: ([a, b], [inA, inB], { dim }, size) =>
    apply1(vecdotOp, [onBatch(a, inA, size), onBatch(b, inB, size)], { dim: dim + 1 }),
});

/** Σ a b along a dimension of the two, which broadcast. Of floats, no tensor of all products is made. */
export function vecdot(a: TensorBase, b: TensorBase, dim: number): TensorBase {
  const shape = broadcastShapes('vecdot', a.shape, b.shape);
  const dtype = promote(a.dtype, b.dtype);
  if (shape.length === 0 || !isFloat(dtype)) return sum(mul(a, b), dim);
  const wide = (x: TensorBase): TensorBase => toDType(sameShape(x.shape, shape) ? x : expand(x, shape), dtype);
  return apply1(vecdotOp, [wide(a), wide(b)], { dim: wrapDim('vecdot', dim, shape.length) });
}
