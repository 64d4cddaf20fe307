/** Seeing the graph that gradients will flow through. */
import { ArgumentError } from '../core/errors.ts';
import { jupyterDisplay } from '../tensor/display.ts';
import { checkOptions } from '../tensor/options.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { collect, type GraphData, type GraphEdge, type GraphLabel, type GraphNode, type Names } from './data.ts';
import { toDot, type View } from './dot.ts';
import { toMermaid } from './mermaid.ts';
import { drawSvg, type Graphviz, page } from './page.ts';

export type { GraphData } from './data.ts';

/** What `graph` may be told of the tensors in a graph. */
export interface GraphOptions {
  /** Names of leaves (parameters) and of results on the way, as they shall stand in the picture. */
  readonly names?: Names;
}

/** Which side of a graph is drawn. */
export interface DrawOptions {
  /** Forward and backward side by side (the default), or one of them. */
  readonly view?: View;
}

export interface SvgOptions extends DrawOptions {
  /** Graphviz, if `@viz-js/viz` cannot be imported by its name. */
  readonly viz?: Graphviz;
}

function viewOf(op: string, options: DrawOptions | undefined, known: readonly string[]): View {
  checkOptions(op, options, known);
  const view = options?.view ?? 'both';
  if (view !== 'both' && view !== 'forward' && view !== 'backward')
    throw new ArgumentError(`${op}: view must be 'both', 'forward' or 'backward', got ${JSON.stringify(view)}`);
  return view;
}

/**
 * A graph as plain data, which `JSON.stringify` and `structuredClone` take as it is, and ways to draw it.
 * It holds no tensors: the program goes on as if nobody had looked.
 */
export class Graph implements GraphData {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly roots: readonly GraphLabel[];
  readonly labels: readonly GraphLabel[];

  constructor(data: GraphData) {
    this.nodes = data.nodes;
    this.edges = data.edges;
    this.roots = data.roots;
    this.labels = data.labels;
  }

  /** The graph in DOT, the language of Graphviz. */
  toDot(options?: DrawOptions): string {
    return toDot(this, viewOf('graph.toDot', options, ['view']));
  }

  /** The graph in Mermaid, for Markdown. */
  toMermaid(options?: DrawOptions): string {
    return toMermaid(this, viewOf('graph.toMermaid', options, ['view']));
  }

  /**
   * One self-contained `<svg>` element.
   *
   * @throws {NotImplementedError} if the optional package `@viz-js/viz` is not installed.
   */
  async toSvg(options?: SvgOptions): Promise<string> {
    const dot = toDot(this, viewOf('graph.toSvg', options, ['view', 'viz']));
    return drawSvg(dot, this, options?.viz);
  }

  /** A self-contained page: the drawing, and a table of the nodes. */
  async toHtml(options?: SvgOptions): Promise<string> {
    const dot = toDot(this, viewOf('graph.toHtml', options, ['view', 'viz']));
    return page(await drawSvg(dot, this, options?.viz), this);
  }

  /** What notebooks show: the drawing where Graphviz is there, and Mermaid and DOT in any case. */
  async [jupyterDisplay](): Promise<Record<string, string>> {
    const texts = { 'text/plain': this.toDot(), 'text/vnd.mermaid': this.toMermaid() };
    try {
      const svg = await this.toSvg();
      return { ...texts, 'image/svg+xml': svg, 'text/html': `<div style="overflow:auto">${svg}</div>` };
    } catch {
      return texts;
    }
  }
}

/**
 * The graph behind one or several tensors: what was computed on the way from the leaves, with shapes,
 * dtypes and saved tensors, and what the backward pass will run.
 *
 * @param tensors What would be differentiated, such as the loss.
 * @throws {AutogradError} if one of them does not require grad.
 *
 * @example
 * const g = graph(loss, { names: { w, b } });
 * console.log(g.toMermaid());
 * await writeFile('graph.html', await g.toHtml());
 */
export function graph(tensors: Tensor | readonly Tensor[], options?: GraphOptions): Graph {
  checkOptions('graph', options, ['names']);
  const list = Array.isArray(tensors) ? (tensors as readonly Tensor[]) : [tensors as Tensor];
  if (list.length === 0) throw new ArgumentError('graph: expected at least one tensor');
  return new Graph(collect(list, options?.names ?? {}));
}
