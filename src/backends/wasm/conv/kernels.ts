/** The functions of a convolution module, for one element type. */
import type { FunctionBody } from '../encoder.ts';
import type { GemmKernels } from '../gemm-kernels.ts';
import { TILE_ROWS } from '../gemm-tile.ts';
import { instantiate, type WasmFunction } from '../module.ts';
import { type BandWindows, emitBand, emitColumnGradient } from './band-kernels.ts';
import { DOT_WIDTHS, directName, dotsName, emitDirect, emitDots } from './direct.ts';
import { acrossName, alongName, emitPackAcross, emitPackAlong, emitSpread, emitSpreadLines } from './pack.ts';
import {
  emitStrip,
  emitStripGradient,
  gradientLines,
  gradientName,
  gradientRows,
  stripName,
  TAPS_TOGETHER,
} from './strip-kernels.ts';
import { steps } from './tables.ts';

/** How the elements of a matrix follow each other in memory: along its columns' or rows' places x, or along k. */
type Direction = 'across' | 'along';

export interface ConvKernels {
  /** `(base, xs, ks, to, k, panels)`, for panels of `width` places. */
  pack(direction: Direction, width: number): WasmFunction;
  /** See `emitSpread`. */
  readonly spread: WasmFunction;
  /** See `emitSpreadLines`. */
  spreadLines(vectors: number): WasmFunction;
  /** See `emitDirect`. */
  direct(rows: number): WasmFunction;
  /** See `emitDots`. */
  dots(width: number): WasmFunction;
  /** See `emitStrip`: for so many taps side by side and their order, and then for so many rows and the pitch of panels. */
  strips(taps: number, reversed: boolean): (rows: number, pitch: number) => WasmFunction;
  /** See `emitBand`: for tiles of so many lines. */
  band(windows: BandWindows, height: number): WasmFunction;
  /** See `emitStripGradient`. */
  stripGradient(taps: number, rows: number, lines: number): WasmFunction;
  /** See `emitColumnGradient`. */
  columnGradient(taps: number, lines: number): WasmFunction;
}

const compiled = new WeakMap<GemmKernels, ConvKernels>();

/** Kernels that sum as those of matrix products do; each part is compiled when it is first needed. */
export function convKernels(gemm: GemmKernels): ConvKernels {
  let kernels = compiled.get(gemm);
  if (kernels === undefined) {
    kernels = make(gemm);
    compiled.set(gemm, kernels);
  }
  return kernels;
}

function make({ lanes, columns }: GemmKernels): ConvKernels {
  const module = (functions: () => readonly FunctionBody[]): ((name: string) => WasmFunction) => {
    let instance: Readonly<Record<string, WasmFunction>> | null = null;
    return (name) => {
      instance ??= instantiate(functions());
      return instance[name]!;
    };
  };
  const widths = [...new Set([TILE_ROWS, columns])];
  const packs = module(() => widths.flatMap((w) => [emitPackAcross(lanes, w), emitPackAlong(lanes, w)]));
  const spread = module(() => [emitSpread(lanes)]);
  const directs = module(() => Array.from({ length: TILE_ROWS }, (_, r) => emitDirect(lanes, r + 1)));
  const dots = module(() => DOT_WIDTHS.map((w) => emitDots(lanes, w)));
  const strips = new Map<string, (name: string) => WasmFunction>();
  const ofTaps = (taps: number, reversed: boolean): ((name: string) => WasmFunction) => {
    const key = `${taps} ${reversed}`;
    let functions = strips.get(key);
    if (functions === undefined) {
      functions = module(() => [
        emitStrip(lanes, taps, reversed, 1, 1),
        ...Array.from({ length: TILE_ROWS }, (_, r) => emitStrip(lanes, taps, reversed, r + 1, TILE_ROWS)),
      ]);
      strips.set(key, functions);
    }
    return functions;
  };
  const bands = new Map<string, WasmFunction>();
  const known = (key: string, emit: () => FunctionBody): WasmFunction => {
    const kernel = bands.get(key) ?? Object.values(instantiate([emit()]))[0]!;
    bands.set(key, kernel);
    return kernel;
  };
  const upTo = (n: number): number[] => steps(n, 1, 1);
  const gradients = module(() =>
    upTo(TAPS_TOGETHER).flatMap((t) =>
      upTo(gradientRows(t)).flatMap((r) => upTo(gradientLines(r)).map((l) => emitStripGradient(lanes, t, r, l))),
    ),
  );
  return {
    pack: (direction, width) => packs(direction === 'across' ? acrossName(width) : alongName(width)),
    get spread() {
      return spread('spread');
    },
    spreadLines: (vectors) => known(`lines ${vectors}`, () => emitSpreadLines(lanes, vectors)),
    direct: (rows) => directs(directName(rows)),
    dots: (width) => dots(dotsName(width)),
    strips: (taps, reversed) => {
      const functions = ofTaps(taps, reversed);
      return (rows, pitch) => functions(stripName(rows, pitch));
    },
    band: (windows, height) =>
      known(`${Object.values(windows).join(' ')} ${height}`, () => emitBand(lanes, windows, height)),
    stripGradient: (taps, rows, lines) => gradients(gradientName(taps, rows, lines)),
    columnGradient: (...of) => known(`${of}`, () => emitColumnGradient(lanes, ...of)),
  };
}
