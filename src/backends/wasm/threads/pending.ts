/**
 * Work that was queued for all threads, and that nobody has waited for (`queue.ts`).
 *
 * The calling thread goes on in JavaScript meanwhile. Before it touches the linear memory itself it joins the
 * workers: it does its part of what is queued, and waits for the rest. Launches join as they begin or, if they
 * were opened with `beginLaunchBeside`, run what they run by way of the queue; views and copies of the memory
 * join, too. Room that is given back or taken meanwhile is only entered in books. So whoever runs a kernel
 * outside a launch has to join himself.
 */
let finish: (() => void) | null = null;

/** Notes how what has been queued is brought to its end. */
export function leave(rest: () => void): void {
  finish = rest;
}

/** Leaves what is queued undone, for ever. */
export function forsake(): void {
  finish = null;
}

/** The operation that allocates and launches next: what goes wrong, which for what it leaves behind is later, names it. */
export const launching = { name: 'a kernel' };

/** Whether something was queued since the workers were joined last. */
export const hasLeft = (): boolean => finish !== null;

/** Returns when nothing is queued any more. What went wrong in a job is thrown here. */
export function joinWorkers(): void {
  if (finish === null) return;
  const rest = finish;
  finish = null;
  rest();
}
