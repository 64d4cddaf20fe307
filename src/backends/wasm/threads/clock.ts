interface Clock {
  readonly performance?: { readonly now?: () => number };
}

/** Milliseconds from the host's finest clock. */
export const now = (): number => (globalThis as Clock).performance?.now?.() ?? Date.now();
