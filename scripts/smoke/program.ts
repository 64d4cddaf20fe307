/**
 * A user's program. The smoke test compiles it against the packed package's declarations and runs it
 * in every host; `run.ts` knows what it must print.
 */
import { arange } from 'nabla';

// The package's declarations must stand without any host's: all that this program needs of one is here.
declare const console: { log(x: unknown): void };

const x = arange(4, { dtype: 'float32', requiresGrad: true });
const y = x.dot(x).mul(2);
y.backward();
console.log(String(y));
console.log(String(x.grad));
console.log(String(arange(1_000_000, { dtype: 'float64' }).sum().item()));
console.log(x.grad);
