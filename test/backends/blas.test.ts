import { spawnSync } from 'node:child_process';
import { autograd, backendInfo, ones, randn, setBlas, setDeterministic, type Tensor } from 'nabla';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Gemm, type Gemv, NO_TRANSPOSE } from '../../src/backends/wasm/blas/cblas.ts';
import { type Blas, findBlas } from '../../src/backends/wasm/blas/library.ts';
import { replaceBlas } from '../../src/backends/wasm/blas/product.ts';
import { memory } from '../../src/backends/wasm/linear-memory.ts';
import { generated } from '../support/blas.ts';

interface Call {
  readonly precision: 'single' | 'double';
  readonly transposed: string;
  readonly sizes: readonly number[];
  /** How many times what the result held is added, if it is. */
  readonly adds?: number;
}

/** The base that the stand-in claims: an address is this plus the offset into the linear memory. */
const BASE = 2 ** 45 + 64;

/** A BLAS by the book: three loops over the numbers that the addresses, flags and leading dimensions name. */
function standIn(calls: Call[], views: Uint8Array[] = []): Blas {
  const gemm =
    (precision: Call['precision']): Gemm =>
    (order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
      expect([order, alpha]).toEqual([101, 1]);
      calls.push({
        precision,
        ...(beta === 0 ? {} : { adds: beta }),
        transposed: `${ta === NO_TRANSPOSE ? 'n' : 't'}${tb === NO_TRANSPOSE ? 'n' : 't'}`,
        sizes: [m, n, k],
      });
      const data = precision === 'single' ? new Float32Array(memory.buffer) : new Float64Array(memory.buffer);
      const [atA, atB, atC] = [a, b, c].map((at) => (at - BASE) / data.BYTES_PER_ELEMENT) as [number, number, number];
      for (let i = 0; i < m; i++)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) {
            const x = data[atA + (ta === NO_TRANSPOSE ? i * lda + l : l * lda + i)]!;
            const y = data[atB + (tb === NO_TRANSPOSE ? l * ldb + j : j * ldb + l)]!;
            sum += x * y;
          }
          data[atC + i * ldc + j] = sum + (beta === 0 ? 0 : beta * data[atC + i * ldc + j]!);
        }
    };
  const gemv =
    (precision: Call['precision']): Gemv =>
    (order, transpose, m, n, alpha, a, lda, x, incrementX, beta, y, incrementY) => {
      expect([order, transpose, alpha, beta]).toEqual([101, NO_TRANSPOSE, 1, 0]);
      calls.push({ precision, transposed: 'v', sizes: [m, n] });
      const data = precision === 'single' ? new Float32Array(memory.buffer) : new Float64Array(memory.buffer);
      const [atA, atX, atY] = [a, x, y].map((at) => (at - BASE) / data.BYTES_PER_ELEMENT) as [number, number, number];
      for (let i = 0; i < m; i++) {
        let sum = 0;
        for (let l = 0; l < n; l++) sum += data[atA + i * lda + l]! * data[atX + l * incrementX]!;
        data[atY + i * incrementY] = sum;
      }
    };
  return {
    library: 'stand-in',
    sgemv: gemv('single'),
    dgemv: gemv('double'),
    sgemm: gemm('single'),
    dgemm: gemm('double'),
    strsm: () => undefined,
    dtrsm: () => undefined,
    addressOf: (view) => {
      views.push(view);
      return BASE;
    },
    alone: true,
  };
}

const error = (x: Tensor, y: Tensor): number => +x.sub(y).abs().max();

afterEach(() => {
  setBlas(true);
  setDeterministic(false);
  replaceBlas(null);
});

