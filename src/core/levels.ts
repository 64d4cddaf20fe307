import { type ForwardLevel, forwardLevel, setForwardLevel } from './forward.ts';
import type { Op } from './op.ts';
import type { Operand, Outputs, TensorBase } from './tensor.ts';

/**
 * Whether operations are recorded, for one tape. The base tape belongs to plain tensors; every
 * `grad` transform opens a tape of its own, so that switching recording off inside it (or while its
 * backward pass runs) leaves the tapes around it running.
 */
export interface GradScope {
  enabled: boolean;
}

export const baseScope: GradScope = { enabled: true };

/**
 * One transform in progress. Tensors inside it are wrapped; `process` says what an operation on
 * wrapped tensors means, by calling operations on what is inside. A level entered later is higher:
 * the highest level among the inputs of an operation acts first.
 */
export interface Level {
  readonly id: number;
  readonly kind: 'batch' | 'dual' | 'grad';
  /** The tape that records operations of this level. */
  readonly scope: GradScope;
  /** False once the transform has returned: a wrapped tensor that outlives it cannot be used. */
  alive: boolean;
  process(op: Op, inputs: readonly Operand[], attrs: unknown): Outputs;
}

/** What a wrapped tensor holds; the batch dimension of `value` is always its first. */
export type Wrapped =
  | { readonly kind: 'batch'; readonly level: Level; readonly value: TensorBase }
  | { readonly kind: 'dual'; readonly level: Level; readonly value: TensorBase; readonly tangent: TensorBase | null }
  | { readonly kind: 'grad'; readonly level: Level; readonly value: TensorBase };

let lastId = 0;
export function nextLevelId(): number {
  lastId += 1;
  return lastId;
}

const stack: Level[] = [];

export function currentLevels(): readonly Level[] {
  return stack;
}

/** The tape that grad modes act on and that code running now would record on. */
export function currentScope(): GradScope {
  const top = stack.at(-1);
  return top === undefined ? baseScope : top.scope;
}

/** Runs `body` inside `level`. The level is left, and dies, also when `body` throws. */
export function withLevel<R>(level: Level, body: () => R): R {
  const depth = stack.push(level);
  try {
    return body();
  } finally {
    stack.length = depth - 1;
    level.alive = false;
  }
}

export function scopeOf(level: Level | null): GradScope {
  return level === null ? baseScope : level.scope;
}

/** The transforms in progress and which tapes are recording: what code must find again to run later as it ran then. */
export interface Surroundings {
  readonly levels: readonly Level[];
  readonly forward: ForwardLevel | null;
  readonly recording: readonly (readonly [scope: GradScope, enabled: boolean])[];
}

export function surroundings(): Surroundings {
  const scopes = new Set([baseScope, ...stack.map((level) => level.scope)]);
  return {
    levels: stack.slice(),
    forward: forwardLevel,
    recording: [...scopes].map((scope) => [scope, scope.enabled]),
  };
}

/** Runs `body` as if it were called where `there` was noted, also if the transforms of that time have returned. */
export function runWithin<R>(there: Surroundings, body: () => R): R {
  const levels = stack.slice();
  const alive = there.levels.map((level) => level.alive);
  const enabled = there.recording.map(([scope]) => scope.enabled);
  const forward = forwardLevel;
  try {
    setForwardLevel(there.forward);
    stack.splice(0, stack.length, ...there.levels);
    for (const level of there.levels) level.alive = true;
    for (const [scope, on] of there.recording) scope.enabled = on;
    return body();
  } finally {
    setForwardLevel(forward);
    stack.splice(0, stack.length, ...levels);
    there.levels.forEach((level, i) => {
      level.alive = alive[i];
    });
    there.recording.forEach(([scope], i) => {
      scope.enabled = enabled[i];
    });
  }
}
