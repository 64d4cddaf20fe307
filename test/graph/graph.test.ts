import { ArgumentError, AutogradError, autograd, graph, ones, type Tensor, tensor } from 'nabla';
import { describe, expect, it } from 'vitest';

function small() {
  const w = tensor([[1], [2], [3]], { requiresGrad: true });
  const b = tensor([0.5], { requiresGrad: true });
  const x = ones([4, 3]);
  const h = x.matmul(w).add(b).tanh();
  return { w, b, x, h, loss: h.mul(h).sum() };
}

/** `a -> b` pairs in a picture, whatever their attributes. */
const arrows = (text: string): string[] =>
  [...text.matchAll(/^ *(\w+) -->?(?:\|.*?\|)? (\w+)/gm)].map((m) => `${m[1]} ${m[2]}`);

describe('graph', () => {
  it('is plain data: nodes in the order they were made, edges along the data', () => {
    const { w, b, h, loss } = small();
    const g = graph(loss, { names: { w, b, h } });
    expect(JSON.parse(JSON.stringify(g))).toEqual({ ...g });
    expect(structuredClone({ ...g })).toEqual({ ...g });
    expect(
      g.nodes
        .filter((n) => n.kind === 'leaf')
        .map((n) => n.name)
        .sort(),
    ).toEqual(['b', 'w']);
    expect(g.nodes.filter((n) => n.kind === 'operation').map((n) => n.name)).toEqual([
      'mm',
      'add',
      'tanh',
      'mul',
      'sum',
    ]);
    expect(g.nodes.map((n) => n.backward)).toContain('TanhBackward0');
    const position = new Map(g.nodes.map((n, i) => [n.id, i]));
    for (const e of g.edges) expect(position.get(e.from)).toBeLessThan(position.get(e.to) as number);
    expect(g.roots).toEqual([{ label: 'result', node: g.nodes.at(-1)?.id, output: 0, shape: [], dtype: 'float32' }]);
    expect(g.labels.map((l) => l.label)).toEqual(['h']);
  });

  it('has shapes and dtypes of what flows, and what is saved', () => {
    const { w, loss, b } = small();
    const g = graph(loss, { names: { w, b } });
    const named = (name: string) => g.nodes.find((n) => n.name === name);
    expect(named('mm')?.saved).toEqual([{ role: 'input', index: 0, shape: [4, 3], dtype: 'float32' }]);
    expect(named('tanh')?.saved).toEqual([{ role: 'output', index: 0, shape: [4, 1], dtype: 'float32' }]);
    expect(g.edges.find((e) => e.from === named('w')?.id)).toMatchObject({
      to: named('mm')?.id,
      shape: [3, 1],
      input: 1,
    });
    expect(named('mm')?.released).toBe(false);
    loss.backward();
    const after = graph(loss).nodes.find((n) => n.name === 'mm');
    expect(after).toMatchObject({ released: true, saved: [] });
  });

  it('has the lines of the program, if anomaly detection was on', () => {
    const { nodes } = autograd.detectAnomaly(() => graph(small().loss));
    const lines = nodes.filter((n) => n.kind === 'operation').map((n) => n.source);
    expect(lines).toHaveLength(5);
    for (const line of lines) expect(line).toMatch(/graph\.test\.ts:\d+:\d+$/);
    expect(graph(small().loss).nodes.map((n) => n.source)).toEqual(nodes.map(() => null));
  });

  it('takes several tensors, leaves, and operations with several outputs', () => {
    const x = tensor([3, 1, 2], { dtype: 'float64', requiresGrad: true });
    const { values } = x.max(0);
    const g = graph([values.mul(2), x], { names: [['x', x]] });
    expect(g.roots.map((r) => r.label)).toEqual(['result 1', 'x']);
    expect(g.nodes.map((n) => n.name)).toEqual(['x', 'max', 'mul']);
    expect(g.toDot()).toContain('[3] float64');
  });

  it('draws every edge once in each direction', () => {
    const { loss } = small();
    const g = graph(loss);
    const forward = g.edges.map((e) => `${e.from} ${e.to}`);
    for (const text of [g.toDot({ view: 'forward' }), g.toMermaid({ view: 'forward' })]) {
      expect(
        arrows(text.replaceAll('->', '-->').replaceAll('-->>', '-->').replaceAll('--->', '-->'))
          .filter((a) => !/ r\d/.test(a))
          .sort(),
      ).toEqual(forward.toSorted());
    }
    const backward = g.edges.map((e) => `b_${e.to} b_${e.from}`);
    expect(
      arrows(g.toMermaid({ view: 'backward' }))
        .filter((a) => !a.startsWith('g'))
        .sort(),
    ).toEqual(backward.sort());
    expect(g.toMermaid()).toContain('subgraph forward');
    expect(g.toMermaid()).toContain('subgraph backward');
  });

  it('escapes names', () => {
    const x = tensor(1, { requiresGrad: true });
    const g = graph(x.mul(2), { names: { 'a "quoted" \\ <name> & more': x } });
    expect(g.toDot()).toContain('a \\"quoted\\" \\\\ <name> & more');
    expect(g.toMermaid()).toContain('a #quot;quoted#quot; \\ <name> #amp; more');
  });

  it('is SVG and HTML that load nothing', async () => {
    const { w, b, loss } = small();
    const g = graph(loss, { names: { 'w<1>': w, b } });
    const svg = await g.toSvg();
    expect(svg).toMatch(/^<svg[\s\S]*<\/svg>\s*$/);
    for (const text of ['TanhBackward0', 'tanh', 'w&lt;1&gt;', '[4, 3]']) expect(svg).toContain(text);
    const html = await g.toHtml({ view: 'backward' });
    expect(html).toMatch(/^<!doctype html>/);
    expect(html).not.toMatch(/<script|<link|src=|@import/);
    expect(html).toContain('<td>w&lt;1&gt;</td>');
    // Every node and every edge has its drawing.
    const drawn = await g.toSvg({ view: 'forward' });
    expect(drawn.match(/class="node"/g)).toHaveLength(g.nodes.length + 1);
    expect(drawn.match(/class="edge"/g)).toHaveLength(g.edges.length + 1);
  });

  it('uses the Graphviz it is given', async () => {
    const { loss } = small();
    const viz = { renderString: (dot: string) => `<?xml?><svg>${dot.length}</svg>` };
    const g = graph(loss);
    expect(await g.toSvg({ viz })).toBe(`<svg>${g.toDot().length}</svg>`);
    await expect(g.toSvg({ viz: {} as typeof viz })).rejects.toThrow(ArgumentError);
  });

  it('shows itself in notebooks', async () => {
    const { loss } = small();
    const g = graph(loss) as unknown as Record<symbol, () => Promise<Record<string, string>>>;
    const bundle = await g[Symbol.for('Jupyter.display')]();
    expect(Object.keys(bundle).sort()).toEqual(['image/svg+xml', 'text/html', 'text/plain', 'text/vnd.mermaid']);
  });

  it('refuses what has no graph, and options it does not know', () => {
    expect(() => graph(ones([2]))).toThrow(AutogradError);
    expect(() => graph(ones([2]))).toThrow('element 0 of tensors does not require grad');
    expect(() => graph([])).toThrow('at least one tensor');
    expect(() => graph(3 as unknown as Tensor)).toThrow(ArgumentError);
    const { loss } = small();
    expect(() => graph(loss, { name: {} } as never)).toThrow("unexpected option 'name'");
    expect(() => graph(loss, { names: { w: 1 } } as never)).toThrow('names.w is not a Tensor');
    expect(() => graph(loss).toDot({ view: 'sideways' } as never)).toThrow("view must be 'both'");
  });

  it('refuses to lay out thousands of nodes, but describes them', async () => {
    let y = tensor(1, { requiresGrad: true }) as Tensor;
    for (let i = 0; i < 3000; i++) y = y.mul(1.001);
    const g = graph(y);
    expect(g.nodes).toHaveLength(3001);
    await expect(g.toSvg()).rejects.toThrow('3001 nodes are too many to draw');
  });
});
