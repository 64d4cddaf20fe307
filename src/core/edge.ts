import { gradientNode, sync } from './apply.ts';
import type { DType } from './dtype.ts';
import { ArgumentError } from './errors.ts';
import type { Level } from './levels.ts';
import { Node } from './node.ts';
import type { Shape } from './shape.ts';
import { isTensor, levelOf, type TensorBase } from './tensor.ts';

/**
 * One output of a node: where the gradient of a tensor arrives, without the tensor. It stands for the
 * tensor as an output or input of `autograd.grad` and `autograd.backward`.
 */
export class GradientEdge {
  readonly node: Node;
  readonly outputNr: number;

  constructor(node: Node, outputNr: number) {
    if (!(node instanceof Node))
      throw new ArgumentError('GradientEdge: node must be a node of the graph, such as y.gradFn');
    const outputs = node.outputCount;
    if (!Number.isInteger(outputNr) || outputNr < 0 || outputNr >= outputs)
      throw new ArgumentError(`GradientEdge: ${node.name} has ${outputs} outputs, there is no number ${outputNr}`);
    this.node = node;
    this.outputNr = outputNr;
  }
}

/** A place in the graph that gradients start from or are wanted at. */
export type Place = TensorBase | GradientEdge;

/** Whether gradients flow to a place. */
export function isTracked(p: Place): boolean {
  return isTensor(p) ? sync(p).tracked : true;
}

export function nodeAt(p: Place): Node {
  return isTensor(p) ? gradientNode(p) : p.node;
}

export function indexAt(p: Place): number {
  return isTensor(p) ? p.outputIndex : p.outputNr;
}

export function levelAt(p: Place): Level | null {
  return isTensor(p) ? levelOf(p) : p.node.level;
}

export function shapeAt(p: Place): Shape {
  return isTensor(p) ? p.shape : p.node.outShape(p.outputNr);
}

export function dtypeAt(p: Place): DType {
  return isTensor(p) ? p.dtype : p.node.outDtype(p.outputNr);
}
