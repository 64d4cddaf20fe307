/**
 * Work that was left to the workers, and that nobody has waited for.
 *
 * The last job of a launch is left to them while the calling thread goes on in JavaScript: it makes the tensor and
 * its node, and prepares what comes next. Before it touches the linear memory again it joins them: it does its part
 * of what is left, and waits for the rest. Launches join as they begin or, if they were opened with
 * `beginLaunchBeside`, before they run a kernel; views and copies of the memory join, too. Room that is given back
 * or taken meanwhile is only entered in books. So whoever runs a kernel outside a launch has to join himself.
 */
let finish: (() => void) | null = null;

/** Notes what is still to be done for a job that has begun. */
export function leave(rest: () => void): void {
  finish = rest;
}

/** Returns when no worker computes any more. What went wrong in a job that was left is thrown here. */
export function joinWorkers(): void {
  if (finish === null) return;
  const rest = finish;
  finish = null;
  rest();
}
