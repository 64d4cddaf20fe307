import { autograd, forwardAd, jvp, type Tensor, vjp, vmap, zerosLike } from 'nabla';
import { describe, expect, it } from 'vitest';
import { readBytes } from '../../src/backends/wasm/heap.ts';
import { type Op, operations } from '../../src/core/op.ts';
import type { Operand, Outputs, TensorBase } from '../../src/core/tensor.ts';
import { examplesOf, stacked } from '../support/batches.ts';
import { expectClose, expectNear } from '../support/close.ts';
import { cotangentsFor, floatOutputs, gradcheck, gradgradcheck, outputsOf } from '../support/gradcheck.ts';
import { layouts, valuesOf } from '../support/numbers.ts';
import { convolutionSamples } from './samples/convolutions.ts';
import { elementwiseSamples } from './samples/elementwise.ts';
import { functionalSamples } from './samples/functional.ts';
import { indexingSamples } from './samples/indexing.ts';
import { linalgSamples } from './samples/linalg.ts';
import { reductionSamples } from './samples/reductions.ts';
import type { Sample } from './samples/sample.ts';
import { scanSamples } from './samples/scans.ts';
import { structuralSamples } from './samples/structural.ts';
import { viewSamples } from './samples/views.ts';

/*
 * Everything a transform can ask of an operation, asked of every operation in the registry, on the
 * samples of the table. An operation without samples fails.
 */

const samples: Readonly<Record<string, readonly Sample[]>> = {
  ...elementwiseSamples,
  ...structuralSamples,
  ...viewSamples,
  ...reductionSamples,
  ...linalgSamples,
  ...scanSamples,
  ...functionalSamples,
  ...convolutionSamples,
  ...indexingSamples,
};

const differentiated = (xs: readonly Tensor[]): number[] =>
  xs.map((_, i) => i).filter((i) => xs[i].dtype === 'float64');

/** The sample as a function of its differentiated inputs alone. */
function ofFloats({ f, xs }: Sample): { readonly f: (...ts: Tensor[]) => Tensor[]; readonly at: Tensor[] } {
  const wanted = differentiated(xs);
  return {
    at: wanted.map((i) => xs[i]),
    f: (...ts) => {
      const all = [...xs];
      wanted.forEach((i, k) => {
        all[i] = ts[k];
      });
      return floatOutputs(f(...all)) as Tensor[];
    },
  };
}

const inner = (a: readonly Tensor[], b: readonly Tensor[]): number =>
  a.reduce((s, t, i) => s + valuesOf(t).reduce((p, v, k) => p + v * valuesOf(b[i])[k], 0), 0);

/** Names of the operations behind a tensor. */
function namesBehind(ts: readonly Tensor[]): Set<string> {
  const seen = new Set<unknown>();
  const names = new Set<string>();
  const stack = ts.map((t) => t.gradFn);
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (node === null || seen.has(node)) continue;
    seen.add(node);
    names.add(node.op.name);
    for (const [next] of node.nextFunctions) stack.push(next);
  }
  return names;
}

function checkLayouts({ f, xs }: Sample): void {
  const expected = outputsOf(f(...xs));
  const seeds = cotangentsFor(floatOutputs(expected));
  const gradients = (given: readonly Tensor[]): Tensor[] => {
    const { f: g, at } = ofFloats({ label: '', f, xs: given });
    if (seeds.length === 0 || at.length === 0) return [];
    return vjp(g, ...at)[1](seeds);
  };
  const plain = gradients(xs);
  for (const [what, layout] of Object.entries(layouts)) {
    const moved = xs.map(layout);
    outputsOf(f(...moved)).forEach((y, i) => {
      expectClose(y, expected[i], { what: `result from ${what} inputs` });
    });
    gradients(moved).forEach((g, i) => {
      expectClose(g, plain[i], { what: `gradient ${i} from ${what} inputs` });
    });
  }
}

