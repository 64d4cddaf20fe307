/** What runs beside the library, where it is installed. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Case } from '../case.ts';

/** A peer at work: it stays between cases, so that each can be measured in the minute in which the library's own is. */
export interface Session {
  readonly version: string;
  /** Samples in nanoseconds, or bytes; null for a case that the peer does not have. */
  measure(c: Pick<Case, 'name' | 'threads' | 'memory'>): Promise<readonly number[] | null>;
  close(): void;
}

export interface Peer {
  readonly name: string;
  /** Samples are taken for so many milliseconds a case; null where the peer is not installed. */
  start(milliseconds: number): Promise<Session | null>;
}

/** A program that prints its version, then answers the name of a case, a line each, with samples or null, as JSON. */
export interface Program {
  readonly version: string;
  samples(name: string): Promise<readonly number[] | null>;
  close(): void;
}

export async function startProgram(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<Program> {
  const child = spawn(command, args, { env });
  let trouble = '';
  const complain = (text: unknown): void => {
    trouble = (trouble + String(text)).slice(-10_000);
  };
  // Whatever ends a program, it then has no more lines.
  child.stderr.on('data', complain);
  child.stdin.on('error', complain);
  child.on('error', complain);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    // Libraries greet on the same stream.
    for (;;) {
      const { value, done } = await lines.next();
      if (done) throw new Error(`${args[0]} failed:\n${trouble}`);
      if (value.startsWith('answer: ')) return JSON.parse(value.slice('answer: '.length));
    }
  };
  const version = (await answer()) as string;
  return {
    version,
    samples(name) {
      child.stdin.write(`${name}\n`);
      return answer() as Promise<readonly number[] | null>;
    },
    close() {
      child.stdin.end();
      child.kill();
    },
  };
}
