/**
 * Set up for tests that run as the library does when it forgets: results that can be made again are given up
 * at once, however small they are, and everything else that an operation does not use is moved out.
 */
import { division } from '../../src/backends/wasm/division.ts';

// The smallest of all share pages that are closed soon, the others have blocks of their own.
division.small = 64;
division.page = 128;
division.sharing = 2;
division.copied = 0;
division.spare = 0;
division.awaited = 0;
division.keptBeside = Number.POSITIVE_INFINITY;
division.keptBesideSmall = Number.POSITIVE_INFINITY;

// Loaded after that, for the numbers are read when it is.
const { setCacheLimit } = await import('nabla');
setCacheLimit(0);
