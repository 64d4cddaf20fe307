import fc from 'fast-check';
import { autograd, grad, jacfwd, jacrev, jvp, type Tensor, vmap } from 'nabla';
import { describe, expect, it } from 'vitest';
import { examplesOf, stacked } from './support/batches.ts';
import { expectClose, expectNear } from './support/close.ts';
import { gradcheck } from './support/gradcheck.ts';
import { layouts, spreadTensor, valuesOf } from './support/numbers.ts';
import { inputsOf, type Program, programs, scalarOf, valuesOfProgram } from './support/programs.ts';

/*
 * Random graphs against finite differences, and against themselves under every transform. The seed is
 * fixed so that a run means the same tomorrow; NABLA_SEED=… looks elsewhere.
 */

const seed = Number(process.env.NABLA_SEED ?? 20241);

function holds(numRuns: number, property: (p: Program) => void): void {
  fc.assert(fc.property(programs, property), { numRuns, seed });
}

const all = (program: Program): number[] => program.shapes.map((_, i) => i);
const dot = (a: readonly Tensor[], b: readonly Tensor[]): number =>
  a.reduce((s, t, i) => s + valuesOf(t).reduce((p, v, k) => p + v * valuesOf(b[i])[k], 0), 0);
const directionsFor = (xs: readonly Tensor[], from: number): Tensor[] =>
  xs.map((x, i) => spreadTensor(x.shape, -1, 1, from + i));
const gradients =
  (program: Program): ((...xs: Tensor[]) => Tensor[]) =>
  (...xs) =>
    grad((...ts: Tensor[]) => scalarOf(program, ts), { argnums: all(program) })(...xs) as Tensor[];

describe('a random graph', () => {
  it('has the gradient that differences give', () => {
    holds(80, (program) => gradcheck((...xs) => scalarOf(program, xs), inputsOf(program), { tol: 1e-6 }));
  });

  it('has one gradient by grad, by autograd.grad and by backward', () => {
    holds(80, (program) => {
      const xs = inputsOf(program);
      const byTransform = gradients(program)(...xs);
      const leaves = xs.map((x) => x.clone().requiresGrad_());
      const y = scalarOf(program, leaves);
      const byFunction = autograd.grad(y, leaves, { retainGraph: true, materializeGrads: true });
      y.backward();
      leaves.forEach((x, i) => {
        expectClose(byFunction[i] as Tensor, byTransform[i]);
        expectClose(x.grad as Tensor, byTransform[i]);
      });
    });
  });

  it('gives the same under jvp as under vjp, for every value it computes', () => {
    holds(80, (program) => {
      const xs = inputsOf(program);
      const v = directionsFor(xs, 1);
      const [values, tangents] = jvp((...ts: Tensor[]) => valuesOfProgram(program, ts), xs, v);
      const plain = valuesOfProgram(program, xs);
      values.forEach((y, i) => {
        expectClose(y, plain[i]);
        expect(tangents[i].shape).toEqual(y.shape);
      });
      const seeds = directionsFor(values, 50);
      const leaves = xs.map((x) => x.clone().requiresGrad_());
      const g = autograd.grad(valuesOfProgram(program, leaves), leaves, { gradOutputs: seeds });
      expectNear([dot(seeds, tangents)], [dot(g, v)], { tol: 1e-9 });
    });
  });

  it('has one second derivative, however it is taken', () => {
    holds(60, (program) => {
      const xs = inputsOf(program);
      const [u, v] = [directionsFor(xs, 1), directionsFor(xs, 30)];
      const f = (...ts: Tensor[]): Tensor => scalarOf(program, ts);
      const g = gradients(program);
      const along = (...ts: Tensor[]): Tensor => jvp(f, ts, u)[1];
      const sumU = (...ts: Tensor[]): Tensor =>
        g(...ts)
          .map((t, i) => t.mul(u[i]).sum())
          .reduce((a, b) => a.add(b));
      const forwardOverReverse = dot(jvp(g, xs, v)[1], u);
      const reverseOverForward = dot(grad(along, { argnums: all(program) })(...xs) as Tensor[], v);
      const reverseOverReverse = dot(grad(sumU, { argnums: all(program) })(...xs) as Tensor[], v);
      const forwardOverForward = jvp(along, xs, v)[1].item();
      expectNear(
        [forwardOverReverse, reverseOverForward, forwardOverForward],
        [reverseOverReverse, reverseOverReverse, reverseOverReverse],
        { tol: 1e-9 },
      );
    });
  });

  it('has one Jacobian by rows and by columns', () => {
    holds(30, (program) => {
      const xs = inputsOf(program);
      const last = (x: Tensor): Tensor => valuesOfProgram(program, [x, ...xs.slice(1)]).at(-1) as Tensor;
      expectClose(jacfwd(last)(xs[0]), jacrev(last)(xs[0]), { tol: 1e-9 });
    });
  });

  it('gives the same under vmap as in a loop, in values and gradients', () => {
    holds(60, (program) => {
      const examples = examplesOf(inputsOf(program), 3);
      const args = program.shapes.map((_, i) => stacked(examples.map((e) => e[i])));
      const values = vmap((...ts: Tensor[]) => valuesOfProgram(program, ts))(...args);
      const expected = examples.map((e) => valuesOfProgram(program, e));
      values.forEach((y, i) => {
        expectClose(y, stacked(expected.map((e) => e[i])), { what: `value ${i}` });
      });
      const loop = examples.map((e) => gradients(program)(...e));
      const perExample = program.shapes.map((_, i) => stacked(loop.map((g) => g[i])));
      vmap(gradients(program))(...args).forEach((g, i) => {
        expectClose(g, perExample[i], { what: `vmap of grad, argument ${i}`, tol: 1e-9 });
      });
      const total = (...ts: Tensor[]): Tensor => vmap((...es: Tensor[]) => scalarOf(program, es))(...ts).sum();
      (grad(total, { argnums: all(program) })(...args) as Tensor[]).forEach((g, i) => {
        expectClose(g, perExample[i], { what: `grad of vmap, argument ${i}`, tol: 1e-9 });
      });
    });
  });

  it('gives the same under vmap over the first argument alone', () => {
    holds(60, (program) => {
      const [x, ...rest] = inputsOf(program);
      const examples = examplesOf([x], 3).map(([e]) => e);
      const f = (t: Tensor): Tensor[] => [...valuesOfProgram(program, [t, ...rest]), ...gradients(program)(t, ...rest)];
      const expected = examples.map(f);
      vmap(f)(stacked(examples)).forEach((y, i) => {
        expectClose(y, stacked(expected.map((e) => e[i])), { what: `result ${i}`, tol: 1e-9 });
      });
    });
  });

  it('does not care how its inputs lie in memory', () => {
    holds(40, (program) => {
      const xs = inputsOf(program);
      const expected = gradients(program)(...xs);
      for (const layout of Object.values(layouts))
        gradients(program)(...xs.map(layout)).forEach((g, i) => {
          expectClose(g, expected[i]);
        });
    });
  });

  it('leaves its inputs alone', () => {
    holds(30, (program) => {
      const xs = inputsOf(program);
      const before = xs.map((x) => x.clone());
      gradients(program)(...xs);
      vmap((...ts: Tensor[]) => scalarOf(program, ts))(...xs.map((x) => x.unsqueeze(0)));
      xs.forEach((x, i) => {
        expectClose(x, before[i], { tol: 0 });
        expect(x.version).toBe(0);
      });
    });
  });
});
