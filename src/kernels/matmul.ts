// Matrix products of row-major matrices: plain, with either operand transposed, batched, summed over the batch, accumulated.
import few from '../../shaders/matmul_few.wgsl'
import tiled from '../../shaders/matmul_tiled.wgsl'
import vec4 from '../../shaders/matmul_vec4.wgsl'
import { defineKernel, divideUp, fill, grid } from './kernel.js'

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
  /** The operand is stored as float16. */
  halfA?: boolean
  halfB?: boolean
}

/** Of all products. */
export const bindings = { a: 'read', b: 'read', c: 'write' } as const

/** Sizes go to the shader at run time: one pipeline serves every shape. */
export const parameters = ({ m, n, k, transposeA = false, transposeB = false, batch = 1, reduce = 1, sharedA = false, sharedB = false, accumulate = false }: MatmulSize) => ({
  m,
  n,
  k,
  batch,
  reduce,
  row_a: transposeA ? 1 : k,
  step_a: transposeA ? m : 1,
  stride_a: sharedA ? 0 : m * k,
  column_b: transposeB ? k : 1,
  step_b: transposeB ? 1 : n,
  stride_b: sharedB ? 0 : k * n,
  accumulate: Number(accumulate),
})

/** Workgroups that compute rows × columns results each. */
export const tiles = ({ m, n, batch = 1 }: MatmulSize, rows: number, columns: number) => grid(divideUp(m, rows) * divideUp(n, columns) * batch)

/** Four rows × four columns a thread, without register arrays; runs on every adapter. */
export const matmulVec4 = defineKernel<MatmulSize & { lanesN: number; lanesM: number }>({
  name: 'matmul_vec4',
  source: vec4,
  bindings,
  parameters,
  constants: ({ lanesN, lanesM }) => ({ LANES_N: lanesN, LANES_M: lanesM }),
  workgroups: size => tiles(size, size.lanesM * 4, size.lanesN * 4),
})

/** Where every row in memory is a multiple of four long, four neighbours are one vec4f. */
export function vectors({ m, n, k, transposeA = false, transposeB = false }: MatmulSize): Record<string, string> {
  const [a, b] = [(transposeA ? m : k) % 4 === 0, (transposeB ? k : n) % 4 === 0]
  return { VECTOR_A: `${a}`, VECTOR_B: `${b}`, A: a ? 'vec4f' : 'f32', B: b ? 'vec4f' : 'f32' }
}

/** Along which side of c' = a · b gate and up lie one after the other, where c is silu(gate) ⊙ up. */
export type Gated = 'columns' | 'rows'

/** Threads of a tile along each side. */
const LANES = 16

/** The k that a tile of this side stages at a time, so that both operands fit into this much workgroup memory. */
export const tiledDepth = (side: number, workgroupBytes: number) => (workgroupBytes < 2 * side * 5 * 16 ? 8 : 16)

const halves = (gated?: Gated) => ({ M: gated === 'rows' ? 2 : 1, N: gated === 'columns' ? 2 : 1 })

/**
 * For GPUs: tiles of side × side results, 64 or 128, in workgroup memory, `depth` of k at a time; see the shader. With `splits` c is
 * (splits, batch, m, n). With `gated` sizes are those of c', c is half of it.
 */
export const matmulTiled = defineKernel<MatmulSize & { side: number; depth: number; splits: number; gated?: Gated }>({
  name: 'matmul_tiled',
  source({ side, depth, gated, ...size }) {
    const { M, N } = halves(gated)
    const results = side / LANES
    // Neighbours in memory are one vec4f only along k.
    return fill(tiled, { RESULTS: results, GROUPS: results / 4, PIECES: (side * depth) / 4 / LANES ** 2, OWN_M: results / M, OWN_N: results / N, ...vectors({ ...size, m: 1, n: 1 }) })
  },
  bindings,
  parameters: size => ({ ...parameters(size), splits: size.splits }),
  constants: () => ({}),
  workgroups({ m, n, batch = 1, side, splits, gated }) {
    const { M, N } = halves(gated)
    return tiles({ m: m / M, n: n / N, k: 1, batch: batch * splits }, side / M, side / N)
  },
})

/** Lines of the shorter side that `matmulFew` can have at most. */
export const MOST_FEW = 16

/** For GPUs: products of at most 16 rows of a; or columns of b, which then is the kernel's a. */
export const matmulFew = defineKernel<MatmulSize>({
  name: 'matmul_few',
  source: ({ m, n }) => fill(few, { BLOCKS: divideUp(Math.min(m, n), 4) }),
  bindings,
  parameters(size) {
    const { m, n, k, batch, reduce, row_a, step_a, stride_a, column_b, step_b, stride_b, accumulate } = parameters(size)
    const [ofA, ofB] = [[row_a, step_a, stride_a], [column_b, step_b, stride_b]]
    const isRows = hasFewRows(size)
    const [[line_a, step_few, stride_few], [line_b, step_many, stride_many]] = isRows ? [ofA, ofB] : [ofB, ofA]
    return {
      few: Math.min(m, n), many: Math.max(m, n), k, batch, reduce,
      line_a, step_a: step_few, stride_a: stride_few,
      line_b, step_b: step_many, stride_b: stride_many,
      few_c: isRows ? n : 1, many_c: isRows ? 1 : n, accumulate,
    }
  },
  constants: () => ({}),
  workgroups: size => grid(fewGroups(size)),
})

/** Whether a is the operand with few lines, and not b. */
export const hasFewRows = ({ m, n }: MatmulSize) => m <= n

/** Workgroups of `matmulFew`. */
export const fewGroups = ({ m, n, batch = 1 }: MatmulSize) => divideUp(Math.max(m, n), 8) * batch
