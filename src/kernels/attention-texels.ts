// Softmax attention for software adapters with subgroups of 8 threads, operands in textures; not in the package for browsers.
import texels from '../../shaders/attention_texels.wgsl'
import texelsBackward from '../../shaders/attention_texels_backward.wgsl'
import texelsBackwardKv from '../../shaders/attention_texels_backward_kv.wgsl'
import texelsBackwardQ from '../../shaders/attention_texels_backward_q.wgsl'
import loads from '../../shaders/attention_texels_loads.wgsl'
import type { AttentionSize } from './attention.js'
import { defineKernel, divideUp, grid, type Kernel, TEXELS_PER_ROW } from './kernel.js'

/** Rows that a subgroup of the kernels for adapters with dear loads owns. */
const TILE = 16

/** Whether those can compute it. */
export function fitsTexels({ headDim }: AttentionSize): boolean {
  return headDim % 4 === 0 && headDim <= 64
}

/** Whether they can turn queries and keys as they load them. */
export function turnsTexels({ headDim }: AttentionSize): boolean {
  return [8, 16, 32, 64].includes(headDim)
}

const texelGroups = ({ batch, length, heads }: AttentionSize) => batch * heads * divideUp(length, TILE)

/** The table of angles is any tensor where nothing is turned. */
const operands = { qkv: 'texels', table: 'texels' } as const

const byTexels: Pick<Kernel<AttentionSize>, 'parameters' | 'constants' | 'lines' | 'workgroups'> = {
  parameters: size => ({ length: size.length, heads: size.heads, tiles: divideUp(size.length, TILE), groups: texelGroups(size), columns: size.headDim }),
  constants: () => ({}),
  lines: ({ headDim, rope = false }) => ({ TEXELS_PER_ROW, TILE, GROUPS: TILE / 8, HEAD_DIM: headDim, ROPE: String(rope) }),
  workgroups: size => grid(texelGroups(size)),
}

export const attentionTexels = defineKernel<AttentionSize>({
  name: 'attention_texels',
  source: `${loads}\n${texels}`,
  bindings: { ...operands, o: 'write', lse: 'write' },
  ...byTexels,
})

export const attentionTexelsBackwardQ = defineKernel<AttentionSize>({
  name: 'attention_texels_backward_q',
  source: `${loads}\n${texelsBackward}\n${texelsBackwardQ}`,
  bindings: { ...operands, lse: 'read', delta: 'read', dO: 'texels', dQkv: 'write' },
  ...byTexels,
})

export const attentionTexelsBackwardKv = defineKernel<AttentionSize>({
  name: 'attention_texels_backward_kv',
  source: `${loads}\n${texelsBackward}\n${texelsBackwardKv}`,
  bindings: { ...operands, lse: 'read', delta: 'read', dO: 'texels', dQkv: 'write' },
  ...byTexels,
})
