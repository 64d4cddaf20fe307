import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { type DType, type Tensor, tensor } from 'nabla';

/** A value as the reference files write it. */
export type Encoded = null | boolean | number | string | readonly Encoded[] | { readonly [key: string]: Encoded };

export interface EncodedTensor {
  readonly [key: string]: Encoded;
  readonly shape: readonly number[];
  readonly dtype: string;
  /** Floats as base64 of little-endian values, integers as numbers, `zeros` for all zeros. */
  readonly data: string | readonly (number | string)[];
}

/** A call of PyTorch: `torch.x(*args, **kwargs)`, or a method or property of the first argument. */
export interface PyTorchCall {
  readonly id: string;
  readonly call: string;
  readonly args: readonly Encoded[];
  readonly kwargs: { readonly [name: string]: Encoded };
}

export interface Sample extends PyTorchCall {
  readonly kind: string;
  readonly post?: string;
  readonly outputs: readonly Encoded[];
  readonly out_fields?: readonly string[];
  readonly out_kind?: string;
  readonly vjp?: {
    readonly cotangents: readonly (EncodedTensor | null)[];
    readonly grads: readonly (EncodedTensor | null)[];
  };
  readonly tangents?: readonly EncodedTensor[];
  readonly jvp?: { readonly outputs: readonly (EncodedTensor | null)[] };
  readonly gradgrad?: { readonly grads: readonly (EncodedTensor | null)[] };
  /** How far the forward derivative of PyTorch 1.13 is from its own backward, where they disagree. */
  readonly jvp_mismatch?: number;
  readonly inplace?: {
    readonly same?: boolean;
    readonly same_grads?: boolean;
    readonly error?: string;
    readonly backward_error?: string;
  };
  /** The error of PyTorch's own float32 result against float64. */
  readonly err32?: { readonly outputs?: number; readonly grads?: number } | null;
}

export interface ErrorSample extends PyTorchCall {
  readonly message: string;
  /** What PyTorch's own test asserts about the message. */
  readonly regex?: string | null;
}

/** The reference values of one operation. */
export interface OpFile {
  readonly id: string;
  readonly op: string;
  readonly inplace_method?: string | null;
  /** ATen signatures: names, types and defaults of arguments. */
  readonly schemas: readonly string[];
  readonly samples: readonly Sample[];
  readonly errors: readonly ErrorSample[];
}

/** Raised for what the library does not have at all, as opposed to what it gets wrong. */
export class Unsupported extends Error {
  override name = 'Unsupported';
}

/** Elements on the host, row-major. */
export interface HostTensor {
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly values: Float64Array | Float32Array | Int32Array | Uint8Array;
}

export function isTensor(x: Encoded | undefined): x is EncodedTensor {
  return typeof x === 'object' && x !== null && 'shape' in x && 'dtype' in x && 'data' in x;
}

/** int64 stands for the default integer type, which is int32 here. */
const DTYPES: Readonly<Record<string, DType>> = {
  float64: 'float64',
  float32: 'float32',
  int64: 'int32',
  int32: 'int32',
  uint8: 'uint8',
  bool: 'bool',
};

export function decodeDType(name: string): DType {
  if (!Object.hasOwn(DTYPES, name)) throw new Unsupported(`dtype ${name}`);
  return DTYPES[name];
}

/** A buffer of its own: Node's decoded bytes may start anywhere in a shared one. */
function decodeBytes(data: string): ArrayBuffer {
  return new Uint8Array(Buffer.from(data, 'base64')).buffer;
}

const ARRAYS = {
  float64: Float64Array,
  float32: Float32Array,
  int32: Int32Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

function decodeNumbers(dtype: DType, data: readonly (number | string)[]): HostTensor['values'] {
  const values = ARRAYS[dtype].from(data.map(Number));
  const lost = data.findIndex((x, i) => Number(x) !== values[i]);
  if (lost >= 0) throw new Unsupported(`int64 value ${data[lost]} does not fit int32`);
  return values;
}

function decodeValues(dtype: DType, data: EncodedTensor['data'], count: number): HostTensor['values'] {
  if (typeof data !== 'string') return decodeNumbers(dtype, data);
  if (data === 'zeros') return decodeValues(dtype, new Array<number>(count).fill(0), count);
  return dtype === 'float64' ? new Float64Array(decodeBytes(data)) : new Float32Array(decodeBytes(data));
}

export function decodeTensor({ shape, dtype: name, data }: EncodedTensor): HostTensor {
  const dtype = decodeDType(name);
  const count = shape.reduce((n, m) => n * m, 1);
  const values = decodeValues(dtype, data, count);
  if (values.length !== count) throw new Error(`${values.length} values for shape [${shape.join(', ')}]`);
  return { shape, dtype, values };
}

/** A new leaf with the values of a reference tensor. */
export function toTensor(encoded: EncodedTensor, requiresGrad = false): Tensor {
  const { shape, dtype, values } = decodeTensor(encoded);
  return tensor(values, { shape, dtype, requiresGrad });
}

export function toHost(t: Tensor): HostTensor {
  return { shape: t.shape, dtype: t.dtype, values: t.toTypedArray() };
}

/** Every tensor of nested arguments, depth first. */
export function tensorsOf(values: readonly Encoded[]): EncodedTensor[] {
  return values.flatMap((x) => {
    if (isTensor(x)) return [x];
    if (Array.isArray(x)) return tensorsOf(x as readonly Encoded[]);
    return typeof x === 'object' && x !== null && 'tuple' in x ? tensorsOf(x.tuple as readonly Encoded[]) : [];
  });
}

const SPECIAL: Readonly<Record<string, number>> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  '-inf': Number.NEGATIVE_INFINITY,
  '-0.0': -0,
};

export function decodeFloat(float: Encoded): number {
  return typeof float === 'string' ? SPECIAL[float] : (float as number);
}

/** The operations of a folder of reference files, or of one compressed file that holds many. */
export function loadOps(path: string, wanted: (id: string) => boolean = () => true): OpFile[] {
  if (!statSync(path).isDirectory()) {
    const ops = JSON.parse(gunzipSync(readFileSync(path)).toString()) as OpFile[];
    return ops.filter((o) => wanted(o.id));
  }
  return readdirSync(path)
    .filter((name) => name.endsWith('.json') && name !== 'index.json' && wanted(name.slice(0, -'.json'.length)))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')) as OpFile);
}
