/**
 * A small WebAssembly assembler: function bodies are appended instruction by instruction; `module-bytes.ts` makes
 * modules of them. No text format, no toolchain.
 */
import { LANE, LANE_MEMORY, MEMORY, PLAIN, SIMD } from './opcodes.ts';
import { pairsVectors } from './pairs.ts';

export type ValType = 'i32' | 'i64' | 'f32' | 'f64' | 'v128';

/** How types are written. */
export const VALTYPE: Readonly<Record<ValType, number>> = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c, v128: 0x7b };

export type PlainOp = keyof typeof PLAIN;
export type MemoryOp = keyof typeof MEMORY;
export type LaneMemoryOp = keyof typeof LANE_MEMORY;
export type LaneOp = keyof typeof LANE;

/** Appends a number of as many bytes as it takes. */
export function uleb(out: number[], value: number): void {
  let v = value >>> 0;
  do {
    const low = v & 0x7f;
    v >>>= 7;
    out.push(v === 0 ? low : low | 0x80);
  } while (v !== 0);
}

function sleb(out: number[], value: bigint): void {
  let v = value;
  for (;;) {
    const low = Number(v & 0x7fn);
    v >>= 7n;
    if ((v === 0n && (low & 0x40) === 0) || (v === -1n && (low & 0x40) !== 0)) {
      out.push(low);
      return;
    }
    out.push(low | 0x80);
  }
}

const scratch = new DataView(new ArrayBuffer(8));

/** A local variable or parameter: its index and type. */
export interface Local {
  readonly index: number;
  readonly type: ValType;
}

/** So many locals: the parameters of a function whose signature was just written down. */
export type Locals<N extends number, L extends Local[] = []> = L['length'] extends N ? L : Locals<N, [...L, Local]>;

export type FuncType = { readonly params: readonly ValType[]; readonly results: readonly ValType[] };

const BLOCK = 0x02;
const LOOP = 0x03;
const END: readonly number[] = [0x0b];

/** What branches can lead to, and the vectors that were handed out within. */
interface Label {
  readonly loop: boolean;
  readonly taken: Set<Local>;
}

/** The body of one function. Every method appends and returns the body, so that calls can be chained. */
export class FunctionBody {
  readonly name: string;
  readonly type: FuncType;
  readonly params: readonly Local[];
  #code: number[] = [];
  readonly #locals: ValType[] = [];
  /** Vector constants of loops by their bytes, each with a local of its own. */
  readonly #constants = new Map<string, Local>();
  /** Those that the outermost loop under construction uses. */
  #used: Map<Local, readonly number[]> | null = null;
  /** Locals given back by `release`, to be handed out again. */
  readonly #free = new Map<ValType, Local[]>();
  /** What is under construction, from the outermost label to the innermost. */
  readonly #open: Label[] = [];
  /** A vector of zeros, which is never set. */
  #zero: Local | null = null;

  constructor(name: string, params: readonly ValType[], results: readonly ValType[]) {
    this.name = name;
    this.type = { params, results };
    this.params = params.map((type, index) => ({ index, type }));
  }

