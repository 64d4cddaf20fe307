/** Kinds are told apart by so many bits. */
export const KIND_BITS = 10;

/** A kind is kept until so many of it were given up in a row without having been of use. */
const PATIENCE = 16;

/**
 * Which kinds of results are worth keeping. Nearly all results are dead when they are given up, and nobody can
 * see which are not. But those that the same operation made of results of the same operations, with as many
 * bytes, mostly meet the same fate in every step of a program: the state of an optimiser is used again a step
 * later, what led to it is not. So when one was missed, the next ones of its kind are kept longer (a signature
 * that predicts reuse: Wu et al., SHiP, MICRO 2011). What two kinds happen to share costs room or time, and no more.
 */
export class Kinds {
  /** How many of each may yet be given up before it is like any other. */
  readonly #patience = new Uint8Array(1 << KIND_BITS);

  isKept(kind: number): boolean {
    return this.#patience[kind]! > 0;
  }

  /** Notes that one was missed, or would have been had it not been kept. */
  used(kind: number): void {
    this.#patience[kind] = PATIENCE;
  }

  /** Notes that one was given up of which nobody has shown any need. */
  unused(kind: number): void {
    if (this.isKept(kind)) this.#patience[kind]!--;
  }
}
