// Rotary position embedding of packed [q | k | v] rows, with its derivative.
import * as kernels from '../../kernels/rope.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'

/**
 * @param qkv shape (batch, length, 3 · heads · headDim): query heads, key heads, value heads
 * @param table from `ropeTable`, shape (length, headDim / 2, 2)
 * @returns the same with queries and keys rotated by their position
 */
export function rope(engine: Engine, qkv: Tensor, table: Tensor, heads: number): Tensor {
  const [batch, length, width] = qkv.shape
  const headDim = width / 3 / heads
  if (!Number.isInteger(headDim) || headDim % 2) throw new Error(`rope: width ${width} is not 3 × ${heads} heads of an even width`)
  const size = { batch, length, heads, headDim }
  const turn = (x: Tensor, direction: 1 | -1) => {
    const y = engine.tensor(x.shape)
    engine.run(kernels.rope, { x, table, y }, { ...size, direction })
    return y
  }
  return engine.record(turn(qkv, 1), [qkv], dy => [turn(dy, -1)])
}
