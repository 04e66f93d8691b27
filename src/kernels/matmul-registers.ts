// The matrix product with tiles of any size in registers; not in the package for browsers.
import plain from '../../shaders/matmul.wgsl'
import { defineKernel } from './kernel.js'
import { bindings, type MatmulSize, parameters, tiles } from './matmul.js'

/** Threads of a workgroup along n and m, and rows and columns that each thread keeps in registers. */
export interface MatmulTile {
  lanesN: number
  lanesM: number
  tileM: number
  tileN: number
}

/** Runs on every adapter. */
export const matmulRegisters = defineKernel<MatmulSize & { tile: MatmulTile }>({
  name: 'matmul',
  source: plain,
  bindings,
  parameters,
  constants: ({ tile: { lanesN, lanesM } }) => ({ LANES_N: lanesN, LANES_M: lanesM }),
  lines: ({ tile: { tileM, tileN } }) => ({ TILE_M: tileM, TILE_N: tileN }),
  workgroups: size => tiles(size, size.tile.lanesM * size.tile.tileM, size.tile.lanesN * size.tile.tileN),
})
