/** What an eval of GradBench is here, and how its inputs and outputs become tensors and numbers. */
import { autograd, type Tensor, tensor } from 'nabla';

/** The numbers of GradBench are doubles. */
export const float64 = { dtype: 'float64' } as const;
export const int32 = { dtype: 'int32' } as const;

/** One call of a function: `run` is what is timed, `output` makes JSON of what it returns. */
export interface Call {
  readonly run: () => unknown;
  readonly output: (result: never) => unknown;
}

/** A module of GradBench: its functions by name, each from an input to a call. */
export type Module = Readonly<Record<string, (input: unknown) => Call>>;

/**
 * A function of an eval: `prepare` reads the input into tensors, `compute` is the function itself and
 * is all that is timed, `output` turns its result into what is sent back.
 */
export function defined<P, R>(
  prepare: (input: Fields) => P,
  compute: (prepared: P) => R,
  output: (result: R) => unknown,
): (input: unknown) => Call {
  return (input) => {
    const prepared = prepare(new Fields(input));
    return { run: () => compute(prepared), output };
  };
}

type Kind = 'a number' | 'a whole number' | 'a truth value';

function hasKind(x: unknown, kind: Kind): boolean {
  if (kind === 'a truth value') return typeof x === 'boolean';
  return kind === 'a number' ? typeof x === 'number' : Number.isInteger(x);
}

/** An input object whose fields are checked as they are read. */
export class Fields {
  readonly #fields: Readonly<Record<string, unknown>>;
  readonly #name: string;

  constructor(value: unknown, name = 'input') {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new Error(`${name}: expected an object`);
    this.#fields = value as Readonly<Record<string, unknown>>;
    this.#name = name;
  }

  fields(name: string): Fields {
    return new Fields(this.#fields[name], `${this.#name}.${name}`);
  }

  number(name: string): number {
    return this.#scalar(name, 'a number') as number;
  }

  integer(name: string): number {
    return this.#scalar(name, 'a whole number') as number;
  }

  boolean(name: string): boolean {
    return this.#scalar(name, 'a truth value') as boolean;
  }

  /** A list of numbers, as it is. */
  integers(name: string): readonly number[] {
    return this.#list(name, 1, 'a whole number') as readonly number[];
  }

  /** Nested lists of numbers, `rank` deep, as a tensor. */
  tensor(name: string, rank: number): Tensor {
    return tensor(this.#list(name, rank, 'a number') as number[], float64);
  }

  /** Nested lists of indices, `rank` deep, as a tensor. */
  indices(name: string, rank: number): Tensor {
    return tensor(this.#list(name, rank, 'a whole number') as number[], int32);
  }

  #scalar(name: string, kind: Kind): unknown {
    const value = this.#fields[name];
    if (!hasKind(value, kind)) throw new Error(`${this.#name}.${name}: expected ${kind}, got ${typeof value}`);
    return value;
  }

  #list(name: string, rank: number, kind: Kind): unknown {
    const fits = (x: unknown, depth: number): boolean =>
      depth === 0 ? hasKind(x, kind) : Array.isArray(x) && x.every((y) => fits(y, depth - 1));
    const value = this.#fields[name];
    if (!fits(value, rank)) throw new Error(`${this.#name}.${name}: expected ${kind} in lists nested ${rank} deep`);
    return value;
  }
}

/** The gradient of `f` at x, by plain tensors: an operation costs less than inside a transform. */
export function gradientAt(f: (leaf: Tensor) => Tensor, x: Tensor): Tensor {
  const leaf = x.detach().requiresGrad_();
  return autograd.grad(f(leaf), [leaf])[0];
}

/** The value of a scalar tensor. */
export const value = (t: Tensor): number => t.item();

/** The elements of a tensor, as nested lists. */
export const list = (t: Tensor): unknown => t.toArray();
