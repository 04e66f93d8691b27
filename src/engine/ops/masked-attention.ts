// Multi-head attention that hides keys, by a causal order or a mask.
// It is composed of products and a softmax, so the scores lie in memory.
import { rope as turn } from '../../kernels/rope.js'
import { addTo } from '../accumulate.js'
import type { Tensor } from '../tensor.js'
import type { AttentionOptions } from './attention.js'
import { batchMatmul } from './batch-matmul.js'
import { softmaxOfScores } from './softmax.js'
import { strided } from './transpose.js'

export interface MaskedAttentionOptions extends AttentionOptions {
  /** Position i sees positions 0 … i alone. */
  causal?: boolean
  /** i32 or u32, shape (batch or 1, length or 1, length): 0 hides a key from a query. Axes of 1 hold for all. */
  mask?: Tensor
}

/**
 * Attention as by `attention`, where queries do not see every key. A query that sees none gets zeros.
 * It takes batch · heads · length² values of memory, which `attention` does not.
 * @param qkv shape (batch, length, 3 · heads · headDim): query heads, key heads, value heads
 * @returns shape (batch, length, heads · headDim)
 * @throws when a shape does not fit
 */
export function maskedAttention(
  qkv: Tensor,
  heads: number,
  { causal = false, mask, rope }: MaskedAttentionOptions = {},
): Tensor {
  const { engine } = qkv
  const [batch, length, packed] = qkv.shape
  const headDim = packed / 3 / heads
  if (qkv.shape.length !== 3 || !Number.isInteger(headDim))
    throw new Error(`maskedAttention: shape [${qkv.shape}] is not (batch, length, 3 × ${heads} heads × head width)`)
  if (rope && (headDim % 2 || rope.size !== length * headDim))
    throw new Error(
      `maskedAttention: a table of shape [${rope.shape}] does not turn heads of width ${headDim} ` +
        `at ${length} positions, expected (length, head width / 2, 2)`,
    )
  if (mask) checkMask(mask, batch, length)
  const compute = () => {
    const turned = rope ? turnedCopy(qkv, rope, heads) : qkv
    const [q, k, v] = [0, 1, 2].map(part => headsOf(turned, heads, part))
    const scores = batchMatmul(q, k, { transposeB: true, dtype: 'f32' })
    const weights = softmaxOfScores(scores, { factor: headDim ** -0.5, causal, mask, heads })
    const outputs = batchMatmul(weights, v, { dtype: qkv.dtype })
    return strided(outputs, [batch, length, heads * headDim], {
      sizes: [batch, length, heads, headDim],
      strides: [heads * length * headDim, headDim, length * headDim, 1],
      offset: 0,
    })
  }
  return engine.isRecording ? compute() : engine.transient(compute, (storage, o) => storage === o.storage)
}

function checkMask({ shape, dtype }: Tensor, batch: number, length: number): void {
  const [sequences, queries, keys] = shape
  const fits =
    shape.length === 3 &&
    (sequences === 1 || sequences === batch) &&
    (queries === 1 || queries === length) &&
    keys === length
  if (!fits || (dtype !== 'i32' && dtype !== 'u32'))
    throw new Error(
      `maskedAttention: a mask of shape [${shape}] and type ${dtype}, ` +
        `expected i32 or u32 of shape (${batch} or 1, ${length} or 1, ${length})`,
    )
}

/** Queries, keys or values, part 0, 1 or 2, of packed rows: shape (batch · heads, length, headDim). */
function headsOf(qkv: Tensor, heads: number, part: number): Tensor {
  const [batch, length, packed] = qkv.shape
  const headDim = packed / 3 / heads
  return strided(qkv, [batch * heads, length, headDim], {
    sizes: [batch, heads, length, headDim],
    strides: [length * packed, headDim, packed, 1],
    offset: part * heads * headDim,
  })
}

/** As `rope` does it, but what was given stays as it is. */
function turnedCopy(qkv: Tensor, table: Tensor, heads: number): Tensor {
  const { engine } = qkv
  const [batch, length, packed] = qkv.shape
  const size = { batch, length, heads, headDim: packed / 3 / heads }
  const turnedBy = (x: Tensor, direction: 1 | -1) => {
    const turned = engine.tensor(qkv.shape, x.dtype)
    engine.copy(x, turned)
    engine.dispatch(turn, { table, x: turned }, { ...size, direction })
    return turned
  }
  return engine.record(turnedBy(qkv, 1), [qkv], dy => [
    (into, accumulate) => {
      const back = turnedBy(dy, -1)
      addTo(into, back, accumulate)
      engine.release(back)
    },
  ])
}
