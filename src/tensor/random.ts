import { sync } from '../core/apply.ts';
import { checkTypes, kindOf } from '../core/arguments.ts';
import { noteChange, willChange } from '../core/changes.ts';
import { type DType, dtypeInfo, type TypedArray } from '../core/dtype.ts';
import { ArgumentError, AutogradError, DTypeError, NotImplementedError } from '../core/errors.ts';
import { forwardLevel } from '../core/forward.ts';
import { currentLevels, type Level, type Wrapped } from '../core/levels.ts';
import { contiguousStrides, type Shape, sameShape, shapeText } from '../core/shape.ts';
import { alias, checkTensors, fresh, type TensorBase } from '../core/tensor.ts';
import { copyKernel } from '../ops/copy.ts';
import { copy_ } from '../ops/fill.ts';
import { checkInPlace, inPlaceOf } from '../ops/inplace.ts';
import { changesGraph } from '../ops/rebase.ts';
import { BatchLevel } from '../transforms/levels.ts';
import { fromHost, hostArray, rewrite, toHost, written } from './data.ts';
import { Generator } from './generator.ts';
import { checkOptions } from './options.ts';

export interface RandomOptions {
  /** Where the numbers come from; the default generator when left out. */
  readonly generator?: Generator;
}

/** The generator used when none is given; it reproduces PyTorch's. */
export const defaultGenerator = new Generator();

/** Seeds the default generator: the same seed gives the same numbers, and PyTorch's. */
export function manualSeed(seed: number | bigint): Generator {
  return defaultGenerator.manualSeed(seed);
}

/** Seeds the default generator from the host's entropy and returns the seed. */
export function seed(): bigint {
  return defaultGenerator.seed();
}

/** A snapshot of the default generator, for `setRngState`. */
export function getRngState(): Uint8Array {
  return defaultGenerator.getState();
}

/** Puts the default generator back to a state from `getRngState`. */
export function setRngState(state: Uint8Array): void {
  defaultGenerator.setState(state);
}

/** The batches around that ask for numbers of their own for every example, the outermost first. */
function variedBatches(): BatchLevel[] {
  const batches = currentLevels().filter((level) => level instanceof BatchLevel);
  if (batches.some((level) => level.randomness === 'error'))
    throw new AutogradError(
      "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' randomness flags on vmap or perform the randomness operation out of vmap",
    );
  return batches.filter((level) => level.randomness === 'different');
}

/**
 * Random numbers in a shape, n of which `draw` gets at a time. Under `vmap` with different randomness they are
 * drawn for every example.
 */
export function drawn(shape: Shape, dtype: DType, draw: (out: TypedArray) => void, n?: number): TensorBase {
  const batches = currentLevels().length === 0 ? [] : variedBatches();
  const values = written([...batches.map((level) => level.size), ...shape], dtype, (out) => {
    if (n === undefined) draw(out);
    else for (let from = 0; from < out.length; from += n) draw(out.subarray(from, from + n));
  });
  return batches.reduce((t, level) => level.lift(t), values);
}

/** All values behind a tensor, under every `vmap`, and which example's block of them belongs to the kth draw of `drawn`. */
interface PerDraw {
  readonly plain: TensorBase;
  readonly exampleOf: (k: number) => number;
}

/** Values that draws are made from, one by one. Examples that have their own need draws of their own. */
export function perDraw(op: string, t: TensorBase): PerDraw {
  const own = new Set<Level>();
  let plain = t;
  while (plain.wrapped !== null) {
    const { kind, level, value }: Wrapped = sync(plain).wrapped as Wrapped;
    if (kind === 'batch') own.add(level);
    plain = value;
  }
  const varied = own.size === 0 ? [] : variedBatches();
  if ([...own].some((level) => !(varied as readonly Level[]).includes(level)))
    throw new NotImplementedError(
      `${op}: Vmap does not currently support same randomness with a batched tensor input: where every example has its own, pass { randomness: 'different' } to vmap`,
    );
  const exampleOf = (k: number): number => {
    let [rest, example, step] = [k, 0, 1];
    for (const level of varied.toReversed()) {
      if (own.has(level)) {
        example += (rest % level.size) * step;
        step *= level.size;
      }
      rest = Math.floor(rest / level.size);
    }
    return example;
  };
  return { plain, exampleOf };
}

const at = (list: Shape, places: Shape): Shape => places.map((d) => list[d]);

/** The dimensions of `t`, the one with the longest step first. */
const alongMemory = ({ shape, strides }: TensorBase): number[] =>
  shape.map((_, d) => d).sort((a, b) => strides[b] - strides[a]);

