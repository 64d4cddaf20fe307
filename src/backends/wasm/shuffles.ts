/** Shuffles of bytes that several kernels need. */

/** The first lane of so many bytes, everywhere. */
export const firstEverywhere = (bytes: number): number[] => Array.from({ length: 16 }, (_, i) => i % bytes);

/** The low halves of two vectors. */
export const LOW_HALVES = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23] as const;
/** The high halves of two vectors. */
export const HIGH_HALVES = [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31] as const;

/** Every other dword of two vectors, from the first one on or from the second. */
export const EVEN_DWORDS = [0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27] as const;
export const ODD_DWORDS = [4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31] as const;
