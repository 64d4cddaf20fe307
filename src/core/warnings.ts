import { checkTypes } from './arguments.ts';

/**
 * The one channel for what is worth saying and no error. Every kind of warning is given once, as in
 * PyTorch, to the handler that was set or else to the host's console, where there is one.
 */

/** What a kind of warning is about; each is given once. */
export type WarningHandler = (message: string, kind: string) => void;

interface Console {
  readonly warn?: (message: string) => void;
}

let handler: WarningHandler | null = null;
let always = false;
const given = new Set<string>();

/** Gives a warning, unless one of its kind was given before. The text is only made when needed. */
export function warn(kind: string, message: () => string): void {
  if (!always) {
    if (given.has(kind)) return;
    given.add(kind);
  }
  warnAgain(kind, message);
}

/** Gives a warning each time: for reports that are of one occasion. */
export function warnAgain(kind: string, message: () => string): void {
  if (handler !== null) handler(message(), kind);
  else (globalThis as { readonly console?: Console }).console?.warn?.(`UserWarning: ${message()}`);
}

/**
 * Hands warnings to `next` instead of writing them to the console (null: to the console again). What was
 * given before will be given again to the new handler. Returns the handler that was set.
 */
export function setWarningHandler(next: WarningHandler | null): WarningHandler | null {
  if (next !== null) checkTypes('setWarningHandler', 'function', { next });
  const previous = handler;
  handler = next;
  given.clear();
  return previous;
}

/** Whether warnings are given every time instead of once a kind; off at first. */
export function setWarnAlways(value: boolean): void {
  checkTypes('setWarnAlways', 'boolean', { value });
  always = value;
}
