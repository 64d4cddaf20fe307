import {
  autograd,
  cat,
  functional as F,
  getNumThreads,
  manualSeed,
  memoryStats,
  noGrad,
  ones,
  randn,
  setCacheLimit,
  setNumThreads,
  stack,
  type Tensor,
  tensor,
  zeros,
} from 'nabla';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { FunctionBody } from '../../src/backends/wasm/encoder.ts';
import { address, allocate, free, readBytes, writeBytes } from '../../src/backends/wasm/heap.ts';
import { beginLaunchBeside, scratch, scratchBytes } from '../../src/backends/wasm/launch.ts';
import { i32, parameterWords } from '../../src/backends/wasm/linear-memory.ts';
import { byteCopy } from '../../src/backends/wasm/map-bytes.ts';
import { instantiate } from '../../src/backends/wasm/module.ts';
import { OwnRooms } from '../../src/backends/wasm/threads/own.ts';
import { hasLeft, joinWorkers } from '../../src/backends/wasm/threads/pending.ts';
import { CONTROL, finish, MOST_JOBS, PROGRAM_LENGTH, publish, take } from '../../src/backends/wasm/threads/protocol.ts';
import { callInTurn, isBusy, leaveTasks } from '../../src/backends/wasm/threads/queue.ts';
import { noted, type Run } from '../../src/backends/wasm/threads/share.ts';
import { withThreads } from '../support/worker.ts';

const { graph } = autograd;
const threads = getNumThreads();
afterAll(() => setNumThreads(threads));

/** count(turns): takes a while and touches nothing. append(at, x): adds x to the end of the list that a word has the end of. */
const countFunction = new FunctionBody('count', ['i32'], []);
const [left] = countFunction.params;
countFunction.loop(() => countFunction.get(left).i32(1).op('i32.sub').tee(left).brIf(0));
const appendFunction = new FunctionBody('append', ['i32', 'i32'], []);
const [list, x] = appendFunction.params;
const end = appendFunction.local('i32');
appendFunction.get(list).mem('i32.load').set(end).get(end).get(x).mem('i32.store');
appendFunction.get(list).get(end).i32(4).op('i32.add').mem('i32.store');
const { count, append } = instantiate([countFunction, appendFunction]);

/** Ends with an error if it is told to. */
const trapFunction = new FunctionBody('trap', ['i32'], []);
trapFunction.get(trapFunction.params[0]).if(() => trapFunction.op('unreachable'));
const { trap } = instantiate([trapFunction]);

/** Leaves something in the queue that goes wrong: who asks whether anything is queued is told. */
function leaveTrouble(): void {
  joinWorkers();
  beginLaunchBeside();
  leaveTasks([0, 1, 0].map((fails) => [{ kernel: trap, args: [fails] }]));
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
}
const trouble = /unreachable|failed on another thread/;

/** Keeps all threads busy for some tenths of a millisecond, so that what follows has to wait for its turn. */
function occupy(turns = 200_000): void {
  leaveTasks(Array.from({ length: 6 }, () => [{ kernel: count, args: [turns] }]));
}

/** Room for a list in scratch that is not taken by anything else meanwhile, and what it holds. */
function listOf(length: number): { readonly at: number; read(): number[] } {
  joinWorkers();
  beginLaunchBeside();
  const at = scratch(4 * (length + 1));
  i32()[at >>> 2] = at + 4;
  return {
    at,
    read: () => {
      const words = i32();
      return [...words.subarray((at >>> 2) + 1, words[at >>> 2]! >>> 2)];
    },
  };
}

it('gives the first tasks of a job to the calling thread and the last to workers, each once', () => {
  const control = new Int32Array(CONTROL.words);
  // Jobs have had every place of the queue before.
  for (let job = 0; job < 2 * MOST_JOBS; job++) {
    publish(control, job, 5, 0, null);
    expect([false, true, true, false, false, true, false].map((w) => take(control, job, w))).toEqual([
      0, 4, 3, 1, 2, -1, -1,
    ]);
    for (let task = 0; task < 5; task++) finish(control, job);
    expect(control[CONTROL.finished]).toBe(job + 1);
  }
});

