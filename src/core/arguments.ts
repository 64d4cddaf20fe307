import { ArgumentError } from './errors.ts';

/** What tensors of this copy of the library have in their prototype as `isTensorBase`; those of another copy have its own. */
export const BRAND: object = {};

/** What a tensor without it is, whose address means nothing here. */
export const STRANGER =
  'a tensor that another copy of the library made (`npm ls nabla` lists them), or what structuredClone and postMessage leave of one: give its toTypedArray() to tensor(…) instead';

/** The kind of a value, in words. */
export function kindOf(x: unknown): string {
  if (x === null) return 'null';
  if (Array.isArray(x)) return 'an array';
  if (typeof x !== 'object' || !('storage' in x)) return typeof x;
  return 'isTensorBase' in x && x.isTensorBase === BRAND ? 'a tensor' : STRANGER;
}

export type TypeName = 'number' | 'boolean' | 'string' | 'function' | 'object' | 'Tensor';

/** Refuses an argument of another type, whatever the compiler was told. */
export function checkType(op: string, type: TypeName, name: string, x: unknown): void {
  const own = kindOf(x) === 'a tensor' ? 'Tensor' : typeof x;
  if (own !== type) throw new ArgumentError(`${op}: argument '${name}' must be ${type}, not ${kindOf(x)}`);
}

export function checkTypes(op: string, type: TypeName, args: Readonly<Record<string, unknown>>): void {
  for (const name of Object.keys(args)) checkType(op, type, name, args[name]);
}
