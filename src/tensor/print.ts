import { type DType, dtypeInfo, getDefaultDtype } from '../core/dtype.ts';
import { ArgumentError } from '../core/errors.ts';
import { fixed, scientific } from './decimal.ts';
import { checkOptions } from './options.ts';

/** What printing needs to know of a tensor. */
export interface Printable {
  readonly shape: readonly number[];
  readonly dtype: DType;
  /** The element with this number in row-major order; a summarised tensor is asked only for what it shows. */
  at(index: number): number;
  readonly requiresGrad: boolean;
  /** The name of the node that made the tensor, such as `MulBackward0`; null for a leaf. */
  readonly gradFnName: string | null;
  /** Its tangent, in forward mode. */
  readonly tangent?: Printable | null;
}

export interface PrintOptions {
  /** Digits after the point (4). */
  readonly precision?: number;
  /** A tensor of more elements than this is summarised (1000); Infinity for never. */
  readonly threshold?: number;
  /** Elements shown at either end of a summarised dimension (3). */
  readonly edgeitems?: number;
  /** Characters a line may have (80). */
  readonly linewidth?: number;
  /** A set of defaults that the other options refine: `short` has precision 2 and edgeitems 2, `full` no threshold. */
  readonly profile?: 'default' | 'short' | 'full';
  /** Scientific notation always or never; null, and leaving it out, chooses by the values. */
  readonly sciMode?: boolean | null;
}

interface Settings {
  readonly precision: number;
  readonly threshold: number;
  readonly edgeitems: number;
  readonly linewidth: number;
  readonly sciMode: boolean | null;
}

const defaults: Settings = { precision: 4, threshold: 1000, edgeitems: 3, linewidth: 80, sciMode: null };

const profiles: Readonly<Record<string, Settings>> = {
  default: defaults,
  short: { ...defaults, precision: 2, edgeitems: 2 },
  full: { ...defaults, threshold: Number.POSITIVE_INFINITY },
};

let settings = defaults;

/**
 * How tensors are printed from now on, as `torch.set_printoptions`: options left out keep their value, except
 * `sciMode`, which goes back to automatic.
 */
export function setPrintOptions(options: PrintOptions = {}): void {
  checkOptions('setPrintOptions', options, [...Object.keys(defaults), 'profile']);
  const { profile, precision, threshold, edgeitems, linewidth, sciMode } = options;
  if (profile !== undefined && !Object.hasOwn(profiles, profile)) {
    throw new ArgumentError(
      `setPrintOptions: profile must be one of ${Object.keys(profiles).join(', ')}, but got ${JSON.stringify(profile)}`,
    );
  }
  checkNumber('precision', precision, 0, true);
  checkNumber('threshold', threshold, 0, false);
  checkNumber('edgeitems', edgeitems, 1, true);
  checkNumber('linewidth', linewidth, 1, false);
  const base = profile === undefined ? settings : profiles[profile];
  settings = {
    precision: precision ?? base.precision,
    threshold: threshold ?? base.threshold,
    edgeitems: edgeitems ?? base.edgeitems,
    linewidth: linewidth ?? base.linewidth,
    sciMode: sciMode ?? null,
  };
}

/** The options in force, in the form that `setPrintOptions` takes. */
export function getPrintOptions(): Required<Omit<PrintOptions, 'profile'>> {
  return { ...settings };
}

function checkNumber(name: string, value: unknown, least: number, integer: boolean): void {
  if (value === undefined) return;
  if (typeof value !== 'number' || !(value >= least) || (integer && !Number.isInteger(value))) {
    throw new ArgumentError(
      `setPrintOptions: ${name} must be ${integer ? 'an integer' : 'a number'} of at least ${least}, ` +
        `but got ${String(value)}`,
    );
  }
}

/** The elements to show, in row-major order, and which dimensions they leave a gap in. */
interface Excerpt {
  /** How many positions of each dimension are shown. */
  readonly sizes: readonly number[];
  readonly gaps: readonly boolean[];
  readonly values: readonly number[];
}

const elementCount = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