describe('rooms of the threads', () => {
  const fill = new FunctionBody('fill', ['i32', 'i32'], []);
  const [at, value] = fill.params;
  fill.get(at).get(value).mem('i32.store');
  const move = new FunctionBody('move', ['i32', 'i32'], []);
  const [to, from] = move.params;
  move.get(to).get(from).mem('i32.load').mem('i32.store');
  const kernels = instantiate([fill, move]);

  /** Numbers that tasks have put in their own room and taken from there, after a while. */
  function throughRooms(tasks: number): number[] {
    joinWorkers();
    beginLaunchBeside();
    const rooms = new OwnRooms(scratch);
    const prepared: number[] = [];
    rooms.take(100);
    const place = rooms.take(4, (shift) => void prepared.push(place + shift));
    const results = scratch(4 * tasks);
    const body = (task: number, run: Run): void => {
      run(kernels.fill!, place, 100 + task);
      run(count, 2_000);
      run(kernels.move!, results + 4 * task, place);
    };
    leaveTasks(noted(tasks, body), 2 ** 22, rooms.laid);
    expect(prepared.map((word) => word - prepared[0]!)).toEqual(prepared.map((_, i) => i * rooms.laid.bytes));
    expect(prepared.length).toBe(getNumThreads());
    return [...i32().subarray(results >>> 2, (results >>> 2) + tasks)];
  }

  for (const n of [1, 2, 3, 5]) {
    it(`are those of who runs a task, ${n} threads`, async () => {
      if (n === 1) setNumThreads(1);
      else await withThreads(n);
      for (const tasks of [1, 2, 40]) {
        expect(throughRooms(tasks)).toEqual(Array.from({ length: tasks }, (_, i) => 100 + i));
        occupy();
        expect(throughRooms(tasks)).toEqual(Array.from({ length: tasks }, (_, i) => 100 + i));
      }
    });
  }

  it('are as many as there are threads: changing that waits for what is queued', async () => {
    await withThreads(2);
    occupy();
    setNumThreads(3);
    expect(isBusy()).toBe(false);
  });
});

manualSeed(8);
const a = randn([37, 23]);
const b = randn([23, 19]);
const wide = randn([6, 40, 30], { dtype: 'float64' });
const image = randn([2, 3, 9, 9]);
const filters = randn([4, 3, 3, 3]);
const many = randn([5000, 3, 2]);

/** Programs of small operations, none of which is worth being shared. */
const programs: Readonly<Record<string, () => Tensor>> = {
  maps: () => a.exp().mul(a).add(1).div(a.square().add(1)),
  'maps of views': () => a.T.mul(2).add(a.T).slice(0, 1, 20, 3).contiguous(),
  'maps of many elements by columns': () =>
    wide
      .permute([2, 0, 1])
      .add(1)
      .contiguous()
      .mul(wide.permute([2, 0, 1])),
  'a chain of the smallest': () => {
    let y = ones([3]);
    for (let i = 0; i < 600; i++) y = y.mul(1.001).add(a.select(0, i % 37).slice(0, 0, 3));
    return y;
  },
  'small storages that are freed and taken again': () => {
    let y = zeros([7]);
    for (let i = 0; i < 50; i++) {
      const w = ones([7])
        .mul(i + 1)
        .requiresGrad_();
      w.mul(w).sin().sum().backward();
      y = y.add(w.grad as Tensor);
    }
    return y;
  },
  zeros: () => cat([zeros([5]), zeros([300]), zeros([9000]).add(1)]),
  reductions: () => cat([a.sum(0), a.mean(1), a.sum().reshape([1]), a.amax(0), wide.sum([0, 2]).float()]),
  'reductions of many pieces': () =>
    cat([many.sum(1).flatten(), many.amax(2).flatten(), many.argmax(1).flatten().float()]),
  products: () => cat([a.mm(b).flatten(), a.mv(b.select(1, 0)), wide.bmm(wide.mT).flatten().float()]),
  'inner products': () => a.select(0, 0).dot(a.select(0, 1)).mul(a.select(0, 2)),
  'an outer product': () => a.select(0, 0).outer(b.flatten()),
  lines: () => cat([a.softmax(1).flatten(), F.layerNorm(a, [23]).flatten(), a.logSoftmax(0).flatten()]),
  'moves along indices': () => a.indexSelect(0, a.argsort(0).select(1, 0)),
  'parts of a join': () => cat([...a.chunk(3, 0), ...stack(a.slice(0, 0, 4).unbind(0)).split([1, 2, 1])]),
  'scans and sorts': () => cat([a.cumsum(1), a.sort(1).values]),
  'a convolution': () => F.maxPool2d(F.conv2d(image, filters, null, { padding: 1 }).relu(), 2),
  'changes in place': () => {
    const y = a.clone();
    y.mul_(2).select(0, 3).fill_(7);
    y.slice(1, 0, 4).zero_();
    return y;
  },
  'steps of training': () => {
    const w = b.clone().requiresGrad_();
    for (let i = 0; i < 5; i++) {
      const loss = a.mm(w).tanh().square().mean();
      w.grad = null;
      loss.backward();
      noGrad(() => w.sub_((w.grad as Tensor).mul(0.1)));
    }
    return w;
  },
};

