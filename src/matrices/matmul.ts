// Products by subgroup matrices, for GPUs that offer them.
import type { MatrixKind } from '../engine/device.js'
import type { AdapterSummary } from '../engine/engine.js'
import { split, type Tiling, whole } from '../engine/ops/matmul.js'
import type { MatmulSize } from '../kernels/matmul.js'
import { matmulSubgroupMatrix } from './matmul-kernels.js'

/**
 * The largest kind that these operands can use: of float16 where both are stored so, else of float32, as rounding float32 operands
 * would lose digits.
 */
function matrixKind({ subgroupMatrices }: AdapterSummary, { halfA, halfB }: MatmulSize, span: number): MatrixKind | undefined {
  const fits = subgroupMatrices.filter(({ component, m, n, k }) => (component === 'f32' ? span <= 32 : halfA && halfB) && span % m === 0 && span % n === 0 && 16 % k === 0)
  return fits.sort((a, b) => Number(b.component === 'f16') - Number(a.component === 'f16') || b.m * b.n * b.k - a.m * a.n * a.k)[0]
}

const matrices = (span: number): Tiling => ({
  name: 'matrices',
  side: 2 * span,
  available: (adapter, size) => matrixKind(adapter, size, span) !== undefined,
  run: (engine, tensors, size) => engine.run(matmulSubgroupMatrix, tensors, { ...size, span, kind: matrixKind(engine.adapter, size, span)! }),
})

export const matmulMatrices = [split(matrices(32)), whole(matrices(64)), whole(matrices(32))]
