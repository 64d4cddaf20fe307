import { type DType, type Tensor, tensor } from 'nabla';
import { describe, expect, test } from 'vitest';
import { orders } from '../support/orders.ts';

/* Tensors of bytes are written sixteen elements at a time where there are so many. */

const numbers = [0, -0, 1, 2.75, -1.5, 255, 256, 300, 1000, -7, Number.NaN, 0.25, 127, 128];
const isNarrow = (dtype: DType): boolean => dtype === 'uint8' || dtype === 'bool';

/** So many elements of a dtype, from an odd place of their memory on. */
function elements(dtype: DType, n: number): Tensor {
  const values = Array.from({ length: n + 1 }, (_, i) => numbers[(i * 5) % numbers.length]);
  const fit = values.map((x) => (dtype.startsWith('float') ? x : Math.trunc(Number.isNaN(x) ? 3 : x)));
  const bytes = fit.map((x) => (isNarrow(dtype) ? Math.abs(x) % (dtype === 'bool' ? 2 : 256) : x));
  return tensor(bytes, { dtype }).narrow(0, 1, n) as Tensor;
}

const truth = (x: number | boolean): boolean => Number.isNaN(x) || Number(x) !== 0;
const list = (t: Tensor): number[] => Array.from(t.toTypedArray(), Number);

describe.each(['float32', 'float64', 'int32', 'uint8', 'bool'] as const)('%s', (dtype) => {
  test.each([0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 131, 70_001])('%i elements', (n) => {
    const x = elements(dtype, n);
    const values = list(x);
    expect(list(x.to('bool'))).toEqual(values.map((v) => Number(truth(v))));
    expect(list(x.gt(1))).toEqual(values.map((v) => Number(v > 1)));
    expect(list(x.eq(x.flip([0])))).toEqual(values.map((v, i) => Number(v === values[n - 1 - i])));
    const y = x.flip([0]);
    const turned = values.toReversed();
    for (const [op, holds] of Object.entries(orders) as [keyof typeof orders, (a: number, b: number) => boolean][])
      expect(list(x[op](y))).toEqual(values.map((v, i) => Number(holds(v, turned[i]))));
    if (dtype === 'bool') expect(list(x.mul(y))).toEqual(values.map((v, i) => v * turned[i]));
    expect(list(x.logicalNot())).toEqual(values.map((v) => Number(!truth(v))));
    expect(list(x.clone())).toEqual(values);
    const wrapped = values.map((v) => (Number.isNaN(v) ? 0 : Math.trunc(v) & 0xff));
    expect(list(x.to('uint8'))).toEqual(wrapped);
    if (dtype === 'uint8') expect(list(x.add(x))).toEqual(values.map((v) => (2 * v) & 0xff));
    if (dtype === 'bool') expect(list(x.to('uint8').to('int32'))).toEqual(values);
  });
});