/** Runs a program, each of whose launches finds the threads busy. */
function behind(program: () => Tensor): readonly number[] {
  occupy(2_000_000);
  const y = program();
  return y.toTypedArray() as unknown as readonly number[];
}

describe('the queue', () => {
  const alone = new Map<string, readonly number[]>();
  beforeAll(async () => {
    setNumThreads(1);
    for (const [name, f] of Object.entries(programs))
      alone.set(name, f().toTypedArray() as unknown as readonly number[]);
    await withThreads(3);
  });
  afterEach(joinWorkers);

  it.each(Object.keys(programs))('%s have the same bits behind what is queued', (name) => {
    for (let again = 0; again < 3; again++) expect(behind(programs[name])).toEqual(alone.get(name));
  });

  it('begins no job before those before it are done', () => {
    const turns = 3 * MOST_JOBS;
    const numbers = listOf(turns);
    for (let i = 0; i < turns; i++) {
      if (i % 50 === 0) occupy();
      callInTurn(0, append, numbers.at, i);
    }
    expect(numbers.read()).toEqual(Array.from({ length: turns }, (_, i) => i));
  });

  it('has a job of several tasks done before the next one begins', () => {
    const numbers = listOf(100);
    for (let i = 0; i < 100; i++) {
      occupy(1 + 1000 * (i % 7));
      leaveTasks([[{ kernel: append, args: [numbers.at, i] }]]);
    }
    expect(numbers.read()).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('takes programs larger than it has room for at a time, and runs what is larger than that at once', () => {
    const numbers = listOf(6);
    const lot = Math.floor(PROGRAM_LENGTH / 8);
    const calls = (n: number) => [
      ...new Array(n).fill({ kernel: count, args: [1] }),
      { kernel: append, args: [numbers.at, n] },
    ];
    for (const n of [lot, lot, lot, PROGRAM_LENGTH, lot, lot]) {
      occupy();
      leaveTasks([calls(n)]);
    }
    expect(numbers.read()).toEqual([lot, lot, lot, PROGRAM_LENGTH, lot, lot]);
  });

  it('has nothing to do for a job without tasks', () => {
    occupy();
    leaveTasks([]);
    joinWorkers();
    expect(isBusy()).toBe(false);
  });

  it('zeros that were given up come back in their turn', () => {
    const z = zeros([3000]);
    // Kernels are made here, which takes longer than what is queued.
    ones([3000]).add(1).sum().item();
    setCacheLimit(0);
    setCacheLimit(64 * 2 ** 20, 2 ** 31);
    const { remakes } = memoryStats();
    occupy(20_000_000);
    const one = z.add(1);
    expect(hasLeft()).toBe(true);
    expect(memoryStats().remakes).toBe(remakes + 1);
    expect(new Set(one.toTypedArray())).toEqual(new Set([1]));
    z.add_(2);
    expect(new Set(z.toTypedArray())).toEqual(new Set([2]));
  });

  it('is found empty when the workers are through', async () => {
    occupy(10);
    expect(hasLeft()).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 50));
    if (isBusy()) joinWorkers();
    expect(hasLeft()).toBe(false);
  });

  it('keeps what launches took of the scratch until they are done, and does not let it grow beyond a bound', () => {
    for (let round = 0; round < 20; round++) {
      occupy();
      const rooms = Array.from({ length: 200 }, () => {
        beginLaunchBeside();
        if (!isBusy()) occupy();
        return scratch(4096);
      });
      expect(new Set(rooms.slice(0, 7)).size).toBe(7);
    }
    joinWorkers();
    beginLaunchBeside();
    expect(scratchBytes()).toBeLessThanOrEqual(8 * 2 ** 20);
  });

  it('writes no parameters where something queued still reads, though that was freed', () => {
    // More than the scratch ever has room for in one piece.
    const size = 9 * 2 ** 20;
    joinWorkers();
    beginLaunchBeside();
    const [from, to] = [allocate(size), allocate(size)];
    const bytes = new Uint8Array(size).map((_, i) => (i * 7) % 251);
    writeBytes(from, 0, bytes);
    beginLaunchBeside();
    occupy(5_000_000);
    callInTurn(size, byteCopy(), size, address(to), address(from));
    const at = address(from);
    free(from);
    const room = scratch(size);
    expect(room).toBe(at);
    parameterWords().fill(-1, room >>> 2, (room + size) >>> 2);
    expect(Buffer.compare(readBytes(to, 0, size), bytes)).toBe(0);
    free(to);
    beginLaunchBeside();
  });

  it('lets what went wrong be known where something comes back, which it does all the same', () => {
    const back = (t: Tensor): number => {
      leaveTrouble();
      expect(() => t.add(1)).toThrow(trouble);
      return t.sum().item();
    };
    const cleared = tensor(new Float32Array(40_000).fill(1));
    cleared.zero_();
    expect(back(cleared)).toBe(0);
    const moved = tensor(new Float32Array(40_000).fill(1));
    setCacheLimit(0);
    setCacheLimit(40 * 2 ** 20, 3072 * 2 ** 20);
    expect(back(moved)).toBe(40_000);
  });

  it('lets what went wrong be known where what results are made from is about to change, and keeps it', () => {
    const x = tensor(new Float32Array(40_000).fill(1));
    const y = x.add(1);
    const { forgotten } = memoryStats();
    beginLaunchBeside();
    setCacheLimit(0);
    setCacheLimit(40 * 2 ** 20, 3072 * 2 ** 20);
    expect(x.sum().item()).toBe(40_000);
    expect(memoryStats().forgotten).toBeGreaterThan(forgotten);
    leaveTrouble();
    expect(() => x.add_(1)).toThrow(trouble);
    x.add_(1);
    expect([x.sum().item(), y.sum().item()]).toEqual([80_000, 80_000]);
  });

  it('lets what went wrong be known where room is made by moving something out', () => {
    // Not made again, but moved out.
    const kept = allocate(160_000);
    writeBytes(kept, 0, new Float32Array(40_000).fill(1));
    beginLaunchBeside();
    address(kept);
    leaveTasks([0, 1, 0].map((fails) => [{ kernel: trap, args: [fails] }]));
    beginLaunchBeside();
    try {
      expect(() => setCacheLimit(0)).toThrow(trouble);
    } finally {
      setCacheLimit(40 * 2 ** 20, 3072 * 2 ** 20);
    }
    expect(new Float32Array(readBytes(kept, 0, 160_000).buffer)).toEqual(new Float32Array(40_000).fill(1));
    free(kept);
  });

  it('keeps what results are made from, at once if nothing queued makes it', () => {
    const x = tensor(new Float32Array(40_000).fill(1));
    const results = (): Tensor[] => [x.add(1), x.mul(2), x.sub(3)];
    const sums = (all: readonly Tensor[]): number[] => {
      beginLaunchBeside();
      setCacheLimit(0);
      setCacheLimit(40 * 2 ** 20, 3072 * 2 ** 20);
      return all.map((y) => y.sum().item() / 40_000);
    };
    // Kernels are made here, which takes longer than what is queued.
    x.add_(1);
    expect(sums(results())).toEqual([3, 4, -1]);
    const before = results();
    joinWorkers();
    occupy(20_000_000);
    x.add_(1);
    expect(hasLeft()).toBe(true);
    const after = results();
    x.add_(1);
    expect(hasLeft()).toBe(false);
    expect(sums([...before, ...after, x])).toEqual([3, 4, -1, 4, 6, 0, 4]);
  });

  it('moves out at once what nothing queued has used', () => {
    const [old, used] = [1, 2].map((value) => {
      const s = allocate(160_000);
      writeBytes(s, 0, new Float32Array(40_000).fill(value));
      return s;
    });
    beginLaunchBeside();
    address(used);
    occupy(20_000_000);
    leaveTasks([[{ kernel: byteCopy(), args: [160_000, address(used), address(used)] }]]);
    beginLaunchBeside();
    const { evictions, resident } = memoryStats();
    setCacheLimit(resident - 1);
    expect(hasLeft()).toBe(true);
    expect(memoryStats().evictions).toBe(evictions + 1);
    setCacheLimit(0);
    expect(hasLeft()).toBe(false);
    setCacheLimit(40 * 2 ** 20, 3072 * 2 ** 20);
    const first = (s: typeof old): number => new Float32Array(readBytes(s, 0, 4).buffer)[0];
    expect([old, used].map(first)).toEqual([1, 2]);
    free(old);
    free(used);
  });

  it('looks at classes at once and picks their scores in turn, unless what is queued makes them', () => {
    const scores = randn([64, 10], { requiresGrad: true });
    const rows = randn([7, 5], { requiresGrad: true });
    const classes = tensor(Int32Array.from({ length: 64 }, (_, i) => (i * 3) % 10));
    const places = tensor(Int32Array.from({ length: 64 }, (_, i) => (i * i) % 7));
    const step = (targets: () => Tensor): [boolean, ArrayLike<number>, ArrayLike<number>] => {
      const looked = F.embedding(places, rows);
      joinWorkers();
      beginLaunchBeside();
      occupy(50_000_000);
      const loss = F.nllLoss(scores, targets());
      const left = hasLeft();
      loss.add(looked.square().sum()).backward();
      const all = [left, scores.grad!.toTypedArray(), rows.grad!.toTypedArray()] as const;
      scores.grad = null;
      rows.grad = null;
      return [...all];
    };
    setNumThreads(1);
    const [, ...expected] = step(() => classes);
    setNumThreads(2);
    expect(step(() => classes)).toEqual([true, ...expected]);
    expect(step(() => classes.add(0))).toEqual([false, ...expected]);
    occupy();
    expect(() => F.nllLoss(scores, places.add(6))).toThrow(/Target 10 is out of bounds/);
    setNumThreads(3);
  });

  it.each([1, 2, 3])(
    'does not pass over classes and indices that are others than in the forward pass (%i threads)',
    (n) => {
      setNumThreads(n);
      const leaf = (): Tensor => randn([64, 10], { requiresGrad: true });
      const places = tensor(Int32Array.from({ length: 64 }, (_, i) => i % 10));
      const forwards: Readonly<Record<string, (x: Tensor, index: Tensor) => Tensor>> = {
        nllLoss: (x, index) => F.nllLoss(x, index),
        'nllLoss, summed': (x, index) => F.nllLoss(x, index, { reduction: 'sum' }),
        embedding: (x, index) => F.embedding(index, x).sum(),
        indexSelect: (x, index) => x.indexSelect(1, index).sum(),
      };
      for (const [name, forward] of Object.entries(forwards)) {
        for (const busy of [false, true]) {
          const x = leaf();
          const index = places.clone();
          // What went through hooks is not looked at for changes in place.
          const y = graph.savedTensorsHooks(
            (t) => t,
            (t) => t,
            () => forward(x, index),
          );
          index.fill_(99);
          const pass = (): void => {
            joinWorkers();
            beginLaunchBeside();
            if (busy) occupy();
            y.backward();
            joinWorkers();
          };
          expect(pass, `${name}, ${busy}`).toThrow(n === 1 ? /out of bounds/ : /out of bounds|a kernel failed/);
          joinWorkers();
        }
      }
      setNumThreads(3);
    },
  );

  it('goes on after the number of threads has changed', async () => {
    for (const n of [1, 2, 3]) {
      occupy();
      setNumThreads(n);
      expect(programs.maps().toTypedArray()).toEqual(alone.get('maps'));
    }
  });
});
