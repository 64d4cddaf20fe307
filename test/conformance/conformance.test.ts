import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkOp, type Outcome } from './check.ts';
import { loadOps } from './format.ts';
import { summarize } from './report.ts';

const ops = loadOps(fileURLToPath(new URL('../fixtures/opinfo.json.gz', import.meta.url)));

/** At least this much is checked; whoever takes something from the library or the table has to say so here. */
const MINIMUM = { ops: 150, output: 1342, vjp: 944, jvp: 691, gradgrad: 627, error: 34, inplace: 237 };

describe('PyTorch’s samples', () => {
  const outcomes: Outcome[] = [];

  it.each(ops.map((op) => [op.id, op] as const))('%s', (_, op) => {
    const mine = checkOp(op);
    outcomes.push(...mine);
    expect(mine.filter((o) => o.status === 'failed')).toEqual([]);
    expect(mine.some((o) => o.check === 'output' && o.status === 'passed')).toBe(true);
  });

  it('are as many as ever', () => {
    const { totals } = summarize(outcomes);
    const passed = Object.fromEntries(Object.entries(totals).map(([check, count]) => [check, count.passed]));
    for (const [what, least] of Object.entries(MINIMUM))
      expect(what === 'ops' ? ops.length : passed[what], what).toBeGreaterThanOrEqual(least);
  });
});
