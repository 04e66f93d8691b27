// Matrix products, not recorded, by the variant that suits the adapter.
import { columnSums } from '../../kernels/column-sums.js'
import { divideUp } from '../../kernels/kernel.js'
import { matmul as plain, type MatmulSize, matmulSubgroup, matmulTexels, type MatmulTile, matmulTiled, matmulVec4, type WorkgroupTile } from '../../kernels/matmul.js'
import type { AdapterSummary, Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { Family, Variant } from '../variants.js'

export interface MatmulTensors {
  readonly [name: string]: Tensor
  readonly a: Tensor
  readonly b: Tensor
  readonly c: Tensor
}

/**
 * Software with subgroups of 8 threads, which is lavapipe: there the kernels with shared loads pay. Subgroups of 4 gained nothing.
 * No browser has such an adapter, so the package for browsers comes without these shaders.
 */
export function hasDearLoads({ isSoftware, subgroupSize }: AdapterSummary): boolean {
  return isSoftware && subgroupSize === 8 && matmulSubgroup.source !== ''
}

const subgroup = (tileM: number, tileN: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `subgroup ${tileM}×${tileN}`,
  available: hasDearLoads,
  run: (engine, tensors, size) => engine.run(matmulSubgroup, tensors, { ...size, lanes: engine.adapter.subgroupSize!, tileM, tileN }),
})

/** Largest number of values that the textures hold where each has a texel of its own. */
const MOST_VALUES = 2 ** 23

const texels = (rows: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `texels ${rows}×32`,
  // Tall tiles pay, unless most of the last one stays empty. Small products leave it to a kernel that one compilation makes for all of them.
  suits: ({ m, n, k, batch = 1, reduce = 1 }) => m * n * k * batch * reduce >= 2 ** 20 && rows === (divideUp(m, 24) * 24 < divideUp(m, 32) * 30 ? 24 : 32),
  available: (adapter, size) => hasDearLoads(adapter) && matmulTexels(size, rows) !== undefined && (size.m * size.k) * (size.sharedA ? 1 : (size.batch ?? 1) * (size.reduce ?? 1)) <= MOST_VALUES,
  run: (engine, tensors, size) => engine.run(matmulTexels(size, rows)!, tensors, size),
})

const registers = (tile: MatmulTile, isSoftware: boolean): Variant<MatmulTensors, MatmulSize> => ({
  name: `registers ${tile.lanesM * tile.tileM}×${tile.lanesN * tile.tileN}`,
  // Both run everywhere; the order of the list makes the one for this kind of adapter its default.
  available: adapter => adapter.isSoftware === isSoftware,
  run: (engine, tensors, size) => engine.run(plain, tensors, { ...size, tile }),
})

const vec4 = (lanesN: number, lanesM: number, isSoftware: boolean): Variant<MatmulTensors, MatmulSize> => ({
  name: `vec4 ${lanesM * 4}×${lanesN * 4}`,
  available: adapter => adapter.isSoftware === isSoftware,
  run: (engine, tensors, size) => engine.run(matmulVec4, tensors, { ...size, lanesN, lanesM }),
})

/** Workgroups that keep a GPU busy: some times its compute units. */
const BUSY = 256

/** Terms that a range of a split sum has at least. */
const LEAST_TERMS = 256

const rowsOf = ({ lanesM, partsM }: WorkgroupTile) => lanesM * partsM * 4
const columnsOf = ({ lanesN, partsN }: WorkgroupTile) => lanesN * partsN * 4

function tilesOf({ m, n, batch = 1 }: MatmulSize, tile: WorkgroupTile): number {
  return divideUp(m, rowsOf(tile)) * divideUp(n, columnsOf(tile)) * batch
}

/** Into how many ranges a sum is cut so that there are enough workgroups; depends on the size alone, so that the bits do. */
function splitsOf(size: MatmulSize, tile: WorkgroupTile): number {
  return Math.floor(Math.min(BUSY / tilesOf(size, tile), (size.k * (size.reduce ?? 1)) / LEAST_TERMS))
}

/** The default on GPUs for products that fill its tiles. */
const tiled = (tile: WorkgroupTile): Variant<MatmulTensors, MatmulSize> => ({
  name: `tiled ${rowsOf(tile)}×${columnsOf(tile)}`,
  onlyHardware: true,
  available: () => true,
  suits: size => 2 * size.m > rowsOf(tile) && 2 * size.n > columnsOf(tile) && (rowsOf(tile) <= 64 || tilesOf(size, tile) >= BUSY),
  run: (engine, tensors, size) => engine.run(matmulTiled, tensors, { ...size, tile, splits: 1 }),
})

/** As `tiled`, the sum cut into ranges that are added in order: for few results of long sums, such as weights' gradients. */
const split = (tile: WorkgroupTile): Variant<MatmulTensors, MatmulSize> => ({
  name: `split ${rowsOf(tile)}×${columnsOf(tile)}`,
  onlyHardware: true,
  available: () => true,
  suits: size => splitsOf(size, tile) > 1,
  run(engine, { a, b, c }, size) {
    const splits = Math.max(2, splitsOf(size, tile))
    const width = size.m * size.n * (size.batch ?? 1)
    const parts = engine.tensor([splits, width])
    engine.run(matmulTiled, { a, b, c: parts }, { ...size, tile, splits, accumulate: false })
    engine.run(columnSums, { x: parts, y: c }, { rows: splits, width, accumulate: size.accumulate ?? false })
    engine.release(parts)
  },
})

export const matmulFamily: Family<MatmulTensors, MatmulSize> = {
  name: 'matmul',
  variants: [
    split({ lanesM: 8, lanesN: 8, partsM: 2, partsN: 2 }),
    tiled({ lanesM: 16, lanesN: 16, partsM: 2, partsN: 2 }),
    tiled({ lanesM: 8, lanesN: 8, partsM: 2, partsN: 2 }),
    texels(24),
    texels(32),
    subgroup(16, 4),
    subgroup(8, 4),
    vec4(4, 4, true),
    vec4(8, 1, true),
    registers({ lanesN: 8, lanesM: 1, tileM: 8, tileN: 4 }, true),
    registers({ lanesN: 8, lanesM: 1, tileM: 8, tileN: 8 }, true),
    registers({ lanesN: 16, lanesM: 4, tileM: 8, tileN: 4 }, false),
    registers({ lanesN: 16, lanesM: 8, tileM: 4, tileN: 4 }, false),
    vec4(16, 8, false),
  ],
  classOf: ({ m, n, k, batch = 1, reduce = 1, transposeA, transposeB }) => `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${m}×${n}×${k}${batch > 1 ? ` batch ${batch}` : ''}${reduce > 1 ? ` reduce ${reduce}` : ''}`,
  sample: (engine, { m, n, k, batch = 1, reduce = 1, sharedA, sharedB }) => ({
    a: engine.tensor([m * k * (sharedA ? 1 : batch * reduce)]),
    b: engine.tensor([k * n * (sharedB ? 1 : batch * reduce)]),
    c: engine.tensor([m * n * batch]),
  }),
}

/** `c = a · b`, or `c += a · b`; sizes, transpositions and batches as in `MatmulSize`. */
export function matmul(engine: Engine, tensors: MatmulTensors, size: MatmulSize): void {
  engine.variants.pick(matmulFamily, size).run(engine, tensors, size)
}
