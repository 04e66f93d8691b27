// Multi-head attention over packed rows [q | k | v], with rotary positions if there is a table, and its derivative.
import * as kernels from '../../kernels/attention.js'
import {
  attentionTiled,
  attentionTiledBackwardKv,
  attentionTiledBackwardQ,
  fitsTiles,
} from '../../kernels/attention-tiled.js'
import type { Kernel } from '../../kernels/kernel.js'
import { rope as turn } from '../../kernels/rope.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { AnyTensors, Family, Variant } from '../variants.js'

export interface AttentionOptions {
  /** From `ropeTable`, shape (length, headDim / 2, 2): queries and keys are turned by their position, as by `rope`. */
  rope?: Tensor
}

export type RecordedSize = kernels.AttentionSize & {
  /** The tape records it for its derivative. */
  recorded: boolean
}

/** What attention is computed from. */
export interface AttentionInputs {
  readonly qkv: Tensor
  readonly rope?: Tensor
}

/**
 * Forward: computes o and lse from qkv and table. Backward: computes dQkv and delta from these four and dO.
 * Without rotary positions any tensor stands for the table.
 */
export type AttentionStep = (engine: Engine, tensors: AnyTensors, size: kernels.AttentionSize) => void

/** A variant by its two steps. */
export function attentionVariant({
  forward,
  backward,
  ...about
}: Pick<Variant<AttentionInputs, RecordedSize, Tensor>, 'name' | 'available' | 'onlyHardware' | 'suits'> & {
  forward: AttentionStep
  backward: AttentionStep
}): Variant<AttentionInputs, RecordedSize, Tensor> {
  return {
    ...about,
    apply(engine, { qkv, rope }, size) {
      const { batch, length, heads, headDim } = size
      const o = engine.tensor([batch, length, heads * headDim], qkv.dtype)
      const lse = engine.tensor([batch, heads, length])
      const table = rope ?? lse
      forward(engine, { qkv, table, o, lse }, size)
      return engine.record(o, [qkv], dO => {
        const dQkv = engine.tensor(qkv.shape, qkv.dtype)
        const delta = engine.tensor([batch, heads, length])
        backward(engine, { qkv, table, o, lse, dO, dQkv, delta }, size)
        return [dQkv]
      })
    },
  }
}

/** For kernels without rotary positions: they get a turned copy of the rows, and their gradients are turned back. */
export function turnedBefore(
  engine: Engine,
  tensors: AnyTensors,
  size: kernels.AttentionSize,
  run: (tensors: AnyTensors) => void,
): void {
  if (!size.rope) return run(tensors)
  const { qkv, dQkv, table } = tensors
  const turned = engine.tensor(qkv.shape, qkv.dtype)
  engine.copy(qkv, turned)
  engine.dispatch(turn, { table, x: turned }, { ...size, direction: 1 })
  run({ ...tensors, qkv: turned })
  engine.release(turned)
  if (dQkv) engine.dispatch(turn, { table, x: dQkv }, { ...size, direction: -1 })
}

/** Records a kernel with those of the tensors that it binds. */
export function dispatchStep<Size>(engine: Engine, kernel: Kernel<Size>, tensors: AnyTensors, size: Size): void {
  const names = Object.keys(kernel.bindings)
  engine.dispatch(kernel, Object.fromEntries(names.map(name => [name, tensors[name]])), size)
}

// A thread reads all keys. Turning each key again for every query would cost more than one more dispatch.
// GPUs need unrolled loops, as no variable may index registers. On software adapters these take long to compile.
const thread = (unrolled: boolean) =>
  attentionVariant({
    name: unrolled ? 'thread unrolled' : 'thread',
    available: ({ isSoftware }) => unrolled || isSoftware,
    onlyHardware: unrolled || undefined,
    forward: (engine, tensors, size) =>
      turnedBefore(engine, tensors, size, turned =>
        dispatchStep(engine, kernels.attention, turned, { ...size, unrolled }),
      ),
    backward: (engine, tensors, size) =>
      turnedBefore(engine, tensors, size, turned => {
        dispatchStep(engine, kernels.attentionBackwardQ, turned, { ...size, unrolled })
        dispatchStep(engine, kernels.attentionBackwardKv, turned, { ...size, unrolled })
      }),
  })

/** A stand-in for the unused table that no step writes: a buffer must not be bound both to read and to write. */
export const readable = (tensors: AnyTensors, { rope }: kernels.AttentionSize) =>
  rope ? tensors : { ...tensors, table: tensors.qkv }

const tiled = attentionVariant({
  name: 'tiled',
  onlyHardware: true,
  available: (_, size) => fitsTiles(size),
  // The sequence fills at least half of a tile.
  suits: ({ length }) => length >= 16,
  forward: (engine, tensors, size) => dispatchStep(engine, attentionTiled, readable(tensors, size), size),
  backward(engine, tensors, size) {
    dispatchStep(engine, kernels.attentionDelta, tensors, size)
    dispatchStep(engine, attentionTiledBackwardQ, readable(tensors, size), size)
    dispatchStep(engine, attentionTiledBackwardKv, readable(tensors, size), size)
  },
})

export const attentionFamily: Family<AttentionInputs, RecordedSize, Tensor> = {
  name: 'attention',
  variants: [tiled, thread(true), thread(false)],
  classOf: ({ length, headDim, rope, f16, recorded }) =>
    `${f16 ? 'f16 ' : ''}${length}×${headDim}${rope ? ' rope' : ''}${recorded ? ' recorded' : ''}`,
  sample: (engine, { batch, length, heads, headDim, rope, f16 }) => ({
    qkv: engine.tensor([batch, length, 3 * heads * headDim], f16 ? 'f16' : 'f32'),
    rope: rope ? engine.tensor([length, headDim]) : undefined,
  }),
  inputs: ({ qkv }) => [qkv],
}

/**
 * `softmax(q · kᵀ / √headDim) · v` per head; every position sees every other one.
 * For a causal order or a mask see `maskedAttention`.
 * @param qkv shape (batch, length, 3 · heads · headDim): query heads, key heads, value heads
 * @returns shape (batch, length, heads · headDim)
 * @throws when the shapes do not fit
 */
export function attention(qkv: Tensor, heads: number, { rope }: AttentionOptions = {}): Tensor {
  const { engine } = qkv
  const [batch, length, packed] = qkv.shape
  const width = packed / 3
  const headDim = width / heads
  if (qkv.shape.length !== 3 || !Number.isInteger(headDim))
    throw new Error(`attention: shape [${qkv.shape}] is not (batch, length, 3 × ${heads} heads × head width)`)
  if (rope && (headDim % 2 || rope.size !== length * headDim))
    throw new Error(
      `attention: a table of shape [${rope.shape}], expected [${length},${headDim / 2},2] and an even head width`,
    )
  const size = {
    batch,
    length,
    heads,
    headDim,
    rope: rope !== undefined,
    f16: qkv.dtype === 'f16',
    recorded: engine.isRecording,
  }
  return engine.variants.pick(attentionFamily, size).apply(engine, { qkv, rope }, size)
}