describe('what the library is asked to do', () => {
  const calls: Call[] = [];
  const views: Uint8Array[] = [];
  beforeEach(() => {
    calls.length = 0;
    views.length = 0;
    replaceBlas(standIn(calls, views));
  });

  const [m, n, k] = [47, 61, 53];
  const layouts = {
    n: (rows: number, columns: number): Tensor => randn([rows, columns], { dtype: 'float64' }),
    t: (rows: number, columns: number): Tensor => randn([columns, rows], { dtype: 'float64' }).t(),
    'n, a part': (rows: number, columns: number): Tensor =>
      randn([rows + 3, columns + 5], { dtype: 'float64' })
        .slice(0, 2, rows + 2)
        .slice(1, 1, columns + 1),
    't, a part': (rows: number, columns: number): Tensor =>
      randn([columns + 3, rows + 5], { dtype: 'float64' })
        .slice(0, 3)
        .slice(1, 4, rows + 4)
        .t(),
  };
  for (const [left, a] of Object.entries(layouts)) {
    for (const [right, b] of Object.entries(layouts)) {
      test(`${left} times ${right}`, () => {
        const [x, y] = [a(m, k), b(k, n)];
        const z = x.matmul(y);
        expect(calls).toEqual([{ precision: 'double', transposed: `${left[0]}${right[0]}`, sizes: [m, n, k] }]);
        expect(
          error(
            z,
            generated(() => x.matmul(y)),
          ),
        ).toBeLessThan(1e-12);
      });
    }
  }

  test('float32 in single precision', () => {
    const [x, y]: [Tensor, Tensor] = [randn([m, k]), randn([k, n])];
    const z = x.matmul(y);
    expect(calls.map((c) => c.precision)).toEqual(['single']);
    expect(
      error(
        z,
        generated(() => x.matmul(y)),
      ),
    ).toBeLessThan(1e-4);
  });

  test('every product of a batch, also with one operand for all', () => {
    const x: Tensor = randn([3, m, k], { dtype: 'float64' });
    const y: Tensor = randn([3, n, k], { dtype: 'float64' }).mT;
    const z = x.matmul(y);
    expect(calls.map((c) => c.transposed)).toEqual(['nt', 'nt', 'nt']);
    expect(
      error(
        z,
        generated(() => x.matmul(y)),
      ),
    ).toBeLessThan(1e-12);
    calls.length = 0;
    const one: Tensor = randn([m, k], { dtype: 'float64' });
    expect(
      error(
        one.matmul(y),
        generated(() => one.matmul(y)),
      ),
    ).toBeLessThan(1e-12);
    expect(calls).toHaveLength(3);
  });

  test('gradients are products too', () => {
    const x: Tensor = randn([m, k], { dtype: 'float64', requiresGrad: true });
    const y: Tensor = randn([k, n], { dtype: 'float64', requiresGrad: true });
    const g: Tensor = randn([m, n], { dtype: 'float64' });
    x.matmul(y).backward({ gradient: g });
    expect(calls.map((c) => c.transposed).sort()).toEqual(['nn', 'nt', 'tn']);
    expect(
      error(
        x.grad!,
        generated(() => g.matmul(y.detach().t())),
      ),
    ).toBeLessThan(1e-12);
    expect(
      error(
        y.grad!,
        generated(() => x.detach().t().matmul(g)),
      ),
    ).toBeLessThan(1e-12);
  });

  test('a bias is put where the product is added, and gradients that arrive late to those that are there', () => {
    const x: Tensor = randn([m, k], { dtype: 'float64', requiresGrad: true });
    const y: Tensor = randn([n, k], { dtype: 'float64', requiresGrad: true });
    const bias: Tensor = randn([n], { dtype: 'float64' });
    const step = (): Tensor[] => {
      const [first, second] = [bias.addmm(x, y.t()), bias.addmm(x.mul(2), y.t())];
      return [first, ...autograd.grad(first.sin().sum().add(second.cos().sum()), [x, y])];
    };
    const got = step();
    const adds = calls.map((c) => c.adds ?? 0);
    // Both forward, and backward the second of those by y.
    expect([adds.slice(0, 2), adds.slice(2).filter((b) => b === 1).length]).toEqual([[1, 1], 1]);
    const expected = generated(step);
    for (const [i, t] of got.entries()) expect(error(t, expected[i])).toBeLessThan(1e-11);
  });

  test('the address is asked for again when the memory has grown', () => {
    const x: Tensor = randn([m, k]);
    const y: Tensor = randn([k, n]);
    x.matmul(y);
    x.matmul(y);
    expect(views).toHaveLength(1);
    const large = ones([memory.buffer.byteLength / 4 + 1]);
    expect(
      error(
        x.matmul(y),
        generated(() => x.matmul(y)),
      ),
    ).toBeLessThan(1e-4);
    expect(views).toHaveLength(2);
    expect(views[1]!.length).toBeGreaterThan(large.numel() * 4);
  });

  test('small products, combinations of rows, integers and other strides stay here', () => {
    const x: Tensor = randn([m, k]);
    randn([8, 8]).matmul(randn([8, 8]));
    x.matmul(randn([k]));
    randn([1, 1000]).matmul(randn([1000, 1000]));
    randn([300, 300])
      .to('int32')
      .matmul(randn([300, 300]).to('int32'));
    randn([m, 2 * k])
      .slice(1, 0, 2 * k, 2)
      .matmul(randn([k, n]));
    randn([k])
      .expand([m, k])
      .matmul(randn([k, n]));
    randn([m, 0]).matmul(randn([0, n]));
    expect(calls).toEqual([]);
  });

  test('vectors, where the matrix is read along its rows', () => {
    const large: Tensor = randn([70, 90], { dtype: 'float64' });
    const x: Tensor = randn([90, 3], { dtype: 'float64' }).select(1, 1);
    const several: Tensor = randn([3, 70, 90], { dtype: 'float64' });
    const products: (() => Tensor)[] = [
      () => large.mv(x),
      () => x.matmul(large.T),
      () => large.slice(1, 3, 83).matmul(x.slice(0, 5, 85)),
      () => several.bmm(x.expand([3, 90]).unsqueeze(2)),
      () => several.bmm(several.slice(1, 0, 1).mT),
      () => large.to('float32').mv(x.to('float32')),
    ];
    for (const f of products) expect(error(f(), generated(f))).toBeLessThan(f === products.at(-1) ? 1e-4 : 1e-12);
    expect(calls.map((c) => [c.precision, c.transposed, ...c.sizes])).toEqual([
      ['double', 'v', 70, 90],
      ['double', 'v', 70, 90],
      ['double', 'v', 70, 80],
      ['double', 'v', 210, 90],
      ['double', 'v', 70, 90],
      ['double', 'v', 70, 90],
      ['double', 'v', 70, 90],
      ['single', 'v', 70, 90],
    ]);
    calls.length = 0;
    large.T.mv(randn([70], { dtype: 'float64' }));
    large.mv(randn([1], { dtype: 'float64' }).expand([90]));
    randn([5000]).dot(randn([5000]));
    expect(calls).toEqual([]);
  });

  test('outer products, and few rows times a matrix whose columns are pages apart, stay here', () => {
    randn([300, 1]).matmul(randn([1, 400]));
    randn([300, 4]).matmul(randn([400, 4]).t());
    randn([4, 1024]).matmul(randn([100, 1024]).t());
    randn([8, 512], { dtype: 'float64' }).matmul(randn([100, 512], { dtype: 'float64' }).t());
    expect(calls).toEqual([]);
    randn([4, 1000]).matmul(randn([100, 1000]).t());
    randn([17, 1024]).matmul(randn([100, 1024]).t());
    randn([4, 1024]).matmul(randn([1024, 100]));
    randn([4, 1024]).matmul(randn([32, 1024]).t());
    expect(calls).toHaveLength(4);
  });

  test('a few rows or columns that a library would pack many operands for stay here', () => {
    randn([3, 600]).matmul(randn([600, 600]));
    randn([600, 600], { dtype: 'float64' }).matmul(randn([4, 600], { dtype: 'float64' }).t());
    randn([600, 600]).matmul(randn([600, 4]));
    randn([600, 600]).matmul(randn([3, 600]).t());
    expect(calls).toEqual([]);
    randn([3, 500]).matmul(randn([500, 600]));
    randn([3, 600]).matmul(randn([600, 600]).t());
    randn([4, 600]).matmul(randn([600, 600]));
    randn([600, 600]).matmul(randn([600, 5]));
    randn([900, 600]).matmul(randn([600, 2]));
    randn([600, 600])
      .t()
      .matmul(randn([600, 4]));
    expect(calls).toHaveLength(6);
  });

  test('deterministic mode keeps it out', () => {
    setDeterministic(true);
    randn([m, k]).matmul(randn([k, n]));
    expect(calls).toEqual([]);
    expect(backendInfo()).toMatchObject({ blas: null, blasTrouble: 'setDeterministic(true)' });
  });

  test('setBlas(false) keeps it out, and backendInfo says so', () => {
    setBlas(false);
    randn([m, k]).matmul(randn([k, n]));
    expect(calls).toEqual([]);
    expect(backendInfo()).toMatchObject({ blas: null, blasTrouble: 'setBlas(false)' });
    setBlas(true);
    expect(backendInfo()).toMatchObject({ blas: 'stand-in', blasTrouble: null });
    expect(() => setBlas('off' as never)).toThrow('setBlas: expected true or false, got off');
  });
});

