// Matrix products on lavapipe: a workgroup is one subgroup of 8 threads, which share their loads.
import subgroupSource from '../../shaders/lavapipe/matmul_subgroup.wgsl'
import texturesSource from '../../shaders/lavapipe/matmul_textures.wgsl'
import type { MatmulTensors } from '../engine/ops/matmul.js'
import type { Variant } from '../engine/variants.js'
import { defineKernel, divideUp, fill, type Kernel } from '../kernels/kernel.js'
import { bindings, type MatmulSize, matmulUniforms, tiles } from '../kernels/matmul.js'
import { isLavapipe } from './adapter.js'
import { runByTextures, TEXELS, TEXELS_PER_ROW, VALUES } from './textures.js'

/** Threads of a subgroup, and its tile: TILE_M rows × LANES · TILE_N columns. */
const LANES = 8
const TILE_M = 16
const TILE_N = 4

const subgroupKernel = defineKernel<MatmulSize>({
  name: 'matmul_subgroup',
  source: () => fill(subgroupSource, { LANES, TILE_M, TILE_N }),
  bindings,
  uniforms: matmulUniforms,
  constants: () => ({}),
  workgroups: size => tiles(size, TILE_M, LANES * TILE_N),
})

const matmulSubgroup: Variant<MatmulTensors, MatmulSize> = {
  name: 'subgroup 16×4',
  available: isLavapipe,
  apply: (engine, tensors, size) => engine.dispatch(subgroupKernel, tensors, size),
}

/** What a texel holds: four values along k, four along the side (rows of a, columns of b), or a single value. */
const FORMS = { k: 0, side: 1, values: 2 } as const

const textureKernels = new Map<string, Kernel<MatmulSize>>()

/**
 * The kernel with operands in textures and tiles of `rows` × `columns`, multiples of 8 and of 32.
 * @returns undefined if the rows of b in memory do not divide into texels
 */
export function textureKernel(
  { transposeA = false, transposeB = false, m, n, k }: MatmulSize,
  rows: number,
  columns: number,
): Kernel<MatmulSize> | undefined {
  if ((transposeB ? k : n) % 4) return undefined
  const a = (transposeA ? m : k) % 4 ? 'values' : transposeA ? 'side' : 'k'
  const b = transposeB ? 'k' : 'side'
  const name = `matmul_textures ${a} ${b} ${rows}×${columns}`
  let kernel = textureKernels.get(name)
  if (!kernel) {
    const access = a === 'values' ? VALUES : TEXELS
    const TextureA = `texture_storage_2d<${access.storageTexture.format}, read>`
    kernel = defineKernel<MatmulSize>({
      name,
      source: () =>
        fill(texturesSource, {
          TEXELS_PER_ROW,
          GROUPS: rows / 8,
          SETS: columns / 32,
          FORM_A: FORMS[a],
          FORM_B: FORMS[b],
          TextureA,
        }),
      bindings: { a: access, b: TEXELS, c: 'write' },
      uniforms: matmulUniforms,
      constants: () => ({}),
      workgroups: size => tiles(size, rows, columns),
    })
    textureKernels.set(name, kernel)
  }
  return kernel
}

/** The most values of a texture in which each value has its own texel. */
const MAX_SINGLE_VALUES = 2 ** 23

/** From this many multiply-adds on, a larger tile makes up for the half second of longer compilation. */
const LARGE = 5e7

/** Products below this many multiply-adds use `matmulSubgroup`, which is compiled once for all of them. */
const SMALL = 2 ** 20

const matmulTextures = (rows: number, columns: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `textures ${rows}×${columns}`,
  // A tall tile is faster, unless most of the last one stays empty.
  suits({ m, n, k, batch = 1, reduce = 1 }) {
    const tall = divideUp(m, 24) * 24 < divideUp(m, 32) * 30 ? 24 : 32
    return columns > 32 || (m * n * k * batch * reduce >= SMALL && rows === tall)
  },
  available(adapter, size) {
    const { m, n, k, batch = 1, reduce = 1, sharedA, f16A, f16B } = size
    const isFull = divideUp(m, rows) * rows * divideUp(n, columns) * columns <= 1.15 * m * n
    const isLarge = m * n * k * batch * reduce >= LARGE && isFull
    const fits = m * k * (sharedA ? 1 : batch * reduce) <= MAX_SINGLE_VALUES
    return (
      isLavapipe(adapter) &&
      !f16A &&
      !f16B &&
      (columns === 32 || isLarge) &&
      fits &&
      textureKernel(size, rows, columns) !== undefined
    )
  },
  apply: (engine, tensors, size) => runByTextures(engine, textureKernel(size, rows, columns)!, tensors, size),
})

/** In the order in which they are preferred. */
export const matmulVariants = [matmulTextures(48, 64), matmulTextures(24, 32), matmulTextures(32, 32), matmulSubgroup]
