/**
 * How the memory is divided, in bytes: read once, by the modules that keep to it when they are loaded. Tests
 * that put other numbers here before that have the smallest results forgotten at once and made again
 * (`test/support/forgetful.ts`).
 */
export const division = {
  /** Storages of up to so many bytes share pages. */
  small: 8192,
  /** So much of what recipes make again is kept in place in any case. */
  spare: 2 ** 20,
  /** The same of what a backward pass is going to read. */
  awaited: 2 ** 25,
  /** A recipe may keep so many bytes beside what its result is worth. */
  keptBeside: 2 ** 16,
};
