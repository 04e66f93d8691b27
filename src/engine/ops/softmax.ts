// Softmax over the last axis, with its derivative; for attention also with hidden values.
import * as kernels from '../../kernels/softmax.js'
import { rowLanes } from '../../kernels/rows.js'
import type { Tensor } from '../tensor.js'

/** What attention asks for. */
export interface ScoresOptions {
  /** Scores are `factor · x`. */
  factor?: number
  /** Query i has keys 0 … i alone. */
  causal?: boolean
  /** Shape (sequences or 1, queries or 1, keys), i32 or u32: 0 hides a key. */
  mask?: Tensor
  /** Of each sequence. */
  heads?: number
}

/** Softmax over the last axis: `exp(x) / Σ exp(x)`. */
export function softmax(x: Tensor): Tensor {
  return softmaxOfScores(x)
}

/** `softmax(factor · x)` over the keys of scores (…, queries, keys); hidden keys get 0. */
export function softmaxOfScores(
  x: Tensor,
  { factor = 1, causal = false, mask, heads = 1 }: ScoresOptions = {},
): Tensor {
  const { engine } = x
  const width = x.shape.at(-1) ?? 1
  const lanes = rowLanes({ width, stride: 1 }, engine.adapter.isSoftware)
  const [sequences, queries] = mask?.shape ?? []
  const size = {
    rows: x.size / width,
    width,
    lanes,
    factor,
    heads,
    queries: x.shape.at(-2) ?? 1,
    causal,
    hasMask: mask !== undefined,
    maskSequence: sequences > 1 ? queries * width : 0,
    maskQuery: queries > 1 ? width : 0,
  }
  const y = engine.tensor(x.shape, x.dtype)
  // A binding needs a tensor, also where nothing is read from it.
  const read = mask ?? engine.tensor([1], 'i32')
  engine.dispatch(kernels.softmax, { x, mask: read, y }, size)
  if (!mask) engine.release(read)
  return engine.record(y, [x], dy => {
    const dx = engine.tensor(x.shape, x.dtype)
    engine.dispatch(kernels.softmaxBackward, { y, dy, dx }, size)
    return [dx]
  })
}
