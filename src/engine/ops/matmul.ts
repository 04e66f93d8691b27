// Matrix products, not recorded, by the variant that suits the adapter.
import { columnSums } from '../../kernels/column-sums.js'
import { divideUp } from '../../kernels/kernel.js'
import { fewGroups, hasFewRows, matmulFew, type MatmulSize, matmulTiled, matmulVec4, MOST_FEW } from '../../kernels/matmul.js'
import { matmulRegisters, type MatmulTile } from '../../kernels/matmul-registers.js'
import { matmulSubgroup } from '../../kernels/matmul-subgroup.js'
import { matmulSubgroupMatrix, type MatrixKind } from '../../kernels/matmul-subgroup-matrix.js'
import { matmulTexels } from '../../kernels/matmul-texels.js'
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
 * No browser has such an adapter, so the package for browsers comes without these kernels.
 */
export function hasDearLoads({ isSoftware, subgroupSize }: AdapterSummary): boolean {
  return !FOR_BROWSERS && isSoftware && subgroupSize === 8
}

const subgroup = (tileM: number, tileN: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `subgroup ${tileM}×${tileN}`,
  available: hasDearLoads,
  run: (engine, tensors, size) => engine.run(matmulSubgroup, tensors, { ...size, lanes: engine.adapter.subgroupSize!, tileM, tileN }),
})

/** Largest number of values that the textures hold where each has a texel of its own. */
const MOST_VALUES = 2 ** 23

/** Multiply-adds from which on a larger tile repays the half second that its compilation takes longer. */
const MANY = 5e7

const texels = (rows: number, columns: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `texels ${rows}×${columns}`,
  // Tall tiles pay, unless most of the last one stays empty. Small products leave it to a kernel that one compilation makes for all of them.
  suits: ({ m, n, k, batch = 1, reduce = 1 }) => columns > 32 || (m * n * k * batch * reduce >= 2 ** 20 && rows === (divideUp(m, 24) * 24 < divideUp(m, 32) * 30 ? 24 : 32)),
  available(adapter, size) {
    const { m, n, k, batch = 1, reduce = 1, sharedA, halfA, halfB } = size
    const isMuch = m * n * k * batch * reduce >= MANY && divideUp(m, rows) * rows * divideUp(n, columns) * columns <= 1.15 * m * n
    return hasDearLoads(adapter) && !halfA && !halfB && (columns === 32 || isMuch) && matmulTexels(size, rows, columns) !== undefined && m * k * (sharedA ? 1 : batch * reduce) <= MOST_VALUES
  },
  run: (engine, tensors, size) => engine.run(matmulTexels(size, rows, columns)!, tensors, size),
})

const registers = (tile: MatmulTile, isSoftware: boolean): Variant<MatmulTensors, MatmulSize> => ({
  name: `registers ${tile.lanesM * tile.tileM}×${tile.lanesN * tile.tileN}`,
  // Both run everywhere; the order of the list makes the one for this kind of adapter its default.
  available: adapter => adapter.isSoftware === isSoftware,
  run: (engine, tensors, size) => engine.run(matmulRegisters, tensors, { ...size, tile }),
})

const vec4 = (lanesN: number, lanesM: number, isSoftware: boolean): Variant<MatmulTensors, MatmulSize> => ({
  name: `vec4 ${lanesM * 4}×${lanesN * 4}`,
  available: adapter => adapter.isSoftware === isSoftware,
  run: (engine, tensors, size) => engine.run(matmulVec4, tensors, { ...size, lanesN, lanesM }),
})

/** Workgroups that keep a GPU busy: some times its compute units. */
export const BUSY = 256

/** The default on GPUs for few rows or columns, unless so few workgroups would each have so long a sum that it had better be split. */
const few: Variant<MatmulTensors, MatmulSize> = {
  name: 'few rows',
  onlyHardware: true,
  available: (_, { m, n }) => Math.min(m, n) <= MOST_FEW,
  suits: size => fewGroups(size) >= BUSY || size.k * (size.reduce ?? 1) <= 2048,
  run: (engine, { a, b, c }, size) => engine.run(matmulFew, hasFewRows(size) ? { a, b, c } : { a: b, b: a, c }, size),
}

/** Terms that a range of a split sum has at least. */
const LEAST_TERMS = 256

/** A kernel that computes tiles of side × side results, whole or in `splits` ranges of the sum. */
interface Tiling {
  name: string
  side: number
  available: Variant<MatmulTensors, MatmulSize>['available']
  run(engine: Engine, tensors: MatmulTensors, size: MatmulSize & { splits: number }): void
}

const tilesOf = ({ m, n, batch = 1 }: MatmulSize, side: number) => divideUp(m, side) * divideUp(n, side) * batch

/** Into how many ranges a sum is cut so that there are enough workgroups; depends on the size alone, so that the bits do. */
function splitsOf(size: MatmulSize, side: number): number {
  return Math.floor(Math.min(BUSY / tilesOf(size, side), (size.k * (size.reduce ?? 1)) / LEAST_TERMS))
}

