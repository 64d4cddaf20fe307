import { expect, test } from 'vitest';
import { type Goal, ofPyTorch } from '../../bench/case.ts';
import { verdict } from '../../bench/goals.ts';

test('a goal holds by the median or at best, and all of a case count', () => {
  const c = { unit: 'GB/s', work: 8, peers: {} } as const;
  const one = { ...c, name: 'sum', rounds: [[4, 8, 8]] };
  const of = (rounds: number[][], ...goals: readonly Goal[]) =>
    verdict({ ...c, name: 'sum, 2 threads', goals, rounds, peers: { PyTorch: [[2, 4, 4]] } }, [one]);
  // A call of 8 bytes in 4 ns is 2 GB/s.
  expect(of([[2, 4, 4]], { share: 1.7, of: 'sum' })).toMatchObject({
    goal: '≥ 1.70 (1.7 of one thread)',
    holds: 'yes',
  });
  expect(of([[2, 5, 5]], { share: 1.7, of: 'sum' }).holds).toBe('at best');
  expect(of([[3, 5, 5]], { share: 1.7, of: 'sum' }).holds).toBe('no');
  expect(of([[2, 4, 4]], ofPyTorch(1))).toMatchObject({ goal: '≤ 1 of PyTorch', holds: 'yes' });
  expect(of([[2, 4, 4]], ofPyTorch(1), { atLeast: 2.5 })).toMatchObject({
    goal: '≤ 1 of PyTorch, ≥ 2.50',
    holds: 'at best',
  });
  expect(of([[2, 4, 4]], ofPyTorch(0.9), { atLeast: 2 }).holds).toBe('no');
  // What was not measured decides nothing.
  expect(of([[2, 4, 4]], { share: 1.7, of: 'mean' }, { times: 1, peer: 'JAX' }).holds).toBeUndefined();
});

test('where less is better, a share of the speed is a longer time', () => {
  const c = { unit: 'ms', work: 1, peers: {} } as const;
  const one = { ...c, name: 'step', rounds: [[17e6]] };
  const goals = [{ share: 1.7, of: 'step' }];
  const fast = verdict({ ...c, name: 'step, 2 threads', rounds: [[10e6]], goals }, [one]);
  const slow = verdict({ ...c, name: 'other step', rounds: [[10.1e6]], goals }, [one]);
  expect(fast).toEqual({ goal: '≤ 10.0 (1.7 of one thread)', holds: 'yes' });
  expect(slow).toEqual({ goal: '≤ 10.0 (1.7 of step)', holds: 'no' });
});
