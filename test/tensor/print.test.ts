import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { DType } from '../../src/core/dtype.ts';
import { ArgumentError } from '../../src/core/errors.ts';
import { fixed, scientific } from '../../src/tensor/decimal.ts';
import {
  formatHtml,
  formatTensor,
  getPrintOptions,
  type Printable,
  type PrintOptions,
  setPrintOptions,
} from '../../src/tensor/print.ts';
import { fixture } from '../support/fixture.ts';

type TorchDType = DType | 'int64';

/** int64 stands for the default integer type, which is int32 here. */
const ours = (dtype: TorchDType): DType => (dtype === 'int64' ? 'int32' : dtype);

function decode(dtype: TorchDType, data: string | readonly number[]): readonly number[] {
  if (typeof data !== 'string') return data;
  const bytes = new Uint8Array(Buffer.from(data, 'base64')).buffer;
  if (dtype === 'float32') return Array.from(new Float32Array(bytes));
  if (dtype === 'float64') return Array.from(new Float64Array(bytes));
  return Array.from(dtype === 'int32' || dtype === 'int64' ? new Int32Array(bytes) : new Uint8Array(bytes));
}

/** PyTorch's text with the two agreed differences. */
function expected(repr: string, dtype: TorchDType, empty: boolean): string {
  const text = repr.replaceAll('torch.', '');
  if (dtype === 'int64') return text.replace('dtype=int64', 'dtype=int32');
  return dtype === 'int32' && !empty ? text.replace(/,\s+dtype=int32/, '') : text;
}

function printable(
  shape: readonly number[],
  dtype: DType,
  values: readonly number[],
  more?: Partial<Printable>,
): Printable {
  const at = (i: number): number => {
    if (!(i in values)) throw new RangeError(`element ${i} of ${values.length} was asked for`);
    return values[i];
  };
  return { shape, dtype, at, requiresGrad: false, gradFnName: null, ...more };
}

const float = (...values: number[]): Printable => printable([values.length], 'float32', values);

afterEach(() => setPrintOptions({ profile: 'default' }));

