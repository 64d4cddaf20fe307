import type { Tensor } from 'nabla';

type GraphNode = NonNullable<Tensor['gradFn']>;

/** How many nodes the graph behind a tensor has, the accumulating ones at the leaves included. */
export function countNodes(t: Tensor): number {
  const seen = new Set<GraphNode>();
  const stack = t.gradFn === null ? [] : [t.gradFn];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    for (const [next] of node.nextFunctions) if (next !== null) stack.push(next);
  }
  return seen.size;
}

/** The time of one call: the best of several batches, in microseconds. */
export function microseconds(body: () => unknown): number {
  for (let i = 0; i < 200; i++) body();
  let best = Number.POSITIVE_INFINITY;
  for (let batch = 0; batch < 10; batch++) {
    const start = performance.now();
    for (let i = 0; i < 20; i++) body();
    best = Math.min(best, (performance.now() - start) / 20);
  }
  return Math.round(best * 1000);
}