function checkJvp(s: Sample): void {
  const { f, at } = ofFloats(s);
  const [ys, pull] = vjp(f, ...at);
  const seeds = cotangentsFor(ys);
  const gradients = pull(seeds);
  // Each input alone and all together: operations derive a tangent rule per set of active inputs.
  const sets = [...at.map((_, i) => [i]), at.map((_, i) => i)];
  for (const active of sets) {
    const directions = cotangentsFor(
      active.map((i) => at[i]),
      11,
    );
    const along = (...ts: Tensor[]): Tensor[] => {
      const all = [...at];
      active.forEach((i, k) => {
        all[i] = ts[k];
      });
      return f(...all);
    };
    const [values, tangents] = jvp(
      along,
      active.map((i) => at[i]),
      directions,
    );
    const what = `along inputs ${active.join(', ')}`;
    values.forEach((y, i) => {
      expectClose(y, ys[i], { what: `value ${what}` });
      expect(tangents[i].shape, `tangent ${what}`).toEqual(y.shape);
      expect(tangents[i].dtype, `tangent ${what}`).toBe(y.dtype);
    });
    const forward = inner(seeds, tangents);
    const reverse = inner(
      active.map((i) => gradients[i]),
      directions,
    );
    expectNear([forward], [reverse], { tol: s.check?.tol ?? 1e-10, what: `⟨ȳ, J ẋ⟩ against ⟨Jᵀ ȳ, ẋ⟩ ${what}` });
  }
}

/** Forward over reverse, reverse over forward and forward over forward give one second derivative. */
function checkSecondOrders(s: Sample): void {
  const { f, at } = ofFloats(s);
  const seeds = cotangentsFor(f(...at));
  const [u, v] = [cotangentsFor(at, 21), cotangentsFor(at, 31)];
  const gradients = (...ts: Tensor[]): Tensor[] => vjp(f, ...ts)[1](seeds);
  const derivative = (...ts: Tensor[]): Tensor[] => jvp(f, ts, v)[1];
  const forwardOverReverse = inner(jvp(gradients, at, v)[1], u);
  const reverseOverForward = inner(vjp(derivative, ...at)[1](seeds), u);
  const reverseOverReverse = inner(vjp(gradients, ...at)[1](u), v);
  const forwardOverForward = inner(seeds, jvp(derivative, at, u)[1]);
  expectNear(
    [forwardOverReverse, reverseOverForward, forwardOverForward],
    [reverseOverReverse, reverseOverReverse, reverseOverReverse],
    { tol: s.check?.tol ?? 1e-10, what: 'uᵀ H v by jvp of vjp, vjp of jvp, jvp of jvp, against vjp of vjp' },
  );
}

/** In a dual level, tangents and the tangents of gradients are those of the transforms. */
function checkDuals(s: Sample): void {
  const { f, at } = ofFloats(s);
  const directions = cotangentsFor(at, 11);
  const seeds = cotangentsFor(f(...at));
  const gradients = (...ts: Tensor[]): Tensor[] => vjp(f, ...ts)[1](seeds);
  const [values, tangents] = jvp(f, at, directions);
  const [, second] = jvp(gradients, at, directions);
  forwardAd.dualLevel(() => {
    const leaves = at.map((t, i) => forwardAd.makeDual(t, directions[i]).requiresGrad_());
    const ys = f(...leaves);
    const wanted = ys.some((y) => y.requiresGrad);
    const found = wanted ? autograd.grad(ys, leaves, { gradOutputs: seeds, materializeGrads: true }) : [];
    const parts = [...ys, ...found].map((y) => forwardAd.unpackDual(y));
    [...values, ...gradients(...at)].slice(0, parts.length).forEach((y, i) => {
      expectClose(parts[i].primal.detach(), y, { what: `primal ${i}` });
    });
    [...tangents, ...second].slice(0, parts.length).forEach((t, i) => {
      expectClose((parts[i].tangent ?? zerosLike(t)).detach(), t, { tol: s.check?.tol ?? 1e-10, what: `tangent ${i}` });
    });
  });
}

interface Batch {
  readonly what: string;
  readonly inDims: readonly (number | null)[];
  readonly args: readonly Tensor[];
  /** What each example sees. */
  readonly examples: readonly (readonly Tensor[])[];
}

const BATCH = 3;