function excerpt(t: Printable): Excerpt {
  const { edgeitems, threshold } = settings;
  const summarise = elementCount(t.shape) > threshold;
  const gaps = t.shape.map((size) => summarise && size > 2 * edgeitems);
  const sizes = t.shape.map((size, d) => (gaps[d] ? 2 * edgeitems : size));
  const values: number[] = [];
  const collect = (d: number, base: number): void => {
    if (d === sizes.length) {
      values.push(t.at(base));
      return;
    }
    const size = t.shape[d];
    for (let i = 0; i < sizes[d]; i++) {
      collect(d + 1, base * size + (gaps[d] && i >= edgeitems ? size - 2 * edgeitems + i : i));
    }
  };
  collect(0, 0);
  return { sizes, gaps, values };
}

/** What is shown of a dimension, with a mark where elements are left out. */
function withGap(parts: string[], gap: boolean, mark: string): string[] {
  return gap ? parts.toSpliced(settings.edgeitems, 0, mark) : parts;
}

interface Formatter {
  readonly width: number;
  format(value: number): string;
}

/** Chooses one format for all the values, and the width of the widest. */
function formatter(dtype: DType, values: readonly number[]): Formatter {
  const { kind } = dtypeInfo(dtype);
  if (kind === 'float') return floatFormatter(values);
  const format = kind === 'bool' ? (x: number) => (x ? 'True' : 'False') : String;
  return { width: widest(values, format), format };
}

/**
 * All digits at `precision`, in scientific notation where the magnitudes are too far apart or too large or small;
 * if every number is an integer, a bare point instead. The width is of the finite nonzero numbers, in the notation
 * chosen automatically: an imposed one may overrun it, as in PyTorch.
 */
function floatFormatter(values: readonly number[]): Formatter {
  const { precision, sciMode } = settings;
  const integer = (x: number) => (Number.isFinite(x) ? `${fixed(x, 0)}.` : fixed(x, 0));
  const decimal = (x: number) => fixed(x, precision);
  const exponential = (x: number) => scientific(x, precision);

  const numbers = values.filter((x) => Number.isFinite(x) && x !== 0);
  if (numbers.length === 0) return { width: 1, format: integer };
  let min = Number.POSITIVE_INFINITY;
  let max = 0;
  for (const x of numbers) {
    min = Math.min(min, Math.abs(x));
    max = Math.max(max, Math.abs(x));
  }
  const plain = numbers.every(Number.isInteger) ? integer : decimal;
  const scientificFits = max / min > 1000 || max > 1e8 || (plain === decimal && min < 1e-4);
  const format = (sciMode ?? scientificFits) ? exponential : plain;
  return { width: widest(numbers, scientificFits ? exponential : plain), format };
}

function widest(values: readonly number[], format: (x: number) => string): number {
  return values.reduce((width, x) => Math.max(width, format(x).length), 1);
}

/** The bracketed elements; `indent` is the column of the first bracket. */
function body(t: Printable, indent: number): string {
  const { sizes, gaps, values } = excerpt(t);
  const { width, format } = formatter(t.dtype, values);
  const cells = values.map((x) => format(x).padStart(width));
  if (sizes.length === 0) return cells[0];

  const rank = sizes.length;
  const vector = (start: number, column: number): string => {
    const data = withGap(cells.slice(start, start + sizes[rank - 1]), gaps[rank - 1], ' ...');
    const perLine = Math.max(1, Math.floor((settings.linewidth - column) / (width + 2)));
    const lines: string[] = [];
    for (let i = 0; i < data.length; i += perLine) lines.push(data.slice(i, i + perLine).join(', '));
    return `[${lines.join(`,\n${' '.repeat(column + 1)}`)}]`;
  };

  const nested = (d: number, start: number, column: number): string => {
    if (d === rank - 1) return vector(start, column);
    const stride = elementCount(sizes.slice(d + 1));
    const slices = Array.from({ length: sizes[d] }, (_, i) => nested(d + 1, start + i * stride, column + 1));
    const separator = `,${'\n'.repeat(rank - 1 - d)}${' '.repeat(column + 1)}`;
    return `[${withGap(slices, gaps[d], '...').join(separator)}]`;
  };
  return nested(0, 0, indent);
}

