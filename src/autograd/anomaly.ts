import { ArgumentError, AutogradError, NablaError } from '../core/errors.ts';
import { internally } from '../core/internally.ts';
import { reword } from '../core/naming.ts';
import type { Node } from '../core/node.ts';
import { shapeText } from '../core/shape.ts';
import { captureStack, lineOf, tracebackOf } from '../core/source-line.ts';
import type { Operand, TensorBase } from '../core/tensor.ts';
import { warn, warnAgain } from '../core/warnings.ts';
import { type Origin, type Seen, setWatch, type Watch, watch } from '../core/watch.ts';
import { eq, isinf, isnan } from '../ops/elementwise.ts';
import { countTrue } from '../ops/inspect.ts';
import { checkOptions } from '../tensor/options.ts';
import { type Guard, hold } from './hold.ts';

/*
 * Anomaly mode: nodes remember who called their operation, and backward stops at the first gradient
 * that is no number. For debugging only, as it looks at every tensor.
 */

export interface AnomalyOptions {
  /** Stop at the first gradient with NaN or infinite elements; true by default. */
  readonly checkNan?: boolean;
}

const innermost = (t: TensorBase): TensorBase => (t.wrapped === null ? t : innermost(t.wrapped.value));

function look(t: TensorBase): Seen {
  const x = innermost(t);
  let counts: readonly number[] = [];
  internally(() => {
    counts = [isnan(x), isinf(x), eq(x, 0)].map(countTrue);
    return [];
  });
  const [nan, infinite, zeros] = counts;
  return { shape: t.shape, dtype: t.dtype, nan, infinite, zeros };
}

function describe(x: Seen | number): string {
  if (typeof x === 'number') return `the number ${x}`;
  const counts = [
    x.nan > 0 ? `${x.nan} NaN` : '',
    x.infinite > 0 ? `${x.infinite} infinite` : '',
    x.zeros > 0 ? `${x.zeros} zero` : '',
  ].filter((s) => s !== '');
  return `${x.dtype} ${shapeText(x.shape)}, ${counts.length === 0 ? 'all finite, none zero' : counts.join(', ')}`;
}

/** The operation of a node in the user's words, and what it was given. */
function describeCall(node: Node, { inputs }: Origin): string {
  return `${node.op.name}(${inputs.map(describe).join('; ')})`;
}

const NO_FORWARD =
  'No forward pass information available. Enable detect anomaly during forward pass for more information.';

/** PyTorch's report of a node whose backward failed, and of those whose backward made it. */
function report(node: Node): void {
  const { origin } = node;
  warnAgain(
    'anomaly report',
    () =>
      `Error detected in ${node.name}. ${origin === null ? NO_FORWARD : `Traceback of forward call that caused the error:\n${tracebackOf(origin.at)}`}`,
  );
  for (let parent = origin?.parent ?? null; parent !== null; parent = parent.origin?.parent ?? null) {
    const { name, origin: from } = parent;
    warnAgain(
      'anomaly report',
      () =>
        `Previous calculation was induced by ${name}. ${from === null ? NO_FORWARD : `Traceback of forward call that induced the previous calculation:\n${tracebackOf(from.at)}`}`,
    );
  }
}

/** Where the operation of a node was called, and that of the nodes whose backward called it. */
function whence(node: Node): string {
  const { origin } = node;
  if (origin === null) return `${node.name}: ${NO_FORWARD}`;
  let text = `${node.name} comes from ${describeCall(node, origin)}, called at ${lineOf(origin.at)}.`;
  for (let parent = origin.parent; parent !== null; parent = parent.origin?.parent ?? null) {
    const at = parent.origin === null ? NO_FORWARD : `called at ${lineOf(parent.origin.at)}.`;
    text += ` Previous calculation was induced by ${parent.name}, ${at}`;
  }
  return text;
}

const explained = new WeakSet<Error>();

/** Adds to an error of the library where the operation was called. */
function explain(node: Node, error: unknown): void {
  report(node);
  if (!(error instanceof NablaError) || explained.has(error)) return;
  explained.add(error);
  reword(error, `${error.message}\n${whence(node)}`);
}

