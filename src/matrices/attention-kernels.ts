// Softmax attention of float16 rows by subgroup matrices, with its derivative.
import type { AttentionSize } from '../kernels/attention.js'
import { divideUp, fill, grid, type Kernel } from '../kernels/kernel.js'

/** How the rows are divided among workgroups and subgroups; see `shareOf`. */
export interface Share {
  /** Subgroups of a workgroup, 1 to 8; each owns 16 rows. */
  subgroups: number
  /** Tiles of 16 other rows that are staged at a time, 1 to 4. */
  blockTiles: number
}

export interface AttentionMatricesSize extends AttentionSize, Share {
  /** Which 64 columns of the results are computed: 0 to `partsOf` − 1. */
  part: number
}

/** Tiles of 16 columns of the results that a dispatch computes. */
const columnTiles = ({ headDim }: AttentionSize) => Math.min(4, headDim / 16)

/** The number of dispatches that compute all columns. */
export const partsOf = (size: AttentionSize): number => size.headDim / 16 / columnTiles(size)

/**
 * As many subgroups as the memory and the threads of a workgroup allow, but no more than the rows need.
 * @returns undefined if these kernels cannot run
 */
export function shareOf(
  { length, headDim }: AttentionSize,
  { workgroupBytes, workgroupThreads }: { workgroupBytes: number; workgroupThreads: number },
): Share | undefined {
  if (![32, 64, 128].includes(headDim)) return undefined
  const rowTiles = divideUp(length, 16)
  const blockTiles = Math.min(4, rowTiles)
  const staged = 2 * blockTiles * 16 * (headDim / 8 + 1) * 16
  const maxSubgroups = Math.floor(Math.min(8, (workgroupBytes - staged) / (272 * 16), workgroupThreads / 32))
  return maxSubgroups < 1 ? undefined : { subgroups: divideUp(rowTiles, divideUp(rowTiles, maxSubgroups)), blockTiles }
}

const tiles = ({ length, subgroups }: AttentionMatricesSize) => divideUp(length, subgroups * 16)
const groups = (size: AttentionMatricesSize) => size.batch * size.heads * tiles(size)

const byMatrices = (
  text: string,
  more: Record<string, boolean | number> = {},
): Pick<Kernel<AttentionMatricesSize>, 'source' | 'uniforms' | 'constants' | 'workgroups'> => ({
  source: size =>
    fill(text, {
      HEAD_TILES: size.headDim / 16,
      COLUMN_TILES: columnTiles(size),
      BLOCK_TILES: size.blockTiles,
      SHARE: 2 * size.blockTiles,
      COLUMN_SHARE: 2 * columnTiles(size),
      SUBGROUPS: size.subgroups,
      PART: size.part,
      ROPE: size.rope ?? false,
      ...more,
    }),
  uniforms: size => ({ length: size.length, heads: size.heads, tiles: tiles(size), groups: groups(size) }),
  constants: () => ({}),
  workgroups: size => grid(groups(size)),
})

const inputs = { qkv: 'read', table: 'read' } as const
const bindings = { ...inputs, o: 'read', lse: 'read', dO: 'read', delta: 'write', dQkv: 'write' } as const

/** The kernels with these texts. Without `rope`, `table` may be any tensor. */
export const attentionKernels = (texts: {
  forward: string
  backward: string
}): Record<'forward' | 'backwardQ' | 'backwardKv', Kernel<AttentionMatricesSize>> => ({
  forward: {
    name: 'attention_matrices',
    bindings: { ...inputs, o: 'write', lse: 'write' },
    ...byMatrices(texts.forward),
  },
  /** Computes the gradients of the queries, and δ. */
  backwardQ: {
    name: 'attention_matrices_backward_q',
    bindings,
    ...byMatrices(texts.backward, { OF_KEYS: false, RESULTS: 1 }),
  },
  /** Computes the gradients of keys and values, from δ. */
  backwardKv: {
    name: 'attention_matrices_backward_kv',
    bindings,
    ...byMatrices(texts.backward, { OF_KEYS: true, RESULTS: 2 }),
  },
})
