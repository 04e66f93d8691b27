// silu(gate) ⊙ up with [gate | up] = W · x, not recorded and without keeping gate and up, by the variant that suits the adapter.
import { type Gated, type MatmulSize, matmulTiled, MOST_FEW } from '../../kernels/matmul.js'
import { swiglu } from '../../kernels/swiglu.js'
import type { Engine } from '../engine.js'
import type { Family, Variant } from '../variants.js'
import { BUSY, hasMatrices, matmul, matmulFamily, type MatmulTensors } from './matmul.js'

export interface GateUpSize extends MatmulSize {
  gated: Gated
}

const inSize = ({ m, n, batch = 1 }: MatmulSize) => m * n * batch

const tiled = (lanes: number): Variant<MatmulTensors, GateUpSize> => ({
  name: `tiled ${lanes * 8}×${lanes * 8}`,
  onlyHardware: true,
  // Matrices of subgroups are faster than what this saves.
  available: (adapter, size) => !hasMatrices(adapter, size),
  // As of the product alone: whole tiles, and enough of them; few rows have a kernel of their own.
  suits: size => (lanes === 8 && size.m > MOST_FEW) || (size.m > 64 && size.n > 64 && inSize(size) >= BUSY * 128 ** 2),
  run: (engine, tensors, size) => engine.run(matmulTiled, tensors, { ...size, tile: { lanesM: lanes, lanesN: lanes, partsM: 2, partsN: 2 }, splits: 1 }),
})

/** a, b as for the product, c of half its size. */
export const gateUpFamily: Family<MatmulTensors, GateUpSize> = {
  name: 'gate up',
  variants: [
    tiled(16),
    tiled(8),
    {
      name: 'composed',
      available: () => true,
      run(engine, { a, b, c }, { gated, ...size }) {
        const both = engine.tensor([inSize(size)], c.dtype)
        matmul(engine, { a, b, c: both }, size)
        engine.run(swiglu, { x: both, y: c }, gated === 'columns' ? { rows: (size.batch ?? 1) * size.m, inner: size.n / 2 } : { rows: size.batch ?? 1, inner: (size.m / 2) * size.n })
        engine.release(both)
      },
    },
  ],
  classOf: size => `${size.gated} ${matmulFamily.classOf(size)}`,
  sample: (engine, size) => {
    const { a, b } = matmulFamily.sample(engine, size)
    return { a, b, c: engine.tensor([inSize(size) / 2], size.halfA || size.halfB ? 'f16' : 'f32') }
  },
}

/** `c = silu(gate) ⊙ up`; size is that of the product, with [gate | up] along the `gated` side. */
export function gateUp(engine: Engine, tensors: MatmulTensors, given: GateUpSize): void {
  const size = { ...given, halfA: tensors.a.dtype === 'f16', halfB: tensors.b.dtype === 'f16' }
  engine.variants.pick(gateUpFamily, size).run(engine, tensors, size)
}
