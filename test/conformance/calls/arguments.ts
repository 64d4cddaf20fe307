import type { DType, Tensor } from 'nabla';
import { Unsupported } from '../format.ts';

/* The arguments that PyTorch's calls share, by the names of its signatures. */

export type Operand = Tensor | number;
export type Dims = number | readonly number[];
export type Reduction = 'none' | 'mean' | 'sum';

export interface Self {
  readonly self: Tensor;
}
export interface Pair extends Self {
  readonly other: Tensor;
}
export interface Binary extends Self {
  readonly other: Operand;
}
export interface Scaled extends Binary {
  readonly alpha?: number;
}
export interface Divide extends Binary {
  readonly rounding_mode?: 'floor' | 'trunc';
}
export interface Bounded extends Self {
  readonly min?: Operand;
  readonly max?: Operand;
}
export interface Rounding extends Self {
  readonly decimals?: number;
}
export interface KeepDim extends Self {
  readonly keepdim?: boolean;
}
export interface AlongDims extends KeepDim {
  readonly dim?: Dims;
}
export interface AlongDim extends KeepDim {
  readonly dim?: number;
}
export interface HasDType {
  readonly dtype?: DType;
}
export interface Creation extends HasDType {
  readonly device?: string;
  readonly requires_grad?: boolean;
}
export interface Sized extends Self {
  readonly size: readonly number[];
}
export interface Layout {
  readonly memory_format?: string;
}
export interface Indexing extends Self {
  readonly dim: number;
  readonly index: Tensor;
}
export interface Loss {
  readonly input: Tensor;
  readonly target: Tensor;
  readonly weight?: Tensor;
  readonly size_average?: boolean;
  readonly reduce?: boolean;
  readonly ignore_index?: number;
  readonly reduction?: Reduction;
}

/** Refuses an option that the library does not have, unless it has the value that changes nothing. */
export function without(option: string, value: unknown, ...harmless: unknown[]): void {
  if (value !== undefined && !harmless.includes(value)) throw new Unsupported(`${option}: ${String(value)}`);
}

/** `number ∘ tensor` has no method to call. */
export function tensorFirst(x: Operand): Tensor {
  if (typeof x === 'number') throw new Unsupported('a number as the first operand');
  return x;
}

/** The tensor itself, when its elements shall lie as Nabla lays them out. */
export function dense({ self, memory_format }: Self & Layout): Tensor {
  without('memory_format', memory_format, 'preserve_format', 'contiguous_format');
  return self;
}

export function creation({ device, dtype, requires_grad }: Creation): { dtype?: DType; requiresGrad?: boolean } {
  without('device', device, 'cpu');
  return { dtype, requiresGrad: requires_grad };
}

export function lossOptions({ weight, size_average, reduce, ignore_index, reduction }: Loss) {
  without('size_average', size_average);
  without('reduce', reduce);
  return { weight, ignoreIndex: ignore_index, reduction };
}

/** Arguments differ from entry to entry; the signature that binds them vouches for their types. */
type Call = (args: never) => unknown;

/** PyTorch's calls in Nabla's words. */
export type Calls = Readonly<Record<string, Call>>;

/** Signatures, by call, of Python functions that have none in ATen, or another one. */
export type Signatures = Readonly<Record<string, readonly string[]>>;
