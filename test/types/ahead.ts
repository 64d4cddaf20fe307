/** The types of what the shape algebra covers and the library does not have yet; for the compiler only. */
import type { Tensor } from 'nabla';
import type { FitLayer, LayerOf } from '../../src/tensor/matrix-signatures.ts';
import type { Dim, Untyped } from '../../src/tensor/shapes.ts';

export declare function dim<Name extends string>(name: Name, size: number): Dim<Name>;

export declare class Linear<I extends number = Untyped, O extends number = Untyped> {
  readonly weight: Tensor<[O, I]>;
  readonly bias: Tensor<[O]>;
  constructor(inFeatures: I, outFeatures: O);
  forward<X extends Tensor>(x: FitLayer<X, I, O, `Linear(${I}, ${O})`>): Tensor<LayerOf<X, I, O, `Linear(${I}, ${O})`>>;
}
