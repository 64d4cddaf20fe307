import { autograd, jvp, NablaError, Tensor, where } from 'nabla';
import { compareDerivative, compareScalar, compareTensors } from './compare.ts';
import { adjustGradients, adjustIndices, unusableSecond } from './differences.ts';
import {
  decodeTensor,
  type Encoded,
  type EncodedTensor,
  type ErrorSample,
  isTensor,
  type OpFile,
  type Sample,
  toHost,
  toTensor,
  Unsupported,
} from './format.ts';
import { type Invocation, invocation, leaves, type Standing, Unbound, withCopy } from './invoke.ts';

export const checks = ['output', 'vjp', 'jvp', 'gradgrad', 'error', 'inplace'] as const;
export type Check = (typeof checks)[number];

/** What came of one check of one sample. */
export interface Outcome {
  readonly op: string;
  readonly sample: string;
  readonly check: Check;
  readonly status: 'passed' | 'failed' | 'unsupported';
  /** Why it failed, or what is not there. */
  readonly reason?: string;
  /** For errors: whether the message has PyTorch's words. */
  readonly sameWords?: boolean;
}

type Verdict = Pick<Outcome, 'status' | 'reason' | 'sameWords'>;

function failure(error: unknown): Verdict {
  const reason = error instanceof Error ? error.message : String(error);
  if (error instanceof Unsupported) return { status: 'unsupported', reason };
  const kind = error instanceof Error && error.name !== 'Mismatch' ? `${error.name}: ` : '';
  return { status: 'failed', reason: `${kind}${reason}` };
}

function attempt(body: () => void): Verdict {
  try {
    body();
    return { status: 'passed' };
  } catch (error) {
    return failure(error);
  }
}

const camelCase = (name: string): string => name.replace(/_(\w)/g, (_, c: string) => c.toUpperCase());

/** Which elements of a masked operation's result were made of any that took part. */
function outputMask({ call, args, kwargs }: Sample, y: Tensor): Tensor {
  const shape = (args[0] as EncodedTensor).shape;
  const masks = [kwargs.mask, kwargs.input_mask, kwargs.other_mask].filter((m) => isTensor(m));
  const mask = masks.map((m) => toTensor(m).expand(shape)).reduce((a, b) => a.logicalAnd(b));
  if (y.shape.length === shape.length && y.shape.every((n, d) => n === shape[d])) return mask;
  const dim = kwargs.dim ?? args[call === 'torch.masked.norm' ? 2 : 1] ?? undefined;
  return mask.any(dim as number | number[] | undefined, { keepdim: kwargs.keepdim === true });
}

/** What PyTorch's recorder did to a result before writing it down. */
const processing: Readonly<Record<string, (parts: readonly unknown[], sample: Sample) => readonly unknown[]>> = {
  masked_to_zero: (parts, sample) =>
    parts.map((y) => where(outputMask(sample, y as Tensor), y as Tensor, 0).to((y as Tensor).dtype)),
  first: (parts) => parts.slice(0, 1),
  drop_first: (parts) => parts.slice(1),
  // Signs of eigenvectors and singular vectors are arbitrary.
  first_abs_second: ([first, second]) => [first, (second as Tensor).abs()],
  svd_S: ([, s]) => [s],
  svd_absU: ([u, s]) => [(u as Tensor).slice(-1, 0, (s as Tensor).shape.at(-1)).abs()],
  svd_S_absVh: ([, s, vh]) => [s, (vh as Tensor).slice(-2, 0, (s as Tensor).shape.at(-1)).abs()],
  svd_UVh_S: ([u, s, vh]) => [(u as Tensor).matmul(vh as Tensor), s],
  // The call became public, without its weights, after these were recorded.
  sdpa: (parts) => parts,
};

/** A result as a list: fields by name where PyTorch has a named tuple. */
function flatten(result: unknown, fields: readonly string[] | undefined): readonly unknown[] {
  if (result instanceof Tensor || typeof result !== 'object' || result === null) return [result];
  if (Array.isArray(result)) return result.flatMap((x) => flatten(x, undefined));
  const record = result as Readonly<Record<string, unknown>>;
  return (fields ?? Object.keys(record)).flatMap((name) => flatten(record[camelCase(name)], undefined));
}

function outputsOf(sample: Sample, result: unknown): readonly unknown[] {
  // A shape is one value.
  if (sample.out_kind === 'size') return [result];
  const parts = flatten(result, sample.out_fields);
  if (sample.post === undefined || sample.post === null) return parts;
  const process = processing[sample.post];
  if (process === undefined) throw new Unsupported(`results processed by ${sample.post}`);
  // The older `svd` gives V, not its transpose.
  return process(sample.call === 'torch.svd' ? parts.with(2, (parts[2] as Tensor).mT) : parts, sample);
}

