import { currentLevels } from '../core/levels.ts';
import type { Node } from '../core/node.ts';

/*
 * Backward passes inside backward passes. A hook or a rule may start one, and it runs there and then, on
 * top of the stack. JavaScript's stack holds some hundreds of such passes. PyTorch goes on in another
 * thread when its own gets too deep; here a pass that is nested too deeply waits until the node that
 * started it has run, and `.grad`, which is where its effect is seen, lets it run before that.
 */

/** A backward pass, for code that runs inside it. */
export interface Pass {
  /** Whether the pass runs (or has run) a node, or hands over what arrives at it. */
  willRun(node: Node): boolean;
  /** To be called when all nodes have run. */
  readonly callbacks: (() => void)[];
}

/** How many passes are started on top of one another: that leaves about 2 kB of stack to the user's part of each. */
const DEEPEST = 200;

let current: Pass | null = null;
let depth = 0;

/** Passes that wait, in the order in which they were asked for. */
export const waiting: (() => void)[] = [];

/** The innermost pass in progress. */
export function currentPass(): Pass | null {
  return current;
}

/** Makes `pass` the innermost one; gives the one that was. */
export function enterPass(pass: Pass): Pass | null {
  const outer = current;
  current = pass;
  depth += 1;
  return outer;
}

export function leavePass(outer: Pass | null, finished: boolean): void {
  if (!finished && depth === DEEPEST) waiting.length = 0;
  current = outer;
  depth -= 1;
}

/** Whether a pass that adds to `.grad` may not start now. What runs inside a transform ends with it and cannot wait. */
export function mustWait(): boolean {
  return depth >= DEEPEST && currentLevels().length === 0;
}

/** Between two nodes of a pass: runs what waits for this moment. */
export function runWaiting(): void {
  if (depth === DEEPEST) settle();
}

/** Runs whatever waits, now. */
export function settle(): void {
  if (waiting.length === 0) return;
  const todo: (() => void)[] = [];
  try {
    do {
      // What a pass has asked for comes before what was asked for after that pass.
      while (waiting.length > 0) todo.push(waiting.pop() as () => void);
      todo.pop()?.();
    } while (todo.length > 0 || waiting.length > 0);
  } finally {
    waiting.length = 0;
  }
}
