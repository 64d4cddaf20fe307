import { type Tensor, tensor } from 'nabla';

export type Shape = readonly number[];

export const numel = (shape: Shape): number => shape.reduce((p, n) => p * n, 1);

/** The k-th number of a fixed sequence spread over [0, 1). */
function fraction(k: number, seed: number): number {
  const x = Math.sin((k + 1) * 12.9898 + seed * 78.233) * 43758.5453;
  return x - Math.floor(x);
}

/** `n` numbers spread irregularly over [lo, hi); the same for the same arguments. */
export function spread(n: number, lo: number, hi: number, seed = 0): number[] {
  return Array.from({ length: n }, (_, k) => lo + (hi - lo) * fraction(k, seed));
}

export const f64 = (values: ArrayLike<number>, shape: Shape): Tensor => tensor(Float64Array.from(values), { shape });

/** A float32 leaf that requires grad, and one of float64. */
export const leaf = (...values: number[]): Tensor => tensor(values, { requiresGrad: true });
export const leaf64 = (...values: number[]): Tensor => tensor(values, { dtype: 'float64', requiresGrad: true });

/** A float64 tensor of numbers spread over [lo, hi). */
export function spreadTensor(shape: Shape, lo: number, hi: number, seed = 0): Tensor {
  return f64(spread(numel(shape), lo, hi, seed), shape);
}

export const valuesOf = (t: Tensor): number[] => Array.from(t.toTypedArray());

/** Ways to lay the same values out in memory. */
export const layouts: Readonly<Record<string, (t: Tensor) => Tensor>> = {
  contiguous: (t) => t,
  transposed: (t) => t.T.clone().T,
  // Every second element of a larger tensor, from the second on.
  strided: (t) => {
    if (t.ndim === 0 || t.numel() === 0) return t;
    const last = t.shape[t.ndim - 1];
    const room = tensor(new Float64Array(2 * t.numel() + t.numel() / last).fill(77), {
      dtype: t.dtype,
      shape: [...t.shape.slice(0, -1), 2 * last + 1],
    });
    return room.slice(-1, 1, 2 * last + 1, 2).copy_(t);
  },
};
