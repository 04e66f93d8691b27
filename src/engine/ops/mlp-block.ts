// A SwiGLU block with residual and norm, rms(s + down(silu(gate) · up)) with s = h + injection, with its derivative.
import { type MlpBlockSize, mlpBlockKernel } from '../../kernels/mlp-block.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { AnyTensors, Family } from '../variants.js'
import { add } from './add.js'
import { linear, mix } from './linear.js'
import { hasDearLoads } from './matmul.js'
import { rmsnorm } from './rmsnorm.js'
import { swiglu } from './swiglu.js'

export interface MlpBlockOptions {
  /** Added to h first; of its shape. */
  injection?: Tensor
  /** Axis that the block works on: the last one, or the positions before it. */
  axis: -1 | -2
  /** Added to the mean square in the norm. */
  epsilon: number
  /** Receives the result instead of a new tensor; not h, not the injection. */
  into?: Tensor
}

/** One operation after the other. */
function composed(engine: Engine, h: Tensor, gateUp: Tensor, down: Tensor, { injection, axis, epsilon, into }: MlpBlockOptions): Tensor {
  const product = axis === -1 ? linear : mix
  const s = injection ? add(engine, h, injection) : h
  return rmsnorm(engine, product(engine, swiglu(engine, product(engine, s, gateUp), axis), down), { residual: s, axis, epsilon, into })
}

/** y from h, injection, gateUp and down, without derivative. */
export const mlpBlockFamily: Family<AnyTensors, MlpBlockSize> = {
  name: 'mlp block',
  variants: [
    {
      name: 'fused',
      available: (adapter, size) => hasDearLoads(adapter) && mlpBlockKernel(size) !== undefined,
      run: (engine, tensors, size) => engine.run(mlpBlockKernel(size)!, tensors, size),
    },
    {
      name: 'composed',
      available: () => true,
      run: (engine, { h, injection, gateUp, down, y }, size) => engine.scope(() => composed(engine, h, gateUp, down, { ...size, injection: size.hasInjection ? injection : undefined, into: y })),
    },
  ],
  classOf: ({ batch, length, width, inner, axis }) => `${batch}×${length}×${width} by ${inner} axis ${axis}`,
  sample(engine, { batch, length, width, inner, axis }) {
    const over = axis === -1 ? width : length
    const [h, injection, y] = [0, 1, 2].map(() => engine.tensor([batch, length, width]))
    return { h, injection, gateUp: engine.tensor([2 * inner, over]), down: engine.tensor([over, inner]), y }
  },
}

/**
 * @param h shape (batch, length, width)
 * @param gateUp shape (2 · inner, n), n being width with axis −1, length with axis −2; the gate is the first half
 * @param down shape (n, inner)
 * @returns h's shape
 */
export function mlpBlock(engine: Engine, h: Tensor, gateUp: Tensor, down: Tensor, options: MlpBlockOptions): Tensor {
  if (engine.isRecording) return composed(engine, h, gateUp, down, options)
  const { injection, axis, epsilon, into = engine.tensor(h.shape) } = options
  const [batch, length, width] = h.shape
  const size: MlpBlockSize = { batch, length, width, inner: down.shape[1], axis, hasInjection: injection !== undefined, epsilon }
  engine.variants.pick(mlpBlockFamily, size).run(engine, { h, injection: injection ?? down, gateUp, down, y: into }, size)
  return into
}
