/**
 * The recorded graph as plain data. Data flows along the edges, gradients against them; so one list of
 * nodes and edges is both the forward and the backward graph.
 */
import { gradientNode } from '../core/apply.ts';
import type { DType } from '../core/dtype.ts';
import { ArgumentError, AutogradError } from '../core/errors.ts';
import type { Node, Output } from '../core/node.ts';
import { lineOf } from '../core/source-line.ts';
import { TensorBase } from '../core/tensor.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What is known of a tensor without holding it. */
export interface GraphValue {
  readonly shape: readonly number[];
  readonly dtype: DType;
}

/** A tensor that an operation keeps for its backward. */
export interface GraphSaved extends GraphValue {
  /** Whether it is an input or an output of the operation, and which one. */
  readonly role: 'input' | 'output';
  readonly index: number;
}

/** A tensor that was differentiated, or named. */
export interface GraphLabel extends GraphValue {
  readonly label: string;
  readonly node: string;
  readonly output: number;
}

/** An operation that was recorded, or a leaf. */
export interface GraphNode {
  readonly id: string;
  readonly kind: 'leaf' | 'operation';
  /** What the operation is called; of a leaf its label. */
  readonly name: string;
  /** Its entry in the registry of operations; null for a leaf. */
  readonly operation: string | null;
  /** PyTorch's name of the backward node: `MulBackward0`, `AccumulateGrad`. */
  readonly backward: string;
  /** What the operation made; of a leaf the leaf itself. */
  readonly outputs: readonly GraphValue[];
  readonly saved: readonly GraphSaved[];
  /** A backward pass has run through it and let go of what was saved. */
  readonly released: boolean;
  /** Where in the program the operation ran, if anomaly detection was on. */
  readonly source: string | null;
}

/** An output of one node that is an input of another. */
export interface GraphEdge extends GraphValue {
  readonly from: string;
  readonly output: number;
  readonly to: string;
  readonly input: number;
}

/** A graph as plain data: nodes, edges between them, and what is at its ends. */
export interface GraphData {
  /** Leaves first: an edge always leads to a later node. */
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  /** What was asked for. */
  readonly roots: readonly GraphLabel[];
  /** Named results of operations other than the roots. */
  readonly labels: readonly GraphLabel[];
}

/** Names for tensors: an object, or pairs. */
export type Names = Readonly<Record<string, Tensor>> | Iterable<readonly [name: string, tensor: Tensor]>;

function pairsOf(names: Names): [string, Tensor][] {
  if (names === null || typeof names !== 'object')
    throw new ArgumentError(`graph: names must be an object such as { w, b } or pairs, got ${typeof names}`);
  const pairs = Symbol.iterator in names ? [...names] : Object.entries(names);
  return pairs.map(([name, t]) => {
    if (!(t instanceof TensorBase)) throw new ArgumentError(`graph: names.${String(name)} is not a Tensor`);
    return [String(name), t];
  });
}

/** Every node that gradients of `roots` reach, in the order in which they were made. */
function reached(roots: readonly Node[]): Node[] {
  const seen = new Set<Node>(roots);
  const stack = [...seen];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    for (const to of node.next) {
      if (to === null || seen.has(to)) continue;
      seen.add(to);
      stack.push(to);
    }
  }
  return [...seen].sort((a, b) => a.sequence - b.sequence);
}

const infoOf = ({ shape, dtype }: Output): GraphValue => ({ shape: [...shape], dtype });

function savedOf(node: Node): GraphSaved[] {
  const found: GraphSaved[] = [];
  node.plan.forEach((place, k) => {
    const t = node.saved?.[k];
    if (!(t instanceof TensorBase)) return;
    const role = place < 0 ? 'output' : 'input';
    found.push({ role, index: place < 0 ? ~place : place, ...infoOf(t) });
  });
  return found;
}

/** What PyTorch calls the operation of a node: `MulBackward0` belongs to `mul`. */
function forwardName(node: Node): string {
  const name = node.name.replace(/Backward\d*$/, '');
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}`;
}

/** Reads the graph behind `tensors`. Nothing of it is held: what comes out is plain data. */
export function collect(tensors: readonly Tensor[], names: Names): GraphData {
  tensors.forEach((t, i) => {
    if (!(t instanceof TensorBase)) throw new ArgumentError(`graph: element ${i} of tensors is not a Tensor`);
    if (!t.requiresGrad) {
      throw new AutogradError(
        `graph: element ${i} of tensors does not require grad and does not have a grad_fn: there is no graph behind it. Set requiresGrad on a leaf it is computed from.`,
      );
    }
  });
  const nodes = reached(tensors.map(gradientNode));
  const ids = new Map(nodes.map((node, i) => [node, `n${i}`] as const));
  const given = pairsOf(names);
  const nameOf = (t: TensorBase): string | undefined => given.find(([, named]) => named === t)?.[0];
  const label = (t: Tensor, name: string): GraphLabel[] => {
    const node = t.requiresGrad ? ids.get(gradientNode(t)) : undefined;
    return node === undefined ? [] : [{ label: name, node, output: t.outputIndex, ...infoOf(t) }];
  };
  let unnamed = 0;
  return {
    nodes: nodes.map((node) => {
      const { leaf } = node;
      return {
        id: ids.get(node) as string,
        kind: leaf === null ? 'operation' : 'leaf',
        name: leaf === null ? forwardName(node) : (nameOf(leaf) ?? `leaf ${++unnamed}`),
        operation: leaf === null ? node.op.name : null,
        backward: node.name,
        outputs: leaf === null ? (node.outputs ?? [node]).map(infoOf) : [infoOf(leaf)],
        saved: savedOf(node),
        released: node.freed,
        source: node.origin === null ? null : lineOf(node.origin.at),
      };
    }),
    edges: nodes.flatMap((node) =>
      node.next.flatMap((from, input) => {
        if (from === null) return [];
        return {
          from: ids.get(from) as string,
          output: node.nextIndex[input],
          to: ids.get(node) as string,
          input,
          shape: [...node.inShape(input)],
          dtype: node.inDtype(input),
        };
      }),
    ),
    roots: tensors.flatMap((t, i) => label(t, nameOf(t) ?? (tensors.length === 1 ? 'result' : `result ${i + 1}`))),
    labels: given.flatMap(([name, t]) => (t.isLeaf || tensors.includes(t) ? [] : label(t, name))),
  };
}
