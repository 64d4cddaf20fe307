import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { backendInfo, setNumThreads, type Tensor } from 'nabla';
import { describe, expect, it, vi } from 'vitest';
import { type Case, difference, fixture, loadCases, TOLERANCE } from '../../bench/gradbench/cases.ts';
import { ba } from '../../bench/gradbench/evals/ba.ts';
import { modules } from '../../bench/gradbench/evals/index.ts';
import { evaluate, respond, respondTo } from '../../bench/gradbench/protocol.ts';
import { useThreads } from '../../bench/gradbench/threads.ts';
import { hasLeft } from '../../src/backends/wasm/threads/pending.ts';

const cases = loadCases(fixture);
const title = (c: Case): string => `${c.module} ${c.function} ${c.description ?? JSON.stringify(c.input)}`;

describe('the outputs of hand-differentiated C++', () => {
  it('are there for every function of every eval', () => {
    const known = new Set(cases.map((c) => `${c.module} ${c.function}`));
    const all = [...modules].flatMap(([module, functions]) => Object.keys(functions).map((f) => `${module} ${f}`));
    expect(known).toEqual(new Set(all));
    expect(modules.size).toBe(12);
  });

  it.each(cases.map((c) => [title(c), c] as const))(
    '%s',
    async (_, c) => {
      const { output } = await evaluate(c.module, c.function, c.input);
      expect(difference(output, c.output)).toBeNull();
    },
    300_000,
  );
});

describe('comparison', () => {
  it('sees a relative error of 1e-6, a wrong shape, a missing element', () => {
    expect(difference([1, 2 + 4 * TOLERANCE], [1, 2])).toMatch(/^output.1: expected 2, got 2.00000/);
    expect(difference([1, 2 + TOLERANCE], [1, 2])).toBeNull();
    expect(difference({ a: [1] }, { a: [1, 2] })).toMatch(/output.a: expected 2 elements, got 1/);
    expect(difference({ b: 1 }, { a: 1 })).toMatch(/output.a: expected 1, got undefined/);
    expect(difference([0, 1], [1e-16, 1])).toBeNull();
    expect(difference([0, 1], [1e-14, 1])).toMatch(/output.0/);
    expect(difference(Number.NaN, 1)).toMatch(/got NaN/);
    expect(difference(0, 1e-300)).toMatch(/expected 1e-300/);
  });
});

