// A whole SwiGLU block with its residual and norm in one dispatch, over the last axis or over the one before it.
import columns from '../../shaders/mlp_block_columns.wgsl'
import columnsBackward from '../../shaders/mlp_block_columns_backward.wgsl'
import columnsBackwardWeights from '../../shaders/mlp_block_columns_backward_weights.wgsl'
import columnsOperands from '../../shaders/mlp_block_columns_operands.wgsl'
import rows from '../../shaders/mlp_block_rows.wgsl'
import { defineKernel, grid, divideUp, TEXELS_PER_ROW } from './kernel.js'

export interface MlpBlockSize {
  batch: number
  length: number
  width: number
  /** Inner width of the SwiGLU. */
  inner: number
  /** The axis of (batch, length, width) that the block works on. */
  axis: -1 | -2
  /** Something is added to h first; with axis −2 only. */
  hasInjection: boolean
  epsilon: number
  /** Leaves [gate | up] and silu(gate) · up in `gatesUps` and `activated`. */
  keeps: boolean
  /** Tensors are float16. */
  half?: boolean
}

const flags = ({ epsilon }: MlpBlockSize) => ({ TEXELS_PER_ROW, EPSILON: String(epsilon) })
const tiles = ({ batch, width }: MlpBlockSize) => (batch * width) / 32
/** Rows that a subgroup owns. */
const ROWS = 16

const rowTiles = (size: MlpBlockSize) => divideUp(size.batch * size.length, ROWS)

/** Over the positions, in registers: up to 24 of them, and columns in 32s. */
export const mlpBlockColumns = defineKernel<MlpBlockSize>({
  name: 'mlp_block_columns',
  source: columns,
  bindings: { h: 'texels', injection: 'texels', gateUp: 'texels', down: 'texels', y: 'write', scale: 'write' },
  parameters: size => ({ width: size.width, inner: size.inner, groups: tiles(size), has_injection: Number(size.hasInjection) }),
  constants: () => ({}),
  lines: size => ({ ...flags(size), LENGTH: size.length }),
  workgroups: size => grid(tiles(size)),
})

const derivativeLines = ({ length }: MlpBlockSize) => ({ TEXELS_PER_ROW, LENGTH: length })

/** From ds, the gradient before the norm, that of s: both ways together. */
export const mlpBlockColumnsBackward = defineKernel<MlpBlockSize & { accumulate: boolean }>({
  name: 'mlp_block_columns_backward',
  source: `${columnsOperands}\n${columnsBackward}`,
  bindings: { s: 'texels', ds: 'texels', gateUp: 'texels', down: 'texels', dS: 'write' },
  parameters: size => ({ width: size.width, inner: size.inner, groups: tiles(size), accumulate: Number(size.accumulate) }),
  constants: () => ({}),
  lines: derivativeLines,
  workgroups: size => grid(tiles(size)),
})

export const mlpBlockColumnsBackwardWeights = defineKernel<MlpBlockSize & { accumulateGateUp: boolean; accumulateDown: boolean }>({
  name: 'mlp_block_columns_backward_weights',
  source: `${columnsOperands}\n${columnsBackwardWeights}`,
  bindings: { s: 'texels', ds: 'texels', gateUp: 'texels', down: 'texels', dGateUp: 'write', dDown: 'write' },
  parameters: size => ({ width: size.width, inner: size.inner, tiles: tiles(size), accumulate_gate_up: Number(size.accumulateGateUp), accumulate_down: Number(size.accumulateDown) }),
  constants: () => ({}),
  lines: derivativeLines,
  workgroups: size => grid(size.inner / 8),
})

/** Over the last axis: of 32, 64, 96 or 128 columns. */
export const mlpBlockRows = defineKernel<MlpBlockSize>({
  name: 'mlp_block_rows',
  source: rows,
  bindings: { h: 'texels', gateUp: 'texels', down: 'texels', y: 'write', scale: 'write', gatesUps: 'write', activated: 'write' },
  parameters: size => ({ rows: size.batch * size.length, inner: size.inner, groups: rowTiles(size), keeps: Number(size.keeps) }),
  constants: () => ({}),
  lines: size => ({ ...flags(size), ROWS: ROWS, SETS: size.width / 32 }),
  workgroups: size => grid(rowTiles(size)),
})

/** The kernel that computes this size in one dispatch, if there is one. */
export function mlpBlockKernel(size: MlpBlockSize): typeof mlpBlockRows | undefined {
  const { axis, length, width, inner } = size
  if (width % 32) return undefined
  if (axis === -2) return length <= 24 && inner % 8 === 0 ? mlpBlockColumns : undefined
  return width <= 128 && inner % 32 === 0 ? mlpBlockRows : undefined
}
