import type { GraphData } from './data.ts';
import { labelsByNode, sizeText, type View } from './dot.ts';

/** Mermaid reads text in quotes, with entities for what would end it. */
const quote = (text: string): string => `"${text.replaceAll('&', '#amp;').replaceAll('"', '#quot;')}"`;

function half(name: string, lines: readonly string[]): string[] {
  return [`  subgraph ${name}`, '    direction TB', ...lines.map((line) => `    ${line}`), '  end'];
}

/** The graph in the language of Mermaid, which Markdown on many sites draws. */
export function toMermaid(data: GraphData, view: View): string {
  const lines = ['flowchart TB'];
  if (view !== 'backward') {
    const labels = labelsByNode(data.labels);
    lines.push(
      ...half('forward', [
        ...data.nodes.map((node) => {
          const text = [node.name, ...(labels.get(node.id) ?? [])].join(' ');
          return node.kind === 'leaf'
            ? `${node.id}([${quote(`${text} ${sizeText(node.outputs[0])}`)}])`
            : `${node.id}[${quote(text)}]`;
        }),
        ...data.edges.map((e) => `${e.from} -->|${quote(sizeText(e))}| ${e.to}`),
        ...data.roots.flatMap((root, i) => [
          `r${i}([${quote(`${root.label} ${sizeText(root)}`)}])`,
          `${root.node} --> r${i}`,
        ]),
      ]),
    );
  }
  if (view !== 'forward') {
    lines.push(
      ...half('backward', [
        ...data.roots.flatMap((root, i) => [
          `g${i}([${quote(`gradient of ${root.label} ${sizeText(root)}`)}])`,
          `g${i} --> b_${root.node}`,
        ]),
        ...data.nodes
          .toReversed()
          .map(
            (node) =>
              `b_${node.id}[${quote(node.kind === 'leaf' ? `${node.backward} ${node.name}.grad` : node.backward)}]`,
          ),
        ...data.edges.map((e) => `b_${e.to} -->|${quote(sizeText(e))}| b_${e.from}`),
      ]),
    );
  }
  return `${lines.join('\n')}\n`;
}
