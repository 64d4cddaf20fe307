import { ArgumentError } from './errors.ts';

/** The kind of a value, in words. */
export function kindOf(x: unknown): string {
  if (x === null) return 'null';
  if (Array.isArray(x)) return 'an array';
  return typeof x === 'object' && 'storage' in x ? 'a tensor' : typeof x;
}

export type TypeName = 'number' | 'boolean' | 'string' | 'function' | 'object' | 'Tensor';

/** Refuses an argument of another type, whatever the compiler was told. */
export function checkType(op: string, type: TypeName, name: string, x: unknown): void {
  const own = typeof x === 'object' && x !== null && 'storage' in x ? 'Tensor' : typeof x;
  if (own !== type) throw new ArgumentError(`${op}: argument '${name}' must be ${type}, not ${kindOf(x)}`);
}

export function checkTypes(op: string, type: TypeName, args: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(args)) checkType(op, type, name, args[name]);
}
