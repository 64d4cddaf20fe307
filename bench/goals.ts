/** Whether what was measured keeps its goals. */
import { type Goal, UNITS, type Unit, value } from './case.ts';
import { timing } from './statistics.ts';

/** What was measured of a case: the samples of each round. */
export interface Measured {
  readonly name: string;
  readonly unit: Unit;
  readonly work: number;
  readonly goals?: readonly Goal[];
  readonly rounds: readonly (readonly number[])[];
  /** Samples of each round by the peer's name. */
  readonly peers: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** What the table says of a case's goals; nothing of those that could not be looked at. */
export interface Verdict {
  /** How each goal reads that could be looked at, one behind the other. */
  readonly goal?: string;
  /** All of them, by the median; `at best` when only the fastest sample keeps the bound, as on a busy machine. */
  readonly holds?: 'yes' | 'at best' | 'no';
}

export const number = (x: number): string =>
  x >= 1000 ? Math.round(x).toLocaleString('en') : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2);

/** A goal in the case's unit, and how to write it. Medians are held to medians, and the best to the best. */
interface Bound {
  readonly text: string;
  holds(which: 'median' | 'best'): boolean;
}

/** Null while what a goal refers to was not measured. */
function bound(c: Measured, goal: Goal, all: readonly Measured[]): Bound | null {
  const own = timing(c.rounds);
  const limit = (sign: '≤' | '≥', at: (which: 'median' | 'best') => number, of = ''): Bound => ({
    text: `${sign} ${number(at('median'))}${of}`,
    holds: (which) => (sign === '≤' ? value(c, own[which]) <= at(which) : value(c, own[which]) >= at(which)),
  });
  if ('atMost' in goal) return limit('≤', () => goal.atMost);
  if ('atLeast' in goal) return limit('≥', () => goal.atLeast);
  if ('times' in goal) {
    const rounds = c.peers[goal.peer];
    if (rounds === undefined) return null;
    const peer = timing(rounds);
    return { text: `≤ ${goal.times} of ${goal.peer}`, holds: (which) => own[which] <= goal.times * peer[which] };
  }
  const other = all.find((o) => o.name === goal.of);
  if (other === undefined) return null;
  const its = timing(other.rounds);
  const of = ` (${goal.share} of ${c.name.startsWith(`${goal.of}, `) ? 'one thread' : goal.of})`;
  return UNITS[c.unit].rate
    ? limit('≥', (which) => goal.share * value(other, its[which]), of)
    : limit('≤', (which) => value(other, its[which]) / goal.share, of);
}

export function verdict(c: Measured, all: readonly Measured[]): Verdict {
  const bounds = (c.goals ?? []).flatMap((goal) => bound(c, goal, all) ?? []);
  if (bounds.length === 0) return {};
  const not = bounds.filter((b) => !b.holds('median'));
  return {
    goal: bounds.map(({ text }) => text).join(', '),
    holds: not.length === 0 ? 'yes' : not.every((b) => b.holds('best')) ? 'at best' : 'no',
  };
}
