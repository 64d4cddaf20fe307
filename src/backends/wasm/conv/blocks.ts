/**
 * Windows laid out as the columns of a matrix, and such a matrix added up into an image: PyTorch's
 * im2col and col2im. Rows are channels and taps, columns are places.
 */

import { type DType, dtypeInfo } from '../../../core/dtype.ts';
import type { Strided } from '../../../kernels/strided.ts';
import { advance, copyOf, times } from '../control.ts';
import { FunctionBody, type Locals } from '../encoder.ts';
import { emitRun } from '../indexing/nest.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { type Operand, type Plan, planFor } from '../plan.ts';
import { type Frame, frameLayout, frameOf, placesIn, zerosAfter } from './frame.ts';
import { elementMoves, type Manner, mover } from './move.ts';
import { product, steps } from './tables.ts';

export interface Blocks {
  readonly stride: readonly number[];
  readonly padding: readonly number[];
  readonly dilation: readonly number[];
  readonly kernel: readonly number[];
  /** Sizes of the image, and how many blocks there are along each dimension. */
  readonly input: readonly number[];
  readonly output: readonly number[];
}

const kernels = new Map<string, WasmFunction>();

/** `put` collects blocks from a frame into a matrix, `add` adds the matrix up in the frame. */
function kernelFor(manner: Manner, dtype: DType): WasmFunction {
  const key = `${manner} ${manner === 'put' ? dtypeInfo(dtype).bytes : dtype}`;
  let kernel = kernels.get(key);
  if (kernel === undefined) {
    kernel = instantiate([emitBlocks(manner, dtype)]).blocks!;
    kernels.set(key, kernel);
  }
  return kernel;
}

/** `(matrix, frame, taps, rows, runs, count)`: runs are stretches of places side by side, as offset and length. */
function emitBlocks(manner: Manner, dtype: DType): FunctionBody {
  const b = new FunctionBody('blocks', new Array(6).fill('i32'), []);
  const [matrix, frame, taps, rows, runs, count] = b.params as Locals<6>;
  const { bytes } = dtypeInfo(dtype);
  const inFrame = b.local('i32');
  const inMatrix = b.local('i32');
  const length = b.local('i32');
  const moves = elementMoves(b, manner, dtype);
  const [to, from] = manner === 'put' ? [inMatrix, inFrame] : [inFrame, inMatrix];
  times(b, rows, () => {
    const table = copyOf(b, runs);
    const left = copyOf(b, count);
    times(b, left, () => {
      b.get(frame).get(taps).mem('i32.load').op('i32.add').get(table).mem('i32.load').op('i32.add').set(inFrame);
      b.get(matrix).set(inMatrix);
      b.get(table).mem('i32.load', 4).set(length);
      emitRun(
        b,
        length,
        [to, from],
        bytes,
        () => moves.vector(to, from),
        () => moves.element(to, from),
      );
      b.get(matrix).get(length).i32(bytes).op('i32.mul', 'i32.add').set(matrix);
      advance(b, table, 8);
    });
    b.release(table, left);
    advance(b, taps, 4);
  });
  return b;
}

const behind = (blocks: Blocks): number[] => zerosAfter(blocks.input, blocks.output, blocks.kernel, blocks);

/** The tables that the kernel reads: places of taps, and runs of blocks. */
function tablesOf(
  plan: Plan,
  frame: Frame,
  { stride, dilation, kernel, output }: Blocks,
  channels: number,
  bytes: number,
) {
  const taps = plan.place(
    placesIn(
      frame,
      { channels },
      kernel.map((n, d) => steps(n, dilation[d])),
    ),
  );
  const places = placesIn(
    frame,
    {},
    output.map((n, d) => steps(n, stride[d])),
  );
  const words: number[] = [];
  for (let at = 0; at < places.length; ) {
    let next = at + 1;
    while (next < places.length && places[next] - places[next - 1] === bytes) next++;
    words.push(places[at], next - at);
    at = next;
  }
  return { taps, runs: plan.place(words), count: words.length / 2 };
}

/** `y[n, (c, k), p] = x[n, c, s p − a + d k]`, zero outside of x. y is contiguous. */
export function collectBlocks(y: Strided, x: Strided, blocks: Blocks): void {
  planned('collect', [y, x], blocks, collect);
}

/** The adjoint: `x[n, c, i] = Σ y[n, (c, k), p]` over s p − a + d k = i. Both are contiguous. */
export function addBlocks(x: Strided, y: Strided, blocks: Blocks): void {
  planned('add', [x, y], blocks, addUp);
}

function planned(way: string, operands: readonly [Strided, Strided], blocks: Blocks, make: typeof collect): void {
  const key = `${way} ${Object.values(blocks).join(' ')}`;
  planFor(key, operands, (plan, [to, from]) => make(plan, to!, from!, blocks)).run(operands);
}

function collect(plan: Plan, y: Operand, x: Operand, blocks: Blocks): void {
  const [images, channels] = x.shape as [number, number];
  const { bytes } = dtypeInfo(y.dtype);
  const rows = channels * product(blocks.kernel);
  const columns = product(blocks.output);
  if (images * rows * columns === 0) return;
  const frame = frameOf(plan, x, blocks.padding, behind(blocks), 1, channels);
  const { taps, runs, count } = tablesOf(plan, frame, blocks, channels, bytes);
  const kernel = kernelFor('put', y.dtype);
  for (let n = 0; n < images; n++)
    plan.call(kernel, y.at + n * rows * columns * bytes, frame.at(n, 1, 0), taps, rows, runs, count);
}

function addUp(plan: Plan, x: Operand, y: Operand, blocks: Blocks): void {
  const [images, channels, ...inner] = x.shape as [number, number, ...number[]];
  const { bytes } = dtypeInfo(x.dtype);
  const rows = channels * product(blocks.kernel);
  const columns = product(blocks.output);
  const image = channels * product(inner);
  if (images * image === 0) return;
  plan.clear(x.at, images * image * bytes);
  if (rows * columns === 0) return;
  const { strides, inside } = frameLayout(inner, blocks.padding, behind(blocks), channels);
  const [all, channel, ...spatial] = strides.map((s) => s * bytes) as [number, number, ...number[]];
  const offset = (coordinate: number, dim: number): number => coordinate * spatial[dim];
  const frame: Frame = { image: all, channel, spatial, offset, at: () => room };
  const room = plan.room(all);
  const { taps, runs, count } = tablesOf(plan, frame, blocks, channels, bytes);
  const kernel = kernelFor('add', x.dtype);
  const deliver = mover(plan, 'put', x.dtype, [channels, ...inner], x.strides.slice(1), strides.slice(1));
  for (let n = 0; n < images; n++) {
    plan.clear(room, all);
    plan.call(kernel, y.at + n * rows * columns * bytes, room, taps, rows, runs, count);
    deliver(plan.call, x.at + n * image * bytes, room + inside * bytes);
  }
}
