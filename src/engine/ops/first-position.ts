// The first position of each sequence, with its derivative.
import * as kernels from '../../kernels/first-position.js'
import type { DType, Tensor } from '../tensor.js'

/**
 * @param x shape (batch, length, width)
 * @param dtype of the result; default: that of x
 * @returns shape (batch, width)
 */
export function firstPosition(x: Tensor, { dtype = x.dtype }: { dtype?: DType } = {}): Tensor {
  const { engine } = x
  const [batch, length, width] = x.shape
  const size = { batch, length, width }
  const y = engine.tensor([batch, width], dtype)
  engine.dispatch(kernels.firstPosition, { from: x, to: y }, { ...size, forward: true, accumulate: false })
  return engine.record(y, [x], dy => [
    (into, accumulate) =>
      engine.dispatch(kernels.firstPosition, { from: dy, to: into }, { ...size, forward: false, accumulate }),
  ])
}
