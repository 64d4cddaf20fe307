/**
 * A small structured language over the encoder, in which the routines of linear algebra are written:
 * integer and floating point expressions, variables, loops, conditions, calls. The same text becomes
 * code for f32 and for f64.
 */
import { FunctionBody, type Local, type PlainOp } from '../encoder.ts';

/** Width of the floating point numbers of a routine. */
export type Width = 'f32' | 'f64';

type Push = (b: FunctionBody) => void;

/** What stands for an integer (i32), or for a truth value. */
export type I = Int | number;
/** What stands for a floating point number. */
export type F = Float | number;

const pushInt = (x: I): Push => (typeof x === 'number' ? (b) => b.i32(x) : x.push);

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

type Kind = 'int' | 'float';
type Variables<P extends readonly Kind[]> = { [K in keyof P]: P[K] extends 'int' ? IntVar : FloatVar };
type Arguments<P extends readonly Kind[]> = { [K in keyof P]: P[K] extends 'int' ? I : F };

/** A function of the module, to be called from those defined after it. */
export interface Callable<P extends readonly Kind[]> {
  readonly index: number;
  readonly params: P;
}

/** One function being written: statements are appended as methods are called. */
export class Routine {
  readonly body: FunctionBody;
  readonly width: Width;
  readonly bytes: number;
  #depth = 0;

  constructor(body: FunctionBody, width: Width) {
    this.body = body;
    this.width = width;
    this.bytes = width === 'f32' ? 4 : 8;
  }

  int(value: I): IntVar {
    const x = new IntVar(this.body, this.body.local('i32'));
    x.set(value);
    return x;
  }

  float(value: F): FloatVar {
    const x = new FloatVar(this.width, this.body, this.body.local(this.width));
    x.set(value);
    return x;
  }

  release(...variables: readonly (IntVar | FloatVar)[]): void {
    this.body.release(...variables.map((v) => v.local));
  }

  /** The number at an address. */
  at(address: Int): Place {
    return new Place(this.width, this.body, address);
  }

  /** Element i of numbers that lie side by side from `start` on. */
  element(start: Int, i: I): Place {
    return this.at(start.add(typeof i === 'number' ? i * this.bytes : i.mul(this.bytes)));
  }

  intAt(address: Int): Int {
    return new Int((b) => {
      address.push(b);
      b.mem('i32.load');
    });
  }

  setIntAt(address: Int, value: I): void {
    address.push(this.body);
    pushInt(value)(this.body);
    this.body.mem('i32.store');
  }

  if(test: Int, then: () => void, otherwise?: () => void): void {
    test.push(this.body);
    const nested = (f: () => void) => () => this.#nest(f);
    this.body.if(nested(then), otherwise && nested(otherwise));
  }

  /** Repeats while the test holds. */
  while(test: Int, repeated: () => void): void {
    this.repeat((leave) => {
      leave(test.not());
      repeated();
    });
  }

  /** A block that `leave(test)` leaves from anywhere inside when the test holds. */
  leavable(block: (leave: (test: Int) => void) => void): void {
    this.body.block(() =>
      this.#nest(() => {
        const inside = this.#depth;
        block((test) => {
          test.push(this.body);
          this.body.brIf(this.#depth - inside);
        });
      }),
    );
  }

  /** Repeats until left. */
  repeat(repeated: (leave: (test: Int) => void) => void): void {
    this.leavable((leave) => {
      this.body.loop(() =>
        this.#nest(() => {
          repeated(leave);
          this.body.br(0);
        }),
      );
    });
  }

  /** For i from `from` up to, without, `to`. `from`, `to` and `step` are computed once. */
  for(from: I, to: I, repeated: (i: IntVar) => void, step: I = 1): void {
    const i = this.int(from);
    const end = this.int(to);
    const by = typeof step === 'number' ? step : this.int(step);
    this.while(i.lt(end), () => {
      repeated(i);
      i.increase(by);
    });
    this.release(i, end);
    if (by instanceof IntVar) this.release(by);
  }

  /** For i from `from` − 1 down to `to`. */
  forDown(from: I, to: I, repeated: (i: IntVar) => void): void {
    const i = this.int(from);
    i.increase(-1);
    const end = this.int(to);
    this.while(i.ge(end), () => {
      repeated(i);
      i.increase(-1);
    });
    this.release(i, end);
  }

  call<const P extends readonly Kind[]>(f: Callable<P>, ...args: Arguments<P>): void {
    this.#arguments(f, args);
    this.body.call(f.index);
  }

  callFloat<const P extends readonly Kind[]>(f: Callable<P>, ...args: Arguments<P>): Float {
    return new Float(this.width, () => {
      this.#arguments(f, args);
      this.body.call(f.index);
    });
  }

  callInt<const P extends readonly Kind[]>(f: Callable<P>, ...args: Arguments<P>): Int {
    return new Int(() => {
      this.#arguments(f, args);
      this.body.call(f.index);
    });
  }

  /** Puts the result of the function in place; the last statement. */
  result(x: Int | Float): void {
    x.push(this.body);
  }

  #arguments(f: Callable<readonly Kind[]>, args: readonly (I | F)[]): void {
    args.forEach((x, i) => {
      if (typeof x !== 'number') x.push(this.body);
      else if (f.params[i] === 'int') this.body.i32(x);
      else this.body[this.width](x);
    });
  }

  #nest(f: () => void): void {
    this.#depth++;
    f();
    this.#depth--;
  }
}

/** The functions of a module, over numbers of one width. */
export class Routines {
  readonly width: Width;
  readonly functions: FunctionBody[] = [];

  constructor(width: Width) {
    this.width = width;
  }

  /** Writes a function of parameters that are integers (addresses, sizes, strides in bytes) or floats. */
  define<const P extends readonly Kind[]>(
    name: string,
    params: P,
    write: (r: Routine, ...args: Variables<P>) => void,
    result: Kind | null = null,
  ): Callable<P> {
    const type = (k: Kind) => (k === 'int' ? 'i32' : this.width);
    const body = new FunctionBody(name, params.map(type), result === null ? [] : [type(result)]);
    const args = body.params.map((p, i) =>
      params[i] === 'int' ? new IntVar(body, p) : new FloatVar(this.width, body, p),
    );
    write(new Routine(body, this.width), ...(args as Variables<P>));
    this.functions.push(body);
    return { index: this.functions.length - 1, params };
  }
}
