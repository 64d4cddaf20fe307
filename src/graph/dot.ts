import { getDefaultDtype } from '../core/dtype.ts';
import type { GraphData, GraphLabel, GraphNode, GraphSaved, GraphValue } from './data.ts';

/** Which of the two directions is drawn. */
export type View = 'both' | 'forward' | 'backward';

/** `[2, 3]`, with the dtype where it is not the usual one. */
export function sizeText({ shape, dtype }: GraphValue): string {
  return `[${shape.join(', ')}]${dtype === getDefaultDtype() ? '' : ` ${dtype}`}`;
}

function savedText(saved: GraphSaved): string {
  return `${saved.role} ${saved.index} ${sizeText(saved)}`;
}

/** What a node says about itself beyond its name. */
export function details(node: GraphNode): string[] {
  const lines = node.outputs.map((y, i) => `${node.outputs.length > 1 ? `output ${i} ` : ''}${sizeText(y)}`);
  if (node.saved.length > 0) lines.push(`saves ${node.saved.map(savedText).join(', ')}`);
  if (node.released) lines.push('saved tensors were released');
  if (node.source !== null) lines.push(node.source);
  return lines;
}

const quote = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

function attributes(of: Readonly<Record<string, string>>): string {
  return `[${Object.entries(of)
    .map(([key, value]) => `${key}=${quote(value)}`)
    .join(', ')}]`;
}

const BOX = { shape: 'box', style: 'filled,rounded' };
const COLOURS = { leaf: '#d5e8d4', operation: '#f5f5f5', result: '#ffe6cc', backward: '#dae8fc', saved: '#b85450' };

/** The labels that belong to each node, as lines. */
export function labelsByNode(labels: readonly GraphLabel[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { node, label } of labels) found.set(node, [...(found.get(node) ?? []), label]);
  return found;
}

function forwardHalf(data: GraphData): string[] {
  const labels = labelsByNode(data.labels);
  return [
    ...data.nodes.map((node) => {
      const text = [node.name, ...(labels.get(node.id) ?? [])];
      if (node.kind === 'leaf') text.push(sizeText(node.outputs[0]));
      const look = { ...BOX, fillcolor: COLOURS[node.kind], tooltip: [node.name, ...details(node)].join('\n') };
      return `    ${node.id} ${attributes({ label: text.join('\n'), ...look })};`;
    }),
    ...data.edges.map((e) => `    ${e.from} -> ${e.to} ${attributes({ label: sizeText(e) })};`),
    ...data.roots.flatMap((root, i) => [
      `    r${i} ${attributes({ label: `${root.label}\n${sizeText(root)}`, ...BOX, fillcolor: COLOURS.result })};`,
      `    ${root.node} -> r${i} ${attributes({ label: '' })};`,
    ]),
  ];
}

/**
 * Drawn against the arrows (`dir=back`), so that each backward node stands at the height of its
 * operation and gradients flow upwards.
 */
function backwardHalf(data: GraphData): string[] {
  return [
    ...data.nodes.map((node) => {
      const text = node.kind === 'leaf' ? `${node.backward}\n${node.name}.grad` : node.backward;
      const look = { ...BOX, fillcolor: COLOURS.backward, tooltip: [node.backward, ...details(node)].join('\n') };
      return `    b_${node.id} ${attributes({ label: text, ...look })};`;
    }),
    ...data.edges.map(
      (e) => `    b_${e.from} -> b_${e.to} ${attributes({ label: sizeText(e), dir: 'back', color: '#6c8ebf' })};`,
    ),
    ...data.roots.flatMap((root, i) => [
      `    g${i} ${attributes({ label: `gradient of ${root.label}\n${sizeText(root)}`, ...BOX, fillcolor: COLOURS.result })};`,
      `    b_${root.node} -> g${i} ${attributes({ label: '', dir: 'back', color: '#6c8ebf' })};`,
    ]),
  ];
}

/** From where a saved tensor was made to the backward node that keeps it. */
function savedEdges(data: GraphData): string[] {
  const makers = new Map(data.edges.map((e) => [`${e.to} ${e.input}`, e.from]));
  const drawn = new Set<string>();
  return data.nodes.flatMap((node) =>
    node.saved.flatMap((saved) => {
      const from = saved.role === 'output' ? node.id : makers.get(`${node.id} ${saved.index}`);
      const look = { style: 'dashed', color: COLOURS.saved };
      if (from !== undefined) {
        const arrow = `${from} -> b_${node.id}`;
        if (drawn.has(arrow)) return [];
        drawn.add(arrow);
        return `  ${arrow} ${attributes({ ...look, constraint: 'false', tooltip: savedText(saved) })};`;
      }
      // A tensor that no gradient flows to stands beside the node that saved it.
      const id = `s_${node.id}_${saved.index}`;
      return [
        `  ${id} ${attributes({ label: sizeText(saved), shape: 'note', color: COLOURS.saved, fontcolor: COLOURS.saved })};`,
        `  ${id} -> b_${node.id} ${attributes(look)};`,
      ];
    }),
  );
}

function cluster(name: string, label: string, lines: readonly string[]): string[] {
  return [`  subgraph cluster_${name} {`, `    label=${quote(label)}; color="#999999";`, ...lines, '  }'];
}

/** The graph in the language of Graphviz. */
export function toDot(data: GraphData, view: View): string {
  const lines = [
    'digraph nabla {',
    '  rankdir=TB; fontname="Helvetica"; bgcolor="transparent";',
    '  node [fontname="Helvetica", fontsize=11, margin="0.12,0.06", height=0.3];',
    '  edge [fontname="Helvetica", fontsize=9, arrowsize=0.7];',
  ];
  // Graphviz puts what comes later further to the left.
  if (view !== 'forward') lines.push(...cluster('backward', 'backward: gradients flow up', backwardHalf(data)));
  if (view !== 'backward') lines.push(...cluster('forward', 'forward: values flow down', forwardHalf(data)));
  if (view === 'both') lines.push(...savedEdges(data));
  return `${[...lines, '}'].join('\n')}\n`;
}
