import { describe, expect, it } from 'vitest';
import { times } from '../../src/backends/wasm/control.ts';
import { FunctionBody, type Local } from '../../src/backends/wasm/encoder.ts';
import { instantiate } from '../../src/backends/wasm/module.ts';

/** How often the code of a function makes a constant of four such lanes. */
function made(body: FunctionBody, lanes: number): number {
  const constant = new FunctionBody('constant', [], []).f32x4(lanes).encode()[1].join();
  return body.encode()[1].join().split(constant).length - 1;
}

describe('vector constants', () => {
  /** Adds 1.5 to a sum for each of so many turns, and 2.5 twice around them. */
  const nested = (body: FunctionBody, sum: Local, [outer, inner]: readonly Local[]): void => {
    const add = (x: number): void => void body.get(sum).f32x4(x).op('f32x4.add').set(sum);
    const turns = body.local('i32');
    times(body, outer, () => {
      // A local that every turn writes and gives back: no constant may be given it.
      const passing = body.local('v128');
      body.f32x4(100).set(passing).release(passing);
      body.get(inner).set(turns);
      times(body, turns, () => add(1.5));
      add(2.5);
      add(2.5);
    });
  };

  it('are made once before the outermost of the loops that use them', () => {
    const body = new FunctionBody('f', ['i32', 'i32'], ['f32']);
    const sum = body.local('v128');
    nested(body, sum, body.params);
    expect([1.5, 2.5, 100].map((x) => made(body, x))).toEqual([1, 1, 1]);
    body.get(sum).lane('f32x4.extract_lane', 0);
    expect(instantiate([body]).f(3, 4)).toBe(3 * (4 * 1.5 + 5));
  });

  it('are made again before another loop, which may be the only one that runs', () => {
    const body = new FunctionBody('f', ['i32', 'i32', 'i32'], ['f32']);
    const sum = body.local('v128');
    const [first, ...counts] = body.params;
    const once = body.local('i32');
    body.get(first).if(() => {
      body.i32(1).set(once);
      nested(body, sum, [once, first]);
    });
    nested(body, sum, counts);
    expect(made(body, 1.5)).toBe(2);
    body.get(sum).lane('f32x4.extract_lane', 0);
    const { f } = instantiate([body]);
    expect(f(0, 3, 4)).toBe(33);
    expect(f(2, 3, 4)).toBe(41);
  });

  it('that take one instruction, or are in no loop, stay where they are', () => {
    const body = new FunctionBody('f', ['i32'], ['f32']);
    const sum = body.local('v128');
    const zero = body.local('v128');
    body.f32x4(1.5).set(sum).f32x4(1.5).set(sum);
    times(body, body.params[0], () => body.f32x4(0).set(zero).f32x4(0).set(zero).i32x4(-1).set(zero));
    expect([1.5, 0].map((x) => made(body, x))).toEqual([2, 2]);
    body.get(sum).lane('f32x4.extract_lane', 0);
    expect(instantiate([body]).f(1)).toBe(1.5);
  });
});
