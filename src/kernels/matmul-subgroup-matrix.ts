// The matrix product by subgroup matrices, for GPUs that offer them; not in the package for browsers.
import subgroupMatrix from '../../shaders/matmul_subgroup_matrix.wgsl'
import { defineKernel } from './kernel.js'
import { bindings, type MatmulSize, parameters, tileLoads, tiles, vectors } from './matmul.js'

/** A kind of subgroup matrix that an adapter offers: operands (m, k) and (k, n) of this type, sums in float32. */
export interface MatrixKind {
  component: 'f16' | 'f32'
  m: number
  n: number
  k: number
}

/** For GPUs with subgroup matrices and subgroups of 32: four subgroups, each with span × span results. With `splits` as `matmulTiled`. */
export const matmulSubgroupMatrix = defineKernel<MatmulSize & { kind: MatrixKind; span: number; splits: number }>({
  name: 'matmul_subgroup_matrix',
  source: `enable f16;\nenable subgroups;\nenable subgroup_size_control;\nenable chromium_experimental_subgroup_matrix;\n${tileLoads}\n${subgroupMatrix}`,
  bindings,
  parameters: size => ({ ...parameters(size), splits: size.splits }),
  constants: () => ({}),
  // Tiles of both operands and results within the 16 KiB of workgroup memory that every adapter has.
  lines: ({ kind, span, ...size }) => ({ SPAN: span, DEPTH: span > 32 || kind.component === 'f32' ? 16 : 32, SIZE_M: kind.m, SIZE_N: kind.n, SIZE_K: kind.k, Element: kind.component, ...vectors(size) }),
  workgroups: size => tiles({ ...size, batch: (size.batch ?? 1) * size.splits }, 2 * size.span, 2 * size.span),
})
