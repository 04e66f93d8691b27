// Matrix products, not recorded, by the variant that suits the adapter.
import { matmul as plain, type MatmulSize, matmulSubgroup, type MatmulTile, matmulVec4 } from '../../kernels/matmul.js'
import type { AdapterSummary, Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { Family, Variant } from '../variants.js'

export interface MatmulTensors {
  readonly [name: string]: Tensor
  readonly a: Tensor
  readonly b: Tensor
  readonly c: Tensor
}

/** Software with subgroups of 8 threads: there the kernels with shared loads pay. Subgroups of 4 gained nothing. */
export function hasDearLoads({ isSoftware, subgroupSize }: AdapterSummary): boolean {
  return isSoftware && subgroupSize === 8
}

const subgroup = (tileM: number, tileN: number): Variant<MatmulTensors, MatmulSize> => ({
  name: `subgroup ${tileM}×${tileN}`,
  available: hasDearLoads,
  run: (engine, tensors, size) => engine.run(matmulSubgroup, tensors, { ...size, lanes: engine.adapter.subgroupSize!, tileM, tileN }),
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

export const matmulFamily: Family<MatmulTensors, MatmulSize> = {
  name: 'matmul',
  variants: [
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