function tensorOutputs(sample: Sample, result: unknown): Tensor[] {
  return outputsOf(sample, result).filter((y) => y instanceof Tensor);
}

/** One sample under all its checks. */
class Replay {
  readonly sample: Sample;
  readonly invocation: Invocation;

  constructor(op: OpFile, sample: Sample) {
    this.sample = sample;
    this.invocation = invocation(sample.call, sample, op.schemas);
  }

  /** Samples of in-place methods were recorded on a copy of the first argument. */
  result(standing: Standing): unknown {
    const { sample, invocation } = this;
    return invocation.run(sample.call.endsWith('_') ? withCopy(invocation, standing) : standing);
  }

  run(standing: Standing): Tensor[] {
    return tensorOutputs(this.sample, this.result(standing));
  }

  output(): void {
    const { sample, invocation } = this;
    this.compareOutputs(outputsOf(sample, this.result(leaves(invocation))), sample.outputs);
  }

  compareOutputs(outputs: readonly unknown[], expected: readonly Encoded[]): void {
    compareScalar('number of outputs', outputs.length, expected.length);
    expected.forEach((reference, i) => {
      const actual = outputs[i];
      if (!isTensor(reference) || !(actual instanceof Tensor)) {
        compareScalar(`output ${i}`, actual, reference);
        return;
      }
      const { ambiguous } = this.invocation;
      const decoded = decodeTensor(reference);
      if (ambiguous !== null && actual.dtype !== decoded.dtype) throw new Unsupported(ambiguous);
      const found = toHost(actual);
      const reached = adjustIndices(this.sample.call, this.invocation.bound, found, decoded);
      compareTensors(`output ${i}`, found, reached, this.sample.err32?.outputs);
    });
  }

  /** Outputs with a cotangent, and these. */
  seeded(outputs: readonly Tensor[], requiresGrad = false): { roots: Tensor[]; seeds: Tensor[] } {
    const { cotangents } = this.sample.vjp as NonNullable<Sample['vjp']>;
    compareScalar('number of outputs', outputs.length, cotangents.length);
    const roots = outputs.filter((_, i) => cotangents[i] !== null);
    return { roots, seeds: cotangents.filter((c) => c !== null).map((c) => toTensor(c, requiresGrad)) };
  }

  differentiable(standing: Standing): Tensor[] {
    return this.invocation.differentiable.map((t) => standing.get(t) as Tensor);
  }

  compareGrads(what: string, actual: readonly (Tensor | null)[], expected: readonly (EncodedTensor | null)[]): void {
    compareScalar(`number of ${what}s`, actual.length, expected.length);
    expected.forEach((reference, i) => {
      const g = actual[i];
      compareDerivative(`${what} ${i}`, g === null ? null : toHost(g), reference, this.sample.err32?.grads);
    });
  }

  /** Σⱼ ⟨cotangentⱼ, ∂yⱼ/∂xᵢ⟩ */
  vjp(): void {
    const standing = leaves(this.invocation);
    const { roots, seeds } = this.seeded(this.run(standing));
    const grads = autograd.grad(roots, this.differentiable(standing), { gradOutputs: seeds, allowUnused: true });
    this.compareGrads('gradient', grads, this.expectedGrads());
  }

  expectedGrads(): readonly (EncodedTensor | null)[] {
    const { vjp } = this.sample;
    return adjustGradients(this.invocation.differentiable, (vjp as NonNullable<Sample['vjp']>).grads, this.sample);
  }

  /** J u */
  jvp(): void {
    const { sample, invocation } = this;
    if (sample.jvp_mismatch !== undefined)
      throw new Unsupported("a forward derivative that PyTorch's own backward contradicts");
    const fixed = leaves(invocation, false);
    const along = (...xs: readonly Tensor[]): Tensor[] =>
      this.run(new Map([...fixed, ...invocation.differentiable.map((t, i) => [t, xs[i]] as const)]));
    const tangents = (sample.tangents ?? []).map((t) => toTensor(t));
    const [, pushed] = jvp(along, this.differentiable(fixed), tangents);
    this.compareGrads('tangent', pushed, sample.jvp?.outputs ?? []);
  }

