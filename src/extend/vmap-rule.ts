import { topLevel } from '../core/apply.ts';
import { AutogradError } from '../core/errors.ts';
import type { Level } from '../core/levels.ts';
import { levelOf, TensorBase, wrap } from '../core/tensor.ts';
import { expand, movedim, unsqueeze } from '../ops/view.ts';
import type { BatchLevel } from '../transforms/levels.ts';
import type { FunctionClass } from './call.ts';

/** Whether vmap goes through the class's own rule; if not, its methods are mapped as they are. */
export function usesVmapRule(cls: FunctionClass, name: string): boolean {
  const own = typeof cls.vmap === 'function';
  if (own && cls.generateVmapRule === true) {
    throw new AutogradError(
      `You tried to vmap over ${name}, but it has both generate_vmap_rule=True and an overriden vmap staticmethod. Please set generate_vmap_rule=False or delete the overriden vmap staticmethod to avoid ambiguity.`,
    );
  }
  if (!own && cls.generateVmapRule === false) {
    throw new AutogradError(
      `You tried to vmap over ${name}, but it does not have vmap support. Please override and implement the vmap staticmethod or set generate_vmap_rule=True.`,
    );
  }
  return own;
}

/** Runs `static vmap` at the highest batch among the arguments. What lies above has been taken off then. */
export function callUnderVmap(cls: FunctionClass, name: string, args: readonly unknown[]): unknown {
  const level = topLevel(
    name,
    args.filter((a): a is TensorBase => a instanceof TensorBase),
  );
  const inside = (a: unknown): boolean => a instanceof TensorBase && level !== null && levelOf(a) === level;
  const lowered = args.map((a) => (inside(a) ? (a as TensorBase).wrapped?.value : a));
  if (level?.kind !== 'batch') return callUnderVmap(cls, name, lowered);

  const inDims = args.map((a) => (inside(a) ? 0 : null));
  const batchSize = lowered.find((a, i): a is TensorBase => inDims[i] === 0 && a instanceof TensorBase)?.shape[0];
  const returned = cls.vmap?.(
    { batchSize, randomness: (level as unknown as BatchLevel).randomness },
    inDims,
    ...lowered,
  );
  if (!Array.isArray(returned) || returned.length !== 2)
    throw new AutogradError(
      `${name}: Expected the vmap staticmethod to have two returns, an output and out_dims with pytree structure compatible with the output: return [output, outDims]`,
    );
  const [output, outDims] = returned as unknown[];
  if (!Array.isArray(output)) return lifted(name, level, output, outDims, batchSize as number);
  if (Array.isArray(outDims) && outDims.length !== output.length) throw incompatible(name, outDims);
  return output.map((y: unknown, i) =>
    lifted(name, level, y, Array.isArray(outDims) ? outDims[i] : outDims, batchSize as number),
  );
}

function lifted(name: string, level: Level, y: unknown, dim: unknown, size: number): unknown {
  if (!(y instanceof TensorBase)) return y;
  if (dim !== null && dim !== undefined && typeof dim !== 'number') throw incompatible(name, dim);
  const value = typeof dim === 'number' ? movedim(y, dim, 0) : expand(unsqueeze(y, 0), [size, ...y.shape]);
  if (value.shape[0] !== size)
    throw new AutogradError(
      `${name}: vmap returned a tensor whose dimension ${String(dim)} has size ${value.shape[0]}, and the batch has ${size} examples`,
    );
  return wrap({ kind: 'batch', level, value }, value.shape.slice(1));
}

function incompatible(name: string, outDims: unknown): AutogradError {
  return new AutogradError(
    `${name}: The autograd.Function's vmap staticmethod returned an incompatible (output, out_dims) tuple. Expected out_dims=${JSON.stringify(outDims)} to be compatible with the structure of \`output\`.`,
  );
}
