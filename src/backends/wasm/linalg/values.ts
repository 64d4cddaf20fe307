/**
 * What the structured language computes with: expressions of integers and of floating point numbers,
 * variables, and places in memory. An expression is code that is appended when it is used.
 */
import type { FunctionBody, Local, PlainOp } from '../encoder.ts';

/** Width of the floating point numbers of a routine. */
export type Width = 'f32' | 'f64';

type Push = (b: FunctionBody) => void;

/** What stands for an integer (i32), or for a truth value. */
export type I = Int | number;
/** What stands for a floating point number. */
export type F = Float | number;

/** The code of an integer. */
export const pushInt = (x: I): Push => (typeof x === 'number' ? (b) => b.i32(x) : x.push);

/** An integer expression. Nothing is computed until it is used, and then at every use. */
export class Int {
  readonly push: Push;

  constructor(push: Push) {
    this.push = push;
  }

  #op(name: PlainOp, x: I): Int {
    const other = pushInt(x);
    return new Int((b) => {
      this.push(b);
      other(b);
      b.op(name);
    });
  }

  add(x: I): Int {
    return x === 0 ? this : this.#op('i32.add', x);
  }

  sub(x: I): Int {
    return x === 0 ? this : this.#op('i32.sub', x);
  }

  mul(x: I): Int {
    return x === 1 ? this : this.#op('i32.mul', x);
  }

  and(x: I): Int {
    return this.#op('i32.and', x);
  }

  or(x: I): Int {
    return this.#op('i32.or', x);
  }

  eq(x: I): Int {
    return this.#op('i32.eq', x);
  }

  ne(x: I): Int {
    return this.#op('i32.ne', x);
  }

  lt(x: I): Int {
    return this.#op('i32.lt_s', x);
  }

  le(x: I): Int {
    return this.#op('i32.le_s', x);
  }

  gt(x: I): Int {
    return this.#op('i32.gt_s', x);
  }

  ge(x: I): Int {
    return this.#op('i32.ge_s', x);
  }

  not(): Int {
    return new Int((b) => {
      this.push(b);
      b.op('i32.eqz');
    });
  }

  /** The smaller of two, both computed. */
  min(x: I): Int {
    return choose(this.lt(x), this, x);
  }

  max(x: I): Int {
    return choose(this.gt(x), this, x);
  }
}

/** `test ? a : b`, both computed. */
export function choose(test: Int, a: I, b: I): Int {
  const [x, y] = [pushInt(a), pushInt(b)];
  return new Int((body) => {
    x(body);
    y(body);
    test.push(body);
    body.op('select');
  });
}

/** A floating point expression of one width. */
export class Float {
  readonly width: Width;
  readonly push: Push;

  constructor(width: Width, push: Push) {
    this.width = width;
    this.push = push;
  }

  #pushOf(x: F): Push {
    return typeof x === 'number' ? (b) => b[this.width](x) : x.push;
  }

  #op(name: 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'copysign', x: F): Float {
    const other = this.#pushOf(x);
    return new Float(this.width, (b) => {
      this.push(b);
      other(b);
      b.op(`${this.width}.${name}`);
    });
  }

  #compare(name: 'eq' | 'ne' | 'lt' | 'gt' | 'le' | 'ge', x: F): Int {
    const other = this.#pushOf(x);
    return new Int((b) => {
      this.push(b);
      other(b);
      b.op(`${this.width}.${name}`);
    });
  }

  #unary(name: 'neg' | 'abs' | 'sqrt'): Float {
    return new Float(this.width, (b) => {
      this.push(b);
      b.op(`${this.width}.${name}`);
    });
  }

  add(x: F): Float {
    return this.#op('add', x);
  }

  sub(x: F): Float {
    return this.#op('sub', x);
  }

  mul(x: F): Float {
    return this.#op('mul', x);
  }

  div(x: F): Float {
    return this.#op('div', x);
  }

  max(x: F): Float {
    return this.#op('max', x);
  }

  /** The magnitude of this with the sign of x. */
  copysign(x: F): Float {
    return this.#op('copysign', x);
  }

  neg(): Float {
    return this.#unary('neg');
  }

  abs(): Float {
    return this.#unary('abs');
  }

  sqrt(): Float {
    return this.#unary('sqrt');
  }

  eq(x: F): Int {
    return this.#compare('eq', x);
  }

  ne(x: F): Int {
    return this.#compare('ne', x);
  }

  lt(x: F): Int {
    return this.#compare('lt', x);
  }

  le(x: F): Int {
    return this.#compare('le', x);
  }

  gt(x: F): Int {
    return this.#compare('gt', x);
  }

  ge(x: F): Int {
    return this.#compare('ge', x);
  }
}

/** An integer variable. */
export class IntVar extends Int {
  readonly local: Local;
  readonly #body: FunctionBody;

  constructor(body: FunctionBody, local: Local) {
    super((b) => b.get(local));
    this.#body = body;
    this.local = local;
  }

  set(x: I): void {
    pushInt(x)(this.#body);
    this.#body.set(this.local);
  }

  increase(by: I): void {
    this.set(this.add(by));
  }
}

/** A floating point variable. */
export class FloatVar extends Float {
  readonly local: Local;
  readonly #body: FunctionBody;

  constructor(width: Width, body: FunctionBody, local: Local) {
    super(width, (b) => b.get(local));
    this.#body = body;
    this.local = local;
  }

  set(x: F): void {
    if (typeof x === 'number') this.#body[this.width](x);
    else x.push(this.#body);
    this.#body.set(this.local);
  }
}

/** A place in memory that holds a floating point number; as an expression it is what the place holds. */
export class Place extends Float {
  readonly address: Int;
  readonly #body: FunctionBody;

  constructor(width: Width, body: FunctionBody, address: Int) {
    super(width, (b) => {
      address.push(b);
      b.mem(`${width}.load`);
    });
    this.#body = body;
    this.address = address;
  }

  set(x: F): void {
    this.address.push(this.#body);
    if (typeof x === 'number') this.#body[this.width](x);
    else x.push(this.#body);
    this.#body.mem(`${this.width}.store`);
  }
}
