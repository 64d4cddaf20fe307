import { NablaError } from './errors.ts';

/** Gives an error another message, at the head of its stack too, which was written when it was made. */
export function reword(error: Error, message: string): void {
  const { message: before, stack } = error;
  error.message = message;
  if (stack !== undefined) error.stack = stack.replace(before, () => message);
}

/** The name of an operation that a message begins with. */
const NAMED = /^[a-z]\w*(?:\.\w+)*: /i;

/** An error of the library in the name of the function that was called, where one that it is made of refused in its own. */
export function inNameOf(op: string, error: unknown): unknown {
  if (error instanceof NablaError && !error.message.startsWith(`${op}: `))
    reword(error, `${op}: ${error.message.replace(NAMED, '')}`);
  return error;
}

/** What `f` gives; what it refuses is refused in the name of `op`. */
export function within<T>(op: string, f: () => T): T {
  try {
    return f();
  } catch (error) {
    throw inNameOf(op, error);
  }
}