/** All inputs batched (in front, and at the back where there is one), and each alone. */
function batchesOf(xs: readonly Tensor[]): Batch[] {
  const examples = examplesOf(xs, BATCH);
  const batch = (what: string, inDims: readonly (number | null)[]): Batch => ({
    what,
    inDims,
    args: xs.map((x, i) => {
      const dim = inDims[i];
      if (dim === null) return x;
      return stacked(
        examples.map((e) => e[i]),
        dim < 0 ? x.ndim : dim,
      );
    }),
    examples: examples.map((e) => e.map((t, i) => (inDims[i] === null ? xs[i] : t))),
  });
  return [
    batch(
      'all in front',
      xs.map(() => 0),
    ),
    batch(
      'all at the back',
      xs.map(() => -1),
    ),
    ...(xs.length > 1
      ? xs.map((_, only) =>
          batch(
            `input ${only} alone`,
            xs.map((_x, i) => (i === only ? 0 : null)),
          ),
        )
      : []),
  ];
}

function checkVmap(f: (...ts: Tensor[]) => readonly Tensor[], xs: readonly Tensor[], tol = 1e-10): void {
  for (const { what, inDims, args, examples } of batchesOf(xs)) {
    const actual = vmap(f, { inDims })(...args);
    const expected = examples.map((e) => f(...e));
    actual.forEach((y, i) => {
      expectClose(y, stacked(expected.map((ys) => ys[i])), { tol, what: `result ${i}, ${what}` });
    });
  }
}

function checkVmapOfGrad(s: Sample): void {
  const wanted = differentiated(s.xs);
  const seeds = cotangentsFor(floatOutputs(s.f(...s.xs)));
  const gradients = (...all: Tensor[]): Tensor[] => {
    const { f, at } = ofFloats({ ...s, xs: all });
    return vjp(f, ...at)[1](seeds);
  };
  expect(wanted.length).toBeGreaterThan(0);
  checkVmap(gradients, s.xs, s.check?.tol);
}

function checkGradOfVmap(s: Sample): void {
  const seeds = cotangentsFor(floatOutputs(s.f(...s.xs)));
  for (const { what, inDims, args, examples } of batchesOf(s.xs)) {
    const mapped = ofFloats({ ...s, xs: args, f: (...ts) => vmap(s.f, { inDims })(...ts) });
    const actual = vjp(mapped.f, ...mapped.at)[1](seeds.map((c) => stacked(Array.from({ length: BATCH }, () => c))));
    const each = examples.map((xs) => {
      const one = ofFloats({ ...s, xs });
      return vjp(one.f, ...one.at)[1](seeds);
    });
    differentiated(s.xs).forEach((i, k) => {
      const parts = each.map((g) => g[k]);
      const dim = inDims[i];
      const expected = dim === null ? parts.reduce((a, b) => a.add(b)) : stacked(parts, dim < 0 ? s.xs[i].ndim : dim);
      expectClose(actual[k], expected, { tol: s.check?.tol ?? 1e-10, what: `gradient ${k}, ${what}` });
    });
  }
}

/** Results and gradients of float32 inputs are near those of float64. */
function checkFloat32(s: Sample): void {
  const run = (xs: readonly Tensor[]): Tensor[] => {
    const leaves = xs.map((x) => (x.isFloatingPoint() ? x.clone().requiresGrad_() : x));
    const ys = floatOutputs(s.f(...leaves));
    const wanted = leaves.filter((x) => x.requiresGrad);
    const seeds = cotangentsFor(ys).map((c, i) => c.to(ys[i].dtype));
    return [...ys.map((y) => y.detach()), ...autograd.grad(ys, wanted, { gradOutputs: seeds, materializeGrads: true })];
  };
  const narrow = run(s.xs.map((x) => (x.dtype === 'float64' ? x.to('float32') : x)));
  const wide = run(s.xs);
  narrow.forEach((t, i) => {
    if (s.check === undefined) expect(t.dtype).toBe('float32');
    expectNear(valuesOf(t), valuesOf(wide[i]), { tol: 2e-5, what: `float32 result or gradient ${i}` });
  });
}

