import { expect, it } from 'vitest';
import { randn, zeros, eye, type Tensor, tensor } from 'nabla';
import { factorQr, multiplyByQ } from '../src/backends/wasm/linalg/qr.ts';
import { eigh } from '../src/backends/wasm/linalg/eigh.ts';
import { svd } from '../src/backends/wasm/linalg/svd.ts';

const err = (a: Tensor, b: Tensor) => (a.numel() ? a.sub(b).abs().max().item() as number : 0);
const f = (t: Tensor) => t as never;
it('qr', () => {
  for (const dtype of ['float64', 'float32'] as const)
  for (const [m, n] of [[1, 1], [3, 3], [5, 3], [3, 5], [40, 40], [100, 77], [77, 100], [33, 16], [17, 33]] as const) {
    const a = randn([2, m, n], { dtype });
    const k = Math.min(m, n);
    const q = a.clone(), tau = zeros([2, k], { dtype });
    factorQr(f(q), f(tau));
    const R = zeros([2, m, n], { dtype });
    for (let b = 0; b < 2; b++) for (let i = 0; i < m; i++) for (let j = i; j < n; j++) R.select(0, b).select(0, i).select(0, j).copy_(q.select(0, b).select(0, i).select(0, j).item());
    const Q = eye(m, m, { dtype }).expand([2, m, m]).clone();
    multiplyByQ(f(Q), f(q), f(tau), false, true);
    const e1 = err(Q.matmul(R), a), e2 = err(Q.mT.matmul(Q), eye(m, m, { dtype }));
    const C = randn([2, m, 5], { dtype }), D = C.clone(), E = C.clone();
    multiplyByQ(f(D), f(q), f(tau), true); multiplyByQ(f(E), f(q), f(tau), false);
    const e3 = err(D, Q.mT.matmul(C)), e4 = err(E, Q.matmul(C));
    const tol = dtype === 'float64' ? 1e-12 : 1e-4;
    expect(Math.max(e1, e2, e3, e4), `${m} ${n} ${e1} ${e2} ${e3} ${e4}`).toBeLessThan(tol);
  }
});
it('eigh', () => {
  for (const n of [1, 2, 3, 5, 16, 40, 100]) {
    const x = randn([2, n, n], { dtype: 'float64' }); const a = x.add(x.mT);
    const w = a.clone(), d = zeros([2, n], { dtype: 'float64' }), z = zeros([2, n, n], { dtype: 'float64' }), info = zeros([2], { dtype: 'int32' });
    eigh(f(w), f(d), f(z), f(info));
    const e1 = err(z.mT.matmul(d.unsqueeze(-1).mul(z)), a), e2 = err(z.mT.matmul(z), eye(n, n, { dtype: 'float64' }));
    expect(Math.max(e1, e2), `${n} ${e1} ${e2} ${info}`).toBeLessThan(1e-12);
    const d2 = zeros([2, n], { dtype: 'float64' });
    eigh(f(a.clone()), f(d2), null, f(info));
    expect(err(d, d2)).toBeLessThan(1e-12);
  }
});
it('svd', () => {
  for (const [m, n, r] of [[1, 1, 1], [3, 3, 3], [5, 3, 3], [3, 3, 1], [3, 3, 0], [40, 40, 40], [100, 77, 77], [60, 50, 20]] as const) {
    const dtype = 'float64';
    const a = r < n ? randn([2, m, r], { dtype }).matmul(randn([2, r, n], { dtype })) : randn([2, m, n], { dtype });
    for (const mq of [n, m]) {
    const w = a.clone(), s = zeros([2, n], { dtype }), v = zeros([2, n, n], { dtype }), q = zeros([2, m, mq], { dtype }), j = zeros([2, n, n], { dtype }), info = zeros([2], { dtype: 'int32' });
    const t0 = performance.now();
    svd(f(w), { s: f(s), v: f(v), q: f(q), j: f(j) }, f(info));
    const t1 = performance.now() - t0;
    const U = q.slice(-1, 0, n).matmul(j.mT);
    const e1 = err(U.mul(s.unsqueeze(-2)).matmul(v), a), e2 = err(v.mT.matmul(v), eye(n, n, { dtype })), e3 = err(U.mT.matmul(U), eye(n, n, { dtype })), e4 = err(q.mT.matmul(q), eye(mq, mq, { dtype }));
    expect(Math.max(e1, e2, e3, e4), `${m} ${n} ${r} ${e1} ${e2} ${e3} ${e4} ${info}`).toBeLessThan(1e-12);
    const sv = s.select(0, 0).toArray() as number[];
    expect(sv).toEqual([...sv].sort((x, y) => y - x));
    }
  }
});
it('speed', () => {
  const dtype = 'float64';
  for (const n of [4, 16, 64, 100, 256, 500]) {
    const x = randn([n, n], { dtype }); const a = x.add(x.mT);
    const d = zeros([n], { dtype }), z = zeros([n, n], { dtype }), info = zeros([], { dtype: 'int32' }), q = zeros([n, n], { dtype }), j = zeros([n, n], { dtype });
    const best = (g: () => void, k: number) => { let b = 1e9; for (let i = 0; i < k; i++) { const t = performance.now(); g(); b = Math.min(b, performance.now() - t); } return b.toFixed(3); };
    const k = n > 200 ? 1 : 10;
    console.log(n, 'eigh', best(() => { const w = a.clone(); eigh(f(w), f(d), f(z), f(info)); }, k), 'eigvalsh', best(() => { const w = a.clone(); eigh(f(w), f(d), null, f(info)); }, k), 'svd', best(() => { const w = x.clone(); svd(f(w), { s: f(d), v: f(z), q: f(q), j: f(j) }, f(info)); }, k), 'svdvals', best(() => { const w = x.clone(); svd(f(w), { s: f(d), v: null, q: null, j: null }, f(info)); }, k),
    'qr', best(() => { const w = x.clone(); factorQr(f(w), f(d)); multiplyByQ(f(q), f(w), f(d), false, true); }, k));
  }
});
