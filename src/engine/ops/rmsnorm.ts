// y = rms(x + residual), with its derivative.
import * as kernels from '../../kernels/rmsnorm.js'
import type { Engine } from '../engine.js'
import type { Tensor } from '../tensor.js'

export interface RmsnormOptions {
  /** Added to x before the norm; of the same shape. */
  residual?: Tensor
  /** Axis that is normed: the last one by default, or the one before it. */
  axis?: -1 | -2
  /** Added to the mean square; 1e-5 by default. */
  epsilon?: number
  /** Receives the result instead of a new tensor; not x, not the residual. */
  into?: Tensor
}

/** `s / sqrt(mean(s²) + epsilon)` with `s = x + residual`; no learned scale. */
export function rmsnorm(engine: Engine, x: Tensor, { residual, axis = -1, epsilon = 1e-5, into }: RmsnormOptions = {}): Tensor {
  if (residual && residual.size !== x.size) throw new Error(`rmsnorm: residual of shape [${residual.shape}] does not fit x of shape [${x.shape}]`)
  const inner = axis === -1 ? 1 : x.shape.at(-1)!
  const width = x.shape.at(axis)!
  const size = { rows: x.size / width, width, inner, lanes: kernels.rowLanes({ width, inner }, engine.adapter.isSoftware) }
  const y = into ?? engine.tensor(x.shape, x.dtype)
  const scale = engine.tensor([size.rows])
  engine.run(kernels.rmsnorm, { x, residual: residual ?? x, y, scale }, { ...size, epsilon, hasResidual: residual !== undefined })
  return engine.record(y, residual ? [x, residual] : [x], dy => {
    const ds = engine.tensor(x.shape, x.dtype)
    engine.run(kernels.rmsnormBackward, { y, scale, dy, ds }, size)
    return [ds, ds]
  })
}
