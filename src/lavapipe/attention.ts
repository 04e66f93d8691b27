// Softmax attention on lavapipe: subgroups of 8 threads share their loads, operands lie in textures.
import forward from '../../shaders/lavapipe/attention_textures.wgsl'
import backwardKv from '../../shaders/lavapipe/attention_textures_backward_kv.wgsl'
import backwardQ from '../../shaders/lavapipe/attention_textures_backward_q.wgsl'
import { type AttentionStep, attentionVariant, dispatchStep, turnedBefore } from '../engine/ops/attention.js'
import { attentionDelta, type AttentionSize } from '../kernels/attention.js'
import { defineKernel, divideUp, fill, grid, type Kernel } from '../kernels/kernel.js'
import { isLavapipe } from './adapter.js'
import { runByTextures, TEXELS, TEXELS_PER_ROW } from './textures.js'

/** Rows that a subgroup owns. */
const TILE = 16

/** Whether the kernels can rotate queries and keys of this size on load. */
const rotatesOnLoad = ({ headDim }: AttentionSize) => [8, 16, 32, 64].includes(headDim)

const groups = ({ batch, length, heads }: AttentionSize) => batch * heads * divideUp(length, TILE)

/** Without `rope`, `table` may be any tensor. */
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

/** For other widths of heads, queries and keys are copied and rotated before. */
const withRotation =
  (step: AttentionStep): AttentionStep =>
  (engine, tensors, size) => {
    if (size.rope && !rotatesOnLoad(size))
      turnedBefore(engine, tensors, size, rotated => step(engine, rotated, { ...size, rope: false }))
    else step(engine, tensors, size)
  }

export const attentionTextures = attentionVariant({
  name: 'textures',
  available: (adapter, size) => !size.f16 && isLavapipe(adapter) && size.headDim % 4 === 0 && size.headDim <= 64,
  forward: withRotation((engine, tensors, size) => runByTextures(engine, forwardKernel, tensors, size)),
  backward: withRotation((engine, tensors, size) => {
    dispatchStep(engine, attentionDelta, tensors, size)
    runByTextures(engine, backwardQKernel, tensors, size)
    runByTextures(engine, backwardKvKernel, tensors, size)
  }),
})
