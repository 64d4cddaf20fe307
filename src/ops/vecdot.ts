import { ReduceKernel } from '../backends/wasm/reduce.ts';
import { apply1 } from '../core/apply.ts';
import { type DType, dtypeInfo, isFloat, promote } from '../core/dtype.ts';
import { internally } from '../core/internally.ts';
import { defineOp, type Op } from '../core/op.ts';
import { broadcastShapes, wrapDim } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { arg, binary } from '../kernels/expr.ts';
import { toDType } from './copy.ts';
import { mul } from './elementwise.ts';
import { onBatch } from './matmul.ts';
import { sum } from './reduce.ts';
import { expand, unsqueeze } from './view.ts';

interface AlongAttrs {
  /** Counted from the end. */
  readonly dim: number;
}

const kernels = new Map<DType, ReduceKernel>();

function kernelOf(dtype: DType): ReduceKernel {
  let kernel = kernels.get(dtype);
  if (kernel === undefined) {
    const { compute } = dtypeInfo(dtype);
    const pre = binary('mul', arg(0), arg(1));
    kernel = new ReduceKernel({ name: 'vecdot', fold: 'sum', pre, compute, ins: [dtype, dtype], out: dtype });
    kernels.set(dtype, kernel);
  }
  return kernel;
}

// y = Σ a b        ā = ȳ b,  b̄ = ȳ a
const vecdotOp: Op<AlongAttrs> = defineOp({
  name: 'vecdot',
  node: 'SumBackward1',
  cheap: true,
  inputs: ['a', 'b'],
  forward: ([a, b], { dim }) =>
    internally(() => {
      const shape = broadcastShapes('vecdot', a.shape, b.shape);
      const axis = shape.length + dim;
      const y = fresh(shape.toSpliced(axis, 1), a.dtype);
      kernelOf(a.dtype).run(
        y,
        [a, b].map((x) => expand(x, shape)),
        shape,
        [axis],
      );
      return y;
    }),
  vjp: {
    a: [['b'], (g, [b], { attrs }) => mul(unsqueeze(g, attrs.dim), b)],
    b: [['a'], (g, [a], { attrs }) => mul(unsqueeze(g, attrs.dim), a)],
  },
  jvp: 'multilinear',
  vmap: ([a, b], [inA, inB], attrs, size) => {
    const rank = Math.max(a.shape.length - (inA ? 1 : 0), b.shape.length - (inB ? 1 : 0));
    // Examples of fewer dimensions get those that broadcasting would give them, behind that of the batch.
    const wide = (x: TensorBase, batched: boolean): TensorBase => {
      let y = onBatch(x, batched, size);
      while (y.shape.length <= rank) y = unsqueeze(y, 1);
      return y;
    };
    return apply1(vecdotOp, [wide(a, inA), wide(b, inB)], attrs);
  },
});

/** Σ a b along a dimension of the two, which broadcast. Of floats, no tensor of all products is made. */
export function vecdot(a: TensorBase, b: TensorBase, dim: number): TensorBase {
  const rank = Math.max(a.shape.length, b.shape.length);
  const dtype = promote(a.dtype, b.dtype);
  if (rank === 0 || !isFloat(dtype)) return sum(mul(a, b), dim);
  return apply1(vecdotOp, [toDType(a, dtype), toDType(b, dtype)], { dim: wrapDim('vecdot', dim, rank) - rank });
}
