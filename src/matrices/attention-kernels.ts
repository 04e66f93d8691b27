// Softmax attention of float16 rows by subgroup matrices, forward and backward.
import forward from '../../shaders/matrices/attention.wgsl'
import backward from '../../shaders/matrices/attention_backward.wgsl'
import type { AttentionSize } from '../kernels/attention.js'
import { defineKernel, divideUp, fill, grid, type Kernel } from '../kernels/kernel.js'

export interface AttentionMatricesSize extends AttentionSize {
  /** Subgroups of a workgroup, each with 16 rows; `subgroupsOf` names a good number. */
  subgroups: number
  /** Which 64 columns of the results are computed, below `partsOf`. */
  part: number
}

/** Other rows that are staged at a time, in tiles of 16. */
const blockTiles = ({ length }: AttentionSize) => Math.min(4, divideUp(length, 16))
/** Columns of the results in a dispatch, in tiles of 16. */
const columnTiles = ({ headDim }: AttentionSize) => Math.min(4, headDim / 16)

/** Dispatches that compute all columns. */
export const partsOf = ({ headDim }: AttentionSize): number => headDim / 16 / columnTiles({ headDim } as AttentionSize)

/**
 * As many subgroups as the memory and the threads of a workgroup allow, at most 8, and no more than the rows need.
 * 0 where these kernels cannot run.
 */
export function subgroupsOf(size: AttentionSize, { workgroupBytes, workgroupThreads }: { workgroupBytes: number; workgroupThreads: number }): number {
  const { length, headDim } = size
  if (![32, 64, 128].includes(headDim)) return 0
  const staged = 2 * blockTiles(size) * 16 * (headDim / 8 + 1) * 16
  const most = Math.floor(Math.min(8, (workgroupBytes - staged) / (272 * 16), workgroupThreads / 32))
  const rows = divideUp(length, 16)
  return most < 1 ? 0 : divideUp(rows, divideUp(rows, most))
}

const tiles = ({ length, subgroups }: AttentionMatricesSize) => divideUp(length, subgroups * 16)
const groups = (size: AttentionMatricesSize) => size.batch * size.heads * tiles(size)

const byMatrices = (text: string, more: Record<string, boolean> = {}): Pick<Kernel<AttentionMatricesSize>, 'source' | 'parameters' | 'constants' | 'workgroups'> => ({
  source: size => fill(text, {
    HEAD_TILES: size.headDim / 16,
    COLUMN_TILES: columnTiles(size),
    BLOCK_TILES: blockTiles(size),
    SHARE: 2 * blockTiles(size),
    COLUMN_SHARE: 2 * columnTiles(size),
    SUBGROUPS: size.subgroups,
    PART: size.part,
    ROPE: size.rope ?? false,
    ...more,
  }),
  parameters: size => ({ length: size.length, heads: size.heads, tiles: tiles(size), groups: groups(size) }),
  constants: () => ({}),
  workgroups: size => grid(groups(size)),
})

/** The table of angles is any tensor where nothing is turned; so in the derivatives. */
export const attentionMatrices = defineKernel<AttentionMatricesSize>({
  name: 'attention_matrices',
  bindings: { qkv: 'read', table: 'read', o: 'write', lse: 'write' },
  ...byMatrices(forward),
})

const bindings = { qkv: 'read', table: 'read', o: 'read', lse: 'read', dO: 'read', delta: 'write', dQkv: 'write' } as const

/** Gradients of the queries, and δ. */
export const attentionMatricesBackwardQ = defineKernel<AttentionMatricesSize>({
  name: 'attention_matrices_backward_q',
  bindings,
  ...byMatrices(backward, { OF_KEYS: false }),
})

/** Gradients of keys and values, from δ. */
export const attentionMatricesBackwardKv = defineKernel<AttentionMatricesSize>({
  name: 'attention_matrices_backward_kv',
  bindings,
  ...byMatrices(backward, { OF_KEYS: true }),
})
