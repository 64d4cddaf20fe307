import { ArgumentError, NotImplementedError } from '../core/errors.ts';
import type { GraphData } from './data.ts';
import { details } from './dot.ts';

/** What is used of `@viz-js/viz`, Graphviz compiled to WebAssembly. */
export interface Graphviz {
  renderString(dot: string, options: { readonly format: 'svg' }): string;
}

/** Beyond this a layout takes minutes and shows nothing. */
const MOST_NODES = 2000;

/** Graphviz: the one that was given, or the optional package, loaded when it is first needed. */
async function graphviz(given: Graphviz | undefined): Promise<Graphviz> {
  if (given !== undefined) {
    if (typeof given?.renderString !== 'function')
      throw new ArgumentError("graph: viz must be an instance of Graphviz from '@viz-js/viz': await instance()");
    return given;
  }
  try {
    const { instance } = await import('@viz-js/viz');
    return await instance();
  } catch (cause) {
    throw new NotImplementedError(
      'graph: drawing needs Graphviz, which is an optional package: npm install @viz-js/viz. Or pass { viz: await instance() } from it, or use toDot() or toMermaid() and draw elsewhere',
      { cause },
    );
  }
}

/** Lays out a graph given in DOT; the result is one `<svg>` element that needs nothing else. */
export async function drawSvg(dot: string, data: GraphData, given: Graphviz | undefined): Promise<string> {
  if (data.nodes.length > MOST_NODES) {
    throw new ArgumentError(
      `graph: ${data.nodes.length} nodes are too many to draw (at most ${MOST_NODES}); draw the graph of a part, or of fewer steps`,
    );
  }
  const svg = (await graphviz(given)).renderString(dot, { format: 'svg' });
  return svg.slice(svg.indexOf('<svg'));
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');

const STYLE = `body { font: 14px/1.4 Helvetica, Arial, sans-serif; margin: 1.5rem; color: #222; background: #fff }
figure { margin: 0; overflow: auto } figure svg { max-width: 100%; height: auto }
table { border-collapse: collapse; margin-top: 1rem } th, td { border: 1px solid #ccc; padding: .2rem .6rem; text-align: left }`;

/** A page that shows the drawing and lists the nodes; it loads nothing and runs no script. */
export function page(svg: string, data: GraphData): string {
  const rows = data.nodes.map(
    (node) =>
      `<tr><td>${escaped(node.name)}</td><td>${escaped(node.backward)}</td><td>${details(node).map(escaped).join('<br>')}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>graph of ${escaped(data.roots.map((r) => r.label).join(', '))}</title>
<style>${STYLE}</style></head><body>
<figure>${svg}</figure>
<table><thead><tr><th>operation</th><th>backward node</th><th>made, saved</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>
</body></html>
`;
}
