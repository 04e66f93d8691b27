// Rotary position embedding of packed rows [q | k | v], with its derivative.
import * as kernels from '../../kernels/rope.js'
import { addTo } from '../accumulate.js'
import type { Tensor } from '../tensor.js'

/**
 * Turns queries and keys by their position, in place: it overwrites `qkv`. The derivative of the operation that made
 * `qkv` must not need the old values; that of `linear` does not.
 * @param qkv shape (batch, length, 3 · heads · headDim): query heads, key heads, value heads
 * @param table from `ropeTable`, shape (length, headDim / 2, 2)
 * @returns a new tensor over the same memory
 * @throws when the heads are not of even width
 */
export function rope(qkv: Tensor, table: Tensor, heads: number): Tensor {
  const { engine } = qkv
  const [batch, length, width] = qkv.shape
  const headDim = width / 3 / heads
  if (!Number.isInteger(headDim) || headDim % 2)
    throw new Error(`rope: width ${width} is not 3 × ${heads} heads of an even width`)
  const size = { batch, length, heads, headDim }
  engine.dispatch(kernels.rope, { table, x: qkv }, { ...size, direction: 1 })
  return engine.record(qkv.reshape(qkv.shape), [qkv], dy => [
    (into, accumulate) => {
      if (accumulate) throw new Error('rope: its input may be used by nothing else, as it is overwritten')
      addTo(into, dy, false)
      engine.dispatch(kernels.rope, { table, x: into }, { ...size, direction: -1 })
    },
  ])
}
