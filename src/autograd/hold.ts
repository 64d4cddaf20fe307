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

function isThenable(x: unknown): boolean {
  return typeof x === 'object' && x !== null && 'then' in x && typeof x.then === 'function';
}

/** Refuses what an async callback returns: the mode `name` has ended before its work is done. */
export function refusePromise(name: string, result: unknown): void {
  if (isThenable(result)) {
    throw new AutogradError(
      `${name}: the callback returned a promise. The mode ends when the callback returns, so code after its first await ran outside ${name}. Await first and wrap only the synchronous part, or hold the mode with "using _ = ${name}()" in a function without await.`,
    );
  }
}

/** Runs `body` in a mode, or without `body` holds the mode. `enter` switches it on and returns what switches it off. */
export function hold<R>(name: string, enter: () => () => void, body: (() => R) | undefined): R | Guard {
  if (body === undefined) return new Guard(enter());
  if (typeof body !== 'function') throw new ArgumentError(`${name}: expected a function, got ${typeof body}`);
  const leave = enter();
  let result: R;
  try {
    result = body();
  } finally {
    leave();
  }
  refusePromise(name, result);
  return result;
}
