// Multi-head attention over packed [q | k | v] rows, with its derivative.
import * as kernels from '../../kernels/attention.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'

/**
 * `softmax(q · kᵀ / √headDim) · v` per head; every position sees every other one.
 * @param qkv shape (batch, length, 3 · heads · headDim): query heads, key heads, value heads
 * @returns shape (batch, length, heads · headDim)
 */
export function attention(engine: Engine, qkv: Tensor, heads: number): Tensor {
  const [batch, length, packed] = qkv.shape
  const width = packed / 3
  const headDim = width / heads
  if (qkv.shape.length !== 3 || !Number.isInteger(headDim)) throw new Error(`attention: shape [${qkv.shape}] is not (batch, length, 3 × ${heads} heads × head width)`)
  const size = { batch, length, heads, headDim }
  const o = engine.tensor([batch, length, width])
  const lse = engine.tensor([batch, heads, length])
  engine.run(kernels.attention, { qkv, o, lse }, size)
  return engine.record(o, [qkv], dO => {
    const dQkv = engine.tensor(qkv.shape)
    const delta = engine.tensor([batch, heads, length])
    engine.run(kernels.attentionBackwardQ, { qkv, o, lse, dO, dQkv, delta }, size)
    engine.run(kernels.attentionBackwardKv, { qkv, lse, dO, delta, dQkv }, size)
    return [dQkv]
  })
}
