// SwiGLU blocks by subgroup matrices that plain functions play. No test is here.
import gateUp from '../shaders/matrices/matmul_gate_up.wgsl'
import swigluBackward from '../shaders/matrices/matmul_swiglu_backward.wgsl'
import type { BlockTensors, MlpBlockSize } from '../src/engine/ops/mlp-block.js'
import type { Tensor } from '../src/engine/tensor.js'
import type { Variant } from '../src/engine/variants.js'
import { fill } from '../src/kernels/kernel.js'
import type { Gated } from '../src/kernels/matmul.js'
import {
  linesOf,
  matmulGateUp,
  type MatrixProduct,
  matmulSwigluBackward,
  swigluBackwardLines,
  textOf,
} from '../src/matrices/matmul-kernels.js'
import { blockVariant } from '../src/matrices/mlp-block.js'
import { playedKernel, rolled } from './played-matrices.js'

/** The smallest tile. */
export const TILE = { kind: { component: 'f16', m: 8, n: 8, k: 8 }, span: 16, splits: 1 } as const
export const kernels = {
  gateUp: playedKernel({
    ...matmulGateUp,
    source: (size: MatrixProduct & { gated: Gated }) => fill(rolled(textOf(size, gateUp)), linesOf(size)),
  }),
  swigluBackward: playedKernel({
    ...matmulSwigluBackward,
    source: (size: MatrixProduct & { halves: Gated }) =>
      fill(rolled(textOf(size, swigluBackward)), swigluBackwardLines(size)),
  }),
}

/** The block by these kernels, for adapters with float16. It runs only if it is forced. */
export const playedBlock: Variant<BlockTensors, MlpBlockSize, Tensor> = {
  ...blockVariant('played', kernels, () => TILE),
  available: (_, { recorded, f16, axis, inner, width }) => recorded && f16 && (axis === -1 ? inner : width) % 8 === 0,
  suits: () => false,
}