  /** The gradient of s = Σᵢ ⟨gᵢ, uᵢ⟩, where g = vjp(cotangents): by the inputs, and by the cotangents, which is J u. */
  gradgrad(): void {
    const { sample, invocation } = this;
    const reason = unusableSecond(sample.call, sample.gradgrad?.grads ?? []);
    if (reason !== null) throw new Unsupported(reason);
    const standing = leaves(invocation);
    const inputs = this.differentiable(standing);
    const { roots, seeds } = this.seeded(this.run(standing), true);
    const grads = autograd.grad(roots, inputs, { gradOutputs: seeds, allowUnused: true, createGraph: true });
    const along = (sample.tangents ?? []).map((t) => toTensor(t));
    const terms = grads.flatMap((g, i) => (g === null ? [] : [g.mul(along[i]).sum()]));
    const s = terms.length === 0 ? null : terms.reduce((a, b) => a.add(b));
    const none = [...inputs, ...seeds].map(() => null);
    const second = s?.requiresGrad ? autograd.grad(s, [...inputs, ...seeds], { allowUnused: true }) : none;
    this.compareGrads('second derivative', second.slice(0, inputs.length), sample.gradgrad?.grads ?? []);
    if (sample.jvp === undefined || sample.jvp_mismatch !== undefined) return;
    const pushed = sample.jvp.outputs.filter((_, i) => sample.vjp?.cotangents[i] !== null);
    this.compareGrads('derivative by cotangent', second.slice(inputs.length), pushed);
  }

  /** The in-place method on a copy of the first argument gives the same values and gradients, or an error. */
  inplace(op: OpFile): void {
    const { sample } = this;
    const inplace = sample.inplace as NonNullable<Sample['inplace']>;
    // A function without a method of its own has `inplace=True`.
    const method = op.inplace_method ? `Tensor.${op.inplace_method}` : `${sample.call}_`;
    const call = invocation(method, sample, op.schemas);
    const standing = leaves(call);
    const changed = withCopy(call, standing);
    if (inplace.error !== undefined) {
      expectError(() => call.run(changed), inplace.error);
      return;
    }
    const outputs = tensorOutputs(sample, call.run(changed));
    this.compareOutputs(outputs, sample.outputs);
    if (outputs[0] !== changed.get(call.tensors[0])) throw new Error(`${method} did not return its tensor`);
    if (!inplace.same_grads) return;
    const { roots, seeds } = this.seeded(outputs);
    const grads = autograd.grad(roots, this.differentiable(standing), { gradOutputs: seeds, allowUnused: true });
    this.compareGrads('gradient', grads, this.expectedGrads());
  }
}

/** Runs what must fail, and says whether the message has PyTorch's words. */
function expectError(body: () => unknown, pattern: string): boolean {
  try {
    body();
  } catch (error) {
    if (!(error instanceof NablaError)) throw error;
    return sameWords(error.message, pattern);
  }
  throw new Error(`no error, expected: ${pattern}`);
}

/** Names differ in case: `logical_xor` there is `logicalXor` here. */
function sameWords(message: string, pattern: string): boolean {
  const plain = (s: string): string => s.replace(/_(?=\w)/g, '').toLowerCase();
  if (plain(message).includes(plain(pattern))) return true;
  try {
    return new RegExp(pattern, 'i').test(message) || new RegExp(plain(pattern), 'i').test(plain(message));
  } catch {
    // Not every message is a pattern.
    return false;
  }
}

/** The checks a sample has reference values for. */
function checksOf(sample: Sample): Check[] {
  return [
    'output',
    ...(['vjp', 'jvp', 'gradgrad', 'inplace'] as const).filter((c) => sample[c] !== undefined && sample[c] !== null),
  ];
}

function checkSample(op: OpFile, sample: Sample): Outcome[] {
  const outcome = (check: Check, verdict: Verdict): Outcome => ({ op: op.id, sample: sample.id, check, ...verdict });
  let replay: Replay;
  try {
    replay = new Replay(op, sample);
  } catch (error) {
    return checksOf(sample).map((check) => outcome(check, failure(error)));
  }
  const output = attempt(() => replay.output());
  return checksOf(sample).map((check) => {
    // What is not there has no derivatives either.
    if (check === 'output' || output.status === 'unsupported') return outcome(check, output);
    return outcome(
      check,
      attempt(() => (check === 'inplace' ? replay.inplace(op) : replay[check as 'vjp' | 'jvp' | 'gradgrad']())),
    );
  });
}

function checkError(op: OpFile, sample: ErrorSample): Outcome {
  const outcome = (verdict: Verdict): Outcome => ({ op: op.id, sample: sample.id, check: 'error', ...verdict });
  try {
    const call = invocation(sample.call, sample, op.schemas);
    if (call.tensors.some((t) => t.dtype === 'int32') && sample.message.includes('int64'))
      throw new Unsupported('int64 is int32 here');
    const standing = leaves(call);
    return outcome({
      status: 'passed',
      sameWords: expectError(() => call.run(standing), sample.regex ?? sample.message),
    });
  } catch (error) {
    if (error instanceof Unbound)
      return outcome({ status: 'unsupported', reason: "refused by PyTorch's argument parser; here by the compiler" });
    return outcome(failure(error));
  }
}

/** Every sample of an operation under every check it has reference values for. */
export function checkOp(op: OpFile): Outcome[] {
  return [...op.samples.flatMap((s) => checkSample(op, s)), ...op.errors.map((s) => checkError(op, s))];
}
