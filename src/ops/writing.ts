import { launching } from '../backends/wasm/threads/pending.ts';
import { apply1, isBare } from '../core/apply.ts';
import { defineOp, type JvpRule, type Op, type OpDefinition } from '../core/op.ts';
import type { Shape } from '../core/shape.ts';
import { fresh, type TensorBase } from '../core/tensor.ts';
import { copyKernel } from './copy.ts';
import { zeros, zerosLike } from './create.ts';
import { reshape } from './view.ts';

/*
 * Operations that overwrite a part of their first input. Written once, as what is done to memory, they
 * have two forms: on a copy of the input, and in place.
 */

export interface WritingOp<A> extends Op<A> {
  /** Writes into `y`, which holds the first input. The others do not lie in its memory. */
  write(y: TensorBase, others: readonly TensorBase[], attrs: A): void;
}

type WritingDefinition<A> = Omit<OpDefinition<A>, 'forward'> & Pick<WritingOp<A>, 'write'>;

/** Defines and registers an operation whose result is its first input with something written into it. */
export function defineWriting<A>(definition: WritingDefinition<A>): WritingOp<A> {
  const { write } = definition;
  const op: Op<A> = defineOp<A>({
    ...definition,
    forward: ([x, ...others], attrs) => {
      const y = fresh(x.shape, x.dtype);
      copyKernel(x.dtype, x.dtype).run([y], [x]);
      write(y, others, attrs);
      return y;
    },
  });
  return Object.assign(op, { write });
}

/** A checked call of such an operation, to be run on a copy of its first input or in place. */
export interface Writing {
  readonly op: WritingOp<never>;
  readonly others: readonly TensorBase[];
  readonly attrs: never;
}

export function writing<A>(op: WritingOp<A>, others: readonly TensorBase[], attrs: A): Writing {
  return { op: op as WritingOp<never>, others, attrs: attrs as never };
}

/** The call on a copy of `x`. Rank-0 tensors take part as one-element vectors. */
export function written(x: TensorBase, { op, others, attrs }: Writing): TensorBase {
  if (x.shape.length > 0) return apply1(op, [x, ...others], attrs);
  return reshape(apply1(op, [reshape(x, [1]), ...others], attrs), []);
}

/** The operation on zeros: written straight into them where nothing else is asked of it. */
export function onZeros<A>(
  op: WritingOp<A>,
  shape: Shape,
  others: readonly [...TensorBase[], src: TensorBase],
  attrs: A,
): TensorBase {
  const y = zeros(shape, (others[others.length - 1] as TensorBase).dtype);
  if (!isBare(others)) return apply1(op, [y, ...others], attrs);
  launching.name = op.name;
  op.write(y, others, attrs);
  return y;
}

/** The tangent of an operation that is linear in its inputs together, but for those in `fixed`: indices and masks. */
export function linearBut<A>(op: () => Op<A>, ...fixed: readonly number[]): JvpRule<A> {
  return ({ inputs, tangents, attrs }) => {
    if (tangents.every((t) => t === null)) return null;
    const along = inputs.map((x, i) => (fixed.includes(i) ? x : (tangents[i] ?? zerosLike(x as TensorBase))));
    return apply1(op(), along, attrs);
  };
}
