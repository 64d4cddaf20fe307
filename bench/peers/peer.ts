/** What runs beside the library, where it is installed. */
import type { Case } from '../case.ts';

export interface PeerRound {
  readonly version: string;
  /** In nanoseconds, or bytes, for those cases that the peer has. */
  readonly samples: Readonly<Record<string, readonly number[]>>;
}

export interface Peer {
  readonly name: string;
  /** Measures what it can of the cases; null where it is not installed. */
  round(cases: readonly Pick<Case, 'name' | 'threads' | 'memory'>[], milliseconds: number): PeerRound | null;
}
