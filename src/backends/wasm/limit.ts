/** Lines given up are counted modulo a power of two: further apart than that many lie no two uses that matter. */
const COUNT_MASK = 0x3fffffff;

/** It falls to so much of itself after so many times its lines were given up and it had no reason to rise. */
const FALL = 7 / 8;
const QUIET = 64;

/**
 * How many lines of something are kept in place: a number that learns from what is missed.
 *
 * A larger limit helps if two things are so. What was missed must be something that it would have kept: were
 * it larger by what has been given up since, it would. And misses must be many, beside what is given up in
 * any case: a program that comes back to old tensors between much garbage misses some of them at every limit,
 * and would raise one that heeded each of them towards all the garbage it makes between two uses.
 */
export class Limit {
  lines: number;
  #fewest: number;
  #most: number;
  #givenUpPerMiss: number;
  /** Lines given up so far. */
  #given = 0;
  /** Lines missed, weighed against those given up lately: positive if they are many. */
  #evidence = 0;
  /** Lines given up since the limit last rose or fell. */
  #quiet = 0;

  /**
   * Between `fewest` and `most`. While more than one in `givenUpPerMiss` lines that were given up is missed, it
   * rises to what would have kept them, as far as misses outweigh what was given up.
   */
  constructor(fewest: number, most: number, givenUpPerMiss: number) {
    this.lines = fewest;
    this.#fewest = fewest;
    this.#most = most;
    this.#givenUpPerMiss = givenUpPerMiss;
  }

  get most(): number {
    return this.#most;
  }

  set(lines: number, most: number): void {
    this.lines = lines;
    this.#fewest = lines;
    this.#most = most;
    this.#evidence = 0;
    this.#quiet = 0;
  }

  /** Notes that something was given up, and returns what must be known of that if it is missed. */
  giveUp(lines: number): number {
    const mark = (this.lines - this.#given) & COUNT_MASK;
    this.#given = (this.#given + lines) & COUNT_MASK;
    this.#evidence = Math.max(-this.lines, this.#evidence - lines);
    this.#quiet += lines;
    if (this.#quiet > QUIET * this.lines) {
      this.#quiet = 0;
      this.lines = Math.max(this.#fewest, Math.ceil(FALL * this.lines));
    }
    return mark;
  }

  /** Notes that something is missed that was given up at `mark`. */
  miss(lines: number, mark: number): void {
    const evidence = Math.min(this.lines, this.#evidence + this.#givenUpPerMiss * lines);
    const enough = Math.min(this.#most, (mark + this.#given) & COUNT_MASK);
    const rise = Math.min(evidence, enough - this.lines);
    // What a larger one holds more for a while would have been given up.
    this.#evidence = evidence - Math.max(0, rise);
    if (rise <= 0) return;
    this.lines += rise;
    this.#quiet = 0;
  }
}
