import { currentScope } from '../core/levels.ts';
import { type Guard, hold } from './hold.ts';

export type GradModeGuard = Guard;

function recording(name: string, enabled: boolean, body: (() => unknown) | undefined): unknown {
  return hold(
    name,
    () => {
      const scope = currentScope();
      const before = scope.enabled;
      scope.enabled = enabled;
      return () => {
        scope.enabled = before;
      };
    },
    body,
  );
}

/**
 * Runs `body` without recording: results do not require grad. Without a callback, holds the mode
 * until the end of the block: `using _ = noGrad();`.
 *
 * @throws {AutogradError} when the callback returns a promise.
 */
export function noGrad(): GradModeGuard;
export function noGrad<R>(body: () => R): R;
export function noGrad(body?: () => unknown): unknown {
  return recording('noGrad', false, body);
}

/** Runs `body` with recording on, inside a `noGrad` for instance; without a callback, a guard for `using`. */
export function enableGrad(): GradModeGuard;
export function enableGrad<R>(body: () => R): R;
export function enableGrad(body?: () => unknown): unknown {
  return recording('enableGrad', true, body);
}

/**
 * Switches recording on or off: for a callback, for a block (`using _ = setGradEnabled(false);`), or,
 * when the guard is dropped, from here on.
 */
export function setGradEnabled(mode: boolean): GradModeGuard;
export function setGradEnabled<R>(mode: boolean, body: () => R): R;
export function setGradEnabled(mode: boolean, body?: () => unknown): unknown {
  return recording('setGradEnabled', mode, body);
}

/** Whether operations are being recorded. */
export function isGradEnabled(): boolean {
  return currentScope().enabled;
}