describe('beyond the cases', () => {
  const central = (f: (x: number[]) => number, x: number[]): number[] =>
    x.map((_, i) => (f(x.with(i, x[i] + 1e-5)) - f(x.with(i, x[i] - 1e-5))) / 2e-5);
  const output = (module: string, name: string, input: unknown): unknown => {
    const call = modules.get(module)?.[name](input);
    return call?.output(call.run() as never);
  };
  const near = (a: readonly number[], b: readonly number[]): void => {
    const scale = Math.max(1, ...b.map(Math.abs));
    a.forEach((v, i) => {
      expect(Math.abs(v - b[i]) / scale).toBeLessThan(1e-7);
    });
  };

  it('kmeans where every point is a centroid, or nearly one, costs what is left', () => {
    const centroids = Array.from({ length: 12 }, (_, i) => [Math.sin(i), Math.cos(3 * i), i / 7]);
    expect(output('kmeans', 'cost', { points: centroids, centroids })).toBe(0);
    const points = centroids.map(([x, y, z]) => [x + 2 ** -20, y, z]);
    const left = points.reduce((sum, [x], i) => sum + (x - centroids[i][0]) ** 2, 0);
    expect(Math.abs(Number(output('kmeans', 'cost', { points, centroids })) / left - 1)).toBeLessThan(1e-12);
  });

  it.each([1, 2, 3, 5, 17])('llsq has any number of coefficients: %d', (m) => {
    const x = Array.from({ length: m }, (_, i) => Math.sin(i + 1));
    const direct = (y: readonly number[]): number =>
      Array.from({ length: 7 }, (_, i) => -1 + i / 3)
        .map((t) => (Math.sign(t) - y.reduce((s, c, j) => s + c * t ** j, 0)) ** 2 / 2)
        .reduce((a, b) => a + b);
    near([output('llsq', 'primal', { x, n: 7 }) as number], [direct(x)]);
    near(output('llsq', 'gradient', { x, n: 7 }) as number[], central(direct, x));
  });

  it.each([1, 2, 3])('det of few rows: %d', (ell) => {
    const A = Array.from({ length: ell * ell }, (_, i) => Math.cos(3 * i + 1));
    const value = (a: number[]): number => output('det', 'primal', { A: a, ell }) as number;
    near(output('det', 'gradient', { A, ell }) as number[], central(value, A));
    if (ell === 2) near([value(A)], [A[0] * A[3] - A[1] * A[2]]);
  });

  it.each([1, 2, 6])('ode of a chain of %d equations', (n) => {
    const x = Array.from({ length: n }, (_, i) => 1 + i / 7);
    const last = (y: number[]): number => (output('ode', 'primal', { x: y, s: 9 }) as number[])[n - 1];
    near(output('ode', 'gradient', { x, s: 9 }) as number[], central(last, x));
    // y₀ = 2 x₀, and for so few equations Runge and Kutta are exact: yᵢ = 2ⁱ⁺¹ Π x / (i + 1)!
    if (n < 4) near([last(x)], [x.reduce((p, v, i) => (p * 2 * v) / (i + 1), 1)]);
  });

  it('gmm in one dimension has nothing below the diagonal', () => {
    const input = {
      d: 1,
      k: 2,
      n: 3,
      x: [[0.5], [-1], [2]],
      m: 2,
      gamma: 1.5,
      alpha: [0.1, -0.2],
      mu: [[0.3], [1]],
      q: [[0.2], [-0.3]],
      l: [[], []],
    };
    const value = (q: number[]): number => output('gmm', 'objective', { ...input, q: q.map((v) => [v]) }) as number;
    const g = output('gmm', 'jacobian', input) as { q: number[][]; l: number[][] };
    near(g.q.flat(), central(value, [0.2, -0.3]));
    expect(g.l).toEqual([[], []]);
  });

  it('gmm of more points than are computed at once', () => {
    const [d, k, n] = [32, 1000, 70];
    const wave = (rows: number, columns: number, scale: number): number[][] =>
      Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => scale * Math.sin(i + 7 * j)));
    const [x, mu, q, l] = [wave(n, d, 1), wave(k, d, 1), wave(k, d, 0.1), wave(k, (d * (d - 1)) / 2, 0.1)];
    const input = { d, k, n, x, m: 1, gamma: 1, alpha: wave(1, k, 1)[0], mu, q, l };
    const value = (v: number[]): number => output('gmm', 'objective', { ...input, mu: mu.with(3, v) }) as number;
    const g = output('gmm', 'jacobian', input) as { mu: number[][] };
    const along = (t: number): number => value(mu[3].map((v) => v + t));
    near([g.mu[3].reduce((a, b) => a + b)], [(along(1e-4) - along(-1e-4)) / 2e-4]);
  });

  it('ba of a camera that is not turned', () => {
    const input = { n: 2, m: 3, p: 5, x: [0.1, 0.4, 2], w: 0.8, feat: [0.2, 0.1] };
    const cam = [0, 0, 0, 0.3, -0.2, 0.1, 1.5, 0.1, 0.2, 0.01, 0.02];
    const error =
      (axis: number) =>
      (c: number[]): number => {
        const e = output('ba', 'objective', { ...input, cam: c }) as { reproj_error: { elements: number[] } };
        return e.reproj_error.elements[axis];
      };
    const { vals } = output('ba', 'jacobian', { ...input, cam }) as { vals: number[] };
    near(vals.slice(0, 11), central(error(0), cam));
    near(vals.slice(15, 26), central(error(1), cam));
  });

  it('ba of more observations than are computed at once', () => {
    const cam = [0.1, -0.2, 0.3, 0.3, -0.2, 0.1, 1.5, 0.1, 0.2, 0.01, 0.02];
    const [n, m, p] = [3, 5, 2 ** 18 + 2];
    const call = ba.jacobian({ n, m, p, cam, x: [0.1, 0.4, 2], w: 0.8, feat: [0.2, 0.1] });
    const { rows, cols, vals } = call.run() as Record<'rows' | 'cols' | 'vals', Tensor>;
    expect(rows.shape).toEqual([3 * p + 1]);
    const row = (t: Tensor, i: number): unknown => t.narrow(0, 15 * i, 15).toArray();
    for (const o of [1, p - 2, p - 1]) {
      // All observations are of one camera and one point, which stand in several places.
      expect(row(vals, 2 * o)).toEqual(row(vals, 0));
      expect(row(vals, 2 * o + 1)).toEqual(row(vals, 1));
      const camera = Array.from({ length: 11 }, (_, i) => 11 * (o % n) + i);
      const point = Array.from({ length: 3 }, (_, i) => 11 * n + 3 * (o % m) + i);
      expect(row(cols, 2 * o + 1)).toEqual([...camera, ...point, 11 * n + 3 * m + o]);
      expect(vals.select(0, 30 * p + o).item()).toBeCloseTo(-1.6);
    }
  });
});

