/**
 * Random numbers in bulk: the words of a Mersenne Twister, and the uniforms and normals that PyTorch makes of
 * them, on whole vectors. Every bit is that of the definitions in `tensor/`, which short fills go by.
 */
import type { TypedArray } from '../../core/dtype.ts';
import { advance, times } from './control.ts';
import { FunctionBody, type Local, type Locals } from './encoder.ts';
import { Float } from './float.ts';
import { beginLaunch, f32, f64, i32, memory, scratch } from './heap.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { hasRelaxedSimd } from './relaxed.ts';
import { type Vec, VectorGraph } from './vector.ts';

// ─── words ───────────────────────────────────────────────────────────────────────────────────────

/** The twister's words, the distance it twists over, and its masks (Matsumoto & Nishimura 1998). */
export const WORDS = 624;
export const FAR = 397;
export const UPPER = 0x80000000;
export const LOWER = 0x7fffffff;
export const MATRIX = 0x9908b0df;
const VECTOR = 16;

/** `then` for so many words from the local `at` on, by vectors and then one by one. */
function eachWord(b: FunctionBody, at: Local, count: number, then: (type: 'i32x4' | 'i32') => void): void {
  const left = b.local('i32');
  for (const [type, n, bytes] of [
    ['i32x4', count >> 2, VECTOR],
    ['i32', count & 3, 4],
  ] as const) {
    if (n === 0) continue;
    b.i32(n).set(left);
    times(b, left, () => {
      then(type);
      advance(b, at, bytes);
    });
  }
  b.release(left);
}

/** xᵢ ← xᵢ₊ₘ ⊕ twist(xᵢ, xᵢ₊₁), with the other two words so many bytes further. */
function twist(b: FunctionBody, x: Local, type: 'i32x4' | 'i32', next: number, far: number): void {
  const isVector = type === 'i32x4';
  const load = (offset: number): void => {
    b.get(x)
      .i32(offset)
      .op('i32.add')
      .mem(isVector ? 'v128.load' : 'i32.load');
  };
  const constant = (value: number): void => void (isVector ? b.i32x4(value) : b.i32(value));
  const [and, or, xor] = isVector
    ? (['v128.and', 'v128.or', 'v128.xor'] as const)
    : (['i32.and', 'i32.or', 'i32.xor'] as const);
  const v = b.local(isVector ? 'v128' : 'i32');
  b.get(x);
  load(0);
  constant(UPPER);
  b.op(and);
  load(next);
  b.tee(v);
  constant(LOWER);
  b.op(and, or).i32(1).op(`${type}.shr_u`);
  constant(0);
  b.get(v);
  constant(1);
  b.op(and, `${type}.sub`);
  constant(MATRIX);
  b.op(and, xor);
  load(far);
  b.op(xor).mem(isVector ? 'v128.store' : 'i32.store');
  b.release(v);
}

/** Twists the block at `state` and writes it tempered behind it. */
function refillFunction(): FunctionBody {
  const b = new FunctionBody('refill', ['i32'], []);
  const [state] = b.params as Locals<1>;
  const x = b.local('i32');
  b.get(state).set(x);
  eachWord(b, x, WORDS - FAR, (type) => twist(b, x, type, 4, 4 * FAR));
  eachWord(b, x, FAR - 1, (type) => twist(b, x, type, 4, 4 * (FAR - WORDS)));
  twist(b, x, 'i32', 4 * (1 - WORDS), 4 * (FAR - WORDS));
  b.get(state).set(x);
  const y = b.local('v128');
  const step = (op: 'i32x4.shl' | 'i32x4.shr_u', bits: number, mask?: number): void => {
    b.get(y).get(y).i32(bits).op(op);
    if (mask !== undefined) b.i32x4(mask).op('v128.and');
    b.op('v128.xor').set(y);
  };
  eachWord(b, x, WORDS, () => {
    b.get(x).mem('v128.load').set(y);
    step('i32x4.shr_u', 11);
    step('i32x4.shl', 7, 0x9d2c5680);
    step('i32x4.shl', 15, 0xefc60000);
    step('i32x4.shr_u', 18);
    b.get(x)
      .get(y)
      .mem('v128.store', 4 * WORDS);
  });
  return b;
}

// ─── numbers ─────────────────────────────────────────────────────────────────────────────────────

