// A whole SwiGLU block with its residual and norm in one dispatch, over the last axis or over the one before it.
import columns from '../../shaders/mlp_block_columns.wgsl'
import columnsBackward from '../../shaders/mlp_block_columns_backward.wgsl'
import columnsBackwardWeights from '../../shaders/mlp_block_columns_backward_weights.wgsl'
import columnsDerivatives from '../../shaders/mlp_block_columns_derivatives.wgsl'
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
const lengthLines = ({ length }: MlpBlockSize) => ({ LENGTH: length, PARTS: divideUp(length, 8) })
const tiles = ({ batch, width }: MlpBlockSize) => (batch * width) / 32
/** Rows that a subgroup owns. */
const ROWS = 16

const rowTiles = (size: MlpBlockSize) => divideUp(size.batch * size.length, ROWS)

/** Over the positions, in registers: up to 24 of them, and columns in 32s. */
export const mlpBlockColumns = defineKernel<MlpBlockSize>({
  name: 'mlp_block_columns',
  source: `${columnsOperands}\n${columns}`,
  bindings: { h: 'texels', injection: 'texels', gateUp: 'texels', down: 'texels', y: 'write', scale: 'write' },
  parameters: size => ({ length: size.length, width: size.width, inner: size.inner, groups: tiles(size), has_injection: Number(size.hasInjection) }),
  constants: () => ({}),
  lines: size => ({ ...flags(size), ...lengthLines(size) }),
  workgroups: size => grid(tiles(size)),
})

const derivativeLines = (size: MlpBlockSize) => ({ TEXELS_PER_ROW, ...lengthLines(size) })

/** From ds, the gradient before the norm, that of s: both ways together. */
export const mlpBlockColumnsBackward = defineKernel<MlpBlockSize & { accumulate: boolean }>({
  name: 'mlp_block_columns_backward',
  source: `${columnsOperands}\n${columnsDerivatives}\n${columnsBackward}`,
  bindings: { s: 'texels', ds: 'texels', gateUp: 'texels', down: 'texels', dS: 'write' },
  parameters: size => ({ length: size.length, width: size.width, inner: size.inner, groups: tiles(size), accumulate: Number(size.accumulate) }),
  constants: () => ({}),
  lines: derivativeLines,
  workgroups: size => grid(tiles(size)),
})

export const mlpBlockColumnsBackwardWeights = defineKernel<MlpBlockSize & { accumulateGateUp: boolean; accumulateDown: boolean }>({
  name: 'mlp_block_columns_backward_weights',
  source: `${columnsOperands}\n${columnsDerivatives}\n${columnsBackwardWeights}`,
  bindings: { s: 'texels', ds: 'texels', gateUp: 'texels', down: 'texels', dGateUp: 'write', dDown: 'write' },
  parameters: size => ({ length: size.length, width: size.width, inner: size.inner, tiles: tiles(size), accumulate_gate_up: Number(size.accumulateGateUp), accumulate_down: Number(size.accumulateDown) }),
  constants: () => ({}),
  lines: derivativeLines,
  workgroups: size => grid(size.inner / 4),
})

/** Over the last axis: of 32, 64, 96 or 128 columns. */
export const mlpBlockRows = defineKernel<MlpBlockSize>({
  name: 'mlp_block_rows',
  source: rows,
  bindings: { h: 'texels', gateUp: 'texels', down: 'texels', y: 'write', scale: 'write', gatesUps: 'write', activated: 'write' },
  parameters: size => ({ rows: size.batch * size.length, inner: size.inner, groups: rowTiles(size), keeps: Number(size.keeps) }),
  constants: () => ({}),
  lines: size => ({ ...flags(size), ROWS, GROUPS: ROWS / 8, SETS: size.width / 32 }),
  workgroups: size => grid(rowTiles(size)),
})

/** The kernel that computes this size in one dispatch, if there is one. */
export function mlpBlockKernel(size: MlpBlockSize): typeof mlpBlockRows | undefined {
  const { axis, length, width, inner } = size
  if (width % 32) return undefined
  if (axis === -2) return length <= 24 && inner % 4 === 0 ? mlpBlockColumns : undefined
  return width <= 128 && inner % 32 === 0 ? mlpBlockRows : undefined
}
