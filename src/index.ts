/**
 * Nabla: automatic differentiation for TypeScript. This file is the public face and holds nothing
 * but re-exports.
 */

export {
  type Around,
  type CheckpointOptions,
  CheckpointPolicy,
  checkpoint,
  checkpointSequential,
  createSelectiveCheckpointContexts,
  type PolicyFunction,
  type SelectiveCheckpointContext,
  setCheckpointDebugEnabled,
  setCheckpointEarlyStop,
} from './autograd/checkpoint/index.ts';
export * as forwardAd from './autograd/forward-ad/index.ts';
export {
  enableGrad,
  type GradModeGuard,
  inferenceMode,
  isGradEnabled,
  isInferenceModeEnabled,
  noGrad,
  setGradEnabled,
} from './autograd/modes.ts';
export * as autograd from './autograd/public.ts';
export { setBlas } from './backends/wasm/blas/product.ts';
export { setCacheLimit } from './backends/wasm/heap.ts';
export { type BackendInfo, backendInfo } from './backends/wasm/info.ts';
export { memoryStats } from './backends/wasm/memory-stats.ts';
export { isDeterministic, setDeterministic } from './backends/wasm/relaxed.ts';
export { getNumThreads, setNumThreads } from './backends/wasm/threads/pool.ts';
export { type DType, getDefaultDtype, setDefaultDtype, type TypedArray } from './core/dtype.ts';
export * from './core/errors.ts';
export type { AccumulateHook, Gradients, HookHandle, NodeHook, NodePrehook, TensorHook } from './core/hooks.ts';
export type { Node } from './core/node.ts';
export { notDifferentiable, type Op, operations } from './core/op.ts';
export { setWarnAlways, setWarningHandler, type WarningHandler } from './core/warnings.ts';
export {
  customJvp,
  customVjp,
  type JvpRule,
  type NondiffOptions,
  type VjpRules,
} from './extend/custom.ts';
export {
  defineOperation,
  type GradientRule,
  type GradientRules,
  type OperationCall,
  type OperationDefinition,
  type OperationOptions,
  type TangentCall,
} from './extend/operation.ts';
export * as functional from './functional/index.ts';
export { type DrawOptions, Graph, type GraphData, type GraphOptions, graph } from './graph/index.ts';
export type { Scalar, ScalarMask } from './kernels/scalar.ts';
export * as linalg from './linalg/index.ts';
export * as masked from './masked/index.ts';
export { Slice } from './ops/subscript.ts';
export { Profile, type ProfileOptions, type ProfileRow, profile } from './profile/index.ts';
export {
  arange,
  asTensor,
  empty,
  emptyLike,
  eye,
  full,
  fullLike,
  linspace,
  logspace,
  ones,
  onesLike,
  tensor,
  zeros,
  zerosLike,
} from './tensor/creation.ts';
export type { NestedArray } from './tensor/data.ts';
export { deepcopy } from './tensor/deepcopy.ts';
export { promoteTypes, resultType } from './tensor/dtypes.ts';
export {
  broadcastShapes,
  broadcastTensors,
  crossEntropy,
  einsum,
  elementwise,
  type Fused,
  isTensor,
  logSoftmax,
  nllLoss,
  softmax,
  tensordot,
  unravelIndex,
  where,
} from './tensor/functions.ts';
export { Generator } from './tensor/generator.ts';
export {
  blockDiag,
  cartesianProd,
  cat,
  columnStack,
  concat,
  concatenate,
  dstack,
  hstack,
  meshgrid,
  rowStack,
  segmentReduce,
  slice,
  stack,
  trilIndices,
  triuIndices,
  vstack,
} from './tensor/joining.ts';
export {
  clipGradNorm_,
  clipGradValue_,
  parameter,
  parametersToVector,
  requiresGrad_,
  vectorToParameters,
  zeroGrad,
} from './tensor/parameters.ts';
export type { Index } from './tensor/picking.ts';
export { setPrintOptions } from './tensor/print.ts';
export { defaultGenerator, getRngState, manualSeed, seed, setRngState } from './tensor/random.ts';
export { rand, randint, randintLike, randLike, randn, randnLike, randperm } from './tensor/random-creation.ts';
export { bernoulli, multinomial, normal, poisson } from './tensor/sampling.ts';
export type { Config, Dim, Shape } from './tensor/shapes.ts';
export { type Operand, Tensor } from './tensor/tensor.ts';
export { assertClose, type CloseOptions } from './tensor/testing.ts';
export {
  type GradOptions,
  grad,
  hessian,
  hvp,
  type JacobianOptions,
  type JvpOptions,
  jacfwd,
  jacobian,
  jacrev,
  jvp,
  linearize,
  type Tree,
  type VmapOptions,
  valueAndGrad,
  vjp,
  vmap,
} from './transforms/index.ts';
