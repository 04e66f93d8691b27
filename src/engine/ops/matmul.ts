// Matrix products, not recorded, by the variant that suits the adapter.
import { columnSums } from '../../kernels/column-sums.js'
import { divideUp } from '../../kernels/kernel.js'
import { fewGroups, hasFewRows, matmulFew, type MatmulSize, matmulTiled, matmulVec4, MOST_FEW } from '../../kernels/matmul.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { Family, Variant } from '../variants.js'

export interface MatmulTensors {
  readonly [name: string]: Tensor
  readonly a: Tensor
  readonly b: Tensor
  readonly c: Tensor
}

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
export interface Tiling {
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
export const whole = ({ name, side, available, run }: Tiling): Variant<MatmulTensors, MatmulSize> => ({
  name: `${name} ${side}×${side}`,
  onlyHardware: true,
  available,
  suits: size => 2 * size.m > side && 2 * size.n > side && (side <= 64 || tilesOf(size, side) >= BUSY),
  run: (engine, tensors, size) => run(engine, tensors, { ...size, splits: 1 }),
})

/** The sum cut into ranges that are added in order: for few results of long sums, such as weights' gradients. */
export const split = ({ name, side, available, run }: Tiling): Variant<MatmulTensors, MatmulSize> => ({
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

export const matmulFamily: Family<MatmulTensors, MatmulSize> = {
  name: 'matmul',
  variants: [few, split(tiled(8)), whole(tiled(16)), whole(tiled(8)), vec4(4, 4, true), vec4(16, 8, false)],
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
