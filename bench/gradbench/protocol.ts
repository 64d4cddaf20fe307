/** GradBench's protocol: one message in, one response out. */
import { modules, preparations } from './evals/index.ts';
import { betweenRuns } from './garbage.ts';
import { untilDone } from './threads.ts';

export interface Timing {
  readonly name: 'evaluate';
  readonly nanoseconds: number;
}

export interface Response {
  readonly id: unknown;
  readonly tool?: 'nabla';
  readonly success?: boolean;
  readonly output?: unknown;
  readonly timings?: readonly Timing[];
  readonly error?: string;
}

type Message = Readonly<Record<string, unknown>>;

/** Runs a function at least once, and as often and as long as `input` asks: its last output, and the time of each run. */
export async function evaluate(
  module: unknown,
  name: unknown,
  input: unknown,
): Promise<{ readonly output: unknown; readonly timings: readonly Timing[] }> {
  const functions = modules.get(String(module));
  if (functions === undefined) throw new Error(`unknown module: ${String(module)}`);
  if (typeof name !== 'string' || !Object.hasOwn(functions, name))
    throw new Error(`${String(module)}: unknown function: ${String(name)}`);
  const { min_runs: runs = 1, min_seconds: seconds = 0 } = (
    typeof input === 'object' && input !== null ? input : {}
  ) as Message;
  if (typeof runs !== 'number' || typeof seconds !== 'number')
    throw new Error('input: min_runs and min_seconds are numbers');
  const call = functions[name](input);
  const timings: Timing[] = [];
  let result: unknown;
  let spent = 0;
  do {
    const start = process.hrtime.bigint();
    result = call.run();
    untilDone();
    const nanoseconds = Number(process.hrtime.bigint() - start);
    timings.push({ name: 'evaluate', nanoseconds });
    spent += nanoseconds;
    await betweenRuns();
  } while (timings.length < runs || spent < 1e9 * seconds);
  return { output: call.output(result as never), timings };
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The response to a message. Whatever goes wrong is said in the response. */
export async function respond(message: Message): Promise<Response> {
  const { id, kind } = message;
  switch (kind) {
    case 'start':
      return { id, tool: 'nabla' };
    case 'define': {
      const module = String(message.module);
      if (!modules.has(module)) return { id, success: false, error: `unknown module: ${module}` };
      preparations.get(module)?.();
      return { id, success: true };
    }
    case 'evaluate':
      try {
        return { id, success: true, ...(await evaluate(message.module, message.function, message.input)) };
      } catch (error) {
        return { id, success: false, error: reason(error) };
      }
    default:
      return { id };
  }
}

/** The response to a line of input, as a line of output. */
export async function respondTo(line: string): Promise<string> {
  let message: unknown;
  try {
    message = JSON.parse(line);
  } catch (error) {
    return JSON.stringify({ id: null, success: false, error: `not JSON: ${reason(error)}` });
  }
  if (typeof message !== 'object' || message === null || Array.isArray(message))
    return JSON.stringify({ id: null, success: false, error: 'a message is an object' });
  return JSON.stringify(await respond(message as Message));
}
