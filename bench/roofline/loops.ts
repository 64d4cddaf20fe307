/**
 * What a single thread of the machine gives: loops that do nothing but move numbers, or nothing but
 * multiply and add, written for this page, so that the library's kernels have something to be measured
 * against.
 */
import { FunctionBody, type Local } from '../../src/backends/wasm/encoder.ts';
import { encodeModule } from '../../src/backends/wasm/module-bytes.ts';
import { hasRelaxedSimd } from '../../src/backends/wasm/relaxed.ts';

const VECTORS = 4;
const STEP = 16 * VECTORS;

/** Registers that are multiplied and added to side by side: enough to hide the time one takes, few enough for all to stay registers. */
const CHAINS = 10;
const TURNS = 100_000;

export type Stream = 'read' | 'copy' | 'add';
export type Arithmetic = 'f32 madd' | 'f32 mul, add' | 'f64 madd' | 'f64 mul, add';

/** Streams of memory that a loop reads or writes. */
export const STREAMS: Readonly<Record<Stream, number>> = { read: 1, copy: 2, add: 3 };

function instantiate(body: FunctionBody, pages: number): (...args: number[]) => void {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  if (pages > 0) new Float32Array(memory.buffer).fill(1e-9);
  const bytes = encodeModule([body], { initialPages: pages, maximumPages: pages, shared: false });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  return exports.loop as unknown as (...args: number[]) => void;
}

/** A loop over two arrays of `n` float32 elements: reads a, a ← b, or a ← a + b. */
export function stream(kind: Stream, n: number): () => void {
  const body = new FunctionBody('loop', ['i32', 'i32', 'i32'], []);
  const [a, b, end] = body.params as readonly [Local, Local, Local];
  const sums = Array.from({ length: VECTORS }, () => body.local('v128'));
  body.loop(() => {
    sums.forEach((sum, i) => {
      const at = 16 * i;
      if (kind === 'read') body.get(a).mem('v128.load', at).get(sum).op('f32x4.add').set(sum);
      else if (kind === 'copy') body.get(a).get(b).mem('v128.load', at).mem('v128.store', at);
      else {
        body.get(a).get(a).mem('v128.load', at).get(b).mem('v128.load', at);
        body.op('f32x4.add').mem('v128.store', at);
      }
    });
    for (const pointer of [a, b]) body.get(pointer).i32(STEP).op('i32.add').set(pointer);
    body.get(a).get(end).op('i32.lt_u').brIf(0);
  });
  const bytes = Math.ceil((4 * n) / STEP) * STEP;
  const loop = instantiate(body, Math.ceil((2 * bytes) / 65536));
  return () => loop(0, bytes, bytes);
}

/** Floating point operations of one call of `arithmetic`. */
export const flopsOf = (kind: Arithmetic): number => TURNS * CHAINS * (kind.startsWith('f32') ? 4 : 2) * 2;

/** Multiplications and additions of whole vectors in registers; null if the host cannot fuse them. */
export function arithmetic(kind: Arithmetic): (() => void) | null {
  const fused = kind.endsWith('madd');
  if (fused && !hasRelaxedSimd()) return null;
  const shape = kind.startsWith('f32') ? 'f32x4' : 'f64x2';
  const body = new FunctionBody('loop', ['i32'], ['i32']);
  const [turns] = body.params as readonly [Local];
  const factor = body.local('v128');
  const chains = Array.from({ length: CHAINS }, () => body.local('v128'));
  body.loop(() => {
    for (const x of chains) {
      if (fused) body.get(factor).get(factor).get(x).op(`${shape}.relaxed_madd`).set(x);
      else body.get(x).get(factor).op(`${shape}.mul`).get(factor).op(`${shape}.add`).set(x);
    }
    body.get(turns).i32(1).op('i32.sub').tee(turns).brIf(0);
  });
  chains.forEach((x, i) => {
    body.get(x);
    if (i > 0) body.op(`${shape}.add`);
  });
  body.op('v128.any_true');
  const loop = instantiate(body, 0);
  return () => loop(TURNS);
}