  /** A fresh (or released) local variable; a fresh one starts at zero, a released one does not. */
  local(type: ValType): Local {
    const local = this.#free.get(type)?.pop() ?? this.#fresh(type);
    if (type === 'v128') for (const { taken } of this.#open) taken.add(local);
    return local;
  }

  /**
   * Sets vectors that nobody needs any more to zero where ways meet that they would be carried across. Compilers find
   * out that they are not needed, but V8 makes one of two vectors before it does, and leaves alone what is used
   * elsewhere.
   */
  #forget({ taken }: Label): void {
    if (this.#used === null || !pairsVectors()) return;
    for (const local of this.#free.get('v128') ?? []) {
      if (!taken.has(local)) continue;
      this.#zero ??= this.#fresh('v128');
      this.get(this.#zero).set(local);
    }
  }

  #fresh(type: ValType): Local {
    this.#locals.push(type);
    return { index: this.type.params.length + this.#locals.length - 1, type };
  }

  release(...locals: readonly Local[]): void {
    for (const l of locals) {
      const list = this.#free.get(l.type);
      if (list === undefined) this.#free.set(l.type, [l]);
      else list.push(l);
    }
  }

  get(l: Local): this {
    return this.#index(0x20, l.index);
  }

  set(l: Local): this {
    return this.#index(0x21, l.index);
  }

  tee(l: Local): this {
    return this.#index(0x22, l.index);
  }

  op(...names: readonly PlainOp[]): this {
    for (const name of names) this.#opcode(PLAIN[name]);
    return this;
  }

  /** Fills bytes: pops address, value and count. */
  memoryFill(): this {
    this.#code.push(0xfc, 0x0b, 0x00);
    return this;
  }

  /** Copies bytes, which may overlap: pops target, source and count. */
  memoryCopy(): this {
    this.#code.push(0xfc, 0x0a, 0x00, 0x00);
    return this;
  }

  i32(value: number): this {
    this.#code.push(0x41);
    sleb(this.#code, BigInt(value | 0));
    return this;
  }

  i64(value: bigint): this {
    this.#code.push(0x42);
    sleb(this.#code, BigInt.asIntN(64, value));
    return this;
  }

  f32(value: number): this {
    scratch.setFloat32(0, value, true);
    this.#code.push(0x43);
    return this.#scratchBytes(4);
  }

  f64(value: number): this {
    scratch.setFloat64(0, value, true);
    this.#code.push(0x44);
    return this.#scratchBytes(8);
  }

  /**
   * A vector constant from its 16 bytes. Loops have it in a local, set before the outermost of them: V8 from 13
   * on makes a constant anew wherever it is written. All zeros and all ones take it one instruction.
   */
  v128(bytes: ArrayLike<number>): this {
    const all = Array.from({ length: 16 }, (_, i) => bytes[i] ?? 0);
    if (this.#used === null || all.every((b) => b === all[0] && (b + 1) % 256 < 2)) {
      this.#opcode(SIMD + 12);
      this.#code.push(...all);
      return this;
    }
    const name = all.join();
    const local = this.#constants.get(name) ?? this.#fresh('v128');
    this.#constants.set(name, local);
    this.#used.set(local, all);
    return this.get(local);
  }

  /** The same f32 in all four lanes. */
  f32x4(value: number): this {
    return this.v128(new Uint8Array(new Float32Array(4).fill(value).buffer));
  }

  f64x2(value: number): this {
    return this.v128(new Uint8Array(new Float64Array(2).fill(value).buffer));
  }

  i32x4(value: number): this {
    return this.v128(new Uint8Array(new Int32Array(4).fill(value).buffer));
  }

  i64x2(value: bigint): this {
    return this.v128(new Uint8Array(new BigInt64Array(2).fill(value).buffer));
  }

  /** `i8x16.shuffle` with 16 lane numbers, 0–15 from the first vector and 16–31 from the second. */
  shuffle(lanes: readonly number[]): this {
    this.#opcode(SIMD + 13);
    this.#code.push(...lanes);
    return this;
  }

  /** A load or store at a constant byte offset from the address on the stack; unaligned is allowed. */
  mem(name: MemoryOp, offset = 0): this {
    const [opcode, align] = MEMORY[name];
    return this.#memory(opcode, align, offset);
  }

  laneMem(name: LaneMemoryOp, lane: number, offset = 0): this {
    const [opcode, align] = LANE_MEMORY[name];
    this.#memory(opcode, align, offset);
    this.#code.push(lane);
    return this;
  }

  lane(name: LaneOp, lane: number): this {
    this.#opcode(LANE[name]);
    this.#code.push(lane);
    return this;
  }

  block(body: () => void): this {
    return this.#structured(BLOCK, body);
  }

  loop(body: () => void): this {
    if (this.#used !== null) return this.#structured(LOOP, body);
    const before = this.#code;
    const used = new Map<Local, readonly number[]>();
    this.#code = [];
    this.#used = used;
    this.#structured(LOOP, body);
    this.#used = null;
    const loop = this.#code;
    this.#code = before;
    for (const [local, bytes] of used) this.v128(bytes).set(local);
    for (const byte of loop) before.push(byte);
    return this;
  }

  /** Takes an i32 condition from the stack. */
  if(then: () => void, otherwise?: () => void): this {
    this.#code.push(0x04, 0x40);
    this.#within(false, then);
    if (otherwise !== undefined) {
      this.#code.push(0x05);
      this.#within(false, otherwise);
    }
    this.#code.push(0x0b);
    return this;
  }

  br(depth: number): this {
    return this.#branch(0x0c, depth);
  }

  brIf(depth: number): this {
    return this.#branch(0x0d, depth);
  }

  #branch(opcode: number, depth: number): this {
    const to = this.#open.at(-1 - depth);
    if (to?.loop) this.#forget(to);
    return this.#index(opcode, depth);
  }

  #within(loop: boolean, body: () => void): void {
    const label = { loop, taken: new Set<Local>() };
    this.#open.push(label);
    body();
    if (!loop) this.#forget(label);
    this.#open.pop();
  }

  /** Calls by index: imports come first, then the module's functions in order. */
  call(index: number): this {
    return this.#index(0x10, index);
  }

  /** The encoded body in pieces: its local declarations, its code, its end. @internal */
  encode(): readonly (readonly number[])[] {
    const locals: number[] = [];
    uleb(locals, this.#locals.length);
    for (const type of this.#locals) locals.push(1, VALTYPE[type]);
    return [locals, this.#code, END];
  }

  #structured(opcode: number, body: () => void): this {
    this.#code.push(opcode, 0x40);
    this.#within(opcode === LOOP, body);
    this.#code.push(0x0b);
    return this;
  }

  #memory(opcode: number, align: number, offset: number): this {
    this.#opcode(opcode);
    uleb(this.#code, align);
    uleb(this.#code, offset);
    return this;
  }

  #index(opcode: number, index: number): this {
    this.#code.push(opcode);
    uleb(this.#code, index);
    return this;
  }

  #opcode(opcode: number): void {
    if (opcode < SIMD) this.#code.push(opcode);
    else {
      this.#code.push(0xfd);
      uleb(this.#code, opcode - SIMD);
    }
  }

  #scratchBytes(n: number): this {
    for (let i = 0; i < n; i++) this.#code.push(scratch.getUint8(i));
    return this;
  }
}
