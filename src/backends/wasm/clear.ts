import type { CompareOp, LogicOp } from '../../kernels/expr.ts';
import { advance, whilst } from './control.ts';
import { FunctionBody, type Local, type MemoryOp } from './encoder.ts';
import { instantiate, type WasmFunction } from './module.ts';
import { callInTurn, isBusy } from './threads/queue.ts';

let kernels: { readonly clear: WasmFunction; readonly fill: WasmFunction } | null = null;

/** Bytes that are set in what counts as a step. */
const STEP_BYTES = 2;
/** Bytes from which on the host's own way is quicker. */
const MANY = 512;

/** A function of its own: one that may call the host is slower to enter. */
function fillFunction(): FunctionBody {
  const body = new FunctionBody('fill', ['i32', 'i32'], []);
  const [at, bytes] = body.params;
  return body.get(at).i32(0).get(bytes).memoryFill();
}

function compile(): NonNullable<typeof kernels> {
  const body = new FunctionBody('clear', ['i32', 'i32'], []);
  const [at, left] = body.params;
  const store = (bytes: number, value: () => void): void => {
    body.get(at);
    value();
    if (bytes === 16) body.mem('v128.store', 0);
    else body.mem('i32.store8', 0);
    body.get(at).i32(bytes).op('i32.add').set(at).get(left).i32(bytes).op('i32.sub').set(left);
  };
  whilst(
    body,
    () => body.get(left).i32(16).op('i32.ge_u'),
    () => store(16, () => body.i32(0).op('i32x4.splat')),
  );
  whilst(
    body,
    () => body.get(left),
    () => store(1, () => body.i32(0)),
  );
  const { clear, fill } = instantiate([body, fillFunction()]);
  return { clear, fill };
}

/** clear(at, bytes): sets so many bytes to zero. */
export function clearing(bytes: number): WasmFunction {
  kernels ??= compile();
  return bytes >= MANY ? kernels.fill : kernels.clear;
}

/** Sets bytes to zero. (JavaScript's own `fill` goes byte by byte where memory is shared.) */
export function clear(address: number, bytes: number): void {
  const kernel = clearing(bytes);
  if (isBusy()) callInTurn(bytes / STEP_BYTES, kernel, address, bytes);
  else kernel(address, bytes);
}

let copying: WasmFunction | null = null;

/** copy(bytes, to, from), as the map of bytes that are side by side. */
export function byteCopy(): WasmFunction {
  if (copying === null) {
    const body = new FunctionBody('copy', ['i32', 'i32', 'i32'], []);
    const [bytes, to, from] = body.params;
    copying = instantiate([body.get(to).get(from).get(bytes).memoryCopy()]).copy;
  }
  return copying;
}

const telling: Record<string, WasmFunction | undefined> = {};

/** truths(bytes, to, from), the same for bytes that become 1 where they are not 0; with an operation, of two such operands, or of two bytes that are compared; or what is not that. */
export function byteTruths(op?: LogicOp | CompareOp, not = false): WasmFunction {
  const key = `${op} ${not}`;
  const known = telling[key];
  if (known !== undefined) return known;
  const body = new FunctionBody('truths', op === undefined ? ['i32', 'i32', 'i32'] : ['i32', 'i32', 'i32', 'i32'], []);
  const [left, ...places] = body.params;
  const [to, ...from] = places;
  const joins = op === 'and' || op === 'or' || op === 'xor';
  const compares = op !== undefined && !joins;
  const each = (bytes: number, truth: (at: Local) => void, width: 'v128' | 'i32', store: MemoryOp): void =>
    whilst(
      body,
      () => body.get(left).i32(bytes).op('i32.ge_u'),
      () => {
        body.get(to);
        from.forEach(truth);
        if (joins) body.op(`${width}.${op}`);
        else if (op !== undefined) {
          const order = op === 'eq' || op === 'ne' ? op : (`${op}_u` as const);
          if (width === 'i32') body.op(`i32.${order}`);
          else {
            body.op(`i8x16.${order}`);
            ones(width);
            body.op('v128.and');
          }
        }
        if (not) {
          ones(width);
          body.op(`${width}.xor`);
        }
        body.mem(store, 0);
        for (const at of places) advance(body, at, bytes);
        advance(body, left, -bytes);
      },
    );
  const ones = (width: 'v128' | 'i32'): void => {
    body.i32(1);
    if (width === 'v128') body.op('i8x16.splat');
  };
  const many = (at: Local): void => {
    body.get(at).mem('v128.load', 0);
    if (compares) return;
    ones('v128');
    body.op('i8x16.min_u');
  };
  const one = (at: Local): void => {
    body.get(at).mem('i32.load8_u', 0);
    if (!compares) body.i32(0).op('i32.ne');
  };
  each(16, many, 'v128', 'v128.store');
  each(1, one, 'i32', 'i32.store8');
  const made = instantiate([body]).truths;
  telling[key] = made;
  return made;
}
