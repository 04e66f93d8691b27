// Matrix products of row-major matrices: plain, with either operand transposed, batched, summed over the batch, accumulated.
import plain from '../../shaders/matmul.wgsl'
import subgroup from '../../shaders/matmul_subgroup.wgsl'
import subgroupMatrix from '../../shaders/matmul_subgroup_matrix.wgsl'
import loads from '../../shaders/matmul_tile_loads.wgsl'
import tiled from '../../shaders/matmul_tiled.wgsl'
import texels from '../../shaders/matmul_texels.wgsl'
import vec4 from '../../shaders/matmul_vec4.wgsl'
import { defineKernel, divideUp, grid, type Kernel, TEXELS_PER_ROW } from './kernel.js'

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

/** Threads of a workgroup along n and m, and rows and columns that each thread keeps in registers. */
export interface MatmulTile {
  lanesN: number
  lanesM: number
  tileM: number
  tileN: number
}

const bindings = { a: 'read', b: 'read', c: 'write' } as const

/** Sizes go to the shader at run time: one pipeline serves every shape. */
const parameters = ({ m, n, k, transposeA = false, transposeB = false, batch = 1, reduce = 1, sharedA = false, sharedB = false, accumulate = false }: MatmulSize) => ({
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

const tiles = ({ m, n, batch = 1 }: MatmulSize, rows: number, columns: number) => grid(divideUp(m, rows) * divideUp(n, columns) * batch)

/** Runs on every adapter. */
export const matmul = defineKernel<MatmulSize & { tile: MatmulTile }>({
  name: 'matmul',
  source: plain,
  bindings,
  parameters,
  constants: ({ tile: { lanesN, lanesM } }) => ({ LANES_N: lanesN, LANES_M: lanesM }),
  lines: ({ tile: { tileM, tileN } }) => ({ TILE_M: tileM, TILE_N: tileN }),
  workgroups: size => tiles(size, size.tile.lanesM * size.tile.tileM, size.tile.lanesN * size.tile.tileN),
})

/** For adapters whose subgroups all have `lanes` threads and whose loads are dear; see the shader. */
export const matmulSubgroup = defineKernel<MatmulSize & { lanes: number; tileM: number; tileN: number }>({
  name: 'matmul_subgroup',
  source: subgroup,
  bindings,
  parameters,
  constants: () => ({}),
  lines: ({ lanes, tileM, tileN }) => ({ LANES: lanes, TILE_M: tileM, TILE_N: tileN }),
  workgroups: size => tiles(size, size.tileM, size.lanes * size.tileN),
})

/** Four rows × four columns a thread, without register arrays; runs on every adapter. */
export const matmulVec4 = defineKernel<MatmulSize & { lanesN: number; lanesM: number }>({
  name: 'matmul_vec4',
  source: vec4,
  bindings,
  parameters,
  constants: ({ lanesN, lanesM }) => ({ LANES_N: lanesN, LANES_M: lanesM }),
  workgroups: size => tiles(size, size.lanesM * 4, size.lanesN * 4),
})

/** A workgroup's tile on a GPU: threads along m and n, and blocks of 4 × 4 results of each thread along both. */
export interface WorkgroupTile {
  lanesM: number
  lanesN: number
  partsM: number
  partsN: number
}

/** Where every row in memory is a multiple of four long, four neighbours are one vec4f. */
function vectors({ m, n, k, transposeA = false, transposeB = false }: MatmulSize): Record<string, string> {
  const [a, b] = [(transposeA ? m : k) % 4 === 0, (transposeB ? k : n) % 4 === 0]
  return { VECTOR_A: `${a}`, VECTOR_B: `${b}`, A: a ? 'vec4f' : 'f32', B: b ? 'vec4f' : 'f32' }
}

/** For GPUs: tiles in workgroup memory; see the shader. With `splits` c is (splits, batch, m, n). */
export const matmulTiled = defineKernel<MatmulSize & { tile: WorkgroupTile; splits: number }>({
  name: 'matmul_tiled',
  source: `${loads}\n${tiled}`,
  bindings,
  parameters: size => ({ ...parameters(size), splits: size.splits }),
  constants: () => ({}),
  lines: ({ tile: { lanesM, lanesN, partsM, partsN }, ...size }) => ({ LANES_M: lanesM, LANES_N: lanesN, PARTS_M: partsM, PARTS_N: partsN, ...vectors(size) }),
  workgroups: size => tiles({ ...size, batch: (size.batch ?? 1) * size.splits }, size.tile.lanesM * size.tile.partsM * 4, size.tile.lanesN * size.tile.partsN * 4),
})

/** How the values of an operand lie in texels: four of k, four rows of a or columns of b, or each in one of its own. */
const FORMS = { k: 0, side: 1, values: 2 } as const

/** For software adapters whose subgroups have 8 threads: operands in textures, tiles of `rows` × 32. Undefined where b's rows do not divide into texels. */
export function matmulTexels({ transposeA = false, transposeB = false, m, n, k }: MatmulSize, rows: number): Kernel<MatmulSize> | undefined {
  if ((transposeB ? k : n) % 4) return undefined
  const a = (transposeA ? m : k) % 4 ? 'values' : transposeA ? 'side' : 'k'
  const b = transposeB ? 'k' : 'side'
  const name = `matmul_texels ${a} ${b} ${rows}`
  let kernel = texelKernels.get(name)
  if (!kernel) {
    kernel = defineKernel<MatmulSize>({
      name,
      source: texels,
      bindings: { a: a === 'values' ? 'values' : 'texels', b: 'texels', c: 'write' },
      parameters,
      constants: () => ({}),
      lines: () => ({ TEXELS_PER_ROW, TILE_M: rows, FORM_A: FORMS[a], FORM_B: FORMS[b], TextureA: `texture_storage_2d<${a === 'values' ? 'r32float' : 'rgba32float'}, read>` }),
      workgroups: size => tiles(size, rows, 32),
    })
    texelKernels.set(name, kernel)
  }
  return kernel
}

const texelKernels = new Map<string, Kernel<MatmulSize>>()

/** A kind of subgroup matrix that an adapter offers: operands (m, k) and (k, n) of this type, sums in float32. */
export interface MatrixKind {
  component: 'f16' | 'f32'
  m: number
  n: number
  k: number
}

/** Absent from the package for browsers. */
export const hasMatrices = Boolean(subgroupMatrix)

/** For GPUs with subgroup matrices and subgroups of 32: four subgroups, each with span × span results. With `splits` as `matmulTiled`. */
export const matmulSubgroupMatrix = defineKernel<MatmulSize & { kind: MatrixKind; span: number; splits: number }>({
  name: 'matmul_subgroup_matrix',
  source: `enable f16;\nenable subgroups;\nenable subgroup_size_control;\nenable chromium_experimental_subgroup_matrix;\n${loads}\n${subgroupMatrix}`,
  bindings,
  parameters: size => ({ ...parameters(size), splits: size.splits }),
  constants: () => ({}),
  // Tiles of both operands and results within the 16 KiB of workgroup memory that every adapter has.
  lines: ({ kind, span, ...size }) => ({ SPAN: span, DEPTH: span > 32 || kind.component === 'f32' ? 16 : 32, SIZE_M: kind.m, SIZE_N: kind.n, SIZE_K: kind.k, Element: kind.component, ...vectors(size) }),
  workgroups: size => tiles({ ...size, batch: (size.batch ?? 1) * size.splits }, 2 * size.span, 2 * size.span),
})
