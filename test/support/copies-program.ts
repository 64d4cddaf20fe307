/**
 * Prints how many bytes of parameters ten steps copied, for up to five tens of steps: for `test/memory/young.test.ts`,
 * whose own surroundings keep alive what is to be dead here.
 */
import * as F from '../../src/functional/index.ts';
import { manualSeed, memoryStats, noGrad, randn, setCacheLimit, type Tensor } from '../../src/index.ts';

const MB = 2 ** 20;
const ENOUGH = 3 * MB;

const held: { readonly h: Tensor; readonly sum: number }[] = [];

/** A step of a model whose results could be made again from its parameters, which change. */
function stepOf(n: number): (holds?: boolean) => void {
  const layers = [0, 1, 2].map(() => randn([n, n], { requiresGrad: true }));
  const x = randn([2 * n, n]);
  // In a function of its own: a variable that is in use keeps what it is made from.
  const pass = (holds: boolean): void => {
    let h: Tensor = x;
    for (const w of layers) {
      h = F.softmax(F.linear(h, w), -1);
      if (holds) held.push({ h, sum: h.sum().item() });
    }
    h.square().mean().backward();
  };
  return (holds = false) => {
    pass(holds);
    noGrad(() => {
      for (const w of layers) {
        w.sub_(w.grad as Tensor, { alpha: 0.1 });
        w.grad = null;
      }
    });
  };
}

/** Bytes of parameters that ten steps copy. What is evicted is copied as well, and not counted. */
function copiedBy(step: () => void): number {
  const make = Buffer.allocUnsafeSlow;
  const { evictedBytes } = memoryStats();
  let copied = 0;
  Buffer.allocUnsafeSlow = (bytes) => {
    if (bytes < 8 * MB) copied += bytes;
    return make(bytes);
  };
  for (let i = 0; i < 10; i++) step();
  Buffer.allocUnsafeSlow = make;
  return copied - (memoryStats().evictedBytes - evictedBytes);
}

setCacheLimit(16 * MB, 3072 * MB);
manualSeed(0);
// Frames of code that V8 has not compiled keep what they are done with.
const small = stepOf(8);
for (let i = 0; i < 2000; i++) small();
const step = stepOf(384);
for (let i = 0; i < 6; i++) step();
const copied: number[] = [];
for (let tries = 0; tries < 5 && !(copied.at(-1)! < ENOUGH); tries++) copied.push(copiedBy(step));
for (let i = 0; i < 3; i++) step(true);
const changed = held.filter(({ h, sum }) => h.sum().item() !== sum).length;
process.stdout.write(JSON.stringify({ copied, held: held.length, changed }));
