/**
 * What the machine's memory gives a single thread: loops that do nothing but move numbers, written
 * for this page, so that the library's kernels have something to be measured against.
 */
import { encodeModule, FunctionBody, type Local } from '../../src/backends/wasm/encoder.ts';
import type { Case } from '../case.ts';

const N = 10_000_000;
const BYTES = 4 * N;
const VECTORS = 4;
const STEP = 16 * VECTORS;
const PAGES = Math.ceil((2 * BYTES) / 65536);

type Loop = (a: number, b: number, end: number) => number;

/** A loop over a and b in steps of 64 bytes, until a reaches the end. */
function pass(name: string, step: (body: FunctionBody, a: Local, b: Local) => void): FunctionBody {
  const body = new FunctionBody(name, ['i32', 'i32', 'i32'], []);
  const [a, b, end] = body.params as readonly [Local, Local, Local];
  return body.loop(() => {
    step(body, a, b);
    for (const pointer of [a, b]) body.get(pointer).i32(STEP).op('i32.add').set(pointer);
    body.get(a).get(end).op('i32.lt_u').brIf(0);
  });
}

function setup(name: 'read' | 'add'): () => unknown {
  const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
  new Float32Array(memory.buffer).fill(1e-9);
  const read = (): FunctionBody => {
    const sums: Local[] = [];
    return pass('read', (body, a) => {
      for (let i = 0; i < VECTORS; i++) {
        const sum = body.local('v128');
        sums.push(sum);
        body
          .get(a)
          .mem('v128.load', 16 * i)
          .get(sum)
          .op('f32x4.add')
          .set(sum);
      }
    });
  };
  const add = (): FunctionBody =>
    pass('add', (body, a, b) => {
      for (let i = 0; i < VECTORS; i++) {
        body
          .get(a)
          .get(a)
          .mem('v128.load', 16 * i)
          .get(b)
          .mem('v128.load', 16 * i);
        body.op('f32x4.add').mem('v128.store', 16 * i);
      }
    });
  const bytes = encodeModule([name === 'read' ? read() : add()], {
    initialPages: PAGES,
    maximumPages: PAGES,
    shared: false,
  });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory } });
  const loop = exports[name] as unknown as Loop;
  return () => loop(0, BYTES, BYTES);
}

export const roofline: readonly Case[] = [
  { name: 'roofline: read, 10M', unit: 'GB/s', work: BYTES, setup: () => setup('read') },
  { name: 'roofline: a += b, 10M', unit: 'GB/s', work: 3 * BYTES, setup: () => setup('add') },
  {
    name: 'roofline: Float32Array.set, 10M',
    unit: 'GB/s',
    work: 2 * BYTES,
    setup: () => {
      const from = new Float32Array(N).fill(1);
      const to = new Float32Array(N).fill(2);
      return () => to.set(from);
    },
  },
];
