import { DeviceError } from '../core/errors.ts';
import type { Event } from './recorder.ts';

/** The JSON that Chrome's tracing page and Perfetto read. */
export interface Trace {
  readonly displayTimeUnit: 'ms';
  readonly traceEvents: readonly {
    readonly name: string;
    readonly cat: string;
    readonly ph: 'X';
    /** Microseconds. */
    readonly ts: number;
    readonly dur: number;
    readonly pid: number;
    readonly tid: number;
    readonly args: Readonly<Record<string, string | number>>;
  }[];
}

export function chromeTrace(events: readonly Event[]): Trace {
  return {
    displayTimeUnit: 'ms',
    traceEvents: events.map((e) => ({
      name: e.name,
      cat: e.phase,
      ph: 'X',
      ts: e.start * 1000,
      dur: e.duration * 1000,
      pid: 1,
      tid: 1,
      args: { shapes: e.shapes, bytes: e.bytes, flops: e.flops },
    })),
  };
}

interface FileSystem {
  readonly writeFileSync: (path: string, text: string) => void;
}
interface Process {
  readonly getBuiltinModule?: (name: string) => unknown;
}

/** Writes a file where the host has a file system. */
export function writeText(path: string, text: string): void {
  const host = (globalThis as { readonly process?: Process }).process;
  const files = host?.getBuiltinModule?.('node:fs') as FileSystem | undefined;
  if (files === undefined) {
    throw new DeviceError(`profile: this host has no files to write '${path}' to; use profile(…).toTrace() instead`);
  }
  files.writeFileSync(path, text);
}
