import { ArgumentError, AutogradError } from '../core/errors.ts';
import { currentScope, type GradScope } from '../core/levels.ts';

/** Holds a grad mode until it is disposed of: `using _ = noGrad();`. */
export class GradModeGuard {
  readonly #scope: GradScope;
  readonly #before: boolean;

  constructor(enabled: boolean) {
    this.#scope = currentScope();
    this.#before = this.#scope.enabled;
    this.#scope.enabled = enabled;
  }

  /** Puts the mode back. `using` calls this. */
  [Symbol.dispose](): void {
    this.#scope.enabled = this.#before;
  }
}

function isThenable(x: unknown): boolean {
  return typeof x === 'object' && x !== null && 'then' in x && typeof x.then === 'function';
}

function within<R>(name: string, enabled: boolean, body: () => R): R {
  if (typeof body !== 'function') throw new ArgumentError(`${name}: expected a function, got ${typeof body}`);
  const scope = currentScope();
  const before = scope.enabled;
  scope.enabled = enabled;
  let result: R;
  try {
    result = body();
  } finally {
    scope.enabled = before;
  }
  if (isThenable(result)) {
    throw new AutogradError(
      `${name}: the callback returned a promise. The mode ends when the callback returns, so code after its first await ran outside ${name}. Await first and wrap only the synchronous part, or hold the mode with "using _ = ${name}()" in a function without await.`,
    );
  }
  return result;
}

/**
 * Runs `body` without recording: results do not require grad. Without a callback, holds the mode
 * until the end of the block: `using _ = noGrad();`.
 *
 * @throws {AutogradError} when the callback returns a promise.
 */
export function noGrad(): GradModeGuard;
export function noGrad<R>(body: () => R): R;
export function noGrad<R>(body?: () => R): R | GradModeGuard {
  return body === undefined ? new GradModeGuard(false) : within('noGrad', false, body);
}

/** Runs `body` with recording on, inside a `noGrad` for instance; without a callback, a guard for `using`. */
export function enableGrad(): GradModeGuard;
export function enableGrad<R>(body: () => R): R;
export function enableGrad<R>(body?: () => R): R | GradModeGuard {
  return body === undefined ? new GradModeGuard(true) : within('enableGrad', true, body);
}

/**
 * Switches recording on or off: for a callback, for a block (`using _ = setGradEnabled(false);`), or,
 * when the guard is dropped, from here on.
 */
export function setGradEnabled(mode: boolean): GradModeGuard;
export function setGradEnabled<R>(mode: boolean, body: () => R): R;
export function setGradEnabled<R>(mode: boolean, body?: () => R): R | GradModeGuard {
  return body === undefined ? new GradModeGuard(mode) : within('setGradEnabled', mode, body);
}

/** Whether operations are being recorded. */
export function isGradEnabled(): boolean {
  return currentScope().enabled;
}
