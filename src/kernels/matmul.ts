// Products of row-major matrices: either operand may be transposed; batched, summed over the batch, accumulated.
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
  /** Number of result matrices; 1 by default. */
  batch?: number
  /** Pairs of matrices that are summed into each result; 1 by default. */
  reduce?: number
  /** Every product uses the same a. */
  sharedA?: boolean
  /** Every product uses the same b. */
  sharedB?: boolean
  /** Add to c instead of overwriting it. */
  accumulate?: boolean
  /** a is stored as float16. */
  f16A?: boolean
  /** b is stored as float16. */
  f16B?: boolean
}

/** The bindings of every product. */
export const bindings = { a: 'read', b: 'read', c: 'write' } as const

/** Sizes and strides, in elements. The shader reads them at run time: one pipeline serves every shape. */
export const matmulUniforms = ({
  m,
  n,
  k,
  transposeA = false,
  transposeB = false,
  batch = 1,
  reduce = 1,
  sharedA = false,
  sharedB = false,
  accumulate = false,
}: MatmulSize) => ({
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

/** Numbers of workgroups that compute `rows` × `columns` results each. */
export const tiles = ({ m, n, batch = 1 }: MatmulSize, rows: number, columns: number) =>
  grid(divideUp(m, rows) * divideUp(n, columns) * batch)

/** Rows of results that a thread of `matmulVec4` computes, of four columns each. */
const ROWS = 8

/** For software adapters: a thread computes several rows × four columns, without workgroup memory. */
export const matmulVec4 = defineKernel<MatmulSize>({
  name: 'matmul_vec4',
  source: () => fill(vec4, { ROWS }),
  bindings,
  uniforms: matmulUniforms,
  constants: () => ({}),
  workgroups: size => tiles(size, ROWS, 16),
})

/** For c = silu(gate) ⊙ up: whether the columns or the rows of c' = a · b are [gate | up]. */
export type Gated = 'columns' | 'rows'

/** Threads of a tile along each side. */
const LANES = 16

/** The depth in k that a tile of this side stages at a time, so that both operands fit into the workgroup memory. */
export const tiledDepth = (side: number, workgroupBytes: number) => (workgroupBytes < 2 * side * 5 * 16 ? 8 : 16)

const halves = (gated?: Gated) => ({ M: gated === 'rows' ? 2 : 1, N: gated === 'columns' ? 2 : 1 })

/** `m` and `n` are those of a · b; with `gated`, c is half of it. With `splits` > 1, c is (splits, batch, m, n). */
export interface TiledSize extends MatmulSize {
  /** A workgroup computes side × side results: 64 or 128. */
  side: number
  /** The depth in k that it stages at a time. */
  depth: number
  /** Number of ranges that the sum is cut into. */
  splits: number
  gated?: Gated
}

/** The values of the lines of its text. */
export function tiledLines(size: TiledSize): Record<string, number | boolean | string> {
  const { m, n, k, transposeA = false, transposeB = false, side, depth, gated } = size
  const { M, N } = halves(gated)
  const results = side / LANES
  // Four neighbours in memory are one vec4f if no row, and no half of gate or up, ends between them.
  const [a, b] = [(transposeA ? m / M : k) % 4 === 0, (transposeB ? k : n / N) % 4 === 0]
  return {
    A_BY_K: transposeA,
    B_BY_K: !transposeB,
    VECTOR_A: a,
    VECTOR_B: b,
    EDGE_K: k % depth !== 0,
    AHEAD: side === 64,
    A: a ? 'vec4f' : 'f32',
    B: b ? 'vec4f' : 'f32',
    RESULTS: results,
    GROUPS: results / 4,
    PIECES: (side * depth) / 4 / LANES ** 2,
    OWN_M: results / M,
    OWN_N: results / N,
  }
}

/** For GPUs, see the shader. */
export const matmulTiled = defineKernel<TiledSize>({
  name: 'matmul_tiled',
  source: size => fill(tiled, tiledLines(size)),
  bindings,
  uniforms: size => ({ ...matmulUniforms(size), splits: size.splits }),
  constants: () => ({}),
  workgroups({ m, n, batch = 1, side, splits, gated }) {
    const { M, N } = halves(gated)
    return tiles({ m: m / M, n: n / N, k: 1, batch: batch * splits }, side / M, side / N)
  },
})
