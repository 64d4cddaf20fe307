import type { Node } from './node.ts';
import type { TensorBase } from './tensor.ts';

/** A saved tensor in the form that saved-tensor hooks gave it. */
export interface Packed {
  /** The tensor again, at the place in the graph it had when `node` saved it. */
  unpack(node: Node): TensorBase;
}

/** Takes over what nodes save. Nodes know no more of saved-tensor hooks than this. */
export interface Packer {
  pack(t: TensorBase, node: Node): Packed;
}

/** The packer in force; null, as mostly, when nodes hold the tensors themselves. */
export let packer: Packer | null = null;

/** @internal */
export function setPacker(p: Packer | null): void {
  packer = p;
}
