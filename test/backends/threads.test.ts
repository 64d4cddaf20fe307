import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  ArgumentError,
  arange,
  autograd,
  backendInfo,
  cat,
  eye,
  functional as F,
  getNumThreads,
  isDeterministic,
  linalg,
  manualSeed,
  ones,
  randn,
  setDeterministic,
  setNumThreads,
  stack,
  type Tensor,
  tensor,
} from 'nabla';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FunctionBody } from '../../src/backends/wasm/encoder.ts';
import { beginLaunch, scratch } from '../../src/backends/wasm/launch.ts';
import { i32, memory } from '../../src/backends/wasm/linear-memory.ts';
import { instantiate } from '../../src/backends/wasm/module.ts';
import { joinWorkers, launching } from '../../src/backends/wasm/threads/pending.ts';
import { leaveTasks, runTasks } from '../../src/backends/wasm/threads/queue.ts';
import { withThreads } from '../support/worker.ts';

/** The bits of a tensor, as text that is quick to compare. */
function bits(t: Tensor): string {
  const bytes = t.toTypedArray();
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

const threads = getNumThreads();
afterAll(() => setNumThreads(threads));

manualSeed(5);
const long = randn([700_001]);
const tall = randn([3001, 301], { dtype: 'float64' });
const square = randn([300, 310]);
const other = randn([310, 290]);
const many = randn([48, 40, 50]);
const others = randn([48, 50, 44]);
const image = randn([4, 8, 40, 40]);
const gates = randn([1001, 302]);
const filters = randn([16, 8, 3, 3]);
const whole = long.mul(1e6).to('int32');

const both = ({ values, indices }: { readonly values: Tensor; readonly indices: Tensor }): Tensor =>
  cat([values.double(), indices.double()]);

/** Work large enough to be shared, of every family. */
const work: Readonly<Record<string, () => Tensor>> = {
  'map, contiguous': () => long.exp().mul(long).add(0.5),
  'map of float64, broadcast': () => tall.mul(tall.select(0, 1)).sin(),
  'map of a transposed tensor': () => tall.T.add(1).contiguous(),
  'map of a strided vector': () => cat([long, long]).slice(0, 1, 1_300_001, 2).tanh(),
  'map of integers': () => whole.mul(3),
  'map with a negative zero': () => cat([long.mul(0).fill_(-0), long.square().mul(-0)]).reciprocal(),
  'map with truth values': () => long.gt(0.3).logicalNot(),
  'many parts of a join': () => {
    const parts = gates.split(7, 0);
    const turned = gates.slice(0, 0, 300).reshape([302, 300]).T.split(50, 0) as Tensor[];
    return cat([...parts.slice(0, -1), ...turned, ...stack(parts.slice(0, -1), 1).unbind(1), gates.slice(0, 0, 0)]);
  },
  'map in place': () => long.clone().mul_(1.5),
  'map of two tensors in place': () => long.clone().mul_(long).sub_(long),
  'map in place over a part of its operand': () => {
    const x = long.clone();
    x.slice(0, 1).add_(x.slice(0, 0, 700_000));
    return x;
  },
  // Workers that a large one has just kept awake take part in small ones.
  'small map of much arithmetic': () => {
    long.exp();
    const [a, b] = gates.chunk(2, 1) as [Tensor, Tensor];
    const y = a.tanh().mul(b);
    return y.sigmoid().add(y.sin());
  },
  'small map of columns': () => {
    long.exp();
    return gates.slice(1, 3, 99).erf().T.contiguous();
  },
  'sums of few columns and few rows': () => {
    long.exp();
    return cat([gates.sum(0), gates.sum(1), gates.T.amax(0), many.sum([0, 2])]);
  },
  'few folds of many runs, by channels': () => {
    long.exp();
    const images = long.slice(0, 0, 12 * 18 * 29 * 31).reshape([12, 18, 29, 31]);
    const two = tall
      .reshape([-1])
      .slice(0, 0, 3 * 5 * 57_001)
      .reshape([3, 5, 57_001]);
    const dim = [0, 2, 3];
    const of32 = [images.sum(dim), images.logsumexp(dim), images.var(dim), images.amax(dim)];
    return cat([...of32.map((y) => y.double()), two.sum([0, 2]), two.exp().mean([0, 2]), two.amin([0, 2])]);
  },
  'a row more than is folded at a time': () => {
    const x = long.slice(0, 0, 650_000).reshape([65, 10_000]);
    return cat([x.sum(1), x.amax(1), x.argmax(1).float(), x.T.sum(0), x.T.contiguous().sum(0), x.sum(0)]);
  },
  'folds of short rows': () => {
    const rows = long.slice(0, 0, 9001 * 77).reshape([9001, 77]);
    const short = tall
      .flatten()
      .slice(0, 0, 20_005 * 43)
      .reshape([20_005, 43]);
    return cat([rows.sum(1), rows.amax(1), rows.prod(1), short.mean(1).float(), short.amin(1).float()]);
  },
  'folds of middle dimensions': () => {
    const shapes = [
      [650, 26, 41],
      [5, 2000, 65],
      [2, 320, 1090],
      [9000, 5, 15],
    ];
    const parts = shapes.map((shape) => {
      const x = long.slice(0, 0, shape[0] * shape[1] * shape[2]).reshape(shape);
      return cat([x.sum(1), x.amax(1), x.argmax(1).float(), x.var(1)]).flatten();
    });
    return cat([...parts, many.double().sum(1).float().flatten()]);
  },
  'sum of everything': () => long.sum(),
  'losses of everything': () => {
    const target = long.flip(0);
    const losses = [F.mseLoss(long, target), F.l1Loss(long, target), F.huberLoss(long, target, { reduction: 'sum' })];
    return cat(losses.map((y) => (y as Tensor).reshape([1])));
  },
  'sum of integers': () => whole.sum(),
  'sum of rows': () => tall.sum(1),
  'mean of columns': () => tall.mean(0),
  'norm of a transposed tensor': () => tall.T.norm(2, 0),
  largest: () => cat([long.max().reshape([1]), tall.amax(1).float()]),
  'where the largest is': () => cat([long.argmax().reshape([1]), tall.argmax(1)]),
  'rows summed over bags': () => {
    const index = whole.narrow(0, 0, 20_000).remainder(3001);
    const bags = arange(50, { dtype: 'int32' }).square().mul(8);
    return F.embeddingBag(index, tall, bags, { mode: 'sum' });
  },
  'where the largest is, and what': () => cat([tall, tall.T].flatMap((x) => Object.values(x.max(1)))),
  softmax: () => tall.softmax(1),
  'softmax of columns': () => tall.softmax(0),
  'lines side by side': () => {
    const shapes = [
      [2000, 19, 17],
      [2, 30, 11_219],
      [7, 64, 1503],
    ];
    const all = shapes.flatMap((shape) => {
      const x = long.slice(0, 0, shape[0] * shape[1] * shape[2]).reshape(shape);
      const leaves = [x.clone().requiresGrad_(), x.clone().requiresGrad_()];
      const ys = [leaves[0].softmax(1), leaves[1].logSoftmax(1)];
      for (const y of ys) y.backward({ gradient: x });
      return [...ys.map((y) => y.detach()), ...leaves.map((t) => t.grad as Tensor), x.logsumexp(1)];
    });
    return cat(all.map((y) => y.flatten()));
  },
  'softmax of one long line': () => long.softmax(0),
  'logarithm of a softmax': () => tall.float().logSoftmax(1),
  'log-sum-exp of lines': () => tall.logsumexp(1),
  'log-sum-exp of long lines': () =>
    cat([long.logsumexp(0).reshape([1]), tall.reshape([7, 129_043]).logsumexp(1).float()]),
  'layer norm': () => F.layerNorm(tall, [301]),
  'layer norm with weights': () => F.layerNorm(tall, [301], { weight: tall.select(0, 1), bias: tall.select(0, 2) }),
  'gradients of a layer norm': () => {
    const leaves = [tall, tall.select(0, 1), tall.select(0, 2)].map((t) => t.detach().clone().requiresGrad_());
    const [x, weight, bias] = leaves;
    F.layerNorm(x, [301], { weight, bias }).mul(tall).sum().backward();
    return cat(leaves.map((t) => (t.grad as Tensor).flatten()));
  },
  'sorts of one long line': () => {
    const nothing = long.where(long.gt(-1), Number.NaN);
    const far = cat([whole.remainder(1000), tensor([2 ** 31 - 1], { dtype: 'int32' })]);
    const lines = [long, nothing, tall.flatten(), whole, whole.remainder(10), far, long.gt(0), long.mul(0)];
    return cat([...lines.map((x) => both(x.sort())), ...lines.map((x) => both(x.sort(0, { descending: true })))]);
  },
  'sorts of two long lines, apart and in columns': () => {
    const pairs = long.slice(0, 0, 700_000).double();
    const [rows, columns] = [pairs.reshape([2, 350_000]), pairs.reshape([350_000, 2])];
    const sorts = [rows.sort(1), rows.slice(1, 5, 300_000, 3).sort(1), columns.sort(0)].map((s) => both(s).flatten());
    return cat([...sorts, columns.argsort(0, { descending: true }).flatten().double()]);
  },
  'small matrices': () => {
    const a = long.slice(0, 0, 9 * 20_001).reshape([20_001, 3, 3]);
    return cat([linalg.inv(a), linalg.solve(a, a.mT), linalg.cholesky(a.matmul(a.mT).add(eye(3)))]);
  },
  'products of few rows or columns, in pieces that are no whole tiles': () => {
    const rows = long.slice(0, 0, 67 * 785).reshape([67, 785]);
    const wide = rows.mm(
      long
        .slice(0, 0, 133 * 785)
        .reshape([133, 785])
        .t(),
    );
    const high = tall.mm(tall.slice(0, 0, 37).t());
    return cat([wide.flatten().double(), wide.addmm(rows, rows.t().mm(wide)).flatten().double(), high.flatten()]);
  },
  matmul: () => square.mm(other),
  'matmul of transposed': () => other.T.mm(square.T),
  'matmul of float64': () => tall.T.mm(tall),
  'a bias and a matmul': () => other.select(0, 3).addmm(square, other),
  'gradients of a matrix used twice': () => {
    const w = other.detach().clone().requiresGrad_();
    square
      .mm(w)
      .sum()
      .add(square.slice(0, 0, 200).mm(w).sin().sum())
      .backward();
    return w.grad as Tensor;
  },
  'matmul over short sums': () =>
    tall
      .slice(1, 0, 4)
      .mm(tall.slice(1, 0, 4).T)
      .slice(0, 0, 300),
  'matmul with a small matrix': () => tall.mm(tall.slice(0, 0, 301).slice(1, 0, 6)),
  'matmul of long rows with a small matrix': () =>
    long
      .slice(0, 0, 402_800)
      .reshape([1007, 400])
      .slice(1, 0, 399)
      .mm(long.slice(0, 0, 3990).reshape([399, 10])),
  'matmul with few columns': () => tall.mm(tall.slice(0, 0, 9).T),
  'batched matmul': () => many.bmm(others),
  'more small products than a job holds': () => {
    const x = long.slice(0, 0, 700_000).reshape([17_500, 8, 5]);
    return x.bmm(x.mT);
  },
  convolution: () => F.conv2d(image, filters, null, { padding: 1 }),
  'convolution of what is not finite, and its gradients': () => {
    const x = cat([image, image.tanh()], 1);
    x.flatten().slice(0, 777, 778).fill_(Number.POSITIVE_INFINITY);
    const weights = cat([filters, filters.tanh()], 1).requiresGrad_();
    const bias = ones([16]).requiresGrad_();
    const y: Tensor = F.conv2d(x.requiresGrad_(), weights, bias, { padding: 1 });
    const gradients = autograd.grad(y, [x, weights, bias], { gradOutputs: y.detach() });
    return cat([y, ...gradients].map((t) => (t as Tensor).flatten()));
  },
  'values between elements, and their gradients': () => {
    const [x, grid] = [long.slice(0, 0, 2 * 35 * 61 * 63), long.slice(0, 7, 7 + 2 * 59 * 61 * 2).tanh()];
    const leaves = [x.reshape([2, 35, 61, 63]), grid.mul(1.2).reshape([2, 59, 61, 2])].map((t) =>
      t.detach().clone().requiresGrad_(),
    );
    const y = F.gridSample(leaves[0], leaves[1], { mode: 'bicubic' });
    return cat([y, ...autograd.grad(y, leaves, { gradOutputs: y.detach() })].map((t) => (t as Tensor).flatten()));
  },
  'cumsum of columns': () => tall.cumsum(0),
  'cumsum of rows': () => tall.cumsum(1),
  'cumsum in the middle': () => many.cumsum(1),
  'scans of one long line': () => {
    const near = long.mul(1e-3).add(1);
    return cat([long.cumsum(0), near.cumprod(0), long.logcumsumexp(0), whole.cumsum(0).float()]);
  },
  'scans of a long line in float64': () => cat([tall.flatten().cumsum(0), both(tall.flatten().cummax(0))]),
  'scans of few long lines': () => long.slice(0, 0, 699_999).reshape([233_333, 3]).cumsum(0),
  'running extremes of one long line': () => cat([both(long.cummax(0)), both(whole.cummin(0))]),
  'gradients of scans of a long line': () => {
    const x = long.mul(1e-3).add(1).requiresGrad_();
    x.cumsum(0).mul(x.cumprod(0)).sum().backward();
    return x.grad as Tensor;
  },
  'running maxima of rows': () => both(tall.cummax(1)),
  'sort of rows': () => both(tall.sort(1)),
  'sort of columns': () => both(many.sort(1)),
  'largest of rows': () => both(tall.topk(7, 1)),
  'medians of rows': () => both(tall.median(1)),
  'searches in one row': () => long.sort(0).values.searchsorted(long.flip([0])),
  'searches in rows': () => tall.sort(1).values.searchsorted(tall.slice(1, 0, 57), { right: true }),
  'searches in few rows': () => {
    const rows = long.slice(0, 0, 600_000).reshape([3, 200_000]);
    return rows.sort(1).values.searchsorted(rows);
  },
  'searches by a sorter': () => tall.searchsorted(tall, { sorter: tall.argsort(1) }),
  'gather from rows': () => tall.gather(1, tall.argsort(1)),
  'scatter into rows': () => tall.clone().scatter(1, tall.argsort(1), tall),
  'added into rows': () => tall.scatterAdd(1, tall.argsort(1).mul(0.5).to('int32'), tall),
  'rows that are selected': () => tall.indexSelect(0, whole.slice(0, 0, 4000).abs().remainder(3001)),
  'rows that are added': () => tall.indexAdd(0, whole.slice(0, 0, 3001).abs().remainder(3001), tall),
};

describe('threads', () => {
  const alone = new Map<string, string>();
  beforeAll(() => {
    setNumThreads(1);
    for (const [name, f] of Object.entries(work)) alone.set(name, bits(f()));
  });

  for (const n of [2, 3, 5]) {
    describe(`${n} of them`, () => {
      beforeAll(() => withThreads(n));

      it.each(Object.keys(work))('%s has the same bits', (name) => {
        for (let again = 0; again < 2; again++) expect(bits(work[name]()) === alone.get(name)).toBe(true);
      });

      it('gradients have the same bits', () => {
        const gradient = (): string => {
          const w = filters.clone().requiresGrad_();
          F.conv2d(image, w, null, { padding: 1 }).tanh().square().sum().backward();
          return bits(w.grad as Tensor);
        };
        const shared = gradient();
        setNumThreads(1);
        expect(gradient() === shared).toBe(true);
        setNumThreads(n);
      });
    });
  }

  it('go on after the memory has grown', async () => {
    await withThreads(3);
    const before = memory.buffer.byteLength;
    const large = ones([before / 4 + 1]);
    expect(memory.buffer.byteLength).toBeGreaterThan(before);
    expect(large.add(1).mean().item()).toBe(2);
    expect(bits(work.matmul()) === alone.get('matmul')).toBe(true);
  });

  it('a kernel that fails is an error, and the next job runs', async () => {
    await withThreads(3);
    const body = new FunctionBody('trap', ['i32'], []);
    body.get(body.params[0]).if(() => body.op('unreachable'));
    const kernel = instantiate([body]).trap;
    const tasks = (fails: number) => Array.from({ length: 40 }, (_, i) => [{ kernel, args: [i === fails ? 1 : 0] }]);
    launching.name = 'trapped';
    for (const fails of [0, 7, 39]) expect(() => runTasks(tasks(fails))).toThrow(/^trapped: a kernel failed/);
    expect(() => runTasks(tasks(-1))).not.toThrow();
    expect(bits(work.matmul()) === alone.get('matmul')).toBe(true);
  });

  it('what is left of a job is done by whoever touches the memory next, and an error appears there once', async () => {
    await withThreads(3);
    // slow(at, fails): counts to a million before it stores it, or fails.
    const body = new FunctionBody('slow', ['i32', 'i32'], []);
    const [at, fails] = body.params;
    const n = body.local('i32');
    body.get(fails).if(() => body.op('unreachable'));
    body.loop(() => body.get(n).i32(1).op('i32.add').tee(n).i32(1_000_000).op('i32.lt_s').brIf(0));
    body.get(at).get(n).mem('i32.store');
    const kernel = instantiate([body]).slow;
    beginLaunch();
    const room = scratch(4 * 40);
    const leave = (failing: number): void => {
      i32().fill(0, room >>> 2, (room >>> 2) + 40);
      leaveTasks(Array.from({ length: 40 }, (_, i) => [{ kernel, args: [room + 4 * i, Number(i === failing)] }]));
    };
    const stored = (): number[] => [...i32().subarray(room >>> 2, (room >>> 2) + 40)];
    leave(-1);
    expect(stored()).toEqual(new Array<number>(40).fill(1_000_000));
    for (const join of [beginLaunch, i32, joinWorkers]) {
      for (const failing of [0, 39]) {
        leave(failing);
        expect(join).toThrow();
        expect(join).not.toThrow();
      }
    }
    leave(-1);
    expect(bits(work.matmul()) === alone.get('matmul')).toBe(true);
  });

  it('an index out of range is the same error', async () => {
    const index = tall.argsort(1);
    index.select(0, 2000).fill_(301);
    index.select(0, 17).slice(0, 100).fill_(-5);
    const message = 'index -5 is out of bounds for dimension 1 with size 301';
    for (const n of [1, 3]) {
      await withThreads(n);
      expect(() => tall.gather(1, index)).toThrow(message);
      expect(() => tall.scatterAdd(1, index, tall)).toThrow(message);
    }
  });

  it('change no bit of deterministic products either', async () => {
    setDeterministic(true);
    try {
      expect(isDeterministic()).toBe(true);
      expect(backendInfo().deterministic).toBe(true);
      setNumThreads(1);
      const strict = bits(work.matmul());
      await withThreads(2);
      expect(bits(work.matmul()) === strict).toBe(true);
      // Without fused multiply-adds a float32 product rounds in other places.
      if (backendInfo().relaxedSimd) expect(strict === alone.get('matmul')).toBe(false);
    } finally {
      setDeterministic(false);
    }
    expect(bits(work.matmul()) === alone.get('matmul')).toBe(true);
  });

  it('are counted', async () => {
    await withThreads(2);
    expect(backendInfo()).toMatchObject({ threads: 2, workers: 1, sharedMemory: true, threadTrouble: null });
    setNumThreads(1);
    expect(backendInfo()).toMatchObject({ threads: 1, workers: 0 });
    for (const n of [0, -1, 1.5, Number.NaN]) expect(() => setNumThreads(n)).toThrow(ArgumentError);
  });

  it('let a process end', () => {
    const program = `
      import { randn } from './src/index.ts';
      import { withThreads } from './test/support/worker.ts';
      await withThreads(3);
      console.log(randn([400, 400]).mm(randn([400, 400])).shape.join());`;
    const done = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      encoding: 'utf8',
      timeout: 50_000,
    });
    expect(done.stderr).toBe('');
    expect(done.stdout).toBe('400,400\n');
    expect(done.status).toBe(0);
  });
});
