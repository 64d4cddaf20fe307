import type { Row } from './recorder.ts';

const PREFIXES = ['', 'k', 'M', 'G', 'T'];

/** 3 significant digits with a prefix: 12.3 M. */
function scaled(x: number): string {
  let i = 0;
  while (x >= 999.5 && i < PREFIXES.length - 1) {
    x /= 1000;
    i++;
  }
  return `${x >= 100 || Number.isInteger(x) ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2)}${i > 0 ? ` ${PREFIXES[i]}` : ''}`;
}

const perSecond = (amount: number, ms: number, unit: string): string =>
  amount > 0 && ms > 0 ? `${scaled((amount * 1000) / ms)}${unit}/s` : '';

/** One line per row, columns aligned, and a line for the whole. */
export function table(rows: readonly Row[], total: number): string {
  const inside = rows.reduce((sum, r) => sum + r.time, 0);
  const share = (ms: number): string => (total > 0 ? `${((100 * ms) / total).toFixed(1)} %` : '');
  const lines = [
    ['operation', '', 'calls', 'time', 'share', 'per call', 'bytes', 'throughput', 'FLOP/s'],
    ...rows.map((r) => [
      r.name,
      r.phase,
      String(r.calls),
      `${r.time.toFixed(2)} ms`,
      share(r.time),
      `${((1000 * r.time) / r.calls).toFixed(2)} µs`,
      `${scaled(r.bytes)}B`,
      perSecond(r.bytes, r.time, 'B'),
      perSecond(r.flops, r.time, 'FLOP'),
    ]),
    ['outside operations', '', '', `${Math.max(0, total - inside).toFixed(2)} ms`, share(Math.max(0, total - inside))],
    ['total', '', '', `${total.toFixed(2)} ms`, total > 0 ? '100.0 %' : ''],
  ];
  const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => (line[c] ?? '').length)));
  return lines
    .map((line) =>
      line
        .map((cell, c) => (c < 2 ? cell.padEnd(widths[c]) : cell.padStart(widths[c])))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