function notANumber(node: Node, i: number, x: Seen, cotangents: readonly (TensorBase | null)[]): AutogradError {
  const size = x.shape.reduce((a, b) => a * b, 1);
  const [what, count] = x.nan > 0 ? ['nan', x.nan] : ['inf', x.infinite];
  const came = cotangents.map((g) => (g === null ? 'none' : describe(look(g)))).join('; ');
  return new AutogradError(
    `Function '${node.name}' returned ${what} values in its ${i}th output. The gradient of input ${i} of ${node.op.name} (${x.dtype} ${shapeText(x.shape)}) has ${count} of ${size} elements that are ${what === 'nan' ? 'NaN' : 'infinite'}; the gradient that came in was ${came}.`,
  );
}

class AnomalyWatch implements Watch {
  readonly checkNan: boolean;
  /** The node whose backward is running. */
  #running: Node | null = null;

  constructor(checkNan: boolean) {
    this.checkNan = checkNan;
  }

  made(node: Node, inputs: readonly Operand[]): void {
    node.origin = {
      at: captureStack(),
      inputs: inputs.map((x) => (typeof x === 'number' ? x : look(x))),
      parent: this.#running,
    };
  }

  stack(): Error {
    return captureStack();
  }

  run(
    node: Node,
    cotangents: readonly (TensorBase | null)[],
    body: () => readonly (TensorBase | null)[],
  ): readonly (TensorBase | null)[] {
    const outer = this.#running;
    this.#running = node;
    try {
      const grads = body();
      if (this.checkNan) {
        grads.forEach((g, i) => {
          if (g === null || g === undefined || node.next[i] === null) return;
          const x = look(g);
          if (x.nan > 0 || x.infinite > 0) throw notANumber(node, i, x, cotangents);
        });
      }
      return grads;
    } catch (error) {
      explain(node, error);
      throw error;
    } finally {
      this.#running = outer;
    }
  }
}

function entering(name: string, mode: boolean, options: AnomalyOptions | undefined): () => () => void {
  if (typeof mode !== 'boolean') throw new ArgumentError(`${name}: expected true or false, got ${String(mode)}`);
  if (options !== undefined) checkOptions(name, options, ['checkNan']);
  const next = mode ? new AnomalyWatch(options?.checkNan ?? true) : null;
  return () => {
    const before = setWatch(next);
    return () => {
      setWatch(before);
    };
  };
}

/**
 * Runs `body` in anomaly mode (or holds it to the end of the block: `using _ = detectAnomaly();`), for
 * finding mistakes. Operations remember the line that called them; a backward pass stops at the first
 * gradient with NaN or infinite elements, and every error of it names the line of the operation
 * concerned, what it was given, and what that held of NaN, infinities and zeros. A warning brings the
 * whole stack of that call. Forward and backward must both run in the mode.
 *
 * `detectAnomaly({ checkNan: false }, body)` remembers lines and lets gradients be what they are.
 */
export function detectAnomaly(options?: AnomalyOptions): Guard;
export function detectAnomaly<R>(body: () => R): R;
export function detectAnomaly<R>(options: AnomalyOptions, body: () => R): R;
export function detectAnomaly(options?: AnomalyOptions | (() => unknown), body?: () => unknown): unknown {
  const [chosen, f] = typeof options === 'function' ? [undefined, options] : [options, body];
  const enter = entering('detectAnomaly', true, chosen);
  warn(
    'anomaly mode',
    () =>
      'Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.',
  );
  return hold('detectAnomaly', enter, f);
}

/**
 * Switches anomaly mode (see `detectAnomaly`) on or off: for a callback, for a block
 * (`using _ = setDetectAnomaly(true);`), or, when the guard is dropped, from here on.
 */
export function setDetectAnomaly(mode: boolean, options?: AnomalyOptions): Guard;
export function setDetectAnomaly<R>(mode: boolean, options: AnomalyOptions, body: () => R): R;
export function setDetectAnomaly(mode: boolean, options?: AnomalyOptions, body?: () => unknown): unknown {
  return hold('setDetectAnomaly', entering('setDetectAnomaly', mode, options), body);
}

/** Whether anomaly mode is on. */
export function isAnomalyEnabled(): boolean {
  return watch !== null;
}

/** Whether anomaly mode is on and stops at gradients that are NaN or infinite. */
export function isAnomalyCheckNanEnabled(): boolean {
  return watch instanceof AnomalyWatch && watch.checkNan;
}
