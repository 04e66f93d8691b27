// Multi-head attention over packed [q | k | v] rows, with its derivative.
import * as kernels from '../../kernels/attention.js'
import { attentionDelta, attentionTexels, attentionTexelsBackwardKv, attentionTexelsBackwardQ, fitsTexels } from '../../kernels/attention-texels.js'
import type { AdapterSummary, Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { AnyTensors, Family, Variant } from '../variants.js'
import { hasDearLoads } from './matmul.js'

type Size = kernels.AttentionSize

const byTexels = (adapter: AdapterSummary, size: Size) => !size.half && hasDearLoads(adapter) && fitsTexels(size)

const texels: Variant<AnyTensors, Size> = {
  name: 'texels',
  available: byTexels,
  run: (engine, tensors, size) => engine.run(attentionTexels, tensors, size),
}

const texelsBackward: Variant<AnyTensors, Size> = {
  name: 'texels',
  available: byTexels,
  run(engine, tensors, size) {
    engine.run(attentionDelta, tensors, size)
    engine.run(attentionTexelsBackwardQ, tensors, size)
    engine.run(attentionTexelsBackwardKv, tensors, size)
  },
}

/** o and lse from qkv. */
const forwardFamily: Family<AnyTensors, Size> = {
  name: 'attention',
  variants: [
    ...(FOR_BROWSERS ? [] : [texels]),
    { name: 'thread', available: () => true, run: (engine, tensors, size) => engine.run(kernels.attention, tensors, size) },
  ],
  classOf: ({ length, headDim, half }) => `${half ? 'f16 ' : ''}${length}×${headDim}`,
  sample: (engine, { batch, length, heads, headDim, half }) => ({
    qkv: engine.tensor([batch, length, 3 * heads * headDim], half ? 'f16' : 'f32'),
    o: engine.tensor([batch, length, heads * headDim], half ? 'f16' : 'f32'),
    lse: engine.tensor([batch, heads, length]),
  }),
}

/** dQkv and delta from qkv, o, lse and dO. */
const backwardFamily: Family<AnyTensors, Size> = {
  name: 'attention backward',
  variants: [
    ...(FOR_BROWSERS ? [] : [texelsBackward]),
    {
      name: 'thread',
      available: () => true,
      run(engine, tensors, size) {
        engine.run(kernels.attentionBackwardQ, tensors, size)
        engine.run(kernels.attentionBackwardKv, tensors, size)
      },
    },
  ],
  classOf: forwardFamily.classOf,
  sample: (engine, size) => ({
    ...forwardFamily.sample(engine, size),
    dO: engine.tensor([size.batch, size.length, size.heads * size.headDim], size.half ? 'f16' : 'f32'),
    dQkv: engine.tensor([size.batch, size.length, 3 * size.heads * size.headDim], size.half ? 'f16' : 'f32'),
    delta: engine.tensor([size.batch, size.heads, size.length]),
  }),
}

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
  const size = { batch, length, heads, headDim, half: qkv.dtype === 'f16' }
  const o = engine.tensor([batch, length, width], qkv.dtype)
  const lse = engine.tensor([batch, heads, length])
  engine.variants.pick(forwardFamily, size).run(engine, { qkv, o, lse }, size)
  return engine.record(o, [qkv], dO => {
    const dQkv = engine.tensor(qkv.shape, qkv.dtype)
    const delta = engine.tensor([batch, heads, length])
    engine.variants.pick(backwardFamily, size).run(engine, { qkv, o, lse, dO, dQkv, delta }, size)
    return [dQkv]
  })
}
