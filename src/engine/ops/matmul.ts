// Matrix products by the variant that suits the adapter; not recorded.
import { columnSums } from '../../kernels/column-sums.js'
import { divideUp } from '../../kernels/kernel.js'
import { type MatmulSize, matmulTiled, matmulVec4, tiledDepth } from '../../kernels/matmul.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { Family, Variant } from '../variants.js'

export interface MatmulTensors {
  readonly [name: string]: Tensor
  readonly a: Tensor
  readonly b: Tensor
  readonly c: Tensor
}

/** For software adapters: without workgroup memory. */
const vec4: Variant<MatmulTensors, MatmulSize> = {
  name: 'vec4 8×16',
  available: ({ isSoftware }) => isSoftware,
  apply: (engine, tensors, size) => engine.dispatch(matmulVec4, tensors, size),
}

/** So many workgroups keep a GPU busy: a multiple of its compute units. */
export const MIN_WORKGROUPS = 256

/** For a split sum, by the side of the tile: the least number of terms in a range, and the number of workgroups. */
const rangesOf = (side: number) =>
  side > 64 ? { terms: 512, groups: 4 * MIN_WORKGROUPS } : { terms: 256, groups: MIN_WORKGROUPS }

const tilesOf = ({ m, n, batch = 1 }: MatmulSize, side: number) => divideUp(m, side) * divideUp(n, side) * batch

/** The number of ranges that give enough workgroups. It depends on the size alone, so the bits do as well. */
function splitsOf(size: MatmulSize, side: number): number {
  const { terms, groups } = rangesOf(side)
  return Math.floor(Math.min(groups / tilesOf(size, side), (size.k * (size.reduce ?? 1)) / terms))
}

/** Whether the product fills at least half of such a tile along both sides. */
const fills = ({ m, n }: MatmulSize, side: number) => 2 * m > side && 2 * n > side

/** A tile's side and depth, as the adapter's workgroup memory allows. */
const tileOf = ({ adapter }: Engine, side: number) => ({ side, depth: tiledDepth(side, adapter.workgroupBytes) })

/** On GPUs large tiles are the default where the product fills them and occupies all units; else small tiles are. */
export const whole = (side: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `tiled ${side}×${side}`,
  onlyHardware: true,
  available: () => true,
  suits: size => side <= 64 || (fills(size, side) && tilesOf(size, side) >= MIN_WORKGROUPS),
  apply: (engine, tensors, size) =>
    engine.dispatch(matmulTiled, tensors, { ...size, ...tileOf(engine, side), splits: 1 }),
})

/** The sum is cut into ranges, which are added in order: for few results of long sums, such as weights' gradients. */
const split = (side: number): Variant<MatmulTensors, MatmulSize> => ({
  ...whole(side),
  name: `tiled ${side}×${side} split`,
  // Large tiles pay here if there are one or two for each unit: unsplit, the last ones would keep few units busy.
  // The ranges must also be enough to occupy all units.
  suits(size) {
    const [splits, count] = [splitsOf(size, side), tilesOf(size, side)]
    return (
      splits > 1 &&
      (side <= 64 || (fills(size, side) && count < 2 * MIN_WORKGROUPS && splits * count >= MIN_WORKGROUPS))
    )
  },
  apply(engine, { a, b, c }, size) {
    const splits = Math.max(2, splitsOf(size, side))
    const width = size.m * size.n * (size.batch ?? 1)
    const parts = engine.tensor([splits, width])
    engine.dispatch(matmulTiled, { a, b, c: parts }, { ...size, ...tileOf(engine, side), splits, accumulate: false })
    engine.dispatch(columnSums, { x: parts, y: c }, { rows: splits, width, accumulate: size.accumulate ?? false })
    engine.release(parts)
  },
})

export const matmulFamily: Family<MatmulTensors, MatmulSize> = {
  name: 'matmul',
  variants: [split(128), whole(128), split(64), whole(64), vec4],
  classOf: ({ m, n, k, batch = 1, reduce = 1, transposeA, transposeB, f16A, f16B }) =>
    (f16A || f16B ? `${f16A ? 'f16' : 'f32'}·${f16B ? 'f16' : 'f32'} ` : '') +
    `${transposeA ? 'T' : 'N'}${transposeB ? 'T' : 'N'} ${m}×${n}×${k}` +
    `${batch > 1 ? ` batch ${batch}` : ''}${reduce > 1 ? ` reduce ${reduce}` : ''}`,
  sample: (engine, { m, n, k, batch = 1, reduce = 1, sharedA, sharedB, f16A, f16B }) => ({
    a: engine.tensor([m * k * (sharedA ? 1 : batch * reduce)], f16A ? 'f16' : 'f32'),
    b: engine.tensor([k * n * (sharedB ? 1 : batch * reduce)], f16B ? 'f16' : 'f32'),
    c: engine.tensor([m * n * batch]),
  }),
}

/** `c = a · b`, or `c += a · b`; sizes, transpositions and batches as in `MatmulSize`. */
export function matmul(tensors: MatmulTensors, given: MatmulSize): void {
  const { engine } = tensors.c
  const size = { ...given, f16A: tensors.a.dtype === 'f16', f16B: tensors.b.dtype === 'f16' }
  engine.variants.pick(matmulFamily, size).apply(engine, tensors, size)
}
