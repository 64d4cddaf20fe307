import { type DType, dtypes, isDType } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import { TensorBase } from '../core/tensor.ts';

export interface TensorOptions {
  readonly dtype?: DType;
  readonly requiresGrad?: boolean;
}

/** Refuses options that the function does not have: a misspelt one must not pass unnoticed. */
export function checkOptions(op: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  if (options === null || typeof options !== 'object' || Array.isArray(options) || options instanceof TensorBase) {
    throw new ArgumentError(`${op}: options must be an object such as { ${known[0]}: … }, got ${kindOf(options)}`);
  }
  for (const key of Object.keys(options)) {
    if (key === 'out' && !known.includes(key)) {
      throw new ArgumentError(
        `${op}: functions with out=... arguments don't support automatic differentiation, and there are none (this is the out= function option of PyTorch): take the result, or write it into a tensor with y.copy_(result)`,
      );
    }
    if (!known.includes(key))
      throw new ArgumentError(`${op}: got an unexpected option '${key}'; known options are ${known.join(', ')}`);
  }
}

function kindOf(options: object | null): string {
  if (options === null) return 'null';
  if (options instanceof TensorBase) return 'a tensor';
  return Array.isArray(options) ? 'an array' : typeof options;
}

export function checkDType(op: string, dtype: unknown): void {
  if (dtype !== undefined && !isDType(dtype))
    throw new ArgumentError(`${op}: unknown dtype ${JSON.stringify(dtype)}; dtypes are ${dtypes.join(', ')}`);
}