/** Replaces vectors side by side, `count` of them (at least one). */
function inPlaceFunction(name: string, width: 'f32x4' | 'f64x2', of: (f: Float, words: Vec) => Vec): FunctionBody {
  const b = new FunctionBody(name, ['i32', 'i32'], []);
  const [at, count] = b.params as Locals<2>;
  const graph = new VectorGraph(false);
  const root = of(new Float(graph, width), graph.arg(0));
  const words = b.local('v128');
  times(b, count, () => {
    b.get(at).mem('v128.load').set(words);
    const [result] = graph.emit(b, [root], [words]);
    b.get(at).get(result).mem('v128.store');
    b.release(result);
    advance(b, at, VECTOR);
  });
  return b;
}

/** 24 bits of a word, times 2⁻²⁴. */
const uniform24 = (f: Float, words: Vec): Vec =>
  f.mul(f.graph.op('f32x4.convert_i32x4_s', f.and(words, f.bits(0xffffffn))), 2 ** -24);

/** 53 bits of two words, the high one first: each is made the low bits of a float, of which the rest is taken off again. */
function uniform53(f: Float, words: Vec): Vec {
  const high = f.or(f.and(words, f.bits(0x1fffffn)), f.vec(2 ** 84));
  const low = f.or(f.shru(words, 32), f.vec(2 ** 52));
  return f.mul(f.add(f.sub(high, 2 ** 84 + 2 ** 52), low), 2 ** -53);
}

/** x ← x mod range + low, of unsigned words; `low` rises by `step` after each, as far as `range` falls. */
function moduloFunction(): FunctionBody {
  const b = new FunctionBody('modulo', ['i32', 'i32', 'i32', 'i32', 'i32'], []);
  const [at, count, range, low, step] = b.params as Locals<5>;
  times(b, count, () => {
    b.get(at).get(at).mem('i32.load').get(range).op('i32.rem_u').get(low).op('i32.add').mem('i32.store');
    advance(b, at, 4);
    b.get(range).get(step).op('i32.sub').set(range);
    b.get(low).get(step).op('i32.add').set(low);
  });
  return b;
}

/**
 * The polynomials of avx_mathfun (Cephes; J. Pommier, G. Garberoglio, zlib licence) that PyTorch's normals of
 * float32 are made with: of the logarithm, of the sine and of the cosine, highest powers first, with log 2 and −π/4 in parts.
 */
export const CEPHES = {
  log: [
    7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
  ],
  log2: [-2.1219444e-4, 0.693359375],
  angle: [-0.78515625, -2.4187564849853516e-4, -3.774894977445941e-8],
  sin: [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1],
  cos: [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2],
} as const;

/** log(1 − u) */
function logOf(f: Float, u: Vec): Vec {
  const { log, log2 } = CEPHES;
  const m = f.sub(1, u);
  const half = f.or(f.and(m, f.bits(0x7fffffn)), f.vec(0.5));
  const small = f.lt(half, Math.SQRT1_2);
  // The mask is −1.
  const exponent = f.iadd(f.isub(f.shru(m, 23), f.bits(126n)), small);
  const e = f.graph.op('f32x4.convert_i32x4_s', exponent);
  const x = f.sub(f.add(half, f.and(half, small)), 1);
  const z = f.mul(x, x);
  const y = f.madd(f.mul(f.horner(x, log.toReversed()), x), z, f.mul(e, log2[0]));
  return f.madd(e, log2[1], f.add(x, f.sub(y, f.mul(0.5, z))));
}

/** A pair of normals from a pair of uniforms; adding 0 turns −0 into 0. */
function normalPair(f: Float, u1: Vec, u2: Vec): [Vec, Vec] {
  const { angle, sin, cos } = CEPHES;
  const radius = f.sqrt(f.mul(-2, logOf(f, u1)));
  const theta = f.mul(2 * Math.PI, u2);
  const quarter = f.graph.op('i32x4.trunc_sat_f32x4_s', f.mul(theta, 4 / Math.PI));
  const j = f.and(f.iadd(quarter, f.bits(1n)), f.bits(0xfffffffen));
  const times4 = f.graph.op('f32x4.convert_i32x4_s', j);
  const x = angle.reduce((rest, part) => f.madd(times4, part, rest), theta);
  const z = f.mul(x, x);
  const c = f.add(f.madd(f.mul(f.horner(z, cos.toReversed()), z), z, f.mul(-0.5, z)), 1);
  const s = f.madd(f.mul(f.horner(z, sin.toReversed()), z), x, x);
  const swapped = f.graph.shift('i32x4.shr_s', f.shl(j, 30), 31);
  const turned = (from: Vec, value: Vec): Vec => f.add(f.mul(radius, f.flip(value, f.sign(f.shl(from, 29)))), 0);
  return [turned(f.iadd(j, f.bits(2n)), f.select(swapped, s, c)), turned(j, f.select(swapped, c, s))];
}