/** An operation whose results may be given up and made again gives the same bits the second time, in memory of their own. */
function checkAgain(op: Op<never>, { f, xs }: Sample): void {
  const { forward } = op;
  const list = (out: Outputs): readonly TensorBase[] => (Array.isArray(out) ? out : [out as TensorBase]);
  const bytes = (y: TensorBase): Uint8Array => readBytes(y.storage, 0, y.storage.nbytes);
  Object.assign(op, {
    forward: (inputs: readonly Operand[], attrs: never): Outputs => {
      const given = inputs.map((x) => (typeof x === 'number' ? null : bytes(x)));
      const out = forward.call(op, inputs, attrs);
      const again = list(forward.call(op, inputs, attrs));
      list(out).forEach((y, i) => {
        if (inputs.some((x) => typeof x !== 'number' && x.storage === y.storage)) return;
        expect(again[i]!.storage).not.toBe(y.storage);
        expect(Buffer.compare(bytes(again[i]!), bytes(y)), `result ${i}`).toBe(0);
      });
      inputs.forEach((x, i) => {
        if (typeof x !== 'number') expect(bytes(x), `input ${i}`).toEqual(given[i]);
      });
      return out;
    },
  });
  try {
    f(...xs);
  } finally {
    Object.assign(op, { forward });
  }
}

/** What an operation makes is a tensor of its own, also where its kernels saw it in another shape. */
function checkOwn(op: Op<never>, { f, xs }: Sample): void {
  const { forward } = op;
  Object.assign(op, {
    forward: (inputs: readonly Operand[], attrs: never): Outputs => {
      const out = forward.call(op, inputs, attrs);
      for (const y of Array.isArray(out) ? out : [out]) expect((y as TensorBase).meta?.base ?? null).toBe(null);
      return out;
    },
  });
  try {
    f(...xs);
  } finally {
    Object.assign(op, { forward });
  }
}

/** Runs a check on every sample, saying which one failed. */
function each(list: readonly Sample[], check: (s: Sample) => void): void {
  for (const s of list) {
    try {
      check(s);
    } catch (error) {
      if (error instanceof Error) error.message = `sample '${s.label}': ${error.message}`;
      throw error;
    }
  }
}

it('has samples for every operation, and none without one', () => {
  expect(Object.keys(samples).sort()).toEqual([...operations().keys()].sort());
});

for (const [name, op] of operations()) {
  const list = samples[name];
  if (list === undefined) continue;
  const mapped = list.filter((s) => s.noVmap === undefined);
  describe(name, () => {
    it('gives the same for every memory layout', () => each(list, checkLayouts));
    it('vmap against a loop', () => each(mapped, (s) => checkVmap((...ts) => outputsOf(s.f(...ts)), s.xs)));
    if (op.view === undefined) it('makes no views', () => each(list, (s) => checkOwn(op, s)));
    if (op.cheap !== undefined) it('is made again with the same bits', () => each(list, (s) => checkAgain(op, s)));
    if (op.backward === null) {
      it('passes no gradient', () =>
        each(list, (s) => {
          const leaves = s.xs.map((x) => (x.isFloatingPoint() ? x.clone().requiresGrad_() : x));
          for (const y of outputsOf(s.f(...leaves))) expect(y.requiresGrad).toBe(false);
        }));
      return;
    }
    it('is reached by its samples', () =>
      each(list, (s) => {
        const leaves = s.xs.map((x) => (x.isFloatingPoint() ? x.clone().requiresGrad_() : x));
        expect(namesBehind(outputsOf(s.f(...leaves)))).toContain(name);
      }));
    it('gradient against differences', () => each(list, (s) => gradcheck(s.f, s.xs, s.check)));
    it('second derivative against differences', () => each(list, (s) => gradgradcheck(s.f, s.xs, s.check)));
    it('jvp against vjp', () => each(list, checkJvp));
    it('second derivatives in every order', () => each(list, checkSecondOrders));
    it('in a dual level', () => each(list, checkDuals));
    it('vmap of the gradient against a loop', () => each(mapped, checkVmapOfGrad));
    it('gradient of vmap against a loop', () => each(mapped, checkGradOfVmap));
    it('float32 against float64', () => each(list, checkFloat32));
  });
}
