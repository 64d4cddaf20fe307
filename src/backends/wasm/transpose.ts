/**
 * Transposing: lines that lie side by side become columns. Elements move in squares as wide as a line of the
 * cache, so that every line is read and written in one go wherever rows are; where they lie a power of two
 * apart, few lines of a column fit the cache at a time.
 */
import { copyOf, whilst } from './control.ts';
import { FunctionBody, type Local } from './encoder.ts';
import { instantiate, type WasmFunction } from './module.ts';

const CACHE_LINE = 64;
/** Bytes per element that squares are made of. */
const WIDTHS = [4, 8];

/** Lanes of `i8x16.shuffle` that put elements from the low (or high) halves of two vectors in turn. */
function interleaved(bytes: number, high: boolean): number[] {
  const lanes: number[] = [];
  for (let i = 0; i < 16; i++) {
    const element = Math.floor(i / bytes);
    const from = Math.floor(element / 2) + (high ? 8 / bytes : 0);
    lanes.push(from * bytes + (i % bytes) + (element % 2 === 1 ? 16 : 0));
  }
  return lanes;
}

/** As many vectors as they have lanes, transposed in place. */
function transposeVectors(b: FunctionBody, bytes: number, v: readonly Local[]): void {
  const spare = b.local('v128');
  const cross = (x: Local, y: Local, width: number): void => {
    b.get(x).get(y).shuffle(interleaved(width, false)).set(spare);
    b.get(x).get(y).shuffle(interleaved(width, true)).set(y).get(spare).set(x);
  };
  if (bytes === 8) cross(v[0], v[1], 8);
  else {
    cross(v[0], v[2], 4);
    cross(v[1], v[3], 4);
    // (x₀ z₀ x₁ z₁) with (y₀ w₀ y₁ w₁), and the same of the other halves.
    cross(v[0], v[1], 4);
    cross(v[2], v[3], 4);
  }
  b.release(spare);
}

/** transpose(to, from, lines, length, toStep, fromStep): to[j][i] ← from[i][j] for i < lines, j < length. */
function transposeFunction(bytes: number): FunctionBody {
  const b = new FunctionBody('transpose', ['i32', 'i32', 'i32', 'i32', 'i32', 'i32'], []);
  const [to, from, lines, length, toStep, fromStep] = b.params;
  const side = CACHE_LINE / bytes;
  const lanes = 16 / bytes;
  const i = b.local('i32');
  const j = b.local('i32');
  const [source, target] = [b.local('i32'), b.local('i32')];
  const vectors = Array.from({ length: lanes }, () => b.local('v128'));
  /** The places of element (row, column). */
  const place = (row: Local, column: Local): void => {
    b.get(from).get(row).get(fromStep).op('i32.mul', 'i32.add').get(column).i32(bytes).op('i32.mul', 'i32.add');
    b.set(source);
    b.get(to).get(column).get(toStep).op('i32.mul', 'i32.add').get(row).i32(bytes).op('i32.mul', 'i32.add');
    b.set(target);
  };
  const below = (x: Local, end: Local, by: number, body: () => void): void =>
    whilst(
      b,
      () => b.get(x).i32(by).op('i32.add').get(end).op('i32.le_u'),
      () => {
        body();
        b.get(x).i32(by).op('i32.add').set(x);
      },
    );
  const square = (): void => {
    place(i, j);
    const row = b.local('i32');
    const column = b.local('i32');
    // So many columns of the source at a time make that many whole lines of the target.
    for (let c = 0; c < side; c += lanes) {
      b.get(source)
        .i32(c * bytes)
        .op('i32.add')
        .set(row);
      for (let r = 0; r < side; r += lanes) {
        for (const v of vectors) b.get(row).mem('v128.load').set(v).get(row).get(fromStep).op('i32.add').set(row);
        transposeVectors(b, bytes, vectors);
        b.get(target).set(column);
        vectors.forEach((v, k) => {
          if (k > 0) b.get(column).get(toStep).op('i32.add').set(column);
          b.get(column)
            .get(v)
            .mem('v128.store', r * bytes);
        });
      }
      b.get(column).get(toStep).op('i32.add').set(target);
    }
    b.release(row, column);
  };
  /** The columns from `j` up to `end`, the rows from `i` on, one by one. */
  const rest = (end: Local): void => {
    const [first, column] = [copyOf(b, i), copyOf(b, j)];
    below(column, end, 1, () => {
      b.get(first).set(i);
      below(i, lines, 1, () => {
        place(i, column);
        if (bytes === 8) b.get(target).get(source).mem('i64.load').mem('i64.store');
        else b.get(target).get(source).mem('i32.load').mem('i32.store');
      });
    });
    b.release(first, column);
  };
  const end = b.local('i32');
  // Down the source, so that lines of the target are filled one after the other.
  below(j, length, side, () => {
    b.i32(0).set(i);
    below(i, lines, side, square);
    b.get(j).i32(side).op('i32.add').set(end);
    rest(end);
  });
  b.i32(0).set(i);
  rest(length);
  return b;
}

const kernels: Partial<Record<number, WasmFunction>> = {};

/**
 * The kernel for elements of so many bytes, (to, from, lines, length, toStep, fromStep): to[j][i] ← from[i][j] for
 * i < lines, j < length; elements of a line, and of the target's lines, lie side by side. Null if there is none.
 */
export function transposeKernel(bytes: number): WasmFunction | null {
  if (!WIDTHS.includes(bytes)) return null;
  kernels[bytes] ??= instantiate([transposeFunction(bytes)]).transpose;
  return kernels[bytes];
}
