// The public door of webgpu-trm/engine: tensors, differentiable operations and optimisers; no model.
export { Engine, type AdapterSummary, type EngineOptions, type GradientOptions } from './engine.js'
export { DeviceLost, OutOfMemory, type MatrixKind } from './device.js'
export { Tensor, type Bound, type DType, type Resource, type Shape, type Storage } from './tensor.js'
export type { Backward, Gradient, Seeds } from './tape.js'
export type { Stats } from './stats.js'
export { Parameters } from './parameters.js'
export {
  Adam,
  SparseSignSgd,
  learningRate,
  type AdamOptions,
  type LearningRateOptions,
  type NotFinite,
  type Schedule,
  type StepNumbers,
} from './optimizer.js'
export { LossScaler } from './loss-scaler.js'
export { offer, type AnyFamily, type Asked, type Family, type Variant, type Variants } from './variants.js'
export { Random, truncatedNormal } from './random.js'
export { add } from './ops/add.js'
export { attention, type AttentionOptions } from './ops/attention.js'
export { batchMatmul, type BatchMatmulOptions } from './ops/batch-matmul.js'
export { crossEntropy, type CrossEntropyOptions } from './ops/cross-entropy.js'
export { dropout, type DropoutOptions } from './ops/dropout.js'
export { embedding } from './ops/embedding.js'
export { firstPosition } from './ops/first-position.js'
export { gated } from './ops/gated.js'
export { linear, type LinearOptions } from './ops/linear.js'
export { maskedAttention, type MaskedAttentionOptions } from './ops/masked-attention.js'
export { mlpBlock, type MlpBlockOptions } from './ops/mlp-block.js'
export { gelu, mul, relu, scale } from './ops/pointwise.js'
export { rmsnorm, type RmsnormOptions } from './ops/rmsnorm.js'
export { rope } from './ops/rope.js'
export { softmax } from './ops/softmax.js'
export { squaredError } from './ops/squared-error.js'
export { mean, sum, type SumOptions } from './ops/sum.js'
export { swiglu } from './ops/swiglu.js'
export { reshape, transpose } from './ops/transpose.js'
export { defineKernel, fill, grid, type Access, type Kernel, type Workgroups } from '../kernels/kernel.js'
export { ropeTable } from '../kernels/rope.js'
