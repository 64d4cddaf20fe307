import { randn, setNumThreads, getNumThreads, manualSeed, type Tensor } from 'nabla';
import { withThreads } from "./test/support/worker.ts";
manualSeed(0);
const a = randn([512,512]), b=randn([512,512]), v=randn([4_000_000]), m=randn([3000,1000]);
const jobs: Record<string, () => Tensor> = {
  mm: () => a.mm(b), exp: () => v.exp(), add: () => v.add(v), sum: () => v.sum(), rows: () => m.sum(1), cols: () => m.mean(0), amax: () => m.argmax(1), sm: () => m.softmax(1), norm: () => m.T.norm(2, 0),
};
const sig = (t: Tensor): string => { const x = new Uint8Array(t.toTypedArray().buffer); let h=0; for (let i=0;i<x.length;i++) h=(Math.imul(h,31)+x[i])|0; return String(h); };
const base: Record<string,string> = {};
for (const th of [1,2,3,5]) {

  await withThreads(th);
  for (const [n,f] of Object.entries(jobs)) {
    let best=1e9; let r!: Tensor;
    for(let i=0;i<8;i++){ const t=performance.now(); r=f(); best=Math.min(best,performance.now()-t); }
    const h=sig(r); base[n]??=h; console.log(th, n, best.toFixed(2),'ms', h===base[n]?'same':'DIFFERENT');
  }
}
