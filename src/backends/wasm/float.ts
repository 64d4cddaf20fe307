/**
 * Floating-point vector arithmetic over a graph, for either width: the vocabulary in which the
 * mathematical functions are written. Numbers stand for constants.
 */
import type { Vec, VectorGraph } from './vector.ts';

export type Operand = Vec | number;

export class Float {
  readonly graph: VectorGraph;
  readonly width: 'f32x4' | 'f64x2';
  /** Integer lanes of the same width. */
  readonly bitsWidth: 'i32x4' | 'i64x2';
  readonly #sign: Vec;
  /** Whether `madd` and `nmadd` round once. */
  readonly fused: boolean;

  constructor(graph: VectorGraph, width: 'f32x4' | 'f64x2') {
    this.graph = graph;
    this.width = width;
    this.bitsWidth = width === 'f32x4' ? 'i32x4' : 'i64x2';
    this.fused = graph.fused;
    this.#sign = this.bits(width === 'f32x4' ? 0x80000000n : 0x8000000000000000n);
  }

  /** A number as a vector, rounded to the width. */
  vec(x: Operand): Vec {
    if (typeof x !== 'number') return x;
    if (this.width === 'f64x2') return this.graph.constant(bytesOf(new Float64Array(2).fill(x)), x);
    const lanes = new Float32Array(4).fill(x);
    return this.graph.constant(bytesOf(lanes), lanes[0]);
  }

  /** The same bit pattern in every lane. */
  bits(pattern: bigint): Vec {
    if (this.width === 'f64x2')
      return this.graph.constant(bytesOf(new BigUint64Array(2).fill(BigInt.asUintN(64, pattern))));
    return this.graph.constant(bytesOf(new Uint32Array(4).fill(Number(BigInt.asUintN(32, pattern)))));
  }

