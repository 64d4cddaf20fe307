/**
 * Relaxed SIMD: fused multiply-adds, if the host has them and the user has not asked for results that
 * are the same on every host.
 */

import { checkTypes } from '../../core/arguments.ts';
import { compile } from './compile.ts';
import { FunctionBody, type Locals } from './encoder.ts';
import { encodeModule } from './module-bytes.ts';
import { type NativeHost, raiseFlag } from './native.ts';

let available: boolean | null = null;

let deterministic = false;
let fused: boolean | null = null;

/**
 * Switches to results that have the same bits on every host: nothing is computed with fused
 * multiply-adds, and the system's BLAS is not used. (The number of threads never changes a bit.)
 */
export function setDeterministic(on: boolean): void {
  checkTypes('setDeterministic', 'boolean', { on });
  deterministic = on;
  fused = null;
}

/** Whether results have the same bits on every host: what `setDeterministic` said last, false at first. */
export function isDeterministic(): boolean {
  return deterministic;
}

/** Whether code multiplies and adds in one step: kernels are generated for either case when it is needed. */
export function fusing(): boolean {
  fused ??= !deterministic && hasRelaxedSimd();
  return fused;
}

/**
 * Whether modules may use relaxed SIMD, and its multiply-add rounds once (if it does not, there is nothing
 * to be had from it). On Node 20 it stands behind a V8 flag, which can be raised at run time; looked at
 * when first needed, so that importing the library changes nothing.
 */
export function hasRelaxedSimd(): boolean {
  if (available === null) {
    const probe = probeBytes();
    if (!WebAssembly.validate(probe)) raise();
    available = WebAssembly.validate(probe) && fuses(probe);
  }
  return available;
}

const PROBE_MEMORY = { initialPages: 0, maximumPages: 1, shared: false } as const;

/** a² + c in one lane. */
function probeBytes(): Uint8Array<ArrayBuffer> {
  const body = new FunctionBody('probe', ['f32', 'f32'], ['f32']);
  const [a, c] = body.params as Locals<2>;
  body.get(a).op('f32x4.splat').get(a).op('f32x4.splat').get(c).op('f32x4.splat');
  body.op('f32x4.relaxed_madd').lane('f32x4.extract_lane', 0);
  return encodeModule([body], PROBE_MEMORY);
}

/** (1 + 2⁻¹²)² is 1 + 2⁻¹¹ when it is rounded; what that loses is left of it where it is not. */
function fuses(bytes: Uint8Array<ArrayBuffer>): boolean {
  const memory = new WebAssembly.Memory({ initial: PROBE_MEMORY.initialPages, maximum: PROBE_MEMORY.maximumPages });
  const { exports } = new WebAssembly.Instance(compile(bytes), { env: { memory } });
  const { probe } = exports as { readonly probe: (a: number, c: number) => number };
  return probe(1 + 2 ** -12, -1 - 2 ** -11) === 2 ** -24;
}

/** On Node 20. */
function raise(): void {
  const host = globalThis as NativeHost;
  const { node, bun } = host.process?.versions ?? {};
  if (node?.startsWith('20.') && bun === undefined) raiseFlag(host, '--experimental-wasm-relaxed-simd');
}
