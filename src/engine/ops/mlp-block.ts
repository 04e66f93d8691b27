// A SwiGLU block with residual and norm: rms(s + down(silu(gate) · up)) with s = h + injection.
// It is composed of four operations, unless a variant computes it whole.
import type { Shape, Tensor } from '../tensor.js'
import type { Family, Variant } from '../variants.js'
import { add } from './add.js'
import { gated } from './gated.js'
import { linear } from './linear.js'
import { rmsnorm } from './rmsnorm.js'

export interface MlpBlockOptions {
  /** Added to h first; of its shape. */
  injection?: Tensor
  /** Axis that the block works on: −1 is the width, −2 are the positions. */
  axis: -1 | -2
  /** Added to the mean square in the norm. */
  epsilon: number
  /** Receives the result instead of a new tensor; not h, not the injection. */
  into?: Tensor
}

export interface MlpBlockSize {
  batch: number
  length: number
  width: number
  /** Inner width of the SwiGLU. */
  inner: number
  axis: -1 | -2
  epsilon: number
  /** The tape records it for its derivative. */
  recorded: boolean
  /** Tensors are float16. */
  f16: boolean
}

export interface BlockTensors {
  readonly h: Tensor
  readonly injection?: Tensor
  readonly gateUp: Tensor
  readonly down: Tensor
  readonly into?: Tensor
}

export const composedBlock: Variant<BlockTensors, MlpBlockSize, Tensor> = {
  name: 'composed',
  available: () => true,
  apply(engine, { h, injection, gateUp, down, into }, { axis, epsilon, recorded }) {
    const compute = () => {
      const s = injection ? add(h, injection) : h
      return rmsnorm(linear(gated(s, gateUp, { axis }), down, { axis }), { residual: s, axis, epsilon, into })
    }
    return recorded ? compute() : engine.transient(compute, (storage, y) => storage === y.storage)
  },
}

export const mlpBlockFamily: Family<BlockTensors, MlpBlockSize, Tensor> = {
  name: 'mlp block',
  variants: [composedBlock],
  classOf: ({ batch, length, width, inner, axis, recorded, f16 }) =>
    `${f16 ? 'f16 ' : ''}${batch}×${length}×${width} by ${inner} axis ${axis}${recorded ? ' recorded' : ''}`,
  sample(engine, { batch, length, width, inner, axis, f16 }) {
    const over = axis === -1 ? width : length
    const tensor = (...shape: Shape) => engine.tensor(shape, f16 ? 'f16' : 'f32')
    return { h: tensor(batch, length, width), gateUp: tensor(2 * inner, over), down: tensor(over, inner) }
  },
  inputs: ({ h, gateUp, down }) => [gateUp, down, h],
}

/**
 * `rms(s + down · (silu(gate) ⊙ up))` with `s = h + injection` and `[gate | up] = gateUp · s`.
 * @param h shape (batch, length, width)
 * @param gateUp shape (2 · inner, n); n is the width with axis −1, the length with axis −2. The gate is the first half
 * @param down shape (n, inner)
 * @returns h's shape
 * @throws when the shapes do not fit
 */
export function mlpBlock(
  h: Tensor,
  gateUp: Tensor,
  down: Tensor,
  { injection, axis, epsilon, into }: MlpBlockOptions,
): Tensor {
  const { engine } = h
  const [batch, length, width] = h.shape
  const over = axis === -1 ? width : length
  const inner = down.shape[1]
  if (h.shape.length !== 3 || gateUp.shape[0] !== 2 * inner || gateUp.shape[1] !== over || down.shape[0] !== over) {
    throw new Error(
      `mlpBlock: h of shape [${h.shape}] does not fit weights of shapes [${gateUp.shape}] and [${down.shape}] ` +
        `over axis ${axis}, expected (batch, length, width), (2 · inner, ${over}) and (${over}, inner)`,
    )
  }
  const size = { batch, length, width, inner, axis, epsilon, recorded: engine.isRecording, f16: h.dtype === 'f16' }
  return engine.variants.pick(mlpBlockFamily, size).apply(engine, { h, injection, gateUp, down, into }, size)
}