/** Makes blocks of eight uniforms and eight more into pairs of normals, in place. */
function normalsFunction(): FunctionBody {
  const b = new FunctionBody('normals', ['i32', 'i32'], []);
  const [at, blocks] = b.params as Locals<2>;
  const graph = new VectorGraph(true);
  const f = new Float(graph, 'f32x4');
  const roots = normalPair(f, graph.arg(0), graph.arg(1));
  const args = [b.local('v128'), b.local('v128')];
  times(b, blocks, () => {
    for (const half of [0, VECTOR]) {
      args.forEach((arg, i) => {
        b.get(at)
          .mem('v128.load', half + 2 * VECTOR * i)
          .set(arg);
      });
      graph.emit(b, roots, args).forEach((result, i) => {
        b.get(at)
          .get(result)
          .mem('v128.store', half + 2 * VECTOR * i);
        b.release(result);
      });
    }
    advance(b, at, 4 * VECTOR);
  });
  return b;
}

/** x ← x · scale + shift, rounded once; `count` vectors. */
function scaledFunction(name: string, width: 'f32x4' | 'f64x2'): FunctionBody {
  const type = width === 'f32x4' ? 'f32' : 'f64';
  const b = new FunctionBody(name, ['i32', 'i32', type, type], []);
  const [at, count, scale, shift] = b.params as Locals<4>;
  const [a, c] = [b.local('v128'), b.local('v128')];
  b.get(scale).op(`${width}.splat`).set(a).get(shift).op(`${width}.splat`).set(c);
  times(b, count, () => {
    b.get(at).get(at).mem('v128.load').get(a).get(c).op(`${width}.relaxed_madd`).mem('v128.store');
    advance(b, at, VECTOR);
  });
  return b;
}

// ─── fills ───────────────────────────────────────────────────────────────────────────────────────

/** Numbers from which on a fill is worth a kernel, and those that must be drawn before it is worth being compiled. */
const BULK = 128;
const COMPILED_FROM = 2048;
let drawn = 0;

/** Whether a fill of so many numbers is one for kernels. The numbers are the same either way. */
export function isBulk(n: number): boolean {
  if (drawn < COMPILED_FROM) drawn += n;
  return n >= BULK && drawn >= COMPILED_FROM;
}
/** What is made at a time: it stays in the first-level cache. A multiple of a block of normals. */
const CHUNK_BYTES = 16384;

/** Where an engine stands: its words, the same tempered, and how many of these are handed out. */
export interface TwisterState {
  readonly words: Int32Array;
  readonly tempered: Int32Array;
  position: number;
}

interface Functions {
  readonly refill: WasmFunction;
  readonly uniform24: WasmFunction;
  readonly uniform53: WasmFunction;
  readonly modulo: WasmFunction;
}

let functions: Functions | null = null;
const compiled = (): Functions =>
  instantiate([
    refillFunction(),
    inPlaceFunction('uniform24', 'f32x4', uniform24),
    inPlaceFunction('uniform53', 'f64x2', uniform53),
    moduloFunction(),
  ]) as unknown as Functions;

/** Whether an array is a part of the linear memory, where vectors may be written a little beyond its end. */
const isInPlace = (out: TypedArray): boolean => out.buffer === memory.buffer;

/** Draws words of 32 bits into linear memory, so many at a time, and advances the engine. */
class Drawing {
  readonly #engine: TwisterState;
  readonly #refill: WasmFunction;
  readonly #state: number;