describe('the protocol', () => {
  it('answers messages, and says what was wrong', async () => {
    expect(await respond({ id: 1, kind: 'start', eval: 'lse' })).toEqual({ id: 1, tool: 'nabla' });
    expect(await respond({ id: 2, kind: 'define', module: 'lse' })).toEqual({ id: 2, success: true });
    expect(await respond({ id: 3, kind: 'define', module: 'nothing' })).toEqual({
      id: 3,
      success: false,
      error: 'unknown module: nothing',
    });
    expect(await respond({ id: 4, kind: 'analysis', of: 2, valid: true })).toEqual({ id: 4 });
    const unknown = await respond({ id: 5, kind: 'evaluate', module: 'x', function: 'y', input: 1 });
    expect(unknown.error).toMatch(/unknown module/);
    expect(await respond({ id: 6, kind: 'evaluate', module: 'lse', function: 'toString', input: 1 })).toEqual({
      id: 6,
      success: false,
      error: 'lse: unknown function: toString',
    });
    const wrong = await respond({ id: 7, kind: 'evaluate', module: 'lse', function: 'primal', input: { x: [1, 'a'] } });
    expect(wrong).toEqual({ id: 7, success: false, error: 'input.x: expected a number in lists nested 1 deep' });
    expect(await respond({ id: [8, null], kind: 'something else' })).toEqual({ id: [8, null] });
    expect(JSON.parse(await respondTo('{'))).toMatchObject({ success: false });
    expect(JSON.parse(await respondTo('[]'))).toMatchObject({ success: false });
  });

  it('runs as often and as long as it is asked to', async () => {
    const input = { x: [1, 2], min_runs: 7, min_seconds: 0 };
    expect((await evaluate('lse', 'primal', input)).timings).toHaveLength(7);
    expect((await evaluate('lse', 'primal', { ...input, min_runs: 0 })).timings).toHaveLength(1);
    const { timings } = await evaluate('lse', 'primal', { ...input, min_runs: 1, min_seconds: 0.05 });
    const spent = timings.reduce((s, t) => s + t.nanoseconds, 0);
    expect(spent).toBeGreaterThanOrEqual(5e7);
    expect(spent - (timings.at(-1)?.nanoseconds ?? 0)).toBeLessThan(5e7);
  });

  it('is spoken by the tool on standard input and output', () => {
    const small = cases.filter((c) => ['hello', 'det', 'llsq', 'ba'].includes(c.module)).slice(0, 8);
    const messages = [
      { id: 0, kind: 'start' },
      { id: 1, kind: 'define', module: 'nothing' },
      ...small.map((c, i) => ({ id: 2 + i, kind: 'evaluate', module: c.module, function: c.function, input: c.input })),
      { id: 99, kind: 'analysis', of: 2, valid: true },
    ];
    const root = fileURLToPath(new URL('../..', import.meta.url));
    const done = spawnSync(process.execPath, ['--import', 'tsx', 'bench/gradbench/tool.ts'], {
      cwd: root,
      encoding: 'utf8',
      // Blank lines are none, and the last one need not end.
      input: messages.map((m) => JSON.stringify(m)).join('\n\r\n  \n'),
    });
    expect(done.stderr).toBe('');
    expect(done.status).toBe(0);
    const responses = done.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(responses.map((r) => r.id)).toEqual(messages.map((m) => m.id));
    expect(responses[0]).toEqual({ id: 0, tool: 'nabla' });
    expect(responses[1].success).toBe(false);
    small.forEach((c, i) => {
      expect(difference(responses[2 + i].output, c.output)).toBeNull();
      expect(responses[2 + i].timings).toEqual([{ name: 'evaluate', nanoseconds: expect.any(Number) }]);
    });
  });

  it('has threads, and a run lasts until they are done', async () => {
    const input = { x: Array.from({ length: 1_000_000 }, (_, i) => (i % 1013) / 1013) };
    setNumThreads(1);
    const alone = await evaluate('lse', 'gradient', input);
    useThreads();
    setNumThreads(2);
    for (let i = 0; i < 500 && backendInfo().workers === 0; i++) {
      await evaluate('lse', 'gradient', input);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(backendInfo()).toMatchObject({ threads: 2, workers: 1, threadTrouble: null });
    // Whenever the clock is read.
    const left: boolean[] = [];
    const clock = process.hrtime.bigint;
    const spy = vi.spyOn(process.hrtime, 'bigint').mockImplementation(() => {
      left.push(hasLeft());
      return clock();
    });
    const { output } = await evaluate('lse', 'gradient', { ...input, min_runs: 3 });
    spy.mockRestore();
    setNumThreads(1);
    expect(left).toEqual(new Array(6).fill(false));
    expect(output).toEqual(alone.output);
  });
});
