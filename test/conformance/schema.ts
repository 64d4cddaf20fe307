import { slice } from 'nabla';
import { decodeDType, decodeFloat, type Encoded, type EncodedTensor, isTensor, Unsupported } from './format.ts';

/*
 * PyTorch's own signatures bring positional and keyword arguments to one form: arguments by name.
 * `add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`
 */

interface Parameter {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly keywordOnly: boolean;
}

export type Signature = readonly Parameter[];

/** Splits at commas that are not within brackets. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i <= text.length; i++) {
    const c = text[i];
    if (c === '(' || c === '[') depth++;
    else if (c === ')' || c === ']') depth--;
    else if (c === undefined || (c === ',' && depth === 0)) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  return parts.filter((p) => p !== '');
}

/** Python's annotations in ATen's words. */
function atenType(annotation: string): string {
  const optional = /^Optional\[(.*)\]$/.exec(annotation);
  if (optional) return `${atenType(optional[1])}?`;
  const list = /^List\[(.*)\]$/.exec(annotation);
  if (list) return `${atenType(list[1])}[]`;
  return annotation.replace(/^torch\./, '');
}

function parseParameter(text: string, keywordOnly: boolean): Parameter {
  const [declaration, fallback] = text.split(/\s*=\s*/, 2);
  const python = /^(\w+): (.*)$/.exec(declaration);
  const space = declaration.lastIndexOf(' ');
  return {
    name: python ? python[1] : declaration.slice(space + 1),
    // Alias annotations, as in `Tensor(a)`, say nothing about the type.
    type: python ? atenType(python[2]) : declaration.slice(0, space).replace(/\([^)]*\)/, ''),
    required: fallback === undefined,
    keywordOnly,
  };
}

export function parseSignature(schema: string): Signature {
  const end = schema.lastIndexOf(') ->');
  const parts = splitList(schema.slice(schema.indexOf('(') + 1, end < 0 ? schema.lastIndexOf(')') : end));
  const star = parts.indexOf('*');
  return parts.flatMap((p, i) => (p === '*' ? [] : [parseParameter(p, star >= 0 && i > star)]));
}

const has = (x: Encoded, key: string): boolean =>
  typeof x === 'object' && x !== null && !Array.isArray(x) && key in x && !isTensor(x);
const isInt = (x: Encoded): boolean => Number.isInteger(x) || has(x, 'int');
const isNumber = (x: Encoded): boolean => typeof x === 'number' || has(x, 'int') || has(x, 'float');

function listOf(item: (x: Encoded) => boolean): (x: Encoded) => boolean {
  return (x) => Array.isArray(x) && (x as readonly Encoded[]).every(item);
}

const CHECKS: Readonly<Record<string, (x: Encoded) => boolean>> = {
  Tensor: isTensor,
  Scalar: (x) => isNumber(x) || typeof x === 'boolean' || has(x, 'complex'),
  int: isInt,
  SymInt: isInt,
  float: isNumber,
  bool: (x) => typeof x === 'boolean',
  str: (x) => typeof x === 'string',
  ScalarType: (x) => has(x, 'dtype'),
  Device: (x) => has(x, 'device') || typeof x === 'string',
  MemoryFormat: (x) => has(x, 'memory_format'),
};

/** Whether an argument is of a declared type; types without a check take anything. */
function fits(type: string, x: Encoded): boolean {
  if (isRest(type)) return listOf((item) => fits(type.slice(0, -3), item))(x);
  if (type.endsWith('?')) return x === null || fits(type.slice(0, -1), x);
  const list = /^(\w+)\[(\d*)\]$/.exec(type);
  if (list === null) return CHECKS[type]?.(x) ?? true;
  // `int[2]` takes one int for all as well.
  return (list[2] !== '' && fits(list[1], x)) || listOf((item) => fits(list[1], item))(x);
}

/** `Tensor... tensors` takes all positional arguments that are left. */
const isRest = (type: string | undefined): boolean => type?.endsWith('...') ?? false;

export type Bound = Readonly<Record<string, Encoded>>;

/**
 * The last parameter takes all positional arguments that are left: sizes, as in `x.view(2, 3)`, where
 * nothing can follow them; tensors, where there is nothing but them.
 */
function gathered(positional: Signature, args: readonly Encoded[]): readonly Encoded[] {
  const last = positional.length - 1;
  const rest = args.slice(last);
  const { type } = positional[last] ?? {};
  if (isRest(type)) return [...args.slice(0, last), rest];
  if (last < 0 || rest.length === 0) return args;
  const sizes = /^(int|SymInt)\[\]$/.test(type ?? '') && rest.every(isInt);
  const tensors = last === 0 && type === 'Tensor[]' && rest.every(isTensor);
  return sizes || tensors ? [...args.slice(0, last), rest] : args;
}

/** The arguments by name, or null when they do not fit the signature. */
export function bind(signature: Signature, list: readonly Encoded[], kwargs: Bound): Bound | null {
  const positional = signature.filter((p) => !p.keywordOnly);
  const values = gathered(positional, list);
  if (values.length > positional.length) return null;
  const given = new Map<string, Encoded>();
  values.forEach((x, i) => {
    given.set(positional[i].name, x);
  });
  for (const [name, x] of Object.entries(kwargs)) {
    if (given.has(name)) return null;
    given.set(name, x);
  }
  for (const p of signature) {
    const x = given.get(p.name);
    if (x === undefined ? p.required : !fits(p.type, x)) return null;
  }
  return [...given.keys()].every((name) => signature.some((p) => p.name === name)) ? Object.fromEntries(given) : null;
}

/** One argument as Nabla takes it: None is left out, Python's truth values are numbers where numbers are meant. */
export function decodeArgument(x: Encoded, tensorOf: (t: EncodedTensor) => unknown): unknown {
  if (x === null) return undefined;
  if (isTensor(x)) return tensorOf(x);
  if (Array.isArray(x)) return (x as readonly Encoded[]).map((item) => decodeArgument(item, tensorOf));
  if (typeof x !== 'object') return x;
  const [[key, value]] = Object.entries(x);
  switch (key) {
    case 'float':
      return decodeFloat(value);
    case 'dtype':
      return decodeDType(value as string);
    case 'slice': {
      const [start, end, step] = value as readonly (number | null)[];
      return slice(start, end, step);
    }
    case 'ellipsis':
      return '...';
    case 'tuple':
      return { tuple: decodeArgument(value, tensorOf) };
    case 'device':
    case 'memory_format':
      return value;
    case 'int':
      throw new Unsupported('integers beyond 2⁵³');
    default:
      throw new Unsupported(`${key} arguments`);
  }
}

export function decodeArguments(
  signature: Signature,
  bound: Bound,
  tensorOf: (t: EncodedTensor) => unknown,
): Record<string, unknown> {
  return Object.fromEntries(
    signature
      .filter((p) => p.name in bound)
      .map((p) => {
        const x = decodeArgument(bound[p.name], tensorOf);
        return [p.name, typeof x === 'boolean' && p.type.startsWith('Scalar') ? Number(x) : x];
      }),
  );
}
