import type { Tensor } from 'nabla';
import { calls, pythonSignatures } from './calls.ts';
import { unusable } from './differences.ts';
import {
  type Encoded,
  type EncodedTensor,
  isTensor,
  type PyTorchCall,
  tensorsOf,
  toTensor,
  Unsupported,
} from './format.ts';
import { type Bound, bind, decodeArguments, parseSignature, type Signature } from './schema.ts';

/** Nabla tensors that stand for those of the sample. */
export type Standing = ReadonlyMap<EncodedTensor, Tensor>;

/** A PyTorch call brought to the form of the table, ready to run any number of times. */
export interface Invocation {
  /** Every tensor among the arguments, in order. */
  readonly tensors: readonly EncodedTensor[];
  /** Those that gradients are asked for. */
  readonly differentiable: readonly EncodedTensor[];
  /** Set when the result's dtype may hang on what JavaScript's numbers do not say. */
  readonly ambiguous: string | null;
  /** Arguments by name, as the sample has them. */
  readonly bound: Bound;
  run(standing: Standing): unknown;
}

const parsed = new Map<string, Signature>();

function signatureOf(schema: string): Signature {
  let signature = parsed.get(schema);
  if (signature === undefined) {
    signature = parseSignature(schema);
    parsed.set(schema, signature);
  }
  return signature;
}

const isFloatTensor = (t: EncodedTensor): boolean => t.dtype.startsWith('float');

/**
 * 2 and 2.0 are one number in JavaScript, and truth values among numbers are 1 and 0. Where no
 * floating point tensor decides, such a number may make another dtype here than in PyTorch.
 */
function ambiguity(signature: Signature, bound: Bound, tensors: readonly EncodedTensor[]): string | null {
  if (tensors.some(isFloatTensor)) return null;
  const scalars = signature.filter((p) => /^(Scalar|Any)\??$/.test(p.type)).map((p) => bound[p.name]);
  const unclear = (x: Encoded | undefined): boolean =>
    typeof x === 'boolean' ||
    (typeof x === 'number' && tensors.length === 0) ||
    (typeof x === 'object' && x !== null && 'float' in x && !isTensor(x));
  return scalars.some(unclear) ? "the dtype hangs on a Python number's type" : null;
}

/** A call that no signature takes. */
export class Unbound extends Unsupported {}

/**
 * Finds the Nabla call of a PyTorch call and the signature its arguments fit.
 *
 * @throws {Unsupported} when the table has no such call.
 */
export function invocation(
  call: string,
  { args, kwargs }: Pick<PyTorchCall, 'args' | 'kwargs'>,
  schemas: readonly string[],
): Invocation {
  if (!Object.hasOwn(calls, call)) throw new Unsupported(`no ${call}`);
  const target = calls[call] as (args: Record<string, unknown>) => unknown;
  const tensors = tensorsOf([...args, ...Object.values(kwargs)]);
  for (const schema of pythonSignatures[call] ?? schemas) {
    const signature = signatureOf(schema);
    const bound = bind(signature, args, kwargs);
    if (bound === null) continue;
    const reason = unusable(call, bound);
    if (reason !== null) throw new Unsupported(reason);
    return {
      tensors,
      differentiable: tensors.filter((t) => t.requires_grad === true),
      bound,
      ambiguous: ambiguity(signature, bound, tensors),
      run: (standing) => target(decodeArguments(signature, bound, (t) => standing.get(t))),
    };
  }
  throw new Unbound('no overload takes these arguments');
}

/** Fresh leaves for every tensor of a call, with gradients where the sample has them. */
export function leaves(of: Invocation, requiresGrad = true): Map<EncodedTensor, Tensor> {
  return new Map(of.tensors.map((t) => [t, toTensor(t, requiresGrad && t.requires_grad === true)]));
}

/** The same, with a copy of the first tensor, for in-place methods to work on. */
export function withCopy(of: Invocation, standing: Standing): Standing {
  const [target] = of.tensors;
  return new Map([...standing, [target, (standing.get(target) as Tensor).clone()] as const]);
}
