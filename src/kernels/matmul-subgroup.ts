// The matrix product for software adapters whose loads one subgroup shares; not in the package for browsers.
import subgroup from '../../shaders/matmul_subgroup.wgsl'
import { defineKernel } from './kernel.js'
import { bindings, type MatmulSize, parameters, tiles } from './matmul.js'

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
