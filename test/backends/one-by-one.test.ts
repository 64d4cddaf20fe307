import { expect, it, vi } from 'vitest';
import { LineKernel } from '../../src/backends/wasm/lines.ts';
import { MapKernel } from '../../src/backends/wasm/map.ts';
import { setDeterministic } from '../../src/backends/wasm/relaxed.ts';
import { sideBySide } from '../../src/backends/wasm/vector.ts';
import { arg, binary, type Expr, unary } from '../../src/kernels/expr.ts';
import { fill, room, values } from './strided.ts';

const host = vi.hoisted(() => ({ fuses: true }));

vi.mock('../../src/backends/wasm/relaxed.ts', async (original) => {
  const relaxed = await original<typeof import('../../src/backends/wasm/relaxed.ts')>();
  return { ...relaxed, hasRelaxedSimd: () => host.fuses };
});

/** What a kernel gives where vectors go side by side, and where they go one after the other. */
function bothWays(run: () => number[]): readonly [number[], number[]] {
  setDeterministic(true);
  try {
    return [true, false].map((fuses) => {
      host.fuses = fuses;
      expect(sideBySide()).toBe(fuses);
      return run();
    }) as [number[], number[]];
  } finally {
    host.fuses = true;
    setDeterministic(false);
  }
}

const some = [-Infinity, -800, -100, -88, -1, -1e-40, -0, 0, 1e-40, 1e-9, 0.5, 1, 9.6, 87.5, 100, 800, Infinity, NaN];
const numbers = Array.from({ length: 203 }, (_, i) => (i % 5 === 0 ? some[(i / 5) % some.length] : Math.sin(i) * 3));

it.each(['float32', 'float64'] as const)('gives the same bits as vectors side by side, %s', (dtype) => {
  const compute = dtype === 'float32' ? 'f32' : 'f64';
  const Numbers = dtype === 'float32' ? Float32Array : Float64Array;
  const x = room(dtype, [numbers.length]);
  fill(x, Numbers.from(numbers));
  const functions = ['exp', 'log', 'log1p', 'sin', 'tanh', 'sigmoid', 'erf', 'gelu'] as const;
  // Of seven that wait for each other two vectors go side by side, not four.
  const deep = (['sin', 'tanh', 'exp', 'sigmoid', 'log', 'exp', 'sin'] as const).reduce<Expr>(
    (y, op) => binary('add', unary(op, y), arg(0)),
    arg(0),
  );
  for (const [name, out] of [...functions.map((op) => [op, unary(op, arg(0))] as const), ['seven', deep] as const]) {
    const [a, b] = bothWays(() => {
      const result = room(dtype, [numbers.length]);
      new MapKernel({ name, args: ['value'], outs: [out] }, compute, [dtype], [dtype]).run([result], [x]);
      return values(result);
    });
    expect(b, name).toEqual(a);
  }
  const each = { dtype, extent: 'each' } as const;
  const softmax = [
    { map: arg(0), fold: 'greatest' },
    { map: unary('exp', binary('sub', arg(0), arg(2))), store: 0, fold: 'sum' },
    { map: binary('div', arg(1), arg(3)), store: 0 },
  ] as const;
  const line = room(dtype, [2, 99]);
  fill(line, Numbers.from(numbers.slice(0, 198).map((v) => Math.max(-800, v) || 0)));
  const [a, b] = bothWays(() => {
    const out = room(dtype, [2, 99]);
    new LineKernel({ name: 'softmax', compute, ins: [each], scalars: 0, outs: [each], passes: softmax }).run(
      2,
      99,
      [out],
      [line],
      [],
    );
    return values(out);
  });
  expect(b).toEqual(a);
});
