/** Small pieces of control flow that generated kernels are made of. */
import type { FunctionBody, Local } from './encoder.ts';

/** Repeats `body` while the i32 that `test` pushes is not zero. */
export function whilst(b: FunctionBody, test: () => void, body: () => void): void {
  b.block(() => {
    b.loop(() => {
      test();
      b.op('i32.eqz').brIf(1);
      body();
      b.br(0);
    });
  });
}

/** Runs `body` as often as `count` says, at least once; counts the local down to zero. */
export function times(b: FunctionBody, count: Local, body: () => void): void {
  b.loop(() => {
    body();
    b.get(count).i32(1).op('i32.sub').tee(count).brIf(0);
  });
}

/** The same, and nothing for a count of zero. */
export function timesOrNever(b: FunctionBody, count: Local, body: () => void): void {
  b.get(count).if(() => times(b, count, body));
}

/** x ← x + y for i32 locals or constants. */
export function advance(b: FunctionBody, x: Local, by: Local | number): void {
  b.get(x);
  if (typeof by === 'number') b.i32(by);
  else b.get(by);
  b.op('i32.add').set(x);
}

/** A copy of an i32 local. */
export function copyOf(b: FunctionBody, x: Local): Local {
  const l = b.local('i32');
  b.get(x).set(l);
  return l;
}

/** A 32-bit word of the parameter block that the function's only argument points at. */
export function loadWord(b: FunctionBody, word: number): Local {
  const l = b.local('i32');
  b.get(b.params[0])
    .mem('i32.load', 4 * word)
    .set(l);
  return l;
}
