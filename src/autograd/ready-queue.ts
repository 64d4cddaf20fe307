import type { Node } from '../core/node.ts';

/** No others yet. */
const EMPTY: Node[] = [];

/** Nodes that are ready, latest first: the latest, and a binary heap of the others. In a chain there are none. */
export class ReadyQueue {
  private latest: Node | null = null;
  private heap: Node[] = EMPTY;

  push(node: Node): void {
    const latest = this.latest;
    if (latest === null) this.latest = node;
    else if (latest.sequence >= node.sequence) this.insert(node);
    else {
      this.latest = node;
      this.insert(latest);
    }
  }

  /** The latest node, null if none is ready. */
  pop(): Node | null {
    const latest = this.latest;
    this.latest = this.heap.length === 0 ? null : this.take();
    return latest;
  }

  private insert(node: Node): void {
    if (this.heap === EMPTY) this.heap = [];
    const heap = this.heap;
    let i = heap.push(node) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (heap[parent].sequence >= node.sequence) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = node;
  }

  private take(): Node {
    const heap = this.heap;
    const top = heap[0];
    const last = heap.pop() as Node;
    const n = heap.length;
    if (n > 0) {
      let i = 0;
      for (;;) {
        let child = 2 * i + 1;
        if (child >= n) break;
        if (child + 1 < n && heap[child + 1].sequence > heap[child].sequence) child += 1;
        if (heap[child].sequence <= last.sequence) break;
        heap[i] = heap[child];
        i = child;
      }
      heap[i] = last;
    }
    return top;
  }
}