describe('formatTensor', () => {
  interface Case {
    tensor: { dtype: TorchDType; shape: number[]; data: string | number[] };
    repr: string;
    requires_grad?: boolean;
    grad_fn?: string;
  }
  const { cases } = fixture<{ cases: Case[] }>('torch-repr');

  it('prints what PyTorch prints by default', () => {
    expect(cases.length).toBe(117);
    for (const { tensor, repr, requires_grad, grad_fn } of cases) {
      const values = decode(tensor.dtype, tensor.data);
      const gradFnName = grad_fn ?? null;
      const t = printable(tensor.shape, ours(tensor.dtype), values, {
        requiresGrad: requires_grad ?? false,
        gradFnName,
      });
      expect(formatTensor(t)).toBe(expected(repr, tensor.dtype, values.length === 0));
    }
  });

  interface OptionCase {
    shape: number[];
    dtype: TorchDType;
    data: string;
    options: PrintOptions & { sci_mode?: boolean };
    requires_grad: boolean;
    grad_fn: string | null;
    repr: string;
  }
  const more = fixture<{ cases: OptionCase[] }>('torch-repr-more').cases;

  it('prints what PyTorch prints under any print options', () => {
    for (const { shape, dtype, data, options, requires_grad, grad_fn, repr } of more) {
      const { sci_mode: sciMode, ...rest } = options;
      setPrintOptions({ profile: 'default' });
      setPrintOptions({ ...rest, sciMode });
      const values = decode(dtype, data);
      const t = printable(shape, ours(dtype), values, { requiresGrad: requires_grad, gradFnName: grad_fn });
      expect(formatTensor(t), JSON.stringify({ shape, dtype, options })).toBe(
        expected(repr, dtype, values.length === 0),
      );
    }
  });

  it('names the dtype of an empty tensor, except of the default one', () => {
    expect(formatTensor(float())).toBe('tensor([])');
    expect(formatTensor(printable([2, 0, 3], 'float32', []))).toBe('tensor([], size=(2, 0, 3))');
    expect(formatTensor(printable([0], 'int32', []))).toBe('tensor([], dtype=int32)');
    expect(formatTensor(printable([0, 1], 'bool', []))).toBe('tensor([], size=(0, 1), dtype=bool)');
  });

  it('says who made a tensor rather than that it requires a gradient', () => {
    const t = { ...printable([], 'float32', [28]), requiresGrad: true };
    expect(formatTensor(t)).toBe('tensor(28., requires_grad=True)');
    expect(formatTensor({ ...t, gradFnName: 'MulBackward0' })).toBe('tensor(28., grad_fn=<MulBackward0>)');
  });

  it('reads only what a summary shows', () => {
    const seen = new Set<number>();
    const t = { ...printable([1000, 1000], 'int32', []), at: (i: number) => seen.add(i).size % 10 };
    expect(formatTensor(t).split('\n').length).toBe(7);
    expect(seen.size).toBe(36);
    expect(Math.max(...seen)).toBe(999_999);
  });

  it('prints numbers that parse back to within half of the last digit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 1, maxLength: 20 }),
        (xs) => {
          const text = formatTensor(float(...xs)).slice(8, -2);
          const back = text.split(',').map(Number);
          expect(back.length).toBe(xs.length);
          for (const [i, x] of xs.entries()) {
            const unit = text.includes('e') ? 10 ** Math.floor(Math.log10(Math.abs(back[i]) || 1)) : 1;
            expect(Math.abs(back[i] - x)).toBeLessThanOrEqual(0.5001e-4 * unit);
          }
        },
      ),
    );
  });

  it('puts brackets and commas for every rank', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 }), (shape) => {
        const n = shape.reduce((a, b) => a * b, 1);
        const values = Array.from({ length: n }, (_, i) => i);
        const nested: unknown = JSON.parse(formatTensor(printable(shape, 'int32', values)).slice(7, -1));
        const sizes: number[] = [];
        for (let x = nested; Array.isArray(x); x = x[0]) sizes.push(x.length);
        expect(sizes).toEqual(shape);
        expect([nested].flat(Infinity)).toEqual(values);
      }),
    );
  });
});

describe('setPrintOptions', () => {
  it('may be called without any', () => {
    setPrintOptions({ precision: 2, sciMode: true });
    setPrintOptions();
    expect(getPrintOptions()).toMatchObject({ precision: 2, sciMode: null });
    setPrintOptions({ profile: 'default' });
  });

  it('keeps what is left out, except sciMode', () => {
    setPrintOptions({ precision: 2, sciMode: true });
    expect(formatTensor(float(1.5))).toBe('tensor([1.50e+00])');
    setPrintOptions({ linewidth: 20 });
    expect(getPrintOptions()).toEqual({ precision: 2, threshold: 1000, edgeitems: 3, linewidth: 20, sciMode: null });
    expect(formatTensor(float(1.5))).toBe('tensor([1.50])');
  });

  it('starts from a profile and refines it', () => {
    setPrintOptions({ profile: 'short', edgeitems: 1 });
    expect(getPrintOptions()).toEqual({ precision: 2, threshold: 1000, edgeitems: 1, linewidth: 80, sciMode: null });
    setPrintOptions({ profile: 'full' });
    expect(getPrintOptions().threshold).toBe(Number.POSITIVE_INFINITY);
  });

  it.each([
    { precision: -1 },
    { precision: 1.5 },
    { threshold: Number.NaN },
    { edgeitems: 0 },
    { linewidth: 0 },
    { linewidth: '80' },
    { profile: 'long' },
    { profile: 'toString' },
    { sciMode: 1 },
    { sci_mode: true },
  ])('refuses %j and changes nothing', (options) => {
    const before = getPrintOptions();
    expect(() => setPrintOptions({ precision: 7, ...options } as PrintOptions)).toThrow(ArgumentError);
    expect(getPrintOptions()).toEqual(before);
  });
});

