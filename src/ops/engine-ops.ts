/**
 * The few operations that the engine and the rules of other operations need everywhere, gathered so
 * that those files name one neighbour.
 */
export { clone, copyLike, isDense, liesLike, toDType } from './copy.ts';
export { add, addInto, mul } from './elementwise.ts';
export { named } from './named.ts';
export { sum, sumTo } from './reduce.ts';

import { apply } from '../core/apply.ts';
import { installCalls } from '../core/op.ts';
import type { TensorBase } from '../core/tensor.ts';
import { zerosLike } from './create.ts';
import { add, ops } from './elementwise.ts';
import { inPlace } from './inplace.ts';

installCalls({ apply: (op, inputs, attrs) => apply(op, inputs, attrs as never), add, zerosLike });

/** `target += g`, with tangents. */
export function addInPlace(target: TensorBase, g: TensorBase): void {
  inPlace(ops.add, [target, g]);
}
