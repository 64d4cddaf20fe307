import { Tensor, tensor } from 'nabla';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { checkOp, type Outcome } from './check.ts';
import { compareDerivative, compareTensors, Mismatch } from './compare.ts';
import type { Encoded, EncodedTensor, HostTensor, OpFile } from './format.ts';
import { decodeTensor, Unsupported } from './format.ts';
import { summarize } from './report.ts';
import { bind, parseSignature } from './schema.ts';

const f64 = (shape: number[], ...values: number[]): HostTensor => ({
  shape,
  dtype: 'float64',
  values: Float64Array.from(values),
});
const f32 = (...values: number[]): HostTensor => ({
  shape: [values.length],
  dtype: 'float32',
  values: Float32Array.from(values),
});
const encode = ({ shape, dtype, values }: HostTensor, more: Record<string, Encoded> = {}): EncodedTensor => ({
  shape,
  dtype,
  data: Buffer.from(values.buffer).toString('base64'),
  ...more,
});

describe('compareTensors', () => {
  const compare = (a: HostTensor, b: HostTensor, err32?: number) => () => compareTensors('y', a, b, err32);

  it('takes equal values', () => {
    expect(compare(f64([2], 1, -2), f64([2], 1, -2))).not.toThrow();
    expect(compare(f64([], Number.NaN), f64([], Number.NaN))).not.toThrow();
    expect(compare(f64([2], -1 / 0, 1 / 0), f64([2], -1 / 0, 1 / 0))).not.toThrow();
    expect(compare(f64([0]), f64([0]))).not.toThrow();
  });

  it('allows 1e-9 of the largest value in float64', () => {
    expect(compare(f64([2], 1 + 9e-10, 0), f64([2], 1, 0))).not.toThrow();
    expect(compare(f64([2], 1 + 1.1e-9, 0), f64([2], 1, 0))).toThrow(Mismatch);
    expect(compare(f64([2], 1000, 9e-7), f64([2], 1000, 0))).not.toThrow();
    expect(compare(f64([2], 0.001 + 1e-6, 0), f64([2], 0.001, 0))).toThrow(/off by 1\.0e-6 of 1\.0e-9 allowed/);
  });

  it('allows 1e-5 in float32, more where PyTorch itself is less exact', () => {
    expect(compare(f32(1.000009), f32(1))).not.toThrow();
    expect(compare(f32(1.00002), f32(1))).toThrow(Mismatch);
    expect(compare(f32(1.00002), f32(1), 1e-5)).not.toThrow();
    expect(compare(f32(1.0003), f32(1), 1e-5)).toThrow(Mismatch);
  });

  it('does not let an infinite reference widen the tolerance', () => {
    expect(compare(f64([2], 1 / 0, 1.1), f64([2], 1 / 0, 1))).toThrow(Mismatch);
  });

  it.each([
    ['a missing NaN', f64([2], 1, 0), f64([2], 1, Number.NaN)],
    ['a NaN too many', f64([2], 1, Number.NaN), f64([2], 1, 0)],
    ['the wrong infinity', f64([1], -1 / 0), f64([1], 1 / 0)],
    ['an infinity too many', f64([1], 1 / 0), f64([1], 1e308)],
    ['a missing infinity', f64([1], Number.MAX_VALUE), f64([1], 1 / 0)],
    ['another dtype', f32(1), f64([1], 1)],
    ['another shape', f64([1, 2], 1, 2), f64([2], 1, 2)],
    [
      'an integer off by one',
      { shape: [1], dtype: 'int32', values: Int32Array.of(2 ** 30) },
      { shape: [1], dtype: 'int32', values: Int32Array.of(2 ** 30 + 1) },
    ],
  ] as const)('refuses %s', (_, a, b) => {
    expect(compare(a, b)).toThrow(Mismatch);
  });
});

