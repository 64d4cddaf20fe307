import { MapKernel } from '../backends/wasm/map.ts';
import type { WasmFunction } from '../backends/wasm/module.ts';
import { type Compute, type DType, dtypeInfo, getDefaultDtype, isFloat } from '../core/dtype.ts';
import { DTypeError } from '../core/errors.ts';
import { resultType } from '../core/promotion.ts';
import type { Operand, TensorBase } from '../core/tensor.ts';
import type { ScalarFunction } from '../kernels/expr.ts';

/**
 * What dtype an elementwise operation computes in and gives:
 * - `same`: the promoted dtype of its inputs;
 * - `float`: the same, integers becoming the default dtype (division, exp, sin, …);
 * - `bool`: computes in the promoted dtype, gives truth values;
 * - `first`: computes in the promoted dtype, gives the dtype of its first input.
 */
export type ElementwiseKind = 'same' | 'float' | 'bool' | 'first';

/** What an elementwise operation does with inputs of certain dtypes. */
export interface Plan {
  readonly kernel: MapKernel;
  /** Compiled for contiguous inputs, by which of them are one element repeated (a bit mask) and whether additions fuse. */
  readonly flat: (WasmFunction | undefined)[];
  readonly out: DType;
}

/** The function for contiguous inputs, those in the bit mask `repeated` being one element. */
export function compiled(plan: Plan, repeated: number): WasmFunction {
  const which = plan.kernel.fuses ? 2 * repeated + 1 : 2 * repeated;
  const known = plan.flat[which];
  if (known !== undefined) return known;
  const made = plan.kernel.flat(repeated);
  plan.flat[which] = made;
  return made;
}

/** Digit of a key for a number. */
export const SCALAR = 7;

/** Inputs whose kinds, and the common dtype, are digits of a number that is still exact. */
export const COUNTED = 16;

/** The plans of one operation, each made by the first call with such inputs. */
export class Plans {
  /** Those of one or two floats and numbers, by key. */
  readonly frequent: (Plan | undefined)[] = [];
  readonly #all = new Map<number | string, Plan>();
  #converting: Map<string, MapKernel> | null = null;
  readonly #name: string;
  readonly #fn: ScalarFunction;
  readonly #kind: ElementwiseKind;
  readonly #refuse: ((dtype: DType) => string | null) | undefined;

  constructor(fn: ScalarFunction, kind: ElementwiseKind, refuse: ((dtype: DType) => string | null) | undefined) {
    this.#name = fn.name;
    this.#fn = fn;
    this.#kind = kind;
    this.#refuse = refuse;
  }

  /** The promoted dtype of value arguments (mask arguments do not take part). */
  common(inputs: Parameters<typeof resultType>[1]): DType {
    return resultType(
      this.#name,
      inputs.filter((_, i) => this.#fn.args[i] === 'value'),
    );
  }

  /** By which a plan is found: of one or two floats and numbers a small number, below 64. */
  key(inputs: readonly Operand[]): number | string {
    if (inputs.length > COUNTED)
      return [this.common(inputs), ...inputs.map((x) => (typeof x === 'number' ? 'number' : x.dtype))].join();
    let key = 0;
    let uniform = true;
    let first: DType | null = null;
    for (const x of inputs) {
      const number = typeof x === 'number';
      key = key * 8 + (number ? SCALAR : dtypeInfo(x.dtype).index);
      if (!number) {
        if (first === null) first = x.dtype;
        else if (first !== x.dtype) uniform = false;
        if (!isFloat(x.dtype)) uniform = false;
      }
    }
    // With one float dtype throughout the common dtype is no question; otherwise it is part of the key.
    return uniform && first !== null ? key : -1 - (key * 8 + dtypeInfo(this.common(inputs)).index);
  }

  plan(key: number | string, inputs: readonly Operand[]): Plan {
    const standard = getDefaultDtype();
    const at = standard === 'float32' ? key : `${key} ${standard}`;
    let plan = this.#all.get(at);
    if (plan === undefined) {
      const common = this.common(inputs);
      const reason = this.#refuse?.(common) ?? null;
      if (reason !== null) throw new DTypeError(`${this.#name}: ${reason}`);
      const computed = this.#computed(common);
      const out: DType =
        this.#kind === 'bool' ? 'bool' : this.#kind === 'first' ? (inputs[0] as TensorBase).dtype : computed;
      plan = { kernel: this.#kernel(inputs, dtypeInfo(computed).compute, out), flat: [], out };
      this.#all.set(at, plan);
    }
    const hangsOnDefault = this.#kind === 'float' && inputs.every((x) => typeof x === 'number' || !isFloat(x.dtype));
    if (typeof key === 'number' && key >= 0 && key < 64 && !hangsOnDefault) this.frequent[key] = plan;
    return plan;
  }

  /** The dtype that inputs of a common one are computed in. */
  #computed(common: DType): DType {
    return this.#kind === 'float' && !isFloat(common) ? getDefaultDtype() : common;
  }

  #kernel(inputs: readonly Operand[], compute: Compute, out: DType): MapKernel {
    return new MapKernel(
      this.#fn,
      compute,
      inputs.map((x) => (typeof x === 'number' ? 'scalar' : x.dtype)),
      this.#fn.outs.map(() => out),
    );
  }

  /** The kernel that stores its result in a dtype other than the operation's own. */
  kernelInto(key: number | string, inputs: readonly Operand[], out: DType): MapKernel {
    const name = `${key} ${out} ${getDefaultDtype()}`;
    this.#converting ??= new Map();
    let kernel = this.#converting.get(name);
    if (kernel === undefined) {
      kernel = this.#kernel(inputs, dtypeInfo(this.#computed(this.common(inputs))).compute, out);
      this.#converting.set(name, kernel);
    }
    return kernel;
  }
}
