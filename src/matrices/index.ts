// What is fast on adapters with subgroup matrices (tensor cores), experimental in Dawn: the public door of webgpu-trm/matrices.
import { attentionFamily } from '../engine/ops/attention.js'
import { gatedFamily } from '../engine/ops/gated.js'
import { matmulFamily } from '../engine/ops/matmul.js'
import { offer } from '../engine/variants.js'
import { attentionMatrices } from './attention.js'
import { gatedVariants, matmulVariants } from './matmul.js'

/** From now on every engine whose adapter has subgroup matrices uses these kernels. Calling it again changes nothing. */
export function offerMatrices(): void {
  offer(matmulFamily, ...matmulVariants)
  offer(gatedFamily, ...gatedVariants)
  offer(attentionFamily, attentionMatrices)
}
