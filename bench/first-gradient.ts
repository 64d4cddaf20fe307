/**
 * The seed example as a whole program: prints its gradient and how long that took from before the import.
 * The clock is one that is there already: Node loads `performance` when it is first touched, which takes a
 * millisecond that is none of the library's.
 */
const now = (): number => Number(process.hrtime.bigint()) / 1e6;

const start = now();
const { arange } = await import('nabla');
const imported = now();
const x = arange(4, { requiresGrad: true });
x.dot(x).mul(2).backward();
const text = `${x.grad}`;
console.log(text);
const end = now();
console.log(JSON.stringify({ import: imported - start, gradient: end - imported, total: end - start }));