/** PyTorch's `repr` of a tensor, to the character but for the `torch.` of dtypes. */
export function formatTensor(t: Printable): string {
  const prefix = 'tensor(';
  const empty = elementCount(t.shape) === 0;
  // Each suffix with the characters it has in PyTorch: lines break where PyTorch's do, which writes torch.float64.
  const suffixes: [text: string, length: number][] = [];
  const add = (text: string, hidden = 0) => suffixes.push([text, text.length + hidden]);
  if (empty && t.shape.length !== 1) add(`size=(${t.shape.join(', ')})`);
  if (!inferred(t.dtype, empty)) add(`dtype=${t.dtype}`, 'torch.'.length);
  if (t.gradFnName !== null) add(`grad_fn=<${t.gradFnName}>`);
  else if (t.requiresGrad) add('requires_grad=True');
  if (t.tangent) {
    const { dtype, shape } = t.tangent;
    add(`tangent=${formatTensor(t.tangent)}`, inferred(dtype, elementCount(shape) === 0) ? 0 : 'torch.'.length);
  }

  let text = prefix + (empty ? '[]' : body(t, prefix.length));
  // PyTorch counts two characters too many on the line it starts from.
  let lineLength = text.length - text.lastIndexOf('\n') + 1;
  for (const [suffix, length] of suffixes) {
    if (lineLength + length + 2 > settings.linewidth) {
      text += `,\n${' '.repeat(prefix.length)}${suffix}`;
      lineLength = prefix.length + length;
    } else {
      text += `, ${suffix}`;
      lineLength += length + 2;
    }
  }
  return `${text})`;
}

/** Whether a reader can tell the dtype from the elements: the defaults are not named. */
function inferred(dtype: DType, empty: boolean): boolean {
  return dtype === getDefaultDtype() || (!empty && (dtype === 'int32' || dtype === 'bool'));
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (c) => escapes[c]);

/**
 * The tensor as HTML for notebooks: one table up to rank 2, and above that one table for every matrix, each with
 * its leading indices as caption. Elements are formatted and left out as in the text.
 */
export function formatHtml(t: Printable): string {
  const { sizes, gaps, values } = excerpt(t);
  const { format } = formatter(t.dtype, values);
  const rank = sizes.length;
  const cell = (text: string) => `<td style="text-align: right">${escapeHtml(text)}</td>`;

  const columns = rank === 0 ? 1 : sizes[rank - 1];
  const rows = rank < 2 ? 1 : sizes[rank - 2];
  const gapRow = `<tr>${cell('⋮').repeat(columns + (gaps[rank - 1] ? 1 : 0))}</tr>`;
  const table = (caption: string, start: number): string => {
    const lines = Array.from({ length: rows }, (_, i) => {
      const row = values.slice(start + i * columns, start + (i + 1) * columns).map((x) => cell(format(x)));
      return `<tr>${withGap(row, gaps[rank - 1], cell('…')).join('')}</tr>`;
    });
    const bodyRows = withGap(lines, gaps[rank - 2], gapRow).join('');
    return `<table><caption>${escapeHtml(caption)}</caption><tbody>${bodyRows}</tbody></table>`;
  };

  const grad = t.gradFnName !== null ? `, grad_fn=<${t.gradFnName}>` : t.requiresGrad ? ', requires_grad=True' : '';
  const title = `tensor of shape (${t.shape.join(', ')}${rank === 1 ? ',' : ''}), dtype=${t.dtype}${grad}`;
  if (values.length === 0) return `<table><caption>${escapeHtml(title)}</caption></table>`;
  if (rank <= 2) return table(title, 0);

  const nested = (d: number, start: number, leading: string): string[] => {
    if (d === rank - 2) return [table(`[${leading}:, :]`, start)];
    const stride = elementCount(sizes.slice(d + 1));
    const hidden = t.shape[d] - sizes[d];
    const parts = Array.from({ length: sizes[d] }, (_, i) => {
      const index = gaps[d] && i >= settings.edgeitems ? i + hidden : i;
      return nested(d + 1, start + i * stride, `${leading}${index}, `).join('');
    });
    return withGap(parts, gaps[d], '<p>⋮</p>');
  };
  return `<figure><figcaption>${escapeHtml(title)}</figcaption>${nested(0, 0, '').join('')}</figure>`;
}
