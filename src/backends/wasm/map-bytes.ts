/** Maps of bytes that lie side by side, which need no vectors of numbers: copies, truths, comparisons. */
import type { CompareOp, Expr, LogicOp } from '../../kernels/expr.ts';
import { advance, whilst } from './control.ts';
import { FunctionBody, type Local, type MemoryOp } from './encoder.ts';
import { instantiate, type WasmFunction } from './module.ts';

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
  // Of unsigned bytes x86 tells which are equal, and how much larger one is than another: all else is the contrary.
  const isEqual = op === 'eq' || op === 'ne';
  if (op === 'lt' || op === 'ge') from.reverse();
  const contrary = not || op === 'ne' || op === 'le' || op === 'ge';
  const each = (
    bytes: number,
    truth: (at: Local, offset: number) => void,
    width: 'v128' | 'i32',
    store: MemoryOp,
    times = 1,
  ): void =>
    whilst(
      body,
      () =>
        body
          .get(left)
          .i32(bytes * times)
          .op('i32.ge_u'),
      () => {
        for (let offset = 0; offset < bytes * times; offset += bytes) {
          body.get(to);
          for (const at of from) truth(at, offset);
          if (joins) body.op(`${width}.${op}`);
          else if (compares) {
            if (width === 'i32') body.op(isEqual ? 'i32.eq' : 'i32.gt_u');
            else {
              body.op(isEqual ? 'i8x16.eq' : 'i8x16.sub_sat_u');
              ones(width);
              body.op(isEqual ? 'v128.and' : 'i8x16.min_u');
            }
          }
          if (contrary) {
            ones(width);
            body.op(`${width}.xor`);
          }
          body.mem(store, offset);
        }
        for (const at of places) advance(body, at, bytes * times);
        advance(body, left, -bytes * times);
      },
    );
  const ones = (width: 'v128' | 'i32'): void => {
    body.i32(1);
    if (width === 'v128') body.op('i8x16.splat');
  };
  const many = (at: Local, offset: number): void => {
    body.get(at).mem('v128.load', offset);
    if (compares) return;
    ones('v128');
    body.op('i8x16.min_u');
  };
  const one = (at: Local): void => {
    body.get(at).mem('i32.load8_u', 0);
    if (!compares) body.i32(0).op('i32.ne');
  };
  for (const times of [4, 1]) each(16, many, 'v128', 'v128.store', times);
  each(1, one, 'i32', 'i32.store8');
  const made = instantiate([body]).truths;
  telling[key] = made;
  return made;
}

/** What operations on numbers are on truths. */
const JOINS = { mul: 'and', bitAnd: 'and', bitOr: 'or', bitXor: 'xor' } as const;

/** How the truths of bytes are joined, or how bytes are compared, if that is all, and whether the result is turned over. */
export function joinedBytes(e: Expr, ins: readonly unknown[]): Parameters<typeof byteTruths> | null {
  const argument = (x: Expr): number => (x.op === 'arg' ? x.index : Number.NaN);
  const isZero = (x: Expr): boolean => x.op === 'const' && x.value === 0;
  const truthOf = (x: Expr): number => (x.op === 'ne' && isZero(x.b) ? argument(x.a) : Number.NaN);
  switch (e.op) {
    case 'and':
    case 'or':
    case 'xor':
      return truthOf(e.a) + truthOf(e.b) === 1 ? [e.op] : null;
    case 'mul':
    case 'bitAnd':
    case 'bitOr':
    case 'bitXor':
      return ins.every((d) => d === 'bool') && argument(e.a) + argument(e.b) === 1 ? [JOINS[e.op]] : null;
    case 'eq':
    case 'ne':
    case 'lt':
    case 'le':
    case 'gt':
    case 'ge':
      if (ins.length === 1) return e.op === 'eq' && isZero(e.b) && argument(e.a) === 0 ? [undefined, true] : null;
      return argument(e.a) === 0 && argument(e.b) === 1 ? [e.op] : null;
    default:
      return null;
  }
}
