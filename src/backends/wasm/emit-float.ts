/** How nodes of the expression language become f32x4 or f64x2 code. */
import type { BinaryOp, Expr, UnaryOp } from '../../kernels/expr.ts';
import type { Lowering } from './emit.ts';
import { Float } from './float.ts';
import { mathF32 } from './math-f32.ts';
import { mathF64 } from './math-f64.ts';
import type { Vec, VectorGraph } from './vector.ts';

/** The functions that one instruction does not do. */
type MathOp = Exclude<UnaryOp, 'neg' | 'abs' | 'sqrt' | 'floor' | 'ceil' | 'trunc' | 'round'>;
type MathOp2 = Extract<BinaryOp, 'pow' | 'atan2' | 'rem'>;

/** A width's implementation of all of them. */
export type MathTable = Readonly<
  Record<MathOp, (f: Float, x: Vec) => Vec> & Record<MathOp2, (f: Float, x: Vec, y: Vec) => Vec>
>;

export class FloatLowering implements Lowering {
  readonly #float: Float;
  readonly #math: MathTable;

  constructor(graph: VectorGraph, compute: 'f32' | 'f64') {
    this.#float = new Float(graph, compute === 'f32' ? 'f32x4' : 'f64x2');
    this.#math = compute === 'f32' ? mathF32 : mathF64;
  }

  truth(x: Vec): Vec {
    return this.#float.ne(x, 0);
  }

  constant(value: number): Vec {
    return this.#float.vec(value);
  }

  node(e: Expr, args: readonly Vec[]): Vec {
    const f = this.#float;
    const [a, b, c] = args as readonly [Vec, Vec, Vec];
    switch (e.op) {
      case 'arg':
      case 'const':
      case 'and':
      case 'or':
      case 'xor':
      case 'not':
        throw new TypeError(`${e.op} is lowered before`);
      case 'neg':
      case 'abs':
        return f[e.op](a);
      case 'sqrt':
      case 'floor':
      case 'ceil':
      case 'trunc':
        return f.graph.op(`${f.width}.${e.op}`, a);
      case 'round':
        return f.nearest(a);
      case 'add':
      case 'sub':
      case 'mul':
      case 'div':
      case 'eq':
      case 'ne':
      case 'lt':
      case 'le':
      case 'gt':
      case 'ge':
        return f[e.op](a, b);
      case 'min':
      case 'max':
        return this.#extremum(e.op, a, b);
      case 'select':
        return this.#chosen(e, a, b, c) ?? f.select(a, b, c);
      case 'pow':
        return (b.value === undefined ? undefined : constantPower(f, a, b.value)) ?? this.#math.pow(f, a, b);
      case 'atan2':
      case 'rem':
        return this.#math[e.op](f, a, b);
      case 'bitAnd':
      case 'bitOr':
      case 'bitXor':
      case 'shl':
      case 'shr':
        throw new TypeError(`${e.op} is of integers`);
      default:
        return this.#math[e.op](f, a);
    }
  }

  /** A choice between what was compared is `pmin` or `pmax`. */
  #chosen(e: Expr, mask: Vec, a: Vec, b: Vec): Vec | undefined {
    const compared = e.op === 'select' ? e.mask.op : '';
    const [p, q] = mask.inputs;
    const first = a === p && b === q;
    if ((compared !== 'lt' && compared !== 'gt') || !(first || (a === q && b === p))) return undefined;
    return this.#float[(compared === 'lt') === first ? 'pmin' : 'pmax'](b, a);
  }

  /**
   * `pmin` and `pmax` are one instruction and keep a NaN on their left. One on their right is put in afterwards:
   * of a constant it is known that there is none, of a number that a loop does not change the mask is made outside.
   */
  #extremum(op: 'min' | 'max', a: Vec, b: Vec): Vec {
    const f = this.#float;
    const fixed = (x: Vec): boolean => x.value !== undefined && !Number.isNaN(x.value);
    if (fixed(a)) return f.graph.op(`${f.width}.p${op}`, b, a);
    const found = f.graph.op(`${f.width}.p${op}`, a, b);
    return fixed(b) ? found : f.graph.op('v128.or', found, f.ne(b, b));
  }
}

/** Exponents for which a few instructions are as good as `pow`. As in PyTorch, ±½ are √x and 1/√x on all inputs, −0 and −∞ too. */
function constantPower(f: Float, x: Vec, exponent: number): Vec | undefined {
  switch (exponent) {
    case 0:
      return f.vec(1);
    case 1:
      return x;
    case 2:
      return f.mul(x, x);
    case 3:
      return f.mul(f.mul(x, x), x);
    case 4: {
      const square = f.mul(x, x);
      return f.mul(square, square);
    }
    case 0.5:
      return f.sqrt(x);
    case -0.5:
      return f.div(1, f.sqrt(x));
    case -1:
      return f.div(1, x);
    case -2:
      return f.div(1, f.mul(x, x));
    default:
      return undefined;
  }
}
