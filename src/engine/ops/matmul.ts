// The matrix product that suits the adapter; not recorded.
import { matmul as plain, type MatmulSize, matmulSubgroup } from '../../kernels/matmul.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'

/** `c = a · b`, or `c += a · b`; sizes, transpositions and batches as in `MatmulSize`. */
export function matmul(engine: Engine, tensors: { a: Tensor; b: Tensor; c: Tensor }, size: MatmulSize): void {
  const { subgroupSize, isSoftware } = engine.adapter
  if (isSoftware && subgroupSize! >= 8) engine.run(matmulSubgroup, tensors, { ...size, lanes: subgroupSize!, tileM: 16, tileN: 4 })
  else if (isSoftware) engine.run(plain, tensors, { ...size, tile: { lanesN: 8, lanesM: 1, tileM: 8, tileN: 4 } })
  else engine.run(plain, tensors, { ...size, tile: { lanesN: 16, lanesM: 4, tileM: 8, tileN: 4 } })
}