describe('compareDerivative', () => {
  const compare = (a: HostTensor | null, b: EncodedTensor | null) => () => compareDerivative('g', a, b);

  it('takes None and zeros for each other, and nothing else', () => {
    expect(compare(null, null)).not.toThrow();
    expect(compare(f64([2], 0, 0), null)).not.toThrow();
    expect(compare(null, encode(f64([2], 0, 0)))).not.toThrow();
    expect(compare(f64([2], 0, 1e-12), null)).toThrow(Mismatch);
    expect(compare(f64([1], Number.NaN), null)).toThrow(Mismatch);
    expect(compare(null, encode(f64([2], 0, 1e-12)))).toThrow(Mismatch);
  });
});

describe('decodeTensor', () => {
  it('refuses what int32 cannot hold', () => {
    expect(decodeTensor({ shape: [2], dtype: 'int64', data: [-(2 ** 31), 2 ** 31 - 1] }).values).toEqual(
      Int32Array.of(-(2 ** 31), 2 ** 31 - 1),
    );
    expect(() => decodeTensor({ shape: [1], dtype: 'int64', data: [2 ** 31] })).toThrow(Unsupported);
    expect(() => decodeTensor({ shape: [1], dtype: 'int64', data: ['9007199254740993'] })).toThrow(Unsupported);
    expect(() => decodeTensor({ shape: [1], dtype: 'complex64', data: 'AAAAAAAAAAA=' })).toThrow(Unsupported);
  });
});

describe('signatures', () => {
  const x: EncodedTensor = { shape: [1], dtype: 'bool', data: [1] };
  const max = [
    'max.other(Tensor self, Tensor other) -> Tensor',
    'max.dim(Tensor self, int dim, bool keepdim=False) -> (Tensor values, Tensor indices)',
  ].map(parseSignature);

  it('name positional and keyword arguments alike', () => {
    expect(bind(max[1], [x, 0, true], {})).toEqual({ self: x, dim: 0, keepdim: true });
    expect(bind(max[1], [x], { dim: 0 })).toEqual({ self: x, dim: 0 });
  });

  it('tell overloads apart', () => {
    expect(bind(max[0], [x, 0], {})).toBeNull();
    expect(bind(max[0], [x, x], {})).toEqual({ self: x, other: x });
    expect(bind(max[1], [x, { float: 1 }], {})).toBeNull();
    expect(bind(max[1], [x], { dim: 0, out: x })).toBeNull();
    expect(bind(max[1], [x, 0], { dim: 0 })).toBeNull();
  });

  it('may be Python’s', () => {
    const loss = parseSignature(
      "loss(input: torch.Tensor, weight: Optional[torch.Tensor] = None, reduction: str = 'mean', eps: float = 0.0) -> torch.Tensor",
    );
    expect(bind(loss, [x], { reduction: 'sum', weight: null })).toEqual({ input: x, reduction: 'sum', weight: null });
    expect(bind(loss, [x, 'sum'], {})).toBeNull();
  });

  it('keep arguments after the star for keywords', () => {
    const add = parseSignature('add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor');
    expect(bind(add, [x, x, 2], {})).toBeNull();
    expect(bind(add, [x, x], { alpha: 2 })).toEqual({ self: x, other: x, alpha: 2 });
  });
});

/** y = x², with everything about it right. */
function square(
  change: (file: { sample: Record<string, Encoded>; errors: Encoded[] }) => void = () => undefined,
): OpFile {
  const file = {
    sample: {
      id: 'square/float64/0',
      kind: 'float64',
      call: 'torch.square',
      args: [encode(f64([2], 3, -1), { requires_grad: true })],
      kwargs: {},
      outputs: [encode(f64([2], 9, 1))],
      vjp: { cotangents: [encode(f64([2], 1, 2))], grads: [encode(f64([2], 6, -4))] },
      tangents: [encode(f64([2], 1, 0.5))],
      jvp: { outputs: [encode(f64([2], 6, -1))] },
      gradgrad: { grads: [encode(f64([2], 2, 2))] },
      inplace: { same: true, same_grads: true },
    } as Record<string, Encoded>,
    errors: [] as Encoded[],
  };
  change(file);
  return {
    id: 'square',
    op: 'square',
    inplace_method: 'square_',
    schemas: ['square(Tensor self) -> Tensor'],
    samples: [file.sample],
    errors: file.errors,
  } as unknown as OpFile;
}