  add(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.add`, this.vec(a), this.vec(b));
  }

  sub(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.sub`, this.vec(a), this.vec(b));
  }

  mul(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.mul`, this.vec(a), this.vec(b));
  }

  div(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.div`, this.vec(a), this.vec(b));
  }

  /** a b + c, rounded once where that may be. */
  madd(a: Operand, b: Operand, c: Operand): Vec {
    if (!this.fused) return this.add(this.mul(a, b), c);
    return this.graph.op(`${this.width}.relaxed_madd`, this.vec(a), this.vec(b), this.vec(c));
  }

  /** c − a b, rounded once where that may be. */
  nmadd(a: Operand, b: Operand, c: Operand): Vec {
    if (!this.fused) return this.sub(c, this.mul(a, b));
    return this.graph.op(`${this.width}.relaxed_nmadd`, this.vec(a), this.vec(b), this.vec(c));
  }

  /** By a mask that loops keep: V8 makes one anew for WebAssembly's own `neg` and `abs`, which takes it two more instructions. */
  neg(x: Vec): Vec {
    return this.xor(x, this.#sign);
  }

  abs(x: Vec): Vec {
    return this.andnot(x, this.#sign);
  }

  sqrt(x: Vec): Vec {
    return this.graph.op(`${this.width}.sqrt`, x);
  }

  /** To the nearest integer, half to even. */
  nearest(x: Vec): Vec {
    return this.graph.op(`${this.width}.nearest`, x);
  }

  trunc(x: Vec): Vec {
    return this.graph.op(`${this.width}.trunc`, x);
  }

  /** `b < a ? b : a`: one instruction, and a NaN in `a` stays. */
  pmin(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.pmin`, this.vec(a), this.vec(b));
  }

  /** `a < b ? b : a`. */
  pmax(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.pmax`, this.vec(a), this.vec(b));
  }

  eq(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.eq`, this.vec(a), this.vec(b));
  }

  ne(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.ne`, this.vec(a), this.vec(b));
  }

  lt(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.lt`, this.vec(a), this.vec(b));
  }

  le(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.le`, this.vec(a), this.vec(b));
  }

  gt(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.gt`, this.vec(a), this.vec(b));
  }

  ge(a: Operand, b: Operand): Vec {
    return this.graph.op(`${this.width}.ge`, this.vec(a), this.vec(b));
  }

  and(a: Vec, b: Vec): Vec {
    return this.graph.op('v128.and', a, b);
  }

  /** `a & ~b`. */
  andnot(a: Vec, b: Vec): Vec {
    return this.graph.op('v128.andnot', a, b);
  }

  or(a: Vec, b: Vec): Vec {
    return this.graph.op('v128.or', a, b);
  }

  xor(a: Vec, b: Vec): Vec {
    return this.graph.op('v128.xor', a, b);
  }

  not(a: Vec): Vec {
    return this.graph.op('v128.not', a);
  }

  /**
   * `mask ? a : b`. A side that is +0 costs one instruction instead of three, as does the relaxed choice on x86; of
   * whole lanes, which masks are made of, its result is the same everywhere.
   */
  select(mask: Vec, a: Operand, b: Operand): Vec {
    const x = this.vec(a);
    const y = this.vec(b);
    if (Object.is(y.value, 0)) return this.and(x, mask);
    if (Object.is(x.value, 0)) return this.andnot(y, mask);
    return this.graph.op(this.fused ? `${this.bitsWidth}.relaxed_laneselect` : 'v128.bitselect', x, y, mask);
  }

  /** The sign bit of x alone. */
  sign(x: Vec): Vec {
    return this.and(x, this.#sign);
  }

  /** x with its sign flipped where `sign` has its sign bit set; the other bits of `sign` must be 0. */
  flip(x: Vec, sign: Vec): Vec {
    return this.xor(x, sign);
  }

  /** Integer arithmetic on the bit patterns. */
  iadd(a: Vec, b: Vec): Vec {
    return this.graph.op(`${this.bitsWidth}.add`, a, b);
  }

  isub(a: Vec, b: Vec): Vec {
    return this.graph.op(`${this.bitsWidth}.sub`, a, b);
  }

  shl(a: Vec, bits: number): Vec {
    return this.graph.shift(`${this.bitsWidth}.shl`, a, bits);
  }

  shru(a: Vec, bits: number): Vec {
    return this.graph.shift(`${this.bitsWidth}.shr_u`, a, bits);
  }

  /** The float64 in memory of which the lowest byte of each lane says the number, counted from an address on. */
  load64(address: number, x: Vec): Vec {
    return this.graph.load64(address, x);
  }

  /**
   * `c[0] + c[1] x + c[2] x² + …`. Even and odd powers are summed apart by Horner's rule and side by
   * side, which halves the chain of operations that wait for each other.
   */
  poly(x: Vec, c: readonly number[]): Vec {
    if (c.length < 5) return this.horner(x, c);
    const square = this.mul(x, x);
    const even = this.horner(
      square,
      c.filter((_, i) => i % 2 === 0),
    );
    const odd = this.horner(
      square,
      c.filter((_, i) => i % 2 === 1),
    );
    return this.madd(odd, x, even);
  }

  /** The same with one operation waiting for the other, and none more than needed. */
  horner(x: Vec, c: readonly number[]): Vec {
    let sum = this.vec(c.at(-1) ?? 0);
    for (let i = c.length - 2; i >= 0; i--) sum = this.madd(sum, x, c[i]);
    return sum;
  }

  /** `rarely` of the graph, with the arithmetic of this width inside. */
  rarely(
    name: string,
    mask: Vec,
    value: Vec,
    inputs: readonly Vec[],
    otherwise: (f: Float, inputs: readonly Vec[]) => Vec,
  ): Vec {
    return this.graph.rarely(`${this.width} ${name}`, mask, value, inputs, (graph, xs) =>
      otherwise(new Float(graph, this.width), xs),
    );
  }

  /** Calls an imported function on every lane. */
  call(index: number, ...inputs: readonly Vec[]): Vec {
    return this.graph.call(index, this.width, ...inputs);
  }
}

function bytesOf(lanes: Float32Array | Float64Array | Uint32Array | BigUint64Array | Int32Array): Uint8Array {
  return new Uint8Array(lanes.buffer);
}
