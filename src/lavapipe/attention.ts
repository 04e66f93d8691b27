// Softmax attention on lavapipe: subgroups of 8 threads share their loads, operands lie in textures.
import forward from '../../shaders/lavapipe/attention_textures.wgsl'
import backwardKv from '../../shaders/lavapipe/attention_textures_backward_kv.wgsl'
import backwardQ from '../../shaders/lavapipe/attention_textures_backward_q.wgsl'
import { type AttentionStep, attentionVariant, turnedBefore } from '../engine/ops/attention.js'
import { attentionDelta, type AttentionSize } from '../kernels/attention.js'
import { defineKernel, divideUp, fill, grid, type Kernel } from '../kernels/kernel.js'
import { isLavapipe } from './adapter.js'
import { runByTextures, TEXELS, TEXELS_PER_ROW } from './textures.js'

/** Rows that a subgroup owns. */
const TILE = 16

/** Whether the kernels turn queries and keys as they load them. */
const turns = ({ headDim }: AttentionSize) => [8, 16, 32, 64].includes(headDim)

const groups = ({ batch, length, heads }: AttentionSize) => batch * heads * divideUp(length, TILE)

/** The table of angles is any tensor where nothing is turned. */
const operands = { qkv: TEXELS, table: TEXELS } as const

const withWidth =
  (text: string) =>
  ({ headDim, rope = false }: AttentionSize) =>
    fill(text, { TEXELS_PER_ROW, TILE, GROUPS: TILE / 8, HEAD_DIM: headDim, ROPE: rope })

const byTile: Pick<Kernel<AttentionSize>, 'uniforms' | 'constants' | 'workgroups'> = {
  uniforms: size => ({
    length: size.length,
    heads: size.heads,
    tiles: divideUp(size.length, TILE),
    groups: groups(size),
    columns: size.headDim,
  }),
  constants: () => ({}),
  workgroups: size => grid(groups(size)),
}

const forwardKernel = defineKernel<AttentionSize>({
  name: 'attention_textures',
  source: withWidth(forward),
  bindings: { ...operands, o: 'write', lse: 'write' },
  ...byTile,
})

const backwardBindings = { ...operands, lse: 'read', delta: 'read', dO: TEXELS, dQkv: 'write' } as const

const backwardQKernel = defineKernel<AttentionSize>({
  name: 'attention_textures_backward_q',
  source: withWidth(backwardQ),
  bindings: backwardBindings,
  ...byTile,
})

const backwardKvKernel = defineKernel<AttentionSize>({
  name: 'attention_textures_backward_kv',
  source: withWidth(backwardKv),
  bindings: backwardBindings,
  ...byTile,
})

/** Other head widths get a copy of queries and keys that was turned before. */
const turnedIfNeeded =
  (step: AttentionStep): AttentionStep =>
  (engine, tensors, size) => {
    if (size.rope && !turns(size))
      turnedBefore(engine, tensors, size, turned => step(engine, turned, { ...size, rope: false }))
    else step(engine, tensors, size)
  }

export const attentionTextures = attentionVariant({
  name: 'textures',
  available: (adapter, size) => !size.f16 && isLavapipe(adapter) && size.headDim % 4 === 0 && size.headDim <= 64,
  forward: turnedIfNeeded((engine, tensors, size) => runByTextures(engine, forwardKernel, tensors, size)),
  backward: turnedIfNeeded((engine, tensors, size) => {
    engine.dispatch(attentionDelta, tensors, size)
    runByTextures(engine, backwardQKernel, tensors, size)
    runByTextures(engine, backwardKvKernel, tensors, size)
  }),
})