const statuses = (outcomes: readonly Outcome[]): Record<string, string> =>
  Object.fromEntries(outcomes.map((o) => [o.check, o.status]));
const all = (status: string) => ({ output: status, vjp: status, jvp: status, gradgrad: status, inplace: status });

describe('checkOp', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('passes what is right', () => {
    expect(statuses(checkOp(square()))).toEqual(all('passed'));
  });

  it.each([
    ['output', (s: Record<string, Encoded>) => (s.outputs = [encode(f64([2], 9 + 1e-6, 1))]), ['output', 'inplace']],
    [
      'vjp',
      (s: Record<string, Encoded>) =>
        (s.vjp = { cotangents: [encode(f64([2], 1, 2))], grads: [encode(f64([2], 6, -4 + 1e-6))] }),
      ['vjp', 'inplace'],
    ],
    [
      'jvp',
      (s: Record<string, Encoded>) => (s.jvp = { outputs: [encode(f64([2], 6 + 1e-6, -1))] }),
      ['jvp', 'gradgrad'],
    ],
    ['gradgrad', (s: Record<string, Encoded>) => (s.gradgrad = { grads: [null] }), ['gradgrad']],
  ])('notices a wrong %s', (_, spoil, failed) => {
    const outcomes = checkOp(square(({ sample }) => spoil(sample)));
    const expected = { ...all('passed'), ...Object.fromEntries(failed.map((c) => [c, 'failed'])) };
    expect(statuses(outcomes)).toEqual(expected);
  });

  it('fails what throws, whatever it throws', () => {
    vi.spyOn(Tensor.prototype, 'square').mockImplementation(() => {
      throw new TypeError('x is not a function');
    });
    expect(statuses(checkOp(square()))).toEqual({ ...all('failed'), inplace: 'passed' });
  });

  it('reports what is not there under every check', () => {
    expect(statuses(checkOp(square(({ sample }) => (sample.call = 'torch.igamma'))))).toEqual(all('unsupported'));
    expect(statuses(checkOp(square(({ sample }) => (sample.kwargs = { out: null }))))).toEqual(all('unsupported'));
    const half = { shape: [2], dtype: 'float16', data: 'AABAQAAAgL8=' };
    expect(statuses(checkOp(square(({ sample }) => (sample.args = [half]))))).toEqual(all('unsupported'));
  });

  it('wants an error of its own where PyTorch has one', () => {
    const failing = {
      id: 'square/error/0',
      call: 'torch.square',
      args: [encode(f64([2], 1, 1))],
      kwargs: {},
      message: 'no',
    };
    const last = (file: OpFile): Outcome | undefined => checkOp(file).at(-1);
    const file = square(({ errors }) => errors.push(failing));
    expect(last(file)).toMatchObject({ check: 'error', status: 'failed' });
    const spy = vi.spyOn(Tensor.prototype, 'square');
    spy.mockImplementation(() => {
      throw new TypeError('no');
    });
    expect(last(file)).toMatchObject({ check: 'error', status: 'failed' });
    spy.mockImplementation(() => (tensor(1) as Tensor).reshape([2]));
    expect(last(file)).toMatchObject({ check: 'error', status: 'passed', sameWords: false });
  });

  it('counts by operation and check', () => {
    const report = summarize(checkOp(square(({ sample }) => (sample.outputs = [encode(f64([2], 9, 2))]))));
    expect(report.totals.output).toEqual({ passed: 0, failed: 1, unsupported: 0 });
    expect(report.ops.square.vjp).toEqual({ passed: 1, failed: 0, unsupported: 0 });
    expect(report.failures).toMatchObject([
      { op: 'square', sample: 'square/float64/0', check: 'output' },
      { op: 'square', sample: 'square/float64/0', check: 'inplace' },
    ]);
  });
});
