// Products of row-major matrices: either operand may be transposed; batched, summed over the batch, accumulated.
import tiled from '../../shaders/matmul_tiled.wgsl'
import tiledWide from '../../shaders/matmul_tiled_wide.wgsl'
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

/**
 * The depth in k that a tile of this side stages at a time, so that both operands fit into the workgroup memory:
 * 16 if that holds 8 pairs of k of each, in side / 2 + 1 cells of 16 bytes.
 */
export const tiledDepth = (side: number, workgroupBytes: number) => (workgroupBytes < 128 * side + 256 ? 8 : 16)

/** How many times as many rows and columns as c the product has. */
const factors = (gated?: Gated) => [gated === 'rows' ? 2 : 1, gated === 'columns' ? 2 : 1]

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

/** For GPUs, see the shader. */
export const matmulTiled = defineKernel<TiledSize>({
  name: 'matmul_tiled',
  source({ m, n, k, transposeA = false, transposeB = false, side, depth, gated }) {
    const [M, N] = factors(gated)
    const cells = side / 32
    // Two neighbours in memory are one vec2f if no row, and no half of gate or up, ends between them.
    const [a, b] = [transposeA ? m / M : k, transposeB ? k : n / N].map(length => length % 2 === 0)
    return fill((n / N) % 2 ? tiled : tiledWide, {
      A_BY_K: transposeA,
      B_BY_K: !transposeB,
      VECTOR_A: a,
      VECTOR_B: b,
      EDGE_K: k % depth !== 0,
      A: a ? 'vec2f' : 'f32',
      B: b ? 'vec2f' : 'f32',
      CELLS: cells,
      PIECES: depth / 8,
      OWN_M: 4 / M,
      OWN_N: cells / N,
    })
  },
  bindings,
  uniforms(size) {
    const [M, N] = factors(size.gated)
    return { ...matmulUniforms(size), m: size.m / M, n: size.n / N, splits: size.splits }
  },
  constants: () => ({}),
  workgroups: size => tiles({ ...size, batch: (size.batch ?? 1) * size.splits }, size.side, size.side),
})
