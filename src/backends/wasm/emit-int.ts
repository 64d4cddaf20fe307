/** How nodes of the expression language become int32x4 code. Arithmetic wraps around. */
import { DTypeError } from '../../core/errors.ts';
import type { BinaryOp, BitOp, CompareOp, Expr } from '../../kernels/expr.ts';
import type { Lowering } from './emit.ts';
import { Float } from './float.ts';
import { LOW_HALVES } from './shuffles.ts';
import type { Vec, VectorGraph } from './vector.ts';

const HIGH_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

const COMPARE = {
  eq: 'i32x4.eq',
  ne: 'i32x4.ne',
  lt: 'i32x4.lt_s',
  le: 'i32x4.le_s',
  gt: 'i32x4.gt_s',
  ge: 'i32x4.ge_s',
} as const satisfies Record<CompareOp, string>;

const DIRECT = {
  add: 'i32x4.add',
  sub: 'i32x4.sub',
  mul: 'i32x4.mul',
  min: 'i32x4.min_s',
  max: 'i32x4.max_s',
} as const;

const BITS = {
  bitAnd: 'v128.and',
  bitOr: 'v128.or',
  bitXor: 'v128.xor',
} as const;

export class IntLowering implements Lowering {
  readonly #graph: VectorGraph;
  readonly #float64: Float;

  constructor(graph: VectorGraph) {
    this.#graph = graph;
    this.#float64 = new Float(graph, 'f64x2');
  }

  truth(x: Vec): Vec {
    return this.#graph.op('i32x4.ne', x, this.constant(0));
  }

  /** Numbers truncate; what does not fit saturates, NaN is 0. */
  constant(value: number): Vec {
    const n = Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, -(2 ** 31)), 2 ** 31 - 1));
    return this.#graph.constant(new Uint8Array(new Int32Array(4).fill(n).buffer), n);
  }

  node(e: Expr, args: readonly Vec[]): Vec {
    const [a, b, c] = args as readonly [Vec, Vec, Vec];
    switch (e.op) {
      case 'neg':
      case 'abs':
        return this.#graph.op(`i32x4.${e.op}`, a);
      case 'floor':
      case 'ceil':
      case 'trunc':
      case 'round':
        return a;
      case 'select':
        return this.#graph.op('v128.bitselect', b, c, a);
      case 'eq':
      case 'ne':
      case 'lt':
      case 'le':
      case 'gt':
      case 'ge':
        return this.#graph.op(COMPARE[e.op], a, b);
      case 'add':
      case 'sub':
      case 'mul':
      case 'min':
      case 'max':
      case 'div':
      case 'rem':
      case 'pow':
        return this.#binary(e.op, a, b);
      case 'bitAnd':
      case 'bitOr':
      case 'bitXor':
        return this.#graph.op(BITS[e.op], a, b);
      case 'shl':
      case 'shr':
        return this.#shifted(e.op, a, b);
      default:
        throw new DTypeError(`${e.op} has no integer form: convert the input to a floating-point dtype first`);
    }
  }

  #binary(op: Exclude<BinaryOp, 'atan2'>, a: Vec, b: Vec): Vec {
    if (op === 'div') return this.#quotient(a, b);
    if (op === 'rem') return this.#graph.op('i32x4.sub', a, this.#graph.op('i32x4.mul', this.#quotient(a, b), b));
    if (op === 'pow') return this.#power(a, b);
    return this.#graph.op(DIRECT[op], a, b);
  }

  /** By a number of places of its own in every lane, the bits of that number one after the other. */
  #shifted(op: Extract<BitOp, 'shl' | 'shr'>, a: Vec, b: Vec): Vec {
    const g = this.#graph;
    const instruction = op === 'shl' ? 'i32x4.shl' : 'i32x4.shr_s';
    // As an unsigned number one below 0 is too large as well.
    const beyond = g.op('i32x4.gt_u', b, this.constant(31));
    const nothing = op === 'shl' ? this.constant(0) : g.shift('i32x4.shr_s', a, 31);
    if (b.value !== undefined) return b.value >= 0 && b.value < 32 ? g.shift(instruction, a, b.value) : nothing;
    let shifted = a;
    for (let places = 16; places > 0; places >>= 1) {
      const set = this.truth(g.op('v128.and', b, this.constant(places)));
      shifted = g.op('v128.bitselect', g.shift(instruction, shifted, places), shifted, set);
    }
    return g.op('v128.bitselect', nothing, shifted, beyond);
  }

  /**
   * Truncated quotient, 0 where the divisor is 0. Correct through float64: a quotient that is not an
   * integer is further than a rounding error away from one.
   */
  #quotient(a: Vec, b: Vec): Vec {
    const g = this.#graph;
    const f = this.#float64;
    const half = (pick: (x: Vec) => Vec): Vec => {
      const x = g.op('f64x2.convert_low_i32x4_s', pick(a));
      const y = g.op('f64x2.convert_low_i32x4_s', pick(b));
      return g.op('i32x4.trunc_sat_f64x2_s_zero', f.div(x, y));
    };
    const low = half((x) => x);
    const high = half((x) => g.shuffle(x, x, HIGH_HALF));
    return g.op('v128.and', g.shuffle(low, high, LOW_HALVES), this.truth(b));
  }

  /**
   * Square and multiply over the 31 bits of the exponent. A negative exponent gives the truncated
   * reciprocal: ±1 for bases ±1, else 0.
   */
  #power(a: Vec, b: Vec): Vec {
    const g = this.#graph;
    const one = this.constant(1);
    let result = one;
    let square = a;
    if (b.value !== undefined && b.value >= 0) {
      for (let left = b.value; left > 0; left >>= 1) {
        if (left & 1) result = result === one ? square : g.op('i32x4.mul', result, square);
        if (left > 1) square = g.op('i32x4.mul', square, square);
      }
      return result;
    }
    // Only the last bit of a negative exponent matters for bases ±1, and it is the same in |b|.
    const exponent = g.op('i32x4.abs', b);
    for (let bit = 0; bit < 31; bit++) {
      const set = g.op('v128.and', g.shift('i32x4.shr_u', exponent, bit), one);
      result = g.op('v128.bitselect', g.op('i32x4.mul', result, square), result, g.op('i32x4.eq', set, one));
      if (bit < 30) square = g.op('i32x4.mul', square, square);
    }
    const unit = g.op('i32x4.eq', g.op('i32x4.abs', a), one);
    return g.op('v128.and', result, g.op('v128.or', unit, g.op('i32x4.ge_s', b, this.constant(0))));
  }
}
