/** The seed example as a whole program: prints its gradient and how long that took from before the import. */
const start = performance.now();
const { arange } = await import('nabla');
const imported = performance.now();
const x = arange(4, { requiresGrad: true });
x.dot(x).mul(2).backward();
const text = `${x.grad}`;
console.log(text);
const end = performance.now();
console.log(JSON.stringify({ import: imported - start, gradient: end - imported, total: end - start }));
