import { checkType, kindOf, type TypeName } from '../core/arguments.ts';
import { type DType, dtypes, isDType } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import { TensorBase } from '../core/tensor.ts';

export interface TensorOptions {
  readonly dtype?: DType;
  readonly requiresGrad?: boolean;
}

const typed = <T extends string>(type: T, names: string): readonly (readonly [string, T])[] =>
  names.split(' ').map((name) => [name, type]);

/** Types of options, which by their names are the same everywhere. Those that may be of several are looked at where they are used. */
const TYPES = new Map<string, TypeName | 'dtype'>([
  ...typed(
    'boolean',
    'accumulate adjoint allowUnused alignCorners antialias asTuple assumeUnique ceilMode checkErrors checkNan copy countIncludePad createGraph debug density descending earlyStop equalNan errorIfNonfinite full fullMatrices hard hasAux hermitian includeLastOffset includeSelf invert isCausal isGradsBatched keepdim largest left logInput logTarget materializeGrads pivot preserveRngState print recomputeScaleFactor requiresGrad retainGraph returnCounts returnIndices returnInverse right scaleGradByFreq sciMode setToNone some sorted stable strict swap training transpose unbiased unitriangular unpackData unpackPivots unsafe upper useInputStats useReentrant vectorize withReplacement zeroInfinity',
  ),
  ...typed(
    'number',
    'alpha argnum axis base beta bins blank chunkSize correction decimals delta dim1 dim2 divisorOverride dropoutP edgeitems eps groups ignoreIndex ind initial k labelSmoothing lambd linewidth margin max maxEvents maxNorm maxVal min minVal minlength momentum N nan negativeSlope neginf normType offset p paddingIdx posinf precision rcond scale tau threshold value',
  ),
  ...typed(
    'Tensor',
    'append attnMask aweights bias fweights inputMask lengths mask offsets otherMask perSampleWeights posWeight prepend runningMean runningVar sorter weight weights',
  ),
  ...typed('string', 'trace'),
  ...typed('object', 'generator'),
  ...typed('dtype', 'dtype'),
]);

/**
 * Refuses options that the function does not have, for a misspelt one must not pass unnoticed, and such as are not of
 * the type that goes with their name. What was not given is undefined, or null.
 */
export function checkOptions(
  op: string,
  options: object | undefined,
  known: readonly string[],
  types: ReadonlyMap<string, TypeName | 'dtype'> = TYPES,
): void {
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
    const type = types.get(key);
    const value = (options as Readonly<Record<string, unknown>>)[key] ?? undefined;
    if (type === undefined || value === undefined || typeof value === type) continue;
    if (type === 'dtype') checkDType(op, value);
    else checkType(op, type, key, value);
  }
}

export function checkDType(op: string, dtype: unknown): void {
  if (dtype !== undefined && !isDType(dtype))
    throw new ArgumentError(
      `${op}: unknown dtype ${typeof dtype === 'string' ? `"${dtype}"` : kindOf(dtype)}; dtypes are ${dtypes.join(', ')}`,
    );
}
