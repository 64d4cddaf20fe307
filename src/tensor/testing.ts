import type { DType } from '../core/dtype.ts';
import { ArgumentError, AssertionError } from '../core/errors.ts';
import { within } from '../core/naming.ts';
import { sameShape, shapeText } from '../core/shape.ts';
import { checkTensors } from '../core/tensor.ts';
import { asTensor } from './creation.ts';
import type { NestedArray } from './data.ts';
import { checkOptions } from './options.ts';
import type { Tensor } from './tensor.ts';

/** How far `actual` may be from what is expected: |a − e| ≤ atol + rtol |e|. */
export interface CloseOptions {
  /** 1.3e-6 for float32, 1e-7 for float64, 0 for others. To be given together with `atol`. */
  readonly rtol?: number;
  /** 1e-5 for float32, 1e-7 for float64, 0 for others. */
  readonly atol?: number;
  /** Whether two NaNs are equal; false by default. */
  readonly equalNan?: boolean;
  /** Whether the dtypes must be the same; true by default. */
  readonly checkDtype?: boolean;
}

const TOLERANCES: Readonly<Partial<Record<DType, readonly [rtol: number, atol: number]>>> = {
  float32: [1.3e-6, 1e-5],
  float64: [1e-7, 1e-7],
};

function tolerances({ rtol, atol }: CloseOptions, dtypes: readonly DType[]): readonly [number, number] {
  if ((rtol === undefined) !== (atol === undefined))
    throw new ArgumentError(
      `assertClose: rtol and atol must both be specified or both be unspecified, but got rtol=${rtol} and atol=${atol} instead.`,
    );
  if (rtol !== undefined && atol !== undefined) return [rtol, atol];
  const each = dtypes.map((dtype) => TOLERANCES[dtype] ?? [0, 0]);
  return [Math.max(...each.map(([r]) => r)), Math.max(...each.map(([, a]) => a))];
}

/** The indices of element `n`, as PyTorch writes them. */
function indexText(n: number, shape: readonly number[]): string {
  let rest = n;
  const index = shape.toReversed().map((size) => {
    const i = rest % size;
    rest = (rest - i) / size;
    return i;
  });
  return `(${index.reverse().join(', ')}${shape.length === 1 ? ',' : ''})`;
}

/**
 * Compares a tensor with what is expected, a tensor or the numbers themselves (which are of its dtype then), for tests;
 * the tolerances are PyTorch's.
 *
 * @throws {AssertionError} when shapes or dtypes differ, or elements that are not close; it says how many, how far and where.
 */
export function assertClose(actual: Tensor, expected: Tensor | NestedArray, options: CloseOptions = {}): void {
  checkOptions('assertClose', options, ['rtol', 'atol', 'equalNan', 'checkDtype']);
  checkTensors('assertClose', actual);
  const given = expected as unknown;
  const { dtype } = actual;
  const wanted = (
    given instanceof Object && 'dtype' in given
      ? given
      : within('assertClose', () => asTensor(given as number, { dtype }))
  ) as Tensor;
  checkTensors('assertClose', wanted);
  const { equalNan = false, checkDtype = true } = options;
  const differ = (what: string, a: string, b: string): AssertionError =>
    new AssertionError(`assertClose: The values for attribute '${what}' do not match: ${a} != ${b}.`);
  if (!sameShape(actual.shape, wanted.shape)) throw differ('shape', shapeText(actual.shape), shapeText(wanted.shape));
  if (checkDtype && actual.dtype !== wanted.dtype) throw differ('dtype', actual.dtype, wanted.dtype);
  const [rtol, atol] = tolerances(options, [actual.dtype, wanted.dtype]);
  const [xs, ys] = [actual.toTypedArray(), wanted.toTypedArray()];
  let mismatched = 0;
  const greatest = { absolute: { value: -1, at: 0 }, relative: { value: -1, at: 0 } };
  for (let i = 0; i < xs.length; i++) {
    const [x, y] = [xs[i] as number, ys[i] as number];
    const apart = Math.abs(x - y);
    if (x === y || (equalNan && Number.isNaN(x) && Number.isNaN(y))) continue;
    if (Number.isFinite(apart) && apart <= atol + rtol * Math.abs(y)) continue;
    mismatched++;
    for (const [found, value] of [
      [greatest.absolute, apart],
      [greatest.relative, apart / Math.abs(y)],
    ] as const)
      if (found.value === -1 || !(value <= found.value)) Object.assign(found, { value, at: i });
  }
  if (mismatched === 0) return;
  const exact = rtol === 0 && atol === 0;
  const line = (what: 'absolute' | 'relative', allowed: number): string => {
    const { value, at } = greatest[what];
    return `Greatest ${what} difference: ${value} at index ${indexText(at, actual.shape)}${exact ? '' : ` (up to ${allowed} allowed)`}`;
  };
  const share = ((100 * mismatched) / xs.length).toFixed(1);
  throw new AssertionError(
    `assertClose: Tensor-likes are not ${exact ? 'equal' : 'close'}!\n\nMismatched elements: ${mismatched} / ${xs.length} (${share}%)\n${line('absolute', atol)}\n${line('relative', rtol)}`,
  );
}
