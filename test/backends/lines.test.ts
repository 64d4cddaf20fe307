import { afterEach, describe, expect, it } from 'vitest';
import { LineKernel } from '../../src/backends/wasm/lines.ts';
import { setDeterministic } from '../../src/backends/wasm/relaxed.ts';
import { arg, binary, constant, unary } from '../../src/kernels/expr.ts';
import type { Strided } from '../../src/kernels/strided.ts';
import { fill, room, values } from './strided.ts';

const lengths = [1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 100, 255, 256, 257, 1000, 1030];

const arrays = { float32: Float32Array, float64: Float64Array };

afterEach(() => setDeterministic(false));

describe.each(['float32', 'float64'] as const)('line kernels of %s', (dtype) => {
  const compute = dtype === 'float32' ? 'f32' : 'f64';
  const digits = dtype === 'float32' ? 5 : 12;
  const Numbers = arrays[dtype];
  /** Numbers of both signs, the same on every run. */
  const numbers = (n: number, seed: number): Float32Array | Float64Array =>
    new Numbers(Array.from({ length: n }, (_, i) => Math.sin(i * 12.9898 + seed) * 3));
  const each = { dtype, extent: 'each' } as const;
  const line = { dtype, extent: 'line' } as const;

  // Inputs x, w (shared) and c (one per line), a scalar k; m = Σ x / k, y = exp(x − m) w + c, z = Σ y, y / z.
  const [x, w, c, k, y] = [arg(0), arg(1), arg(2), arg(3), arg(4)];
  const [m, z] = [arg(6), arg(7)];
  const kernel = new LineKernel({
    name: 'test',
    compute,
    ins: [each, { dtype, extent: 'shared' }, line],
    scalars: 1,
    outs: [each, line],
    passes: [
      { map: x, fold: 'sum', post: binary('div', m, k), keep: 1 },
      { map: binary('add', binary('mul', unary('exp', binary('sub', x, m)), w), c), store: 0, fold: 'sum' },
      { map: binary('div', y, z), store: 0 },
    ],
  });

  it.each([false, true])('several passes, deterministic: %s', (strict) => {
    setDeterministic(strict);
    for (const n of lengths) {
      const rows = 3;
      const [xs, ws, cs] = [numbers(rows * n, n), numbers(n, 1).map(Math.abs), numbers(rows, 2).map(Math.abs)];
      const ins = [room(dtype, [rows, n]), room(dtype, [n]), room(dtype, [rows])];
      [xs, ws, cs].forEach((v, i) => {
        fill(ins[i], v);
      });
      const outs = [room(dtype, [rows, n]), room(dtype, [rows])];
      kernel.run(rows, n, outs, ins, [n]);
      const [shares, means] = outs.map(values);
      for (let r = 0; r < rows; r++) {
        const row = [...xs.subarray(r * n, (r + 1) * n)];
        const mean = row.reduce((a, b) => a + b, 0) / n;
        const weighed = row.map((v, i) => Math.exp(v - mean) * ws[i] + cs[r]);
        const sum = weighed.reduce((a, b) => a + b, 0);
        expect(means[r]).toBeCloseTo(mean, digits);
        for (let i = 0; i < n; i++) expect(shares[r * n + i]).toBeCloseTo(weighed[i] / sum, digits);
      }
    }
  });

  it.each([false, true])('short lines that go together have the same bits, deterministic: %s', (strict) => {
    setDeterministic(strict);
    const rows = 131;
    for (const n of [1, 3, 16, 21, 64, 100, 256]) {
      const ins = [room(dtype, [rows, n]), room(dtype, [n]), room(dtype, [rows])];
      [numbers(rows * n, n), numbers(n, 1).map(Math.abs), numbers(rows, 2).map(Math.abs)].forEach((v, i) => {
        fill(ins[i], v);
      });
      const run = (...counts: readonly number[]): number[][] => {
        const outs = [room(dtype, [rows, n]), room(dtype, [rows])];
        let first = 0;
        for (const count of counts) {
          const part = (t: Strided, each: number): Strided => ({ ...t, offset: t.offset + first * each });
          const [xs, ws, cs] = ins;
          kernel.run(count, n, [part(outs[0], n), part(outs[1], 1)], [part(xs, n), ws, part(cs, 1)], [n]);
          first += count;
        }
        return outs.map(values);
      };
      expect(run(rows)).toEqual(run(100, 31));
    }
  });

  it.each([false, true])('lines side by side, deterministic: %s', (strict) => {
    setDeterministic(strict);
    const [y, m, z] = [arg(2), arg(4), arg(5)];
    const beside = new LineKernel({
      name: 'beside',
      compute,
      ins: [each],
      scalars: 1,
      outs: [each, line],
      passes: [
        { map: x, fold: 'sum', post: binary('div', m, arg(1)), keep: 1 },
        { map: unary('exp', binary('sub', x, m)), store: 0, fold: 'sum' },
        { map: binary('div', y, z), store: 0 },
      ],
    });
    const groups = 3;
    for (const n of [1, 2, 17, 33]) {
      for (const lines of [2, 3, 4, 5, 7, 16, 18, 23]) {
        const xs = numbers(groups * n * lines, n);
        const input = room(dtype, [groups, n, lines]);
        fill(input, xs);
        const outs = [room(dtype, [groups, n, lines]), room(dtype, [groups, lines])];
        beside.run(groups, n, outs, [input], [n], lines);
        const [shares, means] = outs.map(values);
        for (let r = 0; r < groups * lines; r++) {
          const at = (i: number): number => (Math.floor(r / lines) * n + i) * lines + (r % lines);
          const own = Array.from({ length: n }, (_, i) => xs[at(i)]);
          const mean = own.reduce((a, b) => a + b, 0) / n;
          const weighed = own.map((v) => Math.exp(v - mean));
          const sum = weighed.reduce((a, b) => a + b, 0);
          expect(means[r]).toBeCloseTo(mean, digits);
          for (let i = 0; i < n; i++) expect(shares[at(i)]).toBeCloseTo(weighed[i] / sum, digits);
        }
      }
    }
  });

  it('the greatest of what is a number; nothing is written past a line', () => {
    const greatest = new LineKernel({
      name: 'greatest',
      compute,
      ins: [each],
      scalars: 0,
      outs: [line, each],
      passes: [
        { map: x, fold: 'greatest', keep: 0 },
        { map: constant(7), store: 1 },
      ],
    });
    for (const n of lengths) {
      const xs = numbers(n, n).map((v) => v - 10);
      if (n > 2) xs[n >> 1] = Number.NaN;
      const [input, out, written] = [room(dtype, [1, n]), room(dtype, [1]), room(dtype, [n + 9])];
      fill(input, xs);
      fill(written, new Numbers(n + 9).fill(1));
      greatest.run(1, n, [out, written], [input]);
      expect(values(out)[0]).toBe(Math.max(...xs.filter((v) => !Number.isNaN(v))));
      expect(values(written)).toEqual([...new Array(n).fill(7), ...new Array(9).fill(1)]);
    }
  });

  it('rare cases among others', () => {
    const logs = new LineKernel({
      name: 'logs',
      compute,
      ins: [each],
      scalars: 0,
      outs: [each],
      passes: [{ map: unary('log', x), store: 0 }],
    });
    const xs = numbers(100, 3).map((v, i) => (i % 33 === 5 ? 0 : Math.abs(v) + 1));
    const [input, out] = [room(dtype, [1, 100]), room(dtype, [1, 100])];
    fill(input, xs);
    logs.run(1, 100, [out], [input]);
    values(out).forEach((v, i) => {
      if (xs[i] === 0) expect(v).toBe(-Infinity);
      else expect(v).toBeCloseTo(Math.log(xs[i]), digits);
    });
  });
});
