/**
 * A user's program. The smoke test compiles it against the packed package's declarations and runs it
 * in every host; `run.ts` knows what it must print.
 */
import {
  arange,
  backendInfo,
  functional as F,
  manualSeed,
  noGrad,
  randn,
  setDeterministic,
  setNumThreads,
  type Tensor,
} from 'nabla';

// The package's declarations must stand without any host's: all that this program needs of one is here.
declare const console: { log(x: unknown): void };
declare function setTimeout(f: () => void, ms: number): unknown;

const x = arange(4, { dtype: 'float32', requiresGrad: true });
const y = x.dot(x).mul(2);
y.backward();
console.log(String(y));
console.log(String(x.grad));
console.log(String(arange(1_000_000, { dtype: 'float64' }).sum().item()));

/** A hash of a tensor's bits (FNV-1a). */
function hash(t: Tensor, h: number): number {
  for (const byte of new Uint8Array(t.detach().toTypedArray().buffer)) h = Math.imul(h ^ byte, 0x01000193);
  return h >>> 0;
}

// A training run has the same bits in every host.
setDeterministic(true);
manualSeed(7);
const [w1, w2]: Tensor[] = [randn([20, 64]).mul(0.3).requiresGrad_(), randn([64, 5]).mul(0.3).requiresGrad_()];
const [inputs, targets] = [randn([128, 20]), randn([128, 5])];
for (let step = 0; step < 30; step++) {
  F.mseLoss(
    F.gelu(F.layerNorm(inputs.matmul(w1), [64]))
      .matmul(w2)
      .tanh(),
    targets,
  ).backward();
  noGrad(() => {
    for (const w of [w1, w2]) {
      if (w.grad) w.sub_(w.grad, { alpha: 0.1 });
      w.grad = null;
    }
  });
}
let bits = hash(w2, hash(w1, 0x811c9dc5));

// So has one of convolutions, attention and further functions of floats, in either precision.
for (const dtype of ['float32', 'float64'] as const) {
  const draw = (shape: readonly number[]): Tensor => randn(shape, { dtype }).mul(0.2);
  const [images, words] = [draw([16, 1, 12, 12]), draw([8, 32, 64])];
  const [kernel, into, from] = [draw([8, 1, 5, 5]), draw([64, 64]), draw([64, 64])];
  const weights = [kernel, into, from];
  for (const w of weights) w.requiresGrad_();
  for (let step = 0; step < 3; step++) {
    const pooled = F.maxPool2d(F.conv2d(images, kernel).relu(), 2).logsumexp([1, 2, 3]);
    const heads = F.layerNorm(words, [64]).matmul(into).reshape([8, 32, 4, 16]).transpose(1, 2);
    const mixed = F.scaledDotProductAttention(heads, heads, heads, { isCausal: true });
    const y = mixed.transpose(1, 2).reshape([8, 32, 64]).matmul(from);
    const parts: Tensor[] = [pooled, y.softmax(-1).log(), y.exp(), y.sin().pow(2), y.sigmoid().sqrt()];
    for (const part of parts) part.mean().backward({ retainGraph: true });
    noGrad(() => {
      for (const w of weights) {
        if (w.grad) w.sub_(w.grad, { alpha: 0.1 });
        w.grad = null;
      }
    });
  }
  bits = weights.reduce((h, w) => hash(w, h), bits);
}
console.log(`hash ${bits.toString(16)}`);

// Threads, where the host has them; the same bits with and without.
setNumThreads(1);
const a = randn([300, 300]);
const alone = hash(a.mm(a), 0);
setNumThreads(2);
for (let i = 0; i < 400 && backendInfo().workers === 0 && backendInfo().threadTrouble === null; i++) {
  a.mm(a);
  await new Promise<void>((resolve) => setTimeout(resolve, 5));
}
console.log(`workers ${backendInfo().workers} ${hash(a.mm(a), 0) === alone ? 'same bits' : 'other bits'}`);
console.log(x.grad);
