// Multi-head attention over packed [q | k | v] rows, with rotary positions where a table is given, with its derivative.
import * as kernels from '../../kernels/attention.js'
import { attentionTexels, attentionTexelsBackwardKv, attentionTexelsBackwardQ, fitsTexels, turnsTexels } from '../../kernels/attention-texels.js'
import { attentionTiled, attentionTiledBackwardKv, attentionTiledBackwardQ, fitsTiles } from '../../kernels/attention-tiled.js'
import { rope as turn } from '../../kernels/rope.js'
import type { AdapterSummary, Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { AnyTensors, Family, Variant } from '../variants.js'
import { hasDearLoads } from './matmul.js'

export interface AttentionOptions {
  /** From `ropeTable`, shape (length, headDim / 2, 2): queries and keys are turned by their position, as by `rope`. */
  rope?: Tensor
}

type Size = kernels.AttentionSize

/** For kernels that take queries and keys as they are: they get a copy, turned, and the gradients that they give are turned back. */
function turnedBefore(engine: Engine, tensors: AnyTensors, size: Size, run: (tensors: AnyTensors) => void): void {
  if (!size.rope) return run(tensors)
  const { qkv, dQkv, table } = tensors
  const turned = engine.tensor(qkv.shape, qkv.dtype)
  engine.copy(qkv, turned)
  engine.run(turn, { table, x: turned }, { ...size, direction: 1 })
  run({ ...tensors, qkv: turned })
  engine.release(turned)
  if (dQkv) engine.run(turn, { table, x: dQkv }, { ...size, direction: -1 })
}

// A thread walks over all keys: turning each of them for every query would cost more than the dispatch that it saves.
const thread: Variant<AnyTensors, Size> = {
  name: 'thread',
  available: () => true,
  run: (engine, tensors, size) => turnedBefore(engine, tensors, size, turned => engine.run(kernels.attention, turned, size)),
}

const threadBackward: Variant<AnyTensors, Size> = {
  name: 'thread',
  available: () => true,
  run: (engine, tensors, size) => turnedBefore(engine, tensors, size, turned => {
    engine.run(kernels.attentionBackwardQ, turned, size)
    engine.run(kernels.attentionBackwardKv, turned, size)
  }),
}

/** Sequences that fill at least half of a tile. */
const suitsTiles = ({ length }: Size) => length >= 16

/** A buffer that is written cannot also stand for a table that is not read. */
const readable = (tensors: AnyTensors, { rope }: Size) => (rope ? tensors : { ...tensors, table: tensors.qkv })

const tiled: Variant<AnyTensors, Size> = {
  name: 'tiled',
  onlyHardware: true,
  available: (_, size) => fitsTiles(size),
  suits: suitsTiles,
  run: (engine, tensors, size) => engine.run(attentionTiled, readable(tensors, size), size),
}

const tiledBackward: Variant<AnyTensors, Size> = {
  ...tiled,
  run(engine, tensors, size) {
    engine.run(kernels.attentionDelta, tensors, size)
    engine.run(attentionTiledBackwardQ, readable(tensors, size), size)
    engine.run(attentionTiledBackwardKv, readable(tensors, size), size)
  },
}

const byTexels = (adapter: AdapterSummary, size: Size) => !size.half && hasDearLoads(adapter) && fitsTexels(size)

const texels: Variant<AnyTensors, Size> = {
  name: 'texels',
  available: byTexels,
  run(engine, tensors, size) {
    if (size.rope && !turnsTexels(size)) turnedBefore(engine, tensors, size, turned => texels.run(engine, turned, { ...size, rope: false }))
    else engine.run(attentionTexels, tensors, size)
  },
}

const texelsBackward: Variant<AnyTensors, Size> = {
  name: 'texels',
  available: byTexels,
  run(engine, tensors, size) {
    if (size.rope && !turnsTexels(size)) return turnedBefore(engine, tensors, size, turned => texelsBackward.run(engine, turned, { ...size, rope: false }))
    engine.run(kernels.attentionDelta, tensors, size)
    engine.run(attentionTexelsBackwardQ, tensors, size)
    engine.run(attentionTexelsBackwardKv, tensors, size)
  },
}

/** o and lse from qkv; `table` is any tensor where nothing is turned. */
const forwardFamily: Family<AnyTensors, Size> = {
  name: 'attention',
  variants: [
    tiled,
    ...(FOR_BROWSERS ? [] : [texels]),
    thread,
  ],
  classOf: ({ length, headDim, rope, half }) => `${half ? 'f16 ' : ''}${length}×${headDim}${rope ? ' rope' : ''}`,
  sample: (engine, { batch, length, heads, headDim, half }) => ({
    qkv: engine.tensor([batch, length, 3 * heads * headDim], half ? 'f16' : 'f32'),
    table: engine.tensor([length, headDim]),
    o: engine.tensor([batch, length, heads * headDim], half ? 'f16' : 'f32'),
    lse: engine.tensor([batch, heads, length]),
  }),
}

/** dQkv and delta from qkv, table, o, lse and dO. */
const backwardFamily: Family<AnyTensors, Size> = {
  name: 'attention backward',
  variants: [
    tiledBackward,
    ...(FOR_BROWSERS ? [] : [texelsBackward]),
    threadBackward,
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
export function attention(engine: Engine, qkv: Tensor, heads: number, { rope }: AttentionOptions = {}): Tensor {
  const [batch, length, packed] = qkv.shape
  const width = packed / 3
  const headDim = width / heads
  if (qkv.shape.length !== 3 || !Number.isInteger(headDim)) throw new Error(`attention: shape [${qkv.shape}] is not (batch, length, 3 × ${heads} heads × head width)`)
  if (rope && (headDim % 2 || rope.size !== length * headDim)) throw new Error(`attention: a table of shape [${rope.shape}] does not turn heads of width ${headDim} at ${length} positions, expected (length, head width / 2, 2)`)
  const size = { batch, length, heads, headDim, rope: rope !== undefined, half: qkv.dtype === 'f16' }
  const o = engine.tensor([batch, length, width], qkv.dtype)
  const lse = engine.tensor([batch, heads, length])
  const table = rope ?? lse
  engine.variants.pick(forwardFamily, size).run(engine, { qkv, table, o, lse }, size)
  return engine.record(o, [qkv], dO => {
    const dQkv = engine.tensor(qkv.shape, qkv.dtype)
    const delta = engine.tensor([batch, heads, length])
    engine.variants.pick(backwardFamily, size).run(engine, { qkv, table, o, lse, dO, dQkv, delta }, size)
    return [dQkv]
  })
}
