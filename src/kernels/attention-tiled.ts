// Softmax attention for GPUs: tiles of queries, keys and values in workgroup memory.
import forward from '../../shaders/attention_tiled.wgsl'
import backwardKv from '../../shaders/attention_tiled_backward_kv.wgsl'
import backwardQ from '../../shaders/attention_tiled_backward_q.wgsl'
import type { AttentionSize } from './attention.js'
import { defineKernel, divideUp, fill, grid, type Kernel } from './kernel.js'

/** Queries (or keys) that a workgroup owns. */
const TILE = 32

/** Whether these kernels can compute this size: heads of 8, 16, 24, 32, 64, 96 or 128 columns. */
export function fitsTiles({ headDim }: AttentionSize): boolean {
  return headDim % 8 === 0 && (headDim <= 32 || headDim % 32 === 0) && headDim <= 128
}

const workgroups = ({ batch, length, heads }: AttentionSize) => batch * heads * divideUp(length, TILE)

const withWidth =
  (text: string) =>
  ({ headDim, rope = false }: AttentionSize) =>
    fill(text, { HEAD_DIM: headDim, OWN_BLOCKS: divideUp(headDim, 32), ROPE: rope })

const inTiles: Pick<Kernel<AttentionSize>, 'uniforms' | 'constants' | 'workgroups'> = {
  uniforms: size => ({
    length: size.length,
    heads: size.heads,
    tiles: divideUp(size.length, TILE),
    groups: workgroups(size),
    blocks: size.headDim / 4,
    tile: TILE,
  }),
  constants: () => ({}),
  workgroups: size => grid(workgroups(size)),
}

/** Without `rope`, `table` may be any tensor, here and in the derivatives. */
export const attentionTiled = defineKernel<AttentionSize>({
  name: 'attention_tiled',
  source: withWidth(forward),
  bindings: { qkv: 'read', table: 'read', o: 'write', lse: 'write' },
  ...inTiles,
})

export const attentionTiledBackwardQ = defineKernel<AttentionSize>({
  name: 'attention_tiled_backward_q',
  source: withWidth(backwardQ),
  bindings: { qkv: 'read', table: 'read', lse: 'read', delta: 'read', dO: 'read', dQkv: 'write' },
  ...inTiles,
})

export const attentionTiledBackwardKv = defineKernel<AttentionSize>({
  name: 'attention_tiled_backward_kv',
  source: withWidth(backwardKv),
  bindings: { qkv: 'read', table: 'read', lse: 'read', delta: 'read', dO: 'read', dQkv: 'write' },
  ...inTiles,
})
