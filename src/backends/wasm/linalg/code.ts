/**
 * A small structured language over the encoder, in which the routines of linear algebra are written:
 * variables, loops, conditions, calls. The same text becomes code for f32 and for f64.
 */
import { FunctionBody } from '../encoder.ts';
import { type F, Float, FloatVar, type I, Int, IntVar, Place, pushInt, type Width } from './values.ts';

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
