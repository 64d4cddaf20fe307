import { checkTypes } from '../core/arguments.ts';
import { AutogradError } from '../core/errors.ts';
import { currentPass } from './nesting.ts';

/**
 * Calls `callback` once, at the end of the backward pass in progress (the innermost one), when all its
 * nodes have run. A callback may queue further ones.
 *
 * @throws {AutogradError} outside a backward pass.
 */
export function queueCallback(callback: () => void): void {
  checkTypes('queueCallback', 'function', { callback });
  const pass = currentPass();
  if (pass === null)
    throw new AutogradError(
      'queueCallback: Final callbacks can only be installed during backward pass. Call it from a hook or from the backward of a custom function.',
    );
  pass.callbacks.push(callback);
}
