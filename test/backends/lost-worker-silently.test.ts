import { it } from 'vitest';
import { patience } from '../../src/backends/wasm/threads/queue.ts';
import { loseWorker } from '../support/mortal-worker.ts';

it('a worker that ends with a task is an error where the program never yields, too', () =>
  loseWorker(async () => {
    patience.milliseconds = 200;
  }));