  /** Begins a launch; `end` ends it. */
  constructor(engine: TwisterState, refill: WasmFunction) {
    this.#engine = engine;
    this.#refill = refill;
    beginLaunch();
    this.#state = scratch(4 * 2 * WORDS) / 4;
    i32().set(engine.words, this.#state);
    i32().set(engine.tempered, this.#state + WORDS);
  }

  /** `count` words to an address. */
  draw(address: number, count: number): void {
    const engine = this.#engine;
    const tempered = this.#state + WORDS;
    const to = address / 4;
    for (let done = 0; done < count; ) {
      if (engine.position === WORDS) {
        this.#refill(4 * this.#state);
        engine.position = 0;
      }
      const from = tempered + engine.position;
      const n = Math.min(count - done, WORDS - engine.position);
      i32().copyWithin(to + done, from, from + n);
      engine.position += n;
      done += n;
    }
  }

  end(): void {
    const tempered = this.#state + WORDS;
    this.#engine.words.set(i32().subarray(this.#state, tempered));
    this.#engine.tempered.set(i32().subarray(tempered, tempered + WORDS));
  }
}

/** Makes the numbers of an array chunk by chunk at an address: their place, or one they are copied from. */
export function byChunks<A extends Float32Array | Float64Array | Int32Array>(
  out: A,
  view: () => A,
  make: (address: number, count: number, from: number) => void,
): void {
  const bytes = out.BYTES_PER_ELEMENT;
  const inPlace = isInPlace(out);
  const chunk = inPlace ? 0 : scratch(CHUNK_BYTES);
  const each = CHUNK_BYTES / bytes;
  for (let from = 0; from < out.length; from += each) {
    const count = Math.min(each, out.length - from);
    make(inPlace ? out.byteOffset + from * bytes : chunk, count, from);
    if (!inPlace) out.set(view().subarray(chunk / bytes, chunk / bytes + count), from);
  }
}

/** Fills `out` with uniforms of 24 or 53 bits on [0, 1); `finish` is called for each chunk of them. */
export function fillUniform(
  engine: TwisterState,
  out: Float32Array | Float64Array,
  finish?: (address: number, count: number) => void,
): void {
  functions ??= compiled();
  const [words, convert] = out instanceof Float64Array ? [2, functions.uniform53] : [1, functions.uniform24];
  const drawing = new Drawing(engine, functions.refill);
  byChunks(out, out instanceof Float64Array ? f64 : f32, (address, count) => {
    drawing.draw(address, words * count);
    convert(address, Math.ceil((words * count) / 4));
    finish?.(address, count);
  });
  drawing.end();
}

/** Fills `out` with words modulo `range`, which is below 2³², plus `low`, which rises by `step` as `range` falls. */
export function fillModulo(engine: TwisterState, out: Int32Array, low: number, range: number, step: number): void {
  functions ??= compiled();
  const { refill, modulo } = functions;
  const drawing = new Drawing(engine, refill);
  byChunks(out, i32, (address, count, from) => {
    drawing.draw(address, count);
    modulo(address, count, range - from * step, low + from * step, step);
  });
  drawing.end();
}

interface Fused {
  readonly normals: WasmFunction;
  readonly scaled32: WasmFunction;
  readonly scaled64: WasmFunction;
}

let fused: Fused | null = null;

/** Fills `out`, of a multiple of 16 numbers, with standard normals; not where `hasFused` is false. */
export function fillNormal(engine: TwisterState, out: Float32Array): void {
  const { normals } = fusedFunctions();
  fillUniform(engine, out, (address, count) => void normals(address, count / 16));
}

/** x ← x · scale + shift with one rounding; not where `hasFused` is false. */
export function scaleAll(out: Float32Array | Float64Array, scale: number, shift: number): void {
  const { scaled32, scaled64 } = fusedFunctions();
  const [view, scaled] = out instanceof Float64Array ? [f64, scaled64] : [f32, scaled32];
  beginLaunch();
  byChunks(out, view, (address, count, from) => {
    if (!isInPlace(out)) view().set(out.subarray(from, from + count), address / out.BYTES_PER_ELEMENT);
    scaled(address, Math.ceil((count * out.BYTES_PER_ELEMENT) / VECTOR), scale, shift);
  });
}

function fusedFunctions(): Fused {
  fused ??= instantiate([
    normalsFunction(),
    scaledFunction('scaled32', 'f32x4'),
    scaledFunction('scaled64', 'f64x2'),
  ]) as unknown as Fused;
  return fused;
}

/** Whether the multiply-adds that the definitions ask for are here. */
export const hasFused = hasRelaxedSimd;
