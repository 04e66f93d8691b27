// Kernels for lavapipe, the software driver of Mesa: they use textures and subgroups of 8 threads.
import { attentionFamily } from '../engine/ops/attention.js'
import { matmulFamily } from '../engine/ops/matmul.js'
import { mlpBlockFamily } from '../engine/ops/mlp-block.js'
import { offer } from '../engine/variants.js'
import { attentionTextures } from './attention.js'
import { matmulVariants } from './matmul.js'
import { mlpBlockTextures } from './mlp-block.js'

/** From now on every engine on lavapipe uses these kernels. Calling it again changes nothing. */
export function offerLavapipe(): void {
  offer(matmulFamily, ...matmulVariants)
  offer(attentionFamily, attentionTextures)
  offer(mlpBlockFamily, mlpBlockTextures)
}
