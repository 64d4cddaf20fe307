/**
 * What V8 knows of the dead before any finalizer is told. An ephemeron dies with its key when what is young is
 * collected, which takes a fraction of a millisecond, and Node lists what is left in a `WeakSet`.
 */
import { builtin, collectorOfYoung } from './moved.ts';

/** Node calls the method of this name for every object that it lists. */
export const LISTED = Symbol.for('nodejs.util.inspect.custom');

interface Inspecting {
  inspect(value: unknown, options: object): string;
}

/** Every element, also where a program has chosen otherwise for what it prints. */
const ALL = { showHidden: true, customInspect: true, maxArrayLength: Number.POSITIVE_INFINITY, depth: 0 };
/** What Node gives if it has come to the end: it says so in words if it left some out, or ran out of stack. */
const WHOLE = /^WeakSet \{[\s,]*\}$/;

let listed: object[] | null = null;

/** To be returned by the method `LISTED` of what may be an element. */
export function list(owner: object): unknown {
  if (listed === null) return owner;
  listed.push(owner);
  return '';
}

class Probe {
  [LISTED](): unknown {
    return list(this);
  }
}

/** Collects what is young, and returns those elements of a set that are not known to be dead; null if that failed. */
export type Living = (owners: WeakSet<object>) => readonly object[] | null;

/** How that is learnt on this host, if it can be. */
export function livingOf(): Living | null {
  try {
    const collect = collectorOfYoung();
    const { inspect } = builtin('node:util') as Inspecting;
    const living: Living = (owners) => {
      collect({ type: 'minor' });
      const all: object[] = [];
      listed = all;
      try {
        return WHOLE.test(inspect(owners, ALL)) ? all : null;
      } finally {
        listed = null;
      }
    };
    const probes = [new Probe(), new Probe()];
    return living(new WeakSet(probes))?.length === probes.length ? living : null;
  } catch {
    return null;
  }
}
