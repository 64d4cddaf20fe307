/**
 * Nabla as a tool of GradBench (https://github.com/gradbench/gradbench): messages on standard input, a
 * response to each on standard output, one JSON object a line. Warnings go to standard error.
 *
 *     gradbench run --eval "…" --tool "npm run --silent gradbench"
 */
import { createInterface } from 'node:readline';
import { setWarningHandler } from 'nabla';
import { respondTo } from './protocol.ts';
import { useThreads } from './threads.ts';

useThreads();

setWarningHandler((message) => {
  process.stderr.write(`${message}\n`);
});

for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') process.stdout.write(`${await respondTo(line)}\n`);
}