/** The default on GPUs for products that fill its tiles and that are enough for all of its units. */
const whole = ({ name, side, available, run }: Tiling): Variant<MatmulTensors, MatmulSize> => ({
  name: `${name} ${side}×${side}`,
  onlyHardware: true,
  available,
  suits: size => 2 * size.m > side && 2 * size.n > side && (side <= 64 || tilesOf(size, side) >= BUSY),
  run: (engine, tensors, size) => run(engine, tensors, { ...size, splits: 1 }),
})

/** The sum cut into ranges that are added in order: for few results of long sums, such as weights' gradients. */
const split = ({ name, side, available, run }: Tiling): Variant<MatmulTensors, MatmulSize> => ({
  name: `${name} ${side}×${side} split`,
  onlyHardware: true,
  available,
  suits: size => splitsOf(size, side) > 1,
  run(engine, { a, b, c }, size) {
    const splits = Math.max(2, splitsOf(size, side))
    const width = size.m * size.n * (size.batch ?? 1)
    const parts = engine.tensor([splits, width])
    run(engine, { a, b, c: parts }, { ...size, splits, accumulate: false })
    engine.run(columnSums, { x: parts, y: c }, { rows: splits, width, accumulate: size.accumulate ?? false })
    engine.release(parts)
  },
})

const tiled = (lanes: number): Tiling => ({
  name: 'tiled',
  side: lanes * 8,
  available: () => true,
  run: (engine, tensors, size) => engine.run(matmulTiled, tensors, { ...size, tile: { lanesM: lanes, lanesN: lanes, partsM: 2, partsN: 2 } }),
})

/**
 * The largest kind that these operands can use: of float16 where both are stored so, else of float32, as rounding float32 operands
 * would lose digits.
 */
function matrixKind({ subgroupMatrices }: AdapterSummary, { halfA, halfB }: MatmulSize, span: number): MatrixKind | undefined {
  const fits = subgroupMatrices.filter(({ component, m, n, k }) => (component === 'f32' ? span <= 32 : halfA && halfB) && span % m === 0 && span % n === 0 && 16 % k === 0)
  return fits.sort((a, b) => Number(b.component === 'f16') - Number(a.component === 'f16') || b.m * b.n * b.k - a.m * a.n * a.k)[0]
}

/** Whether there are subgroup matrices for these operands. */
export const hasMatrices = (adapter: AdapterSummary, size: MatmulSize) => !FOR_BROWSERS && matrixKind(adapter, size, 32) !== undefined

const matrices = (span: number): Tiling => ({
  name: 'matrices',
  side: 2 * span,
  available: (adapter, size) => matrixKind(adapter, size, span) !== undefined,
  run: (engine, tensors, size) => engine.run(matmulSubgroupMatrix, tensors, { ...size, span, kind: matrixKind(engine.adapter, size, span)! }),
})

export const matmulFamily: Family<MatmulTensors, MatmulSize> = {
  name: 'matmul',
  variants: [
    few,
    ...(FOR_BROWSERS ? [] : [split(matrices(32)), whole(matrices(64)), whole(matrices(32))]),
    split(tiled(8)),
    whole(tiled(16)),
    whole(tiled(8)),
    ...(FOR_BROWSERS ? [] : [texels(48, 64), texels(24, 32), texels(32, 32), subgroup(16, 4), subgroup(8, 4)]),
    vec4(4, 4, true),
    vec4(8, 1, true),
    vec4(16, 8, false),
    ...(FOR_BROWSERS ? [] : [
      registers({ lanesN: 8, lanesM: 1, tileM: 8, tileN: 4 }, true),
      registers({ lanesN: 8, lanesM: 1, tileM: 8, tileN: 8 }, true),
      registers({ lanesN: 16, lanesM: 4, tileM: 8, tileN: 4 }, false),
      registers({ lanesN: 16, lanesM: 8, tileM: 4, tileN: 4 }, false),
    ]),
  ],
  classOf: ({ m, n, k, batch = 1, reduce = 1, transposeA, transposeB, halfA, halfB }) => `${halfA || halfB ? `${halfA ? 'f16' : 'f32'}·${halfB ? 'f16' : 'f32'} ` : ''}${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${m}×${n}×${k}${batch > 1 ? ` batch ${batch}` : ''}${reduce > 1 ? ` reduce ${reduce}` : ''}`,
  sample: (engine, { m, n, k, batch = 1, reduce = 1, sharedA, sharedB, halfA, halfB }) => ({
    a: engine.tensor([m * k * (sharedA ? 1 : batch * reduce)], halfA ? 'f16' : 'f32'),
    b: engine.tensor([k * n * (sharedB ? 1 : batch * reduce)], halfB ? 'f16' : 'f32'),
    c: engine.tensor([m * n * batch]),
  }),
}

/** `c = a · b`, or `c += a · b`; sizes, transpositions and batches as in `MatmulSize`. */
export function matmul(engine: Engine, tensors: MatmulTensors, given: MatmulSize): void {
  const size = { ...given, halfA: tensors.a.dtype === 'f16', halfB: tensors.b.dtype === 'f16' }
  engine.variants.pick(matmulFamily, size).run(engine, tensors, size)
}
