import { zeros } from 'nabla';
import { expect, it } from 'vitest';
import { address } from '../../src/backends/wasm/heap.ts';
import { memory } from '../../src/backends/wasm/linear-memory.ts';
import { loseWorker } from '../support/mortal-worker.ts';

it('what the others are at when a worker ends with a task is waited for, or they would write to memory given back', async () => {
  const place = address(zeros([2500], { dtype: 'int32' }).storage);
  const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));
  const word = new Int32Array(memory.buffer, place, 1);
  await loseWorker(() => pause(300), [place]);
  expect(word[0]).toBe(7);
});
