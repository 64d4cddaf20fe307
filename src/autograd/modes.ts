import { checkTypes } from '../core/arguments.ts';
import { ArgumentError } from '../core/errors.ts';
import { enterInference, inferring, isRecordingWished, swapWish } from '../core/inference.ts';
import { currentScope } from '../core/levels.ts';
import { decorated, type Enter, type Guard, hold, type MethodContext } from './hold.ts';

/** A mode that is on until it is disposed of: `using _ = noGrad()`. */
export type GradModeGuard = Guard;

type Method<This, A extends readonly unknown[], R> = (this: This, ...args: A) => R;
type AnyMethod = (...args: readonly unknown[]) => unknown;

/** Switches recording on or off. */
function recording(enabled: boolean): Enter {
  return () => {
    if (inferring) {
      // Nothing is recorded in inference mode, whatever the mode inside it; `isGradEnabled` tells what was asked for.
      const asked = swapWish(enabled);
      return () => {
        swapWish(asked);
      };
    }
    const scope = currentScope();
    const before = scope.enabled;
    scope.enabled = enabled;
    return () => {
      scope.enabled = before;
    };
  };
}

function mode(name: string, enter: Enter, body: AnyMethod | undefined, context: MethodContext | undefined): unknown {
  return context === undefined || body === undefined ? hold(name, enter, body) : decorated(name, enter, body, context);
}

/**
 * Runs `body` without recording: results do not require grad. Without a callback, holds the mode
 * until the end of the block: `using _ = noGrad();`. The body of a generator runs without recording at
 * every step, and what takes its values as it did before. `@noGrad` decorates a method.
 *
 * @throws {AutogradError} when the callback returns a promise.
 */
export function noGrad(): GradModeGuard;
export function noGrad<R>(body: () => R): R;
export function noGrad<This, A extends readonly unknown[], R>(
  method: Method<This, A, R>,
  context: MethodContext,
): Method<This, A, R>;
export function noGrad(body?: AnyMethod, context?: MethodContext): unknown {
  return mode('noGrad', recording(false), body, context);
}

/** Runs `body` with recording on, inside a `noGrad` for instance; without a callback, a guard for `using`. */
export function enableGrad(): GradModeGuard;
export function enableGrad<R>(body: () => R): R;
export function enableGrad<This, A extends readonly unknown[], R>(
  method: Method<This, A, R>,
  context: MethodContext,
): Method<This, A, R>;
export function enableGrad(body?: AnyMethod, context?: MethodContext): unknown {
  return mode('enableGrad', recording(true), body, context);
}

/**
 * Switches recording on or off: for a callback, for a block (`using _ = setGradEnabled(false);`), or,
 * when the guard is dropped, from here on.
 */
export function setGradEnabled(mode: boolean): GradModeGuard;
export function setGradEnabled<R>(mode: boolean, body: () => R): R;
export function setGradEnabled(mode: boolean, body?: () => unknown): unknown {
  checkTypes('setGradEnabled', 'boolean', { mode });
  return hold('setGradEnabled', recording(mode), body);
}

/** Whether operations are being recorded. */
export function isGradEnabled(): boolean {
  return inferring ? isRecordingWished() : currentScope().enabled;
}

/**
 * Runs `body` in inference mode (or holds it to the end of the block: `using _ = inferenceMode();`).
 * Nothing is recorded, as in `noGrad`, and the tensors made there are inference tensors: their in-place
 * changes are not counted, and they cannot be saved for backward or, outside, be changed in place.
 * `inferenceMode(false, body)` goes back to recording inside of it. `@inferenceMode` decorates a method.
 */
export function inferenceMode(mode?: boolean): Guard;
export function inferenceMode<R>(body: () => R): R;
export function inferenceMode<R>(mode: boolean, body: () => R): R;
export function inferenceMode<This, A extends readonly unknown[], R>(
  method: Method<This, A, R>,
  context: MethodContext,
): Method<This, A, R>;
export function inferenceMode(on: boolean | AnyMethod = true, rest?: (() => unknown) | MethodContext): unknown {
  if (typeof on === 'function') return mode('inferenceMode', () => enterInference(true), on, rest as MethodContext);
  if (typeof on !== 'boolean')
    throw new ArgumentError(`inferenceMode: expected true, false or a function, got ${typeof on}`);
  return hold('inferenceMode', () => enterInference(on), rest as (() => unknown) | undefined);
}

/** Whether inference mode is on. */
export function isInferenceModeEnabled(): boolean {
  return inferring;
}
