/**
 * Copies made outside the linear memory of what is probably dead: they are garbage soon, and the host is to look for it
 * in time. V8 collects what is young when its young generation is full, which a few large buffers do not fill, or when
 * 32 MB of young buffers have come together; and such an amount has it mark the whole heap as well, which takes
 * threads from those that compute.
 */

import { now } from './threads/clock.ts';

interface Modules {
  readonly getBuiltinModule: (name: string) => unknown;
  readonly execArgv?: readonly string[];
}
interface Host {
  readonly process?: Modules;
  readonly Buffer?: { readonly allocUnsafeSlow?: (length: number) => unknown };
  readonly Bun?: { readonly gc: (now: true) => unknown };
}
interface Flags {
  setFlagsFromString(flags: string): void;
}
interface Contexts {
  runInNewContext(code: 'gc'): Collect;
  runInNewContext(code: 'globalThis.gc'): Collect | undefined;
}
type Collect = (options?: { readonly type: 'minor' }) => void;

const MOVED_BETWEEN = 8 * 2 ** 20;
/** Every so many times the old are looked at, too: what an old object leads to does not die young, be it dead itself. */
const TIMES_TO_OLD = 4;
/**
 * A large buffer that nobody touches takes no memory, and has V8 look before the next one is made, and mark the whole
 * heap. It is a little smaller than what glibc at most takes from the system apart: once one such was freed, those of
 * its size and smaller come from memory that is kept (mallopt(3), M_MMAP_THRESHOLD), and not in pages that each have to
 * be zeroed when they are first touched.
 */
const ENOUGH_TO_COLLECT = 32 * 2 ** 20 - 65536;

const host = globalThis as Host;
let movedOut = 0;
let times = 0;
let collectYoung: Collect | null = null;
let collectAll: (() => unknown) | null = null;

/** To be told of copies made outside the linear memory for what is probably dead. */
export function noteMovedOut(length: number): void {
  movedOut += length;
  if (movedOut < MOVED_BETWEEN) return;
  movedOut = 0;
  collectYoung ??= collectorOrNone();
  collectAll ??= collectorOfAll();
  if (++times % TIMES_TO_OLD === 0) collectAll();
  else collectYoung({ type: 'minor' });
}

/** Has `collect` called where what is young is to be collected. */
export function collectBy(collect: () => void): void {
  collectYoung = collect;
}

function collectorOfAll(): () => unknown {
  const { Buffer, Bun } = host;
  try {
    // JavaScriptCore frees when it sweeps, which it leaves to the event loop unless it is to be done now.
    if (Bun) return () => Bun.gc(true);
    if ('Deno' in host) return exposed();
  } catch {
    // Then as elsewhere.
  }
  return () => Buffer?.allocUnsafeSlow?.(ENOUGH_TO_COLLECT);
}

/** A module of the host's own. */
export const builtin = (name: string): unknown => (host.process as Modules).getBuiltinModule(name);

/** What collects the young alone; throws where there is none. */
export function collectorOfYoung(): Collect {
  // What Deno gives to new contexts collects everything, whatever it is told.
  if ('Deno' in host) throw new Error('no collector of the young');
  collector ??= exposed();
  return collector;
}

let collector: Collect | null = null;

/**
 * Milliseconds of a collection from which on the next one has help of V8's own threads. A shorter one has more trouble
 * with them than help, and they take processors from those that compute.
 */
const WORTH_HELP = 2;
/** Flags of a program's own by which it may have said the same. */
const OF_HELP = /scavenge|single-threaded/;

/** What V8 gives to new contexts while its flag is raised, or throws where there are none or no such flag; this context and later ones do not have it, unless they had it before. */
function exposed(): Collect {
  const contexts = builtin('node:vm') as Contexts;
  const flags = builtin('node:v8') as Flags;
  const during = <R>(flag: string, then: string, f: () => R): R => {
    flags.setFlagsFromString(flag);
    try {
      return f();
    } finally {
      flags.setFlagsFromString(then);
    }
  };
  // The flag is raised, or a program has a variable of that name.
  const own = 'gc' in host && contexts.runInNewContext('globalThis.gc');
  const collect = own || during('--expose-gc', '--no-expose-gc', () => contexts.runInNewContext('gc'));
  if (host.process?.execArgv?.some((flag) => OF_HELP.test(flag))) return collect;
  let took = 0;
  return (options) => {
    const start = now();
    if (took > WORTH_HELP) collect(options);
    else during('--no-parallel-scavenge', '--parallel-scavenge', () => collect(options));
    took = now() - start;
  };
}

function collectorOrNone(): Collect {
  try {
    return collectorOfYoung();
  } catch {
    return () => undefined;
  }
}
