import * as api from '../../autograd/api.ts';
import { ArgumentError, GradcheckError } from '../../core/errors.ts';
import { TensorBase } from '../../core/tensor.ts';
import { Generator } from '../../tensor/generator.ts';
import { checkOptions } from '../../tensor/options.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { tape } from '../../transforms/reverse.ts';
import { checkConstant, compareAll, compareProjections } from './compare.ts';
import {
  checkBatchedGradients,
  checkBatchedTangents,
  checkMultiplied,
  checkUndefined,
  checkUndefinedTangents,
} from './further.ts';
import { drawn } from './modes.ts';
import { defaults, type GradcheckOptions, type Settings, settle } from './options.ts';
import { type CheckedFunction, floats, Subject } from './subject.ts';

export type { GradcheckOptions } from './options.ts';
export type { CheckedFunction } from './subject.ts';

/** What a function takes, as an array; a single tensor stands for itself. */
type ArgumentsOf<F extends CheckedFunction> = Parameters<F> | Parameters<F>[0];

/**
 * Compares the derivatives of `f` at `inputs` (one tensor, or an array of all arguments) with central
 * differences. Inputs that require grad are checked; they should be float64, or the differences are too
 * coarse. Results that do not require grad must not depend on them.
 *
 * An entry passes when |analytical − numerical| ≤ atol + rtol · |numerical|. With `fastMode` one random
 * projection vᵀ J u stands for each Jacobian J: much faster for large tensors, nearly as strict.
 *
 * Besides, backward must give the same on every run, must be linear in the gradient (zero for zero), and
 * must cope with gradients that do not arrive.
 *
 * @returns true, or with `raiseException: false` whether the check passed.
 * @throws {GradcheckError} when it did not, with both Jacobians and the worst entry.
 * @throws {ArgumentError} when no input requires grad, or the shape of a result depends on values.
 */
export function gradcheck<F extends CheckedFunction>(
  f: F,
  inputs: ArgumentsOf<F>,
  options?: GradcheckOptions,
): boolean {
  return run('gradcheck', f, inputs, settle('gradcheck', options));
}

function run(name: string, f: CheckedFunction, inputs: unknown, settings: Settings): boolean {
  try {
    check(name, f, inputs, settings);
    return true;
  } catch (e) {
    if (!settings.raiseException && e instanceof GradcheckError) return false;
    throw e;
  }
}

function check(name: string, f: CheckedFunction, inputs: unknown, settings: Settings): void {
  const subject = new Subject(name, f, inputs);
  const results = subject.results();
  const outputs = floats(results).filter((t) => t.requiresGrad);
  if (outputs.length === 0) {
    checkConstant(subject, results, settings);
    return;
  }
  const compare = settings.fastMode ? compareProjections : compareAll;
  if (settings.checkBackwardAd) compare(subject, results, 'reverse', settings);
  if (settings.checkForwardAd) {
    compare(subject, results, 'forward', settings);
    if (settings.checkUndefinedGrad) checkUndefinedTangents(subject);
  }
  if (settings.checkBatchedForwardGrad) checkBatchedTangents(subject);
  if (!settings.checkBackwardAd) return;
  if (settings.checkBatchedGrad) checkBatchedGradients(subject, results);
  checkMultiplied(subject, results);
  if (settings.checkUndefinedGrad) checkUndefined(subject);
}

export interface GradgradcheckOptions
  extends Omit<GradcheckOptions, 'checkForwardAd' | 'checkBackwardAd' | 'checkBatchedForwardGrad'> {
  /** Cotangents of the results; random ones by default. Those that require grad are checked too. */
  readonly gradOutputs?: Tensor | readonly Tensor[] | null;
  /** Random cotangents lie in memory with gaps. */
  readonly genNonContigGradOutputs?: boolean;
  /** Differentiates the gradient by forward mode. */
  readonly checkFwdOverRev?: boolean;
  /** Differentiates the gradient by reverse mode; true. */
  readonly checkRevOverRev?: boolean;
}

/**
 * Compares the second derivatives of `f` at `inputs` with central differences of its gradients, as
 * `gradcheck` does for the function that computes those from the inputs and the gradients of the results.
 *
 * @throws {GradcheckError} see `gradcheck`.
 */
