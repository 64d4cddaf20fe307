import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AutogradError, eye, functional, linalg, ones, profile, type Tensor, tensor, vmap } from 'nabla';
import { describe, expect, it, vi } from 'vitest';
import { operations } from '../../src/core/op.ts';
import { ElementwiseOp } from '../../src/ops/elementwise-op.ts';

const quiet = { print: false };

function step() {
  const w = ones([8, 4], { requiresGrad: true });
  const x = ones([16, 8]);
  return { w, run: () => x.matmul(w).tanh().sum().backward() };
}

/** Everything a profile may have replaced. */
function methods(): unknown[] {
  const { call1, call2, forward, writeInto, runBackward } = ElementwiseOp.prototype;
  return [
    call1,
    call2,
    forward,
    writeInto,
    runBackward,
    ...[...operations().values()].flatMap((op) => [op.forward, op.backward?.run]),
  ];
}

describe('profile', () => {
  it('has a row for every operation and direction, with calls, bytes and FLOPs', () => {
    const { run } = step();
    const { rows, time } = profile(() => {
      for (let i = 0; i < 3; i++) run();
    }, quiet);
    const row = (name: string, phase: string) => rows.find((r) => r.name === name && r.phase === phase);
    expect(row('mm', 'forward')).toMatchObject({
      calls: 3,
      flops: 3 * 2 * 16 * 8 * 4,
      bytes: 3 * 4 * (16 * 8 + 8 * 4 + 16 * 4),
    });
    expect(row('tanh', 'forward')).toMatchObject({ calls: 3, bytes: 3 * 2 * 4 * 64, flops: 3 * 64 });
    expect(row('MmBackward0', 'backward')?.calls).toBe(3);
    // The gradient by w is a product of [8, 16] with [16, 4].
    expect(row('MmBackward0', 'backward')?.flops).toBe(3 * 2 * 8 * 16 * 4);
    expect(row('TanhBackward0', 'backward')?.calls).toBe(3);
    const inside = rows.reduce((sum, r) => sum + r.time, 0);
    expect(inside).toBeGreaterThan(0);
    expect(inside).toBeLessThanOrEqual(time);
    expect(rows.toSorted((a, b) => b.time - a.time)).toEqual(rows);
  });

  it('counts the steps of factorisations', () => {
    const a = eye(30);
    const { rows } = profile(
      () => [linalg.solve(a, ones([30, 2])), linalg.luFactorEx(ones([30, 60])), linalg.cholesky(a)],
      quiet,
    );
    const flops = (name: string) => rows.find((r) => r.name === name)?.flops;
    expect(flops('solve')).toBeCloseTo((2 / 3) * 30 ** 3 + 2 * 30 ** 2 * 2);
    expect(flops('lu')).toBeCloseTo(30 ** 2 * (60 - 10));
    expect(flops('cholesky')).toBeCloseTo(30 ** 3 / 3);
  });

  it('counts the steps of rules that are kernels, and of what is written in place', () => {
    const [q, k, v] = [ones([2, 6, 4]), ones([2, 5, 4]), ones([2, 5, 3])].map((t) => t.requiresGrad_());
    const table = ones([9, 4]).requiresGrad_();
    const index = tensor([1, 7, 1], { dtype: 'int32' });
    const { rows } = profile(() => {
      functional.scaledDotProductAttention(q, k, v).sum().backward();
      q.softmax(2).sum().backward();
      functional.embedding(index, table).sum().backward();
      ones([9, 4]).indexAdd_(0, index, ones([3, 4]));
    }, quiet);
    const row = (name: string, phase = 'backward') => rows.find((r) => r.name === name && r.phase === phase);
    const [scores, products] = [2 * 6 * 5, 2 * (4 + 3)];
    expect(row('attention', 'forward')?.flops).toBe(scores * products);
    expect(row('ScaledDotProductFlashAttentionForCpuBackward0')).toMatchObject({
      flops: scores * (2 * products + 5),
      // The cotangent, which is one number, what is saved, and the gradients.
      bytes: 4 * (1 + (2 * 6 * 4 + 2 * 5 * 4 + 2 * 5 * 3) * 2 + scores),
    });
    expect(row('SoftmaxBackward0')?.flops).toBe(4 * 2 * 6 * 4);
    expect(row('EmbeddingBackward0')?.bytes).toBeGreaterThan(0);
    expect(row('indexAdd_', 'forward')).toMatchObject({ calls: 1, flops: 3 * 4, bytes: 4 * (3 + 2 * 3 * 4) });
  });

  it('takes the adding up of gradients for part of the backward pass, and filling for writing alone', () => {
    const x = ones([5]).requiresGrad_();
    const { rows } = profile(() => {
      x.sum().backward();
      x.mul(2).sum().backward();
      x.detach().fill_(3);
    }, quiet);
    expect(rows.find((r) => r.name === 'add_')).toMatchObject({ phase: 'backward', calls: 1 });
    expect(rows.find((r) => r.name === 'fill_')).toMatchObject({ phase: 'forward', bytes: 4 * 5 });
  });

  it('returns what the function returns, and changes no result', () => {
    const plain = step();
    plain.run();
    const measured = step();
    const { value } = profile(() => {
      measured.run();
      return measured.w.grad as Tensor;
    }, quiet);
    expect(value.toArray()).toEqual(plain.w.grad?.toArray());
  });

  it('measures in-place operations and what runs under transforms', () => {
    const { rows } = profile(() => {
      ones([5]).mul_(2).add_(1);
      return vmap((t: Tensor) => t.mul(t).sum())(ones([3, 4]));
    }, quiet);
    const names = rows.map((r) => r.name);
    expect(names).toEqual(expect.arrayContaining(['mul_', 'add_', 'mul', 'sum']));
    expect(rows.find((r) => r.name === 'mul_')?.bytes).toBe(2 * 4 * 5);
  });

  it('prints a table unless told not to', () => {
    const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
    try {
      const p = profile(step().run);
      expect(log).toHaveBeenCalledExactlyOnceWith(String(p));
      expect(String(p)).toMatch(/^operation +calls +time +share +per call +bytes +throughput +FLOP\/s\n/);
      expect(String(p)).toMatch(/\nmm +forward +1 .* µs .*FLOP\/s/);
      expect(String(p)).toMatch(/\ntotal .* 100\.0 %$/);
    } finally {
      log.mockRestore();
    }
  });

  it('writes a Chrome trace, with what ran inside what', () => {
    const dir = mkdtempSync(join(tmpdir(), 'nabla-'));
    try {
      const trace = join(dir, 'trace.json');
      const p = profile(step().run, { ...quiet, trace });
      const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8'));
      expect(traceEvents).toEqual(JSON.parse(JSON.stringify(p.toTrace().traceEvents)));
      const backward = traceEvents.find((e: { name: string }) => e.name === 'MmBackward0');
      const inside = traceEvents.filter(
        (e: { name: string; ts: number; dur: number }) =>
          e.name === 'mm' && e.ts >= backward.ts && e.ts + e.dur <= backward.ts + backward.dur,
      );
      expect(inside).toHaveLength(1);
      expect(inside[0]).toMatchObject({ ph: 'X', cat: 'backward', args: { shapes: '[8, 16] [16, 4]' } });
    } finally {
      rmSync(dir, { recursive: true });
    }
  });

  it('keeps so many events and counts all', () => {
    const p = profile(
      () => {
        for (let i = 0; i < 20; i++) ones([2]).exp();
      },
      { ...quiet, maxEvents: 5 },
    );
    expect(p.events).toHaveLength(5);
    expect(p.dropped).toBe(p.rows.reduce((n, r) => n + r.calls, 0) - 5);
    expect(p.rows.find((r) => r.name === 'exp')?.calls).toBe(20);
  });

  it('leaves nothing behind, also when the function throws', () => {
    const before = methods();
    expect(() =>
      profile(() => {
        ones([2]).exp();
        throw new Error('mine');
      }, quiet),
    ).toThrow('mine');
    expect(methods()).toEqual(before);
    expect(profile(() => 7, quiet).value).toBe(7);
    expect(methods()).toEqual(before);
  });

  it('refuses promises, a profile inside a profile, and unknown options', () => {
    expect(() => profile(async () => undefined, quiet)).toThrow(AutogradError);
    expect(() => profile(() => profile(() => 1, quiet), quiet)).toThrow('a profile is running already');
    expect(() => profile(() => 1, { prints: false } as never)).toThrow("unexpected option 'prints'");
  });
});
