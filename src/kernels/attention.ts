// Bidirectional softmax attention over packed query, key and value rows, forward and backward, without a score matrix in memory.
import forward from '../../shaders/attention.wgsl'
import backwardKv from '../../shaders/attention_backward_kv.wgsl'
import backwardQ from '../../shaders/attention_backward_q.wgsl'
import deltaSource from '../../shaders/attention_delta.wgsl'
import subgroupForward from '../../shaders/attention_subgroup.wgsl'
import subgroupBackwardKv from '../../shaders/attention_subgroup_backward_kv.wgsl'
import subgroupBackwardQ from '../../shaders/attention_subgroup_backward_q.wgsl'
import { defineKernel, divideUp, grid, type Kernel } from './kernel.js'

const THREADS = 32

export interface AttentionSize {
  batch: number
  length: number
  heads: number
  headDim: number
}

const rows = ({ batch, length, heads }: AttentionSize) => batch * length * heads
const lines = ({ headDim }: AttentionSize) => ({ HEAD_DIM: headDim })
const workgroups = (size: AttentionSize) => grid(divideUp(rows(size), THREADS))

export const attention = defineKernel<AttentionSize>({
  name: 'attention',
  source: forward,
  bindings: { qkv: 'read', o: 'write', lse: 'write' },
  constants: size => ({ THREADS, QUERIES: rows(size), LENGTH: size.length, HEADS: size.heads }),
  lines,
  workgroups,
})

export const attentionBackwardQ = defineKernel<AttentionSize>({
  name: 'attention_backward_q',
  source: backwardQ,
  bindings: { qkv: 'read', o: 'read', lse: 'read', dO: 'read', dQkv: 'write', delta: 'write' },
  constants: size => ({ THREADS, QUERIES: rows(size), LENGTH: size.length, HEADS: size.heads }),
  lines,
  workgroups,
})

export const attentionBackwardKv = defineKernel<AttentionSize>({
  name: 'attention_backward_kv',
  source: backwardKv,
  bindings: { qkv: 'read', lse: 'read', dO: 'read', delta: 'read', dQkv: 'write' },
  constants: size => ({ THREADS, KEYS: rows(size), LENGTH: size.length, HEADS: size.heads }),
  lines,
  workgroups,
})

/** δ of the derivative, for the subgroup kernels, which do not compute it themselves. */
export const attentionDelta = defineKernel<AttentionSize>({
  name: 'attention_delta',
  source: deltaSource,
  bindings: { o: 'read', dO: 'read', delta: 'write' },
  constants: size => ({ THREADS, COUNT: rows(size), LENGTH: size.length, HEADS: size.heads, HEAD_DIM: size.headDim }),
  workgroups,
})

/** What the kernels for adapters with dear loads share; `lanes` is the size of every subgroup there. */
function bySubgroups(tile: number, keys: number): Pick<Kernel<AttentionSize & { lanes: number }>, 'parameters' | 'constants' | 'lines' | 'workgroups'> {
  const groups = ({ batch, length, heads }: AttentionSize) => batch * heads * divideUp(length, tile)
  return {
    parameters: size => ({ length: size.length, heads: size.heads, tiles: divideUp(size.length, tile), groups: groups(size) }),
    constants: () => ({}),
    lines: ({ headDim, lanes }) => ({ LANES: lanes, TILE: tile, KEYS: keys, HEAD_DIM: headDim, PARTS: divideUp(headDim, lanes) }),
    workgroups: size => grid(groups(size)),
  }
}

export const attentionSubgroup = defineKernel<AttentionSize & { lanes: number }>({
  name: 'attention_subgroup',
  source: subgroupForward,
  bindings: { qkv: 'read', o: 'write', lse: 'write' },
  ...bySubgroups(16, 2),
})

export const attentionSubgroupBackwardQ = defineKernel<AttentionSize & { lanes: number }>({
  name: 'attention_subgroup_backward_q',
  source: subgroupBackwardQ,
  bindings: { qkv: 'read', lse: 'read', delta: 'read', dO: 'read', dQkv: 'write' },
  ...bySubgroups(8, 2),
})

export const attentionSubgroupBackwardKv = defineKernel<AttentionSize & { lanes: number }>({
  name: 'attention_subgroup_backward_kv',
  source: subgroupBackwardKv,
  bindings: { qkv: 'read', lse: 'read', delta: 'read', dO: 'read', dQkv: 'write' },
  ...bySubgroups(8, 2),
})
