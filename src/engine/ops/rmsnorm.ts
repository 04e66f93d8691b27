// Root-mean-square norm, y = rms(x + residual), with its derivative.
import * as kernels from '../../kernels/rmsnorm.js'
import { rowLanes } from '../../kernels/rows.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'
import type { AnyTensors, Family, Variant } from '../variants.js'

export interface RmsnormOptions {
  /** Added to x before the norm; of the same shape. */
  residual?: Tensor
  /** Axis that is normed: the last one, or the one before it. Default −1. */
  axis?: -1 | -2
  /** Added to the mean square. Default 1e-5. */
  epsilon?: number
  /** Receives the result instead of a new tensor; not x, not the residual. */
  into?: Tensor
}

export interface NormSize extends kernels.RmsnormSize {
  epsilon: number
  /** x is float16. */
  f16: boolean
  /** The tape records it for its derivative. */
  recorded: boolean
}

export interface NormTensors {
  readonly x: Tensor
  readonly residual?: Tensor
  readonly into?: Tensor
}

type NormVariant = Variant<NormTensors, NormSize, Tensor>
type Steps<Tensors, Size> = (engine: Engine, tensors: Tensors, size: Size) => void

/** Forward: y and rstd from x and residual. Backward: ds from y, rstd and dy. */
const normVariant = ({
  forward,
  backward,
  ...about
}: Omit<NormVariant, 'apply'> & {
  forward: Steps<AnyTensors, NormSize & { hasResidual: boolean }>
  backward: Steps<AnyTensors, NormSize>
}): NormVariant => ({
  ...about,
  apply(engine, { x, residual, into }, size) {
    const y = into ?? engine.tensor(x.shape, x.dtype)
    const rstd = engine.tensor([size.rows])
    forward(engine, { x, residual: residual ?? x, y, rstd }, { ...size, hasResidual: residual !== undefined })
    return engine.record(y, residual ? [x, residual] : [x], dy => {
      const ds = engine.tensor(x.shape, x.dtype)
      backward(engine, { y, rstd, dy, ds }, size)
      return [ds, ds]
    })
  },
})

const withLanes = <Size extends NormSize>(engine: Engine, size: Size) => ({
  ...size,
  lanes: rowLanes(size, engine.adapter.isSoftware),
})
const loop = normVariant({
  name: 'loop',
  available: () => true,
  forward: (engine, tensors, size) => engine.dispatch(kernels.rmsnorm, tensors, withLanes(engine, size)),
  backward: (engine, tensors, size) => engine.dispatch(kernels.rmsnormBackward, tensors, withLanes(engine, size)),
})

const registers = normVariant({
  name: 'registers',
  onlyHardware: true,
  available: (_, size) => kernels.fitsRegisters(size),
  forward: (engine, tensors, size) => engine.dispatch(kernels.rmsnormRegisters, tensors, size),
  backward: (engine, tensors, size) => engine.dispatch(kernels.rmsnormRegistersBackward, tensors, size),
})

export const normFamily: Family<NormTensors, NormSize, Tensor> = {
  name: 'rmsnorm',
  variants: [registers, loop],
  classOf: ({ rows, width, stride, f16, recorded }) =>
    (f16 ? 'f16 ' : '') +
    (stride > 1 ? `${rows / stride}×${width}×${stride}` : `${rows}×${width}`) +
    (recorded ? ' recorded' : ''),
  sample(engine, { rows, width, stride, f16 }) {
    const tensor = () => engine.tensor([rows / stride, width, stride], f16 ? 'f16' : 'f32')
    return { x: tensor(), residual: tensor() }
  },
  inputs: ({ x }) => [x],
}

/**
 * `s / sqrt(mean(s²) + epsilon)` with `s = x + residual`; no learned scale.
 * @returns shape of x
 * @throws when the residual is not as large as x
 */
export function rmsnorm(x: Tensor, { residual, axis = -1, epsilon = 1e-5, into }: RmsnormOptions = {}): Tensor {
  const { engine } = x
  if (residual && residual.size !== x.size)
    throw new Error(`rmsnorm: residual of shape [${residual.shape}] does not fit x of shape [${x.shape}]`)
  const stride = axis === -1 ? 1 : x.shape.at(-1)!
  const width = x.shape.at(axis)!
  const size = { rows: x.size / width, width, stride, epsilon, f16: x.dtype === 'f16', recorded: engine.isRecording }
  return engine.variants.pick(normFamily, size).apply(engine, { x, residual, into }, size)
}
