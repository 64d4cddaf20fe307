import { join } from 'node:path';
import { type Tensor, zeros } from 'nabla';
import { beforeAll, describe, expect, it } from 'vitest';
import { root } from '../bench/build.ts';
import { buildSoak, runAlone } from '../bench/soak/process.ts';
import { Recorder, type Run, type Sample } from '../bench/soak/recorder.ts';
import { scenarios } from '../bench/soak/scenarios/index.ts';
import { LIMITS, MB, problems } from '../bench/soak/verdict.ts';

/* The long runs of bench/soak, briefly; `npm run soak` makes them as long as they are meant to be. */

describe('briefly', () => {
  const folder = join(root, 'out', 'soak-test');
  beforeAll(() => buildSoak(folder));

  for (const scenario of scenarios) {
    it(scenario.name, () => {
      expect(runAlone(folder, scenario, { short: true }).problems).toEqual([]);
    });
  }

  it('scenarios have names of their own', () => {
    expect(new Set(scenarios.map(({ name }) => name)).size).toBe(scenarios.length);
  });
});

describe('what the verdict finds', () => {
  /** A run of 400 samples, in MB, with nothing wrong but what `change` makes of it. */
  const run = (change: (share: number) => Partial<Sample>, rest: Partial<Run> = {}): Run => {
    const at = (share: number): Sample => {
      const wave = 5 * Math.sin(100 * share);
      const usual = { resident: 100 + wave, heap: 20 + wave, buffers: 10 + wave, linear: 64 };
      const all = Object.entries({ ...usual, ...change(share) }).map(([k, v]) => [k, v * MB]);
      return Object.fromEntries(all) as Sample;
    };
    return {
      steps: 400,
      seconds: 1,
      samples: Array.from({ length: 400 }, (_, i) => at(i / 400)),
      settled: [at(0.25), at(1)].map((s) => ({ ...s, heap: 5 * MB, buffers: 0 })),
      compared: 1,
      failed: 0,
      failures: [],
      stats: {} as Run['stats'],
      ...rest,
    };
  };

  it('nothing, if memory only comes and goes', () => {
    expect(
      problems(
        run(() => ({})),
        LIMITS,
      ),
    ).toEqual([]);
    // What is taken in the first quarter, while caches fill, is no leak.
    expect(
      problems(
        run((share) => ({ linear: Math.min(64, 640 * share) })),
        LIMITS,
      ),
    ).toEqual([]);
  });

  it.each(['resident', 'heap', 'buffers', 'linear'] as const)('steady growth of %s', (figure) => {
    const found = problems(
      run((share) => ({ [figure]: 50 + 150 * share })),
      LIMITS,
    );
    expect(found).toEqual([expect.stringMatching(/grew from \d+\.\d MB to \d+\.\d MB/)]);
  });

  it('a peak, a small leak, an early end, wrong values, and that nothing was compared', () => {
    const peak = run((share) => (share === 0.5 ? { resident: 600 } : {}));
    expect(problems(peak, LIMITS)).toEqual([expect.stringMatching(/reached 600/)]);
    const [settled] = run(() => ({})).settled as [Sample];
    const leak = run(() => ({}), { settled: [settled, { ...settled, heap: settled.heap + 3 * MB }] });
    expect(problems(leak, LIMITS)).toEqual([expect.stringMatching(/garbage collected, grew by 3\.0 MB/)]);
    expect(
      problems(
        run(() => ({}), { settled: [settled] }),
        LIMITS,
      ),
    ).toEqual([expect.stringMatching(/its end/)]);
    expect(
      problems(
        run(() => ({}), { failed: 3, failures: ['x is 1'] }),
        LIMITS,
      ),
    ).toEqual(['x is 1', '2 more failures']);
    expect(
      problems(
        run(() => ({}), { compared: 0 }),
        LIMITS,
      ),
    ).toEqual(['no values were compared']);
  });

  it('a program that keeps what it makes, tensors or small objects', () => {
    for (const keep of [() => zeros([4000]), () => new Array(400).fill(0)]) {
      const recorder = new Recorder(4000, true);
      const kept: (Tensor | number[])[] = [];
      for (let i = 0; i < 4000; i++) {
        kept.push(keep());
        recorder.after(i);
      }
      recorder.holds('all of them', kept.length === 4000);
      expect(problems(recorder.run(), LIMITS)).not.toEqual([]);
    }
  });

  it('wrong values', () => {
    const recorder = new Recorder(1, true);
    recorder.equal('zeros', [0, -0, Number.NaN], [0, 0, Number.NaN]);
    recorder.near('close', [1, 1e6 + 1, Number.NaN], [1 + 1e-7, 1e6, 0], 1e-5);
    recorder.near('longer', [1, 2], [1], 1);
    expect(recorder.run().failures).toEqual([
      'zeros: 1 of 3 values are wrong; number 1 is 0 instead of 0',
      'close: 1 of 3 values are wrong; number 2 is NaN instead of 0',
      'longer: 2 values instead of 1',
    ]);
    expect(recorder.run()).toMatchObject({ compared: 7, failed: 3 });
  });
});
