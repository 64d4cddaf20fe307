/**
 * How the memory is divided, in bytes: read once, by the modules that keep to it when they are loaded. Tests
 * that put other numbers here before that have the smallest results forgotten at once and made again
 * (`test/support/forgetful.ts`).
 */
export const division = {
  /** Storages of up to so many bytes share pages. */
  small: 8192,
  /** A page has so many bytes, or room for so many storages if that is more. */
  page: 65536,
  sharing: 8,
  /** Results of up to so many bytes are not worth a recipe: they are copied with the page they lie in. */
  copied: 1024,
  /** So much of what recipes make again is kept in place in any case. */
  spare: 2 ** 19,
  /** The same of what a backward pass is going to read. */
  awaited: 2 ** 25,
  /** A recipe may keep so many bytes beside what its result is worth. */
  keptBeside: 2 ** 16,
  /** A small one so many times as many bytes as its result has. */
  keptBesideSmall: 4,
};
