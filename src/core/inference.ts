import { AutogradError } from './errors.ts';
import { baseScope, currentLevels, type GradScope } from './levels.ts';

/*
 * In inference mode nothing is recorded, and what is made there is known never to take part in a graph:
 * nobody needs to count its changes. Storages made there have a version far below zero, which stays
 * below zero however often they are written; that is what tells an inference tensor.
 */

/** The version of a storage made in inference mode. */
export const UNTRACKED = -(2 ** 30);

/** Whether inference mode is on. */
export let inferring = false;

/** Whether there can be inference tensors. */
export let haveInference = false;

/** Whether recording was asked for inside inference mode, where it has no effect. */
let wished = false;

/** Switches inference mode on, or off inside of it, and returns what puts everything back. */
export function enterInference(on: boolean): () => void {
  const scopes = new Set<GradScope>([baseScope, ...currentLevels().map((level) => level.scope)]);
  const before = [...scopes].map((scope) => [scope, scope.enabled] as const);
  const outer = { inferring, wished };
  inferring = on;
  haveInference ||= on;
  wished = false;
  for (const scope of scopes) scope.enabled = !on;
  return () => {
    ({ inferring, wished } = outer);
    for (const [scope, enabled] of before) scope.enabled = enabled;
  };
}

/** Notes that recording was switched on or off in inference mode; returns what it was. */
export function swapWish(enabled: boolean): boolean {
  const before = wished;
  wished = enabled;
  return before;
}

export function isRecordingWished(): boolean {
  return wished;
}

export function savedInferenceError(): AutogradError {
  return new AutogradError(
    'Inference tensors cannot be saved for backward. To work around you can make a clone to get a normal tensor and use it in autograd: x.clone(), or use noGrad instead of inferenceMode.',
  );
}
