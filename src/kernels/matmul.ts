// Matrix products of row-major matrices: plain, with either operand transposed, batched, summed over the batch, accumulated.
import source from '../../shaders/matmul.wgsl'
import { defineKernel, divideUp, grid } from './kernel.js'

export interface MatmulSize {
  /** Rows of c. */
  m: number
  /** Columns of c. */
  n: number
  /** Length of the sums. */
  k: number
  /** a is stored (k, m) instead of (m, k). */
  transposeA?: boolean
  /** b is stored (n, k) instead of (k, n). */
  transposeB?: boolean
  /** Number of results; 1 by default. */
  batch?: number
  /** Pairs of matrices that are summed into each result; 1 by default. */
  reduce?: number
  /** Every product uses the same a (or b). */
  sharedA?: boolean
  sharedB?: boolean
  /** Add to c instead of overwriting it. */
  accumulate?: boolean
}

/** Threads of a workgroup and registers of a thread; see the shader. */
export interface MatmulTile {
  lanesN: number
  lanesM: number
  tileM: number
  tileN: number
}

export const DEFAULT_TILE: MatmulTile = { lanesN: 8, lanesM: 1, tileM: 8, tileN: 4 }

export const matmul = defineKernel<MatmulSize & { tile?: MatmulTile }>({
  name: 'matmul',
  source,
  bindings: { a: 'read', b: 'read', c: 'write' },
  constants: ({ m, n, k, transposeA = false, transposeB = false, batch = 1, reduce = 1, sharedA = false, sharedB = false, accumulate = false, tile = DEFAULT_TILE }) => ({
    LANES_N: tile.lanesN,
    LANES_M: tile.lanesM,
    M: m,
    N: n,
    K: k,
    BATCH: batch,
    REDUCE: reduce,
    STRIDE_A: sharedA ? 0 : m * k,
    STRIDE_B: sharedB ? 0 : k * n,
    TRANSPOSE_A: Number(transposeA),
    TRANSPOSE_B: Number(transposeB),
    ACCUMULATE: Number(accumulate),
  }),
  registers: ({ tile = DEFAULT_TILE }) => ({ TILE_M: tile.tileM, TILE_N: tile.tileN }),
  workgroups: ({ m, n, batch = 1, tile = DEFAULT_TILE }) => grid(divideUp(m, tile.lanesM * tile.tileM) * divideUp(n, tile.lanesN * tile.tileN) * batch),
})