describe('decimal text', () => {
  it('rounds from the exact binary value, ties to even', () => {
    expect(fixed(0.03125, 4)).toBe('0.0312');
    expect(fixed(0.09375, 4)).toBe('0.0938');
    expect(fixed(2.5, 0)).toBe('2');
    expect(fixed(-0.5, 0)).toBe('-0');
    expect(fixed(1.005, 2)).toBe('1.00');
    expect(fixed(2 ** 70, 1)).toBe('1180591620717411303424.0');
    expect(fixed(5e-324, 3)).toBe('0.000');
    expect(scientific(2.5, 0)).toBe('2e+00');
    expect(scientific(9.99994, 4)).toBe('9.9999e+00');
    expect(scientific(9.99996, 4)).toBe('1.0000e+01');
    expect(scientific(1e23, 4)).toBe('1.0000e+23');
    expect(scientific(1e23, 20)).toBe('9.99999999999999916114e+22');
    expect(scientific(5e-324, 2)).toBe('4.94e-324');
    expect(scientific(1e-323, 1)).toBe('9.9e-324');
    expect(scientific(-0, 2)).toBe('-0.00e+00');
  });

  it('agrees with toFixed and toExponential, which are exact below 10²¹ but for ties', () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e20, max: 1e20, noNaN: true }),
        fc.integer({ min: 0, max: 12 }),
        (x, precision) => {
          const tie = Number.isInteger(x * 2 ** (precision + 1));
          if (!tie) expect(fixed(x, precision)).toBe((x < 0 ? '-' : '') + Math.abs(x).toFixed(precision));
          const [mantissa, exponent] = scientific(x, precision).split('e');
          const [mantissaJs, exponentJs] = x.toExponential(precision).split('e');
          if (!tie && x !== 0) expect([mantissa, Number(exponent)]).toEqual([mantissaJs, Number(exponentJs)]);
        },
      ),
    );
  });
});

describe('formatHtml', () => {
  it('is one table up to rank 2', () => {
    const td = (text: string) => `<td style="text-align: right">${text}</td>`;
    expect(formatHtml(printable([2, 2], 'int32', [1, -20, 300, 4]))).toBe(
      '<table><caption>tensor of shape (2, 2), dtype=int32</caption><tbody>' +
        `<tr>${td('1')}${td('-20')}</tr><tr>${td('300')}${td('4')}</tr></tbody></table>`,
    );
    expect(formatHtml(float(0.5))).toContain(`shape (1,), dtype=float32</caption><tbody><tr>${td('0.5000')}</tr>`);
    expect(formatHtml(printable([], 'bool', [1]))).toContain(`<tr>${td('True')}</tr>`);
    expect(formatHtml(printable([0, 2], 'float32', []))).toBe(
      '<table><caption>tensor of shape (0, 2), dtype=float32</caption></table>',
    );
  });

  it('leaves out what the text leaves out', () => {
    const html = formatHtml(printable([100, 2, 50], 'int32', Array(10_000).fill(7)));
    expect(html.match(/<table>/g)).toHaveLength(6);
    expect(html).toContain('<caption>[97, :, :]</caption>');
    expect(html.match(/<td/g)).toHaveLength(6 * 2 * 7);
    expect(html.match(/<p>⋮<\/p>/g)).toHaveLength(1);
    const long = formatHtml(printable([2000, 3], 'int32', Array(6000).fill(7)));
    expect(long.match(/⋮/g)).toHaveLength(3);
  });

  it('escapes the name of a user’s function', () => {
    const html = formatHtml({ ...float(1), gradFnName: '<img src="x" onerror=\'a&b\'>' });
    expect(html).toContain('grad_fn=&lt;&lt;img src=&quot;x&quot; onerror=&#39;a&amp;b&#39;&gt;&gt;');
  });

  it('nests tags for every shape', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 12 }), { maxLength: 4 }), (shape) => {
        setPrintOptions({ threshold: 20, edgeitems: 2 });
        const n = shape.reduce((a, b) => a * b, 1);
        const open: string[] = [];
        for (const [, slash, tag] of formatHtml(printable(shape, 'int32', Array(n).fill(1))).matchAll(/<(\/?)(\w+)/g)) {
          if (slash) expect(open.pop()).toBe(tag);
          else open.push(tag);
        }
        expect(open).toEqual([]);
      }),
    );
  });
});
