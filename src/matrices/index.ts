// Kernels for adapters with subgroup matrices (tensor cores), experimental in Dawn: the entry webgpu-trm/matrices.
import { attentionFamily } from '../engine/ops/attention.js'
import { gatedFamily } from '../engine/ops/gated.js'
import { matmulFamily } from '../engine/ops/matmul.js'
import { mlpBlockFamily } from '../engine/ops/mlp-block.js'
import { offer } from '../engine/variants.js'
import { attentionMatrices } from './attention.js'
import { gatedVariants, matmulVariants } from './matmul.js'
import { mlpBlockMatrices } from './mlp-block.js'

/** From now on engines whose adapters have subgroup matrices use these kernels. Calling it again changes nothing. */
export function offerMatrices(): void {
  offer(matmulFamily, ...matmulVariants)
  offer(gatedFamily, ...gatedVariants)
  offer(attentionFamily, attentionMatrices)
  offer(mlpBlockFamily, mlpBlockMatrices)
}
