/** Observable Plot without a browser: draws to an SVG file. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PlotOptions } from '@observablehq/plot';
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';

const outDir = resolve(dirname(fileURLToPath(import.meta.url)), '../../out');

/** Draws a plot into `out/NAME.svg` and returns the path, relative to where the program was started. */
export function writePlot(name: string, options: PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const figure = Plot.plot({ ...options, document: document as unknown as Document });
  const svg = figure.tagName.toLowerCase() === 'svg' ? figure : figure.querySelector('svg:last-of-type');
  if (svg === null) throw new Error('the plot holds no svg');
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  mkdirSync(outDir, { recursive: true });
  const file = resolve(outDir, `${name}.svg`);
  writeFileSync(file, svg.outerHTML);
  return relative(process.cwd(), file);
}