export function gradgradcheck<F extends CheckedFunction>(
  f: F,
  inputs: ArgumentsOf<F>,
  options?: GradgradcheckOptions,
): boolean;
export function gradgradcheck<F extends CheckedFunction>(
  f: F,
  inputs: ArgumentsOf<F>,
  gradOutputs: Tensor | readonly Tensor[] | null,
  options?: Omit<GradgradcheckOptions, 'gradOutputs'>,
): boolean;
export function gradgradcheck(
  f: CheckedFunction,
  inputs: unknown,
  third?: GradgradcheckOptions | Tensor | readonly Tensor[] | null,
  fourth?: GradgradcheckOptions,
): boolean {
  const positional = third === null || third instanceof TensorBase || Array.isArray(third);
  const options = positional
    ? { ...fourth, gradOutputs: third as Tensor | readonly Tensor[] | null }
    : (third as GradgradcheckOptions | undefined);
  const own = ['gradOutputs', 'genNonContigGradOutputs', 'checkFwdOverRev', 'checkRevOverRev'];
  const shared = Object.keys(defaults).filter(
    (k) => !['checkForwardAd', 'checkBackwardAd', 'checkBatchedForwardGrad'].includes(k),
  );
  checkOptions('gradgradcheck', options, [...own, ...shared]);
  const {
    gradOutputs = null,
    genNonContigGradOutputs = false,
    checkFwdOverRev,
    checkRevOverRev,
    ...rest
  } = options ?? {};
  const settings = settle('gradgradcheck', {
    ...rest,
    checkForwardAd: checkFwdOverRev ?? false,
    checkBackwardAd: checkRevOverRev ?? true,
  });
  const subject = new Subject('gradgradcheck', f, inputs);
  const outputs = floats(subject.results());
  const wanted = outputs.flatMap((t, k) => (t.requiresGrad ? [k] : []));
  const cotangents =
    gradOutputs === null ? wanted.map((k) => random(outputs[k], genNonContigGradOutputs)) : list(gradOutputs);
  if (cotangents.length !== wanted.length || !cotangents.every((g) => g instanceof TensorBase))
    throw new ArgumentError(
      `gradgradcheck: gradOutputs must hold a Tensor for each of the ${wanted.length} results that require grad`,
    );
  const moving = subject.inputs.map((i) => i.index);
  const count = subject.args.length;

  const results = (...xs: readonly unknown[]): Tensor[] => {
    const ys = floats(subject.results(...moving.map((index, k) => [index, xs[k]] as const)));
    return wanted.map((k) => ys[k]);
  };
  let reached: readonly boolean[] = [];

  /** From the inputs and the gradients of the results to the gradients of the inputs. */
  const gradient = (...all: readonly unknown[]): Tensor[] => {
    const points = moving.map((index) => all[index] as Tensor);
    const seeds = all.slice(count) as readonly Tensor[];
    if (all.some((t) => t instanceof TensorBase && t.wrapped !== null)) {
      // Inside a transform, gradients are what a transform computes.
      const found = tape('gradgradcheck', (xs) => results(...(xs as readonly Tensor[])), points).pullback(seeds);
      return found.filter((_, k) => reached[k]) as Tensor[];
    }
    const found = api.grad(results(...points), points, { gradOutputs: seeds, createGraph: true, allowUnused: true });
    reached = found.map((g) => g !== null);
    return found.filter((g) => g !== null) as Tensor[];
  };
  return run('gradgradcheck', gradient, [...subject.args, ...cotangents], settings);
}

const list = (x: Tensor | readonly Tensor[]): readonly Tensor[] => (Array.isArray(x) ? x : [x as Tensor]);

/** A cotangent of random numbers. */
function random(t: Tensor, gaps: boolean): Tensor {
  const g = drawn(t, new Generator(4));
  return (gaps && t.numel() > 1 ? spaced(g) : g).requiresGrad_();
}

/** The same elements, every second one of a larger tensor. */
function spaced(t: Tensor): Tensor {
  const doubled = t
    .unsqueeze(-1)
    .expand([...t.shape, 2])
    .clone();
  return doubled.select(-1, 0).detach();
}
