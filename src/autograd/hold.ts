import { ArgumentError, AutogradError } from '../core/errors.ts';

/** Holds a mode until it is disposed of: `using _ = noGrad();`. */
export class Guard {
  #leave: (() => void) | null;

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  /** Puts the mode back. `using` calls this. */
  [Symbol.dispose](): void {
    this.#leave?.();
    this.#leave = null;
  }
}

/** Switches a mode on and returns what switches it off. */
export type Enter = () => () => void;

/** Refuses what an async callback returns: the mode `name` has ended before its work is done. */
export function refusePromise(name: string, result: unknown): void {
  if (typeof result !== 'object' || result === null) return;
  const thenable = 'then' in result && typeof result.then === 'function';
  if (thenable || Symbol.asyncIterator in result) {
    // Nobody else can get hold of it: what it fails with later must not end a program that handles the error below.
    if (result instanceof Promise) result.catch(() => undefined);
    throw new AutogradError(
      `${name}: the callback returned ${thenable ? 'a promise' : 'an async iterator'}. The mode ends when the callback returns, so code after its first await ran outside ${name}. Await first and wrap only the synchronous part, or hold the mode with "using _ = ${name}()" in a function without await.`,
    );
  }
}

function within<R>(enter: Enter, body: () => R): R {
  const leave = enter();
  try {
    return body();
  } finally {
    leave();
  }
}

function isGenerator(x: unknown): x is Generator {
  return Object.prototype.toString.call(x) === '[object Generator]';
}

/** A generator whose body runs in a mode, while whoever takes its values does not. */
function* resumed(inner: Generator, enter: Enter): Generator {
  let result = within(enter, () => inner.next());
  while (!result.done) {
    let sent: unknown;
    let closed = true;
    try {
      sent = yield result.value;
      closed = false;
    } catch (e) {
      closed = false;
      result = within(enter, () => inner.throw(e));
      continue;
    } finally {
      if (closed) within(enter, () => inner.return(undefined));
    }
    result = within(enter, () => inner.next(sent));
  }
  return result.value;
}

/** Runs `body` in a mode, or without `body` holds the mode. The body of a generator function runs in it at every step. */
export function hold<R>(name: string, enter: Enter, body: (() => R) | undefined): R | Guard {
  if (body === undefined) return new Guard(enter());
  if (typeof body !== 'function') throw new ArgumentError(`${name}: expected a function, got ${typeof body}`);
  const result = within(enter, body);
  if (isGenerator(result)) return resumed(result, enter) as R;
  refusePromise(name, result);
  return result;
}

/** What a standard decorator of a method is told. */
export interface MethodContext {
  readonly kind: 'method';
}

/** The method that a decorated one becomes: it runs in a mode. */
export function decorated(
  name: string,
  enter: Enter,
  method: (...args: readonly unknown[]) => unknown,
  context: MethodContext,
): (...args: readonly unknown[]) => unknown {
  if (context?.kind !== 'method')
    throw new ArgumentError(`${name}: as a decorator it is for methods, got ${String(context?.kind)}`);
  return function (this: unknown, ...args) {
    return hold(name, enter, () => method.apply(this, [...args]));
  };
}
