import { it } from 'vitest';
import { loseWorker } from '../support/mortal-worker.ts';

it('a worker that ends with a task is an error that names the operation', () =>
  loseWorker(() => new Promise((resolve) => setTimeout(resolve, 300))));
