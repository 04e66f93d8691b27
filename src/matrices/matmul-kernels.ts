// The matrix product by subgroup matrices, for GPUs that offer them.
import source from '../../shaders/matrices/matmul.wgsl'
import type { MatrixKind } from '../engine/device.js'
import { defineKernel, fill } from '../kernels/kernel.js'
import { bindings, type MatmulSize, parameters, tiles, vectors } from '../kernels/matmul.js'

/** For GPUs with subgroup matrices and subgroups of 32: four subgroups, each with span × span results. With `splits` as `matmulTiled`. */
export const matmulSubgroupMatrix = defineKernel<MatmulSize & { kind: MatrixKind; span: number; splits: number }>({
  name: 'matmul_subgroup_matrix',
  // Tiles of both operands and results within the 16 KiB of workgroup memory that every adapter has.
  source: ({ kind, span, ...size }) =>
    fill(source, { SPAN: span, DEPTH: span > 32 || kind.component === 'f32' ? 16 : 32, SIZE_M: kind.m, SIZE_N: kind.n, SIZE_K: kind.k, COUNT_M: span / kind.m, COUNT_N: span / kind.n, Element: kind.component, ...vectors(size) }),
  bindings,
  parameters: size => ({ ...parameters(size), splits: size.splits }),
  constants: () => ({}),
  workgroups: size => tiles({ ...size, batch: (size.batch ?? 1) * size.splits }, 2 * size.span, 2 * size.span),
})