/** Overwrites `t` with values drawn in the order of its memory; inside transforms, where that is nobody's, in row-major order. */
function refill(
  op: string,
  t: TensorBase,
  options: RandomOptions | undefined,
  fill: (generator: Generator, out: TypedArray) => void,
): void {
  checkOptions(`${op}_`, options, ['generator']);
  const generator = source(options);
  const draw = (out: TypedArray): void => fill(generator, out);
  if (t.wrapped !== null) {
    copy_(t, drawn(t.shape, t.dtype, draw, t.count));
    return;
  }
  if (currentLevels().length > 0 && variedBatches().length > 0)
    throw new AutogradError(
      `${op}_: vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same randomness.`,
    );
  checkInPlace(op, t);
  // Straight into memory, where no gradient must learn that the old values are gone.
  if (t.flat && t.storage.nbytes === t.count * dtypeInfo(t.dtype).bytes && !changesGraph(t, [])) {
    willChange(t);
    rewrite(t, draw);
    noteChange(t, `${op}_`);
    forwardLevel?.overwritten(t);
    return;
  }
  const values = hostArray(t.dtype, t.count);
  draw(values);
  const order = alongMemory(t);
  const drawnAs = at(t.shape, order);
  const steps = contiguousStrides(drawnAs);
  const strides = t.shape.map((_, d) => steps[order.indexOf(d)]);
  inPlaceOf(op, t, [], () => alias(fromHost(values, drawnAs, t.dtype), t.shape, strides));
}

/** The generator that options name, or the default one. */
export function source(options: RandomOptions | undefined): Generator {
  const generator: unknown = options?.generator ?? defaultGenerator;
  if (generator instanceof Generator) return generator;
  throw new ArgumentError(`argument 'generator' must be a Generator, not ${kindOf(generator)}: new Generator()`);
}

export function floats(op: string, out: TypedArray): Float32Array | Float64Array {
  if (out instanceof Float32Array || out instanceof Float64Array) return out;
  throw new DTypeError(`${op}_: "${op}_" needs a floating point tensor; create it with { dtype: 'float32' }`);
}

export function uniform_(t: TensorBase, from: number, to: number, options?: RandomOptions): void {
  checkTypes('uniform_', 'number', { from, to });
  refill('uniform', t, options, (generator, out) => generator.fillUniform(floats('uniform', out), from, to));
}

export function normal_(t: TensorBase, mean: number, std: number, options?: RandomOptions): void {
  checkTypes('normal_', 'number', { mean, std });
  refill('normal', t, options, (generator, out) => generator.fillNormal(floats('normal', out), mean, std, t.flat));
}

export function exponential_(t: TensorBase, lambd: number, options?: RandomOptions): void {
  checkTypes('exponential_', 'number', { lambd });
  refill('exponential', t, options, (generator, out) => generator.fillExponential(floats('exponential', out), lambd));
}

export function logNormal_(t: TensorBase, mean: number, std: number, options?: RandomOptions): void {
  checkTypes('logNormal_', 'number', { mean, std });
  refill('logNormal', t, options, (generator, out) => generator.fillLogNormal(floats('logNormal', out), mean, std));
}

export function cauchy_(t: TensorBase, median: number, sigma: number, options?: RandomOptions): void {
  checkTypes('cauchy_', 'number', { median, sigma });
  refill('cauchy', t, options, (generator, out) => generator.fillCauchy(floats('cauchy', out), median, sigma));
}

export function geometric_(t: TensorBase, p: number, options?: RandomOptions): void {
  checkTypes('geometric_', 'number', { p });
  if (t.dtype === 'bool')
    throw new DTypeError('geometric_: "geometric_cpu" not implemented for \'Bool\': numbers of trials are 1 at least');
  refill('geometric', t, options, (generator, out) => generator.fillGeometric(out, p));
}

export function bernoulli_(t: TensorBase, p: number | TensorBase, options?: RandomOptions): void {
  const probabilities = typeof p === 'number' ? p : expandedHost(p, t);
  refill('bernoulli', t, options, (generator, out) => generator.fillBernoulli(out, probabilities));
}

/** Integers uniform on [from, to); without bounds over the range of the dtype. */
export function random_(
  t: TensorBase,
  from: number | undefined,
  to: number | undefined,
  options?: RandomOptions,
): void {
  if (from !== undefined || to !== undefined)
    checkTypes('random_', 'number', to === undefined ? { from } : { from, to });
  refill('random', t, options, (generator, out) => {
    if (to === undefined && from === undefined) generator.fillRandom(out, t.dtype === 'bool' ? 2 : undefined);
    else generator.fillRandint(out, to === undefined ? 0 : (from as number), to ?? (from as number));
  });
}

/** One number for each element of `t`, in the order in which those are drawn. */
function expandedHost(p: TensorBase, t: TensorBase): TypedArray {
  const { shape } = t;
  checkTensors('bernoulli_', p);
  if (p.shape.length === 0 && shape.length > 0)
    return p.dtype === 'float64'
      ? new Float64Array(t.count).fill(toHost(p)[0])
      : new Float32Array(t.count).fill(toHost(p)[0]);
  if (p.count !== t.count)
    throw new DTypeError(
      `bernoulli_: probabilities of shape ${shapeText(p.shape)} for a tensor of shape ${shapeText(shape)}`,
    );
  if (!t.flat && t.wrapped === null && sameShape(p.shape, shape)) {
    const order = alongMemory(t);
    return toHost(copied(alias(p, at(shape, order), at(p.strides, order))));
  }
  return toHost(p.flat ? p : copied(p));
}

function copied(p: TensorBase): TensorBase {
  const y = fresh(p.shape, p.dtype);
  copyKernel(p.dtype, p.dtype).run([y], [p]);
  return alias(y, y.shape, contiguousStrides(y.shape));
}
