/**
 * Puts a recorder around every operation, and takes it away again. While nothing is profiled there is
 * nothing in the way: methods are replaced for the time of the profile and put back after it.
 */
import type { Node } from '../core/node.ts';
import { type Backward, type Op, operations } from '../core/op.ts';
import type { Operand, Outputs, TensorBase } from '../core/tensor.ts';
import { ElementwiseOp } from '../ops/elementwise-op.ts';
import type { WritingOp } from '../ops/writing.ts';
import { bytesInPlace, bytesMoved, bytesWritten, flopsOf, stepsOf, workOfRule } from './cost.ts';
import type { Recorder, Work } from './recorder.ts';

function shapesOf(inputs: readonly Operand[]): string {
  return inputs.map((x) => (typeof x === 'number' ? String(x) : `[${x.shape.join(', ')}]`)).join(' ');
}

function elementwiseWork(op: ElementwiseOp, inputs: readonly Operand[], outputs: Outputs): Work {
  const first = (Array.isArray(outputs) ? outputs[0] : outputs) as TensorBase;
  return {
    bytes: bytesMoved(inputs, outputs),
    flops: first.count * stepsOf(op.fn.outs),
    shapes: shapesOf(inputs),
  };
}

/** Replaces methods and remembers what they were. */
class Patches {
  readonly #undo: (() => void)[] = [];

  replace<T extends object, K extends keyof T>(target: T, key: K, make: (original: T[K]) => T[K]): void {
    const original = target[key];
    target[key] = make(original);
    this.#undo.push(() => {
      target[key] = original;
    });
  }

  undo(): void {
    for (const undo of this.#undo.reverse()) undo();
  }
}

function longWay1(this: ElementwiseOp, a: TensorBase): TensorBase {
  return this.apply([a]) as TensorBase;
}

function longWay2(this: ElementwiseOp, a: Operand, b: Operand): TensorBase {
  return this.apply([a, b]) as TensorBase;
}

/** The kinds of elementwise operation all have one class, whose methods run their kernels. */
function patchElementwise(patches: Patches, recorder: Recorder): void {
  const { prototype } = ElementwiseOp;
  // Short ways lead past `forward`, where the work is measured.
  patches.replace(prototype, 'call1', () => longWay1);
  patches.replace(prototype, 'call2', () => longWay2);
  patches.replace(prototype, 'callFlat', () => () => null);
  patches.replace(
    prototype,
    'forward',
    (original) =>
      function forward(this: ElementwiseOp, inputs) {
        const run = (): Outputs => original.call(this, inputs);
        return recorder.measure(this.name, 'forward', run, (y) => elementwiseWork(this, inputs, y));
      },
  );
  patches.replace(
    prototype,
    'writeInto',
    (original) =>
      function writeInto(this: ElementwiseOp, target, inputs) {
        const run = (): void => original.call(this, target, inputs);
        recorder.measure(`${this.name}_`, 'forward', run, () => ({
          ...elementwiseWork(this, inputs, target),
          bytes: bytesInPlace(target, inputs, this.fn.outs),
        }));
      },
  );
  patches.replace(
    prototype,
    'runBackward',
    (original) =>
      function runBackward(this: ElementwiseOp, node, g, wanted) {
        return recorder.measure(node.name, 'backward', () => original.call(this, node, g, wanted));
      },
  );
}

function patchOp(patches: Patches, recorder: Recorder, op: Op<never>): void {
  patches.replace(op, 'forward', (original) => (inputs, attrs) => {
    const work = (y: Outputs): Work => ({
      bytes: bytesMoved(inputs, y),
      flops: flopsOf(op.name, inputs, y),
      shapes: shapesOf(inputs),
    });
    return recorder.measure(op.name, 'forward', () => original.call(op, inputs, attrs), work);
  });
  if ('write' in op) {
    patches.replace(op as WritingOp<never>, 'write', (original) => (y, others, attrs) => {
      const work = (): Work => ({
        bytes: bytesWritten(others),
        flops: flopsOf(op.name, others, []),
        shapes: shapesOf([y, ...others]),
      });
      return recorder.measure(`${op.name}_`, 'forward', () => original.call(op, y, others, attrs), work);
    });
  }
  const { backward } = op;
  if (backward === null) return;
  patches.replace(backward, 'run', (original): Backward['run'] => (node: Node, g, wanted) => {
    // The rule may let go of what is saved.
    const saved = node.saved?.slice() ?? [];
    const run = (): readonly (TensorBase | null)[] => original.call(backward, node, g, wanted);
    const work = (made: readonly (TensorBase | null)[]): Work | null => {
      const done = workOfRule(op.name, g, saved, made, wanted);
      return done && { ...done, shapes: shapesOf(g.filter((x) => x !== null)) };
    };
    return recorder.measure(node.name, 'backward', run, work);
  });
}

/** Runs `body` with every operation measured. */
export function instrumented<R>(recorder: Recorder, body: () => R): R {
  const patches = new Patches();
  try {
    patchElementwise(patches, recorder);
    for (const op of operations().values()) if (!(op instanceof ElementwiseOp)) patchOp(patches, recorder, op);
    return body();
  } finally {
    patches.undo();
  }
}