describe('the library that is found', () => {
  function withEnvironment<R>(value: string | undefined, f: () => R): R {
    const before = process.env.NABLA_BLAS;
    if (value === undefined) delete process.env.NABLA_BLAS;
    else process.env.NABLA_BLAS = value;
    replaceBlas(null);
    try {
      return f();
    } finally {
      process.env.NABLA_BLAS = before;
    }
  }

  test('NABLA_BLAS=off', () => {
    withEnvironment('off', () => {
      expect(findBlas()).toBe('NABLA_BLAS=off');
      expect(backendInfo()).toMatchObject({ blas: null, blasTrouble: 'NABLA_BLAS=off' });
    });
  });

  test('a library that is not there, or is no BLAS, is never an error', () => {
    for (const [path, reason] of [
      ['/nowhere/libblas.so', 'No such file'],
      ['libc.so.6', 'cblas_sgemm'],
    ] as const) {
      withEnvironment(path, () => {
        const trouble = findBlas();
        expect(trouble).toContain(`NABLA_BLAS=${path}: `);
        expect(trouble).toContain(reason);
        expect(error(ones([64, 64]).matmul(ones([64, 64])), ones([64, 64]).mul(64))).toBe(0);
        expect(backendInfo().blas).toBeNull();
      });
    }
  });

  test('a koffi that is there and does not load is not said to be missing', () => {
    const { getBuiltinModule } = process;
    const throwing = (error: object) => {
      process.getBuiltinModule = (() => ({
        createRequire: () => () => {
          throw error;
        },
      })) as never;
      return withEnvironment(undefined, findBlas);
    };
    try {
      const missing = Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' });
      expect(throwing(missing)).toBe("the package 'koffi' is not installed");
      const disabled = Object.assign(new Error('Cannot load native addon'), { code: 'ERR_DLOPEN_DISABLED' });
      expect(throwing(disabled)).toBe("the package 'koffi' does not load: Cannot load native addon");
    } finally {
      process.getBuiltinModule = getBuiltinModule;
    }
  });

  test('a koffi that does not say where memory lies is none', () => {
    const { getBuiltinModule } = process;
    const load = () => ({ func: () => () => 0 });
    const unable = () => {
      throw new TypeError('Unexpected Uint8Array value');
    };
    try {
      for (const koffi of [{ load }, { load, address: unable }, { load, address: () => 0n }]) {
        process.getBuiltinModule = (() => ({ createRequire: () => () => koffi })) as never;
        withEnvironment(undefined, () => {
          expect(findBlas()).toBe("the package 'koffi' is too old, version 3 or newer is needed");
          expect(error(ones([64, 64]).matmul(ones([64, 64])), ones([64, 64]).mul(64))).toBe(0);
          expect(backendInfo().blas).toBeNull();
        });
      }
    } finally {
      process.getBuiltinModule = getBuiltinModule;
    }
  });

  test('hosts without the door to native code', () => {
    const { getBuiltinModule } = process;
    try {
      process.getBuiltinModule = (() => undefined) as never;
      expect(withEnvironment(undefined, findBlas)).toBe('the host cannot load native libraries');
      process.getBuiltinModule = (() => {
        throw new Error('not allowed');
      }) as never;
      expect(withEnvironment(undefined, findBlas)).toBe('not allowed');
    } finally {
      process.getBuiltinModule = getBuiltinModule;
    }
  });

  test('Deno never asks its user: without all permissions there is no library', () => {
    const host = globalThis as { Deno?: unknown };
    try {
      for (const denied of ['env', 'read', 'ffi']) {
        host.Deno = {
          permissions: {
            querySync: ({ name }: { name: string }) => ({ state: name === denied ? 'prompt' : 'granted' }),
          },
        };
        expect(withEnvironment(undefined, findBlas)).toBe(`Deno runs without --allow-${denied}`);
      }
    } finally {
      delete host.Deno;
    }
  });

  // Where a BLAS is installed this compares it, and where none is it sees that its lack changes nothing.
  test('agrees with the generated kernels', () => {
    withEnvironment(undefined, () => {
      const { blas, blasTrouble } = backendInfo();
      expect(blas === null).toBe(blasTrouble !== null);
      for (const [dtype, tolerance] of [
        ['float32', 1e-4],
        ['float64', 1e-12],
      ] as const) {
        for (const [m, n, k] of [
          [64, 64, 64],
          [200, 33, 129],
          [2, 500, 300],
          [300, 500, 1],
        ] as const) {
          const x: Tensor = randn([m, k], { dtype });
          const y: Tensor = randn([n, k], { dtype }).t();
          expect(
            error(
              x.matmul(y),
              generated(() => x.matmul(y)),
            ),
          ).toBeLessThan(tolerance);
          const z = x.t().matmul(x.matmul(y));
          const same = generated(() => x.t().matmul(x.matmul(y)));
          expect(error(z, same) / (1 + +same.abs().max())).toBeLessThan(tolerance);
        }
      }
    });
  });

  test('importing the library loads no native code; the first large product may', () => {
    const program = `
      import { randn } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
      const native = () => Object.keys(require.cache).filter((path) => /koffi/.test(path)).length;
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      const seen = [native()];
      randn([8, 8]).matmul(randn([8, 8]));
      seen.push(native());
      randn([64, 64]).matmul(randn([64, 64]));
      seen.push(native());
      console.log(JSON.stringify(seen));`;
    const { NABLA_BLAS: _, ...env } = process.env;
    const done = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      encoding: 'utf8',
      env,
    });
    expect(done.stderr).toBe('');
    const [atImport, afterSmall, afterLarge] = JSON.parse(done.stdout) as number[];
    expect([atImport, afterSmall]).toEqual([0, 0]);
    expect(afterLarge).toBeGreaterThan(0);
  });
});
