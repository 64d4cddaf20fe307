import { isBare } from '../core/apply.ts';
import type { DType } from '../core/dtype.ts';
import type { Node } from '../core/node.ts';
import { defaultNodeName, type JvpContext } from '../core/op.ts';
import { type Shape, sameShape } from '../core/shape.ts';
import { fresh, isTensor, type Operand, type Outputs, type TensorBase } from '../core/tensor.ts';
import type { Derived, Source } from '../kernels/derive.ts';
import type { Expr, ScalarFunction } from '../kernels/expr.ts';
import { filled } from './filled.ts';

/** What computes the outputs of a derived function: an elementwise operation. */
interface Computation {
  invoke(inputs: readonly Operand[]): Outputs;
  call2(a: Operand, b: Operand): TensorBase;
  writeAll(targets: readonly TensorBase[], inputs: readonly Operand[]): void;
}

/** Pieces of a derived function: outputs that are only an argument or a constant need no kernel. */
export interface Piece {
  readonly op: Computation | null;
  readonly sources: readonly Source[];
  /** What of the inputs (i) and outputs (~k) the sources are, and per source its place among these, −1 for what is given. */
  readonly saves: readonly number[];
  readonly places: readonly number[];
  /** One output, which `op` computes: the common case. */
  readonly single: boolean;
  /** Per derived output: an argument passed through, a constant, or output `k` of `op`. */
  readonly outs: readonly ({ readonly pass: number } | { readonly constant: number } | { readonly computed: number })[];
}

/** Takes a derived function apart; `make` gives the operation for what must be computed. */
export function takeApart(
  derived: Derived,
  name: string,
  make: (fn: ScalarFunction, node: string) => Computation,
): Piece {
  const { fn, sources } = derived;
  const computed = fn.outs.filter((e) => e.op !== 'const' && e.op !== 'arg');
  let n = 0;
  const outs: Piece['outs'] = fn.outs.map((e) => {
    if (e.op === 'const') return { constant: e.value };
    if (e.op === 'arg') return { pass: e.index };
    return { computed: n++ };
  });
  const op = computed.length === 0 ? null : make({ name, args: fn.args, outs: computed }, nodeNameOf(computed[0]));
  const saves = savedBy(sources);
  const places = sources.map((s) => saves.indexOf(savedAs(s) as number));
  return { op, sources, saves, places, outs, single: outs.length === 1 && op !== null };
}

/** What PyTorch, which computes step by step, would name a node after: the last step that is not a choice. */
function nodeNameOf(e: Expr): string {
  let last = e;
  while (last.op === 'select') last = last.a.op === 'const' ? last.b : last.a;
  return defaultNodeName(last.op === 'arg' ? 'where' : last.op);
}

/** What must be kept for a derived function: inputs `i` and outputs `~j`. */
function savedBy(sources: readonly Source[]): readonly number[] {
  return [...new Set(sources.map(savedAs))].filter((place) => place !== null);
}

/** Under what a node saves a source, null for what is given to it. */
function savedAs({ kind, index }: Source): number | null {
  return kind === 'primal' ? index : kind === 'output' ? ~index : null;
}

/** The gradient that arrived at an output, zeros if none did (of functions with several outputs). */
function cotangent(g: readonly (TensorBase | null)[], index: number, node: Node): TensorBase {
  return g[index] ?? filled(node.outShape(index), 0, node.outDtype(index));
}

/** An argument of a derived function that gives gradients. */
export function sourceOf(
  { sources, places, saves }: Piece,
  k: number,
  node: Node,
  g: readonly (TensorBase | null)[],
): Operand {
  const place = places[k];
  if (place < 0) return cotangent(g, sources[k].index, node);
  // A pass may want less than what was saved for.
  return node.unpack(node.plan === saves ? place : node.plan.indexOf(saves[place]));
}

/**
 * Writes the gradients of the inputs in `wanted` that must be computed where a pass has room for them, and gives them;
 * null if it has none.
 */
export function inRoom({ op, outs }: Piece, node: Node, wanted: number, args: readonly Operand[]): Outputs | null {
  const { run, shape, dtype } = node;
  if (run === null || op === null) return null;
  const targets: TensorBase[] = [];
  let computed = 0;
  let i = -1;
  for (const o of outs) {
    do i++;
    while (((wanted >> i) & 1) === 0);
    if (!('computed' in o)) continue;
    const room = run.room(node, i);
    if (room !== null && room.dtype === dtype && sameShape(room.shape, shape)) targets[computed] = room;
    computed++;
  }
  if (targets.length === 0) return null;
  const tensors = args.filter(isTensor);
  if (!isBare(tensors) || tensors.some((t) => t.dtype !== dtype)) return null;
  for (let k = 0; k < computed; k++) targets[k] ??= fresh(shape, dtype);
  op.writeAll(targets, args);
  return targets;
}

/** The outputs of a derived function, given its sources; constants among them in this shape and dtype. */
export function runPiece(
  piece: Piece,
  args: readonly Operand[],
  shape: Shape,
  dtype: DType,
  written: Outputs | null = null,
): readonly TensorBase[] {
  const { op, outs } = piece;
  const results = written ?? (op === null ? null : op.invoke(args));
  if (piece.single && written === null) return [results as TensorBase];
  const list =
    results === null ? [] : Array.isArray(results) ? (results as readonly TensorBase[]) : [results as TensorBase];
  return outs.map((o) => {
    if ('computed' in o) return list[o.computed];
    const value = 'constant' in o ? o.constant : args[o.pass];
    return typeof value === 'number' ? filled(shape, value, dtype) : value;
  });
}

/** The outputs of a derived function that gives tangents. */
export function tangents(piece: Piece, c: JvpContext<undefined>): readonly TensorBase[] {
  const args = piece.sources.map((s): Operand => {
    switch (s.kind) {
      case 'primal':
        return c.inputs[s.index];
      case 'output':
        return c.outputs[s.index];
      default:
        return c.tangents[s.index] as TensorBase;
    }
  });
  return runPiece(piece, args, c.outputs[0].shape, c.outputs[0].dtype);
}
